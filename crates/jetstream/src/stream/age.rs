//! What becomes too old: by the stream's `max_age`, or by a time of its own.
//!
//! Looked at when its time has come, and proposed, so that a replica removes what the proposer's clock says. Where the
//! stream keeps markers, a subject whose last message went this way gets one.

use firn_id::Timestamp;

use super::{Stream, headers::Asks};
use crate::{
    entry::{Sequences, StreamEntry, sequence_bytes},
    messages::{Fetch, Filter, Loaded, ready},
    shard::Turn,
};

/// Messages that are looked at in one go; what is left is due at once.
const MESSAGES_A_TURN: usize = 1_024;

impl Stream {
    /// When something becomes too old, by the wall clock in nanoseconds since 1970.
    pub(crate) fn due_at(&self) -> Option<i64> {
        let aged = self.max_age().and_then(|max_age| {
            let first = if self.expiry.keeps_any() { self.oldest_that_ages()? } else { self.state().first_time? };
            Some(first.unix_nanos().saturating_add(max_age.0))
        });
        [aged, self.expiry.next()].into_iter().flatten().min()
    }

    /// When the oldest message was stored that does not live for ever. What is not in memory is looked at when due.
    fn oldest_that_ages(&self) -> Option<Timestamp> {
        let (all, mut from) = (Filter::all(), 0);
        loop {
            let sequence = ready(self.messages.next(from, &all)).ok()??;
            if !self.expiry.is_kept(sequence) {
                return match ready(self.messages.load(sequence)) {
                    Ok(Loaded::Message(message)) => Some(message.time()),
                    Ok(Loaded::Missing | Loaded::Damaged) | Err(_) => self.state().first_time,
                };
            }
            from = sequence + 1;
        }
    }

    /// Proposes to remove what is too old now.
    ///
    /// # Errors
    /// What has to be read before that is known; nothing was proposed.
    pub(crate) fn age(&mut self, turn: &mut Turn<'_>) -> Result<(), Fetch> {
        if self.due_at().is_none_or(|due| due > turn.now.wall.unix_nanos()) {
            return Ok(());
        }
        let ended = self.expiry.ended(turn.now.wall, MESSAGES_A_TURN);
        let (below, aged) = self.too_old(turn.now.wall)?;
        let mut marked = Vec::new();
        if self.config.subject_delete_marker_ttl.0 > 0 {
            let mut gone: Vec<u64> = ended.iter().chain(&aged).copied().collect();
            gone.sort_unstable();
            gone.dedup();
            marked = self.subjects_to_mark(&gone)?;
        }
        // From here on things are proposed; what has to be read then is a chore's business.
        if !ended.is_empty() {
            let sequences: Vec<[u8; 8]> = ended.iter().copied().map(sequence_bytes).collect();
            let _ = self.propose(&mut turn.log(), &StreamEntry::Remove { sequences: Sequences::new(&sequences) });
        }
        if let Some(below) = below {
            let _ = self.propose(&mut turn.log(), &StreamEntry::Expire { below });
        }
        for subject in marked {
            self.publish_marker(turn, &subject)?;
        }
        Ok(())
    }

    /// Up to where messages are older than `max_age`, and which they are where markers need to know.
    fn too_old(&self, now: Timestamp) -> Result<(Option<u64>, Vec<u64>), Fetch> {
        let Some(max_age) = self.max_age() else { return Ok((None, Vec::new())) };
        let oldest = now.unix_nanos().saturating_sub(max_age.0);
        let (all, mut from, mut below, mut aged) = (Filter::all(), 0, None, Vec::new());
        while aged.len() < MESSAGES_A_TURN {
            let Some(sequence) = ready(self.messages.next(from, &all))? else { break };
            from = sequence + 1;
            if self.expiry.is_kept(sequence) {
                continue;
            }
            match ready(self.messages.load(sequence))? {
                Loaded::Message(message) if message.time().unix_nanos() > oldest => break,
                Loaded::Message(_) | Loaded::Missing | Loaded::Damaged => {
                    aged.push(sequence);
                    below = Some(sequence + 1);
                }
            }
        }
        Ok((below, aged))
    }

    /// Subjects that have no message left without these, in the order of their last ones, and lose more than a marker.
    fn subjects_to_mark(&self, gone: &[u64]) -> Result<Vec<Vec<u8>>, Fetch> {
        let mut marked = Vec::new();
        for &sequence in gone {
            let Loaded::Message(message) = ready(self.messages.load(sequence))? else { continue };
            let Some(state) = ready(self.messages.subject(message.subject()))? else { continue };
            if state.last != sequence || Asks::of(message.headers()).is_marker {
                continue;
            }
            let filter = Filter::new([message.subject()]);
            let mut next = ready(self.messages.next(0, &filter))?;
            while let Some(sequence) = next.filter(|sequence| gone.binary_search(sequence).is_ok()) {
                next = ready(self.messages.next(sequence + 1, &filter))?;
            }
            if next.is_none() {
                marked.push(message.subject().to_vec());
            }
        }
        Ok(marked)
    }
}
