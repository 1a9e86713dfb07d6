//! What a shard hears.

use firn_api::advisory::ClientInfo;
use firn_auth::account::AccountId;
use firn_store::wal::GroupId;

use crate::{command::Command, messages::Fetch, packet::Packet};

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// A message came to a subject that a stream of this shard listens to.
    Publish {
        /// The stream.
        group: GroupId,
        /// The message.
        packet: Packet,
    },
    /// A message came to `$JS.ACK.>` or `$JS.FC.>` that names a stream of this shard.
    Ack {
        /// The stream.
        group: GroupId,
        /// The message.
        packet: Packet,
    },
    /// Somebody listens where a consumer pushes to, or nobody does any more.
    Interest {
        /// The stream.
        group: GroupId,
        /// Name of the consumer.
        consumer: Box<str>,
        /// Somebody does.
        is_there: bool,
    },
    /// A request to `$JS.API.>`. Those about the directory go to shard 0; so do all whose stream is not known.
    Request(Request),
    /// What a stream had to read is in memory.
    Fetched {
        /// The stream.
        group: GroupId,
        /// What was read.
        fetch: Fetch,
    },
    /// From another shard.
    Command(Command),
    /// Nothing but that time has passed.
    Tick,
}

/// A request to the API.
#[derive(Clone, Debug)]
pub struct Request {
    /// The account it was made in.
    pub account: AccountId,
    /// Who asked; shown in the audit of the API.
    pub client: Option<Box<ClientInfo>>,
    /// The stream, where whoever routes it knows it already.
    pub group: Option<GroupId>,
    /// The message.
    pub packet: Packet,
}
