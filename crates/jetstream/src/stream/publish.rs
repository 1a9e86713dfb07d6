//! A message is published to a stream: checked, and stored or refused.
//!
//! The order of the checks is the reference server's, found by pairs of broken rules:
//!
//! ```text
//!   sealed · size · batch · length of headers · counter · expected stream · TTL not allowed
//!   · last of the subject · last of the stream · schedule · source · id seen · last id · roll-up · TTL malformed
//!   · (nobody wants it) · per subject · messages · bytes · server full · account full
//! ```
//!
//! What is refused proposes nothing.

use std::borrow::Cow;

use firn_api::{
    error::{ApiError, Failure},
    json,
    stream::{Discard, PublishAck},
    time::{Nanos, Time},
};
use firn_id::Timestamp;
use firn_subject::subject;
use firn_wire::header;

use super::{
    Stream,
    headers::{Asks, HEADERS_BYTES_MAX, number, with_value},
    storage_of,
    ttl::Ttl,
};
use crate::{
    entry::StreamEntry,
    messages::{Fetch, Filter, Loaded, NewMessage, Storage, ready},
    packet::Packet,
    shard::Turn,
};

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Stored { sequence: u64 },
    Duplicate { sequence: u64 },
    Refused(ApiError),
}

/// Why the checks end early.
enum End {
    Verdict(Verdict),
    Cold(Fetch),
}

impl From<ApiError> for End {
    fn from(error: ApiError) -> Self {
        End::Verdict(Verdict::Refused(error))
    }
}

impl From<Fetch> for End {
    fn from(fetch: Fetch) -> Self {
        End::Cold(fetch)
    }
}

/// A message that is being checked.
struct Candidate<'p> {
    subject: Cow<'p, [u8]>,
    headers: Cow<'p, [u8]>,
    body: &'p [u8],
    asks: Asks<'p>,
}

impl Stream {
    /// Checks a message, stores it, and answers.
    ///
    /// # Errors
    /// What has to be read before it can be checked; nothing was done.
    pub(crate) fn publish(&mut self, turn: &mut Turn<'_>, packet: &Packet) -> Result<(), Fetch> {
        let mut candidate = Candidate {
            subject: self.transformed(packet.subject(), turn),
            headers: Cow::Borrowed(packet.headers()),
            body: packet.body(),
            asks: Asks::of(packet.headers()),
        };
        let verdict = match self.check(turn, &mut candidate) {
            Ok(()) => self.store(turn, &candidate)?,
            Err(End::Verdict(verdict)) => verdict,
            Err(End::Cold(fetch)) => return Err(fetch),
        };
        self.acknowledge(turn, packet.reply(), &verdict);
        Ok(())
    }

    /// The subject under which the message is stored.
    fn transformed<'p>(&self, published: &'p [u8], turn: &mut Turn<'_>) -> Cow<'p, [u8]> {
        let Some(transform) = &self.rules.transform else { return Cow::Borrowed(published) };
        match transform.apply(published, turn.random()) {
            Some(transformed) if subject::is_valid_literal(&transformed) => Cow::Owned(transformed),
            Some(_) | None => Cow::Borrowed(published),
        }
    }

    fn check(&self, turn: &Turn<'_>, candidate: &mut Candidate<'_>) -> Result<(), End> {
        self.check_kind(candidate)?;
        if !candidate.headers.is_empty() {
            self.check_expected(turn, candidate)?;
            self.check_rollup(&candidate.asks)?;
            self.check_ttl(candidate)?;
        }
        if self.is_wanted(&candidate.subject) {
            self.check_room(turn, candidate)?;
        }
        // Also a message that nobody wants leaves a record.
        if turn.log_is_full && storage_of(&self.config) == Storage::File {
            return Err(ApiError::InsufficientResources.into());
        }
        Ok(())
    }

    /// What such a stream takes at all.
    fn check_kind(&self, candidate: &Candidate<'_>) -> Result<(), ApiError> {
        if self.config.sealed {
            return Err(ApiError::StreamSealed);
        }
        let length = candidate.headers.len() + candidate.body.len();
        if usize::try_from(self.config.max_msg_size).is_ok_and(|max| max > 0 && length > max) {
            return Err(ApiError::StreamMessageExceedsMaximum);
        }
        let asks = &candidate.asks;
        if asks.batch {
            return Err(ApiError::AtomicPublishDisabled);
        }
        if candidate.headers.len() > HEADERS_BYTES_MAX {
            return Err(ApiError::StreamHeaderExceedsMaximum);
        }
        if asks.increment {
            return Err(ApiError::MessageIncrDisabled);
        }
        Ok(())
    }

    /// What the publisher expects of the stream.
    fn check_expected(&self, turn: &Turn<'_>, candidate: &Candidate<'_>) -> Result<(), End> {
        let asks = &candidate.asks;
        if asks.stream.is_some_and(|name| name != self.name().as_bytes()) {
            return Err(ApiError::StreamNotMatch.into());
        }
        if !self.config.allow_msg_ttl && asks.ttl.is_some_and(|ttl| Ttl::parse(ttl).is_ok()) {
            return Err(ApiError::MessageTtlDisabled.into());
        }
        self.check_last_of_subject(candidate)?;
        let last = self.last_sequence();
        if asks.last_sequence.is_some_and(|expected| number(expected) != Some(last)) {
            return Err(ApiError::StreamWrongLastSequence { seq: last }.into());
        }
        if asks.schedule {
            return Err(ApiError::MessageSchedulesDisabled.into());
        }
        if asks.source {
            return Err(ApiError::MessageSourceHeaderNotAllowed.into());
        }
        let window = self.config.duplicate_window.0;
        if let Some(sequence) = asks.id.and_then(|id| self.dedupe.find(id, turn.now.wall, window)) {
            return Err(End::Verdict(Verdict::Duplicate { sequence }));
        }
        if asks.last_id.is_some_and(|expected| expected != self.last_id) {
            let id = String::from_utf8_lossy(&self.last_id).into_owned();
            return Err(ApiError::StreamWrongLastMsgId { id }.into());
        }
        Ok(())
    }

    fn check_last_of_subject(&self, candidate: &Candidate<'_>) -> Result<(), End> {
        let Some(expected) = candidate.asks.last_subject_sequence else {
            let is_alone = candidate.asks.last_subject.is_some();
            return if is_alone { Err(ApiError::StreamExpectedLastSeqPerSubjectInvalid.into()) } else { Ok(()) };
        };
        let about = candidate.asks.last_subject.unwrap_or(&candidate.subject);
        let seq = if subject::is_literal(about) {
            ready(self.messages.subject(about))?.map_or(0, |state| state.last)
        } else if subject::is_valid_pattern(about) {
            ready(self.messages.previous(u64::MAX, &Filter::new([about])))?.unwrap_or(0)
        } else {
            0
        };
        if number(expected) == Some(seq) { Ok(()) } else { Err(ApiError::StreamWrongLastSequence { seq }.into()) }
    }

    fn check_rollup(&self, asks: &Asks<'_>) -> Result<(), ApiError> {
        let Some(value) = asks.rollup else { return Ok(()) };
        let refuse = |err: String| Err(ApiError::StreamRollupFailed { err });
        if !self.config.allow_rollup_hdrs || self.config.deny_purge {
            return refuse("rollup not permitted".to_owned());
        }
        if value.eq_ignore_ascii_case(b"sub") || value.eq_ignore_ascii_case(b"all") {
            return Ok(());
        }
        refuse(format!("rollup value invalid: \"{}\"", String::from_utf8_lossy(value)))
    }

    /// A message lives at least as long as the marker that would follow it, and its header says so.
    fn check_ttl(&self, candidate: &mut Candidate<'_>) -> Result<(), ApiError> {
        let Some(text) = candidate.asks.ttl else { return Ok(()) };
        let ttl = Ttl::parse(text).map_err(|_| ApiError::MessageTtlInvalid)?;
        let marker_seconds = self.config.subject_delete_marker_ttl.0 / Nanos::from_secs(1).0;
        match ttl {
            Ttl::Seconds(seconds) if seconds < marker_seconds => {
                let raised = with_value(&candidate.headers, b"Nats-TTL", marker_seconds.to_string().as_bytes());
                candidate.headers = Cow::Owned(raised);
            }
            Ttl::Seconds(_) | Ttl::Never => {}
        }
        Ok(())
    }

    /// Limits that refuse new messages instead of removing old ones.
    fn check_room(&self, turn: &Turn<'_>, candidate: &Candidate<'_>) -> Result<(), End> {
        let storage = storage_of(&self.config);
        let parts = candidate.subject.len() + candidate.headers.len() + candidate.body.len();
        let bytes = storage.accounted_bytes(parts, !candidate.headers.is_empty());
        if self.config.discard == Discard::New {
            self.check_full(candidate, bytes)?;
        }
        if let Some(account) = self.account_id {
            turn.accounts.check_room(account, storage, bytes, turn.settings)?;
        }
        Ok(())
    }

    fn check_full(&self, candidate: &Candidate<'_>, bytes: u64) -> Result<(), End> {
        let refuse = |what: &str| Err(ApiError::StreamStoreFailed { err: format!("maximum {what} exceeded") }.into());
        let max = |limit: i64| u64::try_from(limit).ok().filter(|&limit| limit > 0);
        let mut replaced = None;
        if let Some(max) = max(self.config.max_msgs_per_subject) {
            replaced = ready(self.messages.subject(&candidate.subject))?.filter(|state| state.count >= max);
        }
        if replaced.is_some() && self.config.discard_new_per_subject {
            return refuse("messages per subject");
        }
        let state = self.messages.state();
        if replaced.is_none() && max(self.config.max_msgs).is_some_and(|max| state.messages >= max) {
            return refuse("messages");
        }
        if max(self.config.max_bytes).is_some_and(|max| state.bytes + bytes > max) {
            // A message that takes the place of another one of its subject may, where it is no longer than that.
            let Some(replaced) = replaced else { return refuse("bytes") };
            let room = match ready(self.messages.load(replaced.first))? {
                Loaded::Message(message) => message.accounted_bytes(storage_of(&self.config)),
                Loaded::Missing | Loaded::Damaged => 0,
            };
            if bytes > room {
                return refuse("bytes");
            }
        }
        Ok(())
    }

    /// Proposes it. The answer is given even where a limit has something to read first: it is stored.
    fn store(&mut self, turn: &mut Turn<'_>, candidate: &Candidate<'_>) -> Result<Verdict, Fetch> {
        let (sequence, time) = (self.messages.next_sequence(), turn.now.wall);
        if !self.is_wanted(&candidate.subject) {
            let id = candidate.asks.id.unwrap_or_default();
            let skip = StreamEntry::Skip { sequence, time, id };
            let _ = self.propose(&mut turn.log(), &skip);
            return Ok(Verdict::Stored { sequence });
        }
        let republish = self.republished(candidate)?;
        // An append needs the subject's state in memory.
        ready(self.messages.subject(&candidate.subject))?;
        let message = NewMessage {
            sequence,
            time,
            subject: &candidate.subject,
            headers: &candidate.headers,
            body: candidate.body,
            extension: Default::default(),
        };
        let _ = self.propose_message(&mut turn.log(), &message);
        self.wake(message.subject);
        if let Some(republish) = republish {
            self.republish(turn, &message, &republish);
        }
        Ok(Verdict::Stored { sequence })
    }

    /// Where the message is published again, and what was last on its subject before it.
    fn republished(&self, candidate: &Candidate<'_>) -> Result<Option<Republished>, Fetch> {
        let Some(transform) = &self.rules.republish else { return Ok(None) };
        let Some(to) = transform.apply(&candidate.subject, 0) else { return Ok(None) };
        let last = ready(self.messages.subject(&candidate.subject))?.map_or(0, |state| state.last);
        Ok(Some(Republished { to, last }))
    }

    fn republish(&self, turn: &mut Turn<'_>, message: &NewMessage<'_>, republish: &Republished) {
        let Some(account) = self.account_id else { return };
        let is_bare = self.config.republish.as_ref().is_some_and(|republish| republish.headers_only);
        let headers = |out: &mut Vec<u8>| {
            let mut block = self.described(out, message.headers, message.subject, message.sequence, message.time);
            let _ = block.field(b"Nats-Last-Sequence", republish.last.to_string().as_bytes());
            if is_bare {
                let _ = block.field(b"Nats-Msg-Size", message.body.len().to_string().as_bytes());
            }
            block.finish();
        };
        let body = |out: &mut Vec<u8>| out.extend_from_slice(if is_bare { b"" } else { message.body });
        turn.effects.publish_with(self.after(), account, &republish.to, headers, body);
    }

    /// A message's headers, and where it is stored.
    pub(crate) fn described<'o>(
        &self,
        out: &'o mut Vec<u8>,
        headers: &[u8],
        subject: &[u8],
        sequence: u64,
        time: Timestamp,
    ) -> header::Builder<'o> {
        let mut block = header::Builder::extending(out, headers);
        for (key, value) in [
            (&b"Nats-Stream"[..], self.name().as_bytes()),
            (b"Nats-Subject", subject),
            (b"Nats-Sequence", sequence.to_string().as_bytes()),
            (b"Nats-Time-Stamp", Time::from(time).to_string().as_bytes()),
        ] {
            // A subject that was stored breaks no line.
            let _ = block.field(key, value);
        }
        block
    }

    fn acknowledge(&self, turn: &mut Turn<'_>, reply: &[u8], verdict: &Verdict) {
        let Some(account) = self.account_id else { return };
        if reply.is_empty() || self.config.no_ack {
            return;
        }
        let domain = &turn.settings.domain;
        let body = |out: &mut Vec<u8>| match verdict {
            Verdict::Stored { sequence } => self.write_acknowledgement(out, *sequence, domain, b"}"),
            Verdict::Duplicate { sequence } => {
                self.write_acknowledgement(out, *sequence, domain, b",\"duplicate\": true}");
            }
            Verdict::Refused(error) => {
                let stream = self.name().to_owned();
                let ack = PublishAck { error: Some(Failure::from(error)), stream, ..PublishAck::default() };
                out.extend(json::write(&ack));
            }
        };
        turn.effects.publish_with(self.after(), account, reply, |_| {}, body);
    }

    /// By hand: one is written for every message.
    fn write_acknowledgement(&self, out: &mut Vec<u8>, sequence: u64, domain: &str, end: &[u8]) {
        out.extend_from_slice(&self.rules.acknowledgement);
        append_number(sequence, out);
        if !domain.is_empty() {
            out.extend_from_slice(b",\"domain\":");
            out.extend(json::write(domain));
        }
        out.extend_from_slice(end);
    }

    /// A marker says that a subject's messages are gone.
    pub(crate) fn publish_marker(&mut self, turn: &mut Turn<'_>, subject: &[u8]) -> Result<(), Fetch> {
        let mut headers = Vec::new();
        let mut block = header::Builder::new(&mut headers);
        let ttl = self.config.subject_delete_marker_ttl.to_string();
        for (key, value) in [("Nats-Marker-Reason", "MaxAge"), ("Nats-TTL", ttl.as_str()), ("Nats-Rollup", "sub")] {
            let _ = block.field(key.as_bytes(), value.as_bytes());
        }
        block.finish();
        let packet = Packet::new(subject, b"", &headers, b"");
        let candidate = Candidate {
            subject: Cow::Borrowed(packet.subject()),
            headers: Cow::Borrowed(packet.headers()),
            body: b"",
            asks: Asks::of(packet.headers()),
        };
        self.store(turn, &candidate).map(drop)
    }
}

/// A message that is published again.
struct Republished {
    to: Vec<u8>,
    last: u64,
}

fn append_number(mut number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        out.push(b'0' + u8::try_from(number % 10).expect("a digit"));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.get_mut(start..).expect("what was appended").reverse();
}
