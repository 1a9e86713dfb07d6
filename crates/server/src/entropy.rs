//! Randomness for the pure crates, drawn here and handed down.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// A seed for hashing and for choices that need no secrecy: from the process's own random keys, different at each call.
pub(crate) fn seed() -> u64 {
    thread_local! {
        static KEYS: RandomState = RandomState::new();
    }
    static CALLS: AtomicU64 = AtomicU64::new(0);
    KEYS.with(|keys| {
        let mut hasher = keys.build_hasher();
        hasher.write_u64(CALLS.fetch_add(1, Relaxed));
        hasher.finish()
    })
}
