//! Events as a client in `$SYS` receives them, and requests as it makes them.

use bytes::Bytes;
use firn_config::{Options, PermissionsOptions, SubjectsOptions, UserAccount, UserOptions};
use serde_json::{Value, json};

use super::*;
use crate::{
    harness::{client, leave, read, server, subscribe},
    service::{Request, RequestBody},
};

fn options() -> Options {
    Options { server_name: Some("firn-1".to_owned()), server_tags: vec!["x".to_owned()], ..Options::default() }
}

/// A server with a client in `$SYS` that listens to everything.
fn listened() -> (Arc<State>, Arc<Client>) {
    let (state, _) = server(options());
    let listener = client(&state, "sys", AccountId::SYSTEM, 0);
    subscribe(&state, &listener, ">", "1");
    (state, listener)
}

/// Subjects and documents of the messages that wait for a client.
fn messages(client: &Client) -> Vec<(String, String)> {
    let text = read(client);
    let mut rest = text.as_str();
    let mut found = Vec::new();
    while let Some((line, after)) = rest.split_once("\r\n") {
        let subject = line.split(' ').nth(1).expect("a subject");
        let bytes: usize = line.rsplit(' ').next().and_then(|size| size.parse().ok()).expect("a size");
        found.push((subject.to_owned(), after[..bytes].to_owned()));
        rest = &after[bytes + 2..];
    }
    found
}

/// The keys of a document and of the objects in it, in the order of the text.
fn keys(text: &str) -> String {
    let mut keys = String::new();
    let mut parts = text.split('"').enumerate().peekable();
    while let Some((index, part)) = parts.next() {
        let is_key = index % 2 == 1 && parts.peek().is_some_and(|(_, after)| after.starts_with(':'));
        if is_key {
            keys.push_str(if keys.is_empty() { "" } else { " " });
            keys.push_str(part);
        }
    }
    keys
}

const SERVER_KEYS: &str = "server name host id ver tags feature_flags js_ack_fc_v2 js_api_reply_v2 \
                           js_raft_delete_range js_snapshot_sources jetstream flags seq time";

#[test]
fn coming_and_going_is_told_with_the_keys_of_nats_server() {
    let (state, listener) = listened();
    let other = client(&state, "other", AccountId::SYSTEM, 3);
    tell(&state, &Happening::Connected(Arc::clone(&other)));
    leave(&state, &other, 1, CloseReason::AuthenticationViolation);
    other.counters.set_round_trip(Some(Duration::from_micros(383)));
    let reason = CloseReason::AuthenticationViolation;
    let farewell = Farewell { reason, was_signed_in: false, had_sent_connect: false };
    tell(&state, &Happening::Disconnected(other, farewell));
    let told = messages(&listener);
    let subjects: Vec<&str> = told.iter().map(|(subject, _)| subject.as_str()).collect();
    let auth_err = format!("$SYS.SERVER.{}.CLIENT.AUTH.ERR", state.keys.id);
    assert_eq!(
        subjects,
        [
            "$SYS.SERVER.ACCOUNT.$SYS.CONNS",
            "$SYS.ACCOUNT.$SYS.SERVER.CONNS",
            "$SYS.ACCOUNT.$SYS.CONNECT",
            &auth_err,
            "$SYS.ACCOUNT.$SYS.DISCONNECT",
        ]
    );
    let client = "client start host id acc user name lang ver";
    let peers = "gateways msgs bytes routes msgs bytes leafs msgs bytes";
    let expected = [
        format!(
            "type id timestamp {SERVER_KEYS} acc name conns leafnodes total_conns num_subscriptions sent msgs bytes \
             {peers} received msgs bytes {peers} slow_consumers"
        ),
        format!("type id timestamp {SERVER_KEYS} {client} name_tag kind client_type"),
        format!(
            "type id timestamp {SERVER_KEYS} {client} rtt stop name_tag kind client_type sent msgs bytes received msgs \
             bytes reason"
        ),
    ];
    assert_eq!([keys(&told[0].1), keys(&told[2].1), keys(&told[4].1)], expected);
    let gone: Value = serde_json::from_str(&told[4].1).expect("JSON");
    assert_eq!((&gone["reason"], &gone["sent"]["msgs"]), (&json!("Authentication Failure"), &json!(3)));
    assert_eq!(gone["client"]["rtt"], 383_000);
}

#[test]
fn an_account_hears_who_failed_to_sign_in_to_it() {
    let (state, listener) = listened();
    let inside = client(&state, "inside", AccountId::GLOBAL, 0);
    subscribe(&state, &inside, "$SYS.>", "1");
    for (reason, had_sent_connect, expected) in [
        (CloseReason::AuthenticationViolation, true, 1),
        (CloseReason::AuthenticationViolation, false, 0),
        (CloseReason::AuthenticationTimeout, true, 0),
        (CloseReason::ClientClosed, true, 0),
    ] {
        read(&listener);
        let other = client(&state, "other", AccountId::GLOBAL, 0);
        let farewell = Farewell { reason, was_signed_in: false, had_sent_connect };
        tell(&state, &Happening::Disconnected(other, farewell));
        let told = messages(&inside);
        assert_eq!(told.len(), expected, "{reason} {had_sent_connect}");
        for (subject, document) in told {
            assert_eq!(subject, "$SYS.ACCOUNT.CLIENT.AUTH.ERR");
            let of_the_server =
                messages(&listener).into_iter().find(|(subject, _)| subject.ends_with(".CLIENT.AUTH.ERR"));
            assert_eq!(keys(&document), keys(&of_the_server.expect("an event in $SYS").1));
        }
    }
}

#[test]
fn nobody_is_told_how_many_connections_the_global_account_has() {
    let (state, listener) = listened();
    let other = client(&state, "other", AccountId::GLOBAL, 0);
    tell(&state, &Happening::Connected(other));
    let told = messages(&listener);
    assert_eq!(told.iter().map(|(subject, _)| &**subject).collect::<Vec<_>>(), ["$SYS.ACCOUNT.$G.CONNECT"]);
}

#[test]
fn an_event_finds_a_listener_that_was_given_other_rules_a_moment_ago() {
    let (state, _) = server(options());
    let listener = client(&state, "sys", AccountId::SYSTEM, 0);
    let subscription = subscribe(&state, &listener, ">", "1");
    // Nobody sees the new one yet.
    subscription.replace_by(Arc::new(subscription.with_receiver(None)));
    tell_lame_duck(&state);
    let told = messages(&listener);
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn documents_are_numbered_and_only_made_for_listeners() {
    let (state, _) = server(options());
    tell_lame_duck(&state);
    assert_eq!(state.events.next_number(), 1);
    let (state, listener) = listened();
    tell_lame_duck(&state);
    tell_shutdown(&state);
    tell_statsz(&state);
    let told = messages(&listener);
    let ends: Vec<&str> = told.iter().filter_map(|(subject, _)| subject.rsplit('.').next()).collect();
    assert_eq!(ends, ["LAMEDUCK", "SHUTDOWN", "STATSZ"]);
    assert_eq!(keys(&told[0].1), SERVER_KEYS);
    assert_eq!(
        keys(&told[2].1),
        format!(
            "{SERVER_KEYS} statsz start mem cores cpu connections total_connections active_accounts subscriptions sent \
             msgs bytes sent_to_clients msgs bytes received msgs bytes received_from_clients msgs bytes \
             slow_consumers active_servers gomaxprocs"
        )
    );
}

/// What a client hears when it asks; nothing is silence.
async fn ask(state: &State, client: &Arc<Client>, subject: &str, body: &str) -> Option<String> {
    read(client);
    let account = client.facts().expect("facts").account;
    let subject = subject.replace("<id>", &state.keys.id);
    assert!(state.accounts.by_id(account).expect("an account").is_interested(subject.as_bytes()), "{subject}");
    let request = Request {
        account,
        sender: client.id,
        subject: subject.into(),
        reply: Some(Bytes::from_static(b"inbox")),
        body: RequestBody::Payload(Bytes::copy_from_slice(body.as_bytes())),
    };
    if request.is_reload() {
        service::answer_reload(state, &request).await;
    } else {
        service::answer(state, &request);
    }
    messages(client).into_iter().find(|(subject, _)| subject == "inbox").map(|(_, body)| body)
}

/// A server that answers, with a client in `$SYS` and one in `$G`.
fn asked() -> (Arc<State>, Arc<Client>, Arc<Client>) {
    let mut options = options();
    let rules = SubjectsOptions { allow: Some(vec!["foo.>".to_owned()]), deny: Vec::new() };
    options.authorization.users = Some(vec![UserOptions {
        name: "app".to_owned(),
        password: None,
        nkey: None,
        permissions: Some(PermissionsOptions { publish: rules, ..PermissionsOptions::default() }),
        connection_types: Vec::new(),
        account: UserAccount::Global,
        position: None,
    }]);
    let (state, _) = server(options);
    service::subscribe(&state);
    let clients = [("sys", AccountId::SYSTEM), ("app", AccountId::GLOBAL)].map(|(name, account)| {
        let client = client(&state, name, account, 0);
        subscribe(&state, &client, "inbox", "1");
        client
    });
    let [sys, app] = clients;
    (state, sys, app)
}

#[tokio::test]
async fn every_document_of_a_server_is_answered_in_its_form() {
    let (state, sys, _) = asked();
    for document in "VARZ CONNZ SUBSZ HEALTHZ ROUTEZ GATEWAYZ LEAFZ ACCOUNTZ JSZ".split(' ') {
        for target in ["PING", "<id>"] {
            let text = ask(&state, &sys, &format!("$SYS.REQ.SERVER.{target}.{document}"), "").await.expect("an answer");
            assert!(keys(&text).starts_with(&format!("{SERVER_KEYS} data ")), "{document}: {text}");
        }
    }
    let health = ask(&state, &sys, "$SYS.REQ.SERVER.PING.HEALTHZ", "").await.expect("an answer");
    assert!(health.ends_with("\"data\":{\"status\":\"ok\",\"status_code\":200}}"), "{health}");
    let statsz = ask(&state, &sys, "$SYS.REQ.SERVER.PING", "").await.expect("an answer");
    assert!(keys(&statsz).starts_with(&format!("{SERVER_KEYS} statsz start")), "{statsz}");
    let idz = ask(&state, &sys, "$SYS.REQ.SERVER.<id>.IDZ", "garbage").await.expect("an answer");
    assert_eq!(keys(&idz), "name host id");
}

#[tokio::test]
async fn who_is_not_meant_stays_silent() {
    let (state, sys, _) = asked();
    for (filter, answers) in [
        (r#"{"server_name":"firn"}"#, true),
        (r#"{"server_name":"firn","exact_match":true}"#, false),
        (r#"{"server_name":"firn-1","exact_match":true}"#, true),
        (r#"{"server_name":"other"}"#, false),
        (r#"{"tags":["X"]}"#, true),
        (r#"{"tags":["x","y"]}"#, false),
        (r#"{"host":"0.0"}"#, true),
        (r#"{"cluster":"c"}"#, false),
        (r#"{"domain":"d"}"#, false),
    ] {
        for subject in ["$SYS.REQ.SERVER.PING.VARZ", "$SYS.REQ.SERVER.PING"] {
            assert_eq!(ask(&state, &sys, subject, filter).await.is_some(), answers, "{subject} {filter}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_or_fulfilled_is_told_apart() {
    let (state, sys, _) = asked();
    let unreadable = ask(&state, &sys, "$SYS.REQ.SERVER.PING.CONNZ", "garbage").await.expect("an answer");
    assert_eq!(keys(&unreadable), format!("{SERVER_KEYS} error code description"));
    assert!(unreadable.contains("\"code\":400"), "{unreadable}");
    let contradicting = ask(&state, &sys, "$SYS.REQ.SERVER.PING.CONNZ", r#"{"sort":"bad"}"#).await.expect("an answer");
    let end = r#""data":null,"error":{"code":500,"description":"invalid sorting option: bad"}}"#;
    assert!(contradicting.ends_with(end), "{contradicting}");
}

#[tokio::test]
async fn an_account_hears_of_itself_only() {
    let (state, sys, app) = asked();
    for subject in ["$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.VARZ", "$SYS.REQ.ACCOUNT.$SYS.CONNZ"] {
        assert!(!state.accounts.global().is_interested(subject.as_bytes()), "{subject}");
    }
    for subject in ["$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.PING.CONNZ"] {
        let body = format!(r#"{{"acc":"$SYS","cid":0,"auth":true,"state":2,"limit":{}}}"#, i64::MAX);
        let text = ask(&state, &app, subject, &body).await.expect("an answer");
        let connz: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(connz["data"]["total"], 1);
        assert_eq!(connz["data"]["connections"][0]["cid"], app.id);
        let by_number = ask(&state, &app, subject, &format!(r#"{{"cid":{}}}"#, sys.id)).await.expect("an answer");
        assert!(by_number.contains("\"connections\":[]"), "{by_number}");
    }
    let text = ask(&state, &app, "$SYS.REQ.ACCOUNT.PING.STATZ", r#"{"accounts":["$SYS"]}"#).await.expect("an answer");
    let statz: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(statz["data"]["account_statz"][0]["acc"], "$G");
    assert_eq!(statz["data"]["account_statz"].as_array().map(Vec::len), Some(1));
    assert_eq!(ask(&state, &sys, "$SYS.REQ.ACCOUNT.NOPE.STATZ", "").await, None);
}

#[tokio::test]
async fn a_client_learns_who_it_is() {
    let (state, sys, app) = asked();
    let data = async |client| {
        let text = ask(&state, client, "$SYS.REQ.USER.INFO", "").await.expect("an answer");
        serde_json::from_str::<Value>(&text).expect("JSON")["data"].clone()
    };
    assert_eq!(data(&sys).await, json!({"user": "sys", "account": "$SYS", "account_name": "$SYS"}));
    let permissions = json!({"publish": {"allow": ["foo.>"]}});
    assert_eq!(
        data(&app).await,
        json!({"user": "app", "account": "$G", "account_name": "$G", "permissions": permissions})
    );
}

#[tokio::test]
async fn clients_are_kicked_and_told_to_leave_by_number() {
    let (state, sys, app) = asked();
    let order = async |what: &str, body: &str| ask(&state, &sys, &format!("$SYS.REQ.SERVER.<id>.{what}"), body).await;
    assert!(order("KICK", r#"{"cid":99}"#).await.is_some_and(|text| text.contains("no such client or leafnode id")));
    assert!(order("LDM", r#"{"cid":99}"#).await.is_some_and(|text| text.contains("no such client id")));
    assert_eq!(order("KICK", "x").await, None);
    let body = format!(r#"{{"cid":{}}}"#, app.id);
    assert_eq!(order("LDM", &body).await.map(|text| keys(&text)).as_deref(), Some(SERVER_KEYS));
    assert!(app.outbox.status().orders.leave);
    assert_eq!(order("KICK", &body).await.map(|text| keys(&text)).as_deref(), Some(SERVER_KEYS));
    assert_eq!(app.outbox.status().closing, Some(CloseReason::Kicked));
}

#[tokio::test]
async fn a_reload_is_handed_to_whoever_reads_the_configuration() {
    let (state, sys, _) = asked();
    let reader = async { drop(state.events.reload_asked().await.send(Err("line 3".to_owned()))) };
    let (answer, ()) = tokio::join!(ask(&state, &sys, "$SYS.REQ.SERVER.<id>.RELOAD", ""), reader);
    let answer = answer.expect("an answer");
    assert!(answer.ends_with(r#""error":{"code":500,"description":"line 3"}}"#), "{answer}");
}

#[tokio::test]
async fn subscribers_are_counted_by_subject_and_queue() {
    let (state, sys, _) = asked();
    subscribe(&state, &sys, "foo.*", "2");
    subscribe(&state, &sys, "foo.x", "3");
    for (body, expected) in [("foo.x", "2"), ("foo.y", "1"), ("foo.*", "2"), ("foo.x q", "0"), ("", "0"), ("a b.", "0")]
    {
        assert_eq!(ask(&state, &sys, "$SYS.DEBUG.SUBSCRIBERS", body).await.as_deref(), Some(expected), "{body}");
    }
}
