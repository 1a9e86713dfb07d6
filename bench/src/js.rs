//! JetStream: Firn, which is always durable, beside the real server twice: as it comes, and with each message synced.
//!
//! ```text
//! run ── compare ── rows ──┬─ loads ──┬─ publish   acks counted and held against what was published
//!        growth ── plot    │          ├─ pull      deliveries, each acknowledged
//!        report            │          └─ layout    streams, subjects, consumers
//! soak ────────────────────┘  column ── api        a server on a store, and requests to it
//!                             store                where the stores lie
//!                             ack, messages        what the server sends, and whether it can be true
//! ```

mod compare;
mod growth;
mod report;
mod soak;

mod rows;

mod layout;
mod loads;
mod publish;
mod pull;

mod ack;
mod api;
mod column;
mod messages;
mod plot;
mod store;

use anyhow::{Result, ensure};

use crate::options::Options;
use crate::proc::Machine;
use crate::report::Subject;
use crate::server::Program;
use crate::{Scale, print, write_json};

use self::column::{Column, Syncing};
use self::compare::{RowResult, compare};
use self::growth::{Growth, TABLES, TableResult};
use self::loads::Plan;
use self::report::Report;
use self::rows::{ROWS, Row};

pub(crate) use self::store::StoreFolder;

/// The servers of a comparison.
pub(crate) struct Columns {
    firn: Column,
    lazy: Column,
    always: Column,
    /// Whether `firn` is Firn. The reference beside itself has no goals to reach.
    has_goals: bool,
}

impl Columns {
    /// Firn, or what stands in its place, and both ways to run the reference.
    pub(crate) fn new(firn: Program, reference: &Program, has_goals: bool) -> Self {
        let named = |name| Program { name, ..reference.clone() };
        Self {
            firn: Column { program: firn, syncing: Syncing::Default },
            lazy: Column { program: named("lazy"), syncing: Syncing::Default },
            always: Column { program: named("always"), syncing: Syncing::Always },
            has_goals,
        }
    }
}

/// Runs the chosen rows and tables, and prints them.
pub(crate) fn run(
    options: &Options,
    columns: &Columns,
    stores: &StoreFolder,
    scale: Scale,
    (machine, firn, reference): (Machine, Subject, Subject),
) -> Result<()> {
    let (rows, tables) = chosen(&options.rows)?;
    let disk = stores.disk()?;
    let plan = Plan { span: scale.span, divisor: scale.divisor.into(), stores };
    let runs = options.runs.or(options.quick.then_some(1));
    let report = Report {
        machine,
        disk,
        firn,
        reference,
        seconds_per_run: scale.span.measured.as_secs_f64(),
        is_quick: options.quick,
        is_pinned: options.pin,
        raw_log_messages_per_second: None,
        rows: rows.iter().map(|row| compare(row, columns, &plan, runs)).collect(),
        growth: tables.iter().map(|table| table.measure(columns, &plan, runs)).collect(),
    };
    print(format_args!("{report}"))?;
    write_json(options.json.as_deref(), &report)?;
    let failed_rows = report.rows.iter().filter(|row| matches!(row.result, RowResult::Failed(_))).count();
    let failed_tables = report.growth.iter().filter(|table| matches!(table.result, TableResult::Failed(_))).count();
    ensure!(failed_rows + failed_tables == 0, "{failed_rows} rows and {failed_tables} tables failed");
    Ok(())
}

/// Loads each server with a bucket's puts for a long time, and prints what came of it.
pub(crate) use self::soak::run as run_soak;

/// The rows and tables with these numbers; all if there are none.
fn chosen(numbers: &[u8]) -> Result<(Vec<&'static Row>, Vec<&'static Growth>)> {
    let known: Vec<u8> = ROWS.iter().map(|row| row.number).chain(TABLES.iter().map(|table| table.number)).collect();
    for number in numbers {
        ensure!(known.contains(number), "there is no row {number}; there are {known:?}");
    }
    let is_chosen = |number: u8| numbers.is_empty() || numbers.contains(&number);
    Ok((
        ROWS.iter().filter(|row| is_chosen(row.number)).collect(),
        TABLES.iter().filter(|table| is_chosen(table.number)).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_tables_are_numbered_upwards_and_chosen_by_number() {
        let numbers = |of: &[u8]| -> Vec<u8> {
            let (rows, tables) = chosen(of).unwrap();
            rows.iter().map(|row| row.number).chain(tables.iter().map(|table| table.number)).collect()
        };
        assert_eq!(numbers(&[]).len(), ROWS.len() + TABLES.len());
        assert!(numbers(&[]).is_sorted_by(|a, b| a < b));
        assert_eq!(numbers(&[12, 3]), [3, 12]);
        assert!(chosen(&[9]).err().unwrap().to_string().starts_with("there is no row 9; there are [1, 2"));
    }
}
