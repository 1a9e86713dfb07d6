//! The options of `cluster`. Checked, not used: the feature does not exist yet.

use super::{authorization, permissions, tls};
use crate::table::{Kind, Row, Section, Unknown};

pub(super) static CLUSTER: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Expected map to define cluster, got {type}",
    rows: &[
        Row::later("name", Kind::Text, "Name of the cluster."),
        Row::later("listen", Kind::Listen, "Port, or host and port, to listen on."),
        Row::later("host", Kind::Text, "Address to listen on.").or(&["net"]),
        Row::later("port", Kind::Int, "Port to listen on."),
        Row::later("authorization", Kind::Block(&authorization::AUTHORIZATION), "What other servers must present."),
        Row::later("permissions", Kind::Block(&permissions::PERMISSIONS), "Subjects to exchange: import and export."),
        Row::later("routes", Kind::List, "URLs of other servers."),
        Row::later("tls", Kind::Block(&tls::TLS), "TLS between servers."),
        Row::later("cluster_advertise", Kind::Text, "Host and port to tell other servers.").or(&["advertise"]),
        Row::later("no_advertise", Kind::Bool, "Do not tell clients about other servers."),
        Row::later("connect_retries", Kind::Int, "Attempts to reach a server that was only heard of."),
        Row::later("connect_backoff", Kind::Bool, "Wait longer after each attempt."),
        Row::later("pool_size", Kind::Int, "Connections to each server; -1 is one.").default("3"),
        Row::later("accounts", Kind::Texts, "Accounts with connections of their own."),
        Row::later("compression", Kind::SwitchOrBlock(&COMPRESSION), "Compression of routes.").default("accept"),
        Row::later("ping_interval", Kind::LooseDuration, "Time between two PINGs, 30 seconds at most."),
        Row::later("ping_max", Kind::Int, "Unanswered PINGs before a route is closed."),
        Row::later("write_deadline", Kind::LooseDuration, "Longest time one write may take."),
        Row::later("write_timeout", Kind::Text, "What a write beyond its deadline means: default, close or retry."),
    ],
};

pub(super) static COMPRESSION: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "",
    rows: &[
        Row::later("mode", Kind::Special, "off, accept, s2_fast, s2_better, s2_best, s2_uncompressed or s2_auto."),
        Row::later("rtt_thresholds", Kind::List, "Round-trip times between the modes of s2_auto.").or(&[
            "thresholds",
            "rtts",
            "rtt",
        ]),
    ],
};
