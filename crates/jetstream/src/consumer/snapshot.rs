//! A consumer as bytes: all that survives a restart, and nothing else.
//!
//! ```text
//!   version 1 · stream · name · created · last at creation · config (JSON)
//!   delivered: number · sequence · time;  ack floor: number · sequence · time
//!   count of pending, each: step of sequence · step of number · due · deliveries · 1 where a client said when
//!   count of exhausted, each: step of sequence
//! ```
//!
//! Names and JSON with their lengths; times of eight bytes, where the lowest there is, is none; everything else varints.

use firn_api::{consumer::ConsumerConfig, json};
use firn_id::Timestamp;

use super::{
    Consumer,
    pending::Slot,
    state::{Place, State, read_config},
    varint::{self, Cut, Reader},
};

const VERSION: u8 = 1;

const NO_TIME: i64 = i64::MIN;

/// Bytes that are no consumer, or one of a newer version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSnapshot {
    /// Written by a newer program.
    #[error("a consumer's snapshot has version {0}, which is newer than this program")]
    Newer(u8),
    /// They contradict themselves.
    #[error("no snapshot of a consumer")]
    Damaged,
}

impl From<Cut> for BadSnapshot {
    fn from(_: Cut) -> Self {
        BadSnapshot::Damaged
    }
}

impl Consumer {
    /// Appends it. The entries of the turn must have been taken.
    pub fn snapshot(&self, out: &mut Vec<u8>) {
        assert!(self.entries.is_empty(), "a snapshot is of what the log has, too");
        out.push(VERSION);
        varint::put_bytes(self.stream.as_bytes(), out);
        varint::put_bytes(self.name.as_bytes(), out);
        varint::put_time(self.created.unix_nanos(), out);
        varint::put(self.last_at_creation, out);
        varint::put_bytes(&json::write(&self.state.config), out);
        self.state.write(out);
    }

    /// From what [`Consumer::snapshot`] wrote.
    ///
    /// # Errors
    /// The bytes are something else.
    pub fn restore(bytes: &[u8]) -> Result<Self, BadSnapshot> {
        let mut reader = Reader::new(bytes);
        match reader.byte()? {
            VERSION => {}
            newer if newer > VERSION => return Err(BadSnapshot::Newer(newer)),
            _ => return Err(BadSnapshot::Damaged),
        }
        let (stream, name) = (reader.text()?.to_owned(), reader.text()?.to_owned());
        let created = Timestamp::from_unix_nanos(reader.time()?);
        let last_at_creation = reader.number()?;
        let config = read_config(reader.bytes()?).ok_or(BadSnapshot::Damaged)?;
        let state = State::read(config, &mut reader)?;
        if !reader.is_empty() {
            return Err(BadSnapshot::Damaged);
        }
        Ok(Self::with_state(stream, name, created, last_at_creation, state))
    }
}

impl State {
    fn write(&self, out: &mut Vec<u8>) {
        for (place, time) in [(self.delivered, self.delivered_at), (self.floor, self.acknowledged_at)] {
            varint::put(place.number, out);
            varint::put(place.sequence, out);
            varint::put_time(time.map_or(NO_TIME, Timestamp::unix_nanos), out);
        }
        varint::put(self.pending.len() as u64, out);
        let mut last = Place { number: self.floor.number, sequence: 0 };
        for slot in self.pending.iter() {
            varint::put_step(last.sequence, slot.sequence, out);
            varint::put_step(last.number, slot.number, out);
            varint::put_time(slot.due, out);
            varint::put(u64::from(slot.deliveries), out);
            out.push(u8::from(slot.is_postponed));
            last = Place { number: slot.number, sequence: slot.sequence };
        }
        varint::put(self.exhausted.len() as u64, out);
        let mut last = 0;
        for sequence in &self.exhausted {
            varint::put_step(last, *sequence, out);
            last = *sequence;
        }
    }

    fn read(config: ConsumerConfig, reader: &mut Reader<'_>) -> Result<Self, BadSnapshot> {
        let mut state = State::new(config, 1);
        let mut place = || -> Result<(Place, Option<Timestamp>), BadSnapshot> {
            let place = Place { number: reader.number()?, sequence: reader.number()? };
            Ok((place, Some(reader.time()?).filter(|time| *time != NO_TIME).map(Timestamp::from_unix_nanos)))
        };
        (state.delivered, state.delivered_at) = place()?;
        (state.floor, state.acknowledged_at) = place()?;
        if state.floor.number > state.delivered.number || state.floor.sequence > state.delivered.sequence {
            return Err(BadSnapshot::Damaged);
        }
        let mut last = Place { number: state.floor.number, sequence: 0 };
        for _ in 0..reader.number()? {
            let (sequence, number) = (reader.step(last.sequence)?, reader.step(last.number)?);
            let due = reader.time()?;
            let deliveries = u32::try_from(reader.number()?).map_err(|_| BadSnapshot::Damaged)?;
            let is_postponed = flag(reader)?;
            let is_sound = deliveries > 0 && number > last.number && number <= state.delivered.number;
            let slot = Slot { sequence, number, due, deliveries, is_postponed, is_ready: false };
            if !is_sound || sequence > state.delivered.sequence || !state.pending.push(slot) {
                return Err(BadSnapshot::Damaged);
            }
            last = Place { number, sequence };
        }
        let mut last = 0;
        for _ in 0..reader.number()? {
            last = reader.step(last)?;
            if state.pending.get(last).is_some() || !state.exhausted.insert(last) {
                return Err(BadSnapshot::Damaged);
            }
        }
        if !state.rules.is_acknowledged && !state.pending.is_empty() {
            return Err(BadSnapshot::Damaged);
        }
        Ok(state)
    }
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, BadSnapshot> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(BadSnapshot::Damaged),
    }
}
