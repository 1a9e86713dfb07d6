//! What the log promises, one file a promise, on a disk that fails.

mod acknowledged;
mod failed_sync;
mod files;
mod format;
mod full_disk;
mod rot;
mod workload;
