//! What the log promises, one file a promise, on a disk that fails.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where something is not as it must be")]

mod acknowledged;
mod failed_sync;
mod files;
mod format;
mod full_disk;
mod rot;
mod workload;
