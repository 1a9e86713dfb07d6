//! The JavaScript client library's suite.

use firn_conformance::{clients, environment};

#[test]
fn javascript_client_against_nats_server() {
    clients::check("javascript", clients::javascript(), environment::nats_server());
}

#[test]
fn javascript_client_against_firn() {
    clients::check("javascript", clients::javascript(), environment::firn());
}
