//! Monitoring over HTTP: what the server is doing, for people, dashboards and probes.
//!
//! Everything is read from atomics, snapshots and leaf locks; no connection is ever asked. The documents are
//! nats-server's, field by field; `/livez`, `/readyz` and `/metrics` are Firn's own. Nothing secret is shown.
//!
//! Not here: who may look. The listener has no sign-in, as in nats-server: it belongs on a private address.

pub(crate) mod account;
pub(crate) mod connz;
mod guard;
pub(crate) mod healthz;
mod index;
pub(crate) mod json;
mod metrics;
pub(crate) mod peers;
mod query;
pub(crate) mod subsz;
pub(crate) mod usage;
pub(crate) mod varz;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use hyper::{Request, Response, StatusCode, header, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use self::{
    guard::{Crowd, Guarded},
    query::{Query, Refusal},
    usage::Usage,
};
use crate::state::State;

/// What one connection, and all together, may take up.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Connections that are served at a time; the others wait in the listener's queue.
    connections_max: usize,
    /// Connections from one address; more are closed, so that somebody else's probe is still answered.
    connections_of_address_max: usize,
    /// How long a TLS handshake, a request's head, or silence may take, between two requests and from a peer that does
    /// not read its answer.
    patience: Duration,
    /// Longest that a peer may take to read what waits for it.
    reading_max: Duration,
}

const LIMITS: Limits = Limits {
    connections_max: 256,
    connections_of_address_max: 64,
    patience: Duration::from_secs(10),
    reading_max: Duration::from_secs(60),
};

/// Pause after the system refused a connection.
const RETRY: Duration = Duration::from_millis(50);

/// What monitoring remembers between requests.
#[derive(Debug, Default)]
pub(crate) struct Monitor {
    pub(crate) usage: Usage,
    /// Where monitoring is served; 0 is nowhere.
    pub(crate) http_port: AtomicU16,
    pub(crate) https_port: AtomicU16,
    requests: [AtomicU64; Endpoint::ALL.len()],
}

impl Monitor {
    /// How often each path was asked for, in the order of their names.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.requests.iter().map(|count| count.load(Relaxed));
        Endpoint::ALL.iter().map(|endpoint| endpoint.path()).zip(counts).filter(|&(_, count)| count > 0)
    }
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Index,
    Accountz,
    Accstatz,
    Connz,
    Gatewayz,
    Healthz,
    Jsz,
    Leafz,
    Livez,
    Metrics,
    Readyz,
    Routez,
    Subsz,
    Varz,
}

impl Endpoint {
    /// By path.
    const ALL: [Endpoint; 14] = [
        Endpoint::Index,
        Endpoint::Accountz,
        Endpoint::Accstatz,
        Endpoint::Connz,
        Endpoint::Gatewayz,
        Endpoint::Healthz,
        Endpoint::Jsz,
        Endpoint::Leafz,
        Endpoint::Livez,
        Endpoint::Metrics,
        Endpoint::Readyz,
        Endpoint::Routez,
        Endpoint::Subsz,
        Endpoint::Varz,
    ];

    const fn path(self) -> &'static str {
        match self {
            Endpoint::Index => "/",
            Endpoint::Accountz => "/accountz",
            Endpoint::Accstatz => "/accstatz",
            Endpoint::Connz => "/connz",
            Endpoint::Gatewayz => "/gatewayz",
            Endpoint::Healthz => "/healthz",
            Endpoint::Jsz => "/jsz",
            Endpoint::Leafz => "/leafz",
            Endpoint::Livez => "/livez",
            Endpoint::Metrics => "/metrics",
            Endpoint::Readyz => "/readyz",
            Endpoint::Routez => "/routez",
            Endpoint::Subsz => "/subsz",
            Endpoint::Varz => "/varz",
        }
    }

    fn find(path: &str) -> Option<(usize, Endpoint)> {
        let path = if path == "/subscriptionsz" { "/subsz" } else { path };
        Endpoint::ALL.into_iter().enumerate().find(|(_, endpoint)| endpoint.path() == path)
    }
}

/// Serves monitoring until the task is dropped; with `tls`, over HTTPS only. `base_path` is what paths begin with, as
/// the configuration has it.
pub(crate) async fn serve(state: Arc<State>, listener: TcpListener, base_path: &str, tls: Option<TlsAcceptor>) {
    serve_within(LIMITS, state, listener, base_path, tls).await;
}

async fn serve_within(
    limits: Limits,
    state: Arc<State>,
    listener: TcpListener,
    base_path: &str,
    tls: Option<TlsAcceptor>,
) {
    if let Ok(address) = listener.local_addr() {
        let port = if tls.is_some() { &state.monitor.https_port } else { &state.monitor.http_port };
        port.store(address.port(), Relaxed);
    }
    let base: Arc<str> = normal_base(base_path).into();
    let room = Arc::new(Semaphore::new(limits.connections_max));
    let crowd = Arc::new(Crowd::new(limits.connections_of_address_max));
    let mut connections = JoinSet::new();
    loop {
        // Both branches are cancel-safe: neither loses what it waits for.
        let accepted = tokio::select! {
            accepted = async {
                let permit = Arc::clone(&room).acquire_owned().await;
                (listener.accept().await, permit)
            } => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            (Ok((stream, address)), permit) => {
                let Some(seat) = crowd.enter(address.ip()) else {
                    tracing::debug!(%address, "too many monitoring connections from one address");
                    continue;
                };
                let connection = converse(limits, Arc::clone(&state), stream, Arc::clone(&base), tls.clone());
                connections.spawn(async move {
                    connection.await;
                    drop((seat, permit));
                });
            }
            (Err(error), _) => {
                tracing::error!(%error, "monitoring could not accept a connection");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Empty, or with a slash in front and none behind.
fn normal_base(base_path: &str) -> String {
    match base_path.trim_matches('/') {
        "" => String::new(),
        base => format!("/{base}"),
    }
}

async fn converse(limits: Limits, state: Arc<State>, stream: TcpStream, base: Arc<str>, tls: Option<TlsAcceptor>) {
    let stream = Guarded::new(stream, limits.patience, limits.reading_max);
    let Some(tls) = tls else { return answer_all(limits, state, stream, base).await };
    match tokio::time::timeout(limits.patience, tls.accept(stream)).await {
        Ok(Ok(stream)) => answer_all(limits, state, stream, base).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake with monitoring failed"),
        Err(_) => tracing::debug!("TLS handshake with monitoring took too long"),
    }
}

async fn answer_all(limits: Limits, state: Arc<State>, stream: impl AsyncRead + AsyncWrite + Unpin, base: Arc<str>) {
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let query = request.uri().query().unwrap_or_default();
        let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        let response = answer(&state, &base, request.uri().path(), query, accept.unwrap_or_default());
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.patience);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "monitoring connection ended");
    }
}

/// Answers one request, whatever its method.
fn answer(state: &State, base: &str, path: &str, query: &str, accept: &str) -> Response<String> {
    let found = path.strip_prefix(base).and_then(|rest| {
        // The base itself is the index too.
        Endpoint::find(if rest.is_empty() && !base.is_empty() { "/" } else { rest })
    });
    let Some((index, endpoint)) = found else {
        return text(StatusCode::NOT_FOUND, "404 page not found\n");
    };
    if let Some(count) = state.monitor.requests.get(index) {
        count.fetch_add(1, Relaxed);
    }
    let query = Query::parse(query);
    dispatch(state, endpoint, &query, accept).unwrap_or_else(|Refusal(why)| text(StatusCode::BAD_REQUEST, &why))
}

fn dispatch(state: &State, endpoint: Endpoint, query: &Query, accept: &str) -> Result<Response<String>, Refusal> {
    Ok(match endpoint {
        Endpoint::Index => respond(StatusCode::OK, "text/html; charset=utf-8", index::page()),
        Endpoint::Varz => document(&varz::varz(state)),
        Endpoint::Connz => document(&connz::connz(state, &connz::Options::from_query(query)?)?),
        Endpoint::Subsz => document(&subsz::subsz(state, &subsz::Options::from_query(query)?)?),
        Endpoint::Accountz => document(&account::accountz(state, query.text("acc"))?),
        Endpoint::Accstatz => {
            let unused = query.flag("unused")?;
            document(&account::accstatz(state, &account::StatOptions { accounts: Vec::new(), include_unused: unused }))
        }
        Endpoint::Routez => {
            query.subscriptions()?;
            document(&peers::routez(state))
        }
        Endpoint::Gatewayz => document(&peers::gatewayz(state)),
        Endpoint::Leafz => {
            query.subscriptions()?;
            document(&peers::leafz(state))
        }
        Endpoint::Jsz => {
            query.int("offset")?;
            query.int("limit")?;
            document(&peers::jsz(state))
        }
        Endpoint::Healthz => {
            let (status, health) = healthz::healthz(state, &healthz::Options::from_query(query)?);
            respond(status, JSON, json::compact(&health))
        }
        Endpoint::Livez => respond(StatusCode::OK, JSON, json::compact(&healthz::Health::ok(state))),
        Endpoint::Readyz => {
            let (status, health) = healthz::readyz(state);
            respond(status, JSON, json::compact(&health))
        }
        Endpoint::Metrics => metrics::respond(state, query, accept)?,
    })
}

const JSON: &str = "application/json";

fn document(value: &impl Serialize) -> Response<String> {
    respond(StatusCode::OK, JSON, json::pretty(value))
}

fn text(status: StatusCode, body: &str) -> Response<String> {
    respond(status, "text/plain; charset=utf-8", body.to_owned())
}

fn respond(status: StatusCode, content_type: &str, body: String) -> Response<String> {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .body(body)
        .expect("the parts are valid by themselves")
}

#[cfg(test)]
mod tests;
