//! Bad input, load and a hostile surrounding against the real process: Firn goes on serving everybody else.
//!
//! Every fault is a test of its own with a server of its own. What needs the machine for itself (thousands of
//! connections, measurements) runs [`Turn::Alone`]; the others run [`Turn::Together`]. Nothing asserts how long something
//! takes: deadlines are generous and only bound a failure, and speed is compared with the same machine a moment before.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod client;
mod process;

mod delivery;
mod input;
mod panic;
mod resources;
mod sign_in;
mod slow;
mod start;

use std::sync::{PoisonError, RwLock};

use firn_conformance::environment::{self, LeftOut};
use firn_conformance::server::Binary;
use firn_conformance::suite::Suite;

/// How many cases a fault checked, or why it cannot be had here.
type Checked = Result<usize, LeftOut>;

/// Whether other faults may run at the same time.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Together,
    Alone,
}

/// A test for each fault, with the name of the function that brings it about.
macro_rules! faults {
    ($($turn:ident $area:ident::$fault:ident;)+) => {
        $(
            #[test]
            fn $fault() {
                run(concat!(stringify!($area), "/", stringify!($fault)), Turn::$turn, $area::$fault);
            }
        )+
    };
}

faults! {
    Together input::random_bytes_never_end_the_server;
    Together input::an_endless_control_line_is_refused;
    Together input::a_payload_longer_than_announced_ends_only_its_sender;
    Alone input::half_a_control_line_costs_little_before_sign_in;
    Alone input::a_million_subscriptions_are_served_and_their_memory_is_given_back;

    Together sign_in::half_a_connect_is_cut_off_at_the_authentication_timeout;
    Together sign_in::clients_that_send_byte_by_byte_are_cut_off_at_the_authentication_timeout;
    Together sign_in::secrets_never_reach_the_log;
    Alone sign_in::ten_thousand_silent_connections_are_closed_while_a_client_signs_in;
    Alone sign_in::a_flood_of_wrong_passwords_slows_nobody_down;

    Together slow::a_subscriber_that_never_reads_is_closed_at_its_pending_bytes;
    Together slow::a_subscriber_that_never_reads_is_closed_at_the_write_deadline;
    Together slow::a_client_that_vanished_is_closed_as_stale;
    Alone slow::ten_thousand_stalled_subscribers_fit_into_half_a_gigabyte;

    Together delivery::what_was_acknowledged_before_a_termination_is_delivered;
    Together delivery::reloads_under_load_lose_no_message;

    Together panic::a_panic_ends_one_connection_and_is_counted;

    Together resources::a_full_disk_of_the_log_stops_nobody;
    Together resources::clients_are_accepted_again_once_files_are_free;

    Together start::a_port_in_use_is_named;
    Together start::a_certificate_that_cannot_be_used_is_named;
    Together start::a_mistake_in_the_configuration_is_shown_at_its_place;

}

fn run(name: &str, turn: Turn, fault: fn(&Binary) -> Checked) {
    static TURNS: RwLock<()> = RwLock::new(());
    // A fault that failed leaves nothing behind that another could trip over.
    let _turn = match turn {
        Turn::Together => (Some(TURNS.read().unwrap_or_else(PoisonError::into_inner)), None),
        Turn::Alone => (None, Some(TURNS.write().unwrap_or_else(PoisonError::into_inner))),
    };
    let suite = Suite::begin(format!("faults/{name}"));
    match environment::firn().and_then(|binary| fault(&binary)) {
        Ok(checks) => suite.ran(checks),
        Err(reason) => suite.left_out(&reason),
    }
}
