//! A server without sockets, for tests: its clients are outboxes that nobody reads.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use firn_auth::account::AccountId;
use firn_config::Options;
use firn_id::{Monotonic, Timestamp};
use firn_router::Subscription;
use firn_session::{Accounts, CloseReason};
use tokio::sync::{mpsc, watch};

use crate::{
    conn::{
        budget::Budget,
        client::{Client, Counters, Facts, OutboxLimits},
        outbox::Outbox,
        port::Port,
        registry::{Closed, Registry},
    },
    events::{Events, Happening},
    keys::ServerKeys,
    monitor::Monitor,
    passwords::Passwords,
    settings::settings,
    source::ConfigSource,
    state::{Phase, State, Totals},
};

/// A state with these options, and what happens in it.
pub(crate) fn server(options: Options) -> (Arc<State>, mpsc::Receiver<Happening>) {
    let (events, happenings) = Events::new();
    let keys = ServerKeys::generate().expect("entropy");
    let settings = settings(&options, &keys, 4222, None).expect("options that can be");
    let state = State {
        keys,
        client_address: ([127, 0, 0, 1], 4222).into(),
        monitoring: None,
        start: Timestamp::from_unix_nanos(0),
        started: Monotonic::ZERO,
        settings: ArcSwap::from_pointee(settings),
        tls: ArcSwapOption::empty(),
        config_loaded: ArcSwap::from_pointee(Timestamp::from_unix_nanos(0)),
        accounts: Arc::new(Accounts::new(1, || {})),
        registry: Registry::new(100),
        options: ArcSwap::from_pointee(options),
        budget: Arc::new(Budget::new(1 << 20)),
        outbox_limits: Arc::new(OutboxLimits::new(1 << 20, false)),
        passwords: Passwords::start().expect("a thread"),
        events,
        totals: Totals::default(),
        monitor: Monitor::default(),
        phase: watch::Sender::new(Phase::Serving),
        source: ConfigSource::new(None, |_| Ok(())),
        config_digest: ArcSwapOption::empty(),
        ports_file: ArcSwapOption::empty(),
        panic_subject: None,
    };
    (Arc::new(state), happenings)
}

/// A client of an account that signed in and published `published` messages of ten bytes.
pub(crate) fn client(state: &State, name: &str, account: AccountId, published: u64) -> Arc<Client> {
    let client = Arc::new(Client {
        id: state.registry.next_id(),
        address: Some(([127, 0, 0, 1], 4000).into()),
        start: Timestamp::from_unix_nanos(0),
        outbox: Outbox::new(None, Arc::clone(&state.budget), Monotonic::ZERO),
        limits: Arc::clone(&state.outbox_limits),
        counters: Counters::default(),
        facts: Default::default(),
        tls: None,
    });
    client.counters.in_messages.store(published, Relaxed);
    client.counters.in_bytes.store(published * 10, Relaxed);
    let totals = state.totals.of_account(account);
    totals.connections.fetch_add(1, Relaxed);
    totals.in_messages.fetch_add(published, Relaxed);
    client.facts.store(Some(Arc::new(Facts {
        name: name.into(),
        language: "rust".into(),
        version: "1".into(),
        user: name.into(),
        account,
        account_name: state.accounts.by_id(account).expect("an account").name.clone(),
    })));
    assert!(state.registry.arrive(usize::MAX));
    state.registry.enter(&client);
    client
}

/// Subscribes a client in its account.
pub(crate) fn subscribe(state: &State, client: &Arc<Client>, subject: &str, sid: &str) -> Arc<Subscription<Port>> {
    let port = Port::Client(Arc::clone(client));
    let subscription = Arc::new(Subscription::new(port, subject.as_bytes(), None, sid.as_bytes(), None));
    let account = state.accounts.by_id(client.facts().expect("facts").account).expect("an account");
    account.insert(Arc::clone(&subscription));
    account.publish();
    client.counters.subscriptions.fetch_add(1, Relaxed);
    subscription
}

/// Ends a client.
pub(crate) fn leave(state: &State, client: &Arc<Client>, stop: i64, reason: CloseReason) {
    let (pending, out_messages, out_bytes) = client.outbox.numbers();
    state.registry.leave(Closed {
        client: Arc::clone(client),
        stop: Timestamp::from_unix_nanos(stop),
        reason,
        subscriptions: Vec::new(),
        pending,
        out_messages,
        out_bytes,
    });
}

/// Everything that waits for a client, which is written with it.
pub(crate) fn read(client: &Client) -> String {
    let mut bytes = Vec::new();
    let written = client.outbox.poll_write(Monotonic::ZERO, |slices| {
        let slice = slices.first().expect("something to write");
        bytes.extend_from_slice(slice);
        Poll::Ready(Ok(slice.len()))
    });
    assert!(written.is_ready());
    String::from_utf8(bytes).expect("text")
}
