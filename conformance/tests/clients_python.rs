//! The Python client library's suite.

use firn_conformance::{clients, environment};

#[test]
fn python_client_against_nats_server() {
    clients::check("python", clients::python(), environment::nats_server());
}

#[test]
fn python_client_against_firn() {
    clients::check("python", clients::python(), environment::firn());
}
