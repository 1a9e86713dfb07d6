//! How many messages a consumer has before it, exactly, without work for a consumer that nobody asks.
//!
//! ```text
//!   stream, one FilterCounter a distinct filter       consumer, one Backlog
//!   appended  ───── how many matching ever ───────►   count + appended since
//!   removals  ───── the last 1,024 of them ───────►         − removed since at or behind its position
//!                   (more: count again)                     − sent since
//! ```
//!
//! An append costs the stream one addition for each distinct filter that matches, however many consumers there are. A
//! consumer looks when it has something to do: a few removals since then are taken one by one, of which those before
//! its position do not concern it, and only after very many it asks the messages to count.
//!
//! The same list of removals tells a consumer which of its pending messages are gone ([`Removed`]).

use std::collections::VecDeque;

use crate::messages::{Fetch, Filter, Messages, ready};

/// Removals that are remembered one by one.
const REMOVALS_MAX: usize = 1_024;

/// What a stream counts for one distinct filter, so that consumers of that filter know what is before them.
///
/// It lives as long as the process: a new one after a restart is as good. The stream need not tell consumers of removals
/// in any other way.
#[derive(Clone, Debug, Default)]
pub struct FilterCounter {
    /// Matching messages that were appended, ever.
    appended: u64,
    /// Removals, ever.
    removals: u64,
    /// The last of them, each with its number.
    recent: VecDeque<(u64, Removed)>,
    /// The last that is not among them.
    forgotten: u64,
}

/// What was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// This message.
    One(u64),
    /// All matching messages before this sequence: what limits take from the front.
    Below(u64),
    /// Any.
    Some,
}

impl FilterCounter {
    /// Nothing happened yet.
    pub fn new() -> Self {
        FilterCounter::default()
    }

    /// A message was appended that the filter matches.
    pub fn appended(&mut self) {
        self.appended += 1;
    }

    /// Messages were removed of which the filter matches some.
    pub fn removed(&mut self, what: Removed) {
        self.removals += 1;
        // Limits take one after the other from the front: the last of these says it all.
        if let Removed::Below(next) = what
            && let Some((number, Removed::Below(last))) = self.recent.back_mut()
            && *last <= next
        {
            (*number, *last) = (self.removals, next);
            return;
        }
        self.recent.push_back((self.removals, what));
        if self.recent.len() > REMOVALS_MAX {
            self.forgotten = self.recent.pop_front().map_or(self.forgotten, |(number, _)| number);
        }
    }

    /// How many removals there were.
    pub(super) fn removals(&self) -> u64 {
        self.removals
    }

    /// Those after the so-many-th, the last one first; none where they are not remembered.
    pub(super) fn since(&self, seen: u64) -> Option<impl Iterator<Item = Removed> + '_> {
        let newer = self.recent.iter().rev().take_while(move |(number, _)| *number > seen);
        (self.forgotten <= seen).then_some(newer.map(|(_, what)| *what))
    }
}

/// Messages before a consumer.
#[derive(Clone, Debug, Default)]
pub(super) struct Backlog {
    counted: Option<Counted>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    /// So many, when the counter stood so.
    messages: u64,
    appended: u64,
    removals: u64,
}

impl Backlog {
    /// Live messages that match from `position` on, which is where the consumer is since it was asked last, but for what
    /// was [`Backlog::sent`].
    pub(super) fn count(
        &mut self,
        counter: &FilterCounter,
        messages: &Messages,
        filter: &Filter,
        position: u64,
    ) -> Result<u64, Fetch> {
        // Appended messages that the position lies behind are not before it.
        if position > messages.next_sequence() {
            self.counted = None;
            return Ok(0);
        }
        let known = self.counted.and_then(|counted| counted.follow(counter, position));
        let count = match known {
            Some(count) => count,
            None => ready(messages.count(position, filter))?,
        };
        let (appended, removals) = (counter.appended, counter.removals);
        self.counted = Some(Counted { messages: count, appended, removals });
        Ok(count)
    }

    /// A message was sent, or passed over: the position is behind it.
    pub(super) fn sent(&mut self) {
        if let Some(counted) = &mut self.counted {
            counted.messages = counted.messages.saturating_sub(1);
        }
    }

    /// The position is another, or the filter.
    pub(super) fn forget(&mut self) {
        self.counted = None;
    }
}

impl Counted {
    /// None where it has to be counted again.
    fn follow(&self, counter: &FilterCounter, position: u64) -> Option<u64> {
        let mut removed = 0;
        for what in counter.since(self.removals)? {
            match what {
                Removed::One(sequence) => removed += u64::from(sequence >= position),
                Removed::Below(next) if next <= position => {}
                Removed::Below(_) | Removed::Some => return None,
            }
        }
        (self.messages + (counter.appended - self.appended)).checked_sub(removed)
    }
}
