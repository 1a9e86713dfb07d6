//! Streams and their API, as a machine: inputs and the time go in, entries for the log and effects come out.
//!
//! ```text
//!   Publish · Request · Fetched · Tick          turn              Submission ─────────► the log, whose Lsn
//!   ──────────────────────────────────────►  Shard::turn  ──┬──►  Effects, each with ◄─ says when they may leave
//!                                                │          │     what it waits for
//!                  decide: checks, choices       │          └──►  Command to another shard
//!                  propose: an Entry ──► encode ─┴─► apply        (deterministic; the same at replay)
//! ```
//!
//! A *shard* owns many streams; shard 0 also owns the *directory*, which knows all of them. Every change of what survives
//! a restart is an [`entry`], proposed through `replica`: encoded into the turn's submission and applied at once. An entry
//! holds the time and every other choice, so that apply reads no clock, and the same entries give the same bytes
//! whenever they are applied. What is expired, how long an id is remembered, which subject a message gets: decided when
//! it is proposed. A publish that is refused proposes nothing.
//!
//! Nothing escapes early: an effect names the submission it waits for ([`effect::After`]), which is the last one that
//! changed the stream it shows. Whoever drives the shard knows at which position of the log a submission ended.
//!
//! What has to be read from disk first ([`messages::Access::Cold`]) parks the input, and with it what follows for the
//! same stream, until [`input::Input::Fetched`].
//!
//! Not here: threads, sockets, files, clocks and entropy; which client may publish what; how messages lie on disk.

pub mod account;
pub mod command;
pub mod consumer;
pub mod directory;
pub mod effect;
pub mod entry;
pub mod filters;
pub mod input;
pub mod listeners;
pub mod messages;
pub mod now;
pub mod packet;
pub mod settings;
pub mod shard;

mod api;
mod codec;
mod park;
mod replica;
mod stream;
