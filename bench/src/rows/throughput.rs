//! Rows that publish as fast as the window allows.

use std::panic::resume_unwind;
use std::thread;

use anyhow::{Context, Result};

use crate::connection::Connection;
use crate::figure::Figure;
use crate::frames::{Frames, Message};
use crate::load::{CHUNK_BYTES, Confirmation, Load, Measured, Phase, chunk_messages_max};
use crate::ping_pong::PingPong;
use crate::server::{Program, Server};
use crate::{churn, histogram::Histogram};

use super::{Outcome, Plan};

/// What flows from whom to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    pub(crate) payload_bytes: usize,
    pub(crate) has_header: bool,
    pub(crate) publishers: u64,
    pub(crate) subscribers: u64,
    pub(crate) interest: Interest,
    pub(crate) subjects: u64,
    /// Literal subscriptions beside the published subjects that match none of them, on a connection of their own.
    pub(crate) idle_subscriptions: u64,
    pub(crate) is_tls: bool,
    /// Another connection subscribes and unsubscribes at [`churn::PAIRS_PER_SECOND`].
    pub(crate) has_churn: bool,
    /// Two more connections exchange requests and replies.
    pub(crate) has_bystanders: bool,
}

/// How the subscribers subscribe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Interest {
    /// Each to every subject.
    Literal,
    /// Each to one wildcard over all subjects.
    Wildcard,
    /// All in one queue group.
    Queue,
}

/// What ran beside the load.
#[derive(Default)]
struct Beside {
    churn_pairs_per_second: Option<f64>,
    bystanders: Option<Histogram>,
}

pub(super) fn run(traffic: Traffic, program: &Program, plan: &Plan) -> Result<Outcome> {
    let server = program.start(traffic.is_tls.then_some(plan.tls.server_config.as_path()))?;
    let traffic = Traffic {
        subscribers: if traffic.subscribers > 100 { traffic.subscribers / plan.divisor } else { traffic.subscribers },
        subjects: (traffic.subjects / plan.divisor).max(1),
        idle_subscriptions: traffic.idle_subscriptions / plan.divisor,
        ..traffic
    };
    let frames = traffic.frames();
    let open = || Connection::open(server.address, traffic.is_tls.then_some(&plan.tls.client));

    let mut idle = open()?;
    for number in 0..traffic.idle_subscriptions {
        // Siblings of the published subjects, so that they share the matcher's nodes.
        let sid = usize::try_from(number + 1)?;
        idle.subscribe(&subject(traffic.subjects + number), None, sid)?;
    }
    idle.settle()?;
    let subscribers = (0..traffic.subscribers).map(|_| traffic.subscribe(open()?)).collect::<Result<Vec<_>>>()?;
    let publishers = (0..traffic.publishers).map(|_| open()).collect::<Result<Vec<_>>>()?;
    let load = Load::new(&frames, publishers, subscribers, traffic.confirmation())?;

    let (measured, beside) = run_beside(traffic, &server, |phase| load.run(&server, plan.span, phase))?;
    Ok(outcome(&measured, &beside))
}

impl Traffic {
    fn fan_out(self) -> u64 {
        match self.interest {
            Interest::Literal | Interest::Wildcard => self.subscribers,
            Interest::Queue => self.subscribers.min(1),
        }
    }

    fn confirmation(self) -> Confirmation {
        match self.fan_out() {
            0 => Confirmation::Pongs,
            fan_out => Confirmation::Deliveries(fan_out),
        }
    }

    fn frames(self) -> Frames {
        let message = Message { payload_bytes: self.payload_bytes, has_header: self.has_header };
        // A stride prime to the number of subjects visits each once, and never a neighbour after its neighbour.
        let subjects: Vec<String> =
            (0..self.subjects).map(|position| subject(position * 7_919 % self.subjects)).collect();
        let chunk_messages = chunk_messages_max(self.payload_bytes as u64, self.fan_out(), self.subscribers);
        let ping_after_chunk = self.confirmation() == Confirmation::Pongs;
        Frames::build(message, &subjects, chunk_messages, CHUNK_BYTES, ping_after_chunk)
    }

    fn subscribe(self, mut connection: Connection) -> Result<Connection> {
        match self.interest {
            Interest::Wildcard => connection.subscribe("bench.*", None, 1)?,
            Interest::Literal | Interest::Queue => {
                let queue = (self.interest == Interest::Queue).then_some("workers");
                for number in 0..self.subjects {
                    connection.subscribe(&subject(number), queue, usize::try_from(number + 1)?)?;
                }
            }
        }
        connection.settle()?;
        Ok(connection)
    }
}

fn subject(number: u64) -> String {
    format!("bench.{number:06}")
}

/// Runs the load while the traffic's other connections do theirs in threads.
fn run_beside(
    traffic: Traffic,
    server: &Server,
    load: impl FnOnce(&Phase) -> Result<Measured>,
) -> Result<(Measured, Beside)> {
    let phase = Phase::new();
    let ping_pong = traffic.has_bystanders.then(|| PingPong::open(server.address)).transpose()?;
    thread::scope(|scope| {
        let phase = &phase;
        let churn = traffic.has_churn.then(|| scope.spawn(|| churn::run(server.address, phase)));
        let bystanders = ping_pong.map(|ping_pong| scope.spawn(|| ping_pong.run_beside(phase)));
        let measured = load(phase);
        // A load that failed has not said so to the threads.
        phase.end();
        let mut beside = Beside::default();
        if let Some(thread) = churn {
            beside.churn_pairs_per_second = Some(joined(thread.join()).context("churning subscriptions")?);
        }
        if let Some(thread) = bystanders {
            beside.bystanders = Some(joined(thread.join()).context("exchanging requests beside the load")?);
        }
        Ok((measured?, beside))
    })
}

fn joined<T>(result: thread::Result<Result<T>>) -> Result<T> {
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

fn outcome(measured: &Measured, beside: &Beside) -> Outcome {
    let seconds = measured.elapsed.as_secs_f64();
    let cpu = measured.server_cpu.as_secs_f64() * 1e9;
    let (published, delivered) = (measured.published as f64, measured.delivered as f64);
    let mut figures = vec![(Figure::CpuPerMessage, cpu / published), (Figure::MessagesPerSecond, published / seconds)];
    if measured.delivered > 0 {
        figures.push((Figure::CpuPerDelivery, cpu / delivered));
        figures.push((Figure::DeliveriesPerSecond, delivered / seconds));
    }
    if let Some(rate) = beside.churn_pairs_per_second {
        figures.push((Figure::ChurnPairsPerSecond, rate));
    }
    if let Some(p99) = beside.bystanders.as_ref().and_then(|histogram| histogram.quantile(0.99)) {
        figures.push((Figure::BystanderP99, p99.as_secs_f64() * 1e9));
    }
    Outcome { figures, generator_cores: Some(measured.generator_cpu.as_secs_f64() / seconds) }
}
