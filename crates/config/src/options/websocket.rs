//! The options of `websocket`. Checked, not used: the feature does not exist yet.

use super::tls;
use crate::table::{Kind, Row, Section, Unknown};

pub(super) static WEBSOCKET: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Expected websocket to be a map, got {type}",
    rows: &[
        Row::later("listen", Kind::Listen, "Port, or host and port, to listen on."),
        Row::later("host", Kind::Text, "Address to listen on.").or(&["net"]),
        Row::later("port", Kind::Int, "Port to listen on."),
        Row::later("advertise", Kind::Text, "Host and port to tell clients."),
        Row::later("tls", Kind::Block(&tls::TLS), "TLS for clients."),
        Row::later("no_tls", Kind::Bool, "Serve without TLS."),
        Row::later("same_origin", Kind::Bool, "Only pages from this server."),
        Row::later("allowed_origins", Kind::Texts, "Only pages from these servers.").or(&[
            "allowed_origin",
            "allow_origins",
            "allow_origin",
            "origins",
            "origin",
        ]),
        Row::later("handshake_timeout", Kind::LooseDuration, "Time the WebSocket handshake may take.").default("2s"),
        Row::later("compression", Kind::Bool, "Compress frames.").or(&["compress"]),
        Row::later("authorization", Kind::Block(&SIMPLE_AUTHORIZATION), "Credentials of these clients.")
            .or(&["authentication"]),
        Row::later("jwt_cookie", Kind::Text, "Cookie with a user JWT."),
        Row::later("user_cookie", Kind::Text, "Cookie with a name."),
        Row::later("pass_cookie", Kind::Text, "Cookie with a password."),
        Row::later("token_cookie", Kind::Text, "Cookie with a token."),
        Row::later("no_auth_user", Kind::Text, "User of clients that bring no credentials."),
        Row::later("headers", Kind::TextMap, "Headers of the HTTP answer."),
        Row::later("ping_interval", Kind::LooseDuration, "Time between two PINGs."),
    ],
};

pub(super) static SIMPLE_AUTHORIZATION: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "",
    rows: &[
        Row::later("user", Kind::Text, "Name of the only user.").or(&["username"]),
        Row::later("password", Kind::Text, "Its password.").or(&["pass"]),
        Row::later("token", Kind::Text, "Token instead of name and password."),
        Row::later("timeout", Kind::Special, "Seconds a client may take to present itself."),
    ],
};
