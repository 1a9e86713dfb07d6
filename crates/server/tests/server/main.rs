//! A whole server in this process, by the interface that programs embed it with.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod client;
mod embedding;
mod lame_duck;
mod reload;
mod tls;
