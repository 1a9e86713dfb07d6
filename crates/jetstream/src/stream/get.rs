//! One message is read by the stream's leader.

use firn_api::{
    error::ApiError,
    json::Bytes,
    stream::{MessageGetRequest, StoredMessage},
    time::Time,
};
use firn_subject::subject;

use super::Stream;
use crate::messages::{Fetch, Filter, Loaded, Message, ready};

/// Which message is asked for, in one of the ways there are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'r> {
    /// The one of this sequence.
    Sequence(u64),
    /// The last of this subject or pattern.
    Last(&'r str),
    /// The first of this subject or pattern from a sequence on; empty is any.
    Next { from: u64, pattern: &'r str },
}

impl Stream {
    /// Which message a request means, once the time it begins at is a sequence.
    pub(crate) fn wanted<'r>(&self, request: &'r MessageGetRequest) -> Result<Wanted<'r>, Fetch> {
        if let Some(start) = request.start_time {
            let at = match start.timestamp() {
                Some(timestamp) => ready(self.messages.at_time(timestamp))?,
                // A year that no message has: before all of them, or behind.
                None if start.to_string().as_str() < "1970" => Some(0),
                None => None,
            };
            let from = at.unwrap_or(u64::MAX);
            return Ok(Wanted::Next { from, pattern: &request.next_by_subj });
        }
        if !request.next_by_subj.is_empty() {
            return Ok(Wanted::Next { from: request.seq, pattern: &request.next_by_subj });
        }
        if !request.last_by_subj.is_empty() {
            return Ok(Wanted::Last(&request.last_by_subj));
        }
        Ok(Wanted::Sequence(request.seq))
    }

    /// The message, if there is one.
    pub(crate) fn find(&self, wanted: Wanted<'_>) -> Result<Option<Message>, Fetch> {
        let sequence = match wanted {
            Wanted::Sequence(sequence) => Some(sequence),
            Wanted::Last(pattern) => self.last_of(pattern.as_bytes())?,
            Wanted::Next { from, pattern } => match filter_of(pattern) {
                Some(filter) => ready(self.messages.next(from, &filter))?,
                None => None,
            },
        };
        match sequence {
            Some(sequence) => self.message(sequence),
            None => Ok(None),
        }
    }

    pub(crate) fn message(&self, sequence: u64) -> Result<Option<Message>, Fetch> {
        Ok(match ready(self.messages.load(sequence))? {
            Loaded::Message(message) => Some(message),
            Loaded::Missing | Loaded::Damaged => None,
        })
    }

    fn last_of(&self, pattern: &[u8]) -> Result<Option<u64>, Fetch> {
        if subject::is_literal(pattern) {
            return Ok(ready(self.messages.subject(pattern))?.map(|state| state.last));
        }
        if !subject::is_valid_pattern(pattern) {
            return Ok(None);
        }
        ready(self.messages.previous(u64::MAX, &Filter::new([pattern])))
    }

    /// Answers a request, which was checked.
    ///
    /// # Errors
    /// What has to be read first.
    pub(crate) fn get(&self, request: &MessageGetRequest) -> Result<Result<StoredMessage, ApiError>, Fetch> {
        let Some(message) = self.find(self.wanted(request)?)? else { return Ok(Err(ApiError::NoMessageFound)) };
        let headers = if request.no_hdr { &[] } else { message.headers() };
        Ok(Ok(StoredMessage {
            subject: String::from_utf8_lossy(message.subject()).into_owned(),
            seq: message.sequence(),
            hdrs: Bytes(headers.to_vec()),
            data: Bytes(message.body().to_vec()),
            time: Time::from(message.time()),
        }))
    }
}

/// Of a pattern; none where it is no pattern.
pub(crate) fn filter_of(pattern: &str) -> Option<Filter> {
    if pattern.is_empty() {
        return Some(Filter::all());
    }
    subject::is_valid_pattern(pattern.as_bytes()).then(|| Filter::new([pattern]))
}
