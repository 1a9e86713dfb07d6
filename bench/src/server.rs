//! A server process: started, found ready, measured, and always stopped.
//!
//! Every run has a process of its own, so that no run pays for another's garbage.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::connection::{SILENCE_MAX, read_info};
use crate::proc::{self, run_on};

/// How long a server may take from its start to its first INFO.
const START_MAX: Duration = Duration::from_secs(60);

/// How long a server may take to end when it is asked to.
const STOP_MAX: Duration = Duration::from_secs(60);

/// Pause between two attempts to connect to a server that starts; the resolution of the time to readiness.
const KNOCK_EVERY: Duration = Duration::from_micros(100);

/// Memory counts as settled when it moved less than 1/256 over this many looks …
const SETTLED_LOOKS: u32 = 5;
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// … or after this long.
const SETTLE_MAX: Duration = Duration::from_secs(8);

/// Servers that run now, to be killed when the comparison is interrupted.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A server as it can be started.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The heading of its column.
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    /// What stands before the common options: Firn is a command with subcommands, nats-server is not.
    pub(crate) subcommand: Option<&'static str>,
    pub(crate) pin: Option<Pin>,
    /// Where its logs go.
    pub(crate) directory: PathBuf,
}

/// Cores to keep the server and the load generator apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pin {
    pub(crate) server: usize,
    pub(crate) generator: usize,
}

/// A running server; dropping it kills it.
pub(crate) struct Server {
    child: Child,
    pid: Pid,
    pub(crate) address: SocketAddr,
    /// From before fork to the end of the first INFO line.
    pub(crate) ready_after: Duration,
    /// The JSON of its INFO.
    pub(crate) info: String,
}

impl Program {
    /// Starts the server on a free port and waits until it greets with INFO.
    pub(crate) fn start(&self, config: Option<&Path>) -> Result<Server> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let log = self.directory.join(format!("{}.log", self.name));
        let log_file = File::create(&log).with_context(|| format!("creating {}", log.display()))?;

        let mut command = Command::new(&self.path);
        command.args(self.subcommand).args(["-a", "127.0.0.1", "-p", &port.to_string()]);
        if let Some(config) = config {
            command.arg("-c").arg(config);
        }
        command.stdin(Stdio::null()).stdout(log_file.try_clone()?).stderr(log_file);

        if let Some(pin) = self.pin {
            run_on(pin.server)?;
        }
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("starting {}", self.path.display()))?;
        let pid = Pid::from_raw(i32::try_from(child.id()).context("a process id beyond pid_t")?);
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).push(pid);
        let mut server = Server { child, pid, address, ready_after: Duration::ZERO, info: String::new() };
        if let Some(pin) = self.pin {
            run_on(pin.generator)?;
        }

        server.info = server.knock(started).with_context(|| {
            let text = fs::read_to_string(&log).unwrap_or_default();
            format!("{} did not start: {command:?}\n{text}", self.name)
        })?;
        server.ready_after = started.elapsed();
        Ok(server)
    }
}

impl Server {
    /// CPU time of all its threads so far.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        proc::cpu_time(self.pid)
    }

    /// Its resident memory now.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        proc::resident_bytes(self.pid)
    }

    /// Its resident memory when that has stopped moving.
    pub(crate) fn settled_resident_bytes(&self) -> Result<u64> {
        let started = Instant::now();
        let mut settled = self.resident_bytes()?;
        let mut looks = 0;
        while looks < SETTLED_LOOKS && started.elapsed() < SETTLE_MAX {
            std::thread::sleep(LOOK_EVERY);
            let now = self.resident_bytes()?;
            looks = if now.abs_diff(settled) <= settled / 256 { looks + 1 } else { 0 };
            if looks == 0 {
                settled = now;
            }
        }
        self.resident_bytes()
    }

    /// The `version` it reports.
    pub(crate) fn version(&self) -> Option<String> {
        let info: serde_json::Value = serde_json::from_str(&self.info).ok()?;
        Some(info.get("version")?.as_str()?.to_owned())
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        kill(self.pid, Signal::SIGTERM).context("sending SIGTERM")?;
        let begin = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(begin.elapsed() < STOP_MAX, "the server did not end within {STOP_MAX:?} of SIGTERM");
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Tries to connect until the server greets.
    fn knock(&mut self, started: Instant) -> Result<String> {
        loop {
            match TcpStream::connect(self.address) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(SILENCE_MAX))?;
                    return read_info(&stream);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
            if started.elapsed() > START_MAX {
                bail!("it did not listen within {START_MAX:?}");
            }
            std::thread::sleep(KNOCK_EVERY);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process is ours and not yet reaped, so its id is not another's. Both calls fail only if it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).retain(|&pid| pid != self.pid);
    }
}

/// Kills every server that runs: for a signal handler, which never reaches a `Drop`.
pub(crate) fn kill_all() {
    for &pid in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let _ = kill(pid, Signal::SIGKILL);
    }
}

/// A directory for certificates and logs that is gone when dropped.
pub(crate) struct Scratch {
    pub(crate) path: PathBuf,
}

impl Scratch {
    pub(crate) fn create() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("firn-bench-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
