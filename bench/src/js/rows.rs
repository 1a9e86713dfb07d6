//! The rows of the JetStream comparison and their goals, as one table.

use anyhow::Result;
use serde::Serialize;

use crate::figure::Figure;
use crate::rows::{Bound, Outcome};

use super::column::Column;
use super::layout::Layout;
use super::loads::{self, ONE, Plan, SIXTEEN};

/// One row: what is done, and what Firn's figures should be beside the reference's.
pub(super) struct Row {
    pub(super) number: u8,
    pub(super) name: &'static str,
    pub(super) runs: u32,
    /// Runs of the column that syncs each message: fewer where a load of fixed size takes it minutes.
    pub(super) always_runs: u32,
    kind: Kind,
    pub(super) goals: &'static [Goal],
}

/// A figure of a row, in the order of its lines. A figure that is only shown may be missing: not every server has it.
pub(super) struct Goal {
    pub(super) figure: Figure,
    pub(super) bound: Bound,
    pub(super) against: Against,
}

/// The column that a goal compares with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Against {
    Lazy,
    Always,
}

enum Kind {
    PublishToOneStream,
    PublishToStreams { streams: u64 },
    PublishOneAtATime,
    Bucket { keys: u64 },
    BucketMemory { keys: u64 },
    Pull { messages: u64 },
    CreateStreams { streams: u64 },
    Restart { streams: u64, messages: u64 },
}

const fn at_most(figure: Figure, ratio: f64, against: Against) -> Goal {
    Goal { figure, bound: Bound::AtMost(ratio), against }
}

const fn at_least(figure: Figure, ratio: f64, against: Against) -> Goal {
    Goal { figure, bound: Bound::AtLeast(ratio), against }
}

const fn shown(figure: Figure) -> Goal {
    Goal { figure, bound: Bound::Shown, against: Against::Lazy }
}

const RUNS: u32 = 3;
const LATENCY_RUNS: u32 = 7;

/// Every row of the comparison. Growth and soak are tables of their own.
pub(super) static ROWS: &[Row] = &[
    Row {
        number: 1,
        name: "one publisher, 256 acks in flight",
        runs: RUNS,
        always_runs: RUNS,
        kind: Kind::PublishToOneStream,
        goals: &[
            at_least(Figure::MessagesPerSecond, 1.2, Against::Lazy),
            at_most(Figure::CpuPerMessage, 0.5, Against::Lazy),
            shown(Figure::MessagesPerSync),
        ],
    },
    Row {
        number: 2,
        name: "16 publishers, 64 acks in flight each, 1,000 streams",
        runs: RUNS,
        always_runs: RUNS,
        kind: Kind::PublishToStreams { streams: 1_000 },
        goals: &[
            at_least(Figure::MessagesPerSecond, 5.0, Against::Lazy),
            at_most(Figure::MemoryAfterLoad, 0.2, Against::Lazy),
            shown(Figure::CpuPerMessage),
            shown(Figure::MessagesPerSync),
        ],
    },
    Row {
        number: 3,
        name: "one at a time",
        runs: LATENCY_RUNS,
        always_runs: LATENCY_RUNS,
        kind: Kind::PublishOneAtATime,
        goals: &[
            at_most(Figure::P50, 0.8, Against::Always),
            at_most(Figure::P99, 0.5, Against::Always),
            shown(Figure::P999),
            shown(Figure::CpuPerMessage),
        ],
    },
    Row {
        number: 4,
        name: "KV of 100,000 keys, history 1, 256 acks in flight",
        runs: RUNS,
        always_runs: RUNS,
        kind: Kind::Bucket { keys: 100_000 },
        goals: &[at_least(Figure::MessagesPerSecond, 2.0, Against::Lazy), shown(Figure::CpuPerMessage)],
    },
    Row {
        number: 5,
        name: "KV of a million keys",
        runs: RUNS,
        always_runs: 1,
        kind: Kind::BucketMemory { keys: 1_000_000 },
        goals: &[at_most(Figure::MemoryAfterLoad, 0.5, Against::Lazy)],
    },
    Row {
        number: 6,
        name: "pull consumer, batches of 500, explicit ack, 500,000 messages",
        runs: RUNS,
        always_runs: RUNS,
        kind: Kind::Pull { messages: 500_000 },
        goals: &[
            at_least(Figure::DeliveriesPerSecond, 2.0, Against::Lazy),
            at_most(Figure::CpuPerDelivery, 1.0 / 3.0, Against::Lazy),
        ],
    },
    Row {
        number: 7,
        name: "creating 1,000 streams, one at a time",
        runs: RUNS,
        always_runs: RUNS,
        kind: Kind::CreateStreams { streams: 1_000 },
        goals: &[at_most(Figure::CreationTime, 0.3, Against::Lazy)],
    },
    Row {
        number: 8,
        name: "restart with 3 million messages in 1,000 streams",
        runs: RUNS,
        always_runs: 1,
        kind: Kind::Restart { streams: 1_000, messages: 3_000_000 },
        goals: &[
            at_most(Figure::StartAfterStop, 0.25, Against::Lazy),
            at_most(Figure::StartAfterCrash, 0.25, Against::Lazy),
        ],
    },
];

impl Row {
    /// Runs the row once on a fresh store.
    pub(super) fn run(&self, column: &Column, plan: &Plan<'_>) -> Result<Outcome> {
        match self.kind {
            Kind::PublishToOneStream => loads::publish(column, plan, &Layout::streams(1), ONE, false),
            Kind::PublishToStreams { streams } => {
                loads::publish(column, plan, &Layout::streams(plan.scaled(streams)), SIXTEEN, true)
            }
            Kind::PublishOneAtATime => loads::publish_one_at_a_time(column, plan),
            Kind::Bucket { keys } => loads::publish(column, plan, &Layout::bucket(plan.scaled(keys)), ONE, false),
            Kind::BucketMemory { keys } => {
                let keys = plan.scaled(keys);
                loads::memory(column, plan, &Layout::bucket(keys), keys)
            }
            Kind::Pull { messages } => loads::pull(column, plan, plan.scaled(messages)),
            Kind::CreateStreams { streams } => loads::create_streams(column, plan, plan.scaled(streams)),
            Kind::Restart { streams, messages } => {
                loads::restart(column, plan, plan.scaled(streams), plan.scaled(messages))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_goal_and_runs_on_both_references() {
        for row in ROWS {
            assert!(row.goals.iter().any(|goal| goal.bound != Bound::Shown), "row {}", row.number);
            assert!((1..=row.runs).contains(&row.always_runs), "row {}", row.number);
        }
    }
}
