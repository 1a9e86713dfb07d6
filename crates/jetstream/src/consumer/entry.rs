//! Changes of a consumer, as they lie in the log: one entry for many messages of a turn, a few bytes each at most.
//!
//! ```text
//!   1 delivered     time · runs    flag: sent before        4 exhausted  runs        7 reset   next
//!   2 acknowledged  time · runs                             5 gone       runs        8 paused  text of a time
//!   3 acknowledged to  time · sequence                      6 skipped    next        9 updated  JSON
//!   10 postponed    time · list of: step of sequence · step of time · 1 where a client said so
//!
//!   runs: length in bytes, then each: step from the end of the last run · count << 1 | flag
//! ```
//!
//! Numbers are varints, but a time, which takes eight bytes. An entry says by itself where it ends, so that they can
//! follow one another. Decoding is total, and what it accepts names at most [`MESSAGES_MAX`] messages.
//!
//! Not here: what an entry does (`state`), and whose it is.

use firn_id::Timestamp;

use super::varint::{self, Cut, Reader};

/// Messages of one entry.
pub const MESSAGES_MAX: u64 = 1 << 16;

/// A change of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerEntry<'a> {
    /// Messages were sent; those with the flag not for the first time.
    Delivered {
        /// When.
        time: Timestamp,
        /// Which, in the order they were sent.
        runs: Runs<'a>,
    },
    /// Messages need not be sent any more: they were acknowledged or terminated.
    Acknowledged {
        /// When.
        time: Timestamp,
        /// Which.
        runs: Runs<'a>,
    },
    /// The same of all up to this one.
    AcknowledgedTo {
        /// When.
        time: Timestamp,
        /// The last.
        sequence: u64,
    },
    /// Messages may be sent again at another time.
    Postponed {
        /// When this was decided.
        time: Timestamp,
        /// Which, and when.
        list: Postponements<'a>,
    },
    /// Messages were sent as often as they may be.
    Exhausted {
        /// Which.
        runs: Runs<'a>,
    },
    /// The stream has these messages no more.
    Gone {
        /// Which.
        runs: Runs<'a>,
    },
    /// All before this sequence is done with.
    Skipped {
        /// The first that is not.
        next: u64,
    },
    /// Start anew, from this sequence.
    Reset {
        /// The first.
        next: u64,
    },
    /// Send nothing before this time.
    Paused {
        /// As it stands in a configuration.
        until: &'a str,
    },
    /// The configuration is another.
    Updated {
        /// As JSON.
        config: &'a [u8],
    },
}

/// Bytes that are no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no entry of a consumer")]
pub struct BadEntry;

/// Runs of messages that follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs<'a> {
    bytes: &'a [u8],
}

/// Messages that follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Sequence of the first.
    pub first: u64,
    /// How many, at least one.
    pub count: u64,
    /// What it means stands with the entry.
    pub flag: bool,
}

/// Messages and when they may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Postponements<'a> {
    bytes: &'a [u8],
    time: i64,
}

/// A message, and when it may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Postponement {
    /// Sequence of the message.
    pub sequence: u64,
    /// Nanoseconds since 1970; the last there is, is never.
    pub due: i64,
    /// A client said when.
    pub is_asked_for: bool,
}

const DELIVERED: u8 = 1;
const ACKNOWLEDGED: u8 = 2;
const ACKNOWLEDGED_TO: u8 = 3;
const EXHAUSTED: u8 = 4;
const GONE: u8 = 5;
const SKIPPED: u8 = 6;
const RESET: u8 = 7;
const PAUSED: u8 = 8;
const UPDATED: u8 = 9;
const POSTPONED: u8 = 10;

impl From<Cut> for BadEntry {
    fn from(_: Cut) -> Self {
        BadEntry
    }
}

impl<'a> ConsumerEntry<'a> {
    /// The first entry of these bytes, and how many bytes it takes.
    ///
    /// # Errors
    /// They do not begin with one.
    pub fn decode(bytes: &'a [u8]) -> Result<(Self, usize), BadEntry> {
        let mut reader = Reader::new(bytes);
        let kind = reader.byte()?;
        let entry = match kind {
            DELIVERED => Self::Delivered { time: time(&mut reader)?, runs: Runs::decode(&mut reader)? },
            ACKNOWLEDGED => Self::Acknowledged { time: time(&mut reader)?, runs: Runs::decode(&mut reader)? },
            ACKNOWLEDGED_TO => Self::AcknowledgedTo { time: time(&mut reader)?, sequence: reader.number()? },
            EXHAUSTED => Self::Exhausted { runs: Runs::decode(&mut reader)? },
            GONE => Self::Gone { runs: Runs::decode(&mut reader)? },
            SKIPPED => Self::Skipped { next: reader.number()? },
            RESET => Self::Reset { next: reader.number()? },
            PAUSED => Self::Paused { until: reader.text()? },
            UPDATED => Self::Updated { config: reader.bytes()? },
            POSTPONED => {
                let time = time(&mut reader)?;
                Self::Postponed { time, list: Postponements::decode(&mut reader, time)? }
            }
            _ => return Err(BadEntry),
        };
        Ok((entry, bytes.len() - reader.remaining()))
    }
}

fn time(reader: &mut Reader<'_>) -> Result<Timestamp, BadEntry> {
    Ok(Timestamp::from_unix_nanos(reader.time()?))
}

impl<'a> Runs<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, BadEntry> {
        let bytes = reader.bytes()?;
        let (mut runs, mut end, mut messages) = (Reader::new(bytes), 0, 0_u64);
        while !runs.is_empty() {
            let run = Run::decode(&mut runs, end)?;
            end = run.first.checked_add(run.count).ok_or(BadEntry)?;
            messages = messages.saturating_add(run.count);
            if run.count == 0 || messages > MESSAGES_MAX {
                return Err(BadEntry);
            }
        }
        Ok(Runs { bytes })
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = Run> + use<'a> {
        let (mut runs, mut end) = (Reader::new(self.bytes), 0_u64);
        std::iter::from_fn(move || {
            let run = Run::decode(&mut runs, end).ok()?;
            end = run.first.saturating_add(run.count);
            Some(run)
        })
    }

    /// Each message, with the flag of its run.
    pub fn messages(&self) -> impl Iterator<Item = (u64, bool)> + use<'a> {
        self.iter().flat_map(|run| (run.first..run.first.saturating_add(run.count)).map(move |at| (at, run.flag)))
    }
}

impl Run {
    fn decode(reader: &mut Reader<'_>, end: u64) -> Result<Self, BadEntry> {
        let first = reader.step(end)?;
        let count = reader.number()?;
        Ok(Run { first, count: count >> 1, flag: count & 1 == 1 })
    }
}

impl<'a> Postponements<'a> {
    fn decode(reader: &mut Reader<'a>, time: Timestamp) -> Result<Self, BadEntry> {
        let (bytes, time) = (reader.bytes()?, time.unix_nanos());
        let (mut list, mut messages, mut last) = (Reader::new(bytes), 0, 0);
        while !list.is_empty() {
            last = Postponement::decode(&mut list, last, time)?.sequence;
            messages += 1;
            if messages > MESSAGES_MAX {
                return Err(BadEntry);
            }
        }
        Ok(Postponements { bytes, time })
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = Postponement> + use<'a> {
        let (mut list, mut last, time) = (Reader::new(self.bytes), 0, self.time);
        std::iter::from_fn(move || {
            let postponement = Postponement::decode(&mut list, last, time).ok()?;
            last = postponement.sequence;
            Some(postponement)
        })
    }
}

impl Postponement {
    fn decode(reader: &mut Reader<'_>, last: u64, time: i64) -> Result<Self, BadEntry> {
        let sequence = reader.step(last)?;
        let due = time.wrapping_add(reader.signed()?);
        let is_asked_for = match reader.byte()? {
            0 => false,
            1 => true,
            _ => return Err(BadEntry),
        };
        Ok(Postponement { sequence, due, is_asked_for })
    }
}

/// Writes entries: what one turn does to many messages goes into one of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer {
    /// Whole entries.
    done: Vec<u8>,
    /// Kind and time of the entry that is being written; none is kind 0.
    kind: u8,
    time: i64,
    /// Its list.
    body: Vec<u8>,
    /// The run that may go on; count 0 is none.
    run: (u64, u64, bool),
    /// End of the run before, or the last postponed message.
    last: u64,
    messages: u64,
}

impl Writer {
    pub(super) fn is_empty(&self) -> bool {
        self.kind == 0 && self.done.is_empty()
    }

    pub(super) fn delivered(&mut self, time: i64, sequence: u64, is_redelivery: bool) {
        self.open(DELIVERED, time);
        self.message(sequence, is_redelivery);
    }

    pub(super) fn acknowledged(&mut self, time: i64, sequence: u64) {
        self.open(ACKNOWLEDGED, time);
        self.message(sequence, false);
    }

    pub(super) fn exhausted(&mut self, sequence: u64) {
        self.open(EXHAUSTED, 0);
        self.message(sequence, false);
    }

    pub(super) fn gone(&mut self, sequence: u64) {
        self.open(GONE, 0);
        self.message(sequence, false);
    }

    pub(super) fn postponed(&mut self, time: i64, postponement: Postponement) {
        self.open(POSTPONED, time);
        let Postponement { sequence, due, is_asked_for } = postponement;
        varint::put_step(self.last, sequence, &mut self.body);
        varint::put_signed(due.wrapping_sub(time), &mut self.body);
        self.body.push(u8::from(is_asked_for));
        self.last = sequence;
        self.messages += 1;
    }

    pub(super) fn acknowledged_to(&mut self, time: i64, sequence: u64) {
        self.single(ACKNOWLEDGED_TO, |out| {
            varint::put_time(time, out);
            varint::put(sequence, out);
        });
    }

    pub(super) fn skipped(&mut self, next: u64) {
        self.single(SKIPPED, |out| varint::put(next, out));
    }

    pub(super) fn reset(&mut self, next: u64) {
        self.single(RESET, |out| varint::put(next, out));
    }

    pub(super) fn paused(&mut self, until: &str) {
        self.single(PAUSED, |out| varint::put_bytes(until.as_bytes(), out));
    }

    pub(super) fn updated(&mut self, config: &[u8]) {
        self.single(UPDATED, |out| varint::put_bytes(config, out));
    }

    /// Hands over all entries.
    pub(super) fn take(&mut self, out: &mut Vec<u8>) {
        self.close();
        out.append(&mut self.done);
    }

    fn single(&mut self, kind: u8, rest: impl FnOnce(&mut Vec<u8>)) {
        self.close();
        self.done.push(kind);
        rest(&mut self.done);
    }

    /// Goes on with the entry of this kind, or begins one.
    fn open(&mut self, kind: u8, time: i64) {
        if self.kind == kind && self.time == time && self.messages < MESSAGES_MAX {
            return;
        }
        self.close();
        (self.kind, self.time) = (kind, time);
    }

    fn close(&mut self) {
        if self.kind == 0 {
            return;
        }
        self.close_run();
        self.done.push(self.kind);
        if matches!(self.kind, DELIVERED | ACKNOWLEDGED | POSTPONED) {
            varint::put_time(self.time, &mut self.done);
        }
        varint::put_bytes(&self.body, &mut self.done);
        self.body.clear();
        (self.kind, self.last, self.messages) = (0, 0, 0);
    }

    fn message(&mut self, sequence: u64, flag: bool) {
        self.messages += 1;
        let (first, count, run_flag) = self.run;
        if count > 0 && run_flag == flag && first + count == sequence {
            self.run.1 += 1;
            return;
        }
        self.close_run();
        self.run = (sequence, 1, flag);
    }

    fn close_run(&mut self) {
        let (first, count, flag) = self.run;
        if count == 0 {
            return;
        }
        varint::put_step(self.last, first, &mut self.body);
        varint::put(count << 1 | u64::from(flag), &mut self.body);
        (self.last, self.run) = (first + count, (0, 0, false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let (mut writer, mut out) = (Writer::default(), Vec::new());
        write(&mut writer);
        writer.take(&mut out);
        assert!(writer.is_empty());
        out
    }

    #[test]
    fn a_batch_of_five_hundred_is_a_few_bytes() {
        let bytes = written(|writer| (1_000_001..1_000_501).for_each(|at| writer.delivered(7, at, false)));
        assert_eq!(bytes.len(), 1 + 8 + 1 + 3 + 2, "kind, time, length, first, count");
        let (entry, length) = ConsumerEntry::decode(&bytes).unwrap();
        assert_eq!(length, bytes.len());
        let ConsumerEntry::Delivered { time, runs } = entry else { panic!("{entry:?}") };
        assert_eq!(time.unix_nanos(), 7);
        let run = Run { first: 1_000_001, count: 500, flag: false };
        assert_eq!(runs.iter().collect::<Vec<_>>(), [run]);
    }

    #[test]
    fn what_is_of_one_kind_and_time_is_one_entry() {
        let bytes = written(|writer| {
            for at in [5, 6, 9, 3, 4] {
                writer.delivered(1, at, at < 5);
            }
            writer.acknowledged(1, 5);
            writer.acknowledged(2, 7);
            writer.acknowledged_to(2, 9);
            writer.postponed(3, Postponement { sequence: 8, due: 30, is_asked_for: true });
            writer.postponed(3, Postponement { sequence: 4, due: i64::MAX, is_asked_for: false });
            writer.exhausted(6);
            writer.gone(3);
            writer.skipped(11);
            writer.reset(12);
            writer.paused("2099-01-01T00:00:00Z");
            writer.updated(b"{}");
        });
        let (mut rest, mut seen) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let (entry, length) = ConsumerEntry::decode(rest).unwrap();
            rest = &rest[length..];
            seen.push(match entry {
                ConsumerEntry::Delivered { time, runs } => {
                    format!("delivered {} {:?}", time.unix_nanos(), runs.messages().collect::<Vec<_>>())
                }
                ConsumerEntry::Acknowledged { time, runs } => {
                    format!(
                        "acknowledged {} {:?}",
                        time.unix_nanos(),
                        runs.messages().map(|at| at.0).collect::<Vec<_>>()
                    )
                }
                ConsumerEntry::Postponed { list, .. } => {
                    let list = list.iter().map(|one| (one.sequence, one.due, one.is_asked_for));
                    format!("postponed {:?}", list.collect::<Vec<_>>())
                }
                ConsumerEntry::Exhausted { runs } => format!("exhausted {:?}", runs.messages().collect::<Vec<_>>()),
                ConsumerEntry::Gone { runs } => format!("gone {:?}", runs.messages().collect::<Vec<_>>()),
                ConsumerEntry::AcknowledgedTo { sequence, .. } => format!("acknowledged to {sequence}"),
                ConsumerEntry::Skipped { next } => format!("skipped {next}"),
                ConsumerEntry::Reset { next } => format!("reset {next}"),
                ConsumerEntry::Paused { until } => format!("paused {until}"),
                ConsumerEntry::Updated { config } => format!("updated {}", config.escape_ascii()),
            });
        }
        let expected = [
            "delivered 1 [(5, false), (6, false), (9, false), (3, true), (4, true)]",
            "acknowledged 1 [5]",
            "acknowledged 2 [7]",
            "acknowledged to 9",
            "postponed [(8, 30, true), (4, 9223372036854775807, false)]",
            "exhausted [(6, false)]",
            "gone [(3, false)]",
            "skipped 11",
            "reset 12",
            "paused 2099-01-01T00:00:00Z",
            "updated {}",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn damage_is_an_error() {
        for bytes in [
            &b""[..],
            &[0],
            &[11],
            &[DELIVERED],
            &[EXHAUSTED, 2, 2],
            &[EXHAUSTED, 2, 2, 0],
            &[EXHAUSTED, 4, 2, 0xfe, 0xff, 0x7f],
            &[PAUSED, 1, 0xff],
            &[SKIPPED, 0x80],
        ] {
            assert_eq!(ConsumerEntry::decode(bytes), Err(BadEntry), "{bytes:x?}");
        }
    }
}
