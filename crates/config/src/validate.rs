//! Whether options agree with each other, and whether a start could succeed as far as words can tell.
//!
//! Not here: what one value must be like (`options/*`), and what only a socket, file or key decides.

use crate::{HandshakeFirst, Options, Problem, Secret, go};

/// Payloads above this give a warning.
const MAX_PAYLOAD_ADVISED: u32 = 8 << 20;

/// Checks what `-t` does not: options against each other. A start and a reload fail with the first error.
///
/// The warnings belong into the log.
///
/// # Errors
///
/// All contradictions, the one the NATS server would report first.
pub fn validate(options: &Options) -> Result<Vec<Problem>, Vec<Problem>> {
    let mut errors = Vec::new();
    let grace = options.lame_duck_grace_period;
    if grace >= options.lame_duck_duration {
        let (grace, duration) = (go::duration(grace), go::duration(options.lame_duck_duration));
        errors.push(format!(
            "lame duck grace period ({grace}) should be strictly lower than lame duck duration ({duration})"
        ));
    }
    let (payload, pending) = (options.max_payload, options.max_pending);
    if u64::from(payload) > pending {
        errors.push(format!("max_payload ({payload}) cannot be higher than max_pending ({pending})"));
    }
    if options.server_name.as_ref().is_some_and(|name| name.contains(' ')) {
        errors.push("server name cannot contain spaces".to_owned());
    }
    errors.extend(no_auth_user(options));
    if errors.is_empty() { Ok(warnings(options)) } else { Err(errors.into_iter().map(Problem::nowhere).collect()) }
}

/// Checks what fails only when the server opens its listeners: the text is that of the `[FTL]` line.
///
/// # Errors
///
/// The first reason why the start would fail.
pub fn check_start(options: &Options) -> Result<(), String> {
    let monitor = &options.monitor;
    match (monitor.http_port, monitor.https_port) {
        (0, 0) => {}
        (http, 0) => check_port(http).map_err(monitoring_port)?,
        (0, https) => {
            let has_certificate = options.tls.as_ref().is_some_and(|tls| !tls.certificates.is_empty());
            if !has_certificate {
                return Err("Can't start monitoring: TLS cert and key required for HTTPS".to_owned());
            }
            check_port(https).map_err(monitoring_port)?;
        }
        (http, https) => {
            return Err(format!("Can't start monitoring: can't specify both HTTP ({http}) and HTTPs ({https}) ports"));
        }
    }
    let (host, port) = (&options.host, options.port);
    check_port(port).map_err(|error| format!("Error listening on port: {host}:{port}, {}", go::quote(&error)))?;
    if let Some(Err(error)) = options.advertised() {
        let address = options.client_advertise.as_deref().unwrap_or_default();
        return Err(format!("Error setting server INFO with ClientAdvertise value of {address}, err={error}"));
    }
    Ok(())
}

impl Options {
    /// The address clients are told about: `client_advertise`, with this server's port if it names none (zero here
    /// means: the port that is really open). An `Err` is Go's text for an address that is none.
    pub fn advertised(&self) -> Option<Result<(String, u64), String>> {
        let address = self.client_advertise.as_deref()?;
        Some(host_port(address))
    }
}

fn host_port(address: &str) -> Result<(String, u64), String> {
    let wrong = |reason: &str| Err(format!("address {address}: {reason}"));
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            None => return wrong("missing ']' in address"),
            Some((host, "")) => (host, ""),
            Some((host, port)) if port.starts_with(':') && !port[1..].contains(':') => (host, &port[1..]),
            Some(_) => return wrong("too many colons in address"),
        },
        None => match address.split_once(':') {
            None => (address, ""),
            Some((_, port)) if port.contains(':') => return wrong("too many colons in address"),
            Some((host, port)) => (host, port),
        },
    };
    let port = match port.trim() {
        // `a` and `a:` differ: only the first leaves the port open.
        "" if !address.ends_with(':') => 0,
        "-1" => 0,
        text => text.parse().map_err(|_| format!("strconv.Atoi: parsing {}: invalid syntax", go::quote(text)))?,
    };
    Ok((host.trim().to_owned(), port))
}

/// −1 is any free port; all others must be ports.
fn check_port(port: i64) -> Result<(), String> {
    if (-1..=i64::from(u16::MAX)).contains(&port) {
        return Ok(());
    }
    Err(format!("listen tcp: address {port}: invalid port"))
}

fn monitoring_port(error: String) -> String {
    format!("Can't start monitoring: can't listen to the monitor port: {error}")
}

fn no_auth_user(options: &Options) -> Option<String> {
    let name = options.no_auth_user.as_deref()?;
    let users = options.authorization.users.as_deref().unwrap_or_default();
    if users.is_empty() {
        return Some(format!("no_auth_user: \"{name}\" present, but users/nkeys are not defined"));
    }
    if users.iter().any(|user| user.identity() == name) {
        return None;
    }
    Some(format!(
        "no_auth_user: \"{name}\" not present as user or nkey in authorization block or account configuration"
    ))
}

fn warnings(options: &Options) -> Vec<Problem> {
    let mut warnings = Vec::new();
    if options.max_payload > MAX_PAYLOAD_ADVISED {
        warnings.push(
            "Maximum payloads over 8.00 MB are generally discouraged and could lead to poor performance".to_owned(),
        );
    }
    if has_plain_password(options) {
        warnings.push("Plaintext passwords detected, use nkeys or bcrypt".to_owned());
    }
    let handshake = options.tls.as_ref().map_or(HandshakeFirst::No, |tls| tls.handshake_first);
    if handshake == HandshakeFirst::Yes {
        warnings.push("Clients that are not using \"TLS Handshake First\" option will fail to connect".to_owned());
    }
    warnings.into_iter().map(Problem::nowhere).collect()
}

/// Whether someone can come in by a password that is written down, or without any. A user without a password may be
/// one that a certificate proves.
fn has_plain_password(options: &Options) -> bool {
    let maps_certificates = options.tls.as_ref().is_some_and(|tls| tls.verify_and_map);
    let is_plain = |password: &Secret| !is_bcrypt(password.expose());
    let authorization = &options.authorization;
    authorization.password.as_ref().is_some_and(is_plain)
        || authorization.users.iter().flatten().filter(|user| user.nkey.is_none()).any(|user| match &user.password {
            Some(password) => is_plain(password),
            None => !maps_certificates,
        })
}

/// `$2a$`, `$2b$`, `$2x$` or `$2y$`, then a cost of two digits; the rest is salt and hash.
fn is_bcrypt(password: &str) -> bool {
    match password.as_bytes() {
        [b'$', b'2', b'a' | b'b' | b'x' | b'y', b'$', tens, ones, b'$', ..] => {
            tens.is_ascii_digit() && ones.is_ascii_digit()
        }
        _ => false,
    }
}
