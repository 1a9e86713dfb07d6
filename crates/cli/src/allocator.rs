//! The allocator of the program: jemalloc, told to give memory back soon.
//!
//! Connections and their subscriptions come and go on all threads, and what one thread took another frees. Measured with
//! a million subscriptions that come, go and come again, and with ten thousand stalled subscribers under a limit on
//! memory: mimalloc kept about 280 MB after they were gone, and more with each round; jemalloc with these settings
//! 30 MB. See docs/adr/0005-allocator.md.

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// What nobody used for 50 ms goes back, and a thread of its own sees to it, so that also a server gone idle shrinks. A
/// second would be cheaper by nothing that shows, and costs 100 MB where 250 MB are in use by stalled clients.
#[expect(unsafe_code, reason = "jemalloc looks for its settings in a symbol of this name; nothing else defines it")]
#[used]
// SAFETY: C's `const char *`: a thin pointer to bytes that end with zero and never change.
#[unsafe(export_name = "_rjem_malloc_conf")]
static SETTINGS: &[u8; 58] = b"background_thread:true,dirty_decay_ms:50,muzzy_decay_ms:0\0";

#[cfg(test)]
mod tests {
    #[test]
    fn the_settings_are_read() {
        assert!(tikv_jemalloc_ctl::opt::background_thread::read().unwrap());
    }
}
