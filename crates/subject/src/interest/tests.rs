//! The tree against a list of everything that is in it, and what a change copies.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;

impl Identity for u32 {
    fn identity(&self) -> usize {
        *self as usize
    }
}

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
    let mut interest = Interest::<usize>::new();
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
fn a_value_may_be_under_several_patterns_and_groups_and_leaves_each_by_itself() {
    let mut interest = Interest::<usize>::new();
    interest.insert(b"a", None, 1);
    interest.insert(b"a", None, 2);
    interest.insert(b"a", Some(b"q"), 1);
    assert_eq!((interest.len(), interest.literal_patterns(), interest.wildcard_patterns()), (3, 1, 0));
    assert_eq!(interest.remove(b"a", Some(b"other"), 1), None);
    assert_eq!(interest.remove(b"a", Some(b"q"), 2), None);
    assert_eq!(interest.remove(b"a", None, 3), None);
    assert_eq!(interest.remove(b"a.>", None, 1), None);
    for (queue, value) in [(None, 2), (None, 1), (Some(&b"q"[..]), 1)] {
        assert_eq!(interest.remove(b"a", queue, value), Some(value));
        assert_eq!(interest.remove(b"a", queue, value), None);
        assert_eq!(interest.remove(b"b", queue, value), None);
        interest.check_invariants();
    }
    assert!(interest.is_empty() && !interest.is_interested(b"a"));
}

#[test]
fn a_value_is_inserted_once() {
    for count in [1_usize, 2, 1000] {
        for queue in [None, Some(&b"q"[..])] {
            let mut interest = Interest::new();
            (0..count).for_each(|value| interest.insert(b"a", queue, value));
            let again = std::panic::AssertUnwindSafe(|| interest.insert(b"a", queue, count / 2));
            assert!(std::panic::catch_unwind(again).is_err(), "{count} {queue:?}");
        }
    }
}

#[test]
#[should_panic = "not a pattern: a.>.b"]
fn what_is_no_pattern_is_not_inserted() {
    Interest::<usize>::new().insert(b"a.>.b", None, 1);
}

#[test]
fn what_is_no_pattern_is_not_removed() {
    let mut interest = Interest::<usize>::new();
    interest.insert(b"a.>", None, 1);
    assert_eq!(interest.remove(b"a.>.b", None, 1), None);
    assert_eq!(interest.remove(b"", None, 1), None);
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
    assert_eq!(interest.remove(&deep, None, 0), Some(0));
    assert_eq!(interest.remove(&tail, None, 1), Some(1));
    assert_eq!(interest.remove(&deepest_in_trie, None, 2), Some(2));
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
    static LOOKS: Cell<usize> = const { Cell::new(0) };
}

/// A value that counts how often it is copied and looked at.
#[derive(Debug)]
struct Counted(usize);

impl Identity for Counted {
    fn identity(&self) -> usize {
        LOOKS.set(LOOKS.get() + 1);
        self.0
    }
}

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
            assert!(interest.remove(b"many", None, i).is_some());
            assert!(interest.remove(b"many", Some(b"queue"), i).is_some());
        }
        for i in 0..SIBLINGS {
            assert!(interest.remove(neighbour(i).as_bytes(), None, i).is_some());
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
            assert!(interest.remove(neighbour(i).as_bytes(), None, i).is_some());
            assert!(CLONES.get() <= 64, "{} values copied by a removal", CLONES.get());
            assert_eq!(snapshot.len(), interest.len());
        }
    }
}

/// The queue group of a value.
type Crowd = fn(usize) -> Option<Vec<u8>>;

/// Ways to have many values under one pattern.
const CROWDS: [Crowd; 4] = [
    |_| None,
    |_| Some(b"queue".to_vec()),
    |i| Some(format!("group.{i}").into_bytes()),
    |i| (i % 2 == 0).then(|| format!("group.{}", i / 40).into_bytes()),
];

#[test]
fn a_change_under_a_pattern_with_many_values_looks_at_few_and_copies_few() {
    for pattern in ["news", "news.*", "*.news.>"] {
        for (number, crowd) in CROWDS.into_iter().enumerate() {
            let mut interest = Interest::with_seed(9);
            // Members of a list of 32 are looked at for each; so are those of a list that becomes a map.
            let check = |change: &str, i: usize| {
                let (clones, looks) = (CLONES.take(), LOOKS.take());
                assert!(clones <= 320 && looks <= 160, "{change} of {i} in {number}: {clones} copies, {looks} looks");
            };
            CLONES.set(0);
            LOOKS.set(0);
            for i in 0..8_000 {
                let _snapshot = (i % 7 == 0).then(|| interest.clone());
                interest.insert(pattern.as_bytes(), crowd(i).as_deref(), Counted(i));
                check("insertion", i);
            }
            interest.check_invariants();
            let snapshot = interest.clone();
            CLONES.set(0);
            LOOKS.set(0);
            for step in 0..8_000 {
                let i = step * 7_919 % 8_000;
                let _snapshot = (step % 7 == 0).then(|| interest.clone());
                assert!(interest.remove(pattern.as_bytes(), crowd(i).as_deref(), i).is_some());
                check("removal", i);
            }
            assert!(interest.is_empty());
            assert_eq!(snapshot.len(), 8_000);
            snapshot.check_invariants();
        }
    }
}

#[test]
fn a_pattern_holds_a_handle_in_two_words() {
    assert_eq!(size_of::<Values<Arc<u64>>>(), 2 * size_of::<usize>());
}

#[test]
fn values_of_one_pattern_leave_in_any_order() {
    // 7 walks through all of 1000 in an order of its own.
    let mut found = Matches::new();
    for crowd in CROWDS {
        let crowd = |value: u32| crowd(value as usize);
        let mut interest = Interest::with_seed(2);
        let mut model: Model = (0..1000).map(|value| (b"news".to_vec(), crowd(value), value)).collect();
        model.iter().for_each(|(pattern, queue, value)| interest.insert(pattern, queue.as_deref(), *value));
        let snapshot = interest.clone();
        let all = model.clone();
        for i in 0..1000 {
            let value = (i * 7 + 300) % 1000;
            assert_eq!(interest.remove(b"news", crowd(value).as_deref(), value as usize), Some(value));
            model.retain(|&(.., present)| present != value);
            if i % 10 == 0 || i > 900 {
                check(&interest, &model, &[b"news".to_vec()], &mut found);
            }
        }
        check(&snapshot, &all, &[b"news".to_vec()], &mut found);
    }
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

/// Mostly under one of two patterns, in none or one of a dozen queue groups, so that lists become maps.
fn crowded_step() -> impl Strategy<Value = Step> {
    let pattern = || prop_oneof![Just(b"a".to_vec()), Just(b"*".to_vec())];
    let queue = || prop_oneof![Just(None), "[a-l]".prop_map(|name| Some(name.into_bytes()))];
    prop_oneof![
        8 => (pattern(), queue()).prop_map(|(pattern, queue)| Step::Insert(pattern, queue)),
        1 => (pattern(), queue()).prop_map(|(pattern, queue)| Step::Remove(pattern, queue)),
        2 => any::<prop::sample::Index>().prop_map(Step::RemoveNth),
        1 => Just(Step::Snapshot),
    ]
}

fn history() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![
        3 => prop::collection::vec(step(), 0..120),
        1 => prop::collection::vec(crowded_step(), 0..400),
    ]
}

proptest! {
    #[test]
    fn any_history_answers_as_the_plain_definition_and_snapshots_stay(
        seed: u64,
        steps in history(),
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
                    let first = model.iter().position(|(p, q, _)| (p, q) == (&pattern, &queue));
                    let there = first.map(|at| model.remove(at).2);
                    let removed = interest.remove(&pattern, queue.as_deref(), there.map_or(value, |there| there as usize));
                    prop_assert_eq!(removed, there);
                }
                Step::RemoveNth(index) => {
                    if !model.is_empty() {
                        let (pattern, queue, value) = model.swap_remove(index.index(model.len()));
                        let removed = interest.remove(&pattern, queue.as_deref(), value as usize);
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
            assert_eq!(interest.remove(&name(old), None, old as usize), Some(old));
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
