//! What a consumer costs: a message that is pulled and acknowledged, one that is pushed, and one of the log.
//!
//! `cargo bench -p firn-jetstream --bench consumer`; a number as argument divides the work, `-- 100` is the quick check that
//! everything still runs.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering},
};

use firn_api::{
    consumer::{AckPolicy, ConsumerConfig},
    subject::Ack as AckSubject,
    time::Nanos,
};
use firn_id::{Monotonic, Timestamp};
use firn_jetstream::{
    consumer::{
        Ack, Consumer, ConsumerEffect, ConsumerEffects, ConsumerEntry, Created, FilterCounter, Pull, Turn,
        start_sequence,
    },
    messages::{Access, Messages, NewMessage, Storage},
    now::Now,
};

/// The system's allocator, counting calls.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "counting what is allocated needs an allocator; it forwards every call unchanged")]
// SAFETY: every call goes to `System` with the arguments it came with, whose contract is the caller's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Messages of a stream.
const MESSAGES: u64 = 100_000;

/// 2023-11-14T22:13:20Z.
const START: i64 = 1_700_000_000_000_000_000;

fn main() {
    let divisor = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1);
    let messages = MESSAGES / divisor;
    let config = |filter: &str| ConsumerConfig {
        max_ack_pending: 1000,
        filter_subject: filter.to_owned(),
        ..ConsumerConfig::default()
    };
    for batch in [1, 10, 500] {
        pulled(&format!("pulls of {batch}"), messages, batch, config(""), false);
    }
    pulled("pulls of 500, acknowledged in any order", messages, 500, config(""), true);
    pulled("pulls of 500, a tenth matches a wildcard", messages, 500, config("s.*.7"), false);
    pulled("pulls of 500, a tenth matches a literal", messages, 500, config("s.a.7"), false);
    pushed(messages);
    replayed(messages);
    report(&format!("{:>6} bytes a consumer, beside its configuration's texts", size_of::<Consumer>()));
}

struct World {
    messages: Messages,
    counter: FilterCounter,
    consumer: Consumer,
    effects: ConsumerEffects,
    entries: Vec<u8>,
    elapsed: u64,
}

impl World {
    fn new(messages: u64, mut config: ConsumerConfig) -> Self {
        let mut store = Messages::new(Storage::File, 1);
        for sequence in 1..=messages {
            let subject = format!("s.a.{}", sequence % 10);
            store.append(&NewMessage {
                sequence,
                time: Timestamp::from_unix_nanos(START),
                subject: subject.as_bytes(),
                headers: b"",
                body: &[b'x'; 128],
                extension: Default::default(),
            });
        }
        (config.ack_wait, config.max_deliver) = (Nanos::from_secs(30), -1);
        if config.deliver_subject.is_empty() {
            (config.ack_policy, config.max_waiting) = (AckPolicy::Explicit, 512);
        }
        let Access::Ready(start) = start_sequence(&config, &store) else { panic!("memory is warm") };
        let created = Timestamp::from_unix_nanos(START);
        let consumer = Consumer::new(Created { stream: "S".into(), name: "worker".into(), config, created, start });
        let (counter, effects) = (FilterCounter::new(), ConsumerEffects::new());
        World { messages: store, counter, consumer, effects, entries: Vec::new(), elapsed: 0 }
    }

    /// True where there is more to send.
    fn call(&mut self, act: impl FnOnce(&mut Consumer, &mut Turn<'_>)) -> bool {
        self.elapsed += 10_000;
        let nanos = i64::try_from(self.elapsed).unwrap_or(0);
        let now =
            Now { monotonic: Monotonic::from_nanos(self.elapsed), wall: Timestamp::from_unix_nanos(START + nanos) };
        let mut turn = Turn {
            now,
            messages: &self.messages,
            counter: &self.counter,
            has_interest: &|_| true,
            is_observed: false,
            effects: &mut self.effects,
        };
        act(&mut self.consumer, &mut turn);
        let has_more = self.consumer.finish(&mut turn, &mut self.entries);
        black_box(self.consumer.deadline(now));
        has_more
    }
}

/// Pulls, as one turn, and acknowledges all that came, as another.
fn pulled(name: &str, messages: u64, batch: usize, config: ConsumerConfig, is_shuffled: bool) {
    let mut world = World::new(messages, config);
    let body = format!(r#"{{"batch":{batch},"expires":5000000000}}"#);
    let (mut delivered, mut allocations) = (0, 0);
    let (mut sending, mut acking) = (Vec::new(), Vec::new());
    let mut acks: Vec<Vec<u8>> = (0..batch).map(|_| Vec::with_capacity(80)).collect();
    loop {
        world.effects.clear();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let took = elapsed(|| {
            let pull = Pull { reply: b"_INBOX.abcdefghijklmnop.1", body: body.as_bytes(), headers: b"" };
            world.call(|consumer, turn| consumer.pull(turn, pull));
        });
        allocations += ALLOCATIONS.load(Ordering::Relaxed) - before;
        let mut count = 0;
        for effect in &world.effects.list {
            if let ConsumerEffect::Deliver(delivery) = effect
                && let Some(ack) = acks.get_mut(count)
            {
                ack.clear();
                ack.extend_from_slice(world.effects.bytes(delivery.reply));
                count += 1;
            }
        }
        if count == 0 {
            break;
        }
        if is_shuffled {
            let mut state = 7_usize;
            for index in (1..count).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                acks.swap(index, (state >> 33) % (index + 1));
            }
        }
        delivered += count;
        sending.push(took / count as u128);
        world.effects.clear();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let took = elapsed(|| {
            world.call(|consumer, turn| {
                for subject in acks.iter().take(count) {
                    let delivery = AckSubject::parse(subject).expect("an ack subject");
                    consumer.ack(turn, Ack { subject, delivery, body: b"+ACK", reply: b"" });
                }
            });
        });
        acking.push(took / count as u128);
        allocations += ALLOCATIONS.load(Ordering::Relaxed) - before;
    }
    let hundredths = |sum: usize| {
        let each = sum * 100 / delivered.max(1);
        format!("{}.{:02}", each / 100, each % 100)
    };
    let (sent, acked) = (median(sending), median(acking));
    let (bytes, allocations) = (hundredths(world.entries.len()), hundredths(allocations));
    let parts = format!("{sent} sent, {acked} acknowledged, {bytes} bytes of log, {allocations} allocations");
    report(&format!("{:>6} ns  {name}: {parts}", sent + acked));
}

/// What else the machine does slows some of them down.
fn median(mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(0)
}

fn pushed(messages: u64) {
    let config = ConsumerConfig { deliver_subject: "push.here".into(), ..ConsumerConfig::default() };
    let mut world = World::new(messages, config);
    let mut has_more = world.call(|consumer, turn| consumer.interest(turn, true));
    let mut times = Vec::new();
    while has_more {
        world.effects.clear();
        let took = elapsed(|| has_more = world.call(|_, _| ()));
        let sent = world.effects.list.iter().filter(|effect| matches!(effect, ConsumerEffect::Deliver(_))).count();
        times.push(took / sent.max(1) as u128);
    }
    report(&format!("{:>6} ns  pushed, without acknowledgement", median(times)));
}

/// Entries of pulls and acknowledgements, applied to a consumer that was restored.
fn replayed(messages: u64) {
    let mut world = World::new(messages, ConsumerConfig { max_ack_pending: -1, ..ConsumerConfig::default() });
    let mut first = Vec::new();
    world.consumer.snapshot(&mut first);
    let pull = Pull { reply: b"_INBOX.a", body: br#"{"batch":500}"#, headers: b"" };
    for _ in 0..messages / 500 {
        world.effects.clear();
        world.call(|consumer, turn| consumer.pull(turn, pull));
        let effects = std::mem::take(&mut world.effects);
        world.call(|consumer, turn| {
            for effect in &effects.list {
                let ConsumerEffect::Deliver(delivery) = effect else { continue };
                let subject = effects.bytes(delivery.reply);
                let delivery = AckSubject::parse(subject).expect("an ack subject");
                consumer.ack(turn, Ack { subject, delivery, body: b"", reply: b"" });
            }
        });
    }
    let mut consumer = Consumer::restore(&first).expect("its own bytes");
    let took = elapsed(|| {
        let mut rest = world.entries.as_slice();
        while let Ok((entry, length)) = ConsumerEntry::decode(rest) {
            consumer.apply(&entry);
            rest = rest.get(length..).unwrap_or_default();
        }
    });
    report(&format!(
        "{:>6} ns  replayed, a message that was sent and acknowledged",
        took / u128::from(messages.max(1))
    ));
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is about the clock")]
fn elapsed(act: impl FnOnce()) -> u128 {
    let start = std::time::Instant::now();
    act();
    start.elapsed().as_nanos()
}

#[expect(clippy::print_stdout, reason = "a benchmark reports to its reader")]
fn report(line: &str) {
    println!("{line}");
}
