//! The comparison as a Markdown table for people and as JSON for programs.

use std::fmt::{self, Write};

use serde::Serialize;

use crate::compare::{Comparison, Line, RowResult, Verdict};
use crate::proc::Machine;
use crate::rows::Bound;

/// All that a comparison says.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) firn: Subject,
    pub(crate) reference: Subject,
    pub(crate) seconds_per_run: f64,
    pub(crate) is_quick: bool,
    pub(crate) is_pinned: bool,
    pub(crate) rows: Vec<Comparison>,
}

/// A server that was compared.
#[derive(Debug, Serialize)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) path: String,
    pub(crate) version: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, firn, reference, seconds_per_run, is_quick, is_pinned, rows } = self;
        writeln!(f, "Machine: {machine}.  ")?;
        for Subject { name, version, .. } in [firn, reference] {
            writeln!(f, "{name}: version {version}.  ")?;
        }
        let pinned = if *is_pinned { "server and generator pinned to a core each" } else { "nothing pinned" };
        writeln!(f, "Runs alternate; medians; {seconds_per_run} s measured per run of load; {pinned}.")?;
        if *is_quick {
            writeln!(f, "\n**Quick run: proves that the rows work. Its figures mean nothing.**")?;
        }
        writeln!(
            f,
            "\n| # | row | runs | figure | {} | {} | ratio | goal | verdict | generator's cores |",
            firn.name, reference.name
        )?;
        writeln!(f, "|--:|-----|-----:|--------|-----:|----------:|------:|-----:|---------|------------------:|")?;
        rows.iter().try_for_each(|row| write_row(f, row))
    }
}

/// One line per figure; number, name and generator stand on the first.
fn write_row(f: &mut fmt::Formatter<'_>, row: &Comparison) -> fmt::Result {
    let mut heading = format!("| {} | {} | {} |", row.number, row.name, row.runs);
    let (lines, generator_cores) = match &row.result {
        RowResult::Compared { lines, generator_cores } => (lines, generator_cores),
        RowResult::Failed(error) => return writeln!(f, "{heading} {} | | | | | **failed** | |", one_cell(error)),
    };
    let mut generator =
        generator_cores.map_or_else(String::new, |cores| format!("{:.2} / {:.2}", cores.firn, cores.reference));
    for line in lines {
        writeln!(f, "{heading} {} {generator} |", cells(line))?;
        heading.clear();
        heading.push_str("| | | |");
        generator.clear();
    }
    Ok(())
}

/// A text that does not break the table.
pub(crate) fn one_cell(text: &str) -> String {
    text.replace(['\n', '\r'], " ").replace('|', "\\|")
}

fn cells(line: &Line) -> String {
    let figure = line.figure;
    let mut cells = format!(
        "{} | {} | {} |",
        figure.label(),
        figure.format(line.firn.median),
        figure.format(line.reference.median)
    );
    let ratio = line.ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
    let goal = match line.goal {
        Bound::AtMost(ratio) => format!("≤ {ratio:.2}"),
        Bound::AtLeast(ratio) => format!("≥ {ratio:.2}"),
        Bound::ItselfAtMost(value) => format!("itself ≤ {}", figure.format(value)),
        Bound::Shown => String::new(),
    };
    let verdict = verdict_text(line.verdict);
    write!(cells, " {ratio} | {goal} | {verdict} |").expect("a String takes all that is written");
    cells
}

/// A verdict as its cell shows it.
pub(crate) fn verdict_text(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "**missed**",
        Verdict::GeneratorBound => "generator-bound",
        Verdict::None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_row_is_one_line_of_the_table() {
        let result = RowResult::Failed("on Firn: did not start:\nfatal | port".to_owned());
        let report = Report {
            machine: Machine::describe().unwrap(),
            firn: Subject { name: "Firn", path: "f".to_owned(), version: "1".to_owned() },
            reference: Subject { name: "nats-server", path: "n".to_owned(), version: "2".to_owned() },
            seconds_per_run: 3.0,
            is_quick: false,
            is_pinned: false,
            rows: vec![Comparison { number: 1, name: "one", runs: 3, result }],
        };
        let text = report.to_string();
        let table: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        let [heading, _, row] = table.as_slice() else { panic!("{text}") };
        assert_eq!(*row, "| 1 | one | 3 | on Firn: did not start: fatal \\| port | | | | | **failed** | |");
        let columns = |line: &str| line.replace("\\|", "").matches('|').count();
        assert_eq!(columns(heading), columns(row));
    }
}
