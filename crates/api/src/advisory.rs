//! Advisories: what happened to streams and consumers, told to who listens under `$JS.EVENT.>`.
//!
//! ```text
//!   Advisory { id, timestamp, event: StreamAction { … } }
//!     $JS.EVENT.ADVISORY.STREAM.CREATED.ORDERS
//!     {"type":"io.nats.jetstream.advisory.v1.stream_action","id":"…","timestamp":"…","stream":"ORDERS","action":"create"}
//! ```
//!
//! Not here: whether somebody listens, and where ids come from.

use serde::Serialize;

use crate::{
    cluster::PeerInfo,
    json::{At, JsonError, Kind, Object, Read, Value, is_default, member, object, words},
    stream::{StreamState, unknown_word},
    time::{Nanos, Time},
};

/// What one kind of advisory says.
pub trait Event: Default + Serialize + Object {
    /// Its whole type.
    const TYPE: &'static str;

    /// Where it is told.
    fn subject(&self) -> String;
}

/// An advisory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advisory<E> {
    /// Tells it from all others.
    pub id: String,
    /// When it happened.
    pub timestamp: Time,
    /// What happened.
    pub event: E,
}

impl<E: Event> Serialize for Advisory<E> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// In the order of the wire.
        #[derive(Serialize)]
        struct Members<'a, E> {
            r#type: &'static str,
            id: &'a str,
            timestamp: Time,
            #[serde(flatten)]
            event: &'a E,
        }
        let Self { id, timestamp, event } = self;
        Members { r#type: E::TYPE, id, timestamp: *timestamp, event }.serialize(serializer)
    }
}

/// As who listens reads it.
impl<E: Event> Read for Advisory<E> {
    fn read(&mut self, value: &Value<'_>, at: &At<'_>) -> Result<(), JsonError> {
        let Kind::Object(members) = &value.kind else { return Err(at.mismatch::<Self>(value)) };
        let mut known = self.event.members();
        known.push(("id", &mut self.id));
        known.push(("timestamp", &mut self.timestamp));
        for (key, value) in members {
            if let Some((name, target)) = member(&mut known, key) {
                target.read(value, &at.key(name))?;
            }
        }
        Ok(())
    }

    fn type_name() -> String {
        E::TYPE.to_owned()
    }
}

/// Kinds of advisories, each with its type and its place; the fields stand in the order of the wire.
macro_rules! events {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident: $type_name:literal in |$event:ident| $place:expr;
        { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }
    )+) => {
        $(
            object! {
                $(#[$meta])*
                pub struct $name: $type_name {
                    $($(#[$field_meta])* pub $field: $type,)*
                }
            }

            impl Event for $name {
                const TYPE: &'static str = concat!("io.nats.jetstream.", $type_name);

                fn subject(&self) -> String {
                    let $event = self;
                    let place = $place;
                    ["$JS.EVENT.", place.as_ref()].concat()
                }
            }
        )+
    };
}

words! {
    /// What was done.
    pub enum Action: unknown_word {
        /// It was made.
        #[default]
        Create = "create",
        /// It was deleted.
        Delete = "delete",
        /// It was changed.
        Modify = "modify",
    }
}

words! {
    /// Why a batch was given up.
    pub enum AbandonReason: unknown_word {
        /// Nothing came for too long.
        #[default]
        Timeout = "timeout",
        /// It has too many messages.
        Large = "large",
        /// Messages are missing.
        Incomplete = "incomplete",
        /// It needs a higher level of the API.
        Unsupported = "unsupported",
    }
}

words! {
    /// Why a client is pinned no more.
    pub enum UnpinReason: unknown_word {
        /// It was asked for.
        #[default]
        Admin = "admin",
        /// The client asked for nothing for too long.
        Timeout = "timeout",
    }
}

events! {
    /// A stream was made, changed or deleted.
    pub struct StreamAction: "advisory.v1.stream_action" in |event| {
        let done = match event.action {
            Action::Create => "CREATED",
            Action::Delete => "DELETED",
            Action::Modify => "UPDATED",
        };
        format!("ADVISORY.STREAM.{done}.{}", event.stream)
    };
    {
        /// Name of the stream.
        pub stream: String,
        /// What was done.
        pub action: Action,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// A consumer was made or deleted.
    pub struct ConsumerAction: "advisory.v1.consumer_action" in |event| {
        let done = match event.action {
            Action::Create => "CREATED",
            Action::Delete => "DELETED",
            Action::Modify => "UPDATED",
        };
        format!("ADVISORY.CONSUMER.{done}.{}.{}", event.stream, event.consumer)
    };
    {
        /// Name of the stream.
        pub stream: String,
        /// Name of the consumer.
        pub consumer: String,
        /// What was done.
        pub action: Action,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// A consumer rests, or goes on.
    pub struct ConsumerPause: "advisory.v1.consumer_pause"
        in |event| format!("ADVISORY.CONSUMER.PAUSE.{}.{}", event.stream, event.consumer);
    {
        /// Name of the stream.
        pub stream: String,
        /// Name of the consumer.
        pub consumer: String,
        /// It rests.
        pub paused: bool,
        /// Until then.
        pub pause_until: Time,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// A message was acknowledged; of some only, as the consumer's `sample_freq` says.
    pub struct ConsumerAck: "metric.v1.consumer_ack"
        in |event| format!("METRIC.CONSUMER.ACK.{}.{}", event.stream, event.consumer);
    {
        /// Name of the stream.
        pub stream: String,
        /// Name of the consumer.
        pub consumer: String,
        /// Number of the delivery.
        pub consumer_seq: u64,
        /// Sequence of the message.
        pub stream_seq: u64,
        /// How long it took.
        pub ack_time: Nanos,
        /// How often the message was sent.
        pub deliveries: u64,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// A message was sent as often as it may be.
    pub struct MaxDeliver: "advisory.v1.max_deliver"
        in |event| format!("ADVISORY.CONSUMER.MAX_DELIVERIES.{}.{}", event.stream, event.consumer);
    {
        /// Name of the stream.
        pub stream: String,
        /// Name of the consumer.
        pub consumer: String,
        /// Sequence of the message.
        pub stream_seq: u64,
        /// How often.
        pub deliveries: u64,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// A client wants a message again.
    pub struct Naked: "advisory.v1.nak"
        in |event| format!("ADVISORY.CONSUMER.MSG_NAKED.{}.{}", event.stream, event.consumer);
    {
        /// Name of the stream.
        pub stream: String,
        /// Name of the consumer.
        pub consumer: String,
        /// Number of the delivery.
        pub consumer_seq: u64,
        /// Sequence of the message.
        pub stream_seq: u64,
        /// How often the message was sent.
        pub deliveries: u64,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// A message will not be sent again.
    pub struct Terminated: "advisory.v1.terminated"
        in |event| format!("ADVISORY.CONSUMER.MSG_TERMINATED.{}.{}", event.stream, event.consumer);
    {
        /// Name of the stream.
        pub stream: String,
        /// Name of the consumer.
        pub consumer: String,
        /// Number of the delivery.
        pub consumer_seq: u64,
        /// Sequence of the message.
        pub stream_seq: u64,
        /// How often the message was sent.
        pub deliveries: u64,
        /// Why.
        #[serde(skip_serializing_if = "is_default")]
        pub reason: String,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// A client of a group is the one that is served.
    pub struct GroupPinned: "advisory.v1.consumer_group_pinned"
        in |event| format!("ADVISORY.CONSUMER.PINNED.{}.{}", event.stream, event.consumer);
    {
        /// Name of the account.
        #[serde(skip_serializing_if = "is_default")]
        pub account: String,
        /// Name of the stream.
        pub stream: String,
        /// Name of the consumer.
        pub consumer: String,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
        /// Name of the group.
        pub group: String,
        /// What the client says to be known again.
        pub pinned_id: String,
    }

    /// It is so no more.
    pub struct GroupUnpinned: "advisory.v1.consumer_group_unpinned"
        in |event| format!("ADVISORY.CONSUMER.UNPINNED.{}.{}", event.stream, event.consumer);
    {
        /// Name of the account.
        #[serde(skip_serializing_if = "is_default")]
        pub account: String,
        /// Name of the stream.
        pub stream: String,
        /// Name of the consumer.
        pub consumer: String,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
        /// Name of the group.
        pub group: String,
        /// Why.
        pub reason: UnpinReason,
    }

    /// A stream is being sent as an archive.
    pub struct SnapshotCreate: "advisory.v1.snapshot_create"
        in |event| format!("ADVISORY.STREAM.SNAPSHOT_CREATE.{}", event.stream);
    {
        /// Name of the stream.
        pub stream: String,
        /// What it holds.
        pub state: StreamState,
        /// Who asked for it.
        pub client: Option<ClientInfo>,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// A stream was sent, or was not.
    pub struct SnapshotComplete: "advisory.v1.snapshot_complete"
        in |event| format!("ADVISORY.STREAM.SNAPSHOT_COMPLETE.{}", event.stream);
    {
        /// Name of the stream.
        pub stream: String,
        /// When it began.
        pub start: Time,
        /// When it ended.
        pub end: Time,
        /// Who asked for it.
        pub client: Option<ClientInfo>,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
        /// What went wrong.
        #[serde(skip_serializing_if = "is_default")]
        pub error: String,
    }

    /// A stream is being made from an archive.
    pub struct RestoreCreate: "advisory.v1.restore_create"
        in |event| format!("ADVISORY.STREAM.RESTORE_CREATE.{}", event.stream);
    {
        /// Name of the stream.
        pub stream: String,
        /// Who asked for it.
        pub client: Option<ClientInfo>,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// A stream was made from an archive, or was not.
    pub struct RestoreComplete: "advisory.v1.restore_complete"
        in |event| format!("ADVISORY.STREAM.RESTORE_COMPLETE.{}", event.stream);
    {
        /// Name of the stream.
        pub stream: String,
        /// When it began.
        pub start: Time,
        /// When it ended.
        pub end: Time,
        /// Size of the archive.
        pub bytes: i64,
        /// Who asked for it.
        pub client: Option<ClientInfo>,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// A batch was given up; nothing of it is stored.
    pub struct BatchAbandoned: "advisory.v1.stream_batch_abandoned"
        in |event| format!("ADVISORY.STREAM.BATCH_ABANDONED.{}", event.stream);
    {
        /// Name of the account.
        #[serde(skip_serializing_if = "is_default")]
        pub account: String,
        /// Name of the stream.
        pub stream: String,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
        /// Its id.
        pub batch: String,
        /// Why.
        pub reason: AbandonReason,
    }

    /// A stream has a leader.
    pub struct StreamLeaderElected: "advisory.v1.stream_leader_elected"
        in |event| format!("ADVISORY.STREAM.LEADER_ELECTED.{}", event.stream);
    {
        /// Name of the account; told to the system account only.
        #[serde(skip_serializing_if = "is_default")]
        pub account: String,
        /// Name of the stream.
        pub stream: String,
        /// Name of the server.
        pub leader: String,
        /// All servers that carry it.
        pub replicas: Vec<PeerInfo>,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// Too few servers of a stream are left to agree.
    pub struct StreamQuorumLost: "advisory.v1.stream_quorum_lost"
        in |event| format!("ADVISORY.STREAM.QUORUM_LOST.{}", event.stream);
    {
        /// Name of the account; told to the system account only.
        #[serde(skip_serializing_if = "is_default")]
        pub account: String,
        /// Name of the stream.
        pub stream: String,
        /// All servers that carry it.
        pub replicas: Vec<PeerInfo>,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// A consumer has a leader.
    pub struct ConsumerLeaderElected: "advisory.v1.consumer_leader_elected"
        in |event| format!("ADVISORY.CONSUMER.LEADER_ELECTED.{}.{}", event.stream, event.consumer);
    {
        /// Name of the account; told to the system account only.
        #[serde(skip_serializing_if = "is_default")]
        pub account: String,
        /// Name of the stream.
        pub stream: String,
        /// Name of the consumer.
        pub consumer: String,
        /// Name of the server.
        pub leader: String,
        /// All servers that carry it.
        pub replicas: Vec<PeerInfo>,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// Too few servers of a consumer are left to agree.
    pub struct ConsumerQuorumLost: "advisory.v1.consumer_quorum_lost"
        in |event| format!("ADVISORY.CONSUMER.QUORUM_LOST.{}.{}", event.stream, event.consumer);
    {
        /// Name of the account; told to the system account only.
        #[serde(skip_serializing_if = "is_default")]
        pub account: String,
        /// Name of the stream.
        pub stream: String,
        /// Name of the consumer.
        pub consumer: String,
        /// All servers that carry it.
        pub replicas: Vec<PeerInfo>,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// A domain has a leader.
    pub struct DomainLeaderElected: "advisory.v1.domain_leader_elected" in |_event| "ADVISORY.DOMAIN.LEADER_ELECTED";
    {
        /// Name of the server.
        pub leader: String,
        /// All servers of the domain.
        pub replicas: Vec<PeerInfo>,
        /// Name of the cluster.
        pub cluster: String,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// A server can store nothing more.
    pub struct OutOfSpace: "advisory.v1.server_out_of_space" in |_event| "ADVISORY.SERVER.OUT_OF_STORAGE";
    {
        /// Name of the server.
        pub server: String,
        /// Its id.
        pub server_id: String,
        /// The stream that could not grow.
        #[serde(skip_serializing_if = "is_default")]
        pub stream: String,
        /// Name of the cluster.
        pub cluster: String,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }

    /// Requests were thrown away unread.
    pub struct LimitReached: "advisory.v1.api_limit_reached" in |_event| "ADVISORY.API.LIMIT_REACHED";
    {
        /// Name of the server.
        pub server: String,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
        /// How many.
        pub dropped: i64,
    }

    /// A request was answered.
    pub struct ApiAudit: "advisory.v1.api_audit" in |_event| "ADVISORY.API";
    {
        /// Name of the server.
        pub server: String,
        /// Who asked.
        pub client: Option<ClientInfo>,
        /// Subject of the request.
        pub subject: String,
        /// Its body.
        #[serde(skip_serializing_if = "is_default")]
        pub request: String,
        /// The answer.
        pub response: String,
        /// Domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
    }
}

object! {
    /// Who asked for something.
    pub struct ClientInfo: "*server.ClientInfo" {
        /// When it connected.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub start: Option<Time>,
        /// From where.
        #[serde(skip_serializing_if = "is_default")]
        pub host: String,
        /// Number of its connection.
        #[serde(skip_serializing_if = "is_default")]
        pub id: u64,
        /// Its account.
        #[serde(skip_serializing_if = "is_default")]
        pub acc: String,
        /// The account that serves it, where that is another.
        #[serde(skip_serializing_if = "is_default")]
        pub svc: String,
        /// As whom it signed in.
        #[serde(skip_serializing_if = "is_default")]
        pub user: String,
        /// What it calls itself.
        #[serde(skip_serializing_if = "is_default")]
        pub name: String,
        /// Its library.
        #[serde(skip_serializing_if = "is_default")]
        pub lang: String,
        /// Version of the library.
        #[serde(skip_serializing_if = "is_default")]
        pub ver: String,
        /// How long a PING takes.
        #[serde(skip_serializing_if = "is_default")]
        pub rtt: Nanos,
        /// Name of its server.
        #[serde(skip_serializing_if = "is_default")]
        pub server: String,
        /// Name of its cluster.
        #[serde(skip_serializing_if = "is_default")]
        pub cluster: String,
        /// Other clusters, the nearest first.
        #[serde(skip_serializing_if = "is_default")]
        pub alts: Vec<String>,
        /// When it disconnected.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub stop: Option<Time>,
        /// Its JWT.
        #[serde(skip_serializing_if = "is_default")]
        pub jwt: String,
        /// Who issued that.
        #[serde(skip_serializing_if = "is_default")]
        pub issuer_key: String,
        /// The name in it.
        #[serde(skip_serializing_if = "is_default")]
        pub name_tag: String,
        /// The tags in it.
        #[serde(skip_serializing_if = "is_default")]
        pub tags: Vec<String>,
        /// Client, leaf node or another kind.
        #[serde(skip_serializing_if = "is_default")]
        pub kind: String,
        /// nats, websocket or mqtt.
        #[serde(skip_serializing_if = "is_default")]
        pub client_type: String,
        /// Its MQTT id.
        #[serde(skip_serializing_if = "is_default")]
        pub client_id: String,
        /// What it signed.
        #[serde(skip_serializing_if = "is_default")]
        pub nonce: String,
        /// Where the answer of a request through an import goes.
        #[serde(skip_serializing_if = "is_default")]
        pub reply: String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    /// What was not seen on a single server in the short time of a recording; the others are in `tests/recorded`.
    #[test]
    fn an_advisory_is_its_type_its_place_and_its_fields() {
        #[track_caller]
        fn check<E: Event + PartialEq + std::fmt::Debug>(event: E, subject: &str, fields: &str) {
            assert_eq!(event.subject(), subject);
            let timestamp = Time::parse("2024-01-01T00:00:00.5Z").unwrap();
            let advisory = Advisory { id: "x".into(), timestamp, event };
            let written = String::from_utf8(json::write(&advisory)).unwrap();
            let head = format!(r#"{{"type":"{}","id":"x","timestamp":"2024-01-01T00:00:00.5Z","#, E::TYPE);
            assert_eq!(written, format!("{head}{fields}}}"));
            assert_eq!(json::read::<Advisory<E>>(written.as_bytes()), Ok(advisory));
        }
        let (stream, consumer, domain) = (String::from("S"), String::from("C"), String::from("hub"));
        check(
            StreamAction { stream: stream.clone(), action: Action::Delete, domain },
            "$JS.EVENT.ADVISORY.STREAM.DELETED.S",
            r#""stream":"S","action":"delete","domain":"hub""#,
        );
        check(
            MaxDeliver {
                stream: stream.clone(),
                consumer: consumer.clone(),
                stream_seq: 7,
                deliveries: 3,
                ..Default::default()
            },
            "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.C",
            r#""stream":"S","consumer":"C","stream_seq":7,"deliveries":3"#,
        );
        check(
            RestoreComplete {
                stream: stream.clone(),
                bytes: 9,
                client: Some(ClientInfo::default()),
                ..Default::default()
            },
            "$JS.EVENT.ADVISORY.STREAM.RESTORE_COMPLETE.S",
            r#""stream":"S","start":"0001-01-01T00:00:00Z","end":"0001-01-01T00:00:00Z","bytes":9,"client":{}"#,
        );
        let peer = PeerInfo { name: "n1".into(), current: true, peer: "p1".into(), ..PeerInfo::default() };
        check(
            ConsumerLeaderElected {
                stream: stream.clone(),
                consumer,
                leader: "n1".into(),
                replicas: vec![peer],
                ..Default::default()
            },
            "$JS.EVENT.ADVISORY.CONSUMER.LEADER_ELECTED.S.C",
            r#""stream":"S","consumer":"C","leader":"n1","replicas":[{"name":"n1","current":true,"active":0,"peer":"p1"}]"#,
        );
        check(
            StreamQuorumLost { account: "A".into(), stream, ..Default::default() },
            "$JS.EVENT.ADVISORY.STREAM.QUORUM_LOST.S",
            r#""account":"A","stream":"S","replicas":[]"#,
        );
        check(
            OutOfSpace { server: "n1".into(), server_id: "N".into(), cluster: "c".into(), ..Default::default() },
            "$JS.EVENT.ADVISORY.SERVER.OUT_OF_STORAGE",
            r#""server":"n1","server_id":"N","cluster":"c""#,
        );
        check(
            LimitReached { server: "n1".into(), dropped: 10_000, ..Default::default() },
            "$JS.EVENT.ADVISORY.API.LIMIT_REACHED",
            r#""server":"n1","dropped":10000"#,
        );
    }
}
