//! Which messages end when, by a time of their own; and which never do.
//!
//! Follows from the messages alone: what was stored with `Nats-TTL` is here until it ends. Messages that went otherwise
//! are passed over when their time comes.

use std::collections::BTreeSet;

use firn_id::Timestamp;

use super::ttl::Ttl;
use crate::codec::{Reader, Writer};

#[derive(Debug, Default)]
pub(crate) struct Expiry {
    /// By end and sequence.
    ends: BTreeSet<(i64, u64)>,
    /// Sequences that age does not remove.
    never: BTreeSet<u64>,
}

impl Expiry {
    /// A message was stored that lives so long.
    pub(crate) fn insert(&mut self, ttl: Ttl, sequence: u64, time: Timestamp) {
        match ttl.end(time.unix_nanos()) {
            Some(end) => {
                self.ends.insert((end, sequence));
            }
            None => {
                self.never.insert(sequence);
            }
        }
    }

    /// A message is gone.
    pub(crate) fn removed(&mut self, sequence: u64) {
        if !self.never.is_empty() {
            self.never.remove(&sequence);
        }
    }

    /// Everything is gone below this sequence.
    pub(crate) fn removed_below(&mut self, sequence: u64) {
        if !self.never.is_empty() {
            self.never = self.never.split_off(&sequence);
        }
    }

    pub(crate) fn is_kept(&self, sequence: u64) -> bool {
        self.never.contains(&sequence)
    }

    pub(crate) fn keeps_any(&self) -> bool {
        !self.never.is_empty()
    }

    /// When the next one ends, in nanoseconds since 1970.
    pub(crate) fn next(&self) -> Option<i64> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// Sequences of what ended by then, at most so many.
    pub(crate) fn ended(&self, now: Timestamp, limit: usize) -> Vec<u64> {
        let until = self.ends.range(..=(now.unix_nanos(), u64::MAX));
        until.take(limit).map(|(_, sequence)| *sequence).collect()
    }

    /// These are done with.
    pub(crate) fn forget(&mut self, sequences: impl Iterator<Item = u64>) {
        let done: BTreeSet<u64> = sequences.collect();
        // They are the first ones, in any order among equal times.
        while let Some((end, sequence)) = self.ends.first().copied().filter(|(_, sequence)| done.contains(sequence)) {
            self.ends.remove(&(end, sequence));
        }
    }

    pub(crate) fn snapshot(&self, out: &mut Writer) {
        out.count(self.ends.len());
        for (end, sequence) in &self.ends {
            out.i64(*end);
            out.u64(*sequence);
        }
        out.count(self.never.len());
        self.never.iter().for_each(|sequence| out.u64(*sequence));
    }

    pub(crate) fn restore(reader: &mut Reader<'_>) -> Option<Self> {
        let mut expiry = Expiry::default();
        for _ in 0..reader.count()? {
            let (end, sequence) = (reader.i64()?, reader.u64()?);
            expiry.ends.insert((end, sequence));
        }
        for _ in 0..reader.count()? {
            expiry.never.insert(reader.u64()?);
        }
        Some(expiry)
    }
}
