//! Requests about consumers, and their answers.

use std::collections::BTreeMap;

use super::{ConsumerConfig, ConsumerInfo};
use crate::{
    envelope::{Body, Page},
    error::ApiError,
    json::{self, JsonError, Value, is_default, object, words},
    names,
    subject::Operation,
    time::{Nanos, Time},
};

words! {
    /// What shall become of a consumer that is there, and of one that is not.
    pub enum Action: unknown_action {
        /// Make it or change it.
        #[default]
        CreateOrUpdate = "",
        /// Make it; one that is there must be the same.
        Create = "create",
        /// Change it; it must be there.
        Update = "update",
    }
}

fn unknown_action(value: &Value<'_>) -> JsonError {
    JsonError::new(format!("unknown consumer action: {}", String::from_utf8_lossy(value.raw)))
}

object! {
    /// A consumer shall be made or changed.
    pub struct CreateRequest: "server.CreateConsumerRequest" {
        /// Name of the stream, as in the subject.
        pub stream_name: String,
        /// What it is configured with.
        pub config: ConsumerConfig,
        /// What shall become of one that is there.
        pub action: Action,
        /// Refuse instead of mending.
        #[serde(skip_serializing_if = "is_default")]
        pub pedantic: bool,
    }
}

impl CreateRequest {
    /// Does it say what its subject says? Its configuration has the name of the subject then.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check_subject(&mut self, operation: &Operation<'_>, is_clustered: bool) -> Result<(), ApiError> {
        let own_name = self.config.name.clone();
        #[expect(clippy::wildcard_enum_match_arm, reason = "the others make no consumer")]
        let (stream, name, filter, is_legacy) = match *operation {
            Operation::ConsumerCreateUnnamed { stream } => (stream, own_name.as_str(), None, true),
            Operation::ConsumerCreateDurable { stream, consumer } => (stream, consumer, None, true),
            Operation::ConsumerCreate { stream, consumer } => (stream, consumer, None, false),
            Operation::ConsumerCreateFiltered { stream, consumer, filter } => (stream, consumer, Some(filter), false),
            _ => return Err(ApiError::BadRequest),
        };
        if stream != self.stream_name {
            return Err(ApiError::StreamMismatch);
        }
        if names::has_path_separator(name) {
            return Err(ApiError::ConsumerNameContainsPathSeparators);
        }
        let durable_name = &self.config.durable_name;
        match (is_legacy, matches!(operation, Operation::ConsumerCreateDurable { .. })) {
            (true, true) if durable_name.is_empty() => return Err(ApiError::ConsumerDurableNameNotSet),
            (true, false) if !durable_name.is_empty() => return Err(ApiError::ConsumerEphemeralWithDurableName),
            (true, false) => {}
            _ if !durable_name.is_empty() && durable_name != name => {
                return Err(ApiError::ConsumerDurableNameNotMatchSubject);
            }
            _ => name.clone_into(&mut self.config.name),
        }
        if let Some(filter) = filter {
            if !self.config.filter_subjects.is_empty() {
                return Err(ApiError::ConsumerMultipleFiltersNotAllowed);
            }
            if self.config.filter_subject != filter {
                return Err(ApiError::ConsumerCreateFilterSubjectMismatch);
            }
        }
        if self.config.num_replicas > 1 && !is_clustered {
            return Err(ApiError::StreamReplicasNotSupported);
        }
        Ok(())
    }
}

object! {
    /// A consumer was made or changed.
    pub struct ConsumerCreated: "server.JSApiConsumerCreateResponse" = {
        /// How it is; none beside an error.
        pub info: Option<ConsumerInfo>,
    } + {}
}

object! {
    /// How a consumer is.
    pub struct ConsumerDescribed: "server.JSApiConsumerInfoResponse" = {
        /// None beside an error.
        pub info: Option<ConsumerInfo>,
    } + {}
}

object! {
    /// Names of a stream's consumers.
    pub struct ConsumerNames: "server.JSApiConsumerNamesResponse" = {
        /// Which part of all of them.
        pub page: Page,
    } + {
        /// Sorted.
        pub consumers: Vec<String>,
    }
}

object! {
    /// How a stream's consumers are.
    pub struct ConsumerList: "server.JSApiConsumerListResponse" = {
        /// Which part of all of them.
        pub page: Page,
    } + {
        /// Sorted by name.
        pub consumers: Vec<ConsumerInfo>,
        /// Of these, nobody answered.
        #[serde(skip_serializing_if = "is_default")]
        pub missing: Vec<String>,
        /// These are not served, and why.
        #[serde(skip_serializing_if = "is_default")]
        pub offline: BTreeMap<String, String>,
    }
}

object! {
    /// A consumer was deleted.
    pub struct ConsumerDeleted: "server.JSApiConsumerDeleteResponse" {
        /// Always true where there is no error.
        #[serde(skip_serializing_if = "is_default")]
        pub success: bool,
    }
}

object! {
    /// A consumer shall rest, or go on.
    pub struct PauseRequest: "server.JSApiConsumerPauseRequest" {
        /// Until then; what is past goes on at once.
        pub pause_until: Time,
    }
}

object! {
    /// A consumer rests, or goes on.
    pub struct ConsumerPaused: "server.JSApiConsumerPauseResponse" {
        /// It rests.
        pub paused: bool,
        /// Until then.
        pub pause_until: Time,
        /// For so long.
        #[serde(skip_serializing_if = "is_default")]
        pub pause_remaining: Nanos,
    }
}

object! {
    /// Another client of a group shall be served.
    pub struct UnpinRequest: "server.JSApiConsumerUnpinRequest" {
        /// Name of the group.
        pub group: String,
    }
}

impl UnpinRequest {
    /// Reads it; here, nobody is strict.
    ///
    /// # Errors
    /// It is no JSON, or names no group or an impossible one.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let request: Self = json::read(body)?;
        if request.group.is_empty() {
            return Err(JsonError::new("consumer group not specified").into());
        }
        if !names::is_valid_group(&request.group) {
            return Err(ApiError::ConsumerInvalidGroupName);
        }
        Ok(request)
    }
}

object! {
    /// Another client is served.
    #[derive(Copy, Eq)]
    pub struct ConsumerUnpinned: "server.JSApiConsumerUnpinResponse" {}
}

object! {
    /// A consumer shall start again.
    pub struct ResetRequest: "server.JSApiConsumerResetRequest" {
        /// From this sequence; 0 is what comes after the acknowledged.
        #[serde(skip_serializing_if = "is_default")]
        pub seq: u64,
    }
}

object! {
    /// A consumer started again.
    pub struct ConsumerReset: "server.JSApiConsumerResetResponse" = {
        /// How it is; none beside an error.
        pub info: Option<ConsumerInfo>,
    } + {
        /// From this sequence.
        pub reset_seq: u64,
    }
}

impl Body for ConsumerCreated {
    const NAME: &'static str = "consumer_create_response";
}

impl Body for ConsumerDescribed {
    const NAME: &'static str = "consumer_info_response";
}

impl Body for ConsumerNames {
    const NAME: &'static str = "consumer_names_response";
}

impl Body for ConsumerList {
    const NAME: &'static str = "consumer_list_response";
}

impl Body for ConsumerDeleted {
    const NAME: &'static str = "consumer_delete_response";
}

impl Body for ConsumerPaused {
    const NAME: &'static str = "consumer_pause_response";
}

impl Body for ConsumerUnpinned {
    const NAME: &'static str = "consumer_unpin_response";
}

impl Body for ConsumerReset {
    const NAME: &'static str = "consumer_reset_response";
}
