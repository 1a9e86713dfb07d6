//! The server: sockets, tasks, timers, files and HTTP around the pure crates.
//!
//! Two ways in: [`run`] is a whole process as the command line wants it, with signals, log and files; [`Server`] is a
//! server as a value in somebody's program.

mod accept;
mod boot;
mod clock;
mod conn;
mod embed;
mod entropy;
mod events;
mod fault;
mod files;
#[cfg(test)]
mod harness;
mod keeper;
mod keys;
mod lame_duck;
mod listen;
mod log;
mod machine;
mod monitor;
mod passwords;
mod process;
mod reload;
mod service;
mod settings;
mod source;
mod state;
mod tls;
#[cfg(test)]
mod transcripts;
mod version;

pub use boot::check;
pub use embed::{Builder, Running, Server, StartError};
pub use firn_config::Options;
pub use process::{Launch, run};
pub use source::{ConfigSource, Loaded};
