//! Arrivals: the client listener, connections within the process, and what happens before a client's task begins.
//!
//! ```text
//!   accept ─► arrive: seat? ──no──► INFO, -ERR 'maximum connections exceeded', end
//!                      └─yes─► (TLS) ─► client ─► its task
//! ```

use std::{net::SocketAddr, sync::Arc, time::Duration};

use firn_auth::authenticate::{CertificateNames, ConnectionType};
use firn_id::{Monotonic, Timestamp};
use firn_session::{CloseReason, Origin, Session};
use firn_wire::client::encode;
use tokio::{
    io::{AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream, tcp::OwnedWriteHalf},
};
use tokio_rustls::server::TlsStream;

use crate::{
    clock,
    conn::{
        client::{Client, Counters, TlsFacts},
        inflow::Inflow,
        outbox::Outbox,
        port::Port,
        registry::Closed,
        task::{Connection, Greeting},
        transport::Transport,
    },
    entropy, keys,
    listen::canonical,
    state::{Phase, State},
    tls::{self, Failure, Opened, Tls},
};

/// Pause after the system refused a connection, most likely for want of file descriptors.
const RETRY: Duration = Duration::from_millis(50);
/// Bytes on their way within the process, in each direction.
const IN_PROCESS_BYTES: usize = 64 * 1024;

/// What a client is told that comes when too many others do.
const THROTTLED: &str = "Connection throttling is active. Please try again later.";

/// Accepts clients as long as the server takes any.
pub(crate) async fn accept(state: Arc<State>, listener: TcpListener) {
    let mut phase = state.phase.subscribe();
    loop {
        // Both branches are cancel-safe: a connection that was not returned stays in the listener's queue.
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = phase.wait_for(|&phase| phase > Phase::Serving) => return,
        };
        match accepted {
            Ok((stream, address)) => arrive(&state, stream, canonical(address)),
            Err(error) => {
                tracing::error!("Temporary Client Accept Error ({error}), sleeping {}ms", RETRY.as_millis());
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

fn arrive(state: &Arc<State>, stream: TcpStream, address: SocketAddr) {
    // Batches are written whole; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let arrival = Arrival::new(state, Some(address));
    match state.tls.load_full() {
        Some(tls) if arrival.has_seat => {
            tokio::spawn(arrive_by_tls(arrival, stream, tls));
        }
        Some(_) | None => arrival.begin_on_socket(stream, Greeting::Owed),
    }
}

/// Everything up to the client's own task happens here, so that it does not carry the state of a handshake.
async fn arrive_by_tls(arrival: Arrival, stream: TcpStream, tls: Arc<Tls>) {
    let mut phase = arrival.state.phase.subscribe();
    let settings = arrival.state.settings.load_full();
    let mut info = Vec::new();
    settings.info_for(&arrival.origin).encode(&mut info);
    let until = arrival.at + settings.authentication_timeout;
    // What is dropped at a shutdown is a connection that was not open yet.
    let opened = tokio::select! {
        opened = tls::open(&tls, stream, &info, until) => opened,
        _ = phase.wait_for(|&phase| phase == Phase::Stopping) => return,
    };
    match opened {
        Ok(Opened::Plain(stream)) => arrival.begin_on_socket(stream, Greeting::Said),
        Ok(Opened::Secure { stream, facts, certificate }) => arrival.begin_on_tls(stream, facts, certificate),
        Err(failure) => arrival.fail(failure).await,
    }
}

/// A client within this process, connected by no socket; `None` when the server takes no clients any more.
pub(crate) fn arrive_in_process(state: &Arc<State>) -> Option<DuplexStream> {
    let (ours, theirs) = tokio::io::duplex(IN_PROCESS_BYTES);
    let arrival = Arrival::new(state, None);
    if state.is_leaving() {
        return None;
    }
    arrival.begin(Transport::Stream(Box::new(ours)), None, None, Greeting::Owed);
    Some(theirs)
}

/// Somebody who is not a client yet.
struct Arrival {
    state: Arc<State>,
    origin: Origin,
    at: Monotonic,
    start: Timestamp,
    /// Counted among the clients, until it is one or gone.
    has_seat: bool,
}

impl Arrival {
    fn new(state: &Arc<State>, address: Option<SocketAddr>) -> Self {
        let max = usize::try_from(state.options.load().max_connections).unwrap_or(usize::MAX);
        let connection_type = match address {
            Some(_) => ConnectionType::Standard,
            None => ConnectionType::InProcess,
        };
        // Without entropy nobody can prove an nkey; everybody else gets in.
        let nonce = if state.settings.load().directory.needs_nonce() { keys::nonce().ok() } else { None };
        Arrival {
            origin: Origin { client_id: state.registry.next_id(), address, nonce, certificate: None, connection_type },
            at: clock::monotonic(),
            start: clock::timestamp(),
            has_seat: state.registry.arrive(max),
            state: Arc::clone(state),
        }
    }

    fn begin_on_socket(self, stream: TcpStream, greeting: Greeting) {
        let (read, write) = stream.into_split();
        self.begin(Transport::Socket(Inflow::new(read)), Some(write), None, greeting);
    }

    fn begin_on_tls(
        mut self,
        stream: Box<TlsStream<TcpStream>>,
        facts: Box<TlsFacts>,
        certificate: Option<Arc<CertificateNames>>,
    ) {
        let greeting = if facts.first { Greeting::Owed } else { Greeting::Said };
        self.origin.certificate = certificate;
        self.begin(Transport::Stream(stream), None, Some(facts), greeting);
    }

    /// Starts the client's task.
    fn begin(
        self,
        transport: Transport,
        write: Option<OwnedWriteHalf>,
        tls: Option<Box<TlsFacts>>,
        greeting: Greeting,
    ) {
        let has_seat = self.has_seat;
        let mut connection = self.into_connection(transport, write, tls);
        if has_seat {
            tokio::spawn(async move { connection.run(greeting).await });
        } else {
            let (reason, text) = (CloseReason::MaxConnectionsExceeded, "maximum connections exceeded");
            tokio::spawn(async move { connection.refuse(reason, text).await });
        }
    }

    /// There will be no client: it is told if it can be, and remembered among those that are gone.
    async fn fail(self, failure: Failure) {
        let label = format!(
            "{} - cid:{}",
            self.origin.address.map_or_else(String::new, |a| a.to_string()),
            self.origin.client_id
        );
        tracing::error!(client = label, "{failure}");
        let reason = match failure {
            Failure::Throttled(mut stream) => {
                let mut text = Vec::new();
                encode::error(&mut text, THROTTLED);
                // Who does not even read this is not waited for.
                let _ = stream.try_write(&text);
                let _ = stream.shutdown().await;
                CloseReason::MaxConnectionsExceeded
            }
            Failure::Handshake(_) | Failure::Late => CloseReason::TlsHandshakeError,
            Failure::Socket(_) => CloseReason::WriteError,
        };
        let client = self.client(None, None);
        let closed = Closed {
            client,
            stop: clock::timestamp(),
            reason,
            subscriptions: Vec::new(),
            pending: 0,
            out_messages: 0,
            out_bytes: 0,
        };
        self.state.totals.count(reason);
        self.state.registry.leave(closed);
    }

    /// The arrival as a client. `write` is the other half of a bare socket.
    fn into_connection(
        mut self,
        transport: Transport,
        write: Option<OwnedWriteHalf>,
        tls: Option<Box<TlsFacts>>,
    ) -> Connection {
        let client = self.client(write, tls);
        let state = &self.state;
        if std::mem::take(&mut self.has_seat) {
            state.registry.enter(&client);
            // Who comes while everybody is sent away may have been missed.
            if *state.phase.borrow() == Phase::Stopping {
                client.outbox.end(CloseReason::ServerShutdown);
            }
        }
        let session = Session::new(
            Port::Client(Arc::clone(&client)),
            state.settings.load_full(),
            Arc::clone(&state.accounts),
            self.origin.clone(),
            entropy::seed(),
            self.at,
        );
        Connection::new(Arc::clone(state), client, session, transport)
    }

    fn client(&self, write: Option<OwnedWriteHalf>, tls: Option<Box<TlsFacts>>) -> Arc<Client> {
        let state = &self.state;
        let client = Arc::new(Client {
            id: self.origin.client_id,
            address: self.origin.address,
            start: self.start,
            outbox: Outbox::new(write, Arc::clone(&state.budget), self.at),
            limits: Arc::clone(&state.outbox_limits),
            counters: Counters::default(),
            facts: Default::default(),
            tls,
        });
        client.counters.touch(self.at);
        client
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if self.has_seat {
            self.state.registry.turn_back();
        }
    }
}
