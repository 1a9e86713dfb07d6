//! Consumers: their configuration with its rules, and what is asked and said of them.
//!
//! ```text
//!   CreateRequest ── check_subject ──► the same, named as its subject says
//!        action, pedantic     │
//!                             ▼ stream known
//!                 ConsumerConfig::check ──► ConsumerConfig, complete     check_change: what may become of an old one
//!
//!   NextRequest::parse: what a puller wants     AckKind::parse: what becomes of a message
//! ```
//!
//! Not here: which consumers a stream has, and what they do.

mod ack;
mod check;
mod config;
mod info;
mod next;
mod request;
mod update;

pub use self::{
    ack::{AckKind, NakOptions},
    check::Rules,
    config::{AckPolicy, ConsumerConfig, DeliverPolicy, PriorityPolicy, ReplayPolicy},
    info::{ConsumerInfo, PriorityGroupState, SequenceInfo},
    next::{BadNext, NextRequest},
    request::{
        Action, ConsumerCreated, ConsumerDeleted, ConsumerDescribed, ConsumerList, ConsumerNames, ConsumerPaused,
        ConsumerReset, ConsumerUnpinned, CreateRequest, PauseRequest, ResetRequest, UnpinRequest,
    },
};
