//! What an applied entry leaves to do, one piece after the other.
//!
//! A chore goes on where it stopped when something had to be read, and comes to the same end as if nothing had: it looks
//! at the messages and the configuration and at nothing else. Until the last one is done, nothing else happens to the
//! stream.

use super::Stream;
use crate::{
    codec::{Reader, Writer},
    consumer::Removed,
    messages::{self, Fetch, Filter, ready},
};

/// Subjects that are looked at together.
const SUBJECTS_A_PAGE: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chore {
    /// The stream keeps no more messages and bytes than it may.
    Limits,
    /// The subject keeps no more messages than it may.
    Subject(Box<[u8]>),
    /// Every subject behind this one does.
    EverySubject { after: Option<Box<[u8]>> },
    /// One message goes.
    Remove(u64),
    /// The messages of these subjects before a sequence go; no subject is all.
    Purge { filter: Box<[u8]>, below: u64 },
    /// Messages before a sequence go, but for those that never expire.
    Expire { below: u64 },
    /// Older messages of a subject go.
    RollUp { subject: Box<[u8]>, below: u64 },
}

impl Chore {
    pub(super) fn subject(subject: &[u8]) -> Self {
        Chore::Subject(subject.into())
    }

    pub(super) fn purge(filter: &[u8], below: u64) -> Self {
        Chore::Purge { filter: filter.into(), below }
    }

    /// What the value of a roll-up's header asks for; it was checked when the message was accepted.
    pub(super) fn rollup(value: &[u8], subject: &[u8], sequence: u64) -> Option<Self> {
        if value.eq_ignore_ascii_case(b"sub") {
            Some(Chore::RollUp { subject: subject.into(), below: sequence })
        } else if value.eq_ignore_ascii_case(b"all") {
            Some(Chore::purge(b"", sequence))
        } else {
            None
        }
    }

    pub(super) fn snapshot(&self, out: &mut Writer) {
        match self {
            Chore::Limits => out.u8(1),
            Chore::Subject(subject) => {
                out.u8(2);
                out.string(subject);
            }
            Chore::EverySubject { after } => {
                out.u8(3);
                out.u8(u8::from(after.is_some()));
                out.string(after.as_deref().unwrap_or_default());
            }
            Chore::Remove(sequence) => {
                out.u8(4);
                out.u64(*sequence);
            }
            Chore::Purge { filter, below } => {
                out.u8(5);
                out.string(filter);
                out.u64(*below);
            }
            Chore::Expire { below } => {
                out.u8(6);
                out.u64(*below);
            }
            Chore::RollUp { subject, below } => {
                out.u8(7);
                out.string(subject);
                out.u64(*below);
            }
        }
    }

    pub(super) fn restore(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.u8()? {
            1 => Chore::Limits,
            2 => Chore::Subject(reader.string()?.into()),
            3 => {
                let has_after = reader.u8()? != 0;
                let after = reader.string()?;
                Chore::EverySubject { after: has_after.then(|| after.into()) }
            }
            4 => Chore::Remove(reader.u64()?),
            5 => Chore::Purge { filter: reader.string()?.into(), below: reader.u64()? },
            6 => Chore::Expire { below: reader.u64()? },
            7 => Chore::RollUp { subject: reader.string()?.into(), below: reader.u64()? },
            _ => return None,
        })
    }
}

impl Stream {
    /// Does all chores there are.
    ///
    /// # Errors
    /// What has to be read first; what was done stays done.
    pub(crate) fn work(&mut self) -> Result<(), Fetch> {
        while let Some(chore) = self.chores.front().cloned() {
            self.carry_out(chore)?;
            self.chores.pop_front();
        }
        Ok(())
    }

    fn carry_out(&mut self, chore: Chore) -> Result<(), Fetch> {
        match chore {
            Chore::Limits => self.keep_limits(),
            Chore::Subject(subject) => self.keep_subject(&subject),
            Chore::EverySubject { after } => self.keep_every_subject(after),
            Chore::Remove(sequence) => self.remove(sequence),
            Chore::Purge { filter, below } if filter.is_empty() => self.remove_below(below),
            Chore::Purge { filter, below } => self.remove_matching(&Filter::new([filter]), below),
            Chore::Expire { below } if !self.expiry.keeps_any() => self.remove_below(below),
            Chore::Expire { below } => self.remove_aged(below),
            Chore::RollUp { subject, below } => self.remove_subject_below(&subject, below),
        }
    }

    pub(super) fn keep_limits(&mut self) -> Result<(), Fetch> {
        let max = |limit: i64| u64::try_from(limit).ok().filter(|&limit| limit > 0).unwrap_or(u64::MAX);
        let (messages_max, bytes_max) = (max(self.config.max_msgs), max(self.config.max_bytes));
        loop {
            let state = self.messages.state();
            if state.messages == 0 || (state.messages <= messages_max && state.bytes <= bytes_max) {
                return Ok(());
            }
            self.remove_counted(state.first_sequence, Removed::Below(state.first_sequence + 1))?;
        }
    }

    pub(super) fn keep_subject(&mut self, subject: &[u8]) -> Result<(), Fetch> {
        if self.config.max_msgs_per_subject <= 0 {
            return Ok(());
        }
        let max = u64::try_from(self.config.max_msgs_per_subject).unwrap_or(u64::MAX);
        while let Some(state) = ready(self.messages.subject(subject))?.filter(|state| state.count > max) {
            self.remove(state.first)?;
        }
        Ok(())
    }

    fn keep_every_subject(&mut self, mut after: Option<Box<[u8]>>) -> Result<(), Fetch> {
        loop {
            let page = ready(self.messages.subjects(&Filter::all(), after.as_deref(), SUBJECTS_A_PAGE))?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            let last = last.clone();
            for (subject, _) in &page {
                self.keep_subject(subject)?;
            }
            if let Some(Chore::EverySubject { after }) = self.chores.front_mut() {
                *after = Some(last.clone());
            }
            after = Some(last);
        }
    }

    fn remove(&mut self, sequence: u64) -> Result<(), Fetch> {
        self.remove_counted(sequence, Removed::One(sequence))
    }

    /// Removes a message, and tells who counts that.
    fn remove_counted(&mut self, sequence: u64, what: Removed) -> Result<(), Fetch> {
        if let Some(removed) = ready(self.messages.remove(sequence))? {
            self.expiry.removed(sequence);
            self.filters.removed(&removed.subject, what);
        }
        Ok(())
    }

    /// Also the sequences before it that were not given yet are not given any more.
    fn remove_below(&mut self, below: u64) -> Result<(), Fetch> {
        let filters = &mut self.filters;
        let mut count = |removed: messages::Removed| {
            filters.removed(&removed.subject, Removed::Below(removed.sequence + 1));
        };
        ready(self.messages.remove_below(below, &mut count))?;
        self.messages.skip_to(below);
        self.expiry.removed_below(below);
        Ok(())
    }

    fn remove_matching(&mut self, filter: &Filter, below: u64) -> Result<(), Fetch> {
        let mut from = 0;
        while let Some(sequence) = ready(self.messages.next(from, filter))?.filter(|&sequence| sequence < below) {
            self.remove(sequence)?;
            from = sequence + 1;
        }
        Ok(())
    }

    fn remove_aged(&mut self, below: u64) -> Result<(), Fetch> {
        let (all, mut from) = (Filter::all(), 0);
        while let Some(sequence) = ready(self.messages.next(from, &all))?.filter(|&sequence| sequence < below) {
            if !self.expiry.is_kept(sequence) {
                self.remove(sequence)?;
            }
            from = sequence + 1;
        }
        Ok(())
    }

    fn remove_subject_below(&mut self, subject: &[u8], below: u64) -> Result<(), Fetch> {
        while let Some(state) = ready(self.messages.subject(subject))?.filter(|state| state.first < below) {
            self.remove(state.first)?;
        }
        Ok(())
    }
}
