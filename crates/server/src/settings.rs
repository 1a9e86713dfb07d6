//! From options to what sessions go by: `INFO`, limits, mappings, and who may sign in.

mod directory;

use std::sync::Arc;

use firn_auth::authenticate::Directory;
use firn_config::{MappingOptions, Options};
use firn_session::Settings;
use firn_subject::mapping::{Destination, Mappings};
use firn_wire::client::info::Info;

use crate::{keys::ServerKeys, version};

/// What sessions go by when clients are listened to on `port`. The directory of `before` is kept if it says the same:
/// then nobody has to be asked again who they are.
///
/// # Errors
/// The operator's fault: something in the options cannot be.
pub(crate) fn settings(
    options: &Options,
    keys: &ServerKeys,
    port: u16,
    before: Option<(&Options, &Settings)>,
) -> Result<Settings, String> {
    let limit = |number: u64| usize::try_from(number).ok().filter(|&number| number > 0);
    let bytes = |number: u32| usize::try_from(number).expect("a size of the protocol is below 2 GiB");
    let directory = match before {
        Some((old, settings)) if directory::is_same(old, options) => Arc::clone(&settings.directory),
        _ => Arc::new(Directory::new(&directory::spec(options)?).map_err(|error| error.to_string())?),
    };
    let auth_required = directory.announces_auth();
    Ok(Settings {
        info: Info { auth_required, ..info(options, keys, port) },
        directory,
        mappings: mappings(&options.mappings)?,
        payload_bytes_max: bytes(options.max_payload),
        control_line_bytes_max: bytes(options.max_control_line),
        subscriptions_max: limit(options.max_subscriptions),
        subject_tokens_max: limit(u64::from(options.max_sub_tokens)),
        headers: !options.no_header_support,
        authentication_timeout: options.auth_timeout(),
        ping_interval: options.ping_interval,
        pings_out_max: u32::try_from(options.ping_max).unwrap_or(u32::MAX),
    })
}

fn info(options: &Options, keys: &ServerKeys, port: u16) -> Info {
    let (host, port) = match &options.client_advertise {
        Some(advertised) => host_and_port(advertised, port),
        None => (options.host.clone(), port),
    };
    let has_tls = options.tls.is_some();
    Info {
        server_id: keys.id.to_string(),
        server_name: server_name(options, keys),
        version: version::NATS.to_owned(),
        proto: 1,
        git_commit: version::COMMIT.to_owned(),
        go: version::GO.to_owned(),
        host,
        port,
        headers: !options.no_header_support,
        tls_required: has_tls && !options.allow_non_tls,
        tls_verify: options.tls.as_ref().is_some_and(|tls| tls.verify),
        tls_available: has_tls && options.allow_non_tls,
        max_payload: i32::try_from(options.max_payload).unwrap_or(i32::MAX),
        api_lvl: version::API_LEVEL,
        firn: version::FIRN,
        xkey: keys.curve.to_string(),
        ..Info::default()
    }
}

/// The name that operators know the server by; its id without one.
pub(crate) fn server_name(options: &Options, keys: &ServerKeys) -> String {
    options.server_name.clone().unwrap_or_else(|| keys.id.to_string())
}

/// `host[:port]`, the host perhaps in brackets.
fn host_and_port(text: &str, default: u16) -> (String, u16) {
    let split = text.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    let (host, port) = match split.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
        Some((host, port)) => (host, port),
        None => (text, default),
    };
    (host.trim_start_matches('[').trim_end_matches(']').to_owned(), if port == 0 { default } else { port })
}

fn mappings(options: &[MappingOptions]) -> Result<Mappings, String> {
    let mut mappings = Mappings::default();
    for mapping in options {
        let destinations: Vec<Destination> = mapping
            .destinations
            .iter()
            .map(|destination| Destination {
                subject: destination.subject.as_bytes().into(),
                weight: destination.weight,
                cluster: Some(destination.cluster.as_str()).filter(|cluster| !cluster.is_empty()).map(Into::into),
            })
            .collect();
        mappings.add(mapping.source.as_bytes(), &destinations).map_err(|error| match &mapping.position {
            Some(position) => format!("{position}: {error}"),
            None => error.to_string(),
        })?;
    }
    Ok(mappings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(advertised: &str, host: &str, port: u16) {
        assert_eq!(host_and_port(advertised, 4222), (host.to_owned(), port), "{advertised}");
    }

    #[test]
    fn an_advertised_address_may_lack_its_port() {
        check("nats.example.org", "nats.example.org", 4222);
        check("nats.example.org:4333", "nats.example.org", 4333);
        check("10.0.0.1:0", "10.0.0.1", 4222);
        check("[::1]:4333", "::1", 4333);
        check("::1", "::1", 4222);
    }

    #[test]
    fn info_says_what_nats_server_says() {
        let keys = ServerKeys::generate().unwrap();
        let settings = settings(&Options::default(), &keys, 4222, None).unwrap();
        let mut text = Vec::new();
        settings.info.encode(&mut text);
        let (id, curve) = (&keys.id, &keys.curve);
        let commit =
            if version::COMMIT.is_empty() { String::new() } else { format!("\"git_commit\":\"{}\",", version::COMMIT) };
        assert_eq!(
            String::from_utf8(text).unwrap(),
            format!(
                "INFO {{\"server_id\":\"{id}\",\"server_name\":\"{id}\",\"version\":\"2.15.1\",\"proto\":1,{commit}\
                 \"go\":\"go1.27.2\",\"host\":\"0.0.0.0\",\"port\":4222,\"headers\":true,\"max_payload\":1048576,\
                 \"api_lvl\":5,\"xkey\":\"{curve}\",\"firn\":\"{}\"}} \r\n",
                version::FIRN
            )
        );
    }
}
