//! A stream as bytes: all that its entries made of it, and nothing of what only a running server knows.
//!
//! ```text
//!   0 version │ account │ created │ configuration │ last time │ last id │ first and next sequence │ frames
//!   │ ids seen │ what ends when │ chores │ consumers
//! ```
//!
//! The same entries give the same bytes.

use std::ops::ControlFlow;

use firn_api::json;
use firn_id::Timestamp;
use firn_store::wal::GroupId;

use super::{Stream, chore::Chore, dedupe::Dedupe, expiry::Expiry, parse_config};
use crate::{
    codec::{Reader, Writer},
    consumer::Consumer,
    messages::{Access, Frame, Loaded, Messages, NewMessage},
};

/// The version that is written, and the highest that is read.
const VERSION: u8 = 1;

impl Stream {
    /// Appends it.
    pub(crate) fn snapshot(&self, out: &mut Writer) {
        out.u8(VERSION);
        out.string(self.account.as_bytes());
        out.i64(self.created.unix_nanos());
        out.string(&json::write(&self.config));
        out.optional(self.last_time.map(Timestamp::unix_nanos));
        out.string(&self.last_id);
        out.u64(self.state().first_sequence);
        out.u64(self.messages.next_sequence());
        out.string(&self.frames());
        self.dedupe.snapshot(out);
        self.expiry.snapshot(out);
        out.count(self.chores.len());
        self.chores.iter().for_each(|chore| chore.snapshot(out));
        let logged = || self.consumers.iter().filter(|(_, consumer)| !consumer.config().mem_storage);
        out.count(logged().count());
        for (_, consumer) in logged() {
            let mut section = Vec::new();
            consumer.snapshot(&mut section);
            out.string(&section);
        }
    }

    fn frames(&self) -> Vec<u8> {
        let mut frames = Vec::new();
        let access = self.messages.visit(0, &mut |_, loaded| {
            if let Loaded::Message(message) = loaded {
                frames.extend_from_slice(message.frame());
            }
            ControlFlow::Continue(())
        });
        assert!(matches!(access, Access::Ready(())), "a snapshot is taken of what is in memory");
        frames
    }

    /// From what [`Stream::snapshot`] wrote; none where it did not.
    pub(crate) fn restore(group: GroupId, reader: &mut Reader<'_>) -> Option<Self> {
        if reader.u8()? > VERSION {
            return None;
        }
        let account = reader.text()?;
        let created = Timestamp::from_unix_nanos(reader.i64()?);
        let config = parse_config(reader.string()?)?;
        let mut stream = Stream::new(group, account, created, config);
        stream.last_time = reader.optional()?.map(Timestamp::from_unix_nanos);
        stream.last_id = reader.string()?.to_vec();
        let (first, next) = (reader.u64()?, reader.u64()?);
        stream.messages = Messages::new(stream.messages.storage(), first);
        let mut frames = reader.string()?;
        while !frames.is_empty() {
            let (frame, length) = Frame::decode(frames).ok()?;
            if frame.sequence < stream.messages.next_sequence() || frame.sequence >= next {
                return None;
            }
            let Frame { sequence, time, subject, headers, body, extension } = frame;
            stream.messages.append(&NewMessage { sequence, time, subject, headers, body, extension });
            frames = frames.get(length..)?;
        }
        stream.messages.skip_to(next);
        stream.dedupe = Dedupe::restore(reader)?;
        stream.expiry = Expiry::restore(reader)?;
        for _ in 0..reader.count()? {
            stream.chores.push_back(Chore::restore(reader)?);
        }
        for _ in 0..reader.count()? {
            stream.insert_consumer(Consumer::restore(reader.string()?).ok()?);
        }
        Some(stream)
    }
}
