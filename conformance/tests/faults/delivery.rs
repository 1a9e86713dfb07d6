//! Promises that hold while an operator acts: what was acknowledged arrives, and nothing is lost or doubled.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use firn_conformance::server::Binary;
use nix::sys::signal::Signal;

use crate::Checked;
use crate::client::Client;
use crate::process::{Launch, Process, eventually};

/// Messages between two acknowledgements.
const BATCH: usize = 50;
/// What a subscriber hears after the last number.
const LAST: &str = "last";

pub(crate) fn what_was_acknowledged_before_a_termination_is_delivered(binary: &Binary) -> Checked {
    const ENOUGH: usize = 20_000;
    let mut server = Process::start(binary, &Launch::default());
    let mut subscriber = subscribe(&server);
    let publisher = Client::connect(server.address());
    let acknowledged = AtomicUsize::new(0);
    let never = AtomicBool::new(false);
    let (promised, heard) = thread::scope(|scope| {
        scope.spawn(|| publish(publisher, &acknowledged, &never));
        let heard = scope.spawn(move || count_in_order(&mut subscriber));
        eventually("the load runs", || acknowledged.load(Ordering::SeqCst) >= ENOUGH);
        let promised = acknowledged.load(Ordering::SeqCst);
        server.signal(Signal::SIGTERM);
        (promised, heard.join().unwrap())
    });
    assert!(heard >= promised, "{promised} messages were acknowledged, {heard} delivered");
    assert_eq!(server.exit_code(), 0, "{}", server.output());
    Ok(promised)
}

pub(crate) fn reloads_under_load_lose_no_message(binary: &Binary) -> Checked {
    const RELOADS: usize = 20;
    let config = |number: usize| format!("max_payload: {}\ndebug: {}\n", 1_000_000 + number, number % 2 == 0);
    let server = Process::start(binary, &Launch { config: config(0), ..Launch::default() });
    let mut subscriber = subscribe(&server);
    let publisher = Client::connect(server.address());
    let acknowledged = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let (published, heard) = thread::scope(|scope| {
        let publishing = scope.spawn(|| publish(publisher, &acknowledged, &is_over));
        let heard = scope.spawn(move || count_in_order(&mut subscriber));
        for number in 1..=RELOADS {
            let before = acknowledged.load(Ordering::SeqCst);
            eventually("messages flow", || acknowledged.load(Ordering::SeqCst) > before + BATCH);
            server.write_config(&config(number));
            server.signal(Signal::SIGHUP);
            eventually("the server has reloaded", || {
                server.output().matches("Reloaded server configuration").count() == number
            });
        }
        is_over.store(true, Ordering::SeqCst);
        let published = publishing.join().unwrap();
        Client::connect(server.address()).send(format!("PUB load {}\r\n{LAST}\r\n", LAST.len()));
        (published, heard.join().unwrap())
    });
    assert_eq!(heard, published);
    Ok(published)
}

fn subscribe(server: &Process) -> Client {
    let mut subscriber = Client::connect(server.address());
    subscriber.send("SUB load 1\r\n");
    subscriber.sync();
    subscriber
}

/// Publishes 0, 1, 2, … until told to stop or the server is gone; returns how many were acknowledged.
fn publish(mut publisher: Client, acknowledged: &AtomicUsize, is_over: &AtomicBool) -> usize {
    let mut next = 0;
    while !is_over.load(Ordering::SeqCst) {
        let mut batch: String = (next..next + BATCH).map(|number| format!("PUB load 8\r\n{number:08}\r\n")).collect();
        batch.push_str("PING\r\n");
        publisher.send(batch);
        loop {
            match publisher.line() {
                Some(line) if line == "PONG" => break,
                Some(line) if line.starts_with("INFO ") => {}
                Some(_) | None => return next,
            }
        }
        next += BATCH;
        acknowledged.store(next, Ordering::SeqCst);
    }
    next
}

/// How many numbers arrive, each after its predecessor, before [`LAST`] or the end of the connection.
fn count_in_order(subscriber: &mut Client) -> usize {
    let mut count = 0;
    while let Some(payload) = subscriber.message() {
        if payload == LAST {
            break;
        }
        assert_eq!(payload.parse(), Ok(count), "a message was lost, doubled or overtaken");
        count += 1;
    }
    count
}
