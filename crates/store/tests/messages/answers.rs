//! Random operations, and after each of them the same answers from both.

use std::ops::ControlFlow;

use firn_id::Timestamp;
use firn_store::messages::{Access, Filter, Loaded, Messages, Storage};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::model::{Given, Model};

#[derive(Clone, Debug)]
enum Operation {
    /// So many messages of these subjects, one after the other; with this gap before the first.
    Append {
        subjects: Vec<String>,
        gap: u64,
        body: usize,
        has_headers: bool,
        step: i64,
    },
    Remove(Index),
    RemoveFirst(usize),
    RemoveLast,
    RemoveBelow(Index),
    SkipTo(u64),
    /// Nearly everything, in an order of its own.
    Thin(u64),
    /// One message for each subject is left.
    KeepLast,
}

fn operation() -> impl Strategy<Value = Operation> {
    let subject = prop_oneof![
        4 => "[ab]\\.[abc]",
        2 => "[ab]\\.[abc]\\.[ab-]",
        1 => "[abc]",
        2 => "kv\\.[0-9]{1,3}",
    ];
    let gap = prop_oneof![8 => Just(0_u64), 2 => 1..40_u64, 1 => 200..3000_u64, 1 => Just(1_u64 << 33)];
    prop_oneof![
        6 => (prop::collection::vec(subject, 1..60), gap, 0..400_usize, any::<bool>(), -5..20_i64)
            .prop_map(|(subjects, gap, body, has_headers, step)| {
                Operation::Append { subjects, gap, body, has_headers, step }
            }),
        4 => any::<Index>().prop_map(Operation::Remove),
        2 => (1..40_usize).prop_map(Operation::RemoveFirst),
        1 => Just(Operation::RemoveLast),
        1 => any::<Index>().prop_map(Operation::RemoveBelow),
        1 => (0..600_u64).prop_map(Operation::SkipTo),
        1 => (2..7_u64).prop_map(Operation::Thin),
        1 => Just(Operation::KeepLast),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let pattern = prop_oneof![
        3 => "([ab*]\\.){1,2}[abc*>]",
        2 => "[ab]\\.[abc]",
        1 => "kv\\.[0-9]{1,2}",
        1 => Just("kv.*".to_owned()),
        1 => "\\*\\.[a-c]",
        1 => "[abcx*]",
    ];
    prop::collection::vec(pattern, 0..9).prop_map(Filter::new)
}

fn ready<T>(access: Access<T>) -> T {
    access.ready().expect("all is in memory")
}

struct Pair {
    messages: Messages,
    model: Model,
    time: i64,
}

impl Pair {
    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Append { subjects, gap, body, has_headers, step } => {
                for (index, subject) in subjects.iter().enumerate() {
                    let sequence = self.model.next + if index == 0 { *gap } else { 0 };
                    self.time += step;
                    let given = Given {
                        sequence,
                        time: Timestamp::from_unix_nanos(self.time),
                        subject: subject.clone().into_bytes(),
                        headers: if *has_headers { b"NATS/1.0\r\nA: b\r\n\r\n".to_vec() } else { Vec::new() },
                        body: vec![sequence.to_le_bytes()[0]; body + index],
                    };
                    self.messages.append(&given.as_new());
                    self.model.append(given);
                }
            }
            Operation::Remove(index) => {
                let sequence = self.model.first() + index.index(self.span()) as u64;
                self.remove(sequence);
            }
            Operation::RemoveFirst(count) => {
                for _ in 0..*count {
                    self.remove(self.model.first());
                }
            }
            Operation::RemoveLast => {
                if let Some(last) = self.model.live.last() {
                    self.remove(last.sequence);
                }
            }
            Operation::RemoveBelow(index) => {
                let below = self.model.first() + index.index(self.span()) as u64;
                let mut removed = Vec::new();
                ready(self.messages.remove_below(below, &mut |one| {
                    removed.push((one.sequence, one.subject.to_vec(), one.bytes));
                }));
                let storage = self.model.storage;
                let expected = self.model.remove_below(below).into_iter();
                let expected: Vec<_> =
                    expected.map(|one| (one.sequence, one.subject.clone(), one.bytes(storage))).collect();
                assert_eq!(removed, expected);
            }
            Operation::SkipTo(further) => {
                let to = self.model.next - 1 + further;
                self.messages.skip_to(to);
                self.model.next = self.model.next.max(to);
            }
            Operation::Thin(kept) => {
                let mut gone: Vec<u64> = self.model.live.iter().map(|message| message.sequence).collect();
                gone.retain(|sequence| sequence % kept != 0);
                gone.sort_by_key(|sequence| sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                gone.into_iter().for_each(|sequence| self.remove(sequence));
            }
            Operation::KeepLast => {
                let kept = self.model.last_per_subject(&Filter::all(), u64::MAX);
                let mut gone: Vec<u64> = self.model.live.iter().map(|message| message.sequence).collect();
                gone.retain(|sequence| !kept.contains(sequence));
                gone.into_iter().for_each(|sequence| self.remove(sequence));
            }
        }
        self.messages.check_invariants();
        assert_eq!(self.messages.state(), self.model.state());
        assert_eq!(self.messages.next_sequence(), self.model.next);
    }

    fn remove(&mut self, sequence: u64) {
        let removed = ready(self.messages.remove(sequence));
        let removed = removed.map(|one| (one.sequence, one.subject.to_vec(), one.bytes));
        let storage = self.model.storage;
        let expected = self.model.remove(sequence).map(|one| (one.sequence, one.subject.clone(), one.bytes(storage)));
        assert_eq!(removed, expected);
        assert_eq!(ready(self.messages.remove(sequence)), None, "it is removed once");
    }

    /// A few more sequences than there are.
    fn span(&self) -> usize {
        usize::try_from(self.model.next - self.model.first() + 3).expect("a length")
    }

    fn compare(&self, filter: &Filter, from: u64) {
        let Pair { messages, model, .. } = self;
        assert_eq!(ready(messages.next(from, filter)), model.next(from, filter), "next from {from}");
        assert_eq!(ready(messages.previous(from, filter)), model.previous(from, filter), "previous from {from}");
        assert_eq!(ready(messages.count(from, filter)), model.count(from, filter), "count from {from}");
        let loaded = ready(messages.load(from));
        match model.live.iter().find(|given| given.sequence == from) {
            None => assert_eq!(loaded, Loaded::Missing),
            Some(given) => {
                let Loaded::Message(message) = loaded else { panic!("{from} is missing") };
                assert_eq!((message.sequence(), message.time()), (given.sequence, given.time));
                assert_eq!((message.subject(), message.headers()), (&given.subject[..], &given.headers[..]));
                assert_eq!(message.body(), given.body);
                assert_eq!(message.accounted_bytes(model.storage), given.bytes(model.storage));
                assert_eq!(ready(messages.subject(&given.subject)), model.subject(&given.subject));
                let at = model.live.iter().find(|other| other.time >= given.time).map(|other| other.sequence);
                assert_eq!(ready(messages.at_time(given.time)), at, "at_time");
            }
        }
    }

    fn compare_sets(&self, filter: &Filter, from: u64, limit: usize) {
        let Pair { messages, model, .. } = self;
        let expected = model.subjects(filter);
        let mut found = Vec::new();
        loop {
            let after = found.last().map(|(subject, _): &(Box<[u8]>, _)| subject.to_vec());
            let page = ready(messages.subjects(filter, after.as_deref(), limit));
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(found, expected, "subjects in pages of {limit}");
        assert_eq!(ready(messages.last_per_subject(filter, None)), model.last_per_subject(filter, u64::MAX));
        assert_eq!(ready(messages.last_per_subject(filter, Some(from))), model.last_per_subject(filter, from));
        let mut visited = Vec::new();
        ready(messages.visit(from, &mut |sequence, _| {
            visited.push(sequence);
            if visited.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        }));
        let later = model.live.iter().map(|message| message.sequence).filter(|sequence| *sequence >= from);
        assert_eq!(visited, later.take(limit).collect::<Vec<_>>(), "visited");
        let is_live = |sequence: &u64| model.live.iter().any(|message| message.sequence == *sequence);
        let gone = (from.max(model.first())..model.next).filter(|sequence| !is_live(sequence));
        assert_eq!(messages.deleted(from, limit), gone.take(limit).collect::<Vec<_>>(), "deleted");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn messages_answer_as_a_list_of_them_would(
        storage in prop::sample::select(vec![Storage::File, Storage::Memory]),
        first in 0..300_u64,
        rounds in prop::collection::vec((operation(), filter(), any::<Index>(), 1..20_usize), 1..25),
    ) {
        let mut pair =
            Pair { messages: Messages::new(storage, first), model: Model::new(storage, first), time: 1_000 };
        for (operation, filter, index, limit) in &rounds {
            pair.apply(operation);
            let froms = [0, pair.model.first(), pair.model.next, u64::MAX];
            let inside = pair.model.first() + index.index(pair.span()) as u64;
            let live = pair.model.live.get(index.index(pair.model.live.len().max(1))).map(|given| given.sequence);
            let near = live.into_iter().flat_map(|live| [live - 1, live, live + 1]);
            for from in froms.into_iter().chain([inside]).chain(near) {
                pair.compare(filter, from);
                pair.compare(&Filter::all(), from);
            }
            pair.compare_sets(filter, inside, *limit);
            pair.compare_sets(&Filter::all(), live.unwrap_or(inside), *limit);
        }
    }
}
