//! Single messages: read by the stream's leader or by any replica, and deleted.

use crate::{
    envelope::Body,
    error::ApiError,
    json::{Bytes, is_default, object},
    time::Time,
};

object! {
    /// A message shall be found, by the leader.
    pub struct MessageGetRequest: "server.JSApiMsgGetRequest" {
        /// Of this sequence; with `next_by_subj`, of this or a later one.
        #[serde(skip_serializing_if = "is_default")]
        pub seq: u64,
        /// The last of this subject or pattern.
        #[serde(skip_serializing_if = "is_default")]
        pub last_by_subj: String,
        /// The next of this subject or pattern.
        #[serde(skip_serializing_if = "is_default")]
        pub next_by_subj: String,
        /// So many messages; direct gets only.
        #[serde(skip_serializing_if = "is_default")]
        pub batch: isize,
        /// Messages of so many bytes; direct gets only.
        #[serde(skip_serializing_if = "is_default")]
        pub max_bytes: isize,
        /// The first that was stored then or later.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub start_time: Option<Time>,
        /// The last of each subject in these patterns; direct gets only, elsewhere without a meaning.
        #[serde(skip_serializing_if = "is_default")]
        pub multi_last: Vec<String>,
        /// As of this sequence; with `multi_last`.
        #[serde(skip_serializing_if = "is_default")]
        pub up_to_seq: u64,
        /// As of this moment; with `multi_last`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub up_to_time: Option<Time>,
        /// Without headers.
        #[serde(skip_serializing_if = "is_default")]
        pub no_hdr: bool,
    }
}

/// A message or several shall be found, by any replica. The same words, and more of them allowed.
pub type DirectGetRequest = MessageGetRequest;

impl MessageGetRequest {
    /// One message, named in one way.
    ///
    /// # Errors
    /// It names none, or several ways, or asks for what only direct gets do.
    pub fn check(&self) -> Result<(), ApiError> {
        let has_last = !self.last_by_subj.is_empty();
        let has_next = !self.next_by_subj.is_empty();
        let asks_for_more = self.batch > 0 || self.max_bytes > 0;
        let names_none = self.seq == 0 && !has_last && !has_next && self.start_time.is_none();
        let has_start = self.seq > 0 || self.start_time.is_some();
        let names_two = (has_last && (has_next || has_start)) || (self.seq > 0 && self.start_time.is_some());
        if asks_for_more || names_none || names_two { Err(ApiError::BadRequest) } else { Ok(()) }
    }
}

object! {
    /// A message was found.
    pub struct MessageFound: "server.JSApiMsgGetResponse" {
        /// None beside an error.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub message: Option<StoredMessage>,
    }
}

object! {
    /// A message as it is stored.
    pub struct StoredMessage: "server.StoredMsg" {
        /// Its subject.
        pub subject: String,
        /// Its sequence.
        pub seq: u64,
        /// Its headers.
        #[serde(skip_serializing_if = "is_default")]
        pub hdrs: Bytes,
        /// Its body.
        #[serde(skip_serializing_if = "is_default")]
        pub data: Bytes,
        /// When it was stored.
        pub time: Time,
    }
}

object! {
    /// A message shall be deleted.
    pub struct MessageDeleteRequest: "server.JSApiMsgDeleteRequest" {
        /// Its sequence.
        pub seq: u64,
        /// It need not be overwritten.
        #[serde(skip_serializing_if = "is_default")]
        pub no_erase: bool,
    }
}

object! {
    /// A message was deleted.
    pub struct MessageDeleted: "server.JSApiMsgDeleteResponse" {
        /// Always true where there is no error.
        #[serde(skip_serializing_if = "is_default")]
        pub success: bool,
    }
}

impl Body for MessageFound {
    const NAME: &'static str = "stream_msg_get_response";
}

impl Body for MessageDeleted {
    const NAME: &'static str = "stream_msg_delete_response";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_message_is_named_in_one_way() {
        // Each row was sent to nats-server 2.15.1.
        for (request, expected) in [
            (r#"{"seq":1}"#, true),
            (r#"{"seq":3,"no_hdr":true}"#, true),
            (r#"{"last_by_subj":"a"}"#, true),
            (r#"{"next_by_subj":"a.>","seq":2}"#, true),
            (r#"{"start_time":"2024-01-01T00:00:00Z"}"#, true),
            ("{}", false),
            (r#"{"seq":3,"last_by_subj":"a"}"#, false),
            (r#"{"next_by_subj":"a"}"#, true),
            (r#"{"next_by_subj":"a","start_time":"2024-01-01T00:00:00Z"}"#, true),
            (r#"{"seq":1,"up_to_seq":5}"#, true),
            (r#"{"seq":1,"multi_last":["a"]}"#, true),
            (r#"{"seq":1,"batch":-1}"#, true),
            (r#"{"seq":1,"batch":1}"#, false),
            (r#"{"seq":1,"max_bytes":5}"#, false),
            (r#"{"seq":1,"start_time":"2024-01-01T00:00:00Z"}"#, false),
            (r#"{"last_by_subj":"a","start_time":"2024-01-01T00:00:00Z"}"#, false),
            (r#"{"last_by_subj":"a","next_by_subj":"a"}"#, false),
            (r#"{"up_to_seq":5}"#, false),
            (r#"{"batch":3}"#, false),
        ] {
            let parsed: MessageGetRequest = json::read_strict(request.as_bytes()).unwrap();
            assert_eq!(parsed.check().is_ok(), expected, "{request}");
        }
    }
}
