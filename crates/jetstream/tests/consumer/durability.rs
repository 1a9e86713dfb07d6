//! What survives.

use firn_jetstream::consumer::{BadSnapshot, Consumer, fuzzing::consumer_log};
use proptest::prelude::*;

use crate::harness::{World, check, check_world};

/// A consumer of everything: pending, postponed, exhausted, changed.
fn world() -> World {
    check_world(
        r#"
        consumer {"ack_wait":1000000000,"max_deliver":2,"filter_subject":"s.a"}
        put s.a x9
        pull in.1 7
          in.1 s.a 1.1.1 left 8
          in.1 s.a 1.2.2 left 7
          in.1 s.a 1.3.3 left 6
          in.1 s.a 1.4.4 left 5
          in.1 s.a 1.5.5 left 4
          in.1 s.a 1.6.6 left 3
          in.1 s.a 1.7.7 left 2
        ack 2
        ack 3 -NAK
          MSG_NAKED {"consumer_seq":3,"stream_seq":3,"deliveries":1}
        ack 4 -NAK 700ms
          MSG_NAKED {"consumer_seq":4,"stream_seq":4,"deliveries":1}
        ack 5 +WPI
        pull in.1
          in.1 s.a 2.3.8 left 2
        ack 8 -NAK
          MSG_NAKED {"consumer_seq":8,"stream_seq":3,"deliveries":2}
          MAX_DELIVERIES {"stream_seq":3,"deliveries":2}
        delete 6
        update {"ack_wait":2000000000,"max_deliver":2,"filter_subject":"s.*"}
          MSG_TERMINATED {"consumer_seq":6,"stream_seq":6,"deliveries":1,"reason":"Unacknowledged message was deleted"}
        pause +2s
          true 2s
          PAUSE {"paused":true,"pause_until":"2033-05-18T03:33:22Z"}
        info
          delivered 8/7 floor 0/0 pending 4 redelivered 0 waiting 0 left 2 paused
        "#,
    )
}

#[test]
fn a_snapshot_of_another_version_is_refused() {
    let mut bytes = Vec::new();
    world().consumer.expect("a consumer").snapshot(&mut bytes);
    assert!(Consumer::restore(&bytes).is_ok());
    for length in 0..bytes.len() {
        assert!(
            matches!(Consumer::restore(bytes.get(..length).unwrap()), Err(BadSnapshot::Damaged)),
            "cut at {length}"
        );
    }
    bytes.push(0);
    assert!(matches!(Consumer::restore(&bytes), Err(BadSnapshot::Damaged)), "something is behind it");
    *bytes.first_mut().unwrap() = 2;
    assert!(matches!(Consumer::restore(&bytes), Err(BadSnapshot::Newer(2))));
}

proptest! {
    #[test]
    fn damaged_bytes_are_refused_or_harmless(flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 0..4)) {
        let world = world();
        let length = u16::try_from(world.first.len()).unwrap();
        let mut bytes = [&length.to_le_bytes()[..], &world.first, &world.entries].concat();
        for (index, flip) in flips {
            *index.get_mut(&mut bytes) ^= flip;
        }
        consumer_log(&bytes);
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_harmless(bytes: Vec<u8>) {
        consumer_log(&bytes);
    }
}

#[test]
fn a_clock_that_steps_neither_hurries_nor_delays() {
    check(
        r#"
        consumer {"ack_wait":1000000000,"durable_name":"C"}
        put s.a x2
        pull in.1 {"batch":9}
          in.1 s.a 1.1.1 left 1
          in.1 s.a 1.2.2 left 0
        clock +86400s
        +900ms
        +200ms
          0.100 in.1 s.a 2.1.3 left 0
          0.100 in.1 s.a 2.2.4 left 0
        clock -86400s
        +900ms
          0.900 in.1 s.a 3.1.5 left 0
          0.900 in.1 s.a 3.2.6 left 0
        +200ms
        ack 3
        clock -86400s
        restart
        pull in.1 {"batch":9}
        +900ms
        +200ms
          0.100 in.1 s.a 4.2.7 left 0
        "#,
    );
}

#[test]
fn a_restart_forgets_nobody_s_acknowledgement() {
    check(
        r#"
        consumer {"ack_wait":1000000000,"max_deliver":2}
        put s.a x5
        pull in.1 4
          in.1 s.a 1.1.1 left 4
          in.1 s.a 1.2.2 left 3
          in.1 s.a 1.3.3 left 2
          in.1 s.a 1.4.4 left 1
        ack 2
        ack 3 -NAK
          MSG_NAKED {"consumer_seq":3,"stream_seq":3,"deliveries":1}
        ack 4 -NAK 700ms
          MSG_NAKED {"consumer_seq":4,"stream_seq":4,"deliveries":1}
        +500ms
        restart
        info
          delivered 4/4 floor 0/0 pending 3 redelivered 0 waiting 0 left 1
        pull in.1 {"batch":9,"expires":3000000000}
          in.1 s.a 2.3.5 left 1
          in.1 s.a 1.5.6 left 0
        +2s
          0.200 in.1 s.a 2.4.7 left 0
          0.500 in.1 s.a 2.1.8 left 0
          1.000 MAX_DELIVERIES {"stream_seq":3,"deliveries":2}
          1.000 in.1 s.a 2.5.9 left 0
          1.200 MAX_DELIVERIES {"stream_seq":4,"deliveries":2}
          1.500 MAX_DELIVERIES {"stream_seq":1,"deliveries":2}
          2.000 MAX_DELIVERIES {"stream_seq":5,"deliveries":2}
        restart
        info
          delivered 9/5 floor 9/5 pending 0 redelivered 0 waiting 0 left 0
        +3s
        info
          delivered 9/5 floor 9/5 pending 0 redelivered 0 waiting 0 left 0
        "#,
    );
}
