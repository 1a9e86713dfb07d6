//! Messages are removed because somebody asks for it.

use firn_api::{error::ApiError, stream::PurgeRequest};

use super::Stream;
use crate::{
    entry::{Sequences, StreamEntry, sequence_bytes},
    messages::{Fetch, Filter, Loaded, ready},
    shard::Turn,
};

impl Stream {
    /// Removes what a request names, and says how many messages that were.
    ///
    /// # Errors
    /// What has to be read before it is known; nothing was done.
    pub(crate) fn purge(
        &mut self,
        turn: &mut Turn<'_>,
        request: &PurgeRequest,
    ) -> Result<Result<u64, ApiError>, Fetch> {
        if self.config.sealed {
            return Ok(Err(ApiError::StreamSealed));
        }
        if self.config.deny_purge {
            return Ok(Err(ApiError::StreamPurgeFailed { err: "stream purge not permitted".to_owned() }));
        }
        let pattern = if request.filter == ">" { "" } else { request.filter.as_str() };
        if !pattern.is_empty() && !firn_subject::subject::is_valid_pattern(pattern.as_bytes()) {
            return Ok(Ok(0));
        }
        let filter = if pattern.is_empty() { Filter::all() } else { Filter::new([pattern]) };
        let below = match (request.keep, request.seq) {
            (0, 0) => self.messages.next_sequence(),
            (0, below) => below,
            (keep, _) => match self.keep_from(keep, &filter)? {
                Some(below) => below,
                None => return Ok(Ok(0)),
            },
        };
        let count = ready(self.messages.count(0, &filter))? - ready(self.messages.count(below, &filter))?;
        // A position beyond the end moves an empty stream too.
        let moves = pattern.is_empty() && below > self.messages.next_sequence();
        if count > 0 || moves {
            let entry = StreamEntry::Purge { filter: pattern.as_bytes(), below };
            let _ = self.propose(&mut turn.log(), &entry);
            self.purged(turn);
        }
        Ok(Ok(count))
    }

    /// From which sequence on so many matches are left; none where there are no more than that.
    fn keep_from(&self, keep: u64, filter: &Filter) -> Result<Option<u64>, Fetch> {
        let count = ready(self.messages.count(0, filter))?;
        if count <= keep {
            return Ok(None);
        }
        let mut at = u64::MAX;
        if keep <= count / 2 {
            for _ in 0..keep {
                at = ready(self.messages.previous(at - 1, filter))?.unwrap_or(1);
            }
            return Ok(Some(at));
        }
        at = 0;
        for _ in keep..=count {
            at = ready(self.messages.next(at + 1, filter))?.unwrap_or(at);
        }
        Ok(Some(at))
    }

    /// Removes one message.
    ///
    /// # Errors
    /// What has to be read before it is known; nothing was done.
    pub(crate) fn delete_message(&mut self, turn: &mut Turn<'_>, sequence: u64) -> Result<Result<(), ApiError>, Fetch> {
        let refuse = |err: &str| Ok(Err(ApiError::StreamMsgDeleteFailed { err: err.to_owned() }));
        if self.config.sealed {
            return Ok(Err(ApiError::StreamSealed));
        }
        if self.config.deny_delete {
            return refuse("message delete not permitted");
        }
        if sequence > self.last_sequence() {
            return refuse("stream store EOF");
        }
        if sequence < self.state().first_sequence {
            return refuse("no message found");
        }
        if matches!(ready(self.messages.load(sequence))?, Loaded::Missing) {
            return Ok(Err(ApiError::SequenceNotFound { seq: sequence }));
        }
        let sequences = [sequence_bytes(sequence)];
        let _ = self.propose(&mut turn.log(), &StreamEntry::Remove { sequences: Sequences::new(&sequences) });
        Ok(Ok(()))
    }
}
