//! A fault of the server itself.

use firn_conformance::server::Binary;

use crate::Checked;
use crate::client::Client;
use crate::process::{Launch, Process};

pub(crate) fn a_panic_ends_one_connection_and_is_counted(binary: &Binary) -> Checked {
    let launch = Launch { environment: vec![("FIRN_INJECT_PANIC_SUBJECT", "boom")], ..Launch::default() };
    let mut server = Process::start(binary, &launch);
    let mut witness = Client::connect(server.address());
    witness.send("SUB > 1\r\n");
    witness.sync();
    for count in 1..=3 {
        let mut unlucky = Client::connect(server.address());
        unlucky.send("SUB unlucky 1\r\nPUB before 1\r\nx\r\n");
        assert_eq!(witness.message().as_deref(), Some("x"));
        unlucky.send("PUB boom 1\r\nx\r\n");
        unlucky.rest();
        // Interest of the one that is gone is gone too, and everybody else is served.
        witness.send("PUB unlucky 2\r\nhi\r\n");
        assert_eq!(witness.message().as_deref(), Some("hi"));
        let health = server.page("/healthz");
        assert_eq!(health["status"], "ok");
        assert_eq!(health["panics"], count);
    }
    assert_eq!(server.page("/varz")["connections"], 1);
    assert!(server.is_running());
    Ok(3)
}
