//! A reload: the configuration is read again, and the running server goes by it, or stays as it was.
//!
//! ```text
//!   read ─► validate ─► compare ─► make what can fail ─► take over ─► tell every client
//! ```
//!
//! Sessions keep running; each checks its client and its subscriptions again at its next turn, so that no message is
//! lost on the way.

use std::sync::Arc;

use firn_config::Change;
use firn_session::CloseReason;
use firn_wire::client::encode;

use crate::{
    boot, clock,
    conn::{client::Client, outbox::Orders},
    entropy, files,
    log::Log,
    process,
    settings::settings,
    source::Loaded,
    state::State,
};

/// Reads the configuration again and takes over what has changed; `log` is the process's, if it is ours.
///
/// # Errors
/// Why everything stays as it was.
pub(crate) fn reload(state: &State, log: Option<&Log>) -> Result<(), String> {
    if state.source.file().is_none() {
        return Err("can only reload config when a file is provided using -c or --config".to_owned());
    }
    let Loaded { mut options, digest, warnings } = state.source.load().map_err(|rejection| rejection.to_string())?;
    let more = firn_config::validate(&options).map_err(|errors| join(&errors))?;
    for warning in warnings.iter().chain(&more) {
        tracing::warn!("{warning}");
    }
    let old = state.options.load_full();
    let changes = firn_config::diff(&old, &options).map_err(|reason| reason.to_string())?;
    options.port = old.port;

    let before = state.settings.load_full();
    let mut new = settings(&options, &state.keys, state.client_address.port(), Some((&old, &before)))?;
    new.info.ldm = before.info.ldm;
    let tls = boot::load_tls(&options)?;
    if let Some(log) = log.filter(|_| old.log != options.log) {
        log.configure(&options.log).map_err(|error| process::cannot_log(&options.log, &error))?;
    }

    let has_new_pins = has_changed(&changes, "TLSPinnedCerts");
    state.settings.store(Arc::new(new));
    state.tls.store(tls.map(Arc::new));
    state.config_digest.store(digest.clone().map(Arc::new));
    state.config_loaded.store(Arc::new(clock::timestamp()));
    if has_changed(&changes, "PidFile")
        && let Some(path) = &options.pid_file
        && let Err(error) = files::write_pid(path)
    {
        tracing::error!("Could not write pidfile: {error}");
    }
    let has_new_ports_file = has_changed(&changes, "PortsFileDir");
    state.outbox_limits.set_drops_when_stalled(options.no_fast_producer_stall);
    state.options.store(Arc::new(options));
    if has_new_ports_file {
        boot::write_ports_file(state);
    }

    for item in changes.iter().filter_map(|change| change.item.as_deref()) {
        tracing::info!("Reloaded: {item}");
    }
    tell_clients(state);
    if has_new_pins {
        drop_unpinned(state);
    }
    drop_surplus(state);
    tracing::info!("Reloaded server configuration ({})", digest.unwrap_or_default());
    Ok(())
}

fn join(problems: &[firn_config::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn has_changed(changes: &[Change], field: &str) -> bool {
    changes.iter().any(|change| change.field == field)
}

fn tell_clients(state: &State) {
    for client in state.registry.open() {
        client.outbox.order(Orders { reload: true, ..Orders::default() });
    }
}

/// Clients whose keys are not among those that clients may have now.
fn drop_unpinned(state: &State) {
    let Some(tls) = state.tls.load_full() else { return };
    for client in state.registry.open() {
        if let Some(facts) = &client.tls
            && !tls.admits(facts.peer_certificates.first().map(Vec::as_slice))
        {
            client.outbox.end(CloseReason::TlsHandshakeError);
        }
    }
}

/// Above a limit that was lowered, chance decides who goes.
fn drop_surplus(state: &State) {
    let max = usize::try_from(state.options.load().max_connections).unwrap_or(usize::MAX);
    let mut clients = state.registry.open();
    let surplus = clients.len().saturating_sub(max);
    for _ in 0..surplus {
        let index = usize::try_from(entropy::seed() % clients.len() as u64).unwrap_or(0);
        refuse(&clients.swap_remove(index));
    }
}

fn refuse(client: &Client) {
    let text = "maximum connections exceeded";
    let mut line = Vec::new();
    encode::error(&mut line, text);
    // Who takes nothing more is on its way out already.
    let _ = client.outbox.push(clock::monotonic(), |queue| {
        queue.buffer(line.len()).extend_from_slice(&line);
        queue.appended(line.len());
    });
    tracing::error!(client = client.label(), "{text}");
    client.outbox.end(CloseReason::MaxConnectionsExceeded);
}
