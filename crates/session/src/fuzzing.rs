//! What every input must satisfy, as plain functions that a mutation driver calls. They panic where it does not.

use std::{sync::Arc, time::Duration};

use firn_auth::authenticate::Directory;
use firn_id::Monotonic;
use firn_subject::mapping::Mappings;
use firn_wire::client::info::Info;

use crate::{Accounts, Settings, memory::MemoryClient};

/// Two clients of one server. The data is a list of steps: a byte that says who acts and how, a length, and so many
/// bytes to send. Small limits let short inputs reach them.
pub fn session(data: &[u8]) {
    let settings = Arc::new(Settings {
        info: Info { proto: 1, headers: true, ..Info::default() },
        directory: Arc::new(Directory::default()),
        mappings: Mappings::default(),
        payload_bytes_max: 10_000,
        control_line_bytes_max: 128,
        subscriptions_max: Some(8),
        subject_tokens_max: Some(4),
        headers: true,
        authentication_timeout: Duration::from_secs(1),
        ping_interval: Duration::from_secs(10),
        pings_out_max: 2,
    });
    let accounts = Arc::new(Accounts::new(7, || {}));
    let mut now = Monotonic::ZERO;
    let mut clients = [1, 2].map(|client_id| MemoryClient::connect(&settings, &accounts, client_id, None, now));
    let mut rest = data;
    while let [how, length, after @ ..] = rest {
        let (text, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        let [first, second] = &mut clients;
        let client = if how & 1 == 0 { first } else { second };
        match how >> 1 & 7 {
            0..=2 => client.send(text, now),
            3 => client.send_in_place(text, now),
            4 => client.pause_after(text.len()),
            5 => client.reload(&settings, now),
            6 => now = now + Duration::from_millis(100) * u32::from(*length),
            _ => client.tick(now),
        }
        for client in &mut clients {
            check_invariants(client, now);
        }
    }
    for client in &mut clients {
        client.close();
    }
    for account in accounts.iter() {
        assert!(account.interest().is_empty(), "a closed session leaves no subscription");
    }
}

fn check_invariants(client: &mut MemoryClient, now: Monotonic) {
    let written = client.take();
    if client.end().is_some() {
        return;
    }
    assert!(written.is_empty() || written.ends_with(b"\r\n"), "what is written ends in a line");
    assert!(client.session().subscription_count() <= 8, "the limit of subscriptions holds");
    assert!(client.session().last_heard() <= now, "nothing is heard in the future");
    assert!(!client.session().must_sign_in(), "nobody has to sign in");
}
