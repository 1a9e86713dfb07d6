//! The rows of the comparison and their goals, as one table; and how a row is run once.

mod latency;
mod memory;
mod start;
mod throughput;

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::figure::Figure;
use crate::load::Span;
use crate::server::Program;
use crate::tls::Tls;

use self::throughput::{Interest, Traffic};

/// One row: what is done, and what Firn's figures should be beside the reference's.
pub(crate) struct Row {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    pub(crate) runs: u32,
    kind: Kind,
    pub(crate) goals: &'static [Goal],
}

/// A figure of a row, in the order of its lines.
pub(crate) struct Goal {
    pub(crate) figure: Figure,
    pub(crate) bound: Bound,
}

/// What `Firn / reference` should be, or Firn's figure itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// Firn's own figure, in its unit.
    ItselfAtMost(f64),
    /// Shown, not judged.
    Shown,
}

enum Kind {
    Throughput(Traffic),
    RequestReply,
    OneWay { messages_per_second: u64 },
    IdleConnections { plain: u64, tls: u64 },
    Subscriptions { count: u64 },
    Start,
}

/// What the options say about every run.
pub(crate) struct Plan {
    pub(crate) span: Span,
    /// Divides counts of connections, subjects and subscriptions: 1, or 100 for a quick proof that all works.
    pub(crate) divisor: u64,
    pub(crate) open_files_max: u64,
    pub(crate) tls: Arc<Tls>,
}

/// The figures of one run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) figures: Vec<(Figure, f64)>,
    /// Cores the load generator used while it measured; `None` where the row is not about load.
    pub(crate) generator_cores: Option<f64>,
}

const fn at_most(figure: Figure, ratio: f64) -> Goal {
    Goal { figure, bound: Bound::AtMost(ratio) }
}

const fn at_least(figure: Figure, ratio: f64) -> Goal {
    Goal { figure, bound: Bound::AtLeast(ratio) }
}

const RUNS: u32 = 3;
const LATENCY_RUNS: u32 = 7;
const START_RUNS: u32 = 11;

const ONE_TO_ONE: Traffic = Traffic {
    payload_bytes: 128,
    has_header: false,
    publishers: 1,
    subscribers: 1,
    interest: Interest::Literal,
    subjects: 1,
    idle_subscriptions: 0,
    is_tls: false,
    has_churn: false,
    has_bystanders: false,
};

/// Every row of the comparison. The soak is a command of its own.
pub(crate) static ROWS: &[Row] = &[
    Row {
        number: 1,
        name: "128 B, one publisher to one subscriber",
        runs: RUNS,
        kind: Kind::Throughput(ONE_TO_ONE),
        goals: &[at_most(Figure::CpuPerMessage, 0.25), at_least(Figure::MessagesPerSecond, 2.0)],
    },
    Row {
        number: 2,
        name: "128 B, fan-out 1 to 8",
        runs: RUNS,
        kind: Kind::Throughput(Traffic { subscribers: 8, ..ONE_TO_ONE }),
        goals: &[at_most(Figure::CpuPerDelivery, 0.2), at_least(Figure::DeliveriesPerSecond, 2.0)],
    },
    Row {
        number: 3,
        name: "128 B, fan-out 1 to 1,000, two bystanders in request and reply",
        runs: RUNS,
        kind: Kind::Throughput(Traffic { subscribers: 1_000, has_bystanders: true, ..ONE_TO_ONE }),
        goals: &[
            at_most(Figure::CpuPerDelivery, 0.25),
            at_least(Figure::DeliveriesPerSecond, 2.0),
            Goal { figure: Figure::BystanderP99, bound: Bound::Shown },
        ],
    },
    Row {
        number: 4,
        name: "16 B, no subscriber",
        runs: RUNS,
        kind: Kind::Throughput(Traffic { payload_bytes: 16, subscribers: 0, ..ONE_TO_ONE }),
        goals: &[at_most(Figure::CpuPerMessage, 0.25), at_least(Figure::MessagesPerSecond, 2.0)],
    },
    Row {
        number: 5,
        name: "128 B, four publishers to a queue group of four",
        runs: RUNS,
        kind: Kind::Throughput(Traffic { publishers: 4, subscribers: 4, interest: Interest::Queue, ..ONE_TO_ONE }),
        goals: &[at_most(Figure::CpuPerMessage, 0.25), at_least(Figure::MessagesPerSecond, 2.0)],
    },
    Row {
        number: 6,
        name: "128 B, 100,000 subjects to one wildcard beside 100,000 subscriptions",
        runs: RUNS,
        kind: Kind::Throughput(Traffic {
            subjects: 100_000,
            interest: Interest::Wildcard,
            idle_subscriptions: 100_000,
            ..ONE_TO_ONE
        }),
        goals: &[at_most(Figure::CpuPerMessage, 0.2), at_least(Figure::MessagesPerSecond, 2.0)],
    },
    Row {
        number: 7,
        name: "128 B, 1,000 subjects while another connection makes 20,000 SUB/UNSUB pairs a second",
        runs: RUNS,
        kind: Kind::Throughput(Traffic { subjects: 1_000, has_churn: true, ..ONE_TO_ONE }),
        goals: &[
            at_most(Figure::CpuPerMessage, 0.25),
            at_least(Figure::MessagesPerSecond, 2.0),
            at_least(Figure::ChurnPairsPerSecond, 0.95),
        ],
    },
    Row {
        number: 8,
        name: "128 B with headers (HPUB), one to one",
        runs: RUNS,
        kind: Kind::Throughput(Traffic { has_header: true, ..ONE_TO_ONE }),
        goals: &[at_most(Figure::CpuPerMessage, 0.25), at_least(Figure::MessagesPerSecond, 2.0)],
    },
    Row {
        number: 9,
        name: "4 KiB, one to one",
        runs: RUNS,
        kind: Kind::Throughput(Traffic { payload_bytes: 4 * 1024, ..ONE_TO_ONE }),
        goals: &[at_most(Figure::CpuPerMessage, 0.5), at_least(Figure::MessagesPerSecond, 1.3)],
    },
    Row {
        number: 10,
        name: "64 KiB, one to one",
        runs: RUNS,
        kind: Kind::Throughput(Traffic { payload_bytes: 64 * 1024, ..ONE_TO_ONE }),
        goals: &[at_most(Figure::CpuPerMessage, 0.5), at_least(Figure::MessagesPerSecond, 1.3)],
    },
    Row {
        number: 11,
        name: "1 MiB, one to one",
        runs: RUNS,
        kind: Kind::Throughput(Traffic { payload_bytes: 1024 * 1024, ..ONE_TO_ONE }),
        goals: &[at_most(Figure::CpuPerMessage, 0.5), at_least(Figure::MessagesPerSecond, 1.3)],
    },
    Row {
        number: 12,
        name: "128 B over TLS 1.3, one to one",
        runs: RUNS,
        kind: Kind::Throughput(Traffic { is_tls: true, ..ONE_TO_ONE }),
        goals: &[at_most(Figure::CpuPerMessage, 1.0 / 3.0), at_least(Figure::MessagesPerSecond, 1.3)],
    },
    Row {
        number: 13,
        name: "16 B request and reply, one at a time",
        runs: LATENCY_RUNS,
        kind: Kind::RequestReply,
        goals: &[
            at_least(Figure::RequestsPerSecond, 2.0),
            at_most(Figure::P99, 0.5),
            Goal { figure: Figure::P50, bound: Bound::Shown },
            Goal { figure: Figure::P999, bound: Bound::Shown },
            Goal { figure: Figure::CpuPerRequest, bound: Bound::Shown },
        ],
    },
    Row {
        number: 14,
        name: "128 B one way at 100,000 messages/s, from the scheduled time",
        runs: LATENCY_RUNS,
        kind: Kind::OneWay { messages_per_second: 100_000 },
        goals: &[
            at_most(Figure::P99, 0.5),
            Goal { figure: Figure::P50, bound: Bound::Shown },
            Goal { figure: Figure::P999, bound: Bound::Shown },
            Goal { figure: Figure::CpuPerMessage, bound: Bound::Shown },
        ],
    },
    Row {
        number: 16,
        name: "memory of an idle connection with one subscription",
        runs: RUNS,
        kind: Kind::IdleConnections { plain: 10_000, tls: 2_000 },
        goals: &[
            Goal { figure: Figure::BytesPerConnection, bound: Bound::ItselfAtMost(4.0 * 1024.0) },
            at_most(Figure::BytesPerTlsConnection, 0.5),
        ],
    },
    Row {
        number: 17,
        name: "memory of one subscription, of a million",
        runs: RUNS,
        kind: Kind::Subscriptions { count: 1_000_000 },
        goals: &[at_most(Figure::BytesPerSubscription, 0.5)],
    },
    Row {
        number: 18,
        name: "start: from fork to the first INFO",
        runs: START_RUNS,
        kind: Kind::Start,
        goals: &[Goal { figure: Figure::ReadyAfter, bound: Bound::ItselfAtMost(20e6) }],
    },
];

impl Row {
    /// Starts a server, runs the row against it once, and stops it.
    pub(crate) fn run(&self, program: &Program, plan: &Plan) -> Result<Outcome> {
        match &self.kind {
            Kind::Throughput(traffic) => throughput::run(*traffic, program, plan),
            Kind::RequestReply => latency::request_reply(program, plan.span),
            Kind::OneWay { messages_per_second } => latency::one_way(program, plan.span, *messages_per_second),
            Kind::IdleConnections { plain, tls } => memory::idle_connections(program, plan, *plain, *tls),
            Kind::Subscriptions { count } => memory::subscriptions(program, plan, *count),
            Kind::Start => start::run(program),
        }
    }
}

/// The rows with these numbers, in the table's order; all if there are none.
pub(crate) fn chosen(numbers: &[u8]) -> Result<Vec<&'static Row>> {
    for number in numbers {
        ensure!(
            ROWS.iter().any(|row| row.number == *number),
            "there is no row {number}; the soak is a command of its own"
        );
    }
    Ok(ROWS.iter().filter(|row| numbers.is_empty() || numbers.contains(&row.number)).collect())
}

/// Messages a second through one publisher and one subscriber: what the soak takes its rate from.
pub(crate) fn one_to_one_rate(program: &Program, plan: &Plan) -> Result<f64> {
    let outcome = throughput::run(ONE_TO_ONE, program, plan)?;
    Ok(outcome.figures.iter().find(|(figure, _)| *figure == Figure::MessagesPerSecond).map_or(0.0, |(_, rate)| *rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(of: &[u8]) -> Vec<u8> {
        chosen(of).unwrap().iter().map(|row| row.number).collect()
    }

    #[test]
    fn rows_are_numbered_upwards_and_chosen_by_number() {
        let all = numbers(&[]);
        assert_eq!(all.len(), ROWS.len());
        assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
        assert_eq!(numbers(&[9, 1]), [1, 9]);
        let error = chosen(&[1, 15]).err().unwrap();
        assert_eq!(error.to_string(), "there is no row 15; the soak is a command of its own");
    }

    #[test]
    fn every_row_has_a_goal() {
        for row in ROWS {
            assert!(row.goals.iter().any(|goal| goal.bound != Bound::Shown), "row {}", row.number);
        }
    }
}
