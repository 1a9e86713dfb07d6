//! What a running server must do when new options replace old ones.
//!
//! Whether an option can change while the server runs is said by its row; here is only how two values of each Go
//! field are told apart and shown. Fields stand in the order of the NATS server, since it is the order of its log
//! lines, and the first field that cannot change ends the reload.

use std::{collections::BTreeMap, fmt};

use crate::{
    Options, go,
    options::{HandshakeFirst, TlsOptions, WriteTimeout, sections},
    table::Reload,
};

/// Something the server takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Name of the field in the NATS server, such as `MaxPayload`.
    pub field: &'static str,
    /// What stands after `Reloaded: ` in the log; `None` if there is no line.
    pub item: Option<String>,
}

/// Why options cannot replace those in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReloadable {
    /// A value is used only at the start.
    Field {
        /// Name of the field in the NATS server.
        field: &'static str,
        /// The value in force.
        old: String,
        /// The value that was asked for.
        new: String,
    },
    /// A value cannot be used at all.
    ClientAdvertise {
        /// The value.
        address: String,
        /// What is wrong with it.
        error: String,
    },
}

impl fmt::Display for NotReloadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotReloadable::Field { field, old, new } => {
                write!(f, "config reload not supported for {field}: old={old}, new={new}")
            }
            NotReloadable::ClientAdvertise { address, error } => {
                write!(f, "invalid ClientAdvertise value of {address}, err={error}")
            }
        }
    }
}

impl std::error::Error for NotReloadable {}

/// Compares the options in force with new ones, both with the flags of the command line laid over them. `old.port`
/// is the port that is really open.
///
/// Users and accounts are always among the changes, as the NATS server has it: clients are compared with them
/// whenever it reloads. So is TLS while it is on, because its files may have changed under the same names.
///
/// # Errors
///
/// The first field that cannot change while the server runs. Then nothing of the new options is to be used.
pub fn diff(old: &Options, new: &Options) -> Result<Vec<Change>, NotReloadable> {
    let mut changes = Vec::new();
    for field in FIELDS {
        if !(field.differs)(old, new) {
            continue;
        }
        let shown = (field.show)(new);
        let item = match reload_of(field.name) {
            Reload::Refused => {
                let old = (field.show)(old);
                return Err(NotReloadable::Field { field: field.name, old, new: shown });
            }
            Reload::Silently => None,
            Reload::As(item) => Some(item.replace("{}", &shown)),
        };
        if field.name == "ClientAdvertise"
            && let Some(Err(error)) = new.advertised()
        {
            return Err(NotReloadable::ClientAdvertise { address: shown, error });
        }
        changes.push(Change { field: field.name, item });
    }
    Ok(changes)
}

/// What the rows that fill a field say about reloading it.
fn reload_of(field: &str) -> Reload {
    let rows = sections().into_iter().flat_map(|(_, section)| section.rows());
    let mut fields = rows.flat_map(|row| row.fields).flatten();
    fields.find(|(name, _)| *name == field).map_or(Reload::Refused, |(_, reload)| reload)
}

/// One field of the server's options.
struct Field {
    name: &'static str,
    differs: fn(&Options, &Options) -> bool,
    /// Never a secret.
    show: fn(&Options) -> String,
}

/// A field whose values differ if they show differently.
macro_rules! shown {
    ($name:literal, $show:expr) => {{
        const SHOW: fn(&Options) -> String = $show;
        Field { name: $name, differs: |old, new| SHOW(old) != SHOW(new), show: SHOW }
    }};
}

static FIELDS: &[Field] = &[
    shown!("ServerName", |o| text(&o.server_name)),
    shown!("Host", |o| o.host.clone()),
    // Any free port is the one that is open already.
    Field { name: "Port", differs: |old, new| new.port != -1 && old.port != new.port, show: |o| o.port.to_string() },
    shown!("ClientAdvertise", |o| text(&o.client_advertise)),
    shown!("Trace", |o| o.log.trace.to_string()),
    shown!("Debug", |o| o.log.debug.to_string()),
    shown!("TraceVerbose", |o| o.log.trace_verbose.to_string()),
    shown!("TraceHeaders", |o| o.log.trace_headers.to_string()),
    shown!("NoSublistCache", |o| o.disable_sublist_cache.to_string()),
    shown!("NoHeaderSupport", |o| o.no_header_support.to_string()),
    shown!("Logtime", |o| o.log.logtime.to_string()),
    shown!("LogtimeUTC", |o| o.log.logtime_utc.to_string()),
    // The server keeps "nobody" as −1, because zero is its default.
    shown!("MaxConn", |o| if o.max_connections == 0 { "-1".to_owned() } else { o.max_connections.to_string() }),
    shown!("MaxSubs", |o| o.max_subscriptions.to_string()),
    shown!("MaxSubTokens", |o| o.max_sub_tokens.to_string()),
    Field { name: "Nkeys", differs: |old, new| nkeys(old) != nkeys(new), show: |_| String::new() },
    Field { name: "Users", differs: |_, _| true, show: |_| String::new() },
    Field { name: "Accounts", differs: |_, _| true, show: |_| String::new() },
    Field { name: "NoAuthUser", differs: no_auth_user_differs, show: |o| text(&o.no_auth_user) },
    shown!("NoSystemAccount", |o| o.no_system_account.to_string()),
    shown!("Username", |o| text(&o.authorization.user)),
    Field {
        name: "Password",
        differs: |old, new| old.authorization.password != new.authorization.password,
        show: |_| String::new(),
    },
    Field {
        name: "Authorization",
        differs: |old, new| old.authorization.token != new.authorization.token,
        show: |_| String::new(),
    },
    shown!("PingInterval", |o| go::duration(o.ping_interval)),
    shown!("MaxPingsOut", |o| o.ping_max.to_string()),
    shown!("HTTPHost", |o| o.monitor_host().to_owned()),
    shown!("HTTPPort", |o| o.monitor.http_port.to_string()),
    shown!("HTTPBasePath", |o| o.monitor.base_path.clone()),
    shown!("HTTPSPort", |o| o.monitor.https_port.to_string()),
    shown!("AuthTimeout", |o| go::float(o.auth_timeout().as_secs_f64())),
    shown!("MaxControlLine", |o| o.max_control_line.to_string()),
    shown!("MaxPayload", |o| o.max_payload.to_string()),
    shown!("MaxPending", |o| o.max_pending.to_string()),
    shown!("NoFastProducerStall", |o| if o.no_fast_producer_stall { "not ".to_owned() } else { String::new() }),
    shown!("PidFile", |o| text(&o.pid_file)),
    shown!("PortsFileDir", |o| text(&o.ports_file_dir)),
    shown!("LogFile", |o| text(&o.log.file)),
    shown!("LogSizeLimit", |o| o.log.size_limit.to_string()),
    shown!("LogMaxFiles", |o| o.log.max_files.to_string()),
    shown!("TLSTimeout", |o| go::float(tls(o).timeout.as_secs_f64())),
    shown!("TLSMap", |o| tls(o).verify_and_map.to_string()),
    Field {
        name: "TLSConfig",
        differs: |old, new| old.tls.is_some() || new.tls.is_some(),
        show: |o| {
            if o.tls.is_some() { "enabled".to_owned() } else { "disabled".to_owned() }
        },
    },
    Field {
        name: "TLSPinnedCerts",
        differs: |old, new| tls(old).pinned_certs != tls(new).pinned_certs,
        show: |o| tls(o).pinned_certs.len().to_string(),
    },
    shown!("TLSRateLimit", |o| tls(o).connection_rate_limit.to_string()),
    shown!("TLSHandshakeFirst", |o| (tls(o).handshake_first != HandshakeFirst::No).to_string()),
    shown!("TLSHandshakeFirstFallback", |o| match tls(o).handshake_first {
        HandshakeFirst::No | HandshakeFirst::Yes => go::duration(std::time::Duration::ZERO),
        HandshakeFirst::Fallback(delay) => go::duration(delay),
    }),
    shown!("AllowNonTLS", |o| o.allow_non_tls.to_string()),
    shown!("WriteDeadline", |o| go::duration(o.write_deadline)),
    shown!("WriteTimeout", |o| match o.write_timeout {
        WriteTimeout::Default => String::new(),
        WriteTimeout::Close => "close".to_owned(),
        WriteTimeout::Retry => "retry".to_owned(),
    }),
    shown!("MaxClosedClients", |o| o.max_closed_clients.to_string()),
    shown!("LameDuckDuration", |o| go::duration(o.lame_duck_duration)),
    shown!("LameDuckGracePeriod", |o| go::duration(o.lame_duck_grace_period)),
    shown!("MaxTracedMsgLen", |o| o.log.max_traced_msg_len.to_string()),
    shown!("ConnectErrorReports", |o| o.connect_error_reports.to_string()),
    shown!("ReconnectErrorReports", |o| o.reconnect_error_reports.to_string()),
    Field { name: "Tags", differs: |old, new| old.server_tags != new.server_tags, show: |_| String::new() },
    Field { name: "Metadata", differs: |old, new| old.server_metadata != new.server_metadata, show: |_| String::new() },
    shown!("FeatureFlags", |o| map(&o.feature_flags)),
];

fn text(text: &Option<String>) -> String {
    text.clone().unwrap_or_default()
}

/// A map as Go's `%v` shows it.
fn map(flags: &BTreeMap<String, bool>) -> String {
    let flags: Vec<String> = flags.iter().map(|(name, is_on)| format!("{name}:{is_on}")).collect();
    format!("map[{}]", flags.join(" "))
}

/// Without TLS its fields have the values they have without a block.
fn tls(options: &Options) -> TlsOptions {
    options.tls.clone().unwrap_or_default()
}

fn nkeys(options: &Options) -> Vec<&str> {
    let mut keys: Vec<&str> =
        options.authorization.users.iter().flatten().filter_map(|user| user.nkey.as_deref()).collect();
    keys.sort_unstable();
    keys
}

/// It may only go away together with the user it names; that is no change the log mentions.
fn no_auth_user_differs(old: &Options, new: &Options) -> bool {
    match (&old.no_auth_user, &new.no_auth_user) {
        (Some(name), None) => new.authorization.users.iter().flatten().any(|user| user.name == *name),
        (old, new) => old != new,
    }
}
