//! What immutable files cost, in bytes and time: tables of subjects, a segment of one stream, a pack of many.
//!
//! `cargo bench -p firn-store --bench files`; a number as argument divides the work. The disk is memory, so that what is
//! measured is the work of the processor.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::rc::Rc;

use firn_id::Timestamp;
use firn_store::disk::{Disk, DiskError, DiskFile, Durability, Fault};
use firn_store::file::{FileId, Kind};
use firn_store::messages::{Loaded, NewMessage};
use firn_store::part::{Cache, Fetched, Miss, Part, Parts};
use firn_store::segment::{Segment, SegmentWriter};
use firn_store::table::{Table, TableFile, Value};
use firn_store::wal::{Extension, GroupId};

fn main() {
    let divisor: u64 = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1);
    table(2_000_000 / divisor);
    own_segment(64 << 20 >> divisor.ilog2());
    pack(10_000 / divisor.min(1_000));
}

#[expect(clippy::print_stdout, reason = "a benchmark reports to its reader")]
fn report(line: &str) {
    println!("{line}");
}

/// Nanoseconds of each of `count` times.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn nanos<T>(count: u64, work: impl FnOnce() -> T) -> (T, u128) {
    let begin = std::time::Instant::now();
    let done = work();
    (done, begin.elapsed().as_nanos() / u128::from(count.max(1)))
}

fn id(kind: Kind) -> FileId {
    FileId { kind, number: 1, store: 2 }
}

/// A number that looks random and follows from another.
fn mix(number: u64) -> u64 {
    let mixed = (number ^ number >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 7
}

fn subject(number: u64) -> Vec<u8> {
    format!("orders.{:03}.customer-{number:08}", number / 100_000).into_bytes()
}

fn table(keys: u64) {
    let disk = Memory::default();
    let (table, write) = nanos(keys, || {
        let mut file = TableFile::create(&disk, id(Kind::Table), keys, 1).expect("memory");
        for number in 0..keys {
            let first = 1 + mix(number) % (2 * keys);
            file.push(&subject(number), Value { count: 1, first, last: first }).expect("memory");
        }
        file.finish().expect("memory")
    });
    let (table, bytes) = table;
    let each = |bytes: u64| format!("{}.{:02}", bytes / keys, bytes % keys * 100 / keys);
    report(&format!(
        "table of {keys} subjects of {} bytes: {} bytes each on disk, {} of them filter; {} levels; written in {write} ns each",
        subject(0).len(),
        each(bytes),
        each(table.filter_bytes()),
        table.levels()
    ));
    let all = Reading::new(&disk, id(Kind::Table), usize::MAX);
    let lookups = 200_000_u64.min(keys);
    let lookup = |reading: &Reading, key: &[u8]| reading.ask(|cache| table.lookup(cache, key)).expect("it is sound");
    for round in ["all cold at first", "all warm"] {
        let (_, each) = nanos(lookups, || {
            (0..lookups).for_each(|n| assert!(lookup(&all, &subject(mix(n) % keys)).is_some()));
        });
        report(&format!("  lookup, {round}: {each} ns"));
    }
    let (through, each) = nanos(lookups, || {
        (0..lookups).filter(|n| lookup(&all, format!("orders.absent.{n}").as_bytes()).is_some()).count()
    });
    report(&format!("  lookup of what is absent: {each} ns, found {through}"));
    for kilobytes in [1 << 10, 2 << 10, 4 << 10, 8 << 10] {
        let budget = usize::try_from(kilobytes * keys / 1_000_000 * 1_024).unwrap_or(usize::MAX);
        let reading = Reading::new(&disk, id(Kind::Table), budget);
        let look = |from: u64| (from..from + lookups).for_each(|n| _ = lookup(&reading, &subject(mix(n) % keys)));
        look(0);
        reading.fetches.set(0);
        look(lookups);
        let per_hundred = reading.fetches.get() * 100 / lookups;
        report(&format!("  with a cache of {kilobytes} KiB a million subjects: {per_hundred} reads in 100 lookups"));
    }
    walk(&table, &all, keys);
}

fn walk(table: &Table, reading: &Reading, keys: u64) {
    for pattern in ["orders.007.*", "*.*.customer-00000077", ">"] {
        let (count, each) = nanos(1, || {
            let mut walk = table.matches(b"", [pattern]);
            let mut count = 0_u64;
            while reading.ask(|cache| walk.advance(cache)).expect("it is sound") {
                count += 1;
            }
            count
        });
        report(&format!("  walk {pattern}: {count} of {keys} in {} µs", each / 1_000));
    }
}

fn frame(sequence: u64, subject: &[u8], body: usize) -> Vec<u8> {
    let time = Timestamp::from_unix_nanos(i64::try_from(sequence).expect("low"));
    let body = &vec![b'x'; body];
    let mut frame = Vec::new();
    NewMessage { sequence, time, subject, headers: b"", body, extension: Extension::default() }.encode(&mut frame);
    frame
}

fn own_segment(bytes: u64) {
    let disk = Memory::default();
    let frames: Vec<Vec<u8>> = (0..10_000).map(|n| frame(n + 1, &subject(n), 128)).collect();
    let frame_bytes = u64::try_from(frames.iter().map(Vec::len).sum::<usize>()).expect("short") / 10_000;
    let messages = bytes / frame_bytes;
    drop(frames);
    let (segment, write) = nanos(messages, || {
        let mut writer = SegmentWriter::create(&disk, id(Kind::Segment)).expect("memory");
        for n in 0..messages {
            writer.push(GroupId(1), &frame(n + 1, &subject(mix(n) % 10_000), 128)).expect("memory");
        }
        writer.finish().expect("memory")
    });
    let beside = segment.bytes() - messages * frame_bytes;
    report(&format!(
        "segment of {messages} messages of {frame_bytes} bytes, 10,000 subjects: {} MiB, {}.{:02} bytes beside each \
         message; written in {write} ns each, frames made included; {} bytes of memory hold it",
        segment.bytes() >> 20,
        beside / messages,
        beside % messages * 100 / messages,
        size_of::<Segment>()
    ));
    let reading = Reading::new(&disk, id(Kind::Segment), 256 << 20);
    let (opened, open) = nanos(1, || Segment::open(&reading.file, id(Kind::Segment)).expect("it is sound"));
    let (damage, check) = nanos(1, || opened.check(&reading.file));
    let (_, verify) = nanos(1, || opened.verify(&reading.file));
    assert!(damage.is_empty());
    report(&format!("  open {} µs, check {} µs, verify {} µs", open / 1_000, check / 1_000, verify / 1_000));
    let group = reading.ask(|cache| segment.group(cache, GroupId(1))).expect("sound").expect("it is there");
    let (_, load) = nanos(messages, || (0..messages).for_each(|n| read(&segment, &reading, GroupId(1), n + 1)));
    let (_, again) = nanos(messages, || (0..messages).for_each(|n| read(&segment, &reading, GroupId(1), n + 1)));
    report(&format!("  load in order: {load} ns cold, {again} ns warm"));
    for pattern in ["orders.000.customer-00000077", "orders.*.>"] {
        let (selection, select) = nanos(1, || {
            let mut selecting = segment.select(&group, [pattern]);
            reading.ask(|cache| selecting.finish(cache)).expect("it is sound")
        });
        let (count, middle) =
            nanos(1, || reading.ask(|cache| segment.count(cache, messages / 2, &selection)).expect("it is sound"));
        let (next, step) = nanos(1, || reading.ask(|cache| segment.next(cache, messages / 3, &selection)));
        report(&format!(
            "  {pattern}: select {} µs; count from the middle {count} in {} µs; next {next:?} in {} µs",
            select / 1_000,
            middle / 1_000,
            step / 1_000
        ));
    }
}

fn read(segment: &Segment, reading: &Reading, group: GroupId, sequence: u64) {
    let loaded = reading.ask(|cache| segment.load(cache, group, sequence)).expect("it is sound");
    assert!(matches!(black_box(loaded), Loaded::Message(_)));
}

fn pack(streams: u64) {
    for each in [1, 5, 50] {
        let disk = Memory::default();
        let mut frame_bytes = 0;
        let (segment, write) = nanos(streams * each, || {
            let mut writer = SegmentWriter::create(&disk, id(Kind::Segment)).expect("memory");
            for stream in 0..streams {
                for n in 0..each {
                    let frame = frame(n + 1, &subject(stream), 128);
                    frame_bytes += u64::try_from(frame.len()).expect("short");
                    writer.push(GroupId(stream), &frame).expect("memory");
                }
            }
            writer.finish().expect("memory")
        });
        let reading = Reading::new(&disk, id(Kind::Segment), 256 << 20);
        let (_, cold) =
            nanos(streams, || (0..streams).for_each(|n| read(&segment, &reading, GroupId(mix(n) % streams), 1)));
        let (_, warm) =
            nanos(streams, || (0..streams).for_each(|n| read(&segment, &reading, GroupId(mix(n) % streams), 1)));
        report(&format!(
            "pack of {streams} streams, {each} messages each: {} KiB, {} bytes beside a stream's messages; written in \
             {write} ns a message; load {cold} ns cold, {warm} ns warm",
            segment.bytes() >> 10,
            (segment.bytes() - frame_bytes) / streams
        ));
    }
}

/// A cache over a file, which counts what it fetches.
struct Reading {
    cache: Cache,
    file: MemoryFile,
    fetches: Cell<u64>,
}

impl Reading {
    fn new(disk: &Memory, id: FileId, cache_bytes: usize) -> Self {
        let file = disk.open(&id.name()).expect("it was written");
        Reading { cache: Cache::new(cache_bytes), file, fetches: Cell::new(0) }
    }

    fn ask<T>(&self, mut question: impl FnMut(&Cache) -> Result<T, Miss>) -> Result<T, Miss> {
        loop {
            match question(&self.cache) {
                Err(Miss::Cold(part)) => {
                    self.fetches.set(self.fetches.get() + 1);
                    self.cache.insert(part.fetch(&self.file));
                }
                answer => return answer,
            }
        }
    }
}

impl Parts for Reading {
    fn part(&self, part: Part) -> Result<Fetched, Miss> {
        self.ask(|cache| cache.part(part))
    }
}

/// Files in memory.
#[derive(Default)]
struct Memory {
    files: RefCell<BTreeMap<String, MemoryFile>>,
}

#[derive(Clone, Default)]
struct MemoryFile(Rc<RefCell<Vec<u8>>>);

fn error(fault: Fault) -> DiskError {
    DiskError { fault, operation: "use", file: String::new(), detail: "memory".to_owned() }
}

impl Disk for Memory {
    type File = MemoryFile;
    type Lock = ();

    fn create(&self, name: &str) -> Result<MemoryFile, DiskError> {
        Ok(self.files.borrow_mut().entry(name.to_owned()).or_default().clone())
    }

    fn open(&self, name: &str) -> Result<MemoryFile, DiskError> {
        self.files.borrow().get(name).cloned().ok_or_else(|| error(Fault::NotFound))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let file = self.files.borrow_mut().remove(from).ok_or_else(|| error(Fault::NotFound))?;
        self.files.borrow_mut().insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        self.files.borrow_mut().remove(name).map(drop).ok_or_else(|| error(Fault::NotFound))
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        Ok(self.files.borrow().keys().cloned().collect())
    }

    fn sync_folder(&self) -> Result<(), DiskError> {
        Ok(())
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        Ok(u64::MAX)
    }

    fn lock(&self, _name: &str) -> Result<(), DiskError> {
        Ok(())
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        let start = usize::try_from(offset).map_err(|_| error(Fault::Other))?;
        let bytes = self.0.borrow();
        let found = bytes.get(start..).and_then(|rest| rest.get(..buffer.len())).ok_or_else(|| error(Fault::Other))?;
        buffer.copy_from_slice(found);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8], _durability: Durability) -> Result<(), DiskError> {
        let start = usize::try_from(offset).map_err(|_| error(Fault::Other))?;
        let mut file = self.0.borrow_mut();
        assert_eq!(start, file.len(), "files are written from front to back");
        file.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskError> {
        Ok(())
    }

    fn set_bytes(&self, _bytes: u64) -> Result<(), DiskError> {
        Err(error(Fault::Other))
    }

    fn bytes(&self) -> Result<u64, DiskError> {
        Ok(u64::try_from(self.0.borrow().len()).expect("a length fits"))
    }
}
