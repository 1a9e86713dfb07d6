//! A nats-server with JetStream, and commands run against it.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};

use firn_conformance::environment;
use firn_conformance::server::{Options, Server};
use firn_conformance::suite::Suite;
use serde_json::Value;

/// A server of its own for a suite, and a folder for its files.
pub(crate) struct Rig {
    server: Server,
    program: PathBuf,
    folder: PathBuf,
    /// Commands that were run.
    commands: Cell<usize>,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command that runs beside the test.
pub(crate) struct Background {
    child: Child,
    stderr: JoinHandle<String>,
}

/// Runs a suite, or reports why it cannot run here.
pub(crate) fn suite(name: &str, checks: impl FnOnce(&Rig)) {
    let (reference, firn) = match (environment::nats_server(), environment::firn()) {
        (Ok(reference), Ok(firn)) => (reference, firn),
        (Err(reason), _) | (_, Err(reason)) => return Suite::begin(name).left_out(&reason),
    };
    let suite = Suite::begin(name);
    let flags = ["-js", "-sd", "store"].map(str::to_owned).to_vec();
    let server = Server::start(&reference, Options { flags, ..Options::default() }).unwrap();
    let folder = environment::cache().join(format!("run/{}-{}", name.replace(' ', "-"), std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let rig = Rig { server, program: firn.program, folder, commands: Cell::new(0) };
    checks(&rig);
    suite.ran(rig.commands.get());
}

impl Rig {
    /// Where files of the test are.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs a command to its end. Words are separated by spaces, `'…'` holds one with spaces.
    pub(crate) fn run(&self, line: &str) -> Ran {
        Ran::from(self.command(line).output().unwrap())
    }

    /// The same with standard input.
    pub(crate) fn run_with(&self, line: &str, input: &[u8]) -> Ran {
        let mut child = self.piped(line).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ran::from(child.wait_with_output().unwrap())
    }

    /// What a command shows as JSON.
    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> Value {
        let ran = self.run(&format!("{line} --json")).succeeded();
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{line}: {error}: {ran:?}"))
    }

    /// Starts a command and returns once it says `ready` on standard error.
    pub(crate) fn background(&self, line: &str, ready: &str) -> Background {
        let mut child = self.piped(line).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        while !seen.contains(ready) {
            assert!(stderr.read_line(&mut seen).unwrap() > 0, "{line} ended and said only:\n{seen}");
        }
        let stderr = thread::spawn(move || {
            stderr.read_to_string(&mut seen).unwrap();
            seen
        });
        Background { child, stderr }
    }

    fn piped(&self, line: &str) -> Command {
        let mut command = self.command(line);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn command(&self, line: &str) -> Command {
        self.commands.set(self.commands.get() + 1);
        let mut command = Command::new(&self.program);
        command.args(words(line)).current_dir(&self.folder).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("NATS_")) {
                command.env_remove(name);
            }
        }
        command.env("NATS_URL", self.server.url());
        command
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It failed, and said each of these.
    #[track_caller]
    pub(crate) fn failed_with(self, texts: &[&str]) {
        assert_eq!(self.code, Some(1), "{self:?}");
        for text in texts {
            assert!(self.stderr.contains(text), "{text} is not in {self:?}");
        }
    }

    /// It succeeded, and showed each of these.
    #[track_caller]
    pub(crate) fn showed(self, texts: &[&str]) {
        let ran = self.succeeded();
        for text in texts {
            assert!(ran.stdout.contains(text), "{text} is not in {ran:?}");
        }
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Background {
    /// Waits until it ends by itself.
    pub(crate) fn ended(self) -> Ran {
        let output = self.child.wait_with_output().unwrap();
        Ran { stderr: self.stderr.join().unwrap(), ..Ran::from(output) }
    }
}

fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}
