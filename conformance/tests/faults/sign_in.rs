//! Clients that do not sign in, or try to with wrong passwords, and what becomes of the right ones.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use firn_conformance::environment::LeftOut;
use firn_conformance::server::Binary;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::Checked;
use crate::client::Client;
use crate::process::{Launch, PATIENCE, Process};

const SHORT_TIMEOUT: &str = "authorization { user: a, password: b, timeout: 1 }";
const RIGHT: &str = "\"user\":\"a\",\"pass\":\"b\"";
const TOO_LATE: &str = "-ERR 'Authentication Timeout'";

pub(crate) fn half_a_connect_is_cut_off_at_the_authentication_timeout(binary: &Binary) -> Checked {
    let server = start(binary, SHORT_TIMEOUT);
    let mut half = Client::open(server.address());
    half.send("CONNECT {\"user\":\"a\",\"pa");
    assert_eq!(half.rest().trim(), TOO_LATE);
    server.await_close_reason("Authentication Timeout");
    Client::open(server.address()).sign_in(RIGHT).unwrap();
    Ok(1)
}

pub(crate) fn clients_that_send_byte_by_byte_are_cut_off_at_the_authentication_timeout(binary: &Binary) -> Checked {
    const CLIENTS: usize = 200;
    let server = start(binary, SHORT_TIMEOUT);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::open(server.address())).collect();
    let line = format!("CONNECT {{{RIGHT},\"name\":\"{}", "x".repeat(3_000));
    // Every byte shows that the client lives, which must not buy it time.
    let mut open = CLIENTS;
    for byte in line.bytes() {
        open = clients.iter_mut().filter_map(|client| client.try_send([byte]).ok()).count();
        if open == 0 {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(open, 0, "clients that are still connected");
    for client in &mut clients {
        // Bytes that crossed the server's last words may have destroyed them.
        let rest = client.rest();
        assert!(rest.trim() == TOO_LATE || rest.is_empty(), "{rest}");
    }
    let late = server.close_reasons().iter().filter(|&reason| reason == "Authentication Timeout").count();
    assert_eq!(late, CLIENTS);
    Client::open(server.address()).sign_in(RIGHT).unwrap();
    Ok(CLIENTS)
}

pub(crate) fn ten_thousand_silent_connections_are_closed_while_a_client_signs_in(binary: &Binary) -> Checked {
    const CONNECTIONS: usize = 10_000;
    allow_files(CONNECTIONS + 500)?;
    let server = start(binary, "authorization { user: a, password: b, timeout: 8 }");
    let silent: Vec<TcpStream> = (0..CONNECTIONS).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    let mut client = Client::open(server.address());
    client.sign_in(RIGHT).unwrap();
    client.sync();
    for mut stream in silent {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("the server ends the connection");
        assert!(said.starts_with("INFO ") && said.trim_end().ends_with(TOO_LATE), "{said}");
    }
    client.sync();
    Ok(CONNECTIONS)
}

/// A password is a canary: it must not be in the log, however the client that brings it fails.
pub(crate) fn secrets_never_reach_the_log(binary: &Binary) -> Checked {
    const CANARY: &str = "canary7f3a";
    let config = format!(
        "authorization {{ users: [
            {{ user: a, password: {CANARY}-right }}
            {{ nkey: UDDWUXNQOXJS6EYGMIX7SPK6EN36CTI6QOABV542HFWHLY5OC76WZOJG }}
        ] }}"
    );
    let with_token = format!("authorization {{ token: {CANARY}-token }}");
    let attempts = [
        format!("{{\"user\":\"a\",\"pass\":\"{CANARY}-right\"}}"),
        format!("{{\"user\":\"a\",\"pass\":\"{CANARY}-wrong\"}}"),
        format!("{{\"user\":\"a\", \"pass\" : \"{CANARY}-spaces\"}}"),
        format!("{{\"pass\":\"{CANARY} with \\\"quotes\\\" {CANARY}\",\"user\":\"a\"}}"),
        format!("{{\"auth_token\":\"{CANARY}-token\"}}"),
        format!("{{\"auth_token\":\"{CANARY}-wrong\"}}"),
        format!(
            "{{\"auth_token\":\"{CANARY}-1\",\"auth_token\":\"{CANARY}-2\",\"pass\":\"{CANARY}-3\",\"pass\":\"{CANARY}-4\"}}"
        ),
        format!("{{\"user\":\"a\",\"pass\":\"{CANARY}-not-closed"),
        format!("{{\"user\":\"a\",\"pass\":\"{CANARY}\",,}}"),
        format!("{{\"user\":\"a\",\"pass\":[\"{CANARY}\"]}}"),
        format!(
            "{{\"nkey\":\"UDDWUXNQOXJS6EYGMIX7SPK6EN36CTI6QOABV542HFWHLY5OC76WZOJG\",\"sig\":\"{CANARY}\",\"jwt\":\"{CANARY}\"}}"
        ),
    ];
    for config in [&config, &with_token] {
        let launch = Launch { config: config.clone(), flags: vec!["-DV"], ..Launch::default() };
        let mut server = Process::start(binary, &launch);
        for attempt in &attempts {
            let mut client = Client::open(server.address());
            client.send(format!("CONNECT {attempt}\r\nPING\r\n"));
            client.finish();
            client.rest();
        }
        server.assert_unharmed();
        let log = server.output();
        assert!(log.contains("[DBG]"), "the log says nothing of clients:\n{log}");
        let leaks: Vec<&str> = log.lines().filter(|line| line.contains(CANARY)).collect();
        assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    }
    Ok(2 * attempts.len())
}

/// Hashes are slow on purpose. Who sends wrong passwords may only ever wait for himself.
pub(crate) fn a_flood_of_wrong_passwords_slows_nobody_down(binary: &Binary) -> Checked {
    const FLOODERS: usize = 8;
    const LOGINS: usize = 5;
    /// Other programs on the machine disturb a measurement; a server that is slow is slow each time.
    const TRIES: usize = 3;
    let config = "authorization { timeout: 20, users: [
        { user: a, password: \"$2b$11$abcdefghijklmnopqrstuur.Gnx6ML7UJiYmitQ4POfHA5T34wNaS\" }
        { user: b, password: b }
    ] }";
    let right = "\"user\":\"a\",\"pass\":\"correct\"";
    let server = start(binary, config);
    let address = server.address();
    let mut ratios = Vec::new();
    for _ in 0..TRIES {
        let mut echo = Echo::start(address);
        let before = echo.slow_round_trip();
        let is_over = AtomicBool::new(false);
        let during = thread::scope(|scope| {
            for _ in 0..FLOODERS {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        let refused = Client::open(address).sign_in("\"user\":\"a\",\"pass\":\"wrong\"");
                        assert_eq!(refused, Err("-ERR 'Authorization Violation'".to_owned()));
                    }
                });
            }
            let during = echo.slow_round_trip();
            for _ in 0..LOGINS {
                let signed_in = Client::open_from(Ipv4Addr::new(127, 0, 0, 2), address).sign_in(right);
                assert_eq!(signed_in, Ok(()), "the right password from another address");
            }
            is_over.store(true, Ordering::Relaxed);
            during
        });
        ratios.push(during.as_secs_f64() / before.as_secs_f64());
        if during <= before * 2 {
            return Ok(LOGINS);
        }
    }
    panic!("round trips of a client that is signed in take {ratios:.1?} times as long during a flood of logins");
}

/// A pair of clients of which one answers the other.
struct Echo {
    asking: Client,
    answering: Client,
}

impl Echo {
    fn start(address: SocketAddr) -> Self {
        let [mut asking, mut answering] = [(); 2].map(|()| {
            let mut client = Client::open(address);
            client.sign_in("\"user\":\"b\",\"pass\":\"b\"").unwrap();
            client
        });
        asking.send("SUB answer 1\r\n");
        answering.send("SUB question 1\r\n");
        asking.sync();
        answering.sync();
        Self { asking, answering }
    }

    /// The 99th percentile of a request with its reply; the median of several windows.
    fn slow_round_trip(&mut self) -> Duration {
        const WINDOWS: usize = 7;
        const REQUESTS: usize = 400;
        let mut windows: Vec<Duration> = (0..WINDOWS)
            .map(|_| {
                let mut round_trips: Vec<Duration> = (0..REQUESTS).map(|_| self.round_trip()).collect();
                round_trips.sort();
                round_trips[REQUESTS * 99 / 100]
            })
            .collect();
        windows.sort();
        windows[WINDOWS / 2]
    }

    fn round_trip(&mut self) -> Duration {
        let started = Instant::now();
        self.asking.send("PUB question 2\r\nhi\r\n");
        assert_eq!(self.answering.message().as_deref(), Some("hi"));
        self.answering.send("PUB answer 2\r\nho\r\n");
        assert_eq!(self.asking.message().as_deref(), Some("ho"));
        started.elapsed()
    }
}

/// Lets this process, and the servers that it starts, open so many files.
///
/// # Errors
/// If the system does not allow it.
pub(crate) fn allow_files(count: usize) -> Result<(), LeftOut> {
    let wanted = u64::try_from(count).unwrap();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < wanted {
        return Err(LeftOut(format!("the system allows {hard} open files, {wanted} are needed")));
    }
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted), hard).unwrap();
    Ok(())
}

fn start(binary: &Binary, config: &str) -> Process {
    Process::start(binary, &Launch { config: config.to_owned(), ..Launch::default() })
}
