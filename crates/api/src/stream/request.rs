//! Requests about streams as a whole, and their answers.

use std::collections::BTreeMap;

use super::{StreamConfig, StreamInfo};
use crate::{
    envelope::{Body, Page},
    json::{is_default, object},
};

object! {
    /// A stream shall be made or changed.
    pub struct CreateRequest: "server.StreamConfigRequest" = {
        /// What it is configured with.
        pub config: StreamConfig,
    } + {
        /// Refuse instead of mending.
        #[serde(skip_serializing_if = "is_default")]
        pub pedantic: bool,
    }
}

object! {
    /// A stream was made.
    pub struct StreamCreated: "server.JSApiStreamCreateResponse" = {
        /// How it is; none beside an error.
        pub info: Option<StreamInfo>,
    } + {
        /// Always true where there is no error.
        #[serde(skip_serializing_if = "is_default")]
        pub did_create: bool,
    }
}

object! {
    /// A stream was changed.
    pub struct StreamUpdated: "server.JSApiStreamUpdateResponse" = {
        /// How it is; none beside an error.
        pub info: Option<StreamInfo>,
    } + {}
}

object! {
    /// Which streams there are.
    pub struct ListRequest: "server.JSApiStreamNamesRequest" {
        /// How many to pass over.
        pub offset: isize,
        /// Only those that listen to a subject in this pattern.
        #[serde(skip_serializing_if = "is_default")]
        pub subject: String,
    }
}

object! {
    /// Names of streams.
    pub struct StreamNames: "server.JSApiStreamNamesResponse" = {
        /// Which part of all of them.
        pub page: Page,
    } + {
        /// Sorted; `null` where a single server has none.
        pub streams: Option<Vec<String>>,
    }
}

object! {
    /// How streams are.
    pub struct StreamList: "server.JSApiStreamListResponse" = {
        /// Which part of all of them.
        pub page: Page,
    } + {
        /// Sorted by name.
        pub streams: Vec<StreamInfo>,
        /// Of these, nobody answered.
        #[serde(skip_serializing_if = "is_default")]
        pub missing: Vec<String>,
        /// These are not served, and why.
        #[serde(skip_serializing_if = "is_default")]
        pub offline: BTreeMap<String, String>,
    }
}

object! {
    /// How a stream is.
    pub struct InfoRequest: "server.JSApiStreamInfoRequest" {
        /// How many subjects to pass over.
        pub offset: isize,
        /// With the gaps.
        #[serde(skip_serializing_if = "is_default")]
        pub deleted_details: bool,
        /// With the number of messages of each subject in this pattern.
        #[serde(skip_serializing_if = "is_default")]
        pub subjects_filter: String,
    }
}

object! {
    /// How a stream is.
    pub struct StreamDescribed: "server.JSApiStreamInfoResponse" = {
        /// Which part of all subjects; zeros where they were not asked for.
        pub page: Page,
        /// How it is; none beside an error.
        pub info: Option<StreamInfo>,
    } + {}
}

object! {
    /// A stream was deleted.
    pub struct StreamDeleted: "server.JSApiStreamDeleteResponse" {
        /// Always true where there is no error.
        #[serde(skip_serializing_if = "is_default")]
        pub success: bool,
    }
}

object! {
    /// Messages shall be removed.
    pub struct PurgeRequest: "server.JSApiStreamPurgeRequest" {
        /// Those before this sequence; 0 is all. Not together with `keep`.
        #[serde(skip_serializing_if = "is_default")]
        pub seq: u64,
        /// Only those whose subject is in this pattern.
        #[serde(skip_serializing_if = "is_default")]
        pub filter: String,
        /// All but so many.
        #[serde(skip_serializing_if = "is_default")]
        pub keep: u64,
    }
}

object! {
    /// Messages were removed.
    pub struct StreamPurged: "server.JSApiStreamPurgeResponse" {
        /// Always true where there is no error.
        #[serde(skip_serializing_if = "is_default")]
        pub success: bool,
        /// How many.
        pub purged: u64,
    }
}

impl Body for StreamCreated {
    const NAME: &'static str = "stream_create_response";
}

impl Body for StreamUpdated {
    const NAME: &'static str = "stream_update_response";
}

impl Body for StreamNames {
    const NAME: &'static str = "stream_names_response";
}

impl Body for StreamList {
    const NAME: &'static str = "stream_list_response";
}

impl Body for StreamDescribed {
    const NAME: &'static str = "stream_info_response";
}

impl Body for StreamDeleted {
    const NAME: &'static str = "stream_delete_response";
}

impl Body for StreamPurged {
    const NAME: &'static str = "stream_purge_response";
}

impl PurgeRequest {
    /// # Errors
    /// It says both from which sequence on and how many shall stay.
    pub fn check(&self) -> Result<(), crate::error::ApiError> {
        if self.seq > 0 && self.keep > 0 { Err(crate::error::ApiError::BadRequest) } else { Ok(()) }
    }
}
