//! Reloads under clients that stay.

use std::fs;

use firn_server::{Running, Server};
use tokio::net::TcpStream;

use crate::client::{Client, Folder, soon};

async fn start(folder: &Folder, config: &str) -> Running {
    let file = folder.write("server.conf", config);
    Server::builder().config_file(file).host("127.0.0.1").port(-1).start().await.unwrap()
}

#[tokio::test]
async fn who_may_no_longer_sign_in_is_sent_away_and_the_others_stay() {
    let folder = Folder::new("reload-users");
    let users = |users: &[(&str, &str)]| {
        let users: Vec<String> =
            users.iter().map(|(name, password)| format!("{{user: {name}, password: {password}}}")).collect();
        format!("authorization {{ users: [ {} ] }}", users.join(", "))
    };
    let server = start(&folder, &users(&[("stays", "p"), ("changed", "p"), ("gone", "p")])).await;
    let mut clients = Vec::new();
    for name in ["stays", "changed", "gone"] {
        let mut client = Client::connect(server.client_address()).await;
        client.info().await;
        client.sign_in(&format!(",\"user\":\"{name}\",\"pass\":\"p\"")).await;
        clients.push(client);
    }
    folder.write("server.conf", &users(&[("stays", "p"), ("changed", "q"), ("new", "p")]));
    server.reload().unwrap();
    clients[1].expect("-ERR 'Authorization Violation'").await;
    clients[1].expect_end().await;
    // nats-server closes without a word who is not listed any more.
    clients[2].expect_end().await;
    clients[0].send("PING\r\n").await;
    clients[0].expect("PONG").await;
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn a_subscription_that_is_no_longer_allowed_is_dropped() {
    let folder = Folder::new("reload-permissions");
    let user = |allow: &str| {
        format!("authorization {{ users: [ {{user: a, password: p, permissions: {{subscribe: {allow}}}}} ] }}")
    };
    let server = start(&folder, &user("[x, y]")).await;
    let mut client = Client::connect(server.client_address()).await;
    client.info().await;
    client.sign_in(",\"user\":\"a\",\"pass\":\"p\"").await;
    client.send("SUB x 1\r\nSUB y 2\r\nPING\r\n").await;
    client.expect("PONG").await;
    folder.write("server.conf", &user("[x]"));
    server.reload().unwrap();
    client.expect("-ERR 'Permissions Violation for Subscription to \"y\" (sid \"2\")'").await;
    client.send("PUB y 1\r\n.\r\nPUB x 1\r\n!\r\n").await;
    client.expect("MSG x 1 1").await;
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn a_reload_that_cannot_be_changes_nothing() {
    let folder = Folder::new("reload-refused");
    let server = start(&folder, "max_payload: 1000").await;
    for (config, expected) in [
        ("max_payload: 2000, max_subs: 5", "config reload not supported for MaxSubs: old=0, new=5"),
        ("max_payload: 2000, nonsense: 5", "unknown field \"nonsense\""),
        ("max_payload: 2000, max_pending: 100", "max_payload (2000) cannot be higher than max_pending (100)"),
        ("max_payload: 2000, tls { cert_file: \"/none\", key_file: \"/none\" }", "/none"),
    ] {
        folder.write("server.conf", config);
        let error = server.reload().unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let mut client = Client::connect(server.client_address()).await;
    assert!(client.info().await.contains("\"max_payload\":1000,"));
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn a_new_max_payload_holds_for_clients_that_are_there_without_being_announced() {
    let folder = Folder::new("reload-payload");
    let server = start(&folder, "max_payload: 1000").await;
    let mut client = Client::connect(server.client_address()).await;
    client.info().await;
    client.sign_in(",\"protocol\":1").await;
    client.info().await;
    folder.write("server.conf", "max_payload: 500");
    server.reload().unwrap();
    client.send("PUB a 600\r\n").await;
    client.expect("-ERR 'Maximum Payload Violation'").await;
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn clients_above_a_lowered_limit_are_told_and_closed() {
    let folder = Folder::new("reload-connections");
    let server = start(&folder, "max_connections: 10").await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(server.client_address()).await;
        client.info().await;
        client.sign_in("").await;
        clients.push(client);
    }
    folder.write("server.conf", "max_connections: 1");
    server.reload().unwrap();
    let mut refused = 0;
    for client in &mut clients {
        client.send("PING\r\n").await;
        match client.line().await.as_deref() {
            Some("PONG") => {}
            Some("-ERR 'maximum connections exceeded'") => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 2);
    soon(server.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_lost_while_users_change() {
    const MESSAGES: usize = 20_000;
    let folder = Folder::new("reload-load");
    let users = |extra: usize| {
        format!("authorization {{ users: [ {{user: a, password: p}}, {{user: extra{extra}, password: p}} ] }}")
    };
    let server = start(&folder, &users(0)).await;
    let sign_in = ",\"user\":\"a\",\"pass\":\"p\"";
    let mut subscriber = Client::connect(server.client_address()).await;
    subscriber.info().await;
    subscriber.sign_in(sign_in).await;
    subscriber.send("SUB a 1\r\nPING\r\n").await;
    subscriber.expect("PONG").await;
    let mut publisher = Client::connect(server.client_address()).await;
    publisher.info().await;
    publisher.sign_in(sign_in).await;
    let publishing = tokio::spawn(async move {
        for number in 0..MESSAGES / 100 {
            let batch: Vec<String> = (0..100).map(|i| format!("PUB a 5\r\n{:05}\r\n", number * 100 + i)).collect();
            publisher.send(&batch.concat()).await;
        }
        publisher
    });
    for number in 0..MESSAGES {
        if number % 1000 == 0 {
            folder.write("server.conf", &users(number));
            server.reload().unwrap();
        }
        subscriber.expect("MSG a 1 5").await;
        subscriber.expect(&format!("{number:05}")).await;
    }
    drop(publishing.await.unwrap());
    soon(server.shutdown()).await;
}

/// Publishes more than sockets and `max_pending` hold, and waits until the server has worked through it.
async fn flood(server: &Running) {
    let mut publisher = Client::connect(server.client_address()).await;
    publisher.info().await;
    publisher.sign_in("").await;
    let message = format!("PUB a 8000\r\n{}\r\n", "x".repeat(8000));
    for _ in 0..200 {
        publisher.send(&message.repeat(10)).await;
    }
    publisher.send("PING\r\n").await;
    publisher.expect("PONG").await;
}

/// Whether the server still answers a client that has read nothing so far.
async fn is_answered(client: &mut Client<TcpStream>) -> bool {
    client.send("PING\r\n").await;
    while let Some(line) = client.line().await {
        if line == "PONG" {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn what_happens_to_fast_producers_changes_for_clients_that_are_there() {
    let folder = Folder::new("reload-stall");
    let config = |extra: &str| format!("max_pending: 200000, max_payload: 10000, {extra}");
    let server = start(&folder, &config("")).await;
    let mut subscriber = Client::connect(server.client_address()).await;
    subscriber.info().await;
    subscriber.sign_in("").await;
    subscriber.send("SUB a 1\r\nPING\r\n").await;
    subscriber.expect("PONG").await;
    folder.write("server.conf", &config("no_fast_producer_stall: true"));
    server.reload().unwrap();
    flood(&server).await;
    assert!(is_answered(&mut subscriber).await, "messages are dropped, not the subscriber");
    folder.write("server.conf", &config("no_fast_producer_stall: false"));
    server.reload().unwrap();
    flood(&server).await;
    let mut line = subscriber.line().await;
    while line.is_some() {
        line = subscriber.line().await;
    }
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn the_ports_file_follows_its_folder() {
    let folder = Folder::new("reload-ports");
    let [first, second] = ["first", "second"].map(|name| folder.path(name));
    for path in [&first, &second] {
        fs::create_dir_all(path).unwrap();
    }
    let config = |path: &str| format!("ports_file_dir: \"{path}\"");
    let server = start(&folder, &config(&first)).await;
    let found = || [&first, &second].map(|path| fs::read_dir(path).unwrap().count());
    assert_eq!(found(), [1, 0]);
    for (path, expected) in
        [(&*second, [0, 1]), ("", [0, 0]), (&first, [1, 0]), ("/nonexistent", [0, 0]), (&second, [0, 1])]
    {
        folder.write("server.conf", &config(path));
        server.reload().unwrap();
        assert_eq!(found(), expected, "{path}");
    }
    let file = fs::read_dir(&second).unwrap().next().unwrap().unwrap().path();
    let ports = fs::read_to_string(file).unwrap();
    assert_eq!(ports, format!("{{\"nats\":[\"nats://{}\"]}}", server.client_address()));
    soon(server.shutdown()).await;
    assert_eq!(found(), [0, 0]);
}
