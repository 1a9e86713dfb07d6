//! What a consumer is told when it is called.

use firn_api::subject;

use super::{backlog::FilterCounter, effect::ConsumerEffects};
use crate::{messages::Messages, now::Now};

/// What a consumer may look at and where it puts what it does.
pub struct Turn<'a> {
    /// The time.
    pub now: Now,
    /// Messages of its stream.
    pub messages: &'a Messages,
    /// What the stream counted for this consumer's set of filters, up to date with the messages.
    pub counter: &'a FilterCounter,
    /// Does somebody listen to this subject? Asked once a call for each puller that could be served.
    pub has_interest: &'a dyn Fn(&[u8]) -> bool,
    /// Somebody listens to advisories or metrics: without, none are made.
    pub is_observed: bool,
    /// Where effects go.
    pub effects: &'a mut ConsumerEffects,
}

impl std::fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").field("now", &self.now).field("counter", self.counter).finish_non_exhaustive()
    }
}

/// A request to `CONSUMER.MSG.NEXT`.
#[derive(Clone, Copy, Debug)]
pub struct Pull<'a> {
    /// Where messages and statuses go. Without one, nobody could receive anything.
    pub reply: &'a [u8],
    /// What is asked for.
    pub body: &'a [u8],
    /// Its block of headers, or nothing.
    pub headers: &'a [u8],
}

/// An acknowledgement, of whatever kind.
#[derive(Clone, Copy, Debug)]
pub struct Ack<'a> {
    /// Where it was published: the reply of the message it means.
    pub subject: &'a [u8],
    /// What that says.
    pub delivery: subject::Ack<'a>,
    /// What is said of the message.
    pub body: &'a [u8],
    /// Where to confirm it, or to send what is asked for with it; empty is nowhere.
    pub reply: &'a [u8],
}

/// Why a consumer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It or its stream was deleted.
    Deleted,
    /// The server stops.
    Shutdown,
    /// Another server serves it.
    LeadershipChange,
}
