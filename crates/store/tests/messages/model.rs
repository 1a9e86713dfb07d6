//! A list of messages, asked by looking at each one.

use firn_id::Timestamp;
use firn_store::messages::{Filter, NewMessage, State, Storage, SubjectState};
use firn_store::wal::Extension;

/// A message that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) sequence: u64,
    pub(crate) time: Timestamp,
    pub(crate) subject: Vec<u8>,
    pub(crate) headers: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Given {
    pub(crate) fn as_new(&self) -> NewMessage<'_> {
        NewMessage {
            sequence: self.sequence,
            time: self.time,
            subject: &self.subject,
            headers: &self.headers,
            body: &self.body,
            extension: Extension::default(),
        }
    }

    pub(crate) fn bytes(&self, storage: Storage) -> u64 {
        let [subject, headers, body] =
            [&self.subject, &self.headers, &self.body].map(|part| u64::try_from(part.len()).expect("short"));
        match storage {
            Storage::File if headers > 0 => 22 + subject + 4 + headers + body + 8,
            Storage::File => 22 + subject + body + 8,
            Storage::Memory => subject + headers + body + 16,
        }
    }
}

/// The messages of a stream, in order.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) storage: Storage,
    pub(crate) live: Vec<Given>,
    pub(crate) next: u64,
    pub(crate) last_time: Option<Timestamp>,
}

impl Model {
    pub(crate) fn new(storage: Storage, first: u64) -> Self {
        Model { storage, live: Vec::new(), next: first.max(1), last_time: None }
    }

    pub(crate) fn append(&mut self, message: Given) {
        self.next = message.sequence + 1;
        self.last_time = Some(message.time);
        self.live.push(message);
    }

    pub(crate) fn first(&self) -> u64 {
        self.live.first().map_or(self.next, |message| message.sequence)
    }

    pub(crate) fn state(&self) -> State {
        let mut subjects: Vec<&[u8]> = self.live.iter().map(|message| &message.subject[..]).collect();
        subjects.sort_unstable();
        subjects.dedup();
        let messages = self.live.len() as u64;
        State {
            messages,
            bytes: self.live.iter().map(|message| message.bytes(self.storage)).sum(),
            first_sequence: self.first(),
            first_time: self.live.first().map(|message| message.time),
            last_sequence: self.next - 1,
            last_time: self.last_time,
            deleted: self.next - self.first() - messages,
            subjects: subjects.len() as u64,
        }
    }

    pub(crate) fn remove(&mut self, sequence: u64) -> Option<Given> {
        let index = self.live.iter().position(|message| message.sequence == sequence)?;
        Some(self.live.remove(index))
    }

    pub(crate) fn remove_below(&mut self, sequence: u64) -> Vec<Given> {
        let (gone, live) = self.live.drain(..).partition(|message| message.sequence < sequence);
        self.live = live;
        gone
    }

    pub(crate) fn matching<'a>(&'a self, filter: &'a Filter) -> impl DoubleEndedIterator<Item = &'a Given> {
        self.live.iter().filter(move |message| filter.matches(&message.subject))
    }

    pub(crate) fn next(&self, from: u64, filter: &Filter) -> Option<u64> {
        self.matching(filter).map(|message| message.sequence).find(|sequence| *sequence >= from)
    }

    pub(crate) fn previous(&self, from: u64, filter: &Filter) -> Option<u64> {
        self.matching(filter).map(|message| message.sequence).rfind(|sequence| *sequence <= from)
    }

    pub(crate) fn count(&self, from: u64, filter: &Filter) -> u64 {
        self.matching(filter).filter(|message| message.sequence >= from).count() as u64
    }

    pub(crate) fn subjects(&self, filter: &Filter) -> Vec<(Box<[u8]>, SubjectState)> {
        let mut subjects: Vec<&[u8]> = self.matching(filter).map(|message| &message.subject[..]).collect();
        subjects.sort_unstable();
        subjects.dedup();
        subjects.into_iter().map(|subject| (subject.into(), self.subject(subject).expect("it has one"))).collect()
    }

    pub(crate) fn subject(&self, subject: &[u8]) -> Option<SubjectState> {
        let all = || self.live.iter().filter(|message| message.subject == subject).map(|message| message.sequence);
        Some(SubjectState { first: all().next()?, last: all().next_back()?, count: all().count() as u64 })
    }

    pub(crate) fn last_per_subject(&self, filter: &Filter, up_to: u64) -> Vec<u64> {
        let is_last = |message: &&Given| {
            let mut later = self.live.iter().filter(|other| other.sequence > message.sequence);
            message.sequence <= up_to && !later.any(|other| other.sequence <= up_to && other.subject == message.subject)
        };
        self.matching(filter).filter(is_last).map(|message| message.sequence).collect()
    }
}
