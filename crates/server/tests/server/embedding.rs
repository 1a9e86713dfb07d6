//! Clients by socket and within the process, limits, and the end.

use firn_server::{Running, Server, StartError};

use crate::client::{Client, soon};

async fn start(change: impl Fn(&mut firn_server::Options) + Send + Sync + 'static) -> Running {
    Server::builder().host("127.0.0.1").port(-1).options(change).start().await.unwrap()
}

#[tokio::test]
async fn a_client_within_the_process_hears_one_from_outside() {
    let server = start(|_| ()).await;
    let mut inside = Client::new(server.connect_in_process().unwrap());
    assert!(!inside.info().await.contains("client_ip"));
    inside.send("CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPING\r\n").await;
    inside.expect("PONG").await;
    let mut outside = Client::connect(server.client_address()).await;
    assert!(outside.info().await.contains("\"client_ip\":\"127.0.0.1\""));
    outside.send("CONNECT {\"verbose\":false}\r\nPUB a 2\r\nhi\r\n").await;
    inside.expect("MSG a 1 2").await;
    inside.expect("hi").await;
    soon(server.shutdown()).await;
    inside.expect_end().await;
    outside.expect_end().await;
}

#[tokio::test]
async fn what_was_published_before_a_shutdown_is_delivered() {
    let server = start(|_| ()).await;
    let mut subscriber = Client::connect(server.client_address()).await;
    subscriber.info().await;
    subscriber.send("CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPING\r\n").await;
    subscriber.expect("PONG").await;
    let mut publisher = Client::connect(server.client_address()).await;
    publisher.info().await;
    publisher.send(&format!("CONNECT {{\"verbose\":false}}\r\n{}PING\r\n", "PUB a 2\r\nhi\r\n".repeat(1000))).await;
    publisher.expect("PONG").await;
    soon(server.shutdown()).await;
    for _ in 0..1000 {
        subscriber.expect("MSG a 1 2").await;
        subscriber.expect("hi").await;
    }
    subscriber.expect_end().await;
}

#[tokio::test]
async fn who_comes_when_all_seats_are_taken_is_told() {
    let server = start(|options| options.max_connections = 1).await;
    let mut first = Client::connect(server.client_address()).await;
    first.info().await;
    let mut second = Client::connect(server.client_address()).await;
    second.info().await;
    second.expect("-ERR 'maximum connections exceeded'").await;
    second.expect_end().await;
    first.sign_in("").await;
    drop(first);
    // The seat is free as soon as the server has seen the first one go.
    soon(async {
        loop {
            let mut third = Client::connect(server.client_address()).await;
            third.info().await;
            third.send("CONNECT {\"verbose\":false}\r\nPING\r\n").await;
            if third.line().await.as_deref() == Some("PONG") {
                break;
            }
        }
    })
    .await;
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn options_that_cannot_be_are_refused_at_the_start() {
    async fn check(change: impl Fn(&mut firn_server::Options) + Send + Sync + 'static, expected: &str) {
        let refused = Server::builder().host("127.0.0.1").port(-1).options(change).start().await;
        let error: StartError = refused.err().expect("no start");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let taken = start(|_| ()).await;
    let port = taken.client_address().port();
    check(move |options| options.port = port.into(), "Error listening on port: 127.0.0.1:").await;
    check(|options| options.no_auth_user = Some("nobody".to_owned()), "no_auth_user").await;
    check(|options| options.max_payload = 1 << 30, "max_payload").await;
    check(|options| options.tls = Some(Default::default()), "TLS needs a certificate").await;
    soon(taken.shutdown()).await;
}
