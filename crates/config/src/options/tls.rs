//! The options of `tls`, the same for every kind of listener, and of OCSP.

use std::time::Duration;

use super::{HandshakeFirst, TLS_TIMEOUT, TlsCertificate, TlsMinVersion, TlsOptions, seconds, some};
use crate::{
    Problem, go,
    table::{
        Entry, Kind, Read, Reader,
        Reload::{As, Refused},
        Row, Section, Unknown,
    },
    value::{Node, Value},
};

/// What `handshake_first: auto` waits for a silent client.
const HANDSHAKE_FIRST_FALLBACK: Duration = Duration::from_millis(50);

/// `tls` while it is read: what only matters until the block is complete stands beside the result.
#[derive(Default)]
pub(super) struct Draft {
    tls: TlsOptions,
    cert_file: String,
    key_file: String,
    allows_insecure_cipher_suites: bool,
    /// The option that only links between servers have.
    known_urls: Option<Problem>,
}

type TlsRow = Row<Draft>;
type CertificateRow = Row<TlsCertificate>;

pub(super) static TLS: Section<Draft> = Section {
    unknown: Unknown::Tls,
    no_map: "",
    rows: &[
        TlsRow::new(
            "cert_file",
            Read::Own(Kind::Text, |d, e, r| file(&mut d.cert_file, e, r)),
            "PEM file with the certificate.",
        )
        .field("TLSConfig", As("tls = {}")),
        TlsRow::new("key_file", Read::Own(Kind::Text, |d, e, r| file(&mut d.key_file, e, r)), "PEM file with its key.")
            .field("TLSConfig", As("tls = {}")),
        TlsRow::new(
            "ca_file",
            Read::Own(Kind::Text, |d, e, r| {
                let mut name = String::new();
                file(&mut name, e, r);
                d.tls.ca_file = some(&name);
            }),
            "PEM file with the certificates that may sign those of clients.",
        )
        .field("TLSConfig", As("tls = {}")),
        TlsRow::new(
            "certs",
            Read::Own(Kind::Blocks(&CERTIFICATE), certificates),
            "List of `{cert_file, key_file}` instead of one of each.",
        )
        .or(&["certificates"])
        .field("TLSConfig", As("tls = {}")),
        TlsRow::new(
            "verify",
            Read::Own(Kind::Bool, |d, e, r| flag(&mut d.tls.verify, e, r)),
            "Clients must show a certificate.",
        )
        .default("false")
        .field("TLSConfig", As("tls = {}")),
        TlsRow::new(
            "verify_and_map",
            Read::Own(Kind::Bool, verify_and_map),
            "The same, and it says which user the client is.",
        )
        .default("false")
        .field("TLSMap", Refused),
        TlsRow::new(
            "insecure",
            Read::Own(Kind::Bool, |d, e, r| flag(&mut d.tls.insecure, e, r)),
            "Do not check certificates of servers.",
        )
        .default("false")
        .field("TLSConfig", As("tls = {}")),
        TlsRow::new("timeout", Read::Own(Kind::Seconds, timeout), "Seconds a handshake may take.")
            .default("2")
            .field("TLSTimeout", As("tls timeout = {}")),
        TlsRow::new(
            "handshake_first",
            Read::Own(Kind::Special, handshake_first),
            "TLS handshake before INFO: true, false, `auto`, or how long to wait \
             before INFO comes first after all.",
        )
        .or(&["first", "immediate"])
        .default("false")
        .field("TLSHandshakeFirst", As("Client TLS handshake first: {}"))
        .field("TLSHandshakeFirstFallback", As("Client TLS handshake first fallback delay: {}")),
        TlsRow::new("cipher_suites", Read::Own(Kind::List, cipher_suites), "Cipher suites by their Go names.")
            .field("TLSConfig", As("tls = {}")),
        TlsRow::new(
            "allow_insecure_cipher_suites",
            Read::Own(Kind::Bool, |d, e, r| flag(&mut d.allows_insecure_cipher_suites, e, r)),
            "Take cipher suites that are known to be weak.",
        )
        .default("false")
        .field("TLSConfig", As("tls = {}")),
        TlsRow::new("curve_preferences", Read::Own(Kind::List, curve_preferences), "Curves by their Go names.")
            .field("TLSConfig", As("tls = {}")),
        TlsRow::new("min_version", Read::Own(Kind::Text, min_version), "Oldest version: \"1.2\" or \"1.3\".")
            .default("1.2")
            .field("TLSConfig", As("tls = {}")),
        TlsRow::new(
            "pinned_certs",
            Read::Own(Kind::List, pinned_certs),
            "SHA-256 sums of the public keys clients may have.",
        )
        .field("TLSPinnedCerts", As("{} pinned_certs")),
        TlsRow::new(
            "connection_rate_limit",
            Read::Own(Kind::Int, connection_rate_limit),
            "Handshakes to begin in a second.",
        )
        .default("0")
        .field("TLSRateLimit", Refused),
        TlsRow::new(
            "verify_cert_and_check_known_urls",
            Read::Own(Kind::Bool, known_urls),
            "Peers must have a certificate for a known URL. Not for listeners of clients.",
        )
        .default("false"),
        TlsRow::later(
            "ocsp_peer",
            Kind::BoolOrBlock(&OCSP_PEER),
            "Ask by OCSP whether a client's certificate still holds.",
        ),
        TlsRow::later("cert_store", Kind::Text, "Windows only."),
        TlsRow::later("cert_match_by", Kind::Text, "Windows only."),
        TlsRow::later("cert_match", Kind::Text, "Windows only."),
        TlsRow::later("ca_certs_match", Kind::Texts, "Windows only."),
        TlsRow::later("cert_match_skip_invalid", Kind::Bool, "Windows only."),
    ],
};

static CERTIFICATE: Section<TlsCertificate> = Section {
    unknown: Unknown::TlsCertificate,
    no_map: "error parsing certificates config: unsupported type {type}",
    rows: &[
        CertificateRow::new(
            "cert_file",
            Read::Own(Kind::Text, |c, e, r| certificate_file(&mut c.cert_file, e, r)),
            "PEM file with the certificate.",
        ),
        CertificateRow::new(
            "key_file",
            Read::Own(Kind::Text, |c, e, r| certificate_file(&mut c.key_file, e, r)),
            "PEM file with its key.",
        ),
    ],
};

static OCSP_PEER: Section<()> = Section {
    unknown: Unknown::Tls,
    no_map: "error parsing ocsp peer config: unsupported type {type}",
    rows: &[
        Row::later("verify", Kind::Bool, "Ask at all."),
        Row::later("allowed_clockskew", Kind::Seconds, "Seconds clocks may differ.").default("30"),
        Row::later("ca_timeout", Kind::Seconds, "Seconds an answer may take.").default("2"),
        Row::later("cache_ttl_when_next_update_unset", Kind::Seconds, "Seconds an answer without a date holds.")
            .default("3600"),
        Row::later("warn_only", Kind::Bool, "Only log a bad answer."),
        Row::later("unknown_is_good", Kind::Bool, "Take certificates the answer does not know."),
        Row::later("allow_when_ca_unreachable", Kind::Bool, "Take all certificates while nobody answers."),
    ],
};

pub(super) static OCSP: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "error parsing ocsp config: unsupported type {type}",
    rows: &[
        Row::later("mode", Kind::Text, "auto, always, must or never.").default("auto"),
        Row::later("url", Kind::Text, "Where to ask."),
        Row::later("urls", Kind::List, "Where to ask."),
    ],
};

pub(super) static OCSP_CACHE: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "error parsing tags: unsupported type {type}",
    rows: &[
        Row::later("type", Kind::Text, "local or none.").default("local"),
        Row::later("local_store", Kind::Text, "Folder for answers.").default("_rc_"),
        Row::later("preserve_revoked", Kind::Bool, "Keep answers about revoked certificates."),
        Row::later("save_interval", Kind::Seconds, "Seconds between two writings.").default("5m"),
    ],
};

pub(super) fn read(tls: &mut TlsOptions, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let mut draft = Draft { tls: std::mem::take(tls), ..Draft::default() };
    let errors = reader.errors.len();
    TLS.read(entry.node, &mut draft, reader);
    *tls = draft.tls;
    reader.errors.extend(draft.known_urls);
    // What the block lacks as a whole is only worth saying if its parts are right.
    if reader.errors.len() > errors {
        return;
    }
    let insecure: Vec<&str> =
        tls.cipher_suites.iter().map(String::as_str).filter(|name| INSECURE_CIPHER_SUITES.contains(name)).collect();
    let has_list = !tls.certificates.is_empty();
    match (draft.cert_file.is_empty(), draft.key_file.is_empty()) {
        (false, _) if has_list => {
            reader.error(entry.node, "error parsing tls config, cannot combine 'cert_file' option with 'certs' option")
        }
        _ if !insecure.is_empty() && !draft.allows_insecure_cipher_suites => {
            let names = insecure.join(", ");
            reader.error(
                entry.node,
                format!("insecure cipher suites configured without 'allow_insecure_cipher_suites' option set: {names}"),
            );
        }
        (false, true) => reader.error(entry.node, "missing 'key_file' in TLS configuration"),
        (true, false) => reader.error(entry.node, "missing 'cert_file' in TLS configuration"),
        (false, false) => {
            tls.certificates = vec![TlsCertificate { cert_file: draft.cert_file, key_file: draft.key_file }];
        }
        (true, true) => {}
    }
}

/// The last value of a block.
fn last(node: &Node) -> &Node {
    node.value.as_map().and_then(|map| map.iter().last()).map_or(node, |(_, last)| last)
}

fn file(target: &mut String, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Some(name) = entry.node.value.as_text() else {
        let key = entry.key.to_lowercase();
        return reader.error(entry.node, format!("error parsing tls config, expected '{key}' to be filename"));
    };
    name.clone_into(target);
}

fn flag(target: &mut bool, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Some(is_on) = entry.node.value.as_bool() else {
        let key = entry.key.to_lowercase();
        return reader.error(entry.node, format!("error parsing tls config, expected '{key}' to be a boolean"));
    };
    *target = is_on;
}

fn known_urls(draft: &mut Draft, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let mut is_on = false;
    flag(&mut is_on, entry, reader);
    let problem = || {
        let text = "verify_cert_and_check_known_urls not supported in this context";
        Problem::at(reader.position(entry.node), text)
    };
    draft.known_urls = is_on.then(problem);
}

fn verify_and_map(draft: &mut Draft, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    flag(&mut draft.tls.verify_and_map, entry, reader);
    draft.tls.verify |= draft.tls.verify_and_map;
}

fn timeout(draft: &mut Draft, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    if let Some(timeout) = reader.seconds(entry.node, "tls") {
        draft.tls.timeout = seconds(timeout).unwrap_or(TLS_TIMEOUT);
    }
}

fn handshake_first(draft: &mut Draft, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let key = go::quote(entry.key);
    if let Some(is_on) = entry.node.value.as_bool() {
        draft.tls.handshake_first = if is_on { HandshakeFirst::Yes } else { HandshakeFirst::No };
        return;
    }
    let Some(text) = entry.node.value.as_text() else {
        let found = entry.node.value.go_type();
        return reader.error(entry.node, format!("field {key} should be a boolean or a string, got {found}"));
    };
    draft.tls.handshake_first = match (text.to_lowercase().as_str(), go::parse_duration(text)) {
        ("true" | "on", _) => HandshakeFirst::Yes,
        ("false" | "off", _) => HandshakeFirst::No,
        ("auto" | "auto_fallback", _) => HandshakeFirst::Fallback(HANDSHAKE_FIRST_FALLBACK),
        (_, Ok(delay)) if delay.is_zero() => HandshakeFirst::Yes,
        (_, Ok(delay)) => HandshakeFirst::Fallback(delay),
        (_, Err(_)) => {
            let value = go::quote(text);
            return reader.error(entry.node, format!("field {key}'s value {value} is invalid"));
        }
    };
}

fn cipher_suites(draft: &mut Draft, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let is_known = |name: &str| CIPHER_SUITES.contains(&name) || INSECURE_CIPHER_SUITES.contains(&name);
    draft.tls.cipher_suites = names(entry, reader, "cipher", is_known);
}

fn curve_preferences(draft: &mut Draft, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    draft.tls.curve_preferences = names(entry, reader, "curve preference", |name| CURVES.contains(&name));
}

fn names(entry: &Entry<'_>, reader: &mut Reader<'_>, what: &str, is_known: impl Fn(&str) -> bool) -> Vec<String> {
    let Some(nodes) = reader.list(entry.node) else { return Vec::new() };
    if nodes.is_empty() {
        let key = entry.key.to_lowercase();
        reader.error(entry.node, format!("error parsing tls config, '{key}' cannot be empty"));
    }
    let mut names = Vec::with_capacity(nodes.len());
    for node in nodes {
        match reader.text(node) {
            Some(name) if is_known(name) => names.push(name.to_owned()),
            Some(name) => reader.error(node, format!("unrecognized {what} {name}")),
            None => {}
        }
    }
    names
}

fn min_version(draft: &mut Draft, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let problem = match entry.node.value.as_text() {
        Some("1.2") => return draft.tls.min_version = TlsMinVersion::V1_2,
        Some("1.3") => return draft.tls.min_version = TlsMinVersion::V1_3,
        Some(version @ ("1.0" | "1.1")) => format!("unsupported TLS version: TLS {version}"),
        Some(version) => format!("unknown version: {version}"),
        None => format!("'min_version' wrong type: {}", entry.node.value.go_value()),
    };
    reader.error(entry.node, format!("error parsing tls config: {problem}"));
}

fn pinned_certs(draft: &mut Draft, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    const FORM: &str = "hex-encoded sha256 of DER encoded SubjectPublicKeyInfo";
    let Value::List(nodes) = &entry.node.value else {
        let text = format!("error parsing tls config, expected 'pinned_certs' to be a list of {FORM}");
        return reader.error(entry.node, text);
    };
    for node in nodes {
        let Some(sum) = reader.text(node).map(str::to_lowercase) else { continue };
        if sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            draft.tls.pinned_certs.push(sum);
        } else {
            reader.error(node, format!("error parsing tls config, 'pinned_certs' key {sum} does not look like {FORM}"));
        }
    }
    draft.tls.pinned_certs.sort();
    draft.tls.pinned_certs.dedup();
}

fn connection_rate_limit(draft: &mut Draft, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Some(limit) = entry.node.value.as_int() else {
        return reader.error(entry.node, "error parsing tls config, 'connection_rate_limit' wrong type");
    };
    draft.tls.connection_rate_limit = limit;
}

fn certificates(draft: &mut Draft, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Value::List(nodes) = &entry.node.value else {
        // The type shown is that of the whole block.
        let text = "error parsing certificates config: unsupported type map[string]interface {}";
        return reader.error(entry.node, text);
    };
    for node in nodes {
        let mut certificate = TlsCertificate::default();
        let errors = reader.errors.len();
        CERTIFICATE.read(node, &mut certificate, reader);
        if reader.errors.len() > errors {
            continue;
        }
        if certificate.cert_file.is_empty() || certificate.key_file.is_empty() {
            let text = "error parsing certificates config: both 'cert_file' and 'cert_key' options are required";
            reader.error(last(node), text);
        }
        draft.tls.certificates.push(certificate);
    }
}

fn certificate_file(target: &mut String, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Some(name) = entry.node.value.as_text() else {
        let found = entry.node.value.go_type();
        return reader.error(entry.node, format!("error parsing certificates config: unsupported type {found}"));
    };
    name.clone_into(target);
}

const CIPHER_SUITES: [&str; 13] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
];

const INSECURE_CIPHER_SUITES: [&str; 12] = [
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
];

const CURVES: [&str; 7] =
    ["X25519", "CurveP256", "CurveP384", "CurveP521", "X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024"];
