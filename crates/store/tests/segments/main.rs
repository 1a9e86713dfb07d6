//! What immutable files promise, one file a promise, on a disk that fails.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where something is not as it must be")]

mod crash;
mod format;
mod full_disk;
mod rot;
mod search;
mod snapshots;
mod tables;
mod workload;
