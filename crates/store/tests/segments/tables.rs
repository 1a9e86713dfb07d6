//! A table is a sorted map that is on disk: found key by key, walked from a key, by pattern, and several as one.

use std::collections::BTreeMap;

use firn_sim::disk::SimDisk;
use firn_sim::random::Random;
use firn_store::disk::Disk as _;
use firn_store::file::{FileError, FileId, Kind};
use firn_store::part::{Cache, Files, Miss};
use firn_store::table::{Merge, Table, TableFile, Value};
use firn_subject::pattern;
use proptest::prelude::*;

use crate::workload::{Reading, STORE};

type Model = BTreeMap<Vec<u8>, Value>;

fn id(number: u64) -> FileId {
    FileId { kind: Kind::Table, number, store: STORE }
}

fn write(disk: &SimDisk, number: u64, model: &Model) -> Table {
    let base = model.values().map(|value| value.first).min().unwrap_or_default();
    let keys = u64::try_from(model.len()).unwrap();
    let mut file = TableFile::create(disk, id(number), keys, base).unwrap();
    model.iter().for_each(|(key, value)| file.push(key, *value).unwrap());
    let (table, bytes) = file.finish().unwrap();
    let content = disk.content(&id(number).name());
    assert_eq!(u64::try_from(content.len()).unwrap(), bytes);
    let opened = Table::open(&disk.open(&id(number).name()).unwrap(), id(number)).unwrap();
    assert_eq!((opened, opened.keys()), (table, keys));
    table
}

fn reading(disk: &SimDisk, number: u64) -> Reading {
    Reading { cache: Cache::new(40_000), file: disk.open(&id(number).name()).unwrap() }
}

fn draw_key(random: &mut Random) -> Vec<u8> {
    let mut tokens: Vec<String> = (0..=random.below(4)).map(|_| format!("{}", random.below(12))).collect();
    if random.one_in(3) {
        tokens[0] = format!("orders-{}", random.below(1_000));
    }
    if random.one_in(200) {
        tokens.push("x".repeat(usize::try_from(random.below(9_000)).unwrap()));
    }
    tokens.join(".").into_bytes()
}

fn draw(random: &mut Random, keys: u64) -> Model {
    let value = |random: &mut Random| {
        let first = 1_000 + random.below(1 << 40);
        Value { count: random.below(5), first, last: first + random.below(1 << 20) }
    };
    (0..keys).map(|_| (draw_key(random), value(random))).collect()
}

#[test]
fn a_table_is_a_sorted_map() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let (disk, model) =
            (SimDisk::new(seed), draw(&mut random, [0, 1, 5, 300, 6_000][usize::try_from(seed % 5).unwrap()]));
        let table = write(&disk, 1, &model);
        let reading = reading(&disk, 1);
        let mut cursor = table.cursor();
        for (ordinal, (key, value)) in (0..).zip(&model) {
            let found = reading.ask(|cache| table.lookup(cache, key)).unwrap().unwrap();
            assert_eq!((found.ordinal, found.value), (ordinal, *value));
            assert!(reading.ask(|cache| cursor.advance(cache)).unwrap());
            assert_eq!((cursor.key(), cursor.value(), cursor.ordinal()), (&key[..], *value, ordinal));
        }
        assert!(!reading.ask(|cache| cursor.advance(cache)).unwrap());
        assert!(!reading.ask(|cache| cursor.advance(cache)).unwrap(), "the end stays the end");
        for _ in 0..500 {
            let key = draw_key(&mut random);
            let found = reading.ask(|cache| table.lookup(cache, &key)).unwrap();
            assert_eq!(found.map(|found| found.value), model.get(&key).copied());
            cursor.seek(&key);
            let mut expected = model.range(key..);
            for _ in 0..random.below(4) {
                let next = expected.next();
                assert_eq!(reading.ask(|cache| cursor.advance(cache)).unwrap(), next.is_some());
                let Some((key, value)) = next else { break };
                assert_eq!((cursor.key(), cursor.value()), (&key[..], *value));
            }
        }
    }
}

#[test]
fn several_tables_are_one_of_which_the_newest_wins() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let (disk, count) = (SimDisk::new(seed), random.below(5));
        // The first is the newest.
        let models: Vec<Model> = (0..count).map(|_| draw(&mut random, 300)).collect();
        let tables: Vec<Table> = (1..).zip(&models).map(|(number, model)| write(&disk, number, model)).collect();
        let together: Model = models.iter().rev().flat_map(|model| model.clone()).collect();
        let files = (1..=count).map(|number| (number, disk.open(&id(number).name()).unwrap()));
        let files = Files::new(files);
        let mut merge = Merge::new(tables);
        for (key, value) in &together {
            assert!(merge.advance(&files).unwrap());
            assert_eq!((merge.key(), merge.value()), (&key[..], *value));
        }
        assert!(!merge.advance(&files).unwrap());
        let from = draw_key(&mut random);
        merge.seek(&from);
        let next = together.range(from..).next();
        assert_eq!(merge.advance(&files).unwrap(), next.is_some());
        assert!(next.is_none_or(|(key, value)| merge.key() == key && merge.value() == *value));
    }
}

fn matching(model: &Model, prefix: &[u8], patterns: &[String]) -> Vec<Vec<u8>> {
    let subjects = model.keys().filter_map(|key| key.strip_prefix(prefix));
    let wanted = |subject: &&[u8]| patterns.iter().any(|wanted| pattern::matches(wanted.as_bytes(), subject));
    subjects.filter(wanted).map(<[u8]>::to_vec).collect()
}

proptest! {
    #[test]
    fn a_walk_by_pattern_finds_what_a_naive_matcher_finds(
        subjects in prop::collection::btree_set("[ab]{1,2}([.!/][ab]{1,2}){0,4}", 0..120),
        patterns in prop::collection::vec("([ab*]\\.){0,3}([ab*]|>)", 0..4),
        after in "[ab](\\.[ab]){0,2}",
    ) {
        let disk = SimDisk::new(1);
        let prefixes: [&[u8]; 3] = [b"1", b"2", b"3"];
        let keys = prefixes.iter().flat_map(|prefix| subjects.iter().map(|subject| [prefix, subject.as_bytes()].concat()));
        let model: Model = keys.map(|key| (key, Value { count: 1, first: 1, last: 1 })).collect();
        let table = write(&disk, 1, &model);
        let reading = reading(&disk, 1);
        for prefix in prefixes {
            let expected = matching(&model, prefix, &patterns);
            let mut walk = table.matches(prefix, &patterns);
            let mut found = Vec::new();
            while reading.ask(|cache| walk.advance(cache)).unwrap() {
                found.push(walk.subject().to_vec());
            }
            prop_assert_eq!(&found, &expected);
            let mut walk = table.matches(prefix, &patterns);
            walk.skip_to_after(after.as_bytes());
            let next = reading.ask(|cache| walk.advance(cache)).unwrap().then(|| walk.subject().to_vec());
            prop_assert_eq!(next.as_ref(), expected.iter().find(|subject| &subject[..] > after.as_bytes()));
        }
    }
}

#[test]
fn a_wildcard_skips_what_cannot_match() {
    let disk = SimDisk::new(1);
    let keys = (0..200).flat_map(|a| (0..200).map(move |b| format!("{a:03}.x.{b:03}").into_bytes()));
    let model: Model = keys.map(|key| (key, Value { count: 1, first: 1, last: 1 })).collect();
    let table = write(&disk, 1, &model);
    for (pattern, matches, kilobytes) in
        [("*.x.007", 200, 1_000), ("100.x.*", 200, 40), ("*.y.*", 0, 1_000), ("077.>", 200, 40)]
    {
        let reading = Reading { cache: Cache::new(usize::MAX), file: disk.open(&id(1).name()).unwrap() };
        let mut walk = table.matches(b"", [pattern]);
        let mut found = 0;
        while reading.ask(|cache| walk.advance(cache)).unwrap() {
            found += 1;
        }
        assert_eq!(found, matches, "{pattern}");
        assert!(reading.cache.bytes() < kilobytes << 10, "{pattern}: {} bytes read", reading.cache.bytes());
    }
}

#[test]
fn an_absent_key_is_mostly_refused_by_the_filter() {
    let disk = SimDisk::new(1);
    let model: Model =
        (0..20_000).map(|n| (format!("orders.{n}.new").into_bytes(), Value { count: 1, first: 1, last: 1 })).collect();
    let table = write(&disk, 1, &model);
    assert!(table.levels() > 1 && table.filter_bytes() < 30_000);
    let mut through = 0;
    for n in 0..2_000 {
        let reading = Reading { cache: Cache::new(usize::MAX), file: disk.open(&id(1).name()).unwrap() };
        let found = reading.ask(|cache| table.lookup(cache, format!("orders.{n}.old").as_bytes())).unwrap();
        assert_eq!(found, None);
        // A page of the filter, its checksums; the root and a leaf when it lets a key through.
        through += usize::from(reading.cache.bytes() > 4_600);
    }
    assert!(through < 40, "{through} of 2,000");
}

#[test]
fn each_flipped_bit_of_a_table_is_noticed() {
    let (disk, mut random) = (SimDisk::new(1), Random::new(4));
    let model = draw(&mut random, 60);
    write(&disk, 1, &model);
    let name = id(1).name();
    for bit in 0..disk.content(&name).len() * 8 {
        let disk = disk.fork();
        disk.flip(&name, bit);
        let file = disk.open(&name).unwrap();
        let Ok(table) = Table::open(&file, id(1)) else { continue };
        let files = Files::new([(1, file)]);
        let mut damaged = false;
        for (key, value) in &model {
            match table.lookup(&files, key) {
                Ok(found) => assert_eq!(found.map(|found| found.value), Some(*value), "bit {bit}"),
                Err(Miss::Damaged { .. }) => damaged = true,
                Err(Miss::Cold(_)) => panic!("nothing is cold in a file"),
            }
        }
        assert!(damaged, "bit {bit} is not noticed");
    }
}

#[test]
fn a_segment_is_no_table() {
    let disk = SimDisk::new(1);
    write(&disk, 1, &Model::new());
    let other = FileId { kind: Kind::Segment, ..id(1) };
    disk.rename(&id(1).name(), &other.name()).unwrap();
    let refused = Table::open(&disk.open(&other.name()).unwrap(), other).unwrap_err();
    assert!(matches!(refused, FileError::Damaged { .. }));
}
