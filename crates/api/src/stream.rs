//! Streams: their configuration with its rules, and what is asked and said of them.
//!
//! ```text
//!   CreateRequest ── check_create ──► StreamConfig, complete          old, new ── check_update ──► StreamConfig
//!        config          what it says, mends or refuses                       what may change, and what not
//!        pedantic        refuse instead of mending
//! ```
//!
//! Not here: consumers, and the messages of a stream as they are published.

mod check;
mod config;
mod info;
mod message;
mod publish;
mod request;
mod snapshot;
mod update;

pub(crate) use self::config::unknown_word;
pub use self::{
    check::Rules,
    config::{
        Compression, ConsumerLimits, Discard, External, PersistMode, Republish, Retention, SourceConsumer, Storage,
        StreamConfig, StreamSource, SubjectTransform,
    },
    info::{Alternate, LostData, SourceInfo, StreamInfo, StreamState},
    message::{DirectGetRequest, MessageDeleteRequest, MessageDeleted, MessageFound, MessageGetRequest, StoredMessage},
    publish::PublishAck,
    request::{
        CreateRequest, InfoRequest, ListRequest, PurgeRequest, StreamCreated, StreamDeleted, StreamDescribed,
        StreamList, StreamNames, StreamPurged, StreamUpdated,
    },
    snapshot::{RestoreReady, RestoreRequest, SnapshotRequest, SnapshotStarted},
};
