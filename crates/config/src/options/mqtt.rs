//! The options of `mqtt`. Checked, not used: the feature does not exist yet.

use super::{tls, websocket::SIMPLE_AUTHORIZATION};
use crate::table::{Kind, Row, Section, Unknown};

pub(super) static MQTT: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Expected mqtt to be a map, got {type}",
    rows: &[
        Row::later("listen", Kind::Listen, "Port, or host and port, to listen on."),
        Row::later("host", Kind::Text, "Address to listen on.").or(&["net"]),
        Row::later("port", Kind::Int, "Port to listen on."),
        Row::later("tls", Kind::Block(&tls::TLS), "TLS for clients."),
        Row::later("authorization", Kind::Block(&SIMPLE_AUTHORIZATION), "Credentials of these clients.")
            .or(&["authentication"]),
        Row::later("no_auth_user", Kind::Text, "User of clients that bring no credentials."),
        Row::later("ack_wait", Kind::LooseDuration, "Time before a message is sent again.")
            .or(&["ackwait"])
            .default("30s"),
        Row::later("js_api_timeout", Kind::LooseDuration, "Time JetStream may take to answer.")
            .or(&["api_timeout"])
            .default("5s"),
        Row::later("max_ack_pending", Kind::Int, "Messages that may wait for their acknowledgement.")
            .or(&["max_pending", "max_inflight"])
            .default("1024"),
        Row::later("js_domain", Kind::Text, "JetStream domain of the sessions."),
        Row::later("stream_replicas", Kind::Int, "Replicas of the streams."),
        Row::later("consumer_replicas", Kind::Int, "Has no effect."),
        Row::later("consumer_memory_storage", Kind::Bool, "Keep consumers in memory."),
        Row::later("consumer_inactive_threshold", Kind::LooseDuration, "When unused consumers are removed.")
            .or(&["consumer_auto_cleanup"]),
        Row::later("reject_qos2_publish", Kind::Bool, "Refuse messages with QoS 2."),
        Row::later("downgrade_qos2_subscribe", Kind::Bool, "Deliver with QoS 1 at most."),
    ],
};
