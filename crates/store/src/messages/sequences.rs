//! The sequences of one subject, in order.
//!
//! Numbers are kept as distances from the first of their run, four bytes each. A run has at most 256 of them; most
//! subjects have one run, and a subject of a million messages a few thousand. So the oldest, the newest and any other one
//! is removed by moving at most one run's numbers, and none is looked for by scanning.
//!
//! Invariants: numbers rise, within a run and from run to run; no run is empty.

use std::collections::VecDeque;

#[derive(Debug)]
pub(super) enum Sequences {
    One(Run),
    Many(Box<Runs>),
}

#[derive(Debug)]
pub(super) struct Run {
    base: u64,
    distances: Vec<u32>,
}

#[derive(Debug)]
pub(super) struct Runs {
    runs: VecDeque<Run>,
}

/// Most numbers in a run.
const RUN_MAX: usize = 256;

/// A run of fewer is joined with the next one, if both together are not nearly full.
const RUN_MIN: usize = 32;

impl Sequences {
    /// Ascending numbers.
    pub(super) fn new(first: [u64; 2]) -> Self {
        let mut sequences = Sequences::One(Run { base: 0, distances: Vec::with_capacity(4) });
        first.into_iter().for_each(|sequence| sequences.push(sequence));
        sequences
    }

    /// The number is above all others. O(1).
    pub(super) fn push(&mut self, sequence: u64) {
        match self {
            Sequences::One(run) => {
                if !run.push(sequence) {
                    let empty = Run { base: 0, distances: Vec::new() };
                    let full = std::mem::replace(run, empty);
                    let mut runs = Runs { runs: VecDeque::from([full]) };
                    runs.push(sequence);
                    *self = Sequences::Many(Box::new(runs));
                }
            }
            Sequences::Many(runs) => runs.push(sequence),
        }
    }

    /// Whether it was there. O(log), and what it takes to move at most 256 numbers.
    pub(super) fn remove(&mut self, sequence: u64) -> bool {
        match self {
            Sequences::One(run) => run.remove(sequence),
            Sequences::Many(runs) => runs.remove(sequence),
        }
    }

    pub(super) fn first(&self) -> Option<u64> {
        self.at_or_after(0)
    }

    pub(super) fn last(&self) -> Option<u64> {
        self.at_or_before(u64::MAX)
    }

    /// O(log).
    pub(super) fn at_or_after(&self, from: u64) -> Option<u64> {
        match self {
            Sequences::One(run) => run.at_or_after(from),
            Sequences::Many(runs) => {
                let position = runs.runs.partition_point(|run| run.last() < from);
                runs.runs.get(position)?.at_or_after(from)
            }
        }
    }

    /// O(log).
    pub(super) fn at_or_before(&self, from: u64) -> Option<u64> {
        match self {
            Sequences::One(run) => run.at_or_before(from),
            Sequences::Many(runs) => {
                let position = runs.runs.partition_point(|run| run.first() <= from);
                runs.runs.get(position.checked_sub(1)?)?.at_or_before(from)
            }
        }
    }

    /// How many are `from` or above. O(log) in a run, O(runs) over them.
    pub(super) fn count(&self, from: u64) -> usize {
        match self {
            Sequences::One(run) => run.count(from),
            Sequences::Many(runs) => {
                let position = runs.runs.partition_point(|run| run.last() < from);
                let partly = runs.runs.get(position).map_or(0, |run| run.count(from));
                let behind = (position + 1).min(runs.runs.len());
                partly + runs.runs.range(behind..).map(|run| run.distances.len()).sum::<usize>()
            }
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Sequences::One(run) => run.distances.capacity() * 4,
            Sequences::Many(runs) => {
                let numbers: usize = runs.runs.iter().map(|run| run.distances.capacity() * 4).sum();
                size_of::<Runs>() + runs.runs.capacity() * size_of::<Run>() + numbers
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        let (one, many) = match self {
            Sequences::One(run) => (Some(run), None),
            Sequences::Many(runs) => (None, Some(&runs.runs)),
        };
        let runs = one.into_iter().chain(many.into_iter().flatten());
        runs.flat_map(|run| run.distances.iter().map(move |distance| run.base + u64::from(*distance)))
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.iter().is_sorted_by(|a, b| a < b), "sequences rise");
        if let Sequences::Many(runs) = self {
            assert!(runs.runs.iter().all(|run| !run.distances.is_empty()), "no run is empty");
        }
    }
}

impl Runs {
    fn push(&mut self, sequence: u64) {
        if !self.runs.back_mut().is_some_and(|run| run.push(sequence)) {
            let mut distances = Vec::with_capacity(RUN_MAX / 4);
            distances.push(0);
            self.runs.push_back(Run { base: sequence, distances });
        }
    }

    fn remove(&mut self, sequence: u64) -> bool {
        let position = self.runs.partition_point(|run| run.last() < sequence);
        let Some(run) = self.runs.get_mut(position) else { return false };
        if !run.remove(sequence) {
            return false;
        }
        let left = run.distances.len();
        if left == 0 {
            self.runs.remove(position);
        } else if left < RUN_MIN {
            self.join(position);
        }
        true
    }

    /// Moves a short run to the front of the one behind it.
    fn join(&mut self, position: usize) {
        let (Some(run), Some(behind)) = (self.runs.get(position), self.runs.get(position + 1)) else { return };
        let is_near = u32::try_from(behind.last() - run.base).is_ok();
        if !is_near || run.distances.len() + behind.distances.len() > RUN_MAX / 2 {
            return;
        }
        let base = run.base;
        let numbers = run.iter().chain(behind.iter());
        let distances = numbers.filter_map(|sequence| u32::try_from(sequence - base).ok()).collect();
        self.runs.remove(position + 1);
        if let Some(run) = self.runs.get_mut(position) {
            run.distances = distances;
        }
    }
}

impl Run {
    /// Whether there was room for it.
    fn push(&mut self, sequence: u64) -> bool {
        if self.distances.is_empty() {
            self.base = sequence;
        }
        match u32::try_from(sequence - self.base) {
            Ok(distance) if self.distances.len() < RUN_MAX => {
                self.distances.push(distance);
                true
            }
            _ => false,
        }
    }

    fn remove(&mut self, sequence: u64) -> bool {
        let index = self.below(sequence);
        if self.get(index) != Some(sequence) {
            return false;
        }
        self.distances.remove(index);
        true
    }

    fn at_or_after(&self, from: u64) -> Option<u64> {
        self.get(self.below(from))
    }

    fn at_or_before(&self, from: u64) -> Option<u64> {
        let index = match from.checked_add(1) {
            Some(above) => self.below(above),
            None => self.distances.len(),
        };
        self.get(index.checked_sub(1)?)
    }

    fn count(&self, from: u64) -> usize {
        self.distances.len() - self.below(from)
    }

    /// How many are below `sequence`.
    fn below(&self, sequence: u64) -> usize {
        let Some(distance) = sequence.checked_sub(self.base) else { return 0 };
        match u32::try_from(distance) {
            Ok(distance) => self.distances.partition_point(|one| *one < distance),
            Err(_) => self.distances.len(),
        }
    }

    fn get(&self, index: usize) -> Option<u64> {
        self.distances.get(index).map(|distance| self.base + u64::from(*distance))
    }

    fn first(&self) -> u64 {
        self.get(0).unwrap_or(self.base)
    }

    fn last(&self) -> u64 {
        self.distances.last().map_or(self.base, |distance| self.base + u64::from(*distance))
    }

    fn iter(&self) -> impl Iterator<Item = u64> {
        self.distances.iter().map(|distance| self.base + u64::from(*distance))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn sequences_are_an_ordered_set(
            steps in prop::collection::vec((1..1000_u64, 0..3_usize), 3..1500),
            is_far in any::<bool>(),
            removals in prop::collection::vec(any::<prop::sample::Index>(), 0..1500),
        ) {
            let mut model = BTreeSet::new();
            let mut next = 2;
            let mut sequences = Sequences::new([1, next]);
            model.extend([1, 2]);
            for (step, _) in &steps {
                // Now and then a distance that four bytes do not hold.
                next += if is_far && *step > 990 { 1 << 32 } else { *step };
                sequences.push(next);
                model.insert(next);
            }
            for removal in &removals {
                let all: Vec<u64> = model.iter().copied().collect();
                let sequence = all[removal.index(all.len())];
                prop_assert!(sequences.remove(sequence));
                prop_assert!(!sequences.remove(sequence));
                model.remove(&sequence);
                if model.len() == 1 {
                    break;
                }
            }
            sequences.check_invariants();
            prop_assert_eq!(sequences.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!((sequences.first(), sequences.last()), (model.first().copied(), model.last().copied()));
            for (step, around) in &steps {
                let from = (next / 1000 * step + 1).saturating_sub(u64::try_from(*around).unwrap());
                prop_assert_eq!(sequences.at_or_after(from), model.range(from..).next().copied());
                prop_assert_eq!(sequences.at_or_before(from), model.range(..=from).next_back().copied());
                prop_assert_eq!(sequences.count(from), model.range(from..).count());
            }
        }
    }
}
