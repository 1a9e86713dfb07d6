//! Clients that do not read, or are not there any more.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;

use firn_conformance::environment::LeftOut;
use firn_conformance::server::Binary;
use socket2::{Domain, Socket, Type};

use crate::Checked;
use crate::client::Client;
use crate::process::{Launch, Process, eventually};
use crate::sign_in::allow_files;

pub(crate) fn a_subscriber_that_never_reads_is_closed_at_its_pending_bytes(binary: &Binary) -> Checked {
    check_never_reads(binary, "max_pending: 4MB", "Slow Consumer (Pending Bytes)")
}

pub(crate) fn a_subscriber_that_never_reads_is_closed_at_the_write_deadline(binary: &Binary) -> Checked {
    check_never_reads(binary, "max_pending: 1GB, write_deadline: \"500ms\"", "Slow Consumer (Write Deadline)")
}

/// One subscriber reads and one does not; a publisher goes on until the latter is closed, and a while longer.
fn check_never_reads(binary: &Binary, config: &str, reason: &str) -> Checked {
    const PAYLOAD_BYTES: usize = 32 * 1024;
    /// More than the system buffers for a socket, and less than the larger of the two limits.
    const MESSAGES: usize = 1_600;
    const AFTERWARDS: usize = 100;
    let launch = Launch { config: config.replace(", ", "\n"), ..Launch::default() };
    let mut server = Process::start(binary, &launch);
    let mut stuck = Client::connect(server.address());
    stuck.send("SUB load 1\r\n");
    stuck.sync();
    let mut reading = Client::connect(server.address());
    reading.send("SUB load 1\r\n");
    reading.sync();
    let mut publisher = Client::connect(server.address());

    let padding = "x".repeat(PAYLOAD_BYTES - 8);
    let mut publish = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            publisher.send(format!("PUB load {PAYLOAD_BYTES}\r\n{number:08}{padding}\r\n"));
            // The one who reads has to keep up, so that nobody but the other one can be too slow.
            let heard = reading.message().expect("the subscriber that reads stays connected");
            assert_eq!(heard[..8].parse(), Ok(number));
        }
        publisher.sync();
    };
    publish(0..MESSAGES);
    server.await_close_reason(reason);
    publish(MESSAGES..MESSAGES + AFTERWARDS);
    assert_eq!(server.page("/varz")["slow_consumers"].as_u64(), Some(1));
    server.assert_unharmed();
    Ok(MESSAGES + AFTERWARDS)
}

/// The other machine is gone without a word: nothing is refused, and nothing is answered.
pub(crate) fn a_client_that_vanished_is_closed_as_stale(binary: &Binary) -> Checked {
    let config = "ping_interval: \"300ms\"\nping_max: 2".to_owned();
    let server = Process::start(binary, &Launch { config, ..Launch::default() });
    let vanished = Client::connect(server.address());
    let mut witness = Client::connect(server.address());
    witness.send("SUB witness 1\r\n");
    thread::scope(|scope| {
        // Answers pings until its message arrives.
        let heard = scope.spawn(|| witness.message());
        server.await_close_reason("Stale Connection");
        let mut other = Client::connect(server.address());
        other.send("PUB witness 2\r\nhi\r\n");
        assert_eq!(heard.join().unwrap().as_deref(), Some("hi"));
    });
    assert_eq!(server.close_reasons().iter().filter(|&reason| reason == "Stale Connection").count(), 1);
    drop(vanished);
    Ok(1)
}

pub(crate) fn ten_thousand_stalled_subscribers_fit_into_half_a_gigabyte(binary: &Binary) -> Checked {
    const SUBSCRIBERS: usize = 10_000;
    const MEMORY_BYTES: usize = 512 << 20;
    /// Copied into each queue, so that without a bound they would need several times the memory.
    const MESSAGES: usize = 200;
    const PAYLOAD_BYTES: usize = 1_024;
    allow_files(SUBSCRIBERS + 500)?;
    let group = MemoryGroup::create(MEMORY_BYTES)?;
    let join = format!("echo $$ > {}/cgroup.procs; exec \"$@\"", group.0.display());
    let through = ["sh", "-c", &join, "sh"].map(str::to_owned).to_vec();
    let mut server = Process::start(binary, &Launch { through, ..Launch::default() });

    let stalled: Vec<TcpStream> = (0..SUBSCRIBERS)
        .map(|_| {
            let mut client = Client::greeted(connect_with_small_buffers(server.address()));
            client.sign_in("").unwrap();
            client.send("SUB load 1\r\n");
            client.sync();
            client.into_stream()
        })
        .collect();
    let mut fast = Client::connect(server.address());
    fast.send("SUB load 1\r\n");
    fast.sync();
    let mut publisher = Client::connect(server.address());
    let padding = "x".repeat(PAYLOAD_BYTES - 8);
    for number in 0..MESSAGES {
        publisher.send(format!("PUB load {PAYLOAD_BYTES}\r\n{number:08}{padding}\r\n"));
        let heard = fast.message().expect("the subscriber that reads stays connected");
        assert_eq!(heard[..8].parse(), Ok(number));
    }
    publisher.sync();
    server.assert_unharmed();
    drop(stalled);
    eventually("the stalled subscribers are gone", || server.page("/varz")["connections"].as_u64() == Some(2));
    Client::connect(server.address()).sync();
    drop(server);
    Ok(SUBSCRIBERS)
}

/// Otherwise the system would keep gigabytes on its way, and the server would hardly notice that nobody reads.
fn connect_with_small_buffers(address: SocketAddr) -> TcpStream {
    const SEGMENT_BYTES: u32 = 536;
    const RECEIVE_BYTES: usize = 4 * 1024;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(RECEIVE_BYTES).unwrap();
    socket.set_tcp_mss(SEGMENT_BYTES).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.into()
}

/// A control group of the first version with a limit on memory, removed when dropped.
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    fn create(limit_bytes: usize) -> Result<Self, LeftOut> {
        let folder = Path::new("/sys/fs/cgroup/memory").join(format!("firn-faults-{}", std::process::id()));
        let reason = |error: std::io::Error| LeftOut(format!("no control group for memory: {error}"));
        fs::create_dir(&folder).map_err(reason)?;
        let group = Self(folder);
        fs::write(group.0.join("memory.limit_in_bytes"), limit_bytes.to_string()).map_err(reason)?;
        Ok(group)
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // Stays behind only if a process does.
        fs::remove_dir(&self.0).ok();
    }
}
