//! From options to a running server and back: the state is built, listeners are opened, tasks are started and ended.

use std::{sync::Arc, time::Duration};

use arc_swap::{ArcSwap, ArcSwapOption};
use firn_config::{HandshakeFirst, Options, Rejection};
use firn_session::{Accounts, CloseReason};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::{
    accept, clock,
    conn::{budget::Budget, client::OutboxLimits, registry::Registry},
    embed::{Running, StartError},
    entropy,
    events::{self, Events},
    fault,
    files::{self, Listening, PortsFile},
    keeper,
    keys::ServerKeys,
    listen::listen,
    machine,
    monitor::{self, Monitor},
    passwords::Passwords,
    settings::{server_name, settings},
    source::{ConfigSource, Loaded},
    state::{Phase, State, Totals},
    tls::Tls,
    version,
};

/// Longest that a shutdown waits for connections to end; each has a deadline of its own that is shorter.
const DISCONNECT_MAX: Duration = Duration::from_secs(5);
/// Files that the server needs besides one for each client.
const OWN_FILES: u64 = 64;

/// What the TLS library says of a certificate that is older than version 3 (it gives no type to match), and what the
/// operator needs to know. nats-server takes such certificates.
const OLD_CERTIFICATE: (&str, &str) = (
    "invalid peer certificate: Other(OtherError(UnsupportedCertVersion))",
    "certificate is X.509 version 1; only version 3 is supported",
);

/// Starts a server.
///
/// # Errors
/// See [`StartError`]; nothing is left running.
pub(crate) async fn boot(
    source: ConfigSource,
    loaded: Loaded,
    outbox_bytes_max: Option<usize>,
) -> Result<Running, StartError> {
    let Loaded { mut options, digest, mut warnings } = loaded;
    let keys = ServerKeys::generate().map_err(|_| StartError::System("no entropy".to_owned()))?;
    // What is wrong with the options is said before anything is opened.
    warnings.extend(firn_config::validate(&options).map_err(|errors| Rejection { warnings: Vec::new(), errors })?);
    settings(&options, &keys, 0, None).map_err(StartError::Option)?;
    let tls = load_tls(&options).map_err(StartError::Option)?;

    tracing::info!("Starting nats-server");
    tracing::info!("  Version:  {}", version::NATS);
    tracing::info!("  Git:      [{}]", if version::COMMIT.is_empty() { "not set" } else { version::COMMIT });
    tracing::info!("  Firn:     {}, a NATS server in Rust", version::FIRN);
    tracing::info!("  Name:     {}", server_name(&options, &keys));
    tracing::info!("  ID:       {}", keys.id);
    if let (Some(file), Some(digest)) = (source.file(), &digest) {
        tracing::info!("Using configuration file: {file} ({digest})");
    }
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    warn_of_few_files(options.max_connections);
    firn_config::check_start(&options).map_err(StartError::Fatal)?;

    let monitoring = listen_for_monitoring(&options, tls.as_ref()).await?;
    let listener = listen_for_clients(&options.host, options.port).await?;
    let client_address = listener.local_addr().map_err(|error| StartError::System(error.to_string()))?;
    // From here on "any free port" is the one that was free; a reload compares with it.
    options.port = client_address.port().into();
    let settings = settings(&options, &keys, client_address.port(), None).map_err(StartError::Option)?;
    let (events, happenings) = Events::new();
    let state = Arc::new(State {
        keys,
        client_address,
        monitoring: monitoring.as_ref().map(|monitoring| monitoring.listening),
        start: clock::timestamp(),
        started: clock::monotonic(),
        settings: ArcSwap::from_pointee(settings),
        config_loaded: ArcSwap::from_pointee(clock::timestamp()),
        config_digest: ArcSwapOption::new(digest.map(Arc::new)),
        accounts: Arc::new(Accounts::new(entropy::seed(), fault::in_interest)),
        registry: Registry::new(usize::try_from(options.max_closed_clients).unwrap_or(usize::MAX)),
        budget: Arc::new(Budget::new(outbox_bytes_max.unwrap_or_else(half_of_memory))),
        outbox_limits: Arc::new(OutboxLimits::new(
            usize::try_from(options.max_pending).unwrap_or(usize::MAX),
            options.no_fast_producer_stall,
        )),
        passwords: Passwords::start().map_err(|error| StartError::System(error.to_string()))?,
        events,
        totals: Totals::default(),
        monitor: Monitor::default(),
        phase: watch::Sender::new(Phase::Serving),
        source,
        ports_file: ArcSwapOption::empty(),
        panic_subject: panic_subject(),
        tls: ArcSwapOption::new(tls.map(Arc::new)),
        options: ArcSwap::from_pointee(options),
    });

    write_files(&state)?;
    let mut tasks = JoinSet::new();
    tasks.spawn(fault::vital("the keeper of memory", keeper::run(Arc::clone(&state))));
    let requests = events::listen(&state);
    tasks.spawn(fault::vital("accepting clients", accept::accept(Arc::clone(&state), listener)));
    let telling = fault::vital("the system account", events::run(Arc::clone(&state), happenings, requests));
    run_until_stopped(&mut tasks, &state, telling);
    if let Some(monitoring) = monitoring {
        let host = state.options.load().monitor_host().to_owned();
        let Listening { scheme, address, .. } = monitoring.listening;
        tracing::info!("Starting {scheme} monitor on {host}:{}", address.port());
        let base_path = state.options.load().monitor.base_path.clone();
        let served = Arc::clone(&state);
        let serving = async move {
            monitor::serve(served, monitoring.listener, &base_path, monitoring.tls).await;
        };
        run_until_stopped(&mut tasks, &state, fault::vital("monitoring", serving));
    }
    tracing::info!("Listening for client connections on {}:{}", state.options.load().host, client_address.port());
    if let Some(tls) = &state.options.load().tls {
        tracing::info!("TLS required for client connections");
        if tls.handshake_first == HandshakeFirst::Yes {
            tracing::warn!("Clients that are not using \"TLS Handshake First\" option will fail to connect");
        }
    }
    tracing::info!("Server is ready");
    Ok(Running { state, tasks })
}

/// Writes the files by which others find the process.
fn write_files(state: &State) -> Result<(), StartError> {
    if let Some(path) = &state.options.load().pid_file {
        files::write_pid(path).map_err(|error| StartError::Fatal(format!("Could not write pidfile: {error}")))?;
    }
    write_ports_file(state);
    Ok(())
}

/// Writes the ports file where the options say, in place of the one before.
pub(crate) fn write_ports_file(state: &State) {
    // First, because it may be the same file.
    state.ports_file.store(None);
    let options = state.options.load();
    let Some(folder) = &options.ports_file_dir else { return };
    let scheme = if state.settings.load().info.tls_required { "tls" } else { "nats" };
    let clients = Listening { role: "nats", scheme, address: state.client_address };
    let listening: Vec<Listening> = [clients].into_iter().chain(state.monitoring).collect();
    match PortsFile::write(folder, &listening) {
        Ok(file) => state.ports_file.store(Some(Arc::new(file))),
        Err(error) => tracing::error!("Error writing ports file {error}"),
    }
}

/// Whether what the options name can be opened, for a check of the configuration without a start.
///
/// # Errors
/// The operator's fault.
pub fn check(options: &Options) -> Result<(), String> {
    // A block without certificates is an error of the start, not of the text.
    if options.tls.as_ref().is_none_or(|tls| tls.certificates.is_empty()) {
        return Ok(());
    }
    load_tls(options).map(drop)
}

/// TLS for clients, if the options ask for it.
///
/// # Errors
/// The operator's fault.
pub(crate) fn load_tls(options: &Options) -> Result<Option<Tls>, String> {
    let Some(tls) = &options.tls else { return Ok(None) };
    let tls =
        Tls::load(tls, options.allow_non_tls).map_err(|error| error.replace(OLD_CERTIFICATE.0, OLD_CERTIFICATE.1))?;
    tls.warn_of_end(clock::timestamp());
    Ok(Some(tls))
}

/// Runs `work` until it is done or the server stops.
fn run_until_stopped(tasks: &mut JoinSet<()>, state: &State, work: impl Future<Output = ()> + Send + 'static) {
    let mut phase = state.phase.subscribe();
    tasks.spawn(async move {
        // Nothing is lost when the stop comes first: what `work` holds ends with it.
        tokio::select! {
            () = work => {}
            _ = phase.wait_for(|&phase| phase == Phase::Stopping) => {}
        }
    });
}

/// A monitoring listener that is open.
struct Monitoring {
    listener: TcpListener,
    listening: Listening,
    tls: Option<TlsAcceptor>,
}

async fn listen_for_monitoring(options: &Options, tls: Option<&Tls>) -> Result<Option<Monitoring>, StartError> {
    let (port, scheme) = match (options.monitor.http_port, options.monitor.https_port) {
        (0, 0) => return Ok(None),
        (0, port) => (port, "https"),
        (port, _) => (port, "http"),
    };
    let tls = tls.filter(|_| scheme == "https").map(Tls::https);
    let listener = listen(options.monitor_host(), port).await.map_err(|error| {
        StartError::Fatal(format!("Can't start monitoring: can't listen to the monitor port: {error}"))
    })?;
    let address = listener.local_addr().map_err(|error| StartError::System(error.to_string()))?;
    let listening = Listening { role: "monitoring", scheme, address };
    Ok(Some(Monitoring { listener, listening, tls }))
}

async fn listen_for_clients(host: &str, port: i64) -> Result<TcpListener, StartError> {
    let shown = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    listen(host, port).await.map_err(|source| StartError::Listen {
        // Any free port is shown as the system is asked for it.
        address: format!("{shown}:{}", if port == -1 { 0 } else { port }),
        source,
    })
}

/// Takes no more clients and waits until those that are here have left.
pub(crate) async fn stop(state: &State) {
    events::tell_shutdown(state);
    state.advance(Phase::Stopping);
    disconnect_all(state);
    if tokio::time::timeout(DISCONNECT_MAX, state.registry.emptied()).await.is_err() {
        tracing::warn!(left = state.registry.len(), "Some clients did not leave in time");
    }
}

/// Asks every client's task to end; what waits for the client is still sent.
pub(crate) fn disconnect_all(state: &State) {
    for client in state.registry.open() {
        client.outbox.end(CloseReason::ServerShutdown);
    }
}

fn half_of_memory() -> usize {
    usize::try_from(machine::memory_bytes() / 2).unwrap_or(usize::MAX)
}

fn warn_of_few_files(max_connections: u64) {
    if let Some(files) = machine::raise_open_files()
        && max_connections.saturating_add(OWN_FILES) > files
    {
        tracing::warn!("max_connections is {max_connections}, but the system allows {files} open files");
    }
}

/// A publish to this subject panics: for the test that this ends one connection only.
fn panic_subject() -> Option<Box<[u8]>> {
    std::env::var("FIRN_INJECT_PANIC_SUBJECT").ok().filter(|text| !text.is_empty()).map(|text| text.into_bytes().into())
}

#[cfg(test)]
mod tests {
    //! Files that cannot be used.

    use firn_config::{TlsCertificate, TlsOptions};

    use super::*;

    /// Version 1 and signed by itself.
    const OLD: &str = "-----BEGIN CERTIFICATE-----
MIIBIzCBywIUPaGvrTGoYnCbzTjmPnVLlrlVSNEwCgYIKoZIzj0EAwIwFDESMBAG
A1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTE1NDQzMVoYDzIxMjYxMDI4MTU0NDMx
WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AATdMbo65huNBp1qZszpetTwD7+POe8qplqh4bmTYTyEyOTgSDosKL1eCmJoHEDV
4b/4TYMBjL+LyI80QcMQv/LQMAoGCCqGSM49BAMCA0cAMEQCIB2bqc5c0bCvfmNw
WqSQpQ1CcG4zV4X/9OjwyWLYeRAUAiAOi4H9ViE70egu2Q2CFvt8nliWCfyh4QlO
kNHBIxVuuQ==
-----END CERTIFICATE-----";

    #[test]
    fn a_certificate_of_version_1_is_refused_in_words() {
        let folder = std::env::temp_dir().join(format!("firn-old-certificate-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        // Whether the key belongs to the certificate is asked later.
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let certificate = TlsCertificate { cert_file: file("c.pem", OLD), key_file: file("k.pem", &key) };
        let tls = TlsOptions { certificates: vec![certificate], ..TlsOptions::default() };
        let error = check(&Options { tls: Some(tls), ..Options::default() }).unwrap_err();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(
            error,
            "error parsing X509 certificate/key pair: certificate is X.509 version 1; only version 3 is supported"
        );
    }
}
