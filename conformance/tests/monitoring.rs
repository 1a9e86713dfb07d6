//! The monitoring pages of both servers in the same state, member by member.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking, in its helpers too")]

use firn_conformance::environment;
use firn_conformance::monitoring::{self, Difference};
use firn_conformance::server::{Binary, Options, Server};
use firn_conformance::suite::Suite;
use firn_conformance::tcp::TcpPeer;
use firn_conformance::transcript::{Transcript, run};

const PAGES: &[&str] = &[
    "/",
    "/varz",
    "/connz",
    "/connz?subs=1",
    "/connz?subs=detail",
    "/connz?auth=1",
    "/connz?state=closed",
    "/connz?limit=nonsense",
    "/subsz",
    "/subsz?subs=1",
    "/routez",
    "/gatewayz",
    "/leafz",
    "/accountz",
    "/accountz?acc=$G",
    "/accountz?acc=$SYS",
    "/accstatz",
    "/jsz",
    "/healthz",
    "/no/such/page",
];

/// Clients of several kinds that stay, and some that go, before the pages are read.
const STATE: &str = r#"# Clients with and without TLS, and closed ones.
# needs: sockets
# config:
#   server_name: "monitored"
#   tls { cert_file: "<certs>/server.pem", key_file: "<certs>/server-key.pem" }
#   allow_non_tls: true
#   authorization { users: [ { user: anna, password: pa }, { user: bert, password: pb } ] }
#   mappings { foo: bar }

a> CONNECT {"verbose":false,"user":"anna","pass":"pa","name":"plain","lang":"test","version":"1"}
a> PING
a< PONG
a> SUB bar 1
a> SUB bar workers 2
a> PUB foo 2|hi
in any order a< MSG bar 1 2|hi, a< MSG bar 2 2|hi
b tls
b> CONNECT {"verbose":false,"user":"bert","pass":"pb","name":"secure"}
b> SUB news.> 1
a> PUB news.today 2|hi
b< MSG news.today 1 2|hi
c> CONNECT {"verbose":false,"user":"anna","pass":"pa","name":"leaving"}
c> SUB foo 1
c close
get /connz?state=closed is {"num_connections":1}
d> CONNECT {"verbose":false,"user":"anna","pass":"wrong"}
d< -ERR 'Authorization Violation'
d closed
get /connz?state=closed is {"num_connections":2}
"#;

#[test]
fn firn_s_monitoring_pages_have_the_members_of_nats_server_s() {
    let (reference, firn) = match (environment::nats_server(), environment::firn()) {
        (Ok(reference), Ok(firn)) => (reference, firn),
        (Err(reason), _) | (_, Err(reason)) => return Suite::begin("monitoring").left_out(&reason),
    };
    let suite = Suite::begin("monitoring of firn beside nats-server");
    let judgement = monitoring::judge(&compare(&reference, &firn), &monitoring::allowed());
    suite.ran(PAGES.len());
    assert!(judgement.is_empty(), "{} differences:\n{}", judgement.len(), judgement.join("\n"));
}

#[test]
fn nats_server_s_monitoring_pages_have_the_members_of_another_nats_server_s() {
    let reference = match environment::nats_server() {
        Ok(reference) => reference,
        Err(reason) => return Suite::begin("monitoring").left_out(&reason),
    };
    let suite = Suite::begin("monitoring of nats-server beside itself");
    let differences = compare(&reference, &reference);
    suite.ran(PAGES.len());
    assert_eq!(differences, []);
}

/// Brings both servers into the same state and reads all pages of both.
fn compare(first: &Binary, second: &Binary) -> Vec<Difference> {
    let transcript = Transcript::parse(STATE).unwrap();
    let start = |binary| {
        let options = Options { config: transcript.config.clone(), monitoring: true, ..Options::default() };
        Server::start(binary, options).unwrap()
    };
    let (mut first, mut second) = (start(first), start(second));
    let mut differences = Vec::new();
    let pages_of = |server: &mut Server| {
        let mut peer = TcpPeer::new(server);
        run(&transcript, &mut peer).unwrap_or_else(|failure| panic!("{failure:#?}"));
        // The connections end with the peer, so the pages are read while it lives.
        PAGES.iter().map(|page| peer.server().page(page).unwrap()).collect::<Vec<_>>()
    };
    let (first, second) = (pages_of(&mut first), pages_of(&mut second));
    for (page, (first, second)) in PAGES.iter().zip(first.iter().zip(&second)) {
        differences.extend(monitoring::compare(page, first, second));
    }
    differences
}
