//! The conformance transcripts against sessions and routing alone: no sockets, no tasks, and a clock that is moved.
//!
//! A transcript runs here unless it needs what only a process has. Each that does not is counted, by reason.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    sync::Arc,
    time::Duration,
};

use firn_conformance::{
    area,
    suite::Suite,
    transcript::{Line, Peer, PeerError, Received, ServerCommand, Step, Transcript, run},
};
use firn_id::Monotonic;
use firn_session::{
    Accounts, CloseReason, Settings,
    memory::{MemoryClient, MemoryPort},
};

use crate::{
    keys::{self, ServerKeys},
    settings::settings,
    source::CHECKS,
};

/// Files that must run here at least: fewer, and something silently keeps them away.
const FILES_MIN: usize = 270;

/// Areas of what listens under `$SYS`, which is the server's.
const SERVICES: [&str; 2] = ["system", "trace"];

/// Files about what is kept by the process around the sessions.
const ABOUT_THE_PROCESS: [&str; 1] = ["reload_max_connections"];

macro_rules! areas {
    ($($area:ident),+) => {
        $(
            #[test]
            fn $area() {
                check(stringify!($area));
            }
        )+
    };
}

areas!(
    accounts,
    authentication,
    connection,
    headers,
    lifecycle,
    limits,
    mappings,
    permissions,
    publish,
    requests,
    subscribe
);

#[test]
fn most_transcripts_need_no_sockets() {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    let mut files = 0;
    for area in area::areas() {
        for file in area::files(&area) {
            match prepare(&area, &file) {
                Ok(_) => files += 1,
                Err(reason) => *left.entry(reason).or_default() += 1,
            }
        }
    }
    println!("{files} transcripts run without sockets; left to a process: {left:?}");
    assert!(files >= FILES_MIN, "only {files} run here; left to a process: {left:?}");
}

/// Runs what can run of an area.
fn check(area: &str) {
    let suite = Suite::begin(format!("transcripts/{area} without sockets"));
    let mut failures = Vec::new();
    let mut count = 0;
    for file in area::files(area) {
        let Ok((transcript, mut server)) = prepare(area, &file) else { continue };
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        count += 1;
        match run(&transcript, &mut server) {
            Ok(()) if transcript.differs.is_some() => {
                failures.push(format!("{area}/{name}: is said to differ, and does not\n"));
            }
            Err(failure) if transcript.differs.is_none() => failures.push(format!(
                "{area}/{name}:{}: {}\n    expected  {}\n    received  {}\n",
                failure.line, transcript.title, failure.expected, failure.received
            )),
            Ok(()) | Err(_) => {}
        }
    }
    suite.ran(count);
    assert!(failures.is_empty(), "{} of {count} do not hold:\n\n{}", failures.len(), failures.join("\n"));
}

/// A transcript with the server that it asks for; or why it needs a process.
fn prepare(area: &str, file: &Path) -> Result<(Transcript, Server), &'static str> {
    let text = fs::read_to_string(file).expect("the file was listed");
    let transcript = Transcript::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let needs_process = |line: &Line| match &line.step {
        Step::Tls { .. } | Step::Page { .. } => true,
        Step::Server(command) => !matches!(command, ServerCommand::Reload(_)),
        Step::Open { .. }
        | Step::Send { .. }
        | Step::Expect(_)
        | Step::OneOf(_)
        | Step::AnyOrder(_)
        | Step::NoMore
        | Step::Closed { .. }
        | Step::Close { .. }
        | Step::Wait(_) => false,
    };
    if SERVICES.contains(&area) {
        return Err("services of the server");
    }
    if file.file_stem().is_some_and(|stem| ABOUT_THE_PROCESS.iter().any(|name| stem == *name)) {
        return Err("kept by the process");
    }
    if !transcript.flags.is_empty() {
        return Err("flags");
    }
    if transcript.lines.iter().any(needs_process) {
        return Err("TLS, monitoring or signals");
    }
    let server = Server::new(&transcript.config).map_err(|_| "options that are refused yet")?;
    Ok((transcript, server))
}

/// Sessions that share their accounts and a clock.
struct Server {
    keys: ServerKeys,
    settings: Arc<Settings>,
    connections_max: usize,
    accounts: Arc<Accounts<MemoryPort>>,
    clients: HashMap<String, MemoryClient>,
    last_id: u64,
    now: Monotonic,
}

impl Server {
    /// # Errors
    /// The configuration is refused.
    fn new(config: &str) -> Result<Server, String> {
        let keys = ServerKeys::generate().map_err(|error| error.to_string())?;
        let (settings, connections_max) = read(config, &keys)?;
        Ok(Server {
            keys,
            settings: Arc::new(settings),
            connections_max,
            accounts: Arc::new(Accounts::new(7, || {})),
            clients: HashMap::new(),
            last_id: 0,
            now: Monotonic::ZERO,
        })
    }

    fn client(&mut self, connection: &str) -> Result<&mut MemoryClient, PeerError> {
        self.clients.get_mut(connection).ok_or_else(|| PeerError::UnknownConnection(connection.to_owned()))
    }

    /// Moves the clock to `until`, by way of everybody's deadlines, as long as `goes_on` says so.
    fn pass_time(&mut self, until: Monotonic, goes_on: impl Fn(&Server) -> bool) {
        while goes_on(self) {
            let next = self.clients.values().filter_map(MemoryClient::deadline).min().unwrap_or(until).min(until);
            self.now = next.max(self.now);
            let now = self.now;
            for client in self.clients.values_mut().filter(|client| client.deadline().is_some_and(|due| due <= now)) {
                client.tick(now);
            }
            if now >= until {
                return;
            }
        }
    }
}

fn read(config: &str, keys: &ServerKeys) -> Result<(Settings, usize), String> {
    let mut options = if config.is_empty() {
        firn_config::Options::default()
    } else {
        let read = firn_config::read("server.conf", &Text(config), &CHECKS);
        read.map_err(|_| "the configuration is refused".to_owned())?.options
    };
    "127.0.0.1".clone_into(&mut options.host);
    let connections_max = usize::try_from(options.max_connections).unwrap_or(usize::MAX);
    Ok((settings(&options, keys, 4222, None)?, connections_max))
}

impl Peer for Server {
    fn open(&mut self, connection: &str) -> Result<(), PeerError> {
        self.last_id += 1;
        let nonce = self.settings.directory.needs_nonce().then(|| keys::nonce().expect("there is entropy"));
        let mut client =
            MemoryClient::connect(&self.settings, &self.accounts, self.last_id, nonce.as_deref(), self.now);
        if self.clients.values().filter(|client| client.end().is_none()).count() >= self.connections_max {
            client.refuse(CloseReason::MaxConnectionsExceeded, "maximum connections exceeded", self.now);
        }
        self.clients.insert(connection.to_owned(), client);
        Ok(())
    }

    fn send(&mut self, connection: &str, bytes: &[u8]) -> Result<(), PeerError> {
        let now = self.now;
        self.client(connection)?.send(bytes, now);
        Ok(())
    }

    fn receive(&mut self, connection: &str, patience: Duration) -> Result<Received, PeerError> {
        let until = self.now + patience;
        self.client(connection)?;
        let is_waiting = |server: &Server| {
            server.clients.get(connection).is_some_and(|client| !client.has_output() && client.end().is_none())
        };
        self.pass_time(until, is_waiting);
        let client = self.client(connection)?;
        Ok(match client.take() {
            bytes if !bytes.is_empty() => Received::Bytes(bytes),
            _ if client.end().is_some() => Received::Closed,
            _ => Received::Nothing,
        })
    }

    fn close(&mut self, connection: &str) -> Result<(), PeerError> {
        self.client(connection)?.close();
        Ok(())
    }

    fn wait(&mut self, duration: Duration) {
        self.pass_time(self.now + duration, |_| true);
    }

    fn command(&mut self, command: &ServerCommand) -> Result<(), PeerError> {
        let ServerCommand::Reload(config) = command else { return Err(PeerError::Unsupported("signals")) };
        let (settings, _) = read(config, &self.keys).map_err(PeerError::Failed)?;
        self.settings = Arc::new(settings);
        for client in self.clients.values_mut() {
            client.reload(&self.settings, self.now);
        }
        Ok(())
    }
}

/// A configuration without files or variables.
struct Text<'a>(&'a str);

impl firn_config::Source for Text<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        match path.to_str() {
            Some("server.conf") => Ok(self.0.as_bytes().to_vec()),
            _ => Err(format!("open {}: no such file or directory", path.display())),
        }
    }

    fn variable(&self, _name: &str) -> Option<String> {
        None
    }
}
