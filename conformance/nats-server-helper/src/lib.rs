//! What the tests of async-nats call to have servers: their crate of this name is not published.
//!
//! A server is the program `nats-server` on `PATH`, whichever that is, on a loopback port, with a folder of its own for its
//! log and its store. It is ready when a function returns it, and is killed when dropped. Everything panics on failure,
//! because the callers are tests.
//!
//! Not here: how tests are built, run and compared; that is `conformance/tests/async_nats_suite.rs`.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PROGRAM: &str = "nats-server";
/// A port of the server's choice.
const ANY_PORT: &str = "-1";
/// What a server logs, before its address, when it listens for clients.
const LISTENS: &str = "Listening for client connections on ";
/// What a server logs if it speaks TLS with clients.
const SPEAKS_TLS: &str = "TLS required for client connections";
const READY: &str = "Server is ready";
const READY_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(2);

const CLUSTER_SIZE: usize = 3;

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    folder: PathBuf,
    port: u16,
    speaks_tls: bool,
}

/// Servers that have routes to each other.
#[derive(Debug)]
pub struct Cluster {
    servers: Vec<Server>,
}

/// A server without a configuration.
#[must_use]
pub fn run_basic_server() -> Server {
    run_server("")
}

/// A server with a configuration file, but on a port of its own; an empty path means none.
#[must_use]
pub fn run_server(config: &str) -> Server {
    run_server_with_port(config, None)
}

/// As [`run_server`], on a port if one is named.
#[must_use]
pub fn run_server_with_port(config: &str, port: Option<&str>) -> Server {
    Server::start(config, port.unwrap_or(ANY_PORT), &[])
}

/// A cluster of servers with the same configuration file.
#[must_use]
pub fn run_cluster(config: &str) -> Cluster {
    let routes: Vec<String> = free_ports().iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
    let all = routes.join(",");
    let start = |(number, own): (usize, &String)| {
        let name = format!("server-{number}");
        let flags = ["--name", &name, "--cluster_name", "tests", "--cluster", own, "--routes", &all];
        Server::start(config, ANY_PORT, &flags)
    };
    Cluster { servers: routes.iter().enumerate().map(start).collect() }
}

/// Has a server say farewell to its clients.
///
/// # Panics
/// If it cannot be told.
pub fn set_lame_duck_mode(server: &Server) {
    let signal = format!("ldm={}", server.child.id());
    let told = Command::new(PROGRAM).args(["--signal", &signal]).status().expect("nats-server is on PATH");
    assert!(told.success(), "nats-server --signal {signal}: {told}");
}

impl Server {
    /// Where clients connect. The tests' certificates are for `localhost`.
    #[must_use]
    pub fn client_url(&self) -> String {
        let (scheme, host) = if self.speaks_tls { ("tls", "localhost") } else { ("nats", "127.0.0.1") };
        format!("{scheme}://{host}:{}", self.port)
    }

    /// The port to which clients connect.
    #[must_use]
    pub fn client_port(&self) -> u16 {
        self.port
    }

    fn start(config: &str, port: &str, flags: &[&str]) -> Self {
        let folder = fresh_folder();
        let log = File::create(folder.join("log")).expect("the folder takes a file");
        let mut command = Command::new(PROGRAM);
        command.args(["--addr", "127.0.0.1", "--port", port]).args(flags);
        if !config.is_empty() {
            command.args(["--config", config]);
        }
        // The store of a server that is not told where to keep it.
        command.env("TMPDIR", &folder);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file can be shared")).stderr(log);
        let child = command.spawn().expect("nats-server is on PATH");
        let mut server = Self { child, folder, port: 0, speaks_tls: false };
        let log = server.log_when_ready();
        server.port = listening_port(&log).unwrap_or_else(|| panic!("no client port in the log:\n{log}"));
        server.speaks_tls = log.contains(SPEAKS_TLS);
        server
    }

    fn log_when_ready(&mut self) -> String {
        let started = Instant::now();
        loop {
            let has_ended = self.child.try_wait().expect("the process is ours").is_some();
            let log = fs::read_to_string(self.folder.join("log")).expect("the log is a text");
            if log.contains(READY) {
                return log;
            }
            assert!(!has_ended && started.elapsed() < READY_WITHIN, "nats-server did not become ready:\n{log}");
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that has ended by itself, and a folder that is gone, are as good as removed.
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

impl Cluster {
    /// Where clients connect: to any of the servers.
    ///
    /// # Panics
    /// Never; a cluster has servers.
    #[must_use]
    pub fn client_url(&self) -> String {
        self.servers.first().expect("a cluster has servers").client_url()
    }
}

fn listening_port(log: &str) -> Option<u16> {
    let address = log.lines().find_map(|line| Some(line.split_once(LISTENS)?.1))?;
    address.rsplit_once(':')?.1.parse().ok()
}

/// Ports nobody listens on, all different because they are held until the last is found.
fn free_ports() -> Vec<u16> {
    let listeners: Vec<TcpListener> = (0..CLUSTER_SIZE)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the system has a free port"))
        .collect();
    listeners.iter().map(|listener| listener.local_addr().expect("it is bound").port()).collect()
}

fn fresh_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("nats-server-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).expect("the folder for temporary files takes another");
    folder
}
