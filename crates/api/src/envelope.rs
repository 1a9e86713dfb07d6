//! What stands around an answer: its type, its error if any, and which part of a list it is.
//!
//! ```text
//!   {"type":"io.nats.jetstream.api.v1.stream_purge_response","error":{…},"purged":0}
//!            PREFIX and Body::NAME                            Failure     Body, its defaults beside an error
//! ```

use serde::Serialize;

use crate::{
    error::{ApiError, Failure},
    json::{At, JsonError, Kind, Object, Read, Value, object},
};

/// What the type of every answer begins with.
pub const TYPE_PREFIX: &str = "io.nats.jetstream.api.v1.";

/// Names in one answer.
pub const NAMES_MAX: isize = 1_024;

/// Streams or consumers in one answer.
pub const LIST_MAX: isize = 256;

/// Subjects with their counts in one answer.
pub const SUBJECTS_MAX: isize = 100_000;

/// What an answer says beside its type and error.
pub trait Body: Default + Serialize + Object {
    /// Of the type, what follows the prefix.
    const NAME: &'static str;
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Response<B> {
    /// What went wrong.
    pub error: Option<Failure>,
    /// The rest; what it is by default, where there is an error.
    pub body: B,
}

object! {
    /// Which part of a list this is.
    #[derive(Copy, Eq)]
    pub struct Page: "server.ApiPaged" {
        /// Length of the list.
        pub total: isize,
        /// How many come before this part.
        pub offset: isize,
        /// How many a part has at most.
        pub limit: isize,
    }
}

object! {
    /// A request for a part of a list, and nothing else.
    #[derive(Copy, Eq)]
    pub struct PageRequest: "server.ApiPagedRequest" {
        /// How many to pass over.
        pub offset: isize,
    }
}

impl Page {
    /// The part of `all` that a request asks for, by its offset: less than 0 is 0, more than there are is the end.
    pub fn of<T>(all: &[T], offset: isize, limit: isize) -> (Page, &[T]) {
        let start = usize::try_from(offset).unwrap_or(0).min(all.len());
        let part = all.get(start..).unwrap_or_default();
        let part = part.get(..part.len().min(usize::try_from(limit).unwrap_or(0))).unwrap_or_default();
        let count = |length: usize| isize::try_from(length).unwrap_or(isize::MAX);
        (Page { total: count(all.len()), offset: count(start), limit }, part)
    }
}

impl<B: Body> Response<B> {
    /// Without an error.
    pub fn ok(body: B) -> Self {
        Response { error: None, body }
    }

    /// With nothing but an error.
    pub fn error(error: &ApiError) -> Self {
        Response { error: Some(Failure::from(error)), body: B::default() }
    }
}

impl<B: Body> From<Result<B, ApiError>> for Response<B> {
    fn from(outcome: Result<B, ApiError>) -> Self {
        match outcome {
            Ok(body) => Response::ok(body),
            Err(error) => Response::error(&error),
        }
    }
}

impl<B: Body> Serialize for Response<B> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// In the order of the wire.
        #[derive(Serialize)]
        struct Members<'a, B> {
            r#type: Type,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<&'a Failure>,
            #[serde(flatten)]
            body: &'a B,
        }
        Members { r#type: Type(B::NAME), error: self.error.as_ref(), body: &self.body }.serialize(serializer)
    }
}

/// The whole type of this name.
struct Type(&'static str);

impl Serialize for Type {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{TYPE_PREFIX}{}", self.0))
    }
}

impl<B: Body> Default for Response<B> {
    fn default() -> Self {
        Response::ok(B::default())
    }
}

/// As a client reads it. The type is not looked at: who asked knows it.
impl<B: Body> Read for Response<B> {
    fn read(&mut self, value: &Value<'_>, at: &At<'_>) -> Result<(), JsonError> {
        let Kind::Object(members) = &value.kind else { return Err(at.mismatch::<Self>(value)) };
        for (key, value) in members {
            if key == "error" {
                self.error.read(value, &at.key(key))?;
            }
        }
        // An error's answer has a body of defaults, in which nothing is worth reading.
        if self.error.is_some() {
            return Ok(());
        }
        let mut known = self.body.members();
        for (key, value) in members {
            if let Some((name, target)) = crate::json::member(&mut known, key) {
                target.read(value, &at.key(name))?;
            }
        }
        Ok(())
    }

    fn type_name() -> String {
        format!("server.{}", B::NAME)
    }
}

/// An answer that says nothing but that it was done.
macro_rules! done {
    ($($(#[$meta:meta])* $name:ident: $type_name:literal;)+) => {
        $(
            object! {
                $(#[$meta])*
                pub struct $name: $type_name {
                    /// Always true where there is no error.
                    #[serde(skip_serializing_if = "crate::json::is_default")]
                    pub success: bool,
                }
            }

            impl Body for $name {
                const NAME: &'static str = $type_name;
            }
        )+
    };
}

done! {
    /// A server was taken from a stream.
    StreamPeerRemoved: "stream_remove_peer_response";
    /// A server is emptied of a stream.
    StreamPeerEvacuated: "stream_evacuate_peer_response";
    /// A stream stays where it was.
    StreamMoveCancelled: "stream_cancel_move_response";
    /// A stream's leader stepped down.
    StreamLeaderSteppedDown: "stream_leader_stepdown_response";
    /// A consumer's leader stepped down.
    ConsumerLeaderSteppedDown: "consumer_leader_stepdown_response";
    /// A server was taken from a consumer.
    ConsumerPeerRemoved: "consumer_remove_peer_response";
    /// A server is emptied of a consumer.
    ConsumerPeerEvacuated: "consumer_evacuate_peer_response";
    /// The leader of all stepped down.
    MetaLeaderSteppedDown: "meta_leader_stepdown_response";
    /// A server was taken from the cluster.
    ServerRemoved: "meta_server_remove_response";
    /// A server is emptied.
    ServerEvacuated: "meta_server_evacuate_response";
}

object! {
    /// The rest of a cluster goes on alone.
    pub struct Rescued: "server.JSApiMetaRescueResponse" {
        /// Name of the server that answers.
        pub server: String,
        /// Its id.
        pub server_id: String,
        /// How many servers were enough before.
        #[serde(skip_serializing_if = "crate::json::is_default")]
        pub prev_quorum: isize,
        /// How many are enough.
        #[serde(skip_serializing_if = "crate::json::is_default")]
        pub new_quorum: isize,
    }
}

impl Body for Rescued {
    const NAME: &'static str = "meta_rescue_response";
}

object! {
    /// All that an account had is being deleted.
    pub struct AccountPurged: "server.JSApiAccountPurgeResponse" {
        /// Always true where there is no error.
        #[serde(skip_serializing_if = "crate::json::is_default")]
        pub initiated: bool,
    }
}

impl Body for AccountPurged {
    const NAME: &'static str = "account_purge_response";
}

object! {
    /// What the account of a request uses and may use.
    pub struct AccountDescribed: "server.JSApiAccountInfoResponse" = {
        /// None beside an error.
        pub info: Option<crate::account::AccountInfo>,
    } + {}
}

impl Body for AccountDescribed {
    const NAME: &'static str = "account_info_response";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn an_answer_has_its_type_first_and_its_defaults_beside_an_error() {
        #[track_caller]
        fn check<B: Body + PartialEq + std::fmt::Debug>(response: &Response<B>, expected: &str) {
            let text = json::write(response);
            assert_eq!(String::from_utf8_lossy(&text), expected);
            assert_eq!(json::read::<Response<B>>(&text).as_ref(), Ok(response));
        }
        let done = StreamPeerRemoved { success: true };
        check(&Response::ok(done), r#"{"type":"io.nats.jetstream.api.v1.stream_remove_peer_response","success":true}"#);
        let missing = r#""error":{"code":404,"err_code":10059,"description":"stream not found"}"#;
        check(
            &Response::<crate::stream::StreamPurged>::error(&ApiError::StreamNotFound),
            &format!(r#"{{"type":"io.nats.jetstream.api.v1.stream_purge_response",{missing},"purged":0}}"#),
        );
        check(
            &Response::<crate::stream::StreamDescribed>::error(&ApiError::StreamNotFound),
            &format!(
                r#"{{"type":"io.nats.jetstream.api.v1.stream_info_response",{missing},"total":0,"offset":0,"limit":0}}"#
            ),
        );
    }

    #[test]
    fn a_page_lies_within_the_list() {
        let all = [1, 2, 3, 4, 5];
        for (offset, limit, from, expected) in
            [(0, 2, 0, &all[..2]), (3, 9, 3, &all[3..]), (-4, 9, 0, &all[..]), (7, 2, 5, &[]), (isize::MIN, 0, 0, &[])]
        {
            let page = Page { total: 5, offset: from, limit };
            assert_eq!(Page::of(&all, offset, limit), (page, expected), "{offset} {limit}");
        }
    }
}
