//! Ten thousand connections at once: each hears what is said to it and what is said to everybody.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking, in its helpers too")]

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Message, Subscriber};
use firn_conformance::environment::{self, LeftOut};
use firn_conformance::server::{Binary, Options, Server};
use firn_conformance::suite::Suite;
use futures_util::{StreamExt as _, stream};
use tokio::time::timeout;

const CONNECTIONS: usize = 10_000;
/// Connections in the making at the same time.
const AT_ONCE: usize = 100;
/// Files that a process needs besides its connections.
const OTHER_FILES: usize = 200;
const PATIENCE: Duration = Duration::from_secs(30);

/// One server after the other: the client side of both would be too many files for a process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connections_hear_their_messages() {
    for binary in [environment::nats_server(), environment::firn()] {
        match binary.and_then(|binary| enough_files().map(|()| binary)) {
            Ok(binary) => {
                let suite = Suite::begin(format!("connections against {}", binary.name));
                check(&binary).await;
                suite.ran(CONNECTIONS);
            }
            Err(reason) => Suite::begin("connections").left_out(&reason),
        }
    }
}

async fn check(binary: &Binary) {
    let server = Server::start(binary, Options::default()).unwrap();
    let mut clients = stream::iter(0..CONNECTIONS)
        .map(|number| connect(server.url(), number))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let publisher = async_nats::connect(server.url()).await.unwrap();
    publisher.publish("all", "everybody".into()).await.unwrap();
    for number in 0..CONNECTIONS {
        publisher.publish(format!("own.{number}"), "you".into()).await.unwrap();
    }
    let mut heard = BTreeSet::new();
    for (_, own, all) in &mut clients {
        heard.insert(next(own, "what is said to it").await.subject);
        assert_eq!(next(all, "what is said to everybody").await.payload, "everybody");
    }
    assert_eq!(heard.len(), CONNECTIONS);
}

/// A client with two subscriptions that the server knows of.
async fn connect(url: String, number: usize) -> (Client, Subscriber, Subscriber) {
    let client = ConnectOptions::new().connection_timeout(PATIENCE).connect(url).await.unwrap();
    let mut own = client.subscribe(format!("own.{number}")).await.unwrap();
    let all = client.subscribe("all").await.unwrap();
    client.publish(format!("own.{number}"), "are you there?".into()).await.unwrap();
    next(&mut own, "its own question").await;
    (client, own, all)
}

async fn next(subscriber: &mut Subscriber, what: &str) -> Message {
    let message = timeout(PATIENCE, subscriber.next()).await;
    message.unwrap_or_else(|_| panic!("a client did not hear {what}")).expect("the subscription lives")
}

/// Whether this process, and so a server that inherits its limits, may open enough files.
fn enough_files() -> Result<(), LeftOut> {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let allowed = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|columns| columns.split_whitespace().next()?.parse().ok())
        .unwrap_or(usize::MAX);
    if allowed < CONNECTIONS + OTHER_FILES {
        return Err(LeftOut(format!("only {allowed} open files allowed")));
    }
    Ok(())
}
