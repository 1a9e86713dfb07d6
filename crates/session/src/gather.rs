//! A payload that is larger than what has arrived of it: gathered into memory of its own, which is then shared by all
//! its receivers, so that a large payload is copied once on its way in and never on its way out.

use bytes::{Bytes, BytesMut};
use firn_wire::client::decode::{Publish, PublishLine};

use crate::{Close, Link, Session, Turn};

/// Bodies from this size on are gathered apart and shared between receivers. Smaller ones wait in the read tail and are
/// copied, which costs less than counting references.
pub(crate) const SHARED_BYTES_MIN: usize = 4096;

/// A publish whose line is there and whose body is on its way.
#[derive(Debug)]
pub(crate) struct Gather {
    subject: Box<[u8]>,
    reply: Option<Box<[u8]>>,
    header_bytes: usize,
    header_token: Box<[u8]>,
    total_bytes: usize,
    total_token: Box<[u8]>,
    body: BytesMut,
}

impl Gather {
    /// Begins with what is there of the body, unless the body is small. Only a client that was let in comes here, so
    /// what it announces is bounded by `max_payload`, and the pages are touched as bytes arrive.
    pub(crate) fn begin(line: &PublishLine<'_>, there: &[u8]) -> Option<Gather> {
        if line.total_bytes < SHARED_BYTES_MIN {
            return None;
        }
        let mut body = BytesMut::with_capacity(line.total_bytes + 2);
        body.extend_from_slice(there);
        Some(Gather {
            subject: line.subject.into(),
            reply: line.reply.map(Into::into),
            header_bytes: line.header_bytes,
            header_token: line.header_token.into(),
            total_bytes: line.total_bytes,
            total_token: line.total_token.into(),
            body,
        })
    }

    fn missing(&self) -> usize {
        self.total_bytes + 2 - self.body.len()
    }

    fn finish(self: Box<Self>) -> (Box<Self>, Bytes) {
        let mut line = self;
        let body = std::mem::take(&mut line.body).freeze();
        (line, body)
    }

    fn line(&self) -> PublishLine<'_> {
        PublishLine {
            subject: &self.subject,
            reply: self.reply.as_deref(),
            header_bytes: self.header_bytes,
            total_bytes: self.total_bytes,
            total_token: &self.total_token,
            header_token: &self.header_token,
        }
    }
}

impl<P: Link> Session<P> {
    /// Where the rest of a large payload belongs, and how many bytes of it are missing: read straight into it, no more
    /// than that, then call [`Session::receive`] with whatever else there is, or nothing.
    pub fn body_room(&mut self) -> Option<(&mut BytesMut, usize)> {
        let gather = self.gather.as_deref_mut()?;
        let missing = gather.missing();
        Some((&mut gather.body, missing))
    }

    /// Feeds a payload that is being gathered; returns how many bytes of the input belonged to it.
    pub(crate) fn gather_from(&mut self, input: &[u8], turn: &mut Turn<'_, P>) -> Result<usize, Close> {
        let Some(gather) = self.gather.as_deref_mut() else { return Ok(0) };
        let used = gather.missing().min(input.len());
        let (ours, _) = input.split_at(used);
        gather.body.extend_from_slice(ours);
        if gather.missing() > 0 {
            return Ok(used);
        }
        let Some(gather) = self.gather.take() else { return Ok(used) };
        let (gather, body) = gather.finish();
        let body = self.port.share(body);
        if !body.ends_with(b"\r\n") {
            return Err(self.refuse_bytes(&firn_wire::client::decode::DecodeError::UnknownOperation, turn));
        }
        self.publish_shared(&Publish { line: gather.line(), body: &body, tail: b"" }, &body, turn)?;
        Ok(used)
    }
}
