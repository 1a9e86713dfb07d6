//! Pause, reset, changes.

use crate::harness::check;

#[test]
fn a_paused_consumer_sends_nothing() {
    check(
        r#"
        consumer
        put s.a x3
        pause +2s
          true 2s
          PAUSE {"paused":true,"pause_until":"2033-05-18T03:33:22Z"}
        pull in.1 {"batch":1,"expires":1000000000}
        pull in.1 {"no_wait":true}
          in.1 404 No Messages
        info
          delivered 0/0 floor 0/0 pending 0 redelivered 0 waiting 1 left 3 paused
        +1s
          1.000 in.1 408 Request Timeout | Nats-Pending-Messages: 1 | Nats-Pending-Bytes: 0
        pull in.1 1
        +2s
          1.000 PAUSE {"paused":false,"pause_until":"2033-05-18T03:33:22Z"}
          1.000 in.1 s.a 1.1.1 left 2
        pause +5s
          true 5s
          PAUSE {"paused":true,"pause_until":"2033-05-18T03:33:28Z"}
        put s.a
        pull in.1 1
        resume
          false 0s
          PAUSE {"paused":false,"pause_until":"0001-01-01T00:00:00Z"}
          in.1 s.a 1.2.2 left 2
        pause +0s
          false 0s
          PAUSE {"paused":false,"pause_until":"2033-05-18T03:33:23Z"}
        "#,
    );
}

#[test]
fn a_pause_outlives_a_restart() {
    check(
        r#"
        consumer
        put s.a
        pause +5s
          true 5s
          PAUSE {"paused":true,"pause_until":"2033-05-18T03:33:25Z"}
        restart
        pull in.1
        +6s
          5.000 PAUSE {"paused":false,"pause_until":"2033-05-18T03:33:25Z"}
          5.000 in.1 s.a 1.1.1 left 0
        "#,
    );
}

#[test]
fn signs_of_life_go_on_in_a_pause() {
    check(
        r#"
        consumer {"deliver_subject":"push","idle_heartbeat":1000000000}
        on
        put s.a
          push s.a 1.1.1 left 0
        pause +99s
          true 1m39s
          PAUSE {"paused":true,"pause_until":"2033-05-18T03:34:59Z"}
        put s.a
        +2s
          1.000 push 100 Idle Heartbeat | Nats-Last-Consumer: 1 | Nats-Last-Stream: 1
          2.000 push 100 Idle Heartbeat | Nats-Last-Consumer: 1 | Nats-Last-Stream: 1
        "#,
    );
}

#[test]
fn a_reset_begins_after_what_is_acknowledged_or_where_it_is_told() {
    check(
        r#"
        consumer
        put s.a x5
        pull in.1 3
          in.1 s.a 1.1.1 left 4
          in.1 s.a 1.2.2 left 3
          in.1 s.a 1.3.3 left 2
        ack 1
        reset
          from 2
        info
          delivered 0/1 floor 0/1 pending 0 redelivered 0 waiting 0 left 4
        pull in.1 2
          in.1 s.a 1.2.1 left 3
          in.1 s.a 1.3.2 left 2
        reset 2
          from 2
        info
          delivered 0/1 floor 0/1 pending 0 redelivered 0 waiting 0 left 4
        reset 0
          from 2
        pull in.1 2
          in.1 s.a 1.2.1 left 3
          in.1 s.a 1.3.2 left 2
        reset 99
          from 99
        info
          delivered 0/98 floor 0/98 pending 0 redelivered 0 waiting 0 left 0
        put s.a
        info
          delivered 0/98 floor 0/98 pending 0 redelivered 0 waiting 0 left 0
        ack 5
        info
          delivered 0/98 floor 0/98 pending 0 redelivered 0 waiting 0 left 0
        "#,
    );
    check(
        r#"
        put s.a x5
        consumer {"deliver_policy":"by_start_sequence","opt_start_seq":3}
        reset 2
          invalid reset: below start seq
        reset 3
          from 3
        "#,
    );
    check(
        r#"
        consumer {"deliver_policy":"new"}
        reset 1
          invalid reset: not allowed
        reset
          from 1
        "#,
    );
}

#[test]
fn another_filter_goes_on_where_it_was() {
    check(
        r#"
        consumer {"filter_subject":"s.a"}
        put s.a
        put s.b
        put s.c
        put s.a
        put s.b
        put s.b
        pull in.1 2
          in.1 s.a 1.1.1 left 1
          in.1 s.a 1.4.2 left 0
        update {"filter_subject":"s.b"}
        info
          delivered 2/4 floor 0/0 pending 2 redelivered 0 waiting 0 left 2
        pull in.1 5
          in.1 s.b 1.5.3 left 1
          in.1 s.b 1.6.4 left 0
        info
          delivered 4/6 floor 0/0 pending 4 redelivered 0 waiting 1 left 0
        "#,
    );
}

#[test]
fn another_wait_holds_for_what_was_sent_before() {
    check(
        r#"
        consumer {"max_ack_pending":1}
        put s.a x3
        pull in.1 3
          in.1 s.a 1.1.1 left 2
        update {"max_ack_pending":2}
          in.1 s.a 1.2.2 left 1
        update {"max_ack_pending":2,"ack_wait":100000000}
        +150ms
          0.100 in.1 s.a 2.1.3 left 1
        info
          delivered 3/2 floor 0/0 pending 2 redelivered 1 waiting 0 left 1
        "#,
    );
}
