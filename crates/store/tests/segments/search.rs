//! Searches of a segment find what looking at every message finds, though everything is cold at first.

use std::collections::{BTreeMap, BTreeSet};

use firn_id::Timestamp;
use firn_sim::disk::SimDisk;
use firn_sim::random::Random;
use firn_store::disk::Disk as _;
use firn_store::segment::{Segment, SegmentWriter};
use firn_store::table::Value;
use firn_store::wal::GroupId;
use firn_subject::pattern;

use crate::workload::{Messages, Reading, Shape, frame, messages, read_back, segment_id, write};

const PATTERNS: [&[&str]; 9] =
    [&[">"], &["*"], &["a.>"], &["*.a"], &["a.*.b", "b"], &["a-.>", "a"], &["*.*"], &["z.>"], &["a.b", "b.*", "b.a"]];

fn check_group(segment: &Segment, reading: &Reading, group: GroupId, all: &Messages, random: &mut Random) {
    let of_group: BTreeMap<u64, _> =
        all.range((group.0, 0)..=(group.0, u64::MAX)).map(|((_, sequence), written)| (*sequence, written)).collect();
    let entry = reading.ask(|cache| segment.group(cache, group)).unwrap().unwrap();
    let (first, last) = (of_group.first_key_value().unwrap(), of_group.last_key_value().unwrap());
    assert_eq!((entry.first, entry.last), (*first.0, *last.0));
    let times = (entry.first_time.unix_nanos(), entry.last_time.unix_nanos());
    assert_eq!(times, (first.1.time, last.1.time));
    assert_eq!(entry.messages, u64::try_from(of_group.len()).unwrap());

    for patterns in PATTERNS {
        let matches = |subject: &[u8]| patterns.iter().any(|wanted| pattern::matches(wanted.as_bytes(), subject));
        let matching: BTreeSet<u64> =
            of_group.iter().filter(|(_, written)| matches(&written.subject)).map(|(sequence, _)| *sequence).collect();
        let mut subjects: BTreeMap<Vec<u8>, Value> = BTreeMap::new();
        for (sequence, written) in of_group.iter().filter(|(_, written)| matches(&written.subject)) {
            let value =
                subjects.entry(written.subject.clone()).or_insert(Value { first: *sequence, ..Value::default() });
            (value.count, value.last) = (value.count + 1, *sequence);
        }
        let mut walk = segment.subjects(group, patterns);
        for (subject, value) in &subjects {
            assert!(reading.ask(|cache| walk.advance(cache)).unwrap());
            assert_eq!((walk.subject(), walk.value()), (&subject[..], *value), "{patterns:?}");
            assert_eq!(reading.ask(|cache| segment.subject(cache, group, subject)).unwrap(), Some(*value));
        }
        assert!(!reading.ask(|cache| walk.advance(cache)).unwrap());

        let mut selecting = segment.select(&entry, patterns);
        let selection = reading.ask(|cache| selecting.finish(cache)).unwrap();
        assert_eq!(selection.messages(), u64::try_from(matching.len()).unwrap(), "{patterns:?}");
        for _ in 0..12 {
            let from = match random.below(4) {
                0 => random.below(entry.last + 10),
                1 => entry.first.saturating_sub(random.below(3)),
                _ => entry.first + random.below(entry.last - entry.first + 3),
            };
            let next = matching.range(from..).next().copied();
            assert_eq!(
                reading.ask(|cache| segment.next(cache, from, &selection)).unwrap(),
                next,
                "{patterns:?} {from}"
            );
            let previous = matching.range(..=from).next_back().copied();
            assert_eq!(reading.ask(|cache| segment.previous(cache, from, &selection)).unwrap(), previous);
            let count = u64::try_from(matching.range(from..).count()).unwrap();
            assert_eq!(reading.ask(|cache| segment.count(cache, from, &selection)).unwrap(), count, "{patterns:?}");
        }
        assert_eq!(
            reading.ask(|cache| segment.previous(cache, u64::MAX, &selection)).unwrap(),
            matching.last().copied()
        );
    }
    for _ in 0..10 {
        let time = first.1.time - 5 + i64::try_from(random.below(1_000)).unwrap();
        let found = of_group.iter().find(|(_, written)| written.time >= time).map(|(sequence, _)| *sequence);
        let at_time = reading.ask(|cache| segment.at_time(cache, group, Timestamp::from_unix_nanos(time)));
        assert_eq!(at_time.unwrap(), found, "time {time}");
    }
    assert_eq!(reading.ask(|cache| segment.subject(cache, group, b"never")).unwrap(), None);
}

#[test]
fn searches_find_what_looking_at_every_message_finds() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let shape = Shape { groups: 1 + seed % 9, messages: 30 << (seed % 5), body: 300 };
        let (disk, all) = (SimDisk::new(seed), messages(&mut random, shape));
        let id = segment_id(1);
        let written = write(&disk, id, &all).unwrap();
        let file = disk.open(&id.name()).unwrap();
        let segment = Segment::open(&file, id).unwrap();
        assert_eq!((segment.messages(), segment.bytes()), (written.messages(), written.bytes()));
        assert_eq!(segment.verify(&file), []);
        let reading = Reading::new(&disk, id);
        assert!(read_back(&segment, &reading, &all).values().all(|is_whole| *is_whole));
        let groups: BTreeSet<u64> = all.keys().map(|(group, _)| *group).collect();
        assert_eq!(segment.groups(), u64::try_from(groups.len()).unwrap());
        for (place, group) in (0..).zip(&groups) {
            let entry = reading.ask(|cache| segment.group_at(cache, place)).unwrap().unwrap();
            assert_eq!(entry.group.0, *group);
            check_group(&segment, &reading, GroupId(*group), &all, &mut random);
        }
        assert!(reading.ask(|cache| segment.group(cache, GroupId(u64::MAX))).unwrap().is_none());
    }
}

#[test]
fn a_long_group_has_several_column_pages_and_blocks() {
    let disk = SimDisk::new(1);
    let id = segment_id(1);
    let mut all = Messages::new();
    let mut writer = SegmentWriter::create(&disk, id).unwrap();
    for n in 0..30_000_u64 {
        let subject = format!("{}.{}", ["a", "b", "a-"][usize::try_from(n % 3).unwrap()], n % 7_000).into_bytes();
        let (sequence, time) = (5 + n + n / 9_000, i64::try_from(n).unwrap());
        let frame = frame(sequence, time, &subject, b"", b"0123456789");
        writer.push(GroupId(4), &frame).unwrap();
        all.insert((4, sequence), crate::workload::Written { time, subject, frame });
    }
    let segment = writer.finish().unwrap();
    let reading = Reading::new(&disk, id);
    check_group(&segment, &reading, GroupId(4), &all, &mut Random::new(1));
    assert!(reading.cache.bytes() <= 300_000, "a search of {} bytes holds little", segment.bytes());
}

#[test]
fn the_first_message_of_a_time_is_found_though_the_clock_stepped_back() {
    let disk = SimDisk::new(1);
    let id = segment_id(1);
    let mut writer = SegmentWriter::create(&disk, id).unwrap();
    let time = |n: u64| i64::try_from(if n < 700 { 10_000 + n } else { n }).unwrap();
    for n in 0..2_000 {
        writer.push(GroupId(1), &frame(n + 1, time(n), b"a", b"", &[0; 300])).unwrap();
    }
    let segment = writer.finish().unwrap();
    let reading = Reading::new(&disk, id);
    for wanted in [0, 1_500, 1_999, 9_999, 10_000, 10_500, 10_699, 10_700] {
        let expected = (0..2_000).find(|n| time(*n) >= wanted).map(|n| n + 1);
        let found = reading.ask(|cache| segment.at_time(cache, GroupId(1), Timestamp::from_unix_nanos(wanted)));
        assert_eq!(found.unwrap(), expected, "{wanted}");
    }
}

#[test]
fn a_segment_takes_little_memory_whatever_is_in_it() {
    assert!(size_of::<Segment>() <= 256, "{}", size_of::<Segment>());
}

#[test]
fn a_summary_is_enough_to_read_a_segment() {
    let (disk, all) = (SimDisk::new(1), messages(&mut Random::new(1), Shape { groups: 5, messages: 50, body: 300 }));
    let id = segment_id(1);
    let segment = write(&disk, id, &all).unwrap();
    let mut summary = Vec::new();
    segment.summarize(&mut summary);
    assert_eq!(summary.len(), Segment::SUMMARY_BYTES);
    assert!(Segment::from_summary(&summary[1..], id.store).is_none());
    let again = Segment::from_summary(&summary, id.store).unwrap();
    assert_eq!((again.id(), again.bytes(), again.messages()), (id, segment.bytes(), segment.messages()));
    assert!(read_back(&again, &Reading::new(&disk, id), &all).values().all(|is_whole| *is_whole));

    // Another segment under its name is not taken for it.
    let other = SimDisk::new(1);
    write(&other, id, &messages(&mut Random::new(2), Shape { groups: 5, messages: 50, body: 300 })).unwrap();
    let reading = Reading::new(&other, id);
    assert!(reading.ask(|cache| again.group(cache, GroupId(1))).is_err());
}

#[test]
fn a_segment_of_nothing_is_one() {
    let disk = SimDisk::new(1);
    let id = segment_id(1);
    SegmentWriter::create(&disk, id).unwrap().finish().unwrap();
    let file = disk.open(&id.name()).unwrap();
    let segment = Segment::open(&file, id).unwrap();
    assert_eq!((segment.messages(), segment.groups()), (0, 0));
    assert_eq!(segment.verify(&file), []);
    let reading = Reading::new(&disk, id);
    assert!(reading.ask(|cache| segment.group(cache, GroupId(1))).unwrap().is_none());
    assert_eq!(reading.ask(|cache| segment.subject(cache, GroupId(1), b"a")).unwrap(), None);
}
