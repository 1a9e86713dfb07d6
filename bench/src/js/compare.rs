//! Runs the rows on the three columns in turn, and condenses the runs into one line per figure.

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::compare::{GENERATOR_BOUND_CORES, Side, Verdict, generator_median, side, verdict};
use crate::figure::{Figure, Unit};
use crate::rows::{Bound, Outcome};
use crate::statistics::ratio;

use super::Columns;
use super::loads::Plan;
use super::rows::{Against, Goal, Row};

/// A row that was run.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    pub(super) number: u8,
    pub(super) name: &'static str,
    pub(super) runs: u32,
    pub(super) always_runs: u32,
    #[serde(flatten)]
    pub(super) result: RowResult,
}

/// What came of a row. One that fails leaves the others their figures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RowResult {
    Compared { lines: Vec<Line>, generator_cores: Three<Option<f64>> },
    Failed(String),
}

/// Something of each column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Three<T> {
    pub(super) firn: T,
    pub(super) lazy: T,
    pub(super) always: T,
}

/// One figure of a row.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) figure: Figure,
    unit: Unit,
    /// `None` where a server does not say.
    pub(super) sides: Three<Option<Side>>,
    pub(super) to_lazy: Option<f64>,
    pub(super) to_always: Option<f64>,
    pub(super) goal: Bound,
    pub(super) against: Against,
    pub(super) verdict: Verdict,
}

/// Runs a row on each column, alternating. `runs` replaces the row's own number.
pub(super) fn compare(row: &Row, columns: &Columns, plan: &Plan<'_>, runs: Option<u32>) -> Comparison {
    let always_runs = runs.unwrap_or(row.always_runs);
    let runs = runs.unwrap_or(row.runs);
    let result = alternate(row, columns, plan, runs, always_runs).unwrap_or_else(|error| {
        eprintln!("row {} failed: {error:#}", row.number);
        RowResult::Failed(format!("{error:#}"))
    });
    Comparison { number: row.number, name: row.name, runs, always_runs, result }
}

fn alternate(row: &Row, columns: &Columns, plan: &Plan<'_>, runs: u32, always_runs: u32) -> Result<RowResult> {
    let mut outcomes: Three<Vec<Outcome>> = Three::default();
    for run in 1..=runs {
        for (column, of_column, runs) in [
            (&columns.firn, &mut outcomes.firn, runs),
            (&columns.lazy, &mut outcomes.lazy, runs),
            (&columns.always, &mut outcomes.always, always_runs),
        ] {
            if run <= runs {
                let name = column.program.name;
                eprintln!("row {}: {}, run {run} of {runs} on {name}", row.number, row.name);
                let outcome = row.run(column, plan).with_context(|| format!("on {name}"))?;
                eprintln!("  {}", told(&outcome));
                of_column.push(outcome);
            }
        }
    }
    let generator_cores = outcomes.map(|outcomes| generator_median(outcomes));
    let mut lines = Vec::new();
    for goal in row.goals {
        lines.extend(line(goal, &outcomes, generator_cores, columns.has_goals)?);
    }
    Ok(RowResult::Compared { lines, generator_cores })
}

/// The figures of one run: a comparison takes hours, and whoever waits sees what it finds.
pub(super) fn told(outcome: &Outcome) -> String {
    let figures = outcome.figures.iter().map(|(figure, value)| format!("{} {}", figure.label(), figure.format(*value)));
    figures.collect::<Vec<_>>().join(", ")
}

/// `None` for a figure that is only shown and that no server has.
fn line(
    goal: &Goal,
    outcomes: &Three<Vec<Outcome>>,
    cores: Three<Option<f64>>,
    has_goals: bool,
) -> Result<Option<Line>> {
    let Goal { figure, bound, against } = *goal;
    let sides = outcomes.map(|outcomes| side(figure, outcomes).ok());
    let medians = sides.map(|side| side.as_ref().map(|side| side.median));
    if medians == Three::default() && bound == Bound::Shown {
        return Ok(None);
    }
    let compared = match against {
        Against::Lazy => (medians.lazy, cores.lazy),
        Against::Always => (medians.always, cores.always),
    };
    ensure!(
        bound == Bound::Shown || (medians.firn.is_some() && compared.0.is_some()),
        "no run measured the {}",
        figure.label()
    );
    let to = |reference: Option<f64>| medians.firn.zip(reference).and_then(|(firn, other)| ratio(firn, other));
    let (to_lazy, to_always) = (to(medians.lazy), to(medians.always));
    let of_the_faster = if medians.firn >= compared.0 { cores.firn } else { compared.1 };
    let is_generator_bound =
        figure.is_rate_under_load() && of_the_faster.is_some_and(|cores| cores >= GENERATOR_BOUND_CORES);
    let verdict = match medians.firn {
        Some(firn) if has_goals => verdict(bound, firn, to(compared.0), is_generator_bound),
        _ => Verdict::None,
    };
    Ok(Some(Line { figure, unit: figure.unit(), sides, to_lazy, to_always, goal: bound, against, verdict }))
}

impl<T> Three<T> {
    fn map<U>(&self, map: impl Fn(&T) -> U) -> Three<U> {
        Three { firn: map(&self.firn), lazy: map(&self.lazy), always: map(&self.always) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(figure: Figure, firn: &[f64], lazy: &[f64], always: &[f64]) -> Three<Vec<Outcome>> {
        let of = |values: &[f64]| -> Vec<Outcome> {
            values.iter().map(|value| Outcome { figures: vec![(figure, *value)], generator_cores: Some(0.5) }).collect()
        };
        Three { firn: of(firn), lazy: of(lazy), always: of(always) }
    }

    fn goal(figure: Figure, bound: Bound, against: Against) -> Goal {
        Goal { figure, bound, against }
    }

    #[test]
    fn a_goal_is_held_against_the_column_it_names() {
        let outcomes = outcomes(Figure::P50, &[80.0, 90.0, 70.0], &[40.0], &[100.0]);
        let verdict = |against| {
            let goal = goal(Figure::P50, Bound::AtMost(0.8), against);
            let line = line(&goal, &outcomes, Three::default(), true).unwrap().unwrap();
            assert_eq!((line.to_lazy, line.to_always), (Some(2.0), Some(0.8)));
            line.verdict
        };
        assert_eq!((verdict(Against::Lazy), verdict(Against::Always)), (Verdict::Missed, Verdict::Met));
    }

    #[test]
    fn a_figure_that_is_only_shown_may_be_missing() {
        let other = outcomes(Figure::P50, &[1.0], &[1.0], &[]);
        let at = |bound| line(&goal(Figure::MessagesPerSync, bound, Against::Lazy), &other, Three::default(), true);
        assert!(at(Bound::Shown).unwrap().is_none());
        assert_eq!(at(Bound::AtMost(1.0)).unwrap_err().to_string(), "no run measured the messages per sync");
        let firn_only = outcomes(Figure::MessagesPerSync, &[32.0], &[], &[]);
        let shown = goal(Figure::MessagesPerSync, Bound::Shown, Against::Lazy);
        let line = line(&shown, &firn_only, Three::default(), true).unwrap().unwrap();
        assert_eq!((line.to_lazy, line.verdict), (None, Verdict::None));
    }

    #[test]
    fn a_rate_is_bound_by_the_generator_of_the_faster_side() {
        let outcomes = outcomes(Figure::MessagesPerSecond, &[2e5], &[1e5], &[1e3]);
        let goal = goal(Figure::MessagesPerSecond, Bound::AtLeast(5.0), Against::Lazy);
        let verdict = |firn, lazy, has_goals| {
            let cores = Three { firn: Some(firn), lazy: Some(lazy), always: None };
            line(&goal, &outcomes, cores, has_goals).unwrap().unwrap().verdict
        };
        assert_eq!(verdict(0.95, 0.2, true), Verdict::GeneratorBound);
        assert_eq!(verdict(0.2, 0.95, true), Verdict::Missed);
        assert_eq!(verdict(0.2, 0.2, false), Verdict::None);
    }
}
