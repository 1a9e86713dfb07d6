//! From a request to its answer.

use std::{str, time::Duration};

use firn_auth::account::AccountId;
use firn_config::{PermissionsOptions, SubjectsOptions, UserAccount};
use firn_subject::{interest::Matches, pattern, subject};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{BODY_BYTES_MAX, Request, RequestBody, filter::Filter};
use crate::{
    conn::{outbox::Orders, port::Port},
    events::{Connections, ServerInfo, Statsz, publish},
    monitor::{
        account, connz, healthz,
        json::{self, nanos},
        peers, subsz, varz,
    },
    state::State,
};

/// Longest that a reload may take before who asked for it is told that it failed.
const RELOAD_MAX: Duration = Duration::from_secs(5);

/// Answers a request at once, if it is one for this server.
pub(crate) fn answer(state: &State, request: &Request) {
    if let Some(text) = text_of(state, request) {
        send(state, request, &text);
    }
}

/// Has the configuration read again and tells the outcome.
pub(crate) async fn answer_reload(state: &State, request: &Request) {
    let outcome = tokio::time::timeout(RELOAD_MAX, state.events.reload()).await;
    let outcome = outcome.unwrap_or_else(|_| Err("the reload takes too long".to_owned()));
    send(state, request, &done(state, outcome.map_err(|why| (500, why))));
}

fn send(state: &State, request: &Request, text: &str) {
    let Some(to) = request.reply.as_deref() else { return };
    // In `$SYS` answers name an empty reply subject, as the events do, except this one.
    let names_reply = request.account == AccountId::SYSTEM && *request.subject != *b"$SYS.REQ.USER.INFO";
    publish(state, request.account, to, names_reply.then_some(&b""[..]), b"", text.as_bytes());
}

/// The answer; `None` is silence.
fn text_of(state: &State, request: &Request) -> Option<String> {
    match request.body {
        RequestBody::Payload(_) => {}
        RequestBody::TooLong => {
            return Some(failed(state, 400, format!("request is longer than {BODY_BYTES_MAX} bytes")));
        }
    }
    let subject = str::from_utf8(&request.subject).ok()?;
    if subject == "$SYS.DEBUG.SUBSCRIBERS" {
        return Some(count_subscribers(state, request)?.to_string());
    }
    let tokens: Vec<&str> = subject.strip_prefix("$SYS.REQ.")?.split('.').collect();
    if request.account != AccountId::SYSTEM {
        return of_own_account(state, request, &tokens);
    }
    match *tokens {
        ["USER", "INFO"] => user_info(state, request),
        ["SERVER", "PING"] => statsz(state, request),
        ["SERVER", _, "KICK"] => kick(state, request),
        ["SERVER", _, "LDM"] => lame_duck(state, request),
        ["SERVER", _, document] => of_server(state, request, document),
        ["ACCOUNT", "PING", "STATZ"] => account_stats(state, request, None),
        ["ACCOUNT", name, document] => of_account(state, request, name, document),
        _ => None,
    }
}

/// What a client outside of `$SYS` may ask, always about its own account.
fn of_own_account(state: &State, request: &Request, tokens: &[&str]) -> Option<String> {
    let name = &state.accounts.by_id(request.account)?.name;
    match *tokens {
        ["USER", "INFO"] => user_info(state, request),
        ["ACCOUNT" | "SERVER", "PING", "CONNZ"] => of_account(state, request, name, "CONNZ"),
        ["ACCOUNT", "PING", "STATZ"] => of_account(state, request, name, "STATZ"),
        _ => None,
    }
}

fn of_server(state: &State, request: &Request, document: &str) -> Option<String> {
    match document {
        // Asked for its id, a server answers whatever the body says.
        "IDZ" => Some(json::compact(&Idz::of(state))),
        "STATSZ" => statsz(state, request),
        "VARZ" => reply_to(state, request, |_: Nothing| Ok(varz::varz(state))),
        "CONNZ" => reply_to(state, request, |options| connz::connz(state, &options).map_err(|refusal| refusal.0)),
        "SUBSZ" => reply_to(state, request, |options| subsz::subsz(state, &options).map_err(|refusal| refusal.0)),
        "HEALTHZ" => reply_to(state, request, |options| {
            let (status, mut health) = healthz::healthz(state, &options);
            health.status_code = status.as_u16();
            Ok(health)
        }),
        "ACCOUNTZ" => reply_to(state, request, |options: AccountOptions| {
            account::accountz(state, &options.account).map_err(|refusal| refusal.0)
        }),
        "ROUTEZ" => reply_to(state, request, |_: Nothing| Ok(peers::routez(state))),
        "GATEWAYZ" => reply_to(state, request, |_: Nothing| Ok(peers::gatewayz(state))),
        "LEAFZ" => reply_to(state, request, |_: Nothing| Ok(peers::leafz(state))),
        "JSZ" => reply_to(state, request, |_: Nothing| Ok(peers::jsz(state))),
        _ => None,
    }
}

fn of_account(state: &State, request: &Request, name: &str, document: &str) -> Option<String> {
    match document {
        "CONNZ" => reply_to(state, request, |mut options: connz::Options| {
            name.clone_into(&mut options.account);
            connz::connz(state, &options).map_err(|refusal| refusal.0)
        }),
        "SUBSZ" => reply_to(state, request, |_: Nothing| {
            subsz::subsz(state, &subsz::Options::list_of(name)).map_err(|refusal| refusal.0)
        }),
        "STATZ" => account_stats(state, request, Some(name)),
        "INFO" => reply_to(state, request, |_: Nothing| {
            account::detail(state, name).ok_or_else(|| format!("Account {name} does not exist"))
        }),
        "CONNS" => {
            let account = state.accounts.iter().find(|account| *account.name == *name)?;
            Some(json::compact(&Connections::of(state, account::stat(state, account))))
        }
        "LEAFZ" => reply_to(state, request, |_: Nothing| Ok(peers::leafz(state))),
        "JSZ" => reply_to(state, request, |_: Nothing| Ok(peers::jsz(state))),
        _ => None,
    }
}

/// The traffic of one account, or of those that the body names. Silent when there are none of them.
fn account_stats(state: &State, request: &Request, only: Option<&str>) -> Option<String> {
    let asked = match only {
        Some(name) => account::StatOptions { accounts: vec![name.to_owned()], include_unused: true },
        None => parse(request.payload()).unwrap_or_default(),
    };
    let stats = account::accstatz(state, &asked);
    if stats.is_empty() {
        return None;
    }
    reply_to(state, request, |_: account::StatOptions| Ok(stats))
}

fn statsz(state: &State, request: &Request) -> Option<String> {
    match parse::<Filter>(request.payload()) {
        Ok(filter) if !filter.is_meant(state) => None,
        Ok(_) => Some(json::compact(&Statsz::of(state))),
        Err(why) => Some(failed(state, 400, why)),
    }
}

/// Makes a document of the options in the request's body.
fn reply_to<O, D>(state: &State, request: &Request, make: impl FnOnce(O) -> Result<D, String>) -> Option<String>
where
    O: Default + DeserializeOwned,
    D: Serialize,
{
    let payload = request.payload();
    let (filter, options) = match (parse::<Filter>(payload), parse::<O>(payload)) {
        (Ok(filter), Ok(options)) => (filter, options),
        (Err(why), _) | (_, Err(why)) => return Some(failed(state, 400, why)),
    };
    if !filter.is_meant(state) {
        return None;
    }
    let (data, error) = match make(options) {
        Ok(document) => (Some(document), None),
        Err(description) => (None, Some(ApiError { code: 500, description })),
    };
    Some(json::compact(&Reply { server: ServerInfo::next(state), data: Some(data), error }))
}

/// An empty body is as good as `{}`.
fn parse<T: Default + DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    if payload.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(payload).map_err(|error| error.to_string())
}

fn failed(state: &State, code: u16, description: String) -> String {
    done(state, Err((code, description)))
}

/// The answer to an order.
fn done(state: &State, outcome: Result<(), (u16, String)>) -> String {
    let error = outcome.err().map(|(code, description)| ApiError { code, description });
    json::compact(&Reply::<()> { server: ServerInfo::next(state), data: None, error })
}

/// Who cannot be understood gets no answer, as from nats-server.
fn kick(state: &State, request: &Request) -> Option<String> {
    let ClientNumber { cid } = serde_json::from_slice(request.payload()).ok()?;
    let client = state.registry.find(cid);
    if let Some(client) = &client {
        client.outbox.end(firn_session::CloseReason::Kicked);
    }
    let outcome = client.map(drop).ok_or_else(|| (500, "no such client or leafnode id".to_owned()));
    Some(done(state, outcome))
}

fn lame_duck(state: &State, request: &Request) -> Option<String> {
    let ClientNumber { cid } = serde_json::from_slice(request.payload()).ok()?;
    let client = state.registry.find(cid);
    if let Some(client) = &client {
        client.outbox.order(Orders { leave: true, ..Orders::default() });
    }
    let outcome = client.map(drop).ok_or_else(|| (500, "no such client id".to_owned()));
    Some(done(state, outcome))
}

/// How many clients of the account hold a subscription that would receive `subject`, or that lies within it when it has
/// wildcards; the body is `subject` or `subject queue`.
fn count_subscribers(state: &State, request: &Request) -> Option<usize> {
    let text = str::from_utf8(request.payload()).ok()?;
    let mut words = text.split_whitespace();
    let (Some(asked), queue) = (words.next(), words.next()) else { return Some(0) };
    let (asked, queue) = (asked.as_bytes(), queue.map(str::as_bytes));
    let interest = state.accounts.by_id(request.account)?.interest();
    let mut count = 0;
    if subject::is_literal(asked) {
        let mut matches = Matches::default();
        interest.matches(asked, &mut matches);
        let plain = if queue.is_none() { &*matches.plain } else { &[] };
        let members = matches.queues.iter().filter(|(name, _)| queue.is_none_or(|queue| **name == *queue));
        let all = plain.iter().chain(members.flat_map(|(_, members)| members));
        count += all.filter(|subscription| matches!(subscription.port, Port::Client(_))).count();
    } else if subject::is_valid_pattern(asked) {
        interest.for_each_overlapping(asked, |found, group, subscription| {
            let is_within = pattern::is_subset(found, asked) && (queue.is_none() || group == queue);
            count += usize::from(is_within && matches!(subscription.port, Port::Client(_)));
        });
    }
    Some(count)
}

/// Tells a client who it is.
fn user_info(state: &State, request: &Request) -> Option<String> {
    let facts = state.registry.find(request.sender)?.facts()?;
    let options = state.options.load();
    let account = if facts.account == AccountId::SYSTEM { UserAccount::System } else { UserAccount::Global };
    let users = options.authorization.users.iter().flatten();
    let user = users.filter(|user| user.account == account).find(|user| match &user.nkey {
        Some(nkey) => **nkey == *facts.user,
        None => *user.name == *facts.user,
    });
    let permissions = user.and_then(|user| user.permissions.as_ref()).map(Permissions::of);
    let data = UserInfo {
        user: facts.user.clone(),
        account: facts.account_name.clone(),
        account_name: facts.account_name.clone(),
        permissions,
    };
    Some(json::compact(&Reply { server: ServerInfo::next(state), data: Some(Some(data)), error: None }))
}

/// An answer: `data` is missing where a request could not be read, and `null` where it could not be fulfilled.
#[derive(Debug, Serialize)]
struct Reply<D> {
    server: ServerInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Option<D>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ApiError>,
}

#[derive(Debug, Serialize)]
struct ApiError {
    code: u16,
    description: String,
}

/// Who this server is.
#[derive(Debug, Serialize)]
struct Idz {
    name: String,
    host: String,
    id: Box<str>,
}

impl Idz {
    fn of(state: &State) -> Idz {
        Idz { name: state.server_name(), host: state.options.load().host.clone(), id: state.keys.id.clone() }
    }
}

/// No options.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Nothing {}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AccountOptions {
    account: String,
}

#[derive(Debug, Deserialize)]
struct ClientNumber {
    cid: u64,
}

#[derive(Debug, Serialize)]
struct UserInfo {
    user: Box<str>,
    account: Box<str>,
    account_name: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Permissions>,
}

#[derive(Debug, Serialize)]
struct Permissions {
    #[serde(skip_serializing_if = "Option::is_none")]
    publish: Option<Subjects>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribe: Option<Subjects>,
    #[serde(skip_serializing_if = "Option::is_none")]
    responses: Option<Responses>,
}

#[derive(Debug, Serialize)]
struct Subjects {
    #[serde(skip_serializing_if = "Option::is_none")]
    allow: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deny: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Responses {
    /// Negative is any number.
    max: i64,
    ttl: i64,
}

impl Permissions {
    fn of(options: &PermissionsOptions) -> Permissions {
        let subjects = |subjects: &SubjectsOptions| {
            let is_limited = subjects.allow.is_some() || !subjects.deny.is_empty();
            is_limited.then(|| Subjects { allow: subjects.allow.clone(), deny: subjects.deny.clone() })
        };
        Permissions {
            publish: subjects(&options.publish),
            subscribe: subjects(&options.subscribe),
            responses: options.allow_responses.map(|rule| Responses {
                max: rule.max.map_or(-1, |max| i64::try_from(max).unwrap_or(i64::MAX)),
                ttl: rule.expires.map_or(-1, nanos),
            }),
        }
    }
}
