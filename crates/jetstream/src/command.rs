//! What shards say to one another.
//!
//! Shard 0 owns the directory, and each stream lives on the shard of its group. With one shard all of this goes from the
//! shard to itself within a turn.

use firn_api::stream::{ConsumerLimits, StreamConfig, StreamInfo};
use firn_auth::account::AccountId;
use firn_id::Timestamp;
use firn_store::wal::GroupId;

use crate::{account::Usage, effect::After, input::Request};

/// One thing said.
#[derive(Debug)]
pub enum Command {
    /// The directory says: this stream is with you, as follows. It is made, or changed to be so.
    Place(Box<Placement>),
    /// The directory says: this stream is no more.
    Remove {
        /// The stream.
        group: GroupId,
        /// The request to be answered then.
        request: Option<Request>,
    },
    /// A request about a stream of yours.
    Request(Request),
    /// The directory asks whether the consumers of a stream fit these limits, before it changes the stream.
    MayChange {
        /// The stream.
        group: GroupId,
        /// What its consumers would have to fit.
        limits: ConsumerLimits,
        /// The request for the change.
        request: Request,
    },
    /// They do: the directory may carry the request out.
    Change(Request),
    /// The directory asks how these streams are.
    Describe {
        /// Number of the question.
        question: u64,
        /// The streams.
        groups: Vec<GroupId>,
    },
    /// The answer; streams that are not there any more are missing.
    Described {
        /// Number of the question.
        question: u64,
        /// How they are.
        streams: Vec<(GroupId, StreamInfo)>,
        /// What showing them waits for, on the shard that has them.
        after: After,
    },
    /// What an account's streams on a shard use together.
    Uses {
        /// The account.
        account: AccountId,
        /// The shard.
        shard: usize,
        /// What they use.
        usage: Usage,
    },
}

/// What the directory knows of a stream.
#[derive(Debug)]
pub struct Placement {
    /// Its group.
    pub group: GroupId,
    /// Name of its account.
    pub account: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its configuration, complete.
    pub config: StreamConfig,
    /// The request to be answered with how it is, and as what.
    pub request: Option<(Request, Placed)>,
}

/// What a request did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It made the stream, or the stream was there already, just so.
    Created,
    /// It changed the stream.
    Updated,
}

/// On which of so many shards a group lives.
pub fn shard_of(group: GroupId, shards: usize) -> usize {
    if group == GroupId(0) || shards <= 1 {
        return 0;
    }
    let shards = u64::try_from(shards).expect("a count fits");
    usize::try_from(group.0 % shards).expect("it is below a usize")
}
