//! What a configuration says, as plain data. The rows that fill it are in the modules below, one module a block.
//!
//! Not here: whether values agree with each other (`validate`), and anything that needs a file, a socket or a key to
//! decide. The server's boot checks what this crate cannot: that certificates load and match (`cert_file`,
//! `key_file`, `ca_file`, `certs`; problems at [`TlsOptions::position`]), that addresses can be listened on, that
//! folders can be written.
//!
//! `Options::default()` is the server without a file. Where the server takes zero for "the default", the default is
//! already filled in.

mod accounts;
mod authorization;
mod cluster;
mod gateway;
mod jetstream;
mod leafnodes;
mod mappings;
mod mqtt;
mod permissions;
mod proxies;
mod resolver;
mod server;
mod tls;
mod websocket;

use std::{collections::BTreeMap, time::Duration};

use crate::{
    Checks, Problem, Secret,
    table::{Reader, Table},
    value::{Map, Position},
};

/// Everything a server can be told.
#[derive(Clone, PartialEq)]
pub struct Options {
    /// Address to listen on for clients.
    pub host: String,
    /// Port to listen on for clients; −1 is any free one. [`validate`](fn@crate::validate) knows the other limits.
    pub port: i64,
    /// Name of this server; its id without one.
    pub server_name: Option<String>,
    /// `host[:port]` to name in `connect_urls` instead of the own address.
    pub client_advertise: Option<String>,
    /// Clients at a time; zero refuses everybody.
    pub max_connections: u64,
    /// Subscriptions of one connection; zero is no limit.
    pub max_subscriptions: u64,
    /// Tokens in a subscription's subject; zero is no limit.
    pub max_sub_tokens: u8,
    /// Bytes of a protocol line.
    pub max_control_line: u32,
    /// Bytes of a message, headers included.
    pub max_payload: u32,
    /// Bytes that may wait for one connection.
    pub max_pending: u64,
    /// Time between two PINGs.
    pub ping_interval: Duration,
    /// Unanswered PINGs before a connection is closed.
    pub ping_max: u64,
    /// Longest time one write may take.
    pub write_deadline: Duration,
    /// What a write that took too long means.
    pub write_timeout: WriteTimeout,
    /// How long lame duck mode spreads the closing of connections.
    pub lame_duck_duration: Duration,
    /// How long lame duck mode waits before it closes the first connection.
    pub lame_duck_grace_period: Duration,
    /// Refuse headers.
    pub no_header_support: bool,
    /// Match every message without the cache of results.
    pub disable_sublist_cache: bool,
    /// Drop a message for a slow subscriber instead of slowing its producer down.
    pub no_fast_producer_stall: bool,
    /// Serve clients without TLS beside those with it.
    pub allow_non_tls: bool,
    /// Closed connections to remember for `/connz`.
    pub max_closed_clients: u64,
    /// User (name or nkey) of clients that bring no credentials.
    pub no_auth_user: Option<String>,
    /// Run without a system account.
    pub no_system_account: bool,
    /// File to write the process id to.
    pub pid_file: Option<String>,
    /// Folder to write the ports file to.
    pub ports_file_dir: Option<String>,
    /// Every how many failed first attempts to connect to a peer are logged.
    pub connect_error_reports: i64,
    /// The same for attempts to connect again.
    pub reconnect_error_reports: i64,
    /// Labels of this server, in lower case, each once.
    pub server_tags: Vec<String>,
    /// Labels with values.
    pub server_metadata: BTreeMap<String, String>,
    /// Features switched on or off by name.
    pub feature_flags: BTreeMap<String, bool>,
    /// What is logged and where.
    pub log: LogOptions,
    /// The monitoring listeners.
    pub monitor: MonitorOptions,
    /// Who may connect and what they may do.
    pub authorization: AuthorizationOptions,
    /// Mappings of subjects in the account `$G`, in the order of the text.
    pub mappings: Vec<MappingOptions>,
    /// TLS for clients and for HTTPS.
    pub tls: Option<TlsOptions>,
}

/// What a write beyond its deadline means for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WriteTimeout {
    /// Clients are closed, links between servers try again.
    #[default]
    Default,
    /// The connection is closed.
    Close,
    /// The write is tried again unless nothing at all was written.
    Retry,
}

/// What is logged and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// Log decisions.
    pub debug: bool,
    /// Log protocol lines.
    pub trace: bool,
    /// Log those of the system account too.
    pub trace_verbose: bool,
    /// Log headers only, not payloads.
    pub trace_headers: bool,
    /// Begin lines with the time.
    pub logtime: bool,
    /// Give the time in UTC.
    pub logtime_utc: bool,
    /// File to log to; stderr without one.
    pub file: Option<String>,
    /// Bytes of a log file before a new one is begun; zero is no limit.
    pub size_limit: i64,
    /// Log files to keep, the current one included; zero keeps all.
    pub max_files: i64,
    /// Bytes of a message to show in a trace; zero shows all.
    pub max_traced_msg_len: i64,
}

/// The monitoring listeners.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MonitorOptions {
    /// Address to listen on; that of the clients without one.
    pub host: Option<String>,
    /// Port for HTTP: zero is none, −1 any free one.
    pub http_port: i64,
    /// Port for HTTPS: zero is none, −1 any free one.
    pub https_port: i64,
    /// What all paths begin with, as it was written: empty, or with or without slashes at its ends.
    pub base_path: String,
}

/// Who may connect. A file sets only one of user, token and users, but flags may add to it: beside a list of users a
/// single user does not count, and a token does; beside a token a single user does not count either.
#[derive(Clone, PartialEq, Default)]
pub struct AuthorizationOptions {
    /// Name of the only user.
    pub user: Option<String>,
    /// Password of the only user.
    pub password: Option<Secret>,
    /// What all clients must present instead of a name.
    pub token: Option<Secret>,
    /// All users, also those of the system account; `None` if there is no list of users at all.
    pub users: Option<Vec<UserOptions>>,
    /// What users without permissions of their own may do; it is already given to the users.
    pub default_permissions: Option<PermissionsOptions>,
    /// How long a client may take to present itself, see [`Options::auth_timeout`].
    pub timeout: Option<Duration>,
}

/// A user or nkey.
#[derive(Clone, PartialEq)]
pub struct UserOptions {
    /// Name; empty if it is an nkey.
    pub name: String,
    /// Password, plain or as a bcrypt hash.
    pub password: Option<Secret>,
    /// Public key instead of name and password.
    pub nkey: Option<String>,
    /// What the user may do; `None` is everything.
    pub permissions: Option<PermissionsOptions>,
    /// How the user may connect, in upper case; empty is in any way.
    pub connection_types: Vec<String>,
    /// The account of the user.
    pub account: UserAccount,
    /// Where it stands.
    pub position: Option<Position>,
}

/// The account of a user of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UserAccount {
    /// `$G`
    #[default]
    Global,
    /// `$SYS`
    System,
}

/// What a user may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PermissionsOptions {
    /// Subjects to publish to.
    pub publish: SubjectsOptions,
    /// Subjects to subscribe to; an entry may be `subject queue`.
    pub subscribe: SubjectsOptions,
    /// May publish to the reply subjects of what it received.
    pub allow_responses: Option<ResponsesOptions>,
}

/// Which subjects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubjectsOptions {
    /// Only these; `None` is all, an empty list is none.
    pub allow: Option<Vec<String>>,
    /// But not these.
    pub deny: Vec<String>,
}

/// How often and how long a user may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponsesOptions {
    /// Messages for one reply subject; `None` is any number.
    pub max: Option<u64>,
    /// Time from the request on; `None` is for ever.
    pub expires: Option<Duration>,
}

/// Where messages for a subject really go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingOptions {
    /// The subject that is published to, wildcards allowed.
    pub source: String,
    /// Where it goes.
    pub destinations: Vec<MappingDestination>,
    /// Where it stands.
    pub position: Option<Position>,
}

/// One destination of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingDestination {
    /// The subject, with `{{…}}` functions.
    pub subject: String,
    /// Share of the messages in percent.
    pub weight: u8,
    /// Only for servers of this cluster; empty for all.
    pub cluster: String,
}

/// TLS of a listener. Nothing of it was opened.
#[derive(Debug, Clone, PartialEq)]
pub struct TlsOptions {
    /// Certificates to show, each with its key.
    pub certificates: Vec<TlsCertificate>,
    /// Certificates that may sign those of clients.
    pub ca_file: Option<String>,
    /// Clients must show a certificate.
    pub verify: bool,
    /// The certificate of a client says which user it is.
    pub verify_and_map: bool,
    /// Do not check the certificate of a server that is dialled. Of no use to a listener.
    pub insecure: bool,
    /// Longest time for a handshake.
    pub timeout: Duration,
    /// Whether the handshake comes before INFO.
    pub handshake_first: HandshakeFirst,
    /// Names of cipher suites as Go spells them; empty is the default set.
    pub cipher_suites: Vec<String>,
    /// Names of curves as Go spells them; empty is the default set.
    pub curve_preferences: Vec<String>,
    /// Oldest version to speak.
    pub min_version: TlsMinVersion,
    /// SHA-256 sums of the public keys a client may have, in lower-case hexadecimals, sorted; empty is any.
    pub pinned_certs: Vec<String>,
    /// Handshakes to begin in a second; zero is no limit.
    pub connection_rate_limit: i64,
    /// Where the block stands; problems with its files belong there.
    pub position: Option<Position>,
}

/// Paths of a certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsCertificate {
    /// PEM file with the certificate and those that lead to its root.
    pub cert_file: String,
    /// PEM file with its private key.
    pub key_file: String,
}

/// Whether a client's TLS handshake comes before the server's INFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HandshakeFirst {
    /// INFO comes first.
    #[default]
    No,
    /// The handshake comes first.
    Yes,
    /// The handshake comes first, unless the client is silent that long.
    Fallback(Duration),
}

/// Oldest TLS version to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsMinVersion {
    /// TLS 1.2
    #[default]
    V1_2,
    /// TLS 1.3
    V1_3,
}

impl Options {
    /// How long a client may take to present itself: two seconds, or one more than a TLS handshake may take.
    pub fn auth_timeout(&self) -> Duration {
        let default = self.tls.as_ref().map_or(Duration::from_secs(2), |tls| tls.timeout + Duration::from_secs(1));
        self.authorization.timeout.unwrap_or(default)
    }

    /// Address of the monitoring listeners.
    pub fn monitor_host(&self) -> &str {
        self.monitor.host.as_deref().unwrap_or(&self.host)
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            host: "0.0.0.0".to_owned(),
            port: PORT,
            server_name: None,
            client_advertise: None,
            max_connections: 65536,
            max_subscriptions: 0,
            max_sub_tokens: 0,
            max_control_line: MAX_CONTROL_LINE,
            max_payload: MAX_PAYLOAD,
            max_pending: MAX_PENDING,
            ping_interval: PING_INTERVAL,
            ping_max: PING_MAX,
            write_deadline: WRITE_DEADLINE,
            write_timeout: WriteTimeout::Default,
            lame_duck_duration: Duration::from_mins(2),
            lame_duck_grace_period: LAME_DUCK_GRACE_PERIOD,
            no_header_support: false,
            disable_sublist_cache: false,
            no_fast_producer_stall: false,
            allow_non_tls: false,
            max_closed_clients: MAX_CLOSED_CLIENTS,
            no_auth_user: None,
            no_system_account: false,
            pid_file: None,
            ports_file_dir: None,
            connect_error_reports: CONNECT_ERROR_REPORTS,
            reconnect_error_reports: RECONNECT_ERROR_REPORTS,
            server_tags: Vec::new(),
            server_metadata: BTreeMap::new(),
            feature_flags: BTreeMap::new(),
            log: LogOptions::default(),
            monitor: MonitorOptions::default(),
            authorization: AuthorizationOptions::default(),
            mappings: Vec::new(),
            tls: None,
        }
    }
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions {
            debug: false,
            trace: false,
            trace_verbose: false,
            trace_headers: false,
            logtime: true,
            logtime_utc: false,
            file: None,
            size_limit: 0,
            max_files: 0,
            max_traced_msg_len: 0,
        }
    }
}

impl Default for TlsOptions {
    fn default() -> TlsOptions {
        TlsOptions {
            certificates: Vec::new(),
            ca_file: None,
            verify: false,
            verify_and_map: false,
            insecure: false,
            timeout: TLS_TIMEOUT,
            handshake_first: HandshakeFirst::No,
            cipher_suites: Vec::new(),
            curve_preferences: Vec::new(),
            min_version: TlsMinVersion::V1_2,
            pinned_certs: Vec::new(),
            connection_rate_limit: 0,
            position: None,
        }
    }
}

// Zero in a file stands for these.
pub(crate) const PORT: i64 = 4222;
const MAX_CONTROL_LINE: u32 = 4096;
const MAX_PAYLOAD: u32 = 1 << 20;
const MAX_PENDING: u64 = 64 << 20;
const PING_INTERVAL: Duration = Duration::from_mins(2);
const PING_MAX: u64 = 2;
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
const LAME_DUCK_GRACE_PERIOD: Duration = Duration::from_secs(10);
const MAX_CLOSED_CLIENTS: u64 = 10_000;
const CONNECT_ERROR_REPORTS: i64 = 3600;
const RECONNECT_ERROR_REPORTS: i64 = 1;
const TLS_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads the top level of a configuration: options, warnings, errors.
pub(crate) fn read(path: &str, root: &Map, checks: &Checks) -> (Options, Vec<Problem>, Vec<Problem>) {
    let mut options = Options::default();
    let mut reader = Reader::new(checks);
    if root.is_empty() {
        reader.warnings.push(Problem::nowhere(format!("{path}: config has no values or is empty")));
    }
    server::SERVER.read_map(root, &mut options, &mut reader);
    authorization::check_users(&options, root, &mut reader);
    (options, reader.warnings, reader.errors)
}

/// The table: all sections with the names of the blocks they are in, the top level first.
pub(crate) fn sections() -> Vec<(String, &'static dyn Table)> {
    let mut sections: Vec<(String, &'static dyn Table)> = vec![(String::new(), &server::SERVER)];
    let mut next = 0;
    while let Some((path, section)) = sections.get(next).cloned() {
        for row in section.rows() {
            let Some(inner) = row.kind.table() else { continue };
            // A section that several blocks share is listed once.
            if sections.iter().all(|(_, known)| !std::ptr::addr_eq(*known, inner)) {
                let separator = if path.is_empty() { "" } else { "." };
                sections.push((format!("{path}{separator}{}", row.name), inner));
            }
        }
        next += 1;
    }
    sections
}

/// What a text stands for that is empty if there is nothing.
pub(crate) fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// What a number stands for that is zero if there is nothing.
pub(crate) fn or<T: Default + PartialEq>(value: T, default: T) -> T {
    if value == T::default() { default } else { value }
}

/// Seconds as a duration; what cannot be one (negative, not finite, too long) is the default, like zero.
fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        Source, docs,
        table::{Kind, Support},
    };

    /// One file.
    struct Text(String);

    impl Source for Text {
        fn read(&self, _: &std::path::Path) -> Result<Vec<u8>, String> {
            Ok(self.0.clone().into_bytes())
        }

        fn variable(&self, _: &str) -> Option<String> {
            None
        }
    }

    fn options(text: &str) -> Options {
        match crate::read("c", &Text(text.to_owned()), &Checks::FORM) {
            Ok(read) => read.options,
            Err(rejection) => panic!("{text}: {rejection}"),
        }
    }

    #[test]
    fn names_are_unique_in_their_block() {
        for (path, section) in sections() {
            let mut names = BTreeSet::new();
            for row in section.rows() {
                for name in std::iter::once(&row.name).chain(row.aliases) {
                    assert!(names.insert(*name), "{path}: {name} twice");
                    assert_eq!(*name, name.to_lowercase(), "keys are looked up in lower case");
                }
            }
        }
    }

    #[test]
    fn documented_defaults_change_nothing() {
        for row in sections().first().expect("the top level").1.rows() {
            if row.default.is_empty() || row.kind.table().is_some() {
                continue;
            }
            let text = format!("{}: \"{}\"", row.name, row.default);
            // Text stays quoted; numbers and booleans are words.
            let is_text = matches!(row.kind, Kind::Text | Kind::Listen | Kind::Duration | Kind::LooseDuration);
            let text = if is_text { text } else { text.replace('"', "") };
            let expected = match row.name {
                "http_base_path" => {
                    let monitor = MonitorOptions { base_path: "/".to_owned(), ..MonitorOptions::default() };
                    Options { monitor, ..Options::default() }
                }
                _ => Options::default(),
            };
            assert!(options(&text) == expected, "{text}");
        }
    }

    #[test]
    fn options_that_work_say_what_a_reload_does() {
        for row in sections().first().expect("the top level").1.rows() {
            assert!(row.fields.iter().any(Option::is_some), "{}", row.name);
        }
    }

    #[test]
    fn one_field_has_one_rule_for_reloading() {
        let mut rules = BTreeMap::new();
        for (_, section) in sections() {
            for (field, reload) in section.rows().into_iter().flat_map(|row| row.fields).flatten() {
                assert_eq!(*rules.entry(field).or_insert(reload), reload, "{field}");
            }
        }
    }

    #[test]
    fn the_page_of_options_names_every_option_of_every_block() {
        let page = docs::options();
        for (path, section) in sections() {
            let title = if path.is_empty() { "## Top level\n".to_owned() } else { format!("## `{path}`\n") };
            let (_, rest) = page.split_once(&title).unwrap_or_else(|| panic!("{title} is missing"));
            let table = rest.split("\n## ").next().unwrap_or_default();
            for row in section.rows() {
                let line = table.lines().find(|line| line.starts_with(&format!("| `{}`", row.name)));
                let line = line.unwrap_or_else(|| panic!("{path}: {} is missing", row.name));
                assert_eq!(line.replace("\\|", "").matches('|').count(), 6, "{line}");
                assert_eq!(line.contains("*Not supported yet.*"), row.support == Support::NotYet, "{line}");
            }
        }
    }
}
