//! What every input must satisfy, as plain functions that a mutation driver calls. They panic where it does not.

use super::{Consumer, ConsumerEntry};

/// Bytes that somebody may have left where a consumer's snapshot and its entries were: the first two say how long the
/// snapshot is. Whatever is accepted can be applied, and what comes of it can be written, read and written again alike.
pub fn consumer_log(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else { return };
    let (snapshot, mut entries) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let Ok(mut consumer) = Consumer::restore(snapshot) else {
        while let Ok((_, length)) = ConsumerEntry::decode(entries) {
            assert!(length > 0, "an entry has a beginning");
            entries = entries.get(length..).expect("an entry lies within its bytes");
        }
        return;
    };
    consumer.check_invariants();
    while let Ok((entry, length)) = ConsumerEntry::decode(entries) {
        consumer.apply(&entry);
        entries = entries.get(length..).expect("an entry lies within its bytes");
    }
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    consumer.snapshot(&mut once);
    if let Ok(again) = Consumer::restore(&once) {
        again.check_invariants();
        again.snapshot(&mut twice);
        assert!(once == twice, "what was written is read as it was");
    }
}
