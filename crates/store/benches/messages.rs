//! What a stream's messages cost, in time and memory.
//!
//! `cargo bench -p firn-store`; a number as argument divides the work, `cargo bench -p firn-store -- 100` is the quick
//! check that everything still runs. Memory is what an allocator that rounds up to sixteen bytes and puts eight in front
//! would take.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering},
};

use firn_id::Timestamp;
use firn_store::{
    messages::{Access, Filter, Messages, NewMessage, Storage},
    wal::Extension,
};

/// The system's allocator, counting what is taken.
struct Counting;

static TAKEN_BYTES: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn block_bytes(layout: Layout) -> usize {
    (layout.size() + 8).next_multiple_of(16).max(32)
}

#[expect(unsafe_code, reason = "counting what is allocated needs an allocator; it forwards every call unchanged")]
// SAFETY: every call goes to `System` with the arguments it came with, whose contract is the caller's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN_BYTES.fetch_add(block_bytes(layout), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        TAKEN_BYTES.fetch_sub(block_bytes(layout), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn main() {
    let divisor: usize = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1);
    log(2_000_000 / divisor);
    keys(1_000_000 / divisor, 4_000_000 / divisor);
    unique(1_000_000 / divisor);
    queue(1_000_000 / divisor);
    searches(10_000_000 / divisor);
}

/// Bytes of a message, as the comparison with the reference server has them.
const BODY: [u8; 128] = [b'x'; 128];

#[expect(clippy::print_stdout, reason = "a benchmark reports to its reader")]
fn report(line: &str) {
    println!("{line}");
}

/// Prints the mean of `rounds` steps, which get numbers that caches cannot guess.
#[expect(clippy::disallowed_methods, reason = "a benchmark is about the clock")]
fn time(name: &str, rounds: usize, mut step: impl FnMut(usize)) {
    let rounds = rounds.max(1);
    let mut number = 1_usize;
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        step(number >> 33);
    }
    report(&format!("{:>9} ns  {name}", start.elapsed().as_nanos() / rounds as u128));
}

fn taken() -> usize {
    TAKEN_BYTES.load(Ordering::Relaxed)
}

fn memory(name: &str, before: usize, many: usize, messages: &Messages) {
    let (index, all) = (messages.index_memory_bytes(), taken() - before);
    let many = many.max(1);
    report(&format!("{:>9} B   {name} of it {} index", format!("{:.1}", all as f64 / many as f64), index / many));
}

fn append(messages: &mut Messages, subject: &[u8]) -> u64 {
    let sequence = messages.next_sequence();
    let time = Timestamp::from_unix_nanos(i64::try_from(sequence).expect("few"));
    messages.append(&NewMessage {
        sequence,
        time,
        subject,
        headers: b"",
        body: &BODY,
        extension: Extension::default(),
    });
    sequence
}

fn ready<T>(access: Access<T>) -> T {
    access.ready().expect("all is in memory")
}

/// Messages of a few subjects, the oldest of which go.
fn log(many: usize) {
    let before = taken();
    let mut messages = Messages::new(Storage::File, 1);
    let subjects: Vec<String> = (0..10).map(|i| format!("orders.europe.{i}")).collect();
    let subject = |number: usize| subjects.get(number % 10).expect("in range").as_bytes();
    time(&format!("append to {many} of ten subjects"), many, |number| {
        append(&mut messages, subject(number));
    });
    memory(&format!("each of {many} messages with frames of 178 bytes,"), before, many, &messages);
    time("load", many, |number| {
        black_box(ready(messages.load((number % many) as u64 + 1)));
    });
    time("append and remove the oldest", many, |number| {
        append(&mut messages, subject(number));
        ready(messages.remove(messages.state().first_sequence));
    });
    time("remove the oldest", many, |_| {
        ready(messages.remove(messages.state().first_sequence));
    });
    drop(messages);
    assert_eq!(taken(), before + subjects_bytes(&subjects), "everything is given back");
}

/// What the names made here take.
fn subjects_bytes(subjects: &Vec<String>) -> usize {
    let block = |bytes: usize| (bytes + 8).next_multiple_of(16).max(32);
    subjects.iter().map(|subject| block(subject.capacity())).sum::<usize>()
        + block(subjects.capacity() * size_of::<String>())
}

/// 30 bytes.
fn key(number: usize) -> [u8; 30] {
    numbered(*b"$KV.bucket.profile.user0000000", number)
}

/// 30 bytes, in ten families.
fn order(number: usize) -> [u8; 30] {
    let mut subject = numbered(*b"orders.family0.customer0000000", number);
    if let Some(family) = subject.get_mut(13) {
        *family = b'0' + u8::try_from(number % 10).expect("a digit");
    }
    subject
}

/// With the number in the last seven digits.
fn numbered(mut subject: [u8; 30], number: usize) -> [u8; 30] {
    let mut rest = number;
    for digit in subject.iter_mut().rev().take(7) {
        *digit = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
    }
    subject
}

/// A bucket with one value a key.
fn keys(many: usize, rounds: usize) {
    let before = taken();
    let mut messages = Messages::new(Storage::File, 1);
    let mut next = 0;
    time(&format!("append each of {many} new keys"), many, |_| {
        append(&mut messages, &key(next));
        next += 1;
    });
    memory(&format!("each of {many} keys of 30 bytes with frames of 190 bytes,"), before, many, &messages);
    time("look a key up", rounds, |number| {
        black_box(ready(messages.subject(&key(number % many))));
    });
    time("overwrite a key", rounds, |number| {
        let key = key(number % many);
        let last = ready(messages.subject(&key)).expect("it is there").last;
        append(&mut messages, &key);
        ready(messages.remove(last));
    });
    memory("a key after that,", before, many, &messages);
    let all = Filter::all();
    time("first page of 100 keys, which sorts them", 1, |_| {
        black_box(ready(messages.subjects(&all, None, 100)));
    });
    memory("a key in order,", before, many, &messages);
    time("page of 100 keys", rounds / 1000, |number| {
        black_box(ready(messages.subjects(&all, Some(&key(number % many)), 100)));
    });
    time("last of each key", 1, |_| {
        black_box(ready(messages.last_per_subject(&all, None)));
    });
    let bucket = Filter::new(["$KV.bucket.profile.*"]);
    time("count all by a wildcard", 1, |_| {
        assert_eq!(ready(messages.count(0, &bucket)), many as u64);
    });
}

/// A subject of its own for each message.
fn unique(many: usize) {
    let mut messages = Messages::new(Storage::File, 1);
    let mut next = 0;
    time(&format!("append one of an endless number of subjects, remove the oldest of {}", many / 10), many, |_| {
        append(&mut messages, &key(next));
        next += 1;
        if next > many / 10 {
            ready(messages.remove(messages.state().first_sequence));
        }
    });
}

/// A queue worked off out of order.
fn queue(many: usize) {
    let mut messages = Messages::new(Storage::File, 1);
    let mut waiting: Vec<u64> = (0..many.min(10_000)).map(|_| append(&mut messages, b"jobs")).collect();
    time("append to a queue of 10000, remove one of it", many, |number| {
        waiting.push(append(&mut messages, b"jobs"));
        let sequence = waiting.swap_remove(number % waiting.len());
        ready(messages.remove(sequence));
    });
}

/// Questions to many messages of many subjects.
fn searches(many: usize) {
    let before = taken();
    let mut messages = Messages::new(Storage::File, 1);
    let subjects = (many / 100).max(1);
    let mut next = 0;
    time(&format!("append to {many} of {subjects} subjects"), many, |number| {
        // One in a hundred thousand is rare.
        next += 1;
        if next % 100_000 == 0 {
            append(&mut messages, format!("rare.{}", next / 100_000 % 10).as_bytes());
        } else {
            append(&mut messages, &order(number % subjects));
        }
    });
    memory("each of them,", before, many, &messages);
    let any = |number: usize| (number % many) as u64;
    let question = |name: &str, rounds: usize, filter: &Filter| {
        time(&format!("next {name}"), rounds, |number| {
            black_box(ready(messages.next(any(number), filter)));
        });
        time(&format!("previous {name}"), rounds, |number| {
            black_box(ready(messages.previous(any(number), filter)));
        });
        time(&format!("count from the middle {name}"), rounds / 10, |number| {
            black_box(ready(messages.count(any(number), filter)));
        });
    };
    question("of all", 10_000, &Filter::all());
    question("of a literal", 100_000, &Filter::new([order(7)]));
    question("of a rare wildcard", 1_000, &Filter::new(["rare.*"]));
    question("of a wildcard that one in ten matches", 1_000, &Filter::new(["*.family7.*"]));
    question("of a thousand literals, one in a hundred", 1_000, &Filter::new((0..1_000).map(order)));
    question("of a thousand absent literals", 1_000, &Filter::new((0..1_000).map(|i| format!("absent.{i}"))));
    question("of nothing", 1_000, &Filter::new(["absent.>"]));
    time("at a time", 1_000, |number| {
        black_box(ready(messages.at_time(Timestamp::from_unix_nanos((number % many).try_into().expect("few")))));
    });
}
