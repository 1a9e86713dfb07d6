//! The tree against a list of everything that is in it, and what a change copies.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;

/// What was inserted and not removed.
type Model = Vec<(Vec<u8>, Option<Vec<u8>>, u32)>;

fn matched(interest: &Interest<u32>, subject: &[u8], out: &mut Matches<u32>) -> Model {
    interest.matches(subject, out);
    let mut found: Model = out.plain.iter().map(|&value| (Vec::new(), None, value)).collect();
    for (name, members) in &out.queues {
        assert!(!members.is_empty());
        found.extend(members.iter().map(|&value| (Vec::new(), Some(name.to_vec()), value)));
    }
    let mut names: Vec<_> = out.queues.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), out.queues.len(), "a queue group came twice");
    found.sort();
    found
}

fn expected(model: &Model, is_it: impl Fn(&[u8]) -> bool) -> Model {
    let hits = model.iter().filter(|(pattern, ..)| is_it(pattern));
    let mut hits: Model = hits.map(|(_, queue, value)| (Vec::new(), queue.clone(), *value)).collect();
    hits.sort();
    hits
}

fn overlapping(interest: &Interest<u32>, pattern: &[u8]) -> Model {
    let mut found = Model::new();
    interest.for_each_overlapping(pattern, |pattern, queue, value| {
        found.push((pattern.to_vec(), queue.map(<[u8]>::to_vec), *value));
    });
    found.sort();
    found
}

#[test]
fn the_members_of_a_queue_group_come_together_over_all_patterns() {
    // nats-server 2.15.1 delivers one message to q1 and one to q2 here.
    let mut interest = Interest::new();
    interest.insert(b"work.*", Some(b"q1"), 1);
    interest.insert(b"work.a", Some(b"q1"), 2);
    interest.insert(b"work.>", Some(b"q2"), 3);
    interest.insert(b"work.a", Some(b"q2"), 4);
    interest.insert(b"work.a", None, 5);
    let mut found = Matches::new();
    interest.matches(b"work.a", &mut found);
    let mut groups: Vec<_> = found.queues.into_iter().map(|(name, members)| (name.to_vec(), members)).collect();
    groups.iter_mut().for_each(|(_, members)| members.sort());
    groups.sort();
    assert_eq!(groups, [(b"q1".to_vec(), vec![1, 2]), (b"q2".to_vec(), vec![3, 4])]);
    assert_eq!(found.plain, [5]);
    assert_eq!(interest.count_matches(b"work.a"), (1, 4));
    assert_eq!(interest.count_matches(b"work.b"), (0, 2));
}

#[test]
fn equal_values_are_kept_apart_and_removed_one_by_one() {
    let mut interest = Interest::new();
    interest.insert(b"a", None, 1);
    interest.insert(b"a", None, 1);
    interest.insert(b"a", Some(b"q"), 1);
    assert_eq!((interest.len(), interest.literal_patterns(), interest.wildcard_patterns()), (3, 1, 0));
    assert_eq!(interest.remove(b"a", Some(b"other"), |_| true), None);
    assert_eq!(interest.remove(b"a", None, |&value| value == 2), None);
    assert_eq!(interest.remove(b"a.>", None, |_| true), None);
    for queue in [None, None, Some(&b"q"[..])] {
        assert_eq!(interest.remove(b"a", queue, |_| true), Some(1));
        assert_eq!(interest.remove(b"b", queue, |_| true), None);
        interest.check_invariants();
    }
    assert!(interest.is_empty() && !interest.is_interested(b"a"));
}

#[test]
#[should_panic = "not a pattern: a.>.b"]
fn what_is_no_pattern_is_not_inserted() {
    Interest::new().insert(b"a.>.b", None, 1);
}

#[test]
fn what_is_no_pattern_is_not_removed() {
    let mut interest = Interest::new();
    interest.insert(b"a.>", None, 1);
    assert_eq!(interest.remove(b"a.>.b", None, |_| true), None);
    assert_eq!(interest.remove(b"", None, |_| true), None);
}

#[test]
fn patterns_deeper_than_the_trie_match_and_go() {
    let mut interest = Interest::new();
    let deep = [b"*.".repeat(20_000), b"b".to_vec()].concat();
    let tail = [b"a.".repeat(TRIE_TOKENS_MAX), b">".to_vec()].concat();
    let deepest_in_trie = [b"a.".repeat(TRIE_TOKENS_MAX - 1), b">".to_vec()].concat();
    for (value, pattern) in [&deep, &tail, &deepest_in_trie].into_iter().enumerate() {
        interest.insert(pattern, None, value);
    }
    interest.check_invariants();
    let count = |interest: &Interest<usize>, tokens: usize, last: &[u8]| {
        interest.count_matches(&[b"a.".repeat(tokens - 1), last.to_vec()].concat()).0
    };
    assert_eq!(count(&interest, 20_001, b"b"), 3);
    assert_eq!(count(&interest, 20_001, b"c"), 2);
    assert_eq!(count(&interest, TRIE_TOKENS_MAX + 1, b"b"), 2);
    assert_eq!(count(&interest, TRIE_TOKENS_MAX, b"b"), 1);
    assert_eq!(count(&interest, TRIE_TOKENS_MAX - 1, b"b"), 0);
    assert_eq!(interest.remove(&deep, None, |_| true), Some(0));
    assert_eq!(interest.remove(&tail, None, |_| true), Some(1));
    assert_eq!(interest.remove(&deepest_in_trie, None, |_| true), Some(2));
    interest.check_invariants();
}

#[test]
fn keys_whose_hashes_agree_in_full_are_told_apart() {
    let hash_key = HashKey::zero();
    let keys: [&[u8]; 8] = [
        b"",
        b"a",
        b"A",
        b"b",
        b"q",
        b"abcdefgh\0\0\0\0\0\0\0\0",
        b"abcdefgi\0\0\0\0\0\0\0\0",
        b"qbcdefgh\0\0\0\0\0\0\0\0",
    ];
    assert!(keys.iter().all(|key| hash_key.hash(key) == 0));
    let mut map = Map::default();
    for (value, key) in keys.into_iter().enumerate() {
        *map.get_or_insert_with(hash_key, key, || 0) = value;
        map.check_invariants(hash_key);
    }
    for (value, key) in keys.into_iter().enumerate() {
        assert_eq!(map.get(hash_key, key), Some(&value));
    }
    assert_eq!(map.get(hash_key, b"c"), None);
    for (value, key) in keys.into_iter().enumerate() {
        assert_eq!(map.remove(hash_key, b"c"), None);
        assert_eq!(map.remove(hash_key, key), Some(value));
        assert_eq!(map.get(hash_key, key), None);
        map.check_invariants(hash_key);
    }
    assert!(map.is_empty());
}

thread_local! {
    static CLONES: Cell<usize> = const { Cell::new(0) };
}

/// A value that counts how often it is copied.
#[derive(Debug)]
struct Counted(usize);

impl Clone for Counted {
    fn clone(&self) -> Self {
        CLONES.set(CLONES.get() + 1);
        Counted(self.0)
    }
}

const SIBLINGS: usize = 100_000;

/// Patterns that are all neighbours of each other: literal, below one token, and with a wildcard behind it.
const NEIGHBOURS: [fn(usize) -> String; 3] =
    [|i| format!("inbox.{i}"), |i| format!("inbox.{i}.*"), |i| format!("inbox.*.{i}.>")];

#[test]
fn a_change_without_a_snapshot_copies_nothing() {
    for neighbour in NEIGHBOURS {
        let mut interest = Interest::new();
        CLONES.set(0);
        for i in 0..SIBLINGS {
            interest.insert(neighbour(i).as_bytes(), None, Counted(i));
        }
        for i in 0..1000 {
            interest.insert(b"many", None, Counted(i));
            interest.insert(b"many", Some(b"queue"), Counted(i));
        }
        for i in 0..1000 {
            assert!(interest.remove(b"many", None, |value| value.0 == i).is_some());
            assert!(interest.remove(b"many", Some(b"queue"), |value| value.0 == i).is_some());
        }
        for i in 0..SIBLINGS {
            assert!(interest.remove(neighbour(i).as_bytes(), None, |_| true).is_some());
        }
        assert_eq!(CLONES.get(), 0);
        interest.check_invariants();
        assert!(interest.is_empty());
    }
}

#[test]
fn a_change_beside_a_snapshot_copies_one_path() {
    let hash_key = HashKey::new(3);
    let mut map = Map::default();
    for i in 0..SIBLINGS {
        map.get_or_insert_with(hash_key, format!("inbox.{i}").as_bytes(), || i);
    }
    for i in 0..1000 {
        let snapshot = map.clone();
        if i % 2 == 0 {
            map.get_or_insert_with(hash_key, format!("new.{i}").as_bytes(), || i);
        } else {
            map.remove(hash_key, format!("inbox.{i}").as_bytes());
        }
        let (all, copied) = map.nodes_beside(&snapshot);
        // 100,000 keys are some four levels; a few more where two keys agree for long.
        assert!(all > 20_000 && (1..=9).contains(&copied), "{copied} of {all} nodes are new");
    }
    map.check_invariants(hash_key);
}

#[test]
fn a_change_beside_a_snapshot_copies_few_values() {
    for neighbour in NEIGHBOURS {
        let mut interest = Interest::with_seed(5);
        for i in 0..SIBLINGS {
            interest.insert(neighbour(i).as_bytes(), None, Counted(i));
        }
        for i in 0..200 {
            let snapshot = interest.clone();
            CLONES.set(0);
            interest.insert(neighbour(SIBLINGS + i).as_bytes(), None, Counted(i));
            assert!(CLONES.get() <= 64, "{} values copied by an insertion", CLONES.get());
            CLONES.set(0);
            assert!(interest.remove(neighbour(i).as_bytes(), None, |_| true).is_some());
            assert!(CLONES.get() <= 64, "{} values copied by a removal", CLONES.get());
            assert_eq!(snapshot.len(), interest.len());
        }
    }
}

#[test]
fn a_change_under_a_pattern_with_many_values_copies_one_chunk_of_them() {
    for queue in [None, Some(&b"queue"[..])] {
        let mut interest = Interest::new();
        for i in 0..SIBLINGS {
            interest.insert(b"news", queue, Counted(i));
        }
        let snapshot = interest.clone();
        CLONES.set(0);
        interest.insert(b"news", queue, Counted(SIBLINGS));
        assert!(CLONES.get() <= 256, "{} values copied by an insertion", CLONES.get());
        let second_snapshot = interest.clone();
        CLONES.set(0);
        assert!(interest.remove(b"news", queue, |value| value.0 == 5).is_some());
        assert!(CLONES.get() <= 512, "{} values copied by a removal", CLONES.get());
        assert_eq!((snapshot.len(), second_snapshot.len(), interest.len()), (SIBLINGS, SIBLINGS + 1, SIBLINGS));
    }
}

#[test]
fn values_of_one_pattern_leave_in_any_order() {
    // Several chunks, the last one not full; 7 walks through all of 1000 in an order of its own.
    let mut interest = Interest::new();
    let mut left: Vec<u32> = (0..1000).collect();
    left.iter().for_each(|&value| interest.insert(b"news", None, value));
    let snapshot = interest.clone();
    let mut found = Matches::new();
    for i in 0..1000 {
        let value = (i * 7 + 300) % 1000;
        assert_eq!(interest.remove(b"news", None, |&present| present == value), Some(value));
        left.retain(|&present| present != value);
        interest.check_invariants();
        interest.matches(b"news", &mut found);
        found.plain.sort_unstable();
        assert_eq!(found.plain, left);
    }
    snapshot.check_invariants();
    assert_eq!(snapshot.count_matches(b"news"), (1000, 0));
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<u8>, Option<Vec<u8>>),
    Remove(Vec<u8>, Option<Vec<u8>>),
    /// Of a value that is there, by its position.
    RemoveNth(prop::sample::Index),
    Snapshot,
}

fn pattern() -> impl Strategy<Value = Vec<u8>> {
    "([abc*]\\.){0,3}[abc*>]".prop_map(String::into_bytes)
}

fn queue() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![3 => Just(None), 1 => "[qr]".prop_map(|name| Some(name.into_bytes()))]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (pattern(), queue()).prop_map(|(pattern, queue)| Step::Insert(pattern, queue)),
        1 => (pattern(), queue()).prop_map(|(pattern, queue)| Step::Remove(pattern, queue)),
        4 => any::<prop::sample::Index>().prop_map(Step::RemoveNth),
        1 => Just(Step::Snapshot),
    ]
}

/// Every answer of the tree is the model's.
fn check(interest: &Interest<u32>, model: &Model, subjects: &[Vec<u8>], out: &mut Matches<u32>) {
    interest.check_invariants();
    assert_eq!(interest.len(), model.len());
    for subject in subjects {
        let hits = expected(model, |pattern| pattern::matches(pattern, subject));
        assert_eq!(matched(interest, subject, out), hits, "{}", subject.escape_ascii());
        assert_eq!(interest.is_interested(subject), !hits.is_empty());
        let plain = hits.iter().filter(|(_, queue, _)| queue.is_none()).count();
        assert_eq!(interest.count_matches(subject), (plain, hits.len() - plain));
        if subject::is_valid_pattern(subject) {
            let hits = model.iter().filter(|(pattern, ..)| pattern::overlaps(pattern, subject));
            let mut hits: Model = hits.cloned().collect();
            hits.sort();
            assert_eq!(overlapping(interest, subject), hits, "{}", subject.escape_ascii());
        }
    }
}

proptest! {
    #[test]
    fn any_history_answers_as_the_plain_definition_and_snapshots_stay(
        seed: u64,
        steps in prop::collection::vec(step(), 0..120),
        subjects in prop::collection::vec("[abcd*>]?(\\.[abcd*>]?){0,4}".prop_map(String::into_bytes), 1..12),
    ) {
        let mut interest = Interest::with_seed(seed);
        let mut model = Model::new();
        let mut snapshots = Vec::new();
        let mut out = Matches::new();
        for (value, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(pattern, queue) => {
                    let value = u32::try_from(value).expect("few steps");
                    interest.insert(&pattern, queue.as_deref(), value);
                    model.push((pattern, queue, value));
                }
                Step::Remove(pattern, queue) => {
                    let removed = interest.remove(&pattern, queue.as_deref(), |_| true);
                    let there = model.iter().any(|(p, q, _)| (p, q) == (&pattern, &queue));
                    prop_assert_eq!(removed.is_some(), there);
                    model.retain(|(.., value)| Some(*value) != removed);
                }
                Step::RemoveNth(index) => {
                    if !model.is_empty() {
                        let (pattern, queue, value) = model.swap_remove(index.index(model.len()));
                        let removed = interest.remove(&pattern, queue.as_deref(), |&present| present == value);
                        prop_assert_eq!(removed, Some(value));
                    }
                }
                Step::Snapshot => snapshots.push((interest.clone(), model.clone())),
            }
            interest.check_invariants();
        }
        check(&interest, &model, &subjects, &mut out);
        for (snapshot, model) in &snapshots {
            check(snapshot, model, &subjects, &mut out);
        }
    }
}

#[test]
fn many_literal_patterns_that_come_and_go_are_all_found() {
    let name = |number: u32| format!("inbox.{number}").into_bytes();
    let mut interest = Interest::with_seed(3);
    let mut snapshot = interest.clone();
    for number in 0..20_000 {
        interest.insert(&name(number), None, number);
        if let Some(old) = number.checked_sub(500) {
            assert_eq!(interest.remove(&name(old), None, |_| true), Some(old));
        }
        if number % 1_000 == 0 {
            interest.check_invariants();
            snapshot.check_invariants();
            snapshot = interest.clone();
        }
    }
    assert!((19_500..20_000).all(|number| interest.is_interested(&name(number))));
    assert!((0..19_500).all(|number| !interest.is_interested(&name(number))));
}
