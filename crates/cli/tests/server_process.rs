//! The server as a process: signals, exit codes, files, and a fault that is injected.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// Nothing here takes so long, unless it never comes.
const NEVER: Duration = Duration::from_secs(10);

/// A server with a folder for its files; both are gone at the end.
struct Server {
    child: Child,
    folder: PathBuf,
}

impl Server {
    fn start(name: &str, flags: &[&str], variables: &[(&str, &str)]) -> Server {
        let folder = std::env::temp_dir().join(format!("firn-process-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = |file: &str| folder.join(file).to_str().unwrap().to_owned();
        let child = Command::new(env!("CARGO_BIN_EXE_firn"))
            .args(["server", "-a", "127.0.0.1", "-p", "-1", "-m", "-1"])
            .args(["-l", &path("log"), "-P", &path("pid"), "-ports_file_dir", &path("")])
            .args(flags)
            .envs(variables.iter().copied())
            .spawn()
            .unwrap();
        let server = Server { child, folder };
        server.wait_for_log("Server is ready");
        server
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    #[track_caller]
    fn wait_for_log(&self, text: &str) {
        eventually(text, || self.log().contains(text));
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    #[track_caller]
    fn exit(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// A URL of this role, from the ports file.
    fn address(&self, role: &str) -> String {
        let file = self.folder.join(format!("firn_{}.ports", self.child.id()));
        let ports: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let url = ports[role][0].as_str().unwrap();
        url.split_once("://").unwrap().1.to_owned()
    }

    /// A connection that has had its `INFO`.
    fn connect(&self) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(self.address("nats")).unwrap();
        stream.set_read_timeout(Some(NEVER)).unwrap();
        let mut client = BufReader::new(stream);
        assert!(line(&mut client).starts_with("INFO {"));
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < NEVER, "{what} did not come");
        std::thread::yield_now();
    }
}

fn send(client: &mut BufReader<TcpStream>, text: &str) {
    client.get_mut().write_all(text.as_bytes()).unwrap();
}

/// The next line; empty at the end.
fn line(client: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    let _ = client.read_line(&mut line);
    line.trim_end().to_owned()
}

#[test]
fn interrupt_and_terminate_end_it_well() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut server = Server::start(&format!("end-{}", signal.as_raw()), &[], &[]);
        assert_eq!(fs::read_to_string(server.folder.join("pid")).unwrap(), server.child.id().to_string());
        let mut client = server.connect();
        server.signal(signal);
        assert_eq!(line(&mut client), "");
        assert_eq!(server.exit().code(), Some(0));
        let left: Vec<_> = fs::read_dir(&server.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".ports")), "{left:?}");
        assert!(server.log().ends_with("Server Exiting..\n"));
    }
}

#[test]
fn the_log_is_opened_again_where_it_was_moved_away() {
    let server = Server::start("reopen", &[], &[]);
    fs::rename(server.folder.join("log"), server.folder.join("moved")).unwrap();
    server.signal(Signal::USR1);
    server.wait_for_log("File log re-opened");
    assert!(fs::read_to_string(server.folder.join("moved")).unwrap().contains("Server is ready"));
}

#[test]
fn a_reload_without_a_file_is_refused() {
    let server = Server::start("reload", &[], &[]);
    server.signal(Signal::HUP);
    server.wait_for_log(
        "[ERR] Failed to reload server configuration: can only reload config when a file is provided using -c or --config",
    );
    let mut client = server.connect();
    send(&mut client, "CONNECT {\"verbose\":false}\r\nPING\r\n");
    assert_eq!(line(&mut client), "PONG");
}

#[test]
fn terminate_does_not_cut_lame_duck_mode_short_but_interrupt_does() {
    let mut server = Server::start("lame-duck", &[], &[]);
    let mut client = server.connect();
    send(&mut client, "CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n");
    assert_eq!(line(&mut client), "PONG");
    line(&mut client);
    server.signal(Signal::USR2);
    assert!(line(&mut client).contains("\"ldm\":true"));
    server.signal(Signal::TERM);
    server.wait_for_log("Trapped \"terminated\" signal");
    send(&mut client, "PING\r\n");
    assert_eq!(line(&mut client), "PONG");
    server.signal(Signal::INT);
    assert_eq!(line(&mut client), "");
    assert_eq!(server.exit().code(), Some(0));
}

#[test]
fn a_fault_ends_one_connection_and_is_counted() {
    let server = Server::start("panic", &[], &[("FIRN_INJECT_PANIC_SUBJECT", "boom")]);
    let (mut first, mut second) = (server.connect(), server.connect());
    for client in [&mut first, &mut second] {
        send(client, "CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPING\r\n");
        assert_eq!(line(client), "PONG");
    }
    send(&mut first, "PUB boom 2\r\nhi\r\n");
    assert_eq!(line(&mut first), "");
    send(&mut second, "PUB a 2\r\nhi\r\n");
    assert_eq!(line(&mut second), "MSG a 1 2");
    server.wait_for_log("this subject was asked to panic");

    let mut monitor = BufReader::new(TcpStream::connect(server.address("monitoring")).unwrap());
    send(&mut monitor, "GET /connz?state=closed HTTP/1.0\r\n\r\n");
    let answer: Vec<String> = monitor.lines().map_while(Result::ok).collect();
    assert!(answer.iter().any(|line| line.contains("\"reason\": \"Internal Error\"")), "{answer:#?}");
}
