//! A server on a free port, and commands run against it.

use std::fs;
use std::io::{BufRead, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

/// What a server says once it accepts connections.
const LISTENING: &str = "Listening for client connections on 127.0.0.1:";

/// A server that ends with the value.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// A server with a configuration of its own.
    pub(crate) fn configured(text: &str) -> Self {
        let path = scratch("conf");
        fs::write(&path, text).expect("a file can be written to the target folder");
        Self::with(&["-c", path.to_str().expect("the path is text")])
    }

    pub(crate) fn with(flags: &[&str]) -> Self {
        let mut command = match std::env::var_os("NATS_SERVER_BIN") {
            Some(path) => Command::new(path),
            None => {
                let mut own = Command::new(env!("CARGO_BIN_EXE_firn"));
                own.arg("server");
                own
            }
        };
        command.args(["-a", "127.0.0.1", "-p", "-1"]).args(flags).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let mut lines = BufReader::new(child.stderr.take().expect("it was asked for")).lines();
        let mut seen = String::new();
        let port = loop {
            let Some(Ok(line)) = lines.next() else { panic!("the server ended before it listened:\n{seen}") };
            if let Some((_, port)) = line.split_once(LISTENING) {
                break port.to_owned();
            }
            seen.push_str(&line);
            seen.push('\n');
        };
        // A full pipe would stop the server.
        thread::spawn(move || lines.for_each(drop));
        Self { child, url: format!("nats://127.0.0.1:{port}") }
    }

    /// Waits until it ends by itself, and returns its exit code.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.child.wait().expect("the server can be waited for").code()
    }

    /// A command against this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command(&self.url, arguments)
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().expect("the command runs"))
    }

    /// Starts a command and returns once it says `ready` on standard error.
    pub(crate) fn background(&self, arguments: &[&str], ready: &str) -> Background {
        let mut command = self.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("it was asked for"));
        let mut seen = String::new();
        while !seen.contains(ready) {
            let read = stderr.read_line(&mut seen).expect("it can be read");
            assert!(read > 0, "{arguments:?} ended and said only:\n{seen}");
        }
        let rest = thread::spawn(move || {
            stderr.read_to_string(&mut seen).expect("it is text");
            seen
        });
        Background { child, stderr: rest }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A command that runs beside the test.
pub(crate) struct Background {
    child: Child,
    stderr: JoinHandle<String>,
}

impl Background {
    /// Waits until it ends by itself.
    pub(crate) fn ended(self) -> Ran {
        let output = self.child.wait_with_output().expect("the command ends");
        Ran { stderr: self.stderr.join().expect("its output was read"), ..Ran::from(output) }
    }

    pub(crate) fn kill(mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("no signal ended it"),
            stdout: String::from_utf8(output.stdout).expect("it is text"),
            stderr: String::from_utf8(output.stderr).expect("it is text"),
        }
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// It failed, and said this among other things.
    #[track_caller]
    pub(crate) fn failed_with(self, text: &str) {
        assert_eq!(self.code, 1, "{self:?}");
        assert!(self.stderr.contains(text), "{self:?}");
    }
}

pub(crate) fn command(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firn"));
    command.args(arguments).args(["--server", url]).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("NATS_")) {
            command.env_remove(name);
        }
    }
    command
}

/// A path of its own for each call.
pub(crate) fn scratch(extension: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}.{extension}", std::process::id()))
}
