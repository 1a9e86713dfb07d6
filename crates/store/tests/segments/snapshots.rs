//! The newest snapshot that is whole is taken, after a crash at any operation and after any flip; with what of the log
//! is kept, it is enough.

use firn_sim::disk::SimDisk;
use firn_sim::random::Random;
use firn_store::disk::{Disk as _, DiskError};
use firn_store::file::{FileError, FileId, Kind, remove_unfinished};
use firn_store::snapshot::{Kept, Opened, Section, Snapshot, SnapshotWriter, open};
use firn_store::wal::{GroupId, Lsn};

use crate::workload::STORE;

/// A section as a test remembers it: group, applied, kind, content.
type Content = Vec<(u64, u64, u16, Vec<u8>)>;

fn id(number: u64) -> FileId {
    FileId { kind: Kind::State, number, store: STORE }
}

fn content(random: &mut Random, covers: u64) -> Content {
    let section = |group, random: &mut Random| {
        let mut bytes = vec![0; usize::try_from(random.below(3_000)).unwrap()];
        random.fill(&mut bytes);
        (group, covers + random.below(10), 7, bytes)
    };
    (0..random.below(6)).map(|group| section(group, random)).collect()
}

fn write(disk: &SimDisk, number: u64, covers: u64, content: &Content) -> Result<Snapshot, DiskError> {
    let mut writer = SnapshotWriter::create(disk, id(number))?;
    for (group, applied, kind, bytes) in content {
        let section = Section { group: GroupId(*group), applied: Lsn::new(*applied), kind: *kind, version: 1, bytes };
        writer.push(&section)?;
    }
    writer.finish(Lsn::new(covers))
}

fn open_all(disk: &SimDisk) -> Result<(Opened, Content), FileError> {
    let mut content = Content::new();
    let opened = open(disk, STORE, &mut |section| {
        assert_eq!(section.version, 1);
        content.push((section.group.0, section.applied.value(), section.kind, section.bytes.to_vec()));
    })?;
    Ok((opened, content))
}

#[test]
fn the_newest_snapshot_survives_a_crash_at_any_disk_operation() {
    for seed in 0..40 {
        for crash_at in 1.. {
            let (mut random, disk) = (Random::new(seed), SimDisk::new(seed ^ crash_at << 32));
            let contents: Vec<Content> = (1..=4).map(|n| content(&mut random, n * 100)).collect();
            let mut kept = Kept::default();
            let mut written = 0;
            disk.crash_at(crash_at);
            for (n, content) in (1..).zip(&contents) {
                let Ok(snapshot) = write(&disk, n, n * 100, content) else { break };
                written = n;
                if let Some(spare) = kept.written(snapshot) {
                    drop(disk.remove(&spare.id().name()));
                }
                assert!(kept.release() <= Lsn::new(n.saturating_sub(1) * 100));
            }
            let is_over = !disk.is_crashed();
            if random.one_in(3) {
                disk.kill()
            } else {
                disk.cut_power()
            }
            remove_unfinished(&disk).unwrap();
            let (opened, found) = open_all(&disk).unwrap();
            assert_eq!(opened.damaged, [], "seed {seed}, crash at {crash_at}");
            let newest = opened.kept.newest.map_or(0, |snapshot| snapshot.id().number);
            assert!(newest == written || newest == written + 1, "seed {seed}, crash at {crash_at}");
            let expected = newest.checked_sub(1).map(|n| contents[usize::try_from(n).unwrap()].clone());
            assert_eq!(found, expected.unwrap_or_default());
            if let Some(snapshot) = opened.kept.newest {
                assert_eq!(
                    (snapshot.covers(), snapshot.sections()),
                    (Lsn::new(newest * 100), u32::try_from(found.len()).unwrap())
                );
            }
            if is_over {
                assert_eq!(opened.kept, kept);
                break;
            }
        }
    }
}

#[test]
fn a_damaged_newest_snapshot_is_reported_and_the_older_one_taken() {
    let (mut random, disk) = (Random::new(2), SimDisk::new(2));
    let contents: Vec<Content> = (1..=2).map(|n| content(&mut random, n * 100)).collect();
    assert!(contents.iter().all(|content| content.len() > 1));
    let mut kept = Kept::default();
    for (n, content) in (1..).zip(&contents) {
        kept.written(write(&disk, n, n * 100, content).unwrap());
    }
    assert_eq!(kept.release(), Lsn::new(100), "what the older one needs stays");
    let name = id(2).name();
    for bit in 0..disk.content(&name).len() * 8 {
        if bit % 8 != bit / 8 % 8 {
            continue;
        }
        let disk = disk.fork();
        disk.flip(&name, bit);
        let (opened, found) = open_all(&disk).unwrap();
        assert_eq!(found, contents[0], "bit {bit}");
        assert_eq!(opened.damaged.len(), 1, "bit {bit}");
        assert!(opened.damaged[0].to_string().starts_with(&format!("{name:?}: ")), "{}", opened.damaged[0]);
        assert_eq!((opened.kept.newest, opened.kept.older), (kept.older, None));
        assert_eq!(opened.kept.release(), Lsn::NONE, "nothing is released until there are two again");
    }
}

#[test]
fn a_snapshot_that_cannot_be_read_counts_as_damaged() {
    let (mut random, disk) = (Random::new(3), SimDisk::new(2));
    let content = content(&mut random, 100);
    write(&disk, 1, 100, &content).unwrap();
    write(&disk, 2, 200, &content).unwrap();
    disk.make_unreadable(&id(2).name(), 0);
    let (opened, found) = open_all(&disk).unwrap();
    assert_eq!((opened.damaged.len(), found), (1, content));
}

#[test]
fn spare_snapshots_and_those_of_other_stores_are_told_apart() {
    let disk = SimDisk::new(2);
    for number in 1..=4 {
        write(&disk, number, number, &Content::new()).unwrap();
    }
    let other = FileId { store: 1, ..id(9) };
    SnapshotWriter::create(&disk, other).unwrap().finish(Lsn::NONE).unwrap();
    let (opened, _) = open_all(&disk).unwrap();
    assert_eq!(opened.kept.newest.map(|snapshot| snapshot.id()), Some(id(4)));
    assert_eq!(opened.kept.older.map(|snapshot| snapshot.id()), Some(id(3)));
    assert_eq!(opened.spare, [id(2), id(1)]);
}
