//! A server in a surrounding of its own: behind a limit, in a control group, with variables, or not starting at all.
//!
//! Not [`firn_conformance::server`], whose servers are all started the same way and wait for a line in their log: here
//! the log may be what is broken, so a server is ready once it greets a client.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use firn_conformance::server::{Binary, free_port};
use firn_conformance::{certificates, environment};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Bounds a failure; nothing that works takes nearly as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Launch {
    /// The configuration file; `<dir>` is a folder of this server, `<certs>` the folder of certificates.
    pub(crate) config: String,
    /// Flags besides those for ports and configuration.
    pub(crate) flags: Vec<&'static str>,
    /// Environment variables.
    pub(crate) environment: Vec<(&'static str, &'static str)>,
    /// A program with arguments that turns into the server.
    pub(crate) through: Vec<String>,
}

/// A running server with a monitoring port, killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
    monitoring: SocketAddr,
}

/// How a server ended that did not start.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Its exit code, if it ended by itself.
    pub(crate) code: Option<i32>,
    /// What it wrote.
    pub(crate) output: String,
}

impl Process {
    /// Starts a server and waits for its greeting.
    pub(crate) fn start(binary: &Binary, launch: &Launch) -> Self {
        let folder = fresh_folder();
        let [address, monitoring] = [(); 2].map(|()| (Ipv4Addr::LOCALHOST, free_port().unwrap()).into());
        let log = File::create(folder.join("output")).unwrap();
        let mut command = command(binary, launch, &folder, address, monitoring);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut server = Self { child: command.spawn().unwrap(), folder, address, monitoring };
        eventually("the server greets", || {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended with {ended:?}:\n{}", server.output());
            greets(address) && TcpStream::connect(monitoring).is_ok()
        });
        server
    }

    /// The address of the client port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process, for limits and files that go by its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the server wrote to its standard output and error.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.folder.join("output")).unwrap_or_default()
    }

    /// Whether the process is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.id()).unwrap()), signal).unwrap();
    }

    /// Waits until the process has ended by itself, and returns its exit code.
    pub(crate) fn exit_code(&mut self) -> i32 {
        let mut status = None;
        eventually("the server ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let status = status.unwrap();
        status.code().unwrap_or_else(|| panic!("ended by signal {:?}:\n{}", status.signal(), self.output()))
    }

    /// Replaces the configuration file.
    pub(crate) fn write_config(&self, config: &str) {
        write_config(&self.folder, config);
    }

    /// A monitoring page.
    pub(crate) fn page(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(self.monitoring).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {answer}"));
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"))
    }

    /// Why the connections that are gone were closed.
    pub(crate) fn close_reasons(&self) -> Vec<String> {
        let page = self.page("/connz?state=closed&limit=20000");
        let connections = page["connections"].as_array().cloned().unwrap_or_default();
        connections.iter().map(|connection| connection["reason"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until a connection was closed for this reason.
    pub(crate) fn await_close_reason(&self, reason: &str) {
        eventually(reason, || self.close_reasons().iter().any(|closed| closed == reason));
    }

    /// Bytes of memory that the process has for itself alone.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
    }

    /// How many files the process has open.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    /// Asserts that the process lives and that no task of it has panicked.
    pub(crate) fn assert_unharmed(&mut self) {
        assert!(self.is_running(), "the server ended:\n{}", self.output());
        assert!(!self.output().contains("panicked"), "{}", self.output());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has ended by itself, and a folder that is gone, are as good as removed.
        self.child.kill().ok();
        self.child.wait().ok();
        if !std::thread::panicking() {
            fs::remove_dir_all(&self.folder).ok();
        }
    }
}

/// Starts a server that is expected to end at once.
pub(crate) fn refuse(binary: &Binary, launch: &Launch, extra_flags: &[String]) -> Refusal {
    let folder = fresh_folder();
    let [address, monitoring] = [(); 2].map(|()| (Ipv4Addr::LOCALHOST, free_port().unwrap()).into());
    let path = folder.join("output");
    let log = File::create(&path).unwrap();
    let mut command = command(binary, launch, &folder, address, monitoring);
    command.args(extra_flags).stdout(log.try_clone().unwrap()).stderr(log);
    let mut child = command.spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() && started.elapsed() < PATIENCE {
        std::thread::sleep(POLL);
    }
    child.kill().ok();
    let code = child.wait().unwrap().code();
    let output = fs::read_to_string(path).unwrap_or_default();
    fs::remove_dir_all(&folder).ok();
    Refusal { code, output }
}

/// Looks again and again until something has happened.
#[track_caller]
pub(crate) fn eventually(what: &str, mut has_happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !has_happened() {
        assert!(started.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(POLL);
    }
}

/// A folder that nobody else uses.
pub(crate) fn fresh_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = environment::cache().join(format!("run/faults-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn command(binary: &Binary, launch: &Launch, folder: &Path, address: SocketAddr, monitoring: SocketAddr) -> Command {
    let mut words = launch.through.clone();
    words.push(binary.program.to_string_lossy().into_owned());
    words.extend(binary.arguments.iter().map(|&argument| argument.to_owned()));
    let (program, arguments) = words.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).args(["-a", "127.0.0.1", "-p", &address.port().to_string()]);
    command.args(["-m", &monitoring.port().to_string()]).args(&launch.flags);
    if !launch.config.is_empty() {
        write_config(folder, &launch.config);
        command.arg("-c").arg(folder.join("server.conf"));
    }
    command.envs(launch.environment.iter().copied()).current_dir(folder).stdin(Stdio::null());
    command
}

fn write_config(folder: &Path, config: &str) {
    let mut text = config.replace("<dir>", &folder.to_string_lossy());
    if text.contains("<certs>") {
        text = text.replace("<certs>", &certificates::folder().unwrap().to_string_lossy());
    }
    fs::write(folder.join("server.conf"), text).unwrap();
}

fn greets(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut start = [0; 5];
    stream.read_exact(&mut start).is_ok() && &start == b"INFO "
}
