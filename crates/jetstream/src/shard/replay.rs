//! The log is applied after a restart: the same entries, in the same order, by the same code.
//!
//! Then shard 0 says which streams there are: a crash may have kept the directory's record of a change and not the
//! stream's, and the first turn of each shard mends that.

use firn_store::wal::{GroupId, Record};

use super::Shard;
use crate::{
    command::{Command, Placement},
    effect::Effects,
    entry::{self, BadEntry, DirectoryEntry, StreamEntry, decode_consumer},
    messages::{Fetch, Frame, NewMessage},
    stream::{Stream, parse_config},
};

/// Why a record was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It is none, or a newer release's.
    #[error(transparent)]
    Bad(#[from] BadEntry),
    /// Something has to be read first: then the record comes again.
    #[error("what the record changes is not in memory")]
    Cold(Fetch),
}

impl Shard {
    /// Applies a record of the log. Records of one group come in the order in which they were written.
    ///
    /// # Errors
    /// The record is none that this release can apply, or something has to be read first: then the same record comes
    /// again.
    pub fn replay(&mut self, record: &Record<'_>) -> Result<(), ReplayError> {
        let group = record.name.group;
        if record.kind == entry::DIRECTORY {
            let decoded = DirectoryEntry::decode(record.payload)?;
            if let DirectoryEntry::Delete { group } = decoded {
                self.streams.remove(&group);
            }
            self.directory.apply(&decoded);
            return Ok(());
        }
        if record.kind == entry::STREAM {
            let decoded = StreamEntry::decode(record.payload)?;
            if let StreamEntry::Create { account, created, config } = decoded {
                let config = parse_config(config).ok_or(BadEntry::Malformed)?;
                self.streams.entry(group).or_insert_with(|| Stream::new(group, account, created, config));
            }
            let Some(stream) = self.streams.get_mut(&group) else { return Ok(()) };
            // What is applied in part is not applied again.
            if !std::mem::take(&mut self.is_half_applied) {
                stream.apply(&decoded);
            }
            return stream.work().map_err(|fetch| {
                self.is_half_applied = true;
                ReplayError::Cold(fetch)
            });
        }
        // The stream was deleted later on, and its first records are gone.
        let Some(stream) = self.streams.get_mut(&group) else { return Ok(()) };
        if record.kind == entry::MESSAGES {
            return replay_messages(stream, record.payload);
        }
        if record.kind == entry::CONSUMER {
            let (name, entries) = decode_consumer(record.payload)?;
            return Ok(stream.apply_consumer(name, entries)?);
        }
        Err(BadEntry::Malformed.into())
    }

    /// All of the log was replayed: shard 0 tells every shard, itself included, which streams there are. The first turn
    /// of each carries that out.
    pub fn recovered(&mut self, effects: &mut Effects) {
        if self.number != 0 {
            return;
        }
        let placements: Vec<Placement> = self
            .directory
            .iter()
            .map(|(group, known)| Placement {
                group,
                account: known.account.clone(),
                created: known.created,
                config: known.config.clone(),
                request: None,
            })
            .collect();
        for placement in placements {
            let shard = self.shard_of(placement.group);
            self.send(shard, Command::Place(Box::new(placement)), effects);
        }
    }

    /// Forgets streams that the directory does not know: their deletion was kept, and records of theirs too.
    pub fn keep_only(&mut self, is_known: &dyn Fn(GroupId) -> bool) {
        let gone: Vec<GroupId> = self.streams.keys().copied().filter(|group| !is_known(*group)).collect();
        for group in gone {
            self.streams.remove(&group);
            self.set_due(group, None);
            self.set_consumers_due(group, None);
        }
    }
}

fn replay_messages(stream: &mut Stream, mut frames: &[u8]) -> Result<(), ReplayError> {
    while !frames.is_empty() {
        let (frame, length) = Frame::decode(frames).map_err(|_| BadEntry::Malformed)?;
        // After something was read the record comes again.
        if frame.sequence >= stream.messages.next_sequence() {
            let Frame { sequence, time, subject, headers, body, extension } = frame;
            stream.append(&NewMessage { sequence, time, subject, headers, body, extension });
        }
        stream.work().map_err(ReplayError::Cold)?;
        frames = frames.get(length..).unwrap_or_default();
    }
    Ok(())
}
