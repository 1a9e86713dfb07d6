//! Request and reply, one at a time, by two connections of one thread.
//!
//! With a single message under way there is always exactly one socket to wait for, so plain blocking reads do, and the
//! round trip contains nothing of the generator but four system calls.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::connection::Connection;
use crate::histogram::Histogram;
use crate::load::{Phase, Span};
use crate::proc::own_cpu_time;
use crate::server::Server;

const PAYLOAD: &str = "sixteen bytes ok";

/// A requester and a responder on the same server.
pub(crate) struct PingPong {
    requester: Connection,
    responder: Connection,
    request: Vec<u8>,
    reply: Vec<u8>,
    exchanges: u64,
}

/// What a measured span of exchanges came to.
pub(crate) struct RoundTrips {
    pub(crate) round_trips: Histogram,
    pub(crate) elapsed: Duration,
    pub(crate) server_cpu: Duration,
    pub(crate) generator_cpu: Duration,
}

impl PingPong {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let mut requester = Connection::open(address, None)?;
        let mut responder = Connection::open(address, None)?;
        let (service, inbox) = ("service.echo", "_INBOX.bench.requester.1");
        responder.subscribe(service, None, 1)?;
        responder.settle()?;
        requester.subscribe(inbox, None, 1)?;
        requester.settle()?;
        let size = PAYLOAD.len();
        Ok(Self {
            requester,
            responder,
            request: format!("PUB {service} {inbox} {size}\r\n{PAYLOAD}\r\n").into_bytes(),
            reply: format!("PUB {inbox} {size}\r\n{PAYLOAD}\r\n").into_bytes(),
            exchanges: 0,
        })
    }

    /// One request and its reply; answers the time from before the request to after the reply.
    pub(crate) fn exchange(&mut self) -> Result<Duration> {
        self.exchanges += 1;
        let due = self.exchanges;
        let started = Instant::now();
        self.requester.send(&self.request)?;
        self.responder.wait_until("a request", |received| received.messages >= due)?;
        self.responder.send(&self.reply)?;
        self.requester.wait_until("a reply", |received| received.messages >= due)?;
        Ok(started.elapsed())
    }

    /// Exchanges while the phase lasts; answers the round trips of its measured part.
    pub(crate) fn run_beside(mut self, phase: &Phase) -> Result<Histogram> {
        let mut round_trips = Histogram::new();
        while !phase.is_over() {
            let counts = phase.is_measured();
            let round_trip = self.exchange()?;
            if counts {
                round_trips.record(round_trip);
            }
        }
        Ok(round_trips)
    }

    /// Exchanges for a span with nothing beside it.
    pub(crate) fn run_alone(mut self, server: &Server, span: Span) -> Result<RoundTrips> {
        let started = Instant::now();
        while started.elapsed() < span.warm_up {
            self.exchange()?;
        }
        let mut round_trips = Histogram::new();
        let (server_cpu, generator_cpu) = (server.cpu_time()?, own_cpu_time()?);
        let started = Instant::now();
        while started.elapsed() < span.measured {
            round_trips.record(self.exchange()?);
        }
        Ok(RoundTrips {
            round_trips,
            elapsed: started.elapsed(),
            server_cpu: server.cpu_time()? - server_cpu,
            generator_cpu: own_cpu_time()? - generator_cpu,
        })
    }
}
