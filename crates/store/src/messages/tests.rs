//! What a stream's messages answer, on a few of them.

use std::ops::ControlFlow;

use super::*;
use crate::wal::Extension;

/// A stream of these subjects, each a second after the one before.
fn filled(storage: Storage, subjects: &[&str]) -> Messages {
    let mut messages = Messages::new(storage, 1);
    for subject in subjects {
        append(&mut messages, subject);
    }
    messages
}

fn append(messages: &mut Messages, subject: &str) {
    let sequence = messages.next_sequence();
    messages.append(&NewMessage {
        sequence,
        time: seconds(sequence),
        subject: subject.as_bytes(),
        headers: b"",
        body: b"body",
        extension: Extension::default(),
    });
    messages.check_invariants();
}

fn seconds(sequence: u64) -> Timestamp {
    Timestamp::from_unix_nanos(i64::try_from(sequence).unwrap() * 1_000_000_000)
}

fn ready<T>(access: Access<T>) -> T {
    access.ready().expect("all is in memory")
}

fn removed(messages: &mut Messages, sequence: u64) -> Option<u64> {
    let removed = ready(messages.remove(sequence)).map(|removed| removed.bytes);
    messages.check_invariants();
    removed
}

#[test]
fn an_empty_stream_begins_where_it_was_told_to() {
    for (told, first) in [(0, 1), (1, 1), (7, 7)] {
        let state = Messages::new(Storage::File, told).state();
        let (first_time, last_time) = (None, None);
        let (first_sequence, last_sequence) = (first, first - 1);
        let (messages, bytes, deleted, subjects) = (0, 0, 0, 0);
        let expected =
            State { messages, bytes, first_sequence, first_time, last_sequence, last_time, deleted, subjects };
        assert_eq!(state, expected);
    }
}

#[test]
fn the_state_follows_removals() {
    let mut messages = filled(Storage::Memory, &["a", "b", "a", "c"]);
    let state = messages.state();
    assert_eq!((state.messages, state.bytes, state.subjects, state.deleted), (4, 4 * 21, 3, 0));
    assert_eq!((state.first_time, state.last_time), (Some(seconds(1)), Some(seconds(4))));

    assert_eq!(removed(&mut messages, 2), Some(21));
    assert_eq!(removed(&mut messages, 2), None);
    assert_eq!(removed(&mut messages, 4), Some(21));
    let state = messages.state();
    assert_eq!((state.messages, state.bytes, state.subjects, state.deleted), (2, 2 * 21, 1, 2));
    assert_eq!((state.first_sequence, state.last_sequence, state.last_time), (1, 4, Some(seconds(4))));
    assert_eq!(messages.deleted(0, 10), [2, 4]);
    assert_eq!(messages.deleted(3, 10), [4]);
    assert_eq!(messages.deleted(0, 1), [2]);

    let mut gone = Vec::new();
    ready(messages.remove_below(10, &mut |one| gone.push(one.sequence)));
    assert_eq!(gone, [1, 3]);
    let state = messages.state();
    assert_eq!((state.messages, state.first_sequence, state.last_sequence), (0, 5, 4));
    assert_eq!((state.first_time, state.last_time, state.deleted), (None, Some(seconds(4)), 0));
    messages.skip_to(100);
    messages.skip_to(50);
    assert_eq!((messages.state().first_sequence, messages.state().last_sequence), (100, 99));
    append(&mut messages, "d");
    assert_eq!(ready(messages.subject(b"d")), Some(SubjectState { first: 100, last: 100, count: 1 }));
}

#[test]
fn a_gap_counts_as_deleted() {
    let mut messages = filled(Storage::File, &["a"]);
    messages.skip_to(4);
    append(&mut messages, "b");
    assert_eq!(messages.state().deleted, 2);
    assert_eq!(messages.deleted(0, 10), [2, 3]);
    assert_eq!(ready(messages.next(2, &Filter::all())), Some(4));
    assert_eq!(ready(messages.load(2)), Loaded::Missing);
}

#[test]
fn a_message_is_found_by_sequence_subject_and_time() {
    let messages = filled(Storage::File, &["a.1", "b", "a.2", "a.1", "c.d"]);
    let Loaded::Message(message) = ready(messages.load(3)) else { panic!("it is there") };
    assert_eq!((message.sequence(), message.subject(), message.body()), (3, &b"a.2"[..], &b"body"[..]));
    assert_eq!(ready(messages.load(6)), Loaded::Missing);
    assert_eq!(ready(messages.at_time(seconds(3))), Some(3));
    assert_eq!(ready(messages.at_time(seconds(6))), None);

    #[track_caller]
    fn check(messages: &Messages, patterns: &[&str], from: u64, next: Option<u64>, previous: Option<u64>, count: u64) {
        let filter = Filter::new(patterns);
        assert_eq!(ready(messages.next(from, &filter)), next, "next");
        assert_eq!(ready(messages.previous(from, &filter)), previous, "previous");
        assert_eq!(ready(messages.count(from, &filter)), count, "count");
    }
    check(&messages, &[], 2, Some(2), Some(2), 4);
    check(&messages, &[], 6, None, Some(5), 0);
    check(&messages, &["a.1"], 2, Some(4), Some(1), 1);
    check(&messages, &["a.*"], 2, Some(3), Some(1), 2);
    check(&messages, &["a.*", "b"], 0, Some(1), None, 4);
    check(&messages, &["b", "c.d", "x"], 3, Some(5), Some(2), 1);
    check(&messages, &["x.>"], 1, None, None, 0);
}

#[test]
fn subjects_come_in_byte_order_and_in_pages() {
    let messages = filled(Storage::File, &["kv.b", "kv.a", "x", "kv.c", "kv.a"]);
    let page = |after: Option<&str>, limit| {
        let subjects = ready(messages.subjects(&Filter::new(["kv.*"]), after.map(str::as_bytes), limit));
        subjects.into_iter().map(|(subject, state)| (subject, state.last, state.count)).collect::<Vec<_>>()
    };
    let expect = |subject: &[u8], last: u64, count: u64| (Box::from(subject), last, count);
    assert_eq!(page(None, 2), [expect(b"kv.a", 5, 2), expect(b"kv.b", 1, 1)]);
    assert_eq!(page(Some("kv.b"), 2), [expect(b"kv.c", 4, 1)]);
    assert_eq!(ready(messages.last_per_subject(&Filter::all(), None)), [1, 3, 4, 5]);
    assert_eq!(ready(messages.last_per_subject(&Filter::new(["kv.*"]), Some(3))), [1, 2]);
}

#[test]
fn what_a_snapshot_needs_is_visited_in_order() {
    let mut messages = filled(Storage::File, &["a", "b", "c", "d"]);
    removed(&mut messages, 3);
    let mut seen = Vec::new();
    ready(messages.visit(2, &mut |sequence, loaded| {
        assert!(matches!(loaded, Loaded::Message(message) if message.sequence() == sequence));
        seen.push(sequence);
        ControlFlow::Continue(())
    }));
    assert_eq!(seen, [2, 4]);
}
