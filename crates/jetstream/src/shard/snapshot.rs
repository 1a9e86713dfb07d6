//! A shard's durable state as bytes: a section a group.
//!
//! The same entries give the same bytes. What only a running server knows is not in them: who waits, what accounts use,
//! streams in memory.

use firn_store::wal::GroupId;
use thiserror::Error;

use super::{DIRECTORY_GROUP, Shard};
use crate::{
    codec::{Reader, Writer},
    directory::Directory,
    messages::Storage,
    stream::Stream,
};

/// A section that cannot be taken over.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the state of group {} is malformed, or a newer release wrote it", group.0)]
pub struct BadSection {
    /// Whose it is.
    pub group: GroupId,
}

impl Shard {
    /// The sections of all groups, by group.
    pub fn snapshot(&self) -> Vec<(GroupId, Vec<u8>)> {
        let mut sections = Vec::new();
        if self.number == 0 {
            let mut out = Writer::default();
            self.directory.snapshot(&mut out);
            sections.push((DIRECTORY_GROUP, out.bytes));
        }
        for (group, stream) in &self.streams {
            if stream.messages.storage() == Storage::File {
                let mut out = Writer::default();
                stream.snapshot(&mut out);
                sections.push((*group, out.bytes));
            }
        }
        sections
    }

    /// Takes a section over, before anything is replayed.
    ///
    /// # Errors
    /// It is none of ours.
    pub fn restore(&mut self, group: GroupId, section: &[u8]) -> Result<(), BadSection> {
        let bad = BadSection { group };
        let mut reader = Reader::new(section);
        if group == DIRECTORY_GROUP {
            self.directory = Directory::restore(&mut reader).ok_or(bad)?;
        } else {
            let stream = Stream::restore(group, &mut reader).ok_or(bad)?;
            self.streams.insert(group, stream);
        }
        if reader.is_empty() { Ok(()) } else { Err(bad) }
    }
}
