//! A server process of its own for a test: started on a free port, stopped when dropped.
//!
//! Starting takes about ten milliseconds, so that each transcript can have a server nobody else has touched.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::{certificates, environment};

/// The line by which a server says that it can be used.
const READY: &str = "Server is ready";
const READY_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(2);

/// A server program and how it is called.
#[derive(Debug, Clone)]
pub struct Binary {
    /// What reports call it.
    pub name: &'static str,
    /// The file to run.
    pub program: PathBuf,
    /// What comes before the flags that both servers share.
    pub arguments: &'static [&'static str],
}

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Flags besides those for the address and the configuration file.
    pub flags: Vec<String>,
    /// The configuration file, empty for none; see [`crate::transcript::Transcript::config`].
    pub config: String,
    /// Whether to open the monitoring port.
    pub monitoring: bool,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    binary: Binary,
    options: Options,
    folder: PathBuf,
    child: Child,
    port: u16,
    monitoring_port: u16,
}

/// What a server does with a new configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// It changes what it does.
    Taken,
    /// It goes on as before.
    Refused,
}

/// An answer of the monitoring port.
#[derive(Debug)]
pub struct Page {
    /// The HTTP status code.
    pub status: u16,
    /// The type of the body without parameters, such as `application/json`.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// A server did not do what was asked of its process.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It ended, or stayed silent, before it was ready.
    #[error("{program} did not become ready:\n{log}")]
    NotReady {
        /// Which program.
        program: &'static str,
        /// What it wrote.
        log: String,
    },
    /// A monitoring port answered something that is not HTTP.
    #[error("the answer to {path} is not HTTP")]
    NotHttp {
        /// What was asked for.
        path: String,
    },
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The certificates of the test cannot be had.
    #[error(transparent)]
    LeftOut(#[from] environment::LeftOut),
}

impl Server {
    /// Starts a server and waits until it is ready. Should somebody else take its port first, it gets another.
    ///
    /// # Errors
    /// If it does not become ready.
    pub fn start(binary: &Binary, options: Options) -> Result<Self, ServerError> {
        match Self::start_once(binary, options.clone()) {
            Err(ServerError::NotReady { log, .. }) if log.contains("in use") => Self::start_once(binary, options),
            outcome => outcome,
        }
    }

    fn start_once(binary: &Binary, options: Options) -> Result<Self, ServerError> {
        let folder = fresh_folder()?;
        let (port, monitoring_port) = (free_port()?, free_port()?);
        write_config(&folder, &options.config)?;
        let child = spawn(binary, &options, &folder, port, monitoring_port)?;
        let mut server = Self { binary: binary.clone(), options, folder, child, port, monitoring_port };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// The address of the client port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The client port as an URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The address of the monitoring port.
    #[must_use]
    pub fn monitoring_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.monitoring_port).into()
    }

    /// What the server has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Kills the process.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn stop(&mut self) -> Result<(), ServerError> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts the server again after [`Server::stop`], on the same ports.
    ///
    /// # Errors
    /// If it does not become ready.
    pub fn start_again(&mut self) -> Result<(), ServerError> {
        self.child = spawn(&self.binary, &self.options, &self.folder, self.port, self.monitoring_port)?;
        self.wait_until_ready()
    }

    /// Sends the process a signal by its name, such as `HUP`.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn signal(&self, name: &str) -> Result<(), ServerError> {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status()?;
        if sent.success() { Ok(()) } else { Err(self.not_ready()) }
    }

    /// Replaces the configuration file and has the server read it, until it logs what it did with it.
    ///
    /// # Errors
    /// If the server does not do with the configuration what is expected.
    pub fn reload(&mut self, config: &str, expected: Reload) -> Result<(), ServerError> {
        let outcomes = |server: &Self| {
            let log = server.log();
            [log.matches(Reload::Taken.logged()).count(), log.matches(Reload::Refused.logged()).count()]
        };
        let [taken, refused] = outcomes(self);
        write_config(&self.folder, config)?;
        self.signal("HUP")?;
        let wanted = match expected {
            Reload::Taken => [taken + 1, refused],
            Reload::Refused => [taken, refused + 1],
        };
        let started = Instant::now();
        while outcomes(self) == [taken, refused] && started.elapsed() < READY_WITHIN {
            std::thread::sleep(POLL);
        }
        if outcomes(self) == wanted { Ok(()) } else { Err(self.not_ready()) }
    }

    /// A monitoring page.
    ///
    /// # Errors
    /// If the connection fails, or what comes is not HTTP.
    pub fn page(&self, path: &str) -> Result<Page, ServerError> {
        let mut stream = TcpStream::connect(self.monitoring_address())?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Page::parse(answer).ok_or_else(|| ServerError::NotHttp { path: path.to_owned() })
    }

    fn wait_until_ready(&mut self) -> Result<(), ServerError> {
        let started = Instant::now();
        while !self.log().contains(READY) {
            if self.child.try_wait()?.is_some() || started.elapsed() > READY_WITHIN {
                return Err(self.not_ready());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn not_ready(&self) -> ServerError {
        ServerError::NotReady { program: self.binary.name, log: self.log() }
    }
}

impl Reload {
    /// What the server logs of it.
    fn logged(self) -> &'static str {
        match self {
            Self::Taken => "Reloaded server configuration",
            Self::Refused => "Failed to reload",
        }
    }
}

impl Page {
    /// Reads an answer that was ended by closing the connection.
    fn parse(mut answer: Vec<u8>) -> Option<Self> {
        let head_len = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let body = answer.split_off(head_len);
        let head = String::from_utf8(answer).ok()?;
        let status = head.split_whitespace().nth(1)?.parse().ok()?;
        let content_type = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            .map(|(_, value)| value.split(';').next().unwrap_or_default().trim().to_owned())
            .unwrap_or_default();
        Some(Self { status, content_type, body })
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

fn spawn(
    binary: &Binary,
    options: &Options,
    folder: &Path,
    port: u16,
    monitoring_port: u16,
) -> Result<Child, ServerError> {
    let mut command = Command::new(&binary.program);
    command.args(binary.arguments).args(["-a", "127.0.0.1", "-p", &port.to_string()]).args(&options.flags);
    if options.monitoring {
        command.args(["-m", &monitoring_port.to_string()]);
    }
    if !options.config.is_empty() {
        command.arg("-c").arg(folder.join("server.conf"));
    }
    let log = File::create(folder.join("log"))?;
    command.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command.spawn()?)
}

fn write_config(folder: &Path, config: &str) -> Result<(), ServerError> {
    let mut text = config.replace("<dir>", &folder.to_string_lossy());
    if text.contains("<certs>") {
        text = text.replace("<certs>", &certificates::folder()?.to_string_lossy());
    }
    fs::write(folder.join("server.conf"), text)?;
    Ok(())
}

fn fresh_folder() -> Result<PathBuf, ServerError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = environment::cache().join(format!("run/{}-{number}", std::process::id()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A port nobody listens on, below those that the system hands to outgoing connections.
///
/// # Errors
/// If there is none.
pub fn free_port() -> std::io::Result<u16> {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        // Processes start at different places, so that they rarely try the same port at the same time.
        let start = std::process::id().wrapping_mul(641);
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let Ok(port) = u16::try_from(FIRST + offset) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(std::io::Error::new(std::io::ErrorKind::AddrNotAvailable, "no free port"))
}
