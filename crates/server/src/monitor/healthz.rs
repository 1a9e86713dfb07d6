//! `/healthz` and its kin: is the server fit for work?
//!
//! `/livez` says that the process answers; `/readyz` that it takes clients; `/healthz` is nats-server's. A server some
//! of whose connections ended by a fault of its own goes on, so it stays healthy, but every answer names the count.

use std::sync::atomic::Ordering::Relaxed;

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    json::is_default,
    query::{Query, Refusal},
};
use crate::state::State;

/// What is asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    account: String,
    stream: String,
    consumer: String,
    details: bool,
}

/// The answer.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Health {
    status: &'static str,
    /// Only over NATS: HTTP has its own.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) status_code: u16,
    #[serde(skip_serializing_if = "String::is_empty")]
    error: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<HealthError>,
    /// Connections ended by a fault of the server.
    #[serde(skip_serializing_if = "is_default")]
    panics: u64,
}

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct HealthError {
    r#type: &'static str,
    error: String,
}

impl Options {
    pub(crate) fn from_query(query: &Query) -> Result<Options, Refusal> {
        // Without streams these limit nothing, but they must be readable.
        for name in ["js-enabled", "js-enabled-only", "js-server-only", "js-meta-only"] {
            query.flag(name)?;
        }
        Ok(Options {
            details: query.flag("details")?,
            account: query.text("account").to_owned(),
            stream: query.text("stream").to_owned(),
            consumer: query.text("consumer").to_owned(),
        })
    }
}

impl Health {
    /// Nothing is wrong.
    pub(crate) fn ok(state: &State) -> Health {
        Health { status: "ok", panics: state.totals.panics.load(Relaxed), ..Health::default() }
    }

    fn failed(state: &State, kind: &'static str, error: &str, details: bool) -> Health {
        let error = error.to_owned();
        let health = Health { status: "error", panics: state.totals.panics.load(Relaxed), ..Health::default() };
        if details {
            return Health { errors: vec![HealthError { r#type: kind, error }], ..health };
        }
        Health { error, ..health }
    }
}

/// What nats-server says in lame duck mode, when its listener is closed.
const NOT_READY: &str = "failed to be ready for connections after 1ms: server";

/// `/healthz`
pub(crate) fn healthz(state: &State, options: &Options) -> (StatusCode, Health) {
    let bad = |error: &str| (StatusCode::BAD_REQUEST, Health::failed(state, "BAD_REQUEST", error, options.details));
    if options.account.is_empty() && !options.stream.is_empty() {
        return bad("\"account\" must not be empty when checking stream health");
    }
    if options.stream.is_empty() && !options.consumer.is_empty() {
        return bad("\"stream\" must not be empty when checking consumer health");
    }
    if state.is_leaving() {
        let health = Health::failed(state, "CONNECTION", NOT_READY, options.details);
        return (StatusCode::INTERNAL_SERVER_ERROR, health);
    }
    (StatusCode::OK, Health::ok(state))
}

/// `/readyz`: a load balancer stops sending clients to a server that winds down.
pub(crate) fn readyz(state: &State) -> (StatusCode, Health) {
    match healthz(state, &Options::default()) {
        (StatusCode::OK, health) => (StatusCode::OK, health),
        (_, health) => (StatusCode::SERVICE_UNAVAILABLE, health),
    }
}
