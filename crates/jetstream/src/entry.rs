//! Entries: what changes durable state, as it stands in the log.
//!
//! ```text
//!   record kind 1   frames of messages, back to back           the stream's group
//!          kind 2   DirectoryEntry                             group 0
//!          kind 3   StreamEntry                                the stream's group
//!          kind 4   entries of a consumer, behind its name      the stream's group
//!
//!   kinds 2 and 3   0 version │ 1 what │ 2 its fields …        little-endian, a string is its length (u64) and its bytes
//! ```
//!
//! An entry holds the time and every other choice of its proposer. A configuration is JSON, as in the API, and complete:
//! a newer release reads what an older one wrote.
//!
//! Not here: what an entry does.

use firn_id::Timestamp;
use firn_store::wal::GroupId;
use thiserror::Error;

use crate::codec::{Reader, Writer};

/// Record of messages.
pub const MESSAGES: u8 = 1;
/// Record of a [`DirectoryEntry`].
pub const DIRECTORY: u8 = 2;
/// Record of a [`StreamEntry`].
pub const STREAM: u8 = 3;
/// Record of entries of a consumer: the length of its name (u64), the name, the entries back to back.
pub const CONSUMER: u8 = 4;

/// The version that is written, and the highest that is read.
const VERSION: u8 = 1;

/// A change of which streams there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryEntry<'a> {
    /// A stream was made.
    Create {
        /// Its group, never used before.
        group: GroupId,
        /// Name of its account.
        account: &'a str,
        /// When.
        created: Timestamp,
        /// Its configuration.
        config: &'a [u8],
    },
    /// A stream's configuration was changed.
    Update {
        /// Its group.
        group: GroupId,
        /// Its configuration.
        config: &'a [u8],
    },
    /// A stream was deleted.
    Delete {
        /// Its group.
        group: GroupId,
    },
}

/// A change of a stream other than by messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEntry<'a> {
    /// It begins.
    Create {
        /// Name of its account.
        account: &'a str,
        /// When.
        created: Timestamp,
        /// Its configuration.
        config: &'a [u8],
    },
    /// Its configuration was changed.
    Update {
        /// Its configuration.
        config: &'a [u8],
    },
    /// A message was accepted that nobody wants: it takes a sequence and no room.
    Skip {
        /// Its sequence.
        sequence: u64,
        /// When.
        time: Timestamp,
        /// Its id, or nothing.
        id: &'a [u8],
    },
    /// Messages were deleted one by one.
    Remove {
        /// Which.
        sequences: Sequences<'a>,
    },
    /// Messages were purged.
    Purge {
        /// Only subjects in this pattern; empty is all.
        filter: &'a [u8],
        /// Those before this sequence.
        below: u64,
    },
    /// Messages became too old. Those that never expire are kept.
    Expire {
        /// Those before this sequence.
        below: u64,
    },
    /// A consumer was made.
    CreateConsumer {
        /// Its name.
        name: &'a str,
        /// When.
        created: Timestamp,
        /// The first sequence it looks at.
        start: u64,
        /// The stream's last sequence then.
        last: u64,
        /// Its configuration.
        config: &'a [u8],
    },
    /// A consumer was deleted.
    DeleteConsumer {
        /// Its name.
        name: &'a str,
    },
}

/// Sequences, one after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sequences<'a>(&'a [[u8; 8]]);

impl<'a> Sequences<'a> {
    /// From numbers that [`sequence_bytes`] made.
    pub fn new(bytes: &'a [[u8; 8]]) -> Self {
        Sequences(bytes)
    }

    /// The numbers.
    pub fn iter(self) -> impl Iterator<Item = u64> + 'a {
        self.0.iter().map(|bytes| u64::from_le_bytes(*bytes))
    }
}

impl std::fmt::Debug for Sequences<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A sequence as it stands in an entry.
pub fn sequence_bytes(sequence: u64) -> [u8; 8] {
    sequence.to_le_bytes()
}

/// Why bytes are no entry.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BadEntry {
    /// Written by a newer release.
    #[error("entry version {found} is newer than {VERSION}, the newest that this release reads")]
    Version {
        /// Its version.
        found: u8,
    },
    /// Cut off, too long, or of no kind that this release knows.
    #[error("the entry is malformed")]
    Malformed,
}

impl<'a> DirectoryEntry<'a> {
    /// The payload of a record.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u8(VERSION);
        match *self {
            DirectoryEntry::Create { group, account, created, config } => {
                out.u8(1);
                out.u64(group.0);
                out.string(account.as_bytes());
                out.i64(created.unix_nanos());
                out.string(config);
            }
            DirectoryEntry::Update { group, config } => {
                out.u8(2);
                out.u64(group.0);
                out.string(config);
            }
            DirectoryEntry::Delete { group } => {
                out.u8(3);
                out.u64(group.0);
            }
        }
        out.bytes
    }

    /// From the payload of a record.
    ///
    /// # Errors
    /// It is none, or a newer release's.
    pub fn decode(payload: &'a [u8]) -> Result<Self, BadEntry> {
        decode(payload, |what, reader| {
            Some(match what {
                1 => DirectoryEntry::Create {
                    group: GroupId(reader.u64()?),
                    account: reader.text()?,
                    created: Timestamp::from_unix_nanos(reader.i64()?),
                    config: reader.string()?,
                },
                2 => DirectoryEntry::Update { group: GroupId(reader.u64()?), config: reader.string()? },
                3 => DirectoryEntry::Delete { group: GroupId(reader.u64()?) },
                _ => return None,
            })
        })
    }
}

impl<'a> StreamEntry<'a> {
    /// The payload of a record.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u8(VERSION);
        match *self {
            StreamEntry::Create { account, created, config } => {
                out.u8(1);
                out.string(account.as_bytes());
                out.i64(created.unix_nanos());
                out.string(config);
            }
            StreamEntry::Update { config } => {
                out.u8(2);
                out.string(config);
            }
            StreamEntry::Skip { sequence, time, id } => {
                out.u8(3);
                out.u64(sequence);
                out.i64(time.unix_nanos());
                out.string(id);
            }
            StreamEntry::Remove { sequences } => {
                out.u8(4);
                out.bytes.extend_from_slice(sequences.0.as_flattened());
            }
            StreamEntry::Purge { filter, below } => {
                out.u8(5);
                out.string(filter);
                out.u64(below);
            }
            StreamEntry::Expire { below } => {
                out.u8(6);
                out.u64(below);
            }
            StreamEntry::CreateConsumer { name, created, start, last, config } => {
                out.u8(7);
                out.string(name.as_bytes());
                out.i64(created.unix_nanos());
                out.u64(start);
                out.u64(last);
                out.string(config);
            }
            StreamEntry::DeleteConsumer { name } => {
                out.u8(8);
                out.string(name.as_bytes());
            }
        }
        out.bytes
    }

    /// From the payload of a record.
    ///
    /// # Errors
    /// It is none, or a newer release's.
    pub fn decode(payload: &'a [u8]) -> Result<Self, BadEntry> {
        decode(payload, |what, reader| {
            Some(match what {
                1 => StreamEntry::Create {
                    account: reader.text()?,
                    created: Timestamp::from_unix_nanos(reader.i64()?),
                    config: reader.string()?,
                },
                2 => StreamEntry::Update { config: reader.string()? },
                3 => StreamEntry::Skip {
                    sequence: reader.u64()?,
                    time: Timestamp::from_unix_nanos(reader.i64()?),
                    id: reader.string()?,
                },
                4 => {
                    let (sequences, rest) = reader.rest().as_chunks();
                    rest.is_empty().then_some(StreamEntry::Remove { sequences: Sequences(sequences) })?
                }
                5 => StreamEntry::Purge { filter: reader.string()?, below: reader.u64()? },
                6 => StreamEntry::Expire { below: reader.u64()? },
                7 => StreamEntry::CreateConsumer {
                    name: reader.text()?,
                    created: Timestamp::from_unix_nanos(reader.i64()?),
                    start: reader.u64()?,
                    last: reader.u64()?,
                    config: reader.string()?,
                },
                8 => StreamEntry::DeleteConsumer { name: reader.text()? },
                _ => return None,
            })
        })
    }
}

/// The payload of a record with entries of a consumer.
pub(crate) fn encode_consumer(name: &str, entries: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    out.string(name.as_bytes());
    out.bytes.extend_from_slice(entries);
    out.bytes
}

/// Name and entries of a consumer, from the payload of a record.
pub(crate) fn decode_consumer(payload: &[u8]) -> Result<(&str, &[u8]), BadEntry> {
    let mut reader = Reader::new(payload);
    let name = reader.text().ok_or(BadEntry::Malformed)?;
    Ok((name, reader.rest()))
}

/// Version, what it is, and its fields, which fill the payload.
fn decode<'a, E>(payload: &'a [u8], read: impl FnOnce(u8, &mut Reader<'a>) -> Option<E>) -> Result<E, BadEntry> {
    let mut reader = Reader::new(payload);
    let version = reader.u8().ok_or(BadEntry::Malformed)?;
    if version > VERSION {
        return Err(BadEntry::Version { found: version });
    }
    let what = reader.u8().ok_or(BadEntry::Malformed)?;
    read(what, &mut reader).filter(|_| reader.is_empty()).ok_or(BadEntry::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entries_come_back() {
        let created = Timestamp::from_unix_nanos(-5);
        for entry in [
            DirectoryEntry::Create { group: GroupId(7), account: "$G", created, config: b"{}" },
            DirectoryEntry::Update { group: GroupId(7), config: b"{}" },
            DirectoryEntry::Delete { group: GroupId(7) },
        ] {
            assert_eq!(DirectoryEntry::decode(&entry.encode()), Ok(entry));
        }
        let numbers = [3, u64::MAX].map(sequence_bytes);
        for entry in [
            StreamEntry::Create { account: "A", created, config: b"{}" },
            StreamEntry::Update { config: b"{}" },
            StreamEntry::Skip { sequence: 9, time: created, id: b"id" },
            StreamEntry::Remove { sequences: Sequences::new(&numbers) },
            StreamEntry::Purge { filter: b"a.>", below: 4 },
            StreamEntry::Expire { below: 12 },
            StreamEntry::CreateConsumer { name: "C", created, start: 3, last: 4, config: b"{}" },
            StreamEntry::DeleteConsumer { name: "C" },
        ] {
            let bytes = entry.encode();
            assert_eq!(StreamEntry::decode(&bytes), Ok(entry));
            let cut = bytes.get(..bytes.len() - 1).unwrap_or_default();
            assert_eq!(StreamEntry::decode(cut), Err(BadEntry::Malformed), "{entry:?}");
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let mut bytes = StreamEntry::Expire { below: 1 }.encode();
        bytes[0] = 9;
        let refused = StreamEntry::decode(&bytes).unwrap_err();
        assert_eq!(refused.to_string(), "entry version 9 is newer than 1, the newest that this release reads");
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_entry_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = DirectoryEntry::decode(&bytes);
            let _ = StreamEntry::decode(&bytes);
        }
    }
}
