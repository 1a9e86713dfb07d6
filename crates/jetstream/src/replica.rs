//! Where entries become durable: proposed by whoever leads, encoded into the log, applied in that order.
//!
//! With one replica an entry is agreed on when it is proposed, so that proposing is encoding, and whoever proposes
//! applies at once. A run of messages to one stream within a turn is one record. What a stream wrote last is its
//! `changed`: what shows the stream waits for that.
//!
//! Invariant: between turns no run is open.

use firn_store::wal::{Extension, GroupId, Name, Record, Submission};

use crate::{
    effect::{After, Ticket},
    entry,
    messages::NewMessage,
};

/// A run is cut here, so that a record is no longer than the log likes to write at once.
const RUN_BYTES_MAX: usize = 256 << 10;

/// What one turn writes.
#[derive(Debug)]
pub(crate) struct Log<'t> {
    pub(crate) submission: &'t mut Submission,
    /// Number that the submission will have.
    pub(crate) ticket: Ticket,
    /// Groups with an open run, each once.
    pub(crate) open: &'t mut Vec<GroupId>,
}

/// The entries of one group.
#[derive(Debug)]
pub(crate) struct Replica {
    group: GroupId,
    /// Of streams in memory nothing is written.
    is_logged: bool,
    changed: Ticket,
    /// The last change of what messages there are.
    messages_changed: Ticket,
    run: Run,
}

/// Messages that are one record to be.
#[derive(Debug, Default)]
struct Run {
    first: u64,
    next: u64,
    count: u32,
    frames: Vec<u8>,
}

impl Replica {
    pub(crate) fn new(group: GroupId, is_logged: bool) -> Self {
        Replica { group, is_logged, changed: Ticket::NONE, messages_changed: Ticket::NONE, run: Run::default() }
    }

    pub(crate) fn group(&self) -> GroupId {
        self.group
    }

    /// What an effect waits for that shows this group as it is.
    pub(crate) fn after(&self) -> After {
        self.changed.into()
    }

    /// What an effect waits for that shows messages and nothing of who consumed them.
    pub(crate) fn after_messages(&self) -> After {
        self.messages_changed.into()
    }

    /// Proposes an entry; the caller applies it at once.
    pub(crate) fn propose(&mut self, log: &mut Log<'_>, kind: u8, payload: &[u8]) {
        if self.is_logged {
            self.flush(log);
            let name = Name { group: self.group, sequence: 0, count: 0 };
            log.write(&Record { name, kind, extension: Extension::default(), payload });
            self.changed = log.ticket;
            if kind != entry::CONSUMER {
                self.messages_changed = log.ticket;
            }
        }
    }

    /// Proposes a message; the caller appends it at once.
    pub(crate) fn propose_message(&mut self, log: &mut Log<'_>, message: &NewMessage<'_>) {
        if !self.is_logged {
            return;
        }
        let is_full = self.run.frames.len() + message.frame_bytes() > RUN_BYTES_MAX;
        if self.run.count > 0 && (is_full || self.run.next != message.sequence) {
            self.flush(log);
        }
        if self.run.count == 0 {
            self.run.first = message.sequence;
            log.open.push(self.group);
        }
        message.encode(&mut self.run.frames);
        self.run.next = message.sequence + 1;
        self.run.count += 1;
        (self.changed, self.messages_changed) = (log.ticket, log.ticket);
    }

    /// Writes the open run, if there is one.
    pub(crate) fn flush(&mut self, log: &mut Log<'_>) {
        let Run { first, count, frames, .. } = &mut self.run;
        if *count == 0 {
            return;
        }
        let name = Name { group: self.group, sequence: *first, count: *count };
        log.write(&Record { name, kind: entry::MESSAGES, extension: Extension::default(), payload: frames });
        *count = 0;
        frames.clear();
        // A stream that was busy once does not hold on to its largest run.
        if frames.capacity() > RUN_BYTES_MAX / 4 {
            *frames = Vec::new();
        }
    }

    pub(crate) fn check_invariants(&self) {
        assert_eq!(self.run.count, 0, "a run is left open behind its turn");
    }
}

impl Log<'_> {
    fn write(&mut self, record: &Record<'_>) {
        self.submission.push(record).expect("a message is below the longest record, and so is a configuration");
    }
}
