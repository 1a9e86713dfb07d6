//! What is said on `$JS.API.>`: requests, responses, errors, subjects and advisories of JetStream.
//!
//! ```text
//!   $JS.API.STREAM.CREATE.ORDERS        {"name":"ORDERS","max_age":86400000000000}
//!     subject::Operation::StreamCreate    json::read_strict ──► stream::CreateRequest
//!                                                                 │ check_create: defaults, rules, levels
//!                       ┌─── Err(error::ApiError) ◄───────────────┴──► Ok(StreamConfig) ──► who carries it out
//!                       ▼                                                                        ▼
//!         envelope::Response {"type":"…stream_create_response","error":{…}}      … or the body, and an advisory
//! ```
//!
//! The words are the reference server's: field names in their order, number forms, texts of errors. `json` holds the
//! rules by which it reads and writes; the other modules hold tables. Checks take the configuration they are given and
//! what they may look up, and change nothing outside; a configuration that passed one is *complete*: no zero stands for
//! a default any more, and checking it again changes nothing.
//!
//! Not here: who carries a request out, what an account has left, clocks and connections.

pub mod account;
pub mod advisory;
pub mod cluster;
pub mod consumer;
pub mod envelope;
pub mod error;
pub mod fuzzing;
pub mod json;
pub mod names;
pub mod stream;
pub mod subject;
pub mod time;
