//! Requests on their way from a client to the task that answers them.

use firn_config::Options;
use firn_id::Monotonic;
use firn_router::Body;
use firn_subject::interest::Matches;

use super::*;
use crate::{
    conn::port::Batch,
    harness::{client, read, server},
};

/// Publishes a request with an inbox as a client would; whether the server took it.
fn ask(state: &State, account: AccountId, sender: u64, subject: &str, body: &[u8]) -> bool {
    let mut matches = Matches::default();
    let route = state.accounts.by_id(account).expect("an account").route(subject.as_bytes(), &mut matches);
    let [subscription] = &route.plain[..] else { panic!("one subscription of the server for {subject}") };
    let message = Message {
        subject: subject.as_bytes(),
        reply: Some(b"inbox"),
        header_bytes: 0,
        header_token: b"",
        total_token: b"",
        tail: b"",
        body: Body::Borrowed(body),
        sender,
        now: Monotonic::ZERO,
    };
    firn_router::Port::deliver(&subscription.port, subscription, &message, &mut Batch::default()) == Delivered::Taken
}

const USER_INFO: &str = "$SYS.REQ.USER.INFO";

#[tokio::test]
async fn a_client_has_few_requests_waiting_and_leaves_room_for_others() {
    let (state, _) = server(Options::default());
    let mut requests = subscribe(&state);
    let ask = |sender| ask(&state, AccountId::GLOBAL, sender, USER_INFO, b"\r\n");
    assert!((0..REQUESTS_OF_CLIENT_MAX).all(|_| ask(1)));
    assert!(!ask(1));
    assert!(ask(2));
    assert_eq!(requests.next().await.map(|request| request.sender), Some(1));
    assert!(ask(1));
    assert!(!ask(1));
    for _ in 0..=REQUESTS_OF_CLIENT_MAX {
        requests.next().await.expect("a request");
    }
    assert!(requests.turns.0.lock().is_empty());
}

#[tokio::test]
async fn requests_of_the_system_account_do_not_wait_behind_those_of_others() {
    let (state, _) = server(Options::default());
    let mut requests = subscribe(&state);
    let full = u64::try_from(REQUESTS_MAX).expect("a small number");
    assert!((1..=full).all(|sender| ask(&state, AccountId::GLOBAL, sender, USER_INFO, b"\r\n")));
    assert!(!ask(&state, AccountId::GLOBAL, full + 1, USER_INFO, b"\r\n"));
    assert!(!requests.turns.0.lock().contains_key(&(full + 1)), "what was refused does not count");
    // More at a time than other accounts' clients may have.
    assert!((0..10 * REQUESTS_OF_CLIENT_MAX).all(|_| ask(&state, AccountId::SYSTEM, 1, USER_INFO, b"\r\n")));
    // The choice between both mailboxes is random, so this fails once in 2^200 times.
    let mut before = 0;
    while requests.next().await.expect("a request").account != AccountId::SYSTEM {
        before += 1;
    }
    assert!(before < 200, "{before} requests of others came first");
}

#[tokio::test]
async fn a_request_that_is_too_long_is_not_kept_and_told_so() {
    let (state, _) = server(Options::default());
    let mut requests = subscribe(&state);
    let asker = client(&state, "asker", AccountId::SYSTEM, 0);
    crate::harness::subscribe(&state, &asker, "inbox", "1");
    let id = &state.keys.id;
    for subject in [USER_INFO, "$SYS.REQ.SERVER.PING.VARZ", &format!("$SYS.REQ.SERVER.{id}.RELOAD")] {
        for (payload_bytes, is_too_long) in [(BODY_BYTES_MAX, false), (BODY_BYTES_MAX + 1, true)] {
            let body = [&vec![b' '; payload_bytes][..], b"\r\n"].concat();
            assert!(ask(&state, AccountId::SYSTEM, asker.id, subject, &body));
            let request = requests.next().await.expect("a request");
            assert_eq!(request.payload().len(), if is_too_long { 0 } else { BODY_BYTES_MAX });
            if request.is_reload() {
                assert!(!is_too_long, "a reload is refused like any other");
                continue;
            }
            answer(&state, &request);
            let end = r#""error":{"code":400,"description":"request is longer than 65536 bytes"}}"#;
            assert_eq!(read(&asker).trim_end().ends_with(end), is_too_long, "{subject}");
        }
    }
}
