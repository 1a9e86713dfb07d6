//! The pinned client of a priority group: the one that is served, as long as it asks.

use firn_api::{
    advisory::{GroupPinned, GroupUnpinned, UnpinReason},
    consumer::{ConsumerConfig, PriorityPolicy},
};
use firn_id::{Monotonic, Timestamp};

use super::{
    effect::{ConsumerEffect, ConsumerEvent},
    turn::Turn,
};

#[derive(Debug, Default)]
pub(super) struct Pin {
    /// Clients are pinned here.
    is_used: bool,
    /// Names for advisories.
    stream: String,
    consumer: String,
    group: String,
    timeout: std::time::Duration,
    pinned: Option<Pinned>,
    /// Tells the ids of one nanosecond apart.
    made: u64,
}

#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) id: String,
    pub(super) since: Timestamp,
    until: Monotonic,
}

impl Pin {
    pub(super) fn configure(&mut self, stream: &str, consumer: &str, config: &ConsumerConfig) {
        self.is_used = config.priority_policy == PriorityPolicy::PinnedClient;
        if !self.is_used {
            // There are many consumers, of which few pin: the others need no names twice.
            *self = Pin::default();
            return;
        }
        (self.stream, self.consumer) = (stream.to_owned(), consumer.to_owned());
        // Only the first group is served, whatever others there are.
        self.group = config.priority_groups.first().cloned().unwrap_or_default();
        self.timeout = config.priority_timeout.duration();
    }

    pub(super) fn pinned(&self) -> Option<&Pinned> {
        self.pinned.as_ref()
    }

    pub(super) fn deadline(&self) -> Option<Monotonic> {
        self.pinned.as_ref().map(|pinned| pinned.until)
    }

    /// Another client than this one is pinned, and this one waits for its turn.
    pub(super) fn is_other(&self, id: Option<&str>) -> bool {
        self.is_used && self.pinned.is_some() && id.is_none()
    }

    /// This client takes itself for the pinned one, and is not.
    pub(super) fn is_wrong(&self, id: Option<&str>) -> bool {
        self.is_used && id.is_some() && self.pinned.as_ref().map(|pinned| pinned.id.as_str()) != id
    }

    /// The pinned client asks for more.
    pub(super) fn renew(&mut self, id: &str, now: Monotonic) {
        if let Some(pinned) = self.pinned.as_mut().filter(|pinned| pinned.id == id) {
            pinned.until = now + self.timeout;
        }
    }

    /// Pins the client that is served now, if none is: the id it gets.
    pub(super) fn take(&mut self, turn: &mut Turn<'_>) -> Option<String> {
        if !self.is_used || self.pinned.is_some() {
            return None;
        }
        self.made += 1;
        let id = id(turn.now.wall, self.made);
        let until = turn.now.monotonic + self.timeout;
        self.pinned = Some(Pinned { id: id.clone(), since: turn.now.wall, until });
        if turn.is_observed {
            let event = GroupPinned {
                stream: self.stream.clone(),
                consumer: self.consumer.clone(),
                group: self.group.clone(),
                pinned_id: id.clone(),
                ..GroupPinned::default()
            };
            turn.effects.list.push(ConsumerEffect::Advisory(Box::new(ConsumerEvent::Pinned(event))));
        }
        Some(id)
    }

    pub(super) fn release(&mut self, reason: UnpinReason, turn: &mut Turn<'_>) {
        self.pinned = None;
        if turn.is_observed {
            let event = GroupUnpinned {
                stream: self.stream.clone(),
                consumer: self.consumer.clone(),
                group: self.group.clone(),
                reason,
                ..GroupUnpinned::default()
            };
            turn.effects.list.push(ConsumerEffect::Advisory(Box::new(ConsumerEvent::Unpinned(event))));
        }
    }

    /// Whether another can be pinned now.
    pub(super) fn expire(&mut self, turn: &mut Turn<'_>) -> bool {
        let is_over = self.deadline().is_some_and(|until| until <= turn.now.monotonic);
        if is_over {
            self.release(UnpinReason::Timeout, turn);
        }
        is_over
    }
}

/// 22 letters and digits, as other ids have: the time and a number, which no two of one consumer share.
fn id(time: Timestamp, number: u64) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = u128::from(time.unix_nanos().unsigned_abs()) << 64 | u128::from(number);
    let mut text = [b'0'; 22];
    for place in text.iter_mut().rev() {
        *place = *DIGITS.get((rest % 62) as usize).expect("a remainder of 62");
        rest /= 62;
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ() {
        let at = Timestamp::from_unix_nanos;
        let ids = [id(at(1), 1), id(at(1), 2), id(at(2), 1), id(at(i64::MAX), u64::MAX)];
        for (index, id) in ids.iter().enumerate() {
            assert_eq!(id.len(), 22);
            assert!(!ids[..index].contains(id));
        }
    }
}
