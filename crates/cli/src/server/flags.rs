//! Arguments in the style of Go's flag package, read by one table.
//!
//! `-x` is `--x`; a value follows as `-f v` or `-f=v`; a switch takes one only as `-f=false`; the last word about a flag
//! counts. The first argument that is no flag ends them.
//!
//! Not here: what an option means, or the configuration file.

use std::fmt;

use firn_config::{Overrides, Secret};

/// What the flags say. Options that were not given are left to the configuration file.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Flags {
    pub(crate) config_file: Option<String>,
    pub(crate) check_config: bool,
    pub(crate) log_json: bool,
    pub(crate) overrides: Overrides,

    signal: Option<String>,
    help: bool,
    version: bool,
    help_tls: bool,
    /// The first argument that is no flag.
    word: Option<String>,
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Server,
    Version,
    Help,
    TlsHelp,
    /// The value of `-sl`.
    Signal(String),
}

impl Flags {
    /// Version before help before a word before a signal, as nats-server looks at them.
    pub(crate) fn asked(&self) -> Result<Asked, String> {
        if self.version {
            return Ok(Asked::Version);
        }
        if self.help {
            return Ok(Asked::Help);
        }
        if self.help_tls {
            return Ok(Asked::TlsHelp);
        }
        match self.word.as_deref() {
            Some(word) if word.eq_ignore_ascii_case("version") => return Ok(Asked::Version),
            Some(word) if word.eq_ignore_ascii_case("help") => return Ok(Asked::Help),
            Some(word) => return Err(format!("unrecognized command: {word:?}")),
            None => {}
        }
        match &self.signal {
            Some(signal) if !signal.is_empty() => Ok(Asked::Signal(signal.clone())),
            Some(_) | None => Ok(Asked::Server),
        }
    }
}

/// One flag: every name it goes by, how the help shows it, and what it sets.
pub(crate) struct Row {
    pub(crate) names: &'static [&'static str],
    /// Left column of the help; a second line is indented in full.
    pub(crate) shown: &'static str,
    pub(crate) help: &'static str,
    set: Set,
}

/// The kind of a flag's value, and where it goes.
enum Set {
    Switch(fn(&mut Flags, bool)),
    Text(fn(&mut Flags, String)),
    Number(fn(&mut Flags, i64)),
}

use Set::{Number, Switch, Text};

/// Every flag, under the headings of the help.
pub(crate) const SECTIONS: [(&str, &[Row]); 8] = [
    (
        "Server Options",
        &[
            Row {
                names: &["a", "addr", "net"],
                shown: "-a, --addr, --net <host>",
                help: "Address to listen on (default: 0.0.0.0)",
                set: Text(|f, v| f.overrides.host = Some(v)),
            },
            Row {
                names: &["p", "port"],
                shown: "-p, --port <port>",
                help: "Port for clients; -1 picks a free one (default: 4222)",
                set: Number(|f, v| f.overrides.port = Some(v)),
            },
            Row {
                names: &["n", "name", "server_name"],
                shown: "-n, --name\n        --server_name <server_name>",
                help: "Name of this server (default: its ID)",
                set: Text(|f, v| f.overrides.server_name = Some(v)),
            },
            Row {
                names: &["P", "pid"],
                shown: "-P, --pid <file>",
                help: "Write the process ID to this file",
                set: Text(|f, v| f.overrides.pid_file = Some(v)),
            },
            Row {
                names: &["m", "http_port"],
                shown: "-m, --http_port <port>",
                help: "Port for monitoring over HTTP",
                set: Number(|f, v| f.overrides.http_port = Some(v)),
            },
            Row {
                names: &["ms", "https_port"],
                shown: "-ms,--https_port <port>",
                help: "Port for monitoring over HTTPS",
                set: Number(|f, v| f.overrides.https_port = Some(v)),
            },
            Row {
                names: &["c", "config"],
                shown: "-c, --config <file>",
                help: "Configuration file",
                set: Text(|f, v| f.config_file = Some(v)),
            },
            Row {
                names: &["t"],
                shown: "-t",
                help: "Read the configuration, say whether it is valid, and exit",
                set: Switch(|f, v| f.check_config = v),
            },
            Row {
                names: &["sl", "signal"],
                shown: "-sl,--signal <signal>[=<pid>]",
                help: "Send a signal to a running server: ldm, stop, quit, term, reopen, reload\n\
                       <pid> is a process ID, a file that holds one, or the beginning of one and a `*`",
                set: Text(|f, v| f.signal = Some(v)),
            },
            Row {
                names: &["client_advertise"],
                shown: "    --client_advertise <string>",
                help: "Address that other servers tell clients instead of our own",
                set: Text(|f, v| f.overrides.client_advertise = Some(v)),
            },
            Row {
                names: &["ports_file_dir"],
                shown: "    --ports_file_dir <dir>",
                help: "Write the ports that are open to <program>_<pid>.ports in this folder",
                set: Text(|f, v| f.overrides.ports_file_dir = Some(v)),
            },
        ],
    ),
    (
        "Logging Options",
        &[
            Row {
                names: &["l", "log"],
                shown: "-l, --log <file>",
                help: "Log to this file",
                set: Text(|f, v| f.overrides.log_file = Some(v)),
            },
            Row {
                names: &["T", "logtime"],
                shown: "-T, --logtime",
                help: "Begin each line with the time (default: true)",
                set: Switch(|f, v| f.overrides.logtime = Some(v)),
            },
            Row {
                names: &["logtime_utc"],
                shown: "    --logtime_utc",
                help: "That time in UTC and not in the local zone (default: false)",
                set: Switch(|f, v| f.overrides.logtime_utc = Some(v)),
            },
            Row {
                names: &["s", "syslog"],
                shown: "-s, --syslog",
                help: "Log to the system's log (not supported yet)",
                set: Switch(|f, v| f.overrides.syslog = Some(v)),
            },
            Row {
                names: &["r", "remote_syslog"],
                shown: "-r, --remote_syslog <addr>",
                help: "Log to another machine's log (udp://localhost:514) (not supported yet)",
                set: Text(|f, v| f.overrides.remote_syslog = Some(v)),
            },
            Row {
                names: &["D", "debug"],
                shown: "-D, --debug",
                help: "Log decisions",
                set: Switch(|f, v| f.overrides.debug = Some(v)),
            },
            Row {
                names: &["V", "trace"],
                shown: "-V, --trace",
                help: "Log the protocol",
                set: Switch(|f, v| f.overrides.trace = Some(v)),
            },
            Row {
                names: &["VV"],
                shown: "-VV",
                help: "Log the protocol, that of the system account too",
                set: Switch(|f, v| (f.overrides.trace, f.overrides.trace_verbose) = (Some(v), Some(v))),
            },
            Row {
                names: &["DV"],
                shown: "-DV",
                help: "-D and -V",
                set: Switch(|f, v| (f.overrides.debug, f.overrides.trace) = (Some(v), Some(v))),
            },
            Row {
                names: &["DVV"],
                shown: "-DVV",
                help: "-D and -VV",
                set: Switch(|f, v| {
                    (f.overrides.debug, f.overrides.trace, f.overrides.trace_verbose) = (Some(v), Some(v), Some(v))
                }),
            },
            // Ours alone: nats-server has no such flag.
            Row {
                names: &["log_json"],
                shown: "    --log_json",
                help: "Write each line of the log as JSON (default: false)",
                set: Switch(|f, v| f.log_json = v),
            },
            Row {
                names: &["log_size_limit"],
                shown: "    --log_size_limit <limit>",
                help: "Begin a new file after this many bytes (default: never)",
                set: Number(|f, v| f.overrides.log_size_limit = Some(v)),
            },
            Row {
                names: &["max_traced_msg_len"],
                shown: "    --max_traced_msg_len <len>",
                help: "Bytes of a message that -V shows (default: all)",
                set: Number(|f, v| f.overrides.max_traced_msg_len = Some(v)),
            },
        ],
    ),
    (
        "JetStream Options",
        &[
            Row {
                names: &["js", "jetstream"],
                shown: "-js, --jetstream",
                help: "Switch JetStream on (not supported yet)",
                set: Switch(|f, v| f.overrides.jetstream = Some(v)),
            },
            Row {
                names: &["sd", "store_dir"],
                shown: "-sd, --store_dir <dir>",
                help: "Folder of its store (not supported yet)",
                set: Text(|f, v| f.overrides.store_dir = Some(v)),
            },
        ],
    ),
    (
        "Authorization Options",
        &[
            Row {
                names: &["user"],
                shown: "    --user <user>",
                help: "User that clients sign in as",
                set: Text(|f, v| f.overrides.user = Some(v)),
            },
            Row {
                names: &["pass"],
                shown: "    --pass <password>",
                help: "Password of that user",
                set: Text(|f, v| f.overrides.password = Some(Secret::new(v))),
            },
            Row {
                names: &["auth"],
                shown: "    --auth <token>",
                help: "Token that clients sign in with",
                set: Text(|f, v| f.overrides.token = Some(Secret::new(v))),
            },
        ],
    ),
    (
        "TLS Options",
        &[
            Row {
                names: &["tls"],
                shown: "    --tls",
                help: "Demand TLS of clients, without certificates of theirs (default: false)",
                set: Switch(|f, v| f.overrides.tls.enabled = Some(v)),
            },
            Row {
                names: &["tlscert"],
                shown: "    --tlscert <file>",
                help: "Certificate of the server",
                set: Text(|f, v| f.overrides.tls.cert_file = Some(v)),
            },
            Row {
                names: &["tlskey"],
                shown: "    --tlskey <file>",
                help: "Private key of the server's certificate",
                set: Text(|f, v| f.overrides.tls.key_file = Some(v)),
            },
            Row {
                names: &["tlsverify"],
                shown: "    --tlsverify",
                help: "Demand TLS and a certificate of each client",
                set: Switch(|f, v| f.overrides.tls.verify = Some(v)),
            },
            Row {
                names: &["tlscacert"],
                shown: "    --tlscacert <file>",
                help: "Authority that signs the clients' certificates",
                set: Text(|f, v| f.overrides.tls.ca_file = Some(v)),
            },
        ],
    ),
    (
        "Cluster Options",
        &[
            Row {
                names: &["routes"],
                shown: "    --routes <rurl-1, rurl-2>",
                help: "Servers of the cluster to connect to (not supported yet)",
                set: Text(|f, v| f.overrides.routes = Some(v)),
            },
            Row {
                names: &["cluster", "cluster_listen"],
                shown: "    --cluster <cluster-url>\n        --cluster_listen <url>",
                help: "Address to listen on for servers of the cluster (not supported yet)",
                set: Text(|f, v| f.overrides.cluster = Some(v)),
            },
            Row {
                names: &["cluster_name"],
                shown: "    --cluster_name <string>",
                help: "Name of the cluster (default: made up) (not supported yet)",
                set: Text(|f, v| f.overrides.cluster_name = Some(v)),
            },
            Row {
                names: &["no_advertise"],
                shown: "    --no_advertise <bool>",
                help: "Do not tell clients the addresses of other servers",
                set: Switch(|f, v| f.overrides.no_advertise = Some(v)),
            },
            Row {
                names: &["cluster_advertise"],
                shown: "    --cluster_advertise <string>",
                help: "Address that other servers of the cluster use instead of our own (not supported yet)",
                set: Text(|f, v| f.overrides.cluster_advertise = Some(v)),
            },
            Row {
                names: &["connect_retries"],
                shown: "    --connect_retries <number>",
                help: "How often to try a server that another one told us of",
                set: Number(|f, v| f.overrides.connect_retries = Some(v)),
            },
        ],
    ),
    (
        "Profiling Options",
        &[Row {
            names: &["profile"],
            shown: "    --profile <port>",
            help: "Port for profiling over HTTP (not supported yet)",
            set: Number(|f, v| f.overrides.profile = Some(v)),
        }],
    ),
    (
        "Common Options",
        &[
            Row { names: &["h", "help"], shown: "-h, --help", help: "Show this help", set: Switch(|f, v| f.help = v) },
            Row {
                names: &["v", "version"],
                shown: "-v, --version",
                help: "Show the version",
                set: Switch(|f, v| f.version = v),
            },
            Row {
                names: &["help_tls"],
                shown: "    --help_tls",
                help: "Show help on TLS",
                set: Switch(|f, v| f.help_tls = v),
            },
        ],
    ),
];

/// Why a command line cannot be read. The texts are those of Go's flag package, which tools and people know.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FlagError {
    Syntax(String),
    Unknown(String),
    NoValue(String),
    NotBool { name: String, value: String },
    NotNumber { name: String, value: String, why: &'static str },
}

impl Row {
    /// Whether a value follows.
    pub(crate) fn has_value(&self) -> bool {
        match self.set {
            Switch(_) => false,
            Text(_) | Number(_) => true,
        }
    }
}

impl fmt::Display for FlagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlagError::Syntax(argument) => write!(f, "bad flag syntax: {argument}"),
            FlagError::Unknown(name) => write!(f, "flag provided but not defined: -{name}"),
            FlagError::NoValue(name) => write!(f, "flag needs an argument: -{name}"),
            FlagError::NotBool { name, value } => {
                write!(f, "invalid boolean value {value:?} for -{name}: parse error")
            }
            FlagError::NotNumber { name, value, why } => {
                write!(f, "invalid value {value:?} for flag -{name}: {why}")
            }
        }
    }
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(arguments: &[String]) -> Result<Flags, FlagError> {
    let mut flags = Flags::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some((name, value)) = split(argument)? else {
            // `--` ends the flags and is not a word itself.
            flags.word = if argument == "--" { rest.next().cloned() } else { Some(argument.clone()) };
            return Ok(flags);
        };
        let mut rows = SECTIONS.iter().flat_map(|(_, rows)| *rows);
        let row = rows.find(|row| row.names.contains(&name)).ok_or_else(|| FlagError::Unknown(name.to_owned()))?;
        if let Switch(set) = row.set {
            set(&mut flags, value.map_or(Ok(true), |value| boolean(name, value))?);
            continue;
        }
        let value = value.or_else(|| rest.next().map(String::as_str));
        let value = value.ok_or_else(|| FlagError::NoValue(name.to_owned()))?;
        match row.set {
            Switch(_) => {}
            Text(set) => set(&mut flags, value.to_owned()),
            Number(set) => set(&mut flags, number(name, value)?),
        }
    }
    Ok(flags)
}

/// Name and value of a flag; none if the argument is not a flag or ends them.
fn split(argument: &str) -> Result<Option<(&str, Option<&str>)>, FlagError> {
    if argument.len() < 2 || argument == "--" {
        return Ok(None);
    }
    let Some(name) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else {
        return Ok(None);
    };
    if name.is_empty() || name.starts_with(['-', '=']) {
        return Err(FlagError::Syntax(argument.to_owned()));
    }
    Ok(Some(match name.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (name, None),
    }))
}

fn boolean(name: &str, value: &str) -> Result<bool, FlagError> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(FlagError::NotBool { name: name.to_owned(), value: value.to_owned() }),
    }
}

/// A whole number as Go writes it: `0x1f`, `0o17`, `017` and `0b1` too, with `_` between digits.
fn number(name: &str, value: &str) -> Result<i64, FlagError> {
    let error = |why| FlagError::NotNumber { name: name.to_owned(), value: value.to_owned(), why };
    let (sign, digits) = match value.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", value.strip_prefix('+').unwrap_or(value)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.split_at_checked(2) {
        Some(("0x", digits)) => (16, digits),
        Some(("0o", digits)) => (8, digits),
        Some(("0b", digits)) => (2, digits),
        Some((_, _)) if lower.starts_with('0') => (8, lower.get(1..).unwrap_or_default()),
        _ => (10, lower.as_str()),
    };
    // An underscore stands between digits, of which the prefix of a base counts as one.
    let is_loose = digits.ends_with('_') || digits.contains("__") || (radix == 10 && digits.starts_with('_'));
    let plain = if is_loose { digits.to_owned() } else { digits.replace('_', "") };
    if plain.is_empty() || !plain.chars().all(|c| c.is_digit(radix)) {
        return Err(error("parse error"));
    }
    i64::from_str_radix(&format!("{sign}{plain}"), radix).map_err(|_| error("value out of range"))
}

#[cfg(test)]
mod tests;
