//! Runs rows against both servers in turn, and condenses the runs into one line per figure.

use anyhow::{Context, Result};
use serde::Serialize;

use crate::figure::{Figure, Unit};
use crate::rows::{Bound, Goal, Outcome, Plan, Row};
use crate::server::Program;
use crate::statistics::{median, ratio};

/// From here on a generator is called busy: what it cannot do more of, the server cannot show.
pub(crate) const GENERATOR_BOUND_CORES: f64 = 0.9;

/// The two servers of a comparison.
pub(crate) struct Pair {
    pub(crate) firn: Program,
    pub(crate) reference: Program,
    /// Whether `firn` is Firn. The reference beside itself has no goals to reach.
    pub(crate) has_goals: bool,
}

/// A row that was run.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    pub(crate) runs: u32,
    #[serde(flatten)]
    pub(crate) result: RowResult,
}

/// What came of a row. One that fails leaves the others their figures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RowResult {
    Compared { lines: Vec<Line>, generator_cores: Option<GeneratorCores> },
    Failed(String),
}

/// One figure of a row on both sides.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) figure: Figure,
    unit: Unit,
    pub(crate) firn: Side,
    pub(crate) reference: Side,
    pub(crate) ratio: Option<f64>,
    pub(crate) goal: Bound,
    pub(crate) verdict: Verdict,
}

/// One server's figure.
#[derive(Debug, Serialize)]
pub(crate) struct Side {
    pub(crate) median: f64,
    samples: Vec<f64>,
}

/// The load generator's own use of cores, the median of the runs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct GeneratorCores {
    pub(crate) firn: f64,
    pub(crate) reference: f64,
}

/// Whether a goal is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// A rate that misses its goal while the generator had no more to give.
    GeneratorBound,
    /// There is no goal, or no ratio.
    None,
}

/// Runs a row on both servers, alternating. `runs` replaces the row's own number.
pub(crate) fn compare(row: &Row, pair: &Pair, plan: &Plan, runs: Option<u32>) -> Comparison {
    let runs = runs.unwrap_or(row.runs);
    let result = alternate(row, pair, plan, runs).unwrap_or_else(|error| {
        eprintln!("row {} failed: {error:#}", row.number);
        RowResult::Failed(format!("{error:#}"))
    });
    Comparison { number: row.number, name: row.name, runs, result }
}

fn alternate(row: &Row, pair: &Pair, plan: &Plan, runs: u32) -> Result<RowResult> {
    let (mut firn, mut reference) = (Vec::new(), Vec::new());
    for run in 1..=runs {
        for (program, outcomes) in [(&pair.firn, &mut firn), (&pair.reference, &mut reference)] {
            eprintln!("row {}: {}, run {run} of {runs} on {}", row.number, row.name, program.name);
            outcomes.push(row.run(program, plan).with_context(|| format!("on {}", program.name))?);
        }
    }
    let generator_cores = generator_median(&firn)
        .zip(generator_median(&reference))
        .map(|(firn, reference)| GeneratorCores { firn, reference });
    let mut lines =
        row.goals.iter().map(|goal| line(goal, &firn, &reference, generator_cores)).collect::<Result<Vec<_>>>()?;
    if !pair.has_goals {
        lines.iter_mut().for_each(|line| line.verdict = Verdict::None);
    }
    Ok(RowResult::Compared { lines, generator_cores })
}

fn line(goal: &Goal, firn: &[Outcome], reference: &[Outcome], cores: Option<GeneratorCores>) -> Result<Line> {
    let firn = side(goal.figure, firn)?;
    let reference = side(goal.figure, reference)?;
    let ratio = ratio(firn.median, reference.median);
    let is_generator_bound = goal.figure.is_rate_under_load()
        && cores.is_some_and(|cores| {
            let of_the_faster = if firn.median >= reference.median { cores.firn } else { cores.reference };
            of_the_faster >= GENERATOR_BOUND_CORES
        });
    let verdict = verdict(goal.bound, firn.median, ratio, is_generator_bound);
    Ok(Line { figure: goal.figure, unit: goal.figure.unit(), firn, reference, ratio, goal: goal.bound, verdict })
}

/// A figure over the runs of one server.
///
/// # Errors
/// No run measured it.
pub(crate) fn side(figure: Figure, outcomes: &[Outcome]) -> Result<Side> {
    let samples: Vec<f64> = outcomes
        .iter()
        .filter_map(|outcome| outcome.figures.iter().find(|(found, _)| *found == figure).map(|(_, value)| *value))
        .collect();
    let median = median(&samples).with_context(|| format!("no run measured the {}", figure.label()))?;
    Ok(Side { median, samples })
}

/// The load generator's use of cores over the runs of one server.
pub(crate) fn generator_median(outcomes: &[Outcome]) -> Option<f64> {
    let cores: Vec<f64> = outcomes.iter().filter_map(|outcome| outcome.generator_cores).collect();
    median(&cores)
}

/// Holds a figure, and its ratio to the reference's, against a goal.
pub(crate) fn verdict(bound: Bound, itself: f64, ratio: Option<f64>, is_generator_bound: bool) -> Verdict {
    let is_met = match (bound, ratio) {
        (Bound::AtMost(goal), Some(ratio)) => ratio <= goal,
        (Bound::AtLeast(goal), Some(ratio)) => ratio >= goal,
        (Bound::ItselfAtMost(goal), _) => itself <= goal,
        (Bound::AtMost(_) | Bound::AtLeast(_), None) | (Bound::Shown, _) => return Verdict::None,
    };
    match (is_met, is_generator_bound) {
        (true, _) => Verdict::Met,
        (false, true) => Verdict::GeneratorBound,
        (false, false) => Verdict::Missed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_missed_or_beyond_the_generator() {
        fn check(bound: Bound, ratio: f64, is_generator_bound: bool, expected: Verdict) {
            assert_eq!(verdict(bound, 300.0, Some(ratio), is_generator_bound), expected, "{bound:?} {ratio}");
        }
        check(Bound::AtMost(0.25), 0.25, false, Verdict::Met);
        check(Bound::AtMost(0.25), 0.26, false, Verdict::Missed);
        check(Bound::AtLeast(2.0), 2.0, true, Verdict::Met);
        check(Bound::AtLeast(2.0), 1.9, false, Verdict::Missed);
        check(Bound::AtLeast(2.0), 1.9, true, Verdict::GeneratorBound);
        check(Bound::ItselfAtMost(300.0), 7.0, false, Verdict::Met);
        check(Bound::ItselfAtMost(299.0), 0.1, false, Verdict::Missed);
        check(Bound::Shown, 7.0, false, Verdict::None);
        assert_eq!(verdict(Bound::AtMost(1.0), 300.0, None, false), Verdict::None);
    }

    fn run(cpu: f64, rate: f64, cores: f64) -> Outcome {
        Outcome {
            figures: vec![(Figure::CpuPerMessage, cpu), (Figure::MessagesPerSecond, rate)],
            generator_cores: Some(cores),
        }
    }

    const CPU: Goal = Goal { figure: Figure::CpuPerMessage, bound: Bound::AtMost(0.25) };
    const RATE: Goal = Goal { figure: Figure::MessagesPerSecond, bound: Bound::AtLeast(2.0) };

    #[test]
    fn a_line_compares_the_medians_of_both_sides() {
        let firn = [run(100.0, 5e6, 0.5), run(900.0, 1e6, 0.4), run(110.0, 6e6, 0.6)];
        let reference = [run(500.0, 1e6, 0.2), run(440.0, 2e6, 0.1), run(400.0, 3e6, 0.1)];
        let line = line(&CPU, &firn, &reference, None).unwrap();
        assert_eq!((line.firn.median, line.reference.median), (110.0, 440.0));
        assert_eq!((line.ratio, line.verdict), (Some(0.25), Verdict::Met));
    }

    #[test]
    fn only_the_generator_of_the_faster_side_bounds_a_rate_and_never_the_cpu() {
        let firn = [run(200.0, 3e6, 0.95)];
        let reference = [run(400.0, 2e6, 0.3)];
        let busy = Some(GeneratorCores { firn: 0.95, reference: 0.3 });
        assert_eq!(line(&RATE, &firn, &reference, busy).unwrap().verdict, Verdict::GeneratorBound);
        assert_eq!(line(&CPU, &firn, &reference, busy).unwrap().verdict, Verdict::Missed);
        let idle = Some(GeneratorCores { firn: 0.3, reference: 0.95 });
        assert_eq!(line(&RATE, &firn, &reference, idle).unwrap().verdict, Verdict::Missed);
        let swapped = line(&RATE, &reference, &firn, Some(GeneratorCores { firn: 0.3, reference: 0.95 })).unwrap();
        assert_eq!(swapped.verdict, Verdict::GeneratorBound);
    }

    #[test]
    fn a_figure_that_no_run_measured_is_an_error() {
        let goal = Goal { figure: Figure::P99, bound: Bound::Shown };
        let error = line(&goal, &[run(1.0, 1.0, 0.1)], &[run(1.0, 1.0, 0.1)], None).unwrap_err();
        assert_eq!(error.to_string(), "no run measured the latency p99");
    }
}
