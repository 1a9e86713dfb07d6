//! What clients send: noise, lines without end, sizes that are wrong, and very much.

use firn_conformance::server::Binary;

use crate::Checked;
use crate::client::Client;
use crate::process::{Launch, Process, eventually};

/// Changes which noise is sent.
const SEED: u64 = 0x5EED;

/// Lines that noise is mixed into.
const OPERATIONS: &str = "PUB a.b 5\r\nhello\r\nSUB a.* q 1\r\nHPUB a.b 12 17\r\nNATS/1.0\r\n\r\nhello\r\nUNSUB 1 1\r\n\
                          PING\r\nPONG\r\nSUB > 2\r\nPUB a.b r 0\r\n\r\nINFO {}\r\n+OK\r\n-ERR 'x'\r\nCONNECT {\"pass\":1}\r\n";

pub(crate) fn random_bytes_never_end_the_server(binary: &Binary) -> Checked {
    const CONNECTIONS: u64 = 300;
    let mut server = Process::start(binary, &Launch::default());
    let mut witness = Client::connect(server.address());
    witness.send("SUB witness 1\r\n");
    let mut random = Random(SEED);
    for number in 0..CONNECTIONS {
        let mut client = Client::open(server.address());
        if number % 3 != 0 {
            client.send("CONNECT {\"verbose\":false,\"headers\":true}\r\n");
        }
        client.send(if number % 3 == 1 { random.bytes(4096) } else { random.damaged(OPERATIONS, 40) });
        // The server hears all of it before it hears the end.
        client.finish();
        client.rest();
    }
    witness.sync();
    witness.send("PUB witness 2\r\nhi\r\n");
    assert_eq!(witness.message().as_deref(), Some("hi"), "after noise of seed {SEED:#x}");
    server.assert_unharmed();
    Ok(usize::try_from(CONNECTIONS).unwrap())
}

pub(crate) fn an_endless_control_line_is_refused(binary: &Binary) -> Checked {
    let server = Process::start(binary, &Launch::default());
    let mut witness = Client::connect(server.address());
    for begin in ["CONNECT {\"name\":\"", "PUB ", "SUB "] {
        let mut client = Client::open(server.address());
        if !begin.starts_with("CONNECT") {
            client.sign_in("").unwrap();
        }
        client.send(begin);
        // A server may read on for a while, so that its last words are not lost.
        let piece = [b'x'; 65_536];
        eventually("the line is refused", || (0..64).any(|_| client.try_send(piece).is_err()));
        witness.sync();
    }
    eventually("three lines were too long", || {
        server.close_reasons().iter().filter(|&reason| reason == "Maximum Control Line Exceeded").count() == 3
    });
    Ok(3)
}

pub(crate) fn a_payload_longer_than_announced_ends_only_its_sender(binary: &Binary) -> Checked {
    let server = Process::start(binary, &Launch::default());
    let mut subscriber = Client::connect(server.address());
    let mut sender = Client::connect(server.address());
    let mut other = Client::connect(server.address());
    subscriber.send("SUB > 1\r\n");
    subscriber.sync();
    sender.send("PUB bad 2\r\nhello\r\nPUB bad 2\r\nhi\r\n");
    assert_eq!(sender.rest().trim(), "-ERR 'Unknown Protocol Operation'");
    other.send("PUB good 2\r\nhi\r\n");
    assert_eq!(subscriber.message().as_deref(), Some("hi"));
    subscriber.sync();
    Ok(1)
}

/// The longest line a client may send is taken from everybody who reaches the port, so it must not be worth an attack.
pub(crate) fn half_a_control_line_costs_little_before_sign_in(binary: &Binary) -> Checked {
    const CONNECTIONS: usize = 1_000;
    const EACH_BYTES_MAX: u64 = 16 * 1024;
    let config = "authorization { user: a, password: b, timeout: 60 }\nmax_control_line: 4096";
    let server = Process::start(binary, &Launch { config: config.to_owned(), ..Launch::default() });
    let mut witness = Client::open(server.address());
    witness.sign_in("\"user\":\"a\",\"pass\":\"b\"").unwrap();
    let before = server.memory_bytes();
    let half = format!("CONNECT {{\"name\":\"{}", "x".repeat(4_000));
    let clients: Vec<Client> = (0..CONNECTIONS)
        .map(|_| {
            let mut client = Client::open(server.address());
            client.send(&half);
            client
        })
        .collect();
    witness.sync();
    // It keeps what makes no line yet, so growth says how much it has read.
    let read_all = before + u64::try_from(CONNECTIONS * half.len()).unwrap();
    let mut after = 0;
    eventually("the server has read everything", || {
        let earlier = std::mem::replace(&mut after, server.memory_bytes());
        after >= read_all && after == earlier
    });
    drop(clients);
    let each = after.saturating_sub(before) / u64::try_from(CONNECTIONS).unwrap();
    assert!(each <= EACH_BYTES_MAX, "{each} bytes for half a line");
    Ok(CONNECTIONS)
}

pub(crate) fn a_million_subscriptions_are_served_and_their_memory_is_given_back(binary: &Binary) -> Checked {
    const SUBSCRIPTIONS: u64 = 1_000_000;
    const AT_ONCE: u64 = 10_000;
    const EACH_BYTES_MAX: u64 = 640;
    let server = Process::start(binary, &Launch::default());
    let mut witness = Client::connect(server.address());
    let before = server.memory_bytes();
    // Twice, since what the first round leaves behind must not add up.
    for _ in 0..2 {
        let mut client = Client::connect(server.address());
        for first in (0..SUBSCRIPTIONS).step_by(usize::try_from(AT_ONCE).unwrap()) {
            let lines: String = (first..first + AT_ONCE).map(|n| format!("SUB device.{n}.state {n}\r\n")).collect();
            client.send(lines);
        }
        client.sync();
        let full = server.memory_bytes();
        let each = full.saturating_sub(before) / SUBSCRIPTIONS;
        assert!(each <= EACH_BYTES_MAX, "{each} bytes a subscription");
        assert_eq!(server.page("/varz")["subscriptions"].as_u64().map(|count| count >= SUBSCRIPTIONS), Some(true));
        witness.send(format!("PUB device.{}.state 2\r\nhi\r\n", SUBSCRIPTIONS - 1));
        assert_eq!(client.message().as_deref(), Some("hi"));

        drop(client);
        eventually("the subscriptions are gone", || {
            server.page("/varz")["subscriptions"].as_u64().is_some_and(|count| count < AT_ONCE)
        });
        witness.sync();
        let few = before + (full - before) / 3;
        eventually("their memory went back to the system", || server.memory_bytes() <= few);
    }
    Ok(usize::try_from(SUBSCRIPTIONS).unwrap())
}

/// A reproducible source of noise.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn bytes(&mut self, max: usize) -> Vec<u8> {
        (0..=self.below(max)).map(|_| self.next().to_le_bytes()[3]).collect()
    }

    /// The lines of `text` in any order, up to `lines`, with a byte changed, lost or doubled here and there.
    fn damaged(&mut self, text: &str, lines: usize) -> Vec<u8> {
        let choices: Vec<&[u8]> = text.as_bytes().split_inclusive(|&byte| byte == b'\n').collect();
        let mut bytes: Vec<u8> = (0..lines).flat_map(|_| choices[self.below(choices.len())].to_vec()).collect();
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len());
            match self.below(3) {
                0 => bytes[at] = self.next().to_le_bytes()[5],
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, bytes[at]),
            }
        }
        bytes
    }
}
