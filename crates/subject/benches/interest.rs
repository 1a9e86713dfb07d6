//! What looking up and changing interest costs, in time and memory.
//!
//! `cargo bench -p firn-subject`; a number as argument divides the work, `cargo bench -p firn-subject -- 100` is the
//! quick check that everything still runs. Memory is what an allocator that rounds up to sixteen bytes and puts eight
//! in front would take.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use firn_subject::interest::{Identity, Interest, Matches};

/// The system's allocator, counting what is taken.
struct Counting;

static TAKEN_BYTES: AtomicUsize = AtomicUsize::new(0);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

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
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        TAKEN_BYTES.fetch_sub(block_bytes(layout), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// A handle as a subscription's is. Its number is its identity, so that one handle may stand for many.
#[derive(Clone)]
struct Value(Arc<usize>);

impl Value {
    fn new(number: usize) -> Self {
        Value(Arc::new(number))
    }
}

impl Identity for Value {
    fn identity(&self) -> usize {
        *self.0
    }
}

fn main() {
    let divisor = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1);
    let many = 100_000 / divisor;
    let rounds = 2_000_000 / divisor;
    literals(many, rounds);
    siblings(many, rounds);
    fan_out(many, rounds);
    for (name, pattern) in [
        ("literal patterns", literal as fn(usize) -> String),
        ("patterns inbox.<i>.*", |i| format!("inbox.{i:07}.*")),
        ("patterns inbox.<i>.>", |i| format!("inbox.{i:07}.>")),
    ] {
        memory(name, pattern, 10 * many);
    }
}

/// Parts of a measurement, of which the best one counts.
const SLICES: usize = 10;

/// How numbers are padded.
const DIGITS: usize = 7;

/// 25 bytes, as an inbox has.
fn literal(i: usize) -> String {
    format!("_INBOX.service.7f.{i:07}")
}

/// Runs `step` on numbers in an order that caches cannot guess, and prints the mean of the best of `slices` parts: what
/// else the machine does slows some of them down.
#[expect(clippy::disallowed_methods, reason = "a benchmark is about the clock")]
fn time(name: &str, slices: usize, rounds: usize, mut step: impl FnMut(usize)) {
    let mut number = 1_usize;
    let rounds = (rounds / slices).max(1);
    let best = (0..slices).map(|_| {
        let start = std::time::Instant::now();
        for _ in 0..rounds {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            step(number >> 33);
        }
        start.elapsed().as_nanos() / rounds as u128
    });
    report(&format!("{:>6} ns  {name}", best.min().unwrap_or(0)));
}

#[expect(clippy::print_stdout, reason = "a benchmark reports to its reader")]
fn report(line: &str) {
    println!("{line}");
}

fn filled(pattern: impl Fn(usize) -> String, many: usize) -> Interest<Value> {
    let mut interest = Interest::with_seed(42);
    let value = Value::new(0);
    for i in 0..many {
        interest.insert(pattern(i).as_bytes(), None, value.clone());
    }
    interest
}

/// Looks up subjects that differ in their number only, written into a buffer that stays in the cache as a socket's does.
fn look_up(name: &str, interest: &Interest<Value>, subject: fn(usize) -> String, many: usize, rounds: usize) {
    let mut text = subject(0).into_bytes();
    let digits = text.iter().position(|&byte| byte == b'0').expect("subjects hold a number");
    let mut found = Matches::new();
    interest.matches(&text, &mut found);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let mut allocations = 0;
    let mut hits = 0;
    time(name, SLICES, rounds, |number| {
        let mut rest = number % many;
        for digit in text.iter_mut().skip(digits).take(DIGITS).rev() {
            *digit = b'0' + u8::try_from(rest % 10).expect("a digit");
            rest /= 10;
        }
        interest.matches(black_box(&text), &mut found);
        hits += found.plain.len();
        allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    });
    assert!(hits >= rounds, "something was not found");
    assert_eq!(allocations, 0, "a match allocates");
}

fn literals(many: usize, rounds: usize) {
    let mut interest = filled(literal, many);
    look_up(&format!("match one of {many} literals, any"), &interest, literal, many, rounds);
    look_up(&format!("match one of {many} literals, any of 100"), &interest, literal, 100, rounds);
    for pattern in ["orders.*", "orders.eu.>", "_INBOX.admin.*.>", "*.audit.>"] {
        interest.insert(pattern.as_bytes(), None, Value::new(0));
    }
    look_up("any, beside 4 wildcard patterns", &interest, literal, many, rounds);
    look_up("any of 100, beside 4 wildcard patterns", &interest, literal, 100, rounds);
    changes(&format!("one of {many} literals"), &interest, literal, rounds / 10);
}

fn siblings(many: usize, rounds: usize) {
    let pattern = |i: usize| format!("foo.{i:07}.*");
    let interest = filled(pattern, many);
    let subject = |i: usize| format!("foo.{i:07}.bar");
    look_up(&format!("match one of {many} patterns foo.<i>.*, any"), &interest, subject, many, rounds);
    look_up(&format!("match one of {many} patterns foo.<i>.*, any of 100"), &interest, subject, 100, rounds);
    changes(&format!("one of {many} patterns foo.<i>.*"), &interest, pattern, rounds / 10);
}

fn fan_out(many: usize, rounds: usize) {
    let crowd = |pattern: &str, many: usize| {
        let mut interest = Interest::with_seed(42);
        (0..many).for_each(|i| interest.insert(pattern.as_bytes(), None, Value::new(i)));
        interest
    };
    let interest = crowd("news0000000", 8);
    look_up("match a literal of 8 values", &interest, |_| "news0000000".into(), 1, rounds);
    let mut interest = crowd("news", many);
    let value = Value::new(many);
    let mut snapshot = interest.clone();
    time(
        &format!("insert and remove one of {many} values of a literal under a snapshot"),
        SLICES,
        rounds / 1000,
        |_| {
            interest.insert(b"news", None, value.clone());
            interest.remove(b"news", None, many);
            snapshot = interest.clone();
        },
    );
    drop(snapshot);
    let mut queues = Interest::with_seed(1);
    for pattern in ["work.a", "work.*"] {
        for i in 0..4 {
            queues.insert(pattern.as_bytes(), Some(b"workers"), Value::new(i));
        }
    }
    let mut found = Matches::new();
    time("match a queue group of 8 over two patterns", SLICES, rounds, |_| {
        queues.matches(black_box(b"work.a"), &mut found);
        assert_eq!(found.queues.len(), 1);
    });
}

fn changes(name: &str, interest: &Interest<Value>, pattern: impl Fn(usize) -> String, rounds: usize) {
    let patterns: Vec<String> = (0..interest.len()).map(pattern).collect();
    let mut interest = interest.clone();
    let value = Value::new(0);
    let swap = |interest: &mut Interest<Value>, number: usize| {
        let pattern = patterns.get(number % patterns.len()).expect("in range").as_bytes();
        // Beside wildcard patterns there are fewer literals than values.
        if interest.remove(pattern, None, 0).is_some() {
            interest.insert(pattern, None, value.clone());
        }
    };
    // The first changes copy what `interest` came from.
    (0..patterns.len()).for_each(|i| swap(&mut interest, i));
    time(&format!("remove and insert {name}"), SLICES, rounds, |number| swap(&mut interest, number));
    let mut snapshot = interest.clone();
    time(&format!("remove and insert {name}, each under a new snapshot"), SLICES, rounds, |number| {
        swap(&mut interest, number);
        snapshot = interest.clone();
    });
    drop(snapshot);
}

fn memory(name: &str, pattern: fn(usize) -> String, many: usize) {
    let value = Value::new(0);
    let mut interest = Interest::with_seed(42);
    let before = TAKEN_BYTES.load(Ordering::Relaxed);
    let mut next = 0;
    time(&format!("insert each of {many} {name}"), 1, many, |_| {
        interest.insert(pattern(next).as_bytes(), None, value.clone());
        next += 1;
    });
    let taken = TAKEN_BYTES.load(Ordering::Relaxed) - before;
    report(&format!("{:>6} B   each of {many} {name}", taken / many.max(1)));
    for i in 0..many {
        interest.remove(pattern(i).as_bytes(), None, 0);
    }
    let left = TAKEN_BYTES.load(Ordering::Relaxed) - before;
    assert_eq!(left, 0, "removing gives everything back");
}
