//! What is gone gives its memory back, and what was handed out stays.

use firn_id::Timestamp;
use firn_store::messages::{Access, Loaded, Messages, NewMessage, Storage};
use firn_store::wal::Extension;

fn append(messages: &mut Messages, subject: &str, body: &[u8]) -> u64 {
    let sequence = messages.next_sequence();
    let time = Timestamp::from_unix_nanos(i64::try_from(sequence).expect("few"));
    let (headers, extension) = (&b""[..], Extension::default());
    messages.append(&NewMessage { sequence, time, subject: subject.as_bytes(), headers, body, extension });
    sequence
}

fn remove(messages: &mut Messages, sequence: u64) {
    assert!(messages.remove(sequence).ready().flatten().is_some(), "{sequence} is there");
}

/// Numbers that no cache foresees.
fn random(number: &mut usize) -> usize {
    *number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *number >> 33
}

#[test]
fn overwriting_keys_takes_no_more_than_twice_what_is_live() {
    const KEYS: usize = 5_000;
    let mut messages = Messages::new(Storage::File, 1);
    let mut last = vec![0; KEYS];
    let body = [7; 100];
    let mut state = 1;
    for step in 0..KEYS * 20 {
        let key = if step < KEYS { step } else { random(&mut state) % KEYS };
        let sequence = append(&mut messages, &format!("kv.bucket.key.{key:010}"), &body);
        let before = std::mem::replace(&mut last[key], sequence);
        if before > 0 {
            remove(&mut messages, before);
        }
    }
    messages.check_invariants();
    let frames = KEYS * (32 + 24 + 100);
    let index = messages.index_memory_bytes();
    let all = messages.memory_bytes();
    assert!(index <= KEYS * 150, "{} bytes of index a key", index / KEYS);
    assert!(all - index <= 2 * frames + (256 << 10), "{} bytes of frames for {frames} that are live", all - index);
}

#[test]
fn a_queue_that_is_worked_off_gives_everything_back() {
    let mut messages = Messages::new(Storage::Memory, 1);
    let mut waiting = Vec::new();
    let mut state = 7;
    for round in 0..200_000_u64 {
        waiting.push(append(&mut messages, &format!("jobs.{}", round % 50_000), b"work"));
        if waiting.len() > 1_000 {
            let index = random(&mut state) % waiting.len();
            remove(&mut messages, waiting.swap_remove(index));
        }
    }
    messages.check_invariants();
    assert!(messages.memory_bytes() < 1 << 20, "{} bytes for 1,000 messages", messages.memory_bytes());
    waiting.into_iter().for_each(|sequence| remove(&mut messages, sequence));
    assert_eq!((messages.state().messages, messages.state().subjects), (0, 0));
    assert!(messages.memory_bytes() < 256 << 10, "{} bytes for nothing", messages.memory_bytes());
}

#[test]
fn a_message_beside_endless_others_does_not_keep_their_entries() {
    let mut messages = Messages::new(Storage::Memory, 1);
    append(&mut messages, "config", b"kept");
    let mut before = None;
    for _ in 0..1_000_000 {
        let sequence = append(&mut messages, "counter", b"value");
        before.replace(sequence).into_iter().for_each(|before| remove(&mut messages, before));
    }
    messages.check_invariants();
    assert!(messages.memory_bytes() < 64 << 10, "{} bytes for two messages", messages.memory_bytes());
    assert_eq!(messages.state().deleted, 1_000_001 - 2);
}

#[test]
fn a_message_that_was_handed_out_stays_when_its_stream_goes_on_without_it() {
    let mut messages = Messages::new(Storage::File, 1);
    let mut held = Vec::new();
    for number in 0..3_000_u32 {
        let sequence = append(&mut messages, "a", &number.to_le_bytes().repeat(50));
        if number % 7 == 0 {
            let Access::Ready(Loaded::Message(message)) = messages.load(sequence) else { panic!("it is there") };
            held.push((number, message));
        }
        if number % 3 > 0 {
            remove(&mut messages, sequence);
        }
    }
    messages.check_invariants();
    drop(messages);
    for (number, message) in held {
        assert_eq!(message.body(), number.to_le_bytes().repeat(50));
    }
}
