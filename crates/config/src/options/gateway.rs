//! The options of `gateway`. Checked, not used: the feature does not exist yet.

use super::{authorization, tls};
use crate::table::{Kind, Row, Section, Unknown};

pub(super) static GATEWAY: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Expected gateway to be a map, got {type}",
    rows: &[
        Row::later("name", Kind::Text, "Name of this cluster."),
        Row::later("listen", Kind::Listen, "Port, or host and port, to listen on."),
        Row::later("host", Kind::Text, "Address to listen on.").or(&["net"]),
        Row::later("port", Kind::Int, "Port to listen on."),
        Row::later("authorization", Kind::Block(&authorization::AUTHORIZATION), "What other clusters must present."),
        Row::later("tls", Kind::Block(&tls::TLS), "TLS between clusters."),
        Row::later("advertise", Kind::Text, "Host and port to tell other clusters."),
        Row::later("connect_retries", Kind::Int, "Attempts to reach a cluster that was only heard of."),
        Row::later("connect_backoff", Kind::Bool, "Wait longer after each attempt."),
        Row::later("reject_unknown", Kind::Bool, "Refuse clusters that are not listed.")
            .or(&["reject_unknown_cluster"]),
        Row::later("gateways", Kind::Blocks(&REMOTE), "Other clusters."),
        Row::later("write_deadline", Kind::LooseDuration, "Longest time one write may take."),
        Row::later("write_timeout", Kind::Text, "What a write beyond its deadline means: default, close or retry."),
    ],
};

static REMOTE: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Expected gateway entry to be a map/struct, got {value}",
    rows: &[
        Row::later("name", Kind::Text, "Name of the cluster."),
        Row::later("url", Kind::Text, "Where it is."),
        Row::later("urls", Kind::List, "Where it is."),
        Row::later("tls", Kind::Block(&tls::TLS), "TLS towards it."),
    ],
};
