//! The options of `leafnodes` and of the remotes in it. Checked, not used: the feature does not exist yet.

use super::{cluster::COMPRESSION, tls};
use crate::table::{Kind, Row, Section, Unknown};

pub(super) static LEAFNODES: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Expected map to define a leafnode, got {type}",
    rows: &[
        Row::later("listen", Kind::Listen, "Port, or host and port, to listen on."),
        Row::later("host", Kind::Text, "Address to listen on.").or(&["net"]),
        Row::later("port", Kind::Int, "Port to listen on."),
        Row::later("authorization", Kind::Block(&AUTHORIZATION), "What leaf nodes must present."),
        Row::later("tls", Kind::Block(&tls::TLS), "TLS for leaf nodes."),
        Row::later("remotes", Kind::Blocks(&REMOTE), "Servers this one is a leaf node of."),
        Row::later("reconnect", Kind::LooseDuration, "Time between two attempts to connect.")
            .or(&["reconnect_delay", "reconnect_interval"])
            .default("1s"),
        Row::later("dial_timeout", Kind::LooseDuration, "Time one attempt may take.").default("1s"),
        Row::later("leafnode_advertise", Kind::Text, "Host and port to tell leaf nodes.").or(&["advertise"]),
        Row::later("no_advertise", Kind::Bool, "Do not tell leaf nodes about other servers."),
        Row::later("min_version", Kind::Text, "Oldest version of a leaf node, 2.8.0 or newer.")
            .or(&["minimum_version"]),
        Row::later("compression", Kind::SwitchOrBlock(&COMPRESSION), "Compression of leaf nodes.").default("s2_auto"),
        Row::later("isolate_leafnode_interest", Kind::Bool, "Keep the interest of leaf nodes from each other.")
            .or(&["isolate"]),
        Row::later("write_deadline", Kind::LooseDuration, "Longest time one write may take."),
        Row::later("write_timeout", Kind::Text, "What a write beyond its deadline means: default, close or retry."),
    ],
};

static AUTHORIZATION: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "",
    rows: &[
        Row::later("user", Kind::Text, "Name of the only user.").or(&["username"]),
        Row::later("password", Kind::Text, "Its password.").or(&["pass"]),
        Row::later("nkey", Kind::Text, "Public nkey instead of name and password."),
        Row::later("account", Kind::Text, "Account of the leaf nodes."),
        Row::later("users", Kind::Blocks(&USER), "Users with accounts."),
        Row::later("timeout", Kind::Seconds, "Seconds a leaf node may take to present itself."),
        Row::later("proxy_required", Kind::Bool, "Leaf nodes must come through a trusted proxy."),
    ],
};

static USER: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Expected user entry to be a map/struct, got {value}",
    rows: &[
        Row::later("user", Kind::Text, "Name.").or(&["username"]),
        Row::later("password", Kind::Text, "Password.").or(&["pass"]),
        Row::later("account", Kind::Text, "Account."),
        Row::later("proxy_required", Kind::Bool, "The user must come through a trusted proxy."),
    ],
};

static REMOTE: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Expected remote leafnode entry to be a map/struct, got {value}",
    rows: &[
        Row::later("url", Kind::Texts, "Where the other server is.").or(&["urls"]),
        Row::later("no_randomize", Kind::Bool, "Try the URLs in their order.").or(&["dont_randomize"]),
        Row::later("account", Kind::Text, "The account here.").or(&["local"]),
        Row::later("credentials", Kind::Text, "File with credentials.").or(&["creds"]),
        Row::later("nkey", Kind::Text, "Seed instead of credentials.").or(&["seed"]),
        Row::later("tls", Kind::Block(&tls::TLS), "TLS towards the other server."),
        Row::later("hub", Kind::Bool, "This server is the hub."),
        Row::later("deny_imports", Kind::Texts, "Subjects not to take over.").or(&["deny_import"]),
        Row::later("deny_exports", Kind::Texts, "Subjects not to hand over.").or(&["deny_export"]),
        Row::later("ws_compression", Kind::Bool, "Compress WebSocket frames.").or(&[
            "ws_compress",
            "websocket_compress",
            "websocket_compression",
        ]),
        Row::later("ws_no_masking", Kind::Bool, "Do not mask WebSocket frames.").or(&["websocket_no_masking"]),
        Row::later(
            "jetstream_cluster_migrate",
            Kind::BoolOrBlock(&MIGRATE),
            "Move stream leaders away while disconnected.",
        )
        .or(&["js_cluster_migrate"]),
        Row::later("isolate_leafnode_interest", Kind::Bool, "Keep interest from other leaf nodes.").or(&["isolate"]),
        Row::later("request_isolation", Kind::Bool, "Ask the hub to do so."),
        Row::later("compression", Kind::SwitchOrBlock(&COMPRESSION), "Compression.").default("s2_auto"),
        Row::later("first_info_timeout", Kind::LooseDuration, "Time the first INFO may take.").default("1s"),
        Row::later("dial_timeout", Kind::LooseDuration, "Time one attempt may take."),
        Row::later("disabled", Kind::Bool, "Do not connect."),
        Row::later("proxy", Kind::Block(&PROXY), "HTTP proxy in between."),
        Row::later("ignore_discovered_servers", Kind::Bool, "Only connect to the given URLs."),
    ],
};

static MIGRATE: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Expected boolean or map for jetstream_cluster_migrate, got {type}",
    rows: &[Row::later("leader_migrate_delay", Kind::LooseDuration, "How long to wait first.")],
};

static PROXY: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Expected proxy to be a map, got {type}",
    rows: &[
        Row::later("url", Kind::Text, "Where the proxy is."),
        Row::later("username", Kind::Text, "Name for the proxy."),
        Row::later("password", Kind::Text, "Password for the proxy."),
        Row::later("timeout", Kind::LooseDuration, "Time the proxy may take."),
    ],
};
