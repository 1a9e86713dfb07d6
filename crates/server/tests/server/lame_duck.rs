//! Lame duck mode as clients see it.

use std::time::Duration;

use firn_server::Server;
use tokio::net::TcpStream;

use crate::client::{Client, soon};

#[tokio::test]
async fn clients_are_told_before_they_are_let_go() {
    let server = Server::builder()
        .host("127.0.0.1")
        .port(-1)
        .options(|options| {
            options.lame_duck_duration = Duration::from_millis(400);
            options.lame_duck_grace_period = Duration::from_millis(100);
        })
        .start()
        .await
        .unwrap();
    let address = server.client_address();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(address).await;
        client.info().await;
        client.send("CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n").await;
        client.expect("PONG").await;
        client.info().await;
        clients.push(client);
    }
    let leaving = tokio::spawn(server.lame_duck());
    for client in &mut clients {
        assert!(client.info().await.contains("\"ldm\":true"));
    }
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    for client in &mut clients {
        client.expect_end().await;
    }
    soon(leaving).await.unwrap();
}

#[tokio::test]
async fn without_clients_it_is_a_shutdown() {
    // It would be two minutes.
    let server = Server::builder().host("127.0.0.1").port(-1).start().await.unwrap();
    soon(server.lame_duck()).await;
}
