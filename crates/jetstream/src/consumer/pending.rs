//! Messages that were sent and wait for an acknowledgement, by sequence.
//!
//! ```text
//!   slots   7  8  ·  10  11  ·  13     · acknowledged: skipped, and given back when it reaches an end or half are such
//!           ▲ first: never a ·
//! ```
//!
//! Messages are sent for the first time in the order of their sequences, so that a new one goes to the end. Without a
//! filter, a message lies as far from the front as its sequence is from the first one; with one, nearer.
//!
//! Invariants: sequences rise, and so do the numbers of first deliveries; neither the first nor the last slot is empty.

use std::collections::{VecDeque, vec_deque};

/// A message that waits for an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// In the stream.
    pub(super) sequence: u64,
    /// Number of its first delivery.
    pub(super) number: u64,
    /// When it may be sent again, in nanoseconds since 1970; [`NEVER`] is not at all.
    pub(super) due: i64,
    /// How often it was sent; 0 is an empty slot.
    pub(super) deliveries: u32,
    /// A client said when it shall come again.
    pub(super) is_postponed: bool,
    /// It waits to be sent again; a restart forgets it, and finds it to be due.
    pub(super) is_ready: bool,
}

/// It waits for its acknowledgement as long as that takes.
pub(super) const NEVER: i64 = i64::MAX;

#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    slots: VecDeque<Slot>,
    live: usize,
    redelivered: usize,
}

/// Empty slots that are tolerated in any case.
const EMPTY_SLOTS: usize = 64;

impl Slot {
    fn is_live(&self) -> bool {
        self.deliveries > 0
    }
}

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.live
    }

    pub(super) fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// How many of them were sent more than once.
    pub(super) fn redelivered(&self) -> usize {
        self.redelivered
    }

    pub(super) fn first(&self) -> Option<&Slot> {
        self.slots.front()
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Slot> {
        self.slots.get(self.index(sequence)?)
    }

    pub(super) fn get_mut(&mut self, sequence: u64) -> Option<&mut Slot> {
        let index = self.index(sequence)?;
        self.slots.get_mut(index)
    }

    /// In the order of their sequences.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.is_live())
    }

    /// Those from `first` to `last`.
    pub(super) fn range_mut(&mut self, first: u64, last: u64) -> impl Iterator<Item = &mut Slot> {
        let start = self.slots.partition_point(|slot| slot.sequence < first);
        let slots: vec_deque::IterMut<'_, Slot> = self.slots.range_mut(start..);
        slots.take_while(move |slot| slot.sequence <= last).filter(|slot| slot.is_live())
    }

    /// One that was sent for the first time. False where it does not come after the others.
    pub(super) fn push(&mut self, slot: Slot) -> bool {
        if self.slots.back().is_some_and(|last| last.sequence >= slot.sequence) {
            return false;
        }
        self.live += 1;
        self.redelivered += usize::from(slot.deliveries > 1);
        self.slots.push_back(slot);
        true
    }

    /// It was sent once more.
    pub(super) fn redeliver(&mut self, sequence: u64, due: i64) -> bool {
        let Some(slot) = self.get_mut(sequence) else { return false };
        let is_second = slot.deliveries == 1;
        slot.deliveries = slot.deliveries.saturating_add(1);
        (slot.due, slot.is_postponed, slot.is_ready) = (due, false, false);
        self.redelivered += usize::from(is_second);
        true
    }

    pub(super) fn remove(&mut self, sequence: u64) -> Option<Slot> {
        let index = self.index(sequence)?;
        let slot = self.slots.get_mut(index)?;
        let removed = *slot;
        slot.deliveries = 0;
        self.forget(removed);
        self.trim();
        Some(removed)
    }

    /// Takes away all up to a sequence, the first ones first.
    pub(super) fn remove_to(&mut self, sequence: u64, removed: &mut dyn FnMut(Slot)) {
        while let Some(slot) = self.slots.front().copied().filter(|slot| slot.sequence <= sequence) {
            self.slots.pop_front();
            if slot.is_live() {
                self.forget(slot);
                removed(slot);
            }
        }
        self.trim();
    }

    pub(super) fn clear(&mut self) {
        *self = Pending::default();
    }

    fn forget(&mut self, slot: Slot) {
        self.live -= 1;
        self.redelivered -= usize::from(slot.deliveries > 1);
    }

    fn trim(&mut self) {
        while self.slots.front().is_some_and(|slot| !slot.is_live()) {
            self.slots.pop_front();
        }
        while self.slots.back().is_some_and(|slot| !slot.is_live()) {
            self.slots.pop_back();
        }
        if self.slots.len() > 2 * self.live + EMPTY_SLOTS {
            self.slots.retain(Slot::is_live);
        }
    }

    /// Where a message is that waits.
    fn index(&self, sequence: u64) -> Option<usize> {
        let distance = usize::try_from(sequence.checked_sub(self.slots.front()?.sequence)?).unwrap_or(usize::MAX);
        let found = |index: usize| self.slots.get(index).filter(|slot| slot.sequence == sequence);
        if let Some(slot) = found(distance) {
            return slot.is_live().then_some(distance);
        }
        let index = self.slots.partition_point(|slot| slot.sequence < sequence);
        found(index).filter(|slot| slot.is_live()).map(|_| index)
    }

    pub(super) fn check_invariants(&self) {
        let live = || self.slots.iter().filter(|slot| slot.is_live());
        assert_eq!(live().count(), self.live);
        assert_eq!(live().filter(|slot| slot.deliveries > 1).count(), self.redelivered);
        assert!(self.slots.front().is_none_or(Slot::is_live) && self.slots.back().is_none_or(Slot::is_live));
        let rises = |(a, b): (&Slot, &Slot)| a.sequence < b.sequence && a.number < b.number;
        assert!(self.slots.iter().zip(self.slots.iter().skip(1)).all(rises), "sequences and numbers rise");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn slot(sequence: u64, number: u64) -> Slot {
        Slot { sequence, number, due: 5, deliveries: 1, is_postponed: false, is_ready: false }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push { gap: u64 },
        Redeliver(u64),
        Remove(u64),
        RemoveTo(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1_u64..4).prop_map(|gap| Step::Push { gap }),
            1 => (0_u64..300).prop_map(Step::Redeliver),
            4 => (0_u64..300).prop_map(Step::Remove),
            1 => (0_u64..300).prop_map(Step::RemoveTo),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_map(steps in prop::collection::vec(step(), 0..300)) {
            let (mut pending, mut model) = (Pending::default(), BTreeMap::new());
            let (mut last, mut number) = (0, 0);
            for step in steps {
                match step {
                    Step::Push { gap } => {
                        (last, number) = (last + gap, number + 1);
                        prop_assert!(pending.push(slot(last, number)));
                        prop_assert!(!pending.push(slot(last, number)), "once is enough");
                        model.insert(last, slot(last, number));
                    }
                    Step::Redeliver(sequence) => {
                        let expected = model.get_mut(&sequence).map(|slot| {
                            (slot.deliveries, slot.due) = (slot.deliveries + 1, 9);
                        });
                        prop_assert_eq!(pending.redeliver(sequence, 9), expected.is_some());
                    }
                    Step::Remove(sequence) => prop_assert_eq!(pending.remove(sequence), model.remove(&sequence)),
                    Step::RemoveTo(sequence) => {
                        let mut removed = Vec::new();
                        pending.remove_to(sequence, &mut |slot| removed.push(slot));
                        let kept = model.split_off(&(sequence + 1));
                        prop_assert_eq!(removed, model.into_values().collect::<Vec<_>>());
                        model = kept;
                    }
                }
                pending.check_invariants();
                prop_assert!(pending.iter().eq(model.values()));
                prop_assert_eq!(pending.first(), model.values().next());
                let (first, end) = (last / 2, last / 2 + 20);
                let range: Vec<Slot> = pending.range_mut(first, end).map(|slot| *slot).collect();
                prop_assert_eq!(range, model.range(first..=end).map(|(_, slot)| *slot).collect::<Vec<_>>());
            }
        }
    }
}
