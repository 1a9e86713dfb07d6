//! What is kept: the shared write-ahead log, on a disk that is handed in, and the messages of a stream.
//!
//! ```text
//!   shard ── Submission ─┐                                    ┌─► disk: one durable write a batch
//!   shard ── Submission ─┼─► Wal::submit ─► Wal::prepare ─────┤
//!   shard ── Submission ─┘       │ Lsn          one batch     └─► Wal::written ─► durable Lsn: effects may leave
//!                                ▼
//!                       "done when durable ≥ this"
//! ```
//!
//! All streams share one log, so that a machine with ten thousand busy streams syncs as often as a machine with one. A
//! shard submits what its turn wrote and gets a position; what the turn wants to tell the world waits until the log is
//! durable up to there. The log writes one batch at a time, made of everything that arrived while the last one was on
//! its way (*group commit*). `docs/format.md` draws the bytes.
//!
//! The messages of one stream are [`messages::Messages`]: found by sequence, subject, filter and time. Each is a
//! [`frame`], the same bytes wherever it lies.
//!
//! What becomes of the log are immutable files ([`mod@file`]): messages in [`segment`]s, subjects in [`table`]s, all
//! else in a [`snapshot`]. They are read in [`part`]s, each of which is verified, by threads that may wait; [`compact`]
//! says which segments to write again.
//!
//! Promises of the log, each with a file of tests in `tests/log`:
//!
//! - What was reported durable is there after a crash at any disk operation, unchanged and in order.
//! - A bit that flips is noticed. What it took is named by group and sequence; everything else stays readable.
//! - After a failed sync nothing is acknowledged any more. A full disk refuses, and goes on by itself.
//!
//! Promises of immutable files, in `tests/segments`:
//!
//! - A file is whole or not there after a crash at any disk operation.
//! - Each message of a segment is what was written or is named as damaged, whatever bit flips, and no more than the
//!   message in which it flipped. What messages are found by comes back from the messages.
//! - The newest snapshot that is whole is taken, and what is kept of the log is enough for it.
//!
//! Not here: files of an operating system, threads, clocks ([`disk::Disk`] and `now` come from the caller); what a
//! record's payload means; when a part of the log is no longer needed (whoever writes checkpoints calls
//! [`wal::Wal::release`]).

pub mod disk;

pub mod wal;

pub mod frame;

pub mod messages;

pub mod part;

pub mod file;

mod pages;

pub mod table;

pub mod segment;

pub mod snapshot;

pub mod compact;

pub mod fuzzing;
