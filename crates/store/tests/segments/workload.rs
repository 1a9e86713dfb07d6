//! Messages of a few streams, drawn from a seed, and segments of them.

use std::collections::BTreeMap;

use crc32c::crc32c;
use firn_sim::disk::{SimDisk, SimFile};
use firn_sim::random::Random;
use firn_store::disk::Disk as _;
use firn_store::file::{FileId, Kind};
use firn_store::messages::Loaded;
use firn_store::part::{Cache, Miss, Part, Parts};
use firn_store::segment::{Segment, SegmentWriter, WriteError};
use firn_store::wal::GroupId;

pub(crate) const STORE: u64 = 0x5eed;

pub(crate) fn segment_id(number: u64) -> FileId {
    FileId { kind: Kind::Segment, number, store: STORE }
}

/// A message as a test remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) time: i64,
    pub(crate) subject: Vec<u8>,
    pub(crate) frame: Vec<u8>,
}

/// Messages by group and sequence.
pub(crate) type Messages = BTreeMap<(u64, u64), Written>;

/// A frame as the drawing has it, made without the code under test.
pub(crate) fn frame(sequence: u64, time: i64, subject: &[u8], headers: &[u8], body: &[u8]) -> Vec<u8> {
    let bytes = u32::try_from(32 + subject.len() + headers.len() + body.len()).unwrap();
    let mut frame = bytes.to_le_bytes().to_vec();
    frame.extend(sequence.to_le_bytes());
    frame.extend(time.to_le_bytes());
    frame.extend(u32::try_from(headers.len()).unwrap().to_le_bytes());
    frame.extend(u16::try_from(subject.len()).unwrap().to_le_bytes());
    frame.extend([0; 2]);
    frame.extend([subject, headers, body].concat());
    let checksum = crc32c(&frame).to_le_bytes();
    frame.splice(0..0, checksum);
    frame
}

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) groups: u64,
    /// Messages of a group at most.
    pub(crate) messages: u64,
    /// Bytes of a body at most.
    pub(crate) body: u64,
}

/// Some groups have gaps, some small steps back in time, some a single subject, and some messages are longer than a block.
pub(crate) fn messages(random: &mut Random, shape: Shape) -> Messages {
    let mut all = Messages::new();
    let mut group = 0;
    for _ in 0..shape.groups {
        group += 1 + random.below(3);
        let (gaps, tokens, mut time) = (random.below(3), 1 + random.below(4), 1_000);
        // Groups have the same sequences, as streams have.
        let mut sequence = if random.one_in(4) { 1 + random.below(1 << 33) } else { 1 };
        for _ in 0..=random.below(shape.messages) {
            time += i64::try_from(random.below(10)).unwrap() - 1;
            let subject: Vec<Vec<u8>> = (0..=random.below(3)).map(|_| token(random, tokens)).collect();
            let subject = subject.join(&b'.');
            let long = if random.one_in(500) { 70_000 } else { 0 };
            let mut body = vec![0; usize::try_from(random.below(shape.body + 1) + long).unwrap()];
            random.fill(&mut body);
            let headers: &[u8] = if random.one_in(5) { b"NATS/1.0\r\nA: b\r\n\r\n" } else { b"" };
            let frame = frame(sequence, time, &subject, headers, &body);
            all.insert((group, sequence), Written { time, subject, frame });
            sequence += match (gaps, random.below(10)) {
                (0, _) | (1, 0..9) => 1,
                (1, _) => 1 + random.below(1_000),
                (_, 9) if random.one_in(20) => 1 << 33,
                (_, _) => 1 + random.below(4),
            };
        }
    }
    all
}

fn token(random: &mut Random, count: u64) -> Vec<u8> {
    let letter = b'a' + u8::try_from(random.below(count)).unwrap();
    if random.one_in(6) { vec![letter, b'-'] } else { vec![letter] }
}

pub(crate) fn write(disk: &SimDisk, id: FileId, messages: &Messages) -> Result<Segment, WriteError> {
    let mut writer = SegmentWriter::create(disk, id)?;
    for ((group, _), written) in messages {
        writer.push(GroupId(*group), &written.frame)?;
    }
    assert_eq!(usize::try_from(writer.messages()).unwrap(), messages.len());
    Ok(writer.finish()?)
}

/// A small cache over a file, in which everything is cold at first: what a shard and a read thread do together.
pub(crate) struct Reading {
    pub(crate) cache: Cache,
    pub(crate) file: SimFile,
}

impl Reading {
    pub(crate) fn new(disk: &SimDisk, id: FileId) -> Self {
        Reading { cache: Cache::new(300_000), file: disk.open(&id.name()).unwrap() }
    }

    /// Asks until nothing is cold any more. Nothing is fetched twice in a row: an answer that is there is used.
    pub(crate) fn ask<T>(&self, mut question: impl FnMut(&Cache) -> Result<T, Miss>) -> Result<T, Miss> {
        let mut last: Option<Part> = None;
        loop {
            match question(&self.cache) {
                Err(Miss::Cold(part)) => {
                    assert_ne!(last, Some(part), "it was fetched");
                    last = Some(part);
                    self.cache.insert(part.fetch(&self.file));
                }
                answer => return answer,
            }
        }
    }
}

impl Parts for Reading {
    fn part(&self, part: Part) -> Result<firn_store::part::Fetched, Miss> {
        self.ask(|cache| cache.part(part))
    }
}

/// What a segment gives back of each message: its frame, or none where it is damaged. Nothing else is in it.
pub(crate) fn read_back(segment: &Segment, reading: &Reading, messages: &Messages) -> BTreeMap<(u64, u64), bool> {
    let mut back = BTreeMap::new();
    for ((group, sequence), written) in messages {
        let is_whole = match reading.ask(|cache| segment.load(cache, GroupId(*group), *sequence)).unwrap() {
            Loaded::Message(message) => {
                assert_eq!(message.frame()[..], written.frame, "group {group} sequence {sequence} is wrong");
                true
            }
            Loaded::Missing => panic!("group {group} sequence {sequence} is silently missing"),
            Loaded::Damaged => false,
        };
        back.insert((*group, *sequence), is_whole);
        let next = sequence + 1;
        if !messages.contains_key(&(*group, next)) {
            let loaded = reading.ask(|cache| segment.load(cache, GroupId(*group), next)).unwrap();
            assert!(matches!(loaded, Loaded::Missing), "group {group} sequence {next} was never written");
        }
    }
    back
}
