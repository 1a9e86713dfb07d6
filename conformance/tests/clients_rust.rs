//! The Rust client library's suite.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking, in its helpers too")]

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use async_nats::service::ServiceExt as _;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, HeaderMap, Message, RequestErrorKind, Subscriber};
use firn_conformance::certificates;
use firn_conformance::environment::{self, LeftOut};
use firn_conformance::server::{Binary, Options, Server};
use firn_conformance::suite::Suite;
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::timeout;

const SEED: &str = "SUAFKV43KV4JNUGOC5SMI77NMRHZWNPVROWWEBTUV4R7GVWYB3IMKA24A4";
const NKEY: &str = "UDDWUXNQOXJS6EYGMIX7SPK6EN36CTI6QOABV542HFWHLY5OC76WZOJG";
const TLS: &str = r#"cert_file: "<certs>/server.pem", key_file: "<certs>/server-key.pem""#;
const VERIFY: &str = r#"ca_file: "<certs>/ca.pem", verify: true"#;

const PATIENCE: Duration = Duration::from_secs(10);
const CHECK_LASTS_AT_MOST: Duration = Duration::from_secs(60);

type Check = for<'a> fn(&'a Binary) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Names the checks, so that a failure can be told from the others.
macro_rules! checks {
    ($($check:ident),+ $(,)?) => {
        const CHECKS: &[(&str, Check)] = &[$((stringify!($check), |binary| Box::pin($check(binary)))),+];
    };
}

checks![
    connect_and_drain,
    publish_and_subscribe,
    fan_out,
    wildcards,
    queue_groups,
    unsubscribe_after_a_number,
    request_and_reply,
    no_responders,
    headers,
    drain_of_a_subscription,
    reconnect,
    lame_duck,
    services,
    tls,
    tls_with_client_certificate,
    tls_handshake_first,
    user_and_password,
    token,
    nkey,
    permission_errors,
    slow_consumer,
    large_payloads,
    no_echo,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_client_against_nats_server() {
    check_all(environment::nats_server()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_client_against_firn() {
    check_all(environment::firn()).await;
}

async fn check_all(binary: Result<Binary, LeftOut>) {
    let binary = match binary {
        Ok(binary) => binary,
        Err(reason) => return Suite::begin("clients/rust").left_out(&reason),
    };
    // Two providers are among the dependencies, so that none is the obvious one. The other test may have been first.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let suite = Suite::begin(format!("clients/rust against {}", binary.name));
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        let binary = binary.clone();
        let outcome = tokio::spawn(async move { timeout(CHECK_LASTS_AT_MOST, check(&binary)).await });
        match outcome.await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => failed.push(format!("{name}: not done in time")),
            Err(panic) => failed.push(format!("{name}: {panic}")),
        }
    }
    suite.ran(CHECKS.len());
    assert!(failed.is_empty(), "the Rust client against {}:\n{}", binary.name, failed.join("\n"));
}

fn start(binary: &Binary, config: &str) -> Server {
    Server::start(binary, Options { config: config.to_owned(), ..Options::default() }).unwrap()
}

async fn connect(server: &Server) -> Client {
    async_nats::connect(server.url()).await.unwrap()
}

/// A round trip: what the client has sent before has been processed.
async fn sync(client: &Client) {
    let inbox = client.new_inbox();
    let mut subscriber = client.subscribe(inbox.clone()).await.unwrap();
    client.publish(inbox, "".into()).await.unwrap();
    next(&mut subscriber).await;
}

async fn next(subscriber: &mut Subscriber) -> Message {
    timeout(PATIENCE, subscriber.next()).await.expect("a message arrives").expect("the subscription lives")
}

/// Everything received up to now; call after [`sync`] on the same client.
async fn received(subscriber: &mut Subscriber) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(Some(message)) = futures_util::FutureExt::now_or_never(subscriber.next()) {
        messages.push(message);
    }
    messages
}

/// Options that report events to the channel.
fn with_events(options: ConnectOptions) -> (ConnectOptions, mpsc::UnboundedReceiver<Event>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let options = options.event_callback(move |event| {
        let sender = sender.clone();
        async move {
            sender.send(event).ok();
        }
    });
    (options, receiver)
}

async fn wait_for(events: &mut mpsc::UnboundedReceiver<Event>, wanted: impl Fn(&Event) -> bool) {
    loop {
        let event = timeout(PATIENCE, events.recv()).await.expect("the event arrives").expect("the client lives");
        if wanted(&event) {
            return;
        }
    }
}

fn certificate(file: &str) -> PathBuf {
    certificates::folder().unwrap().join(file)
}

fn localhost(server: &Server) -> String {
    format!("tls://localhost:{}", server.address().port())
}

async fn expect_refused(server: &Server, options: ConnectOptions, kind: ConnectErrorKind) {
    let error = options.connect(server.url()).await.expect_err("the client is refused");
    assert_eq!(error.kind(), kind, "{error}");
}

async fn connect_and_drain(binary: &Binary) {
    let server = start(binary, "");
    let (options, mut events) = with_events(ConnectOptions::new().name("rust"));
    let client = options.connect(server.url()).await.unwrap();
    let info = client.server_info();
    assert_eq!(info.max_payload, 1_048_576);
    assert_eq!(info.port, server.address().port());
    assert!(info.headers);
    assert!(client.is_server_compatible(2, 10, 0));
    client.drain().await.unwrap();
    wait_for(&mut events, |event| matches!(event, Event::Closed)).await;
}

async fn publish_and_subscribe(binary: &Binary) {
    let server = start(binary, "");
    let (publisher, subscriber) = (connect(&server).await, connect(&server).await);
    let mut subscription = subscriber.subscribe("foo").await.unwrap();
    sync(&subscriber).await;
    for number in 0..1000 {
        publisher.publish("foo", format!("{number}").into()).await.unwrap();
    }
    for number in 0..1000 {
        assert_eq!(next(&mut subscription).await.payload, format!("{number}"));
    }
}

/// One batch of messages for more connections than a server serves in one go.
async fn fan_out(binary: &Binary) {
    const CLIENTS: usize = 300;
    let server = start(binary, "");
    let mut subscribers = Vec::new();
    for number in 0..CLIENTS {
        let client = connect(&server).await;
        let own = client.subscribe(format!("own.{number}")).await.unwrap();
        let all = client.subscribe("all").await.unwrap();
        sync(&client).await;
        subscribers.push((client, own, all));
    }
    let publisher = connect(&server).await;
    publisher.publish("all", "everybody".into()).await.unwrap();
    for number in 0..CLIENTS {
        publisher.publish(format!("own.{number}"), "you".into()).await.unwrap();
    }
    sync(&publisher).await;
    for (_, own, all) in &mut subscribers {
        assert_eq!(next(own).await.payload, "you");
        assert_eq!(next(all).await.payload, "everybody");
    }
}

async fn wildcards(binary: &Binary) {
    let server = start(binary, "");
    let client = connect(&server).await;
    let mut star = client.subscribe("foo.*.baz").await.unwrap();
    let mut tail = client.subscribe("foo.>").await.unwrap();
    for subject in ["foo.a.baz", "foo.b", "foo.b.c.baz", "foo", "other.a.baz"] {
        client.publish(subject, "".into()).await.unwrap();
    }
    sync(&client).await;
    let subjects = |messages: Vec<Message>| messages.into_iter().map(|m| m.subject.to_string()).collect::<Vec<_>>();
    assert_eq!(subjects(received(&mut star).await), ["foo.a.baz"]);
    assert_eq!(subjects(received(&mut tail).await), ["foo.a.baz", "foo.b", "foo.b.c.baz"]);
}

async fn queue_groups(binary: &Binary) {
    let server = start(binary, "");
    let mut members = Vec::new();
    for _ in 0..3 {
        let client = connect(&server).await;
        let subscription = client.queue_subscribe("work", "workers".into()).await.unwrap();
        sync(&client).await;
        members.push((client, subscription));
    }
    let publisher = connect(&server).await;
    for _ in 0..300 {
        publisher.publish("work", "".into()).await.unwrap();
    }
    sync(&publisher).await;
    let mut counts = Vec::new();
    for (client, subscription) in &mut members {
        sync(client).await;
        counts.push(received(subscription).await.len());
    }
    assert_eq!(counts.iter().sum::<usize>(), 300);
    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
}

async fn unsubscribe_after_a_number(binary: &Binary) {
    let server = start(binary, "");
    let client = connect(&server).await;
    let mut subscription = client.subscribe("foo").await.unwrap();
    subscription.unsubscribe_after(2).await.unwrap();
    for number in 0..4 {
        client.publish("foo", format!("{number}").into()).await.unwrap();
    }
    let mut payloads = Vec::new();
    while let Some(message) = timeout(PATIENCE, subscription.next()).await.expect("the subscription ends") {
        payloads.push(message.payload);
    }
    assert_eq!(payloads, ["0", "1"]);
}

async fn request_and_reply(binary: &Binary) {
    let server = start(binary, "");
    let (service, client) = (connect(&server).await, connect(&server).await);
    let mut requests = service.subscribe("echo").await.unwrap();
    sync(&service).await;
    let answering = tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            service.publish(request.reply.expect("a request has a reply subject"), request.payload).await.unwrap();
        }
    });
    let answers = stream::iter(0..100)
        .map(|number| client.request("echo", format!("{number}").into()))
        .buffered(100)
        .map(|answer| answer.unwrap().payload)
        .collect::<Vec<_>>()
        .await;
    assert_eq!(answers, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
    answering.abort();
}

async fn no_responders(binary: &Binary) {
    let server = start(binary, "");
    let client = connect(&server).await;
    let error = client.request("nobody", "".into()).await.expect_err("nobody answers");
    assert_eq!(error.kind(), RequestErrorKind::NoResponders);
}

async fn headers(binary: &Binary) {
    let server = start(binary, "");
    let client = connect(&server).await;
    let mut subscription = client.subscribe("foo").await.unwrap();
    let mut headers = HeaderMap::new();
    headers.append("Flavour", "vanilla");
    headers.append("Flavour", "chocolate");
    client.publish_with_headers("foo", headers.clone(), "hi".into()).await.unwrap();
    let message = next(&mut subscription).await;
    assert_eq!(message.headers, Some(headers));
    assert_eq!(message.payload, "hi");
}

async fn drain_of_a_subscription(binary: &Binary) {
    let server = start(binary, "");
    let client = connect(&server).await;
    let mut subscription = client.subscribe("foo").await.unwrap();
    for _ in 0..50 {
        client.publish("foo", "".into()).await.unwrap();
    }
    subscription.drain().await.unwrap();
    let mut count = 0;
    while timeout(PATIENCE, subscription.next()).await.expect("the subscription ends").is_some() {
        count += 1;
    }
    assert_eq!(count, 50);
}

async fn reconnect(binary: &Binary) {
    let mut server = start(binary, "");
    let options = ConnectOptions::new().reconnect_delay_callback(|_| Duration::from_millis(50));
    let (options, mut events) = with_events(options);
    let client = options.connect(server.url()).await.unwrap();
    let mut subscription = client.subscribe("foo").await.unwrap();
    sync(&client).await;
    wait_for(&mut events, |event| matches!(event, Event::Connected)).await;
    server.stop().unwrap();
    wait_for(&mut events, |event| matches!(event, Event::Disconnected)).await;
    server.start_again().unwrap();
    wait_for(&mut events, |event| matches!(event, Event::Connected)).await;
    client.publish("foo", "after".into()).await.unwrap();
    assert_eq!(next(&mut subscription).await.payload, "after");
}

async fn lame_duck(binary: &Binary) {
    let server = start(binary, "lame_duck_duration: \"30s\", lame_duck_grace_period: \"1s\"");
    let (options, mut events) = with_events(ConnectOptions::new());
    let client = options.connect(server.url()).await.unwrap();
    sync(&client).await;
    server.signal("USR2").unwrap();
    wait_for(&mut events, |event| matches!(event, Event::LameDuckMode)).await;
}

async fn services(binary: &Binary) {
    let server = start(binary, "");
    let (host, client) = (connect(&server).await, connect(&server).await);
    let service = host.service_builder().description("a demo").start("demo", "1.0.0").await.unwrap();
    let mut endpoint = service.endpoint("demo.echo").await.unwrap();
    let answering = tokio::spawn(async move {
        while let Some(request) = endpoint.next().await {
            request.respond(Ok(request.message.payload.clone())).await.unwrap();
        }
    });
    sync(&host).await;
    assert_eq!(client.request("demo.echo", "hi".into()).await.unwrap().payload, "hi");
    let id = service.info().await.id;
    for verb in ["PING", "INFO", "STATS"] {
        for subject in [format!("$SRV.{verb}"), format!("$SRV.{verb}.demo"), format!("$SRV.{verb}.demo.{id}")] {
            let answer = client.request(subject, "".into()).await.unwrap();
            let answer: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
            assert_eq!((answer.get("name"), answer.get("id")), (Some(&"demo".into()), Some(&id.as_str().into())));
        }
    }
    answering.abort();
}

async fn tls(binary: &Binary) {
    let server = start(binary, &format!("tls {{ {TLS} }}"));
    let options = ConnectOptions::new().require_tls(true).add_root_certificates(certificate("ca.pem"));
    let client = options.connect(localhost(&server)).await.unwrap();
    let mut subscription = client.subscribe("foo").await.unwrap();
    client.publish("foo", vec![0; 100_000].into()).await.unwrap();
    assert_eq!(next(&mut subscription).await.payload.len(), 100_000);
    let untrusting = ConnectOptions::new().require_tls(true).connect(localhost(&server)).await;
    untrusting.expect_err("a client that does not know the authority leaves");
}

async fn tls_with_client_certificate(binary: &Binary) {
    let server = start(binary, &format!("tls {{ {TLS}, {VERIFY} }}"));
    let show = |name: &str| {
        ConnectOptions::new()
            .require_tls(true)
            .add_root_certificates(certificate("ca.pem"))
            .add_client_certificate(certificate(&format!("{name}.pem")), certificate(&format!("{name}-key.pem")))
    };
    let client = show("client").connect(localhost(&server)).await.unwrap();
    sync(&client).await;
    show("stranger").connect(localhost(&server)).await.expect_err("a stranger is refused");
}

async fn tls_handshake_first(binary: &Binary) {
    let server = start(binary, &format!("tls {{ {TLS}, handshake_first: true }}"));
    let options = ConnectOptions::new().tls_first().add_root_certificates(certificate("ca.pem"));
    let client = options.connect(localhost(&server)).await.unwrap();
    sync(&client).await;
}

async fn user_and_password(binary: &Binary) {
    let server = start(binary, "authorization { user: alice, password: secret }");
    let as_user =
        |user: &str, password: &str| ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned());
    let client = as_user("alice", "secret").connect(server.url()).await.unwrap();
    sync(&client).await;
    expect_refused(&server, as_user("alice", "wrong"), ConnectErrorKind::AuthorizationViolation).await;
    expect_refused(&server, ConnectOptions::new(), ConnectErrorKind::AuthorizationViolation).await;
}

async fn token(binary: &Binary) {
    let server = start(binary, "authorization { token: s3cr3t }");
    let client = ConnectOptions::with_token("s3cr3t".to_owned()).connect(server.url()).await.unwrap();
    sync(&client).await;
    let wrong = ConnectOptions::with_token("wrong".to_owned());
    expect_refused(&server, wrong, ConnectErrorKind::AuthorizationViolation).await;
}

async fn nkey(binary: &Binary) {
    let server = start(binary, &format!("authorization {{ users: [ {{ nkey: {NKEY} }} ] }}"));
    let client = ConnectOptions::with_nkey(SEED.to_owned()).connect(server.url()).await.unwrap();
    sync(&client).await;
    expect_refused(&server, ConnectOptions::new(), ConnectErrorKind::AuthorizationViolation).await;
}

async fn permission_errors(binary: &Binary) {
    let config = "authorization { users: [ { user: u, password: p, permissions: { publish: foo } } ] }";
    let server = start(binary, config);
    let (options, mut events) = with_events(ConnectOptions::with_user_and_password("u".to_owned(), "p".to_owned()));
    let client = options.connect(server.url()).await.unwrap();
    client.publish("bar", "".into()).await.unwrap();
    let told =
        |event: &Event| event.to_string().to_lowercase().contains("permissions violation for publish to \"bar\"");
    wait_for(&mut events, told).await;
}

async fn slow_consumer(binary: &Binary) {
    let server = start(binary, "");
    let (options, mut events) = with_events(ConnectOptions::new().subscription_capacity(5));
    let client = options.connect(server.url()).await.unwrap();
    let _unread = client.subscribe("foo").await.unwrap();
    for _ in 0..20 {
        client.publish("foo", "".into()).await.unwrap();
    }
    wait_for(&mut events, |event| matches!(event, Event::SlowConsumer(_))).await;
    sync(&client).await;
}

async fn large_payloads(binary: &Binary) {
    let server = start(binary, "");
    let client = connect(&server).await;
    let mut subscription = client.subscribe("foo").await.unwrap();
    for size in [0, 1, 65_535, 65_536, 1_048_576] {
        client.publish("foo", vec![b'x'; size].into()).await.unwrap();
        assert_eq!(next(&mut subscription).await.payload.len(), size);
    }
    client.publish("foo", vec![b'x'; 1_048_577].into()).await.expect_err("the limit is known to the client");
}

async fn no_echo(binary: &Binary) {
    let server = start(binary, "");
    let client = ConnectOptions::new().no_echo().connect(server.url()).await.unwrap();
    let mut subscription = client.subscribe("foo").await.unwrap();
    let other = connect(&server).await;
    client.publish("foo", "mine".into()).await.unwrap();
    client.flush().await.unwrap();
    other.publish("foo", "theirs".into()).await.unwrap();
    assert_eq!(next(&mut subscription).await.payload, "theirs");
}
