//! The JetStream comparison as Markdown tables and plots for people, and as JSON for programs.

use std::fmt;

use serde::Serialize;

use crate::compare::Verdict;
use crate::figure::Figure;
use crate::proc::Machine;
use crate::report::{Subject, one_cell, verdict_text};
use crate::rows::Bound;

use super::compare::{Comparison, Line, RowResult};
use super::growth::{Curve, Table, TableResult, grouped};
use super::rows::Against;
use super::store::Disk;

/// All that a comparison says.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) disk: Disk,
    pub(super) firn: Subject,
    pub(super) reference: Subject,
    pub(super) seconds_per_run: f64,
    pub(super) is_quick: bool,
    pub(super) is_pinned: bool,
    /// What the bare log does with the messages of row 1, from the program that measures it; not measured here.
    pub(super) raw_log_messages_per_second: Option<f64>,
    pub(super) rows: Vec<Comparison>,
    pub(super) growth: Vec<Table>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Machine: {}.  ", self.machine)?;
        writeln!(f, "Disk: {}.  ", self.disk)?;
        for Subject { name, version, .. } in [&self.firn, &self.reference] {
            writeln!(f, "{name}: version {version}.  ")?;
        }
        let pinned = if self.is_pinned { "server and generator pinned to a core each" } else { "nothing pinned" };
        writeln!(
            f,
            "lazy: nats-server as it comes; always: with `sync_interval: always`. Messages of 128 B, file storage.  \n\
             Runs alternate; medians; {} s measured per run of load; {pinned}.",
            self.seconds_per_run
        )?;
        if self.is_quick {
            writeln!(f, "\n**Quick run: proves that the rows work. Its figures mean nothing.**")?;
        }
        if !self.rows.is_empty() {
            write_rows(f, self.firn.name, &self.rows)?;
        }
        self.growth.iter().try_for_each(|table| write_table(f, table))
    }
}

fn write_rows(f: &mut fmt::Formatter<'_>, firn: &str, rows: &[Comparison]) -> fmt::Result {
    writeln!(
        f,
        "\n| # | row | runs | figure | {firn} | lazy | always | to lazy | to always | goal | verdict | generator's cores |"
    )?;
    writeln!(
        f,
        "|--:|-----|-----:|--------|-----:|-----:|-------:|--------:|----------:|-----:|---------|------------------:|"
    )?;
    rows.iter().try_for_each(|row| write_row(f, row))
}

/// One line per figure; number, name and generator stand on the first.
fn write_row(f: &mut fmt::Formatter<'_>, row: &Comparison) -> fmt::Result {
    let runs = if row.runs == row.always_runs {
        row.runs.to_string()
    } else {
        format!("{0}, {0}, {1}", row.runs, row.always_runs)
    };
    let mut heading = format!("| {} | {} | {runs} |", row.number, row.name);
    let (lines, cores) = match &row.result {
        RowResult::Compared { lines, generator_cores } => (lines, generator_cores),
        RowResult::Failed(error) => return writeln!(f, "{heading} {} | | | | | | | **failed** | |", one_cell(error)),
    };
    let mut generator = match (cores.firn, cores.lazy, cores.always) {
        (None, None, None) => String::new(),
        (firn, lazy, always) => {
            [firn, lazy, always].map(|cores| optional(cores, |cores| format!("{cores:.2}"))).join(" / ")
        }
    };
    for line in lines {
        writeln!(f, "{heading} {} {generator} |", cells(line))?;
        heading.clear();
        heading.push_str("| | | |");
        generator.clear();
    }
    Ok(())
}

fn cells(line: &Line) -> String {
    let sides = [&line.sides.firn, &line.sides.lazy, &line.sides.always];
    let [firn, lazy, always] =
        sides.map(|side| optional(side.as_ref().map(|side| side.median), |median| line.figure.format(median)));
    let [to_lazy, to_always] = [line.to_lazy, line.to_always].map(|to| optional(to, |ratio| format!("{ratio:.2}")));
    let against = match line.against {
        Against::Lazy => "lazy",
        Against::Always => "always",
    };
    let goal = goal(line.goal, line.figure, against);
    let verdict = verdict_text(line.verdict);
    format!("{} | {firn} | {lazy} | {always} | {to_lazy} | {to_always} | {goal} | {verdict} |", line.figure.label())
}

fn goal(bound: Bound, figure: Figure, against: &str) -> String {
    match bound {
        Bound::AtMost(ratio) => format!("≤ {ratio:.2} {against}"),
        Bound::AtLeast(ratio) => format!("≥ {ratio:.2} {against}"),
        Bound::ItselfAtMost(value) => format!("itself ≤ {}", figure.format(value)),
        Bound::Shown => String::new(),
    }
}

fn optional(value: Option<f64>, format: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), format)
}

/// A table and a plot for each of its figures.
fn write_table(f: &mut fmt::Formatter<'_>, table: &Table) -> fmt::Result {
    writeln!(f, "\n**{}. {}**", table.number, table.name)?;
    let curves = match &table.result {
        TableResult::Measured(curves) => curves,
        TableResult::Failed(error) => return writeln!(f, "\n**failed**: {error}"),
    };
    let sizes: Vec<String> = table.columns.iter().map(|size| grouped(*size)).collect();
    writeln!(f, "\n| over {} | | {} | last / first | goal | verdict |", table.over, sizes.join(" | "))?;
    writeln!(f, "|---|---|{}-----:|-----:|---|", "-----:|".repeat(sizes.len()))?;
    curves.iter().try_for_each(|curve| write_curve(f, curve))?;
    let mut figures: Vec<Figure> = curves.iter().map(|curve| curve.figure).collect();
    figures.dedup();
    for figure in figures {
        writeln!(f, "\n```text\n{}```", table.plot(figure, curves))?;
    }
    Ok(())
}

fn write_curve(f: &mut fmt::Formatter<'_>, curve: &Curve) -> fmt::Result {
    let medians: Vec<String> = curve.medians.iter().map(|median| curve.figure.format(*median)).collect();
    let last_to_first = optional(curve.last_to_first, |ratio| format!("{ratio:.2}"));
    let is_judged = curve.verdict != Verdict::None;
    writeln!(
        f,
        "| {} | {} | {} | {last_to_first} | {} | {} |",
        curve.figure.label(),
        curve.server,
        medians.join(" | "),
        if is_judged { goal(curve.bound, curve.figure, "").trim_end().to_owned() } else { String::new() },
        verdict_text(curve.verdict)
    )
}
