//! How figures grow with what a server holds: tables over streams, consumers, filters, messages and subjects.

use anyhow::{Context, Result};
use serde::Serialize;

use crate::compare::{Verdict, side, verdict};
use crate::figure::{Figure, Unit};
use crate::rows::{Bound, Outcome};
use crate::statistics::ratio;

use super::column::Column;
use super::compare::told;
use super::layout::Layout;
use super::loads::{self, Filter, Plan, SIXTEEN, SUBJECTS_OF_FILTERS};
use super::{Columns, plot};

/// A rate falls by at most 30 % from the first to the last column.
const LEVEL: Bound = Bound::AtLeast(0.7);

/// One table.
pub(super) struct Growth {
    pub(super) number: u8,
    pub(super) name: &'static str,
    /// What the columns count.
    over: &'static str,
    columns: &'static [u64],
    kind: Kind,
    figures: &'static [Figure],
    /// For the last column divided by the first.
    bound: Bound,
    /// Whether the column that syncs each message takes part: filling a store may take it an hour.
    has_always: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Streams,
    Consumers(Filter),
    Filters,
    Messages,
    Subjects { messages: u64 },
    Restart { streams: u64 },
}

/// Every table.
pub(super) static TABLES: &[Growth] = &[
    Growth {
        number: 11,
        name: "publishing over streams, 16 publishers, 64 acks in flight each",
        over: "streams",
        columns: &[1, 100, 10_000],
        kind: Kind::Streams,
        figures: &[Figure::MessagesPerSecond],
        bound: LEVEL,
        has_always: true,
    },
    Growth {
        number: 12,
        name: "publishing over consumers of the stream, each with a filter of its own, of which one matches",
        over: "consumers",
        columns: &[1, 1_000, 100_000],
        kind: Kind::Consumers(Filter::OwnGroup),
        figures: &[Figure::MessagesPerSecond],
        bound: LEVEL,
        has_always: true,
    },
    Growth {
        number: 13,
        name: "publishing over consumers of the stream, all idle on `>`",
        over: "consumers",
        columns: &[1, 1_000, 100_000],
        kind: Kind::Consumers(Filter::All),
        figures: &[Figure::MessagesPerSecond],
        bound: LEVEL,
        has_always: true,
    },
    Growth {
        number: 14,
        name: "pull consumer over its filters, which match half of the stream",
        over: "filters",
        columns: &[1, SUBJECTS_OF_FILTERS],
        kind: Kind::Filters,
        figures: &[Figure::DeliveriesPerSecond],
        bound: LEVEL,
        has_always: true,
    },
    Growth {
        number: 15,
        name: "memory over messages of one subject",
        over: "messages",
        columns: &[100_000, 1_000_000, 10_000_000],
        kind: Kind::Messages,
        figures: &[Figure::MemoryAfterLoad],
        bound: Bound::Shown,
        has_always: false,
    },
    Growth {
        number: 16,
        name: "memory over subjects of a million messages",
        over: "subjects",
        columns: &[1, 1_000, 1_000_000],
        kind: Kind::Subjects { messages: 1_000_000 },
        figures: &[Figure::MemoryAfterLoad],
        bound: Bound::Shown,
        has_always: false,
    },
    Growth {
        number: 17,
        name: "restart over messages in 1,000 streams",
        over: "messages",
        columns: &[30_000, 300_000, 3_000_000],
        kind: Kind::Restart { streams: 1_000 },
        figures: &[Figure::StartAfterStop, Figure::StartAfterCrash],
        bound: Bound::Shown,
        has_always: false,
    },
];

/// A table that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    pub(super) number: u8,
    pub(super) name: &'static str,
    pub(super) over: &'static str,
    /// What the columns count, as many as this run had.
    pub(super) columns: Vec<u64>,
    pub(super) runs: u32,
    #[serde(flatten)]
    pub(super) result: TableResult,
}

/// What came of a table.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TableResult {
    Measured(Vec<Curve>),
    Failed(String),
}

/// One figure of one server over the columns.
#[derive(Debug, Serialize)]
pub(super) struct Curve {
    pub(super) figure: Figure,
    unit: Unit,
    pub(super) server: &'static str,
    pub(super) medians: Vec<f64>,
    pub(super) last_to_first: Option<f64>,
    pub(super) bound: Bound,
    pub(super) verdict: Verdict,
}

impl Growth {
    /// Measures each column on each server.
    pub(super) fn measure(&self, columns: &Columns, plan: &Plan<'_>, runs: Option<u32>) -> Table {
        let runs = runs.unwrap_or(1);
        let sizes: Vec<u64> = self.columns.iter().map(|size| plan.scaled(*size)).collect();
        let result = self.curves(columns, plan, runs, &sizes).map_or_else(
            |error| {
                eprintln!("table {} failed: {error:#}", self.number);
                TableResult::Failed(format!("{error:#}"))
            },
            TableResult::Measured,
        );
        Table { number: self.number, name: self.name, over: self.over, columns: sizes, runs, result }
    }

    fn curves(&self, columns: &Columns, plan: &Plan<'_>, runs: u32, sizes: &[u64]) -> Result<Vec<Curve>> {
        let servers: Vec<&Column> = if self.has_always {
            vec![&columns.firn, &columns.lazy, &columns.always]
        } else {
            vec![&columns.firn, &columns.lazy]
        };
        // By server, then by size.
        let mut outcomes: Vec<Vec<Vec<Outcome>>> =
            servers.iter().map(|_| sizes.iter().map(|_| Vec::new()).collect()).collect();
        for (place, size) in sizes.iter().enumerate() {
            for run in 1..=runs {
                for (server, of_server) in servers.iter().zip(&mut outcomes) {
                    let (number, over, name) = (self.number, self.over, server.program.name);
                    eprintln!("table {number}: {size} {over}, run {run} of {runs} on {name}");
                    let outcome =
                        self.run(server, plan, *size).with_context(|| format!("with {size} {over} on {name}"))?;
                    eprintln!("  {}", told(&outcome));
                    of_server.get_mut(place).context("a place for each size")?.push(outcome);
                }
            }
        }
        let mut curves = Vec::new();
        for figure in self.figures {
            for (index, (server, of_server)) in servers.iter().zip(&outcomes).enumerate() {
                let medians =
                    of_server.iter().map(|of_size| Ok(side(*figure, of_size)?.median)).collect::<Result<Vec<_>>>()?;
                let is_judged = index == 0 && columns.has_goals;
                curves.push(Curve::new(*figure, server.program.name, medians, self.bound, is_judged));
            }
        }
        Ok(curves)
    }

    fn run(&self, column: &Column, plan: &Plan<'_>, size: u64) -> Result<Outcome> {
        match self.kind {
            Kind::Streams => loads::publish(column, plan, &Layout::streams(size), SIXTEEN, false),
            Kind::Consumers(filter) => loads::publish_beside(column, plan, size, filter),
            Kind::Filters => loads::pull_filtered(column, plan, plan.scaled(FILTERED_MESSAGES), size),
            Kind::Messages => loads::memory(column, plan, &Layout::streams(1), size),
            Kind::Subjects { messages } => loads::memory(column, plan, &Layout::subjects(size), plan.scaled(messages)),
            Kind::Restart { streams } => loads::restart(column, plan, plan.scaled(streams), size),
        }
    }
}

/// Messages of the stream that is read through filters.
const FILTERED_MESSAGES: u64 = 500_000;

impl Curve {
    fn new(figure: Figure, server: &'static str, medians: Vec<f64>, bound: Bound, is_judged: bool) -> Self {
        let (first, last) = (medians.first().copied().unwrap_or(0.0), medians.last().copied().unwrap_or(0.0));
        let last_to_first = ratio(last, first);
        let verdict = if is_judged { verdict(bound, last, last_to_first, false) } else { Verdict::None };
        Self { figure, unit: figure.unit(), server, medians, last_to_first, bound, verdict }
    }
}

impl Table {
    /// The bars of one figure: server by server, each over the columns.
    pub(super) fn plot(&self, figure: Figure, curves: &[Curve]) -> String {
        let mut bars = Vec::new();
        for curve in curves.iter().filter(|curve| curve.figure == figure) {
            for (place, (size, median)) in self.columns.iter().zip(&curve.medians).enumerate() {
                let server = if place == 0 { curve.server } else { "" };
                let label = format!("{server} {:>10}", grouped(*size));
                bars.push(plot::Bar { label, value: *median, text: figure.format(*median) });
            }
        }
        format!("{} over {}\n{}", figure.label(), self.over, plot::bars(&bars))
    }
}

/// A whole number with commas between groups of three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(server: &'static str, medians: &[f64], is_judged: bool) -> Curve {
        Curve::new(Figure::MessagesPerSecond, server, medians.to_vec(), LEVEL, is_judged)
    }

    #[test]
    fn a_curve_is_judged_by_its_last_point_over_its_first() {
        fn check(medians: &[f64], is_judged: bool, expected: Verdict) {
            assert_eq!(curve("Firn", medians, is_judged).verdict, expected, "{medians:?}");
        }
        check(&[100.0, 10.0, 70.0], true, Verdict::Met);
        check(&[100.0, 500.0, 69.0], true, Verdict::Missed);
        check(&[100.0, 500.0, 69.0], false, Verdict::None);
        check(&[0.0, 5.0], true, Verdict::None);
    }

    #[test]
    fn a_plot_has_a_bar_for_each_point_and_names_each_server_once() {
        let curves = [curve("Firn", &[4e5, 2e5], true), curve("lazy", &[1e5, 1.0], false)];
        let table = Table {
            number: 11,
            name: "n",
            over: "streams",
            columns: vec![1, 10_000],
            runs: 1,
            result: TableResult::Failed(String::new()),
        };
        let expected = format!(
            "messages per second over streams\n{:>15} │{} 400 k\n{:>15} │{} 200 k\n{:>15} │{} 100 k\n{:>15} │▏ 1.00\n",
            "Firn          1",
            "█".repeat(40),
            "10,000",
            "█".repeat(20),
            "lazy          1",
            "█".repeat(10),
            "10,000",
        );
        assert_eq!(table.plot(Figure::MessagesPerSecond, &curves), expected);
    }

    #[test]
    fn large_numbers_are_grouped() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (10_000_000, "10,000,000")] {
            assert_eq!(grouped(number), expected);
        }
    }
}
