//! Pulls: what is sent, in whose turn, and how each ends.

use crate::harness::check;

#[test]
fn a_pull_that_does_not_wait_gets_what_is_there() {
    check(
        r#"
        consumer
        pull in.1 {"no_wait":true}
          in.1 404 No Messages
        put s.a x2
        pull in.1 {"no_wait":true,"batch":5}
          in.1 s.a 1.1.1 left 1
          in.1 s.a 1.2.2 left 0
          in.1 404 No Messages
        info
          delivered 2/2 floor 0/0 pending 2 redelivered 0 waiting 0 left 0
        "#,
    );
}

#[test]
fn with_a_time_it_waits_only_if_nothing_is_there() {
    check(
        r#"
        consumer
        pull in.1 {"no_wait":true,"batch":5,"expires":300000000}
        +100ms
        put s.a
          in.1 s.a 1.1.1 left 0
          in.1 404 No Messages
        put s.a x2
        pull in.1 {"no_wait":true,"batch":5,"expires":300000000}
          in.1 s.a 1.2.2 left 1
          in.1 s.a 1.3.3 left 0
          in.1 404 No Messages
        pull in.1 {"no_wait":true,"batch":5,"expires":300000000}
        +1s
          0.300 in.1 408 Request Timeout | Nats-Pending-Messages: 5 | Nats-Pending-Bytes: 0
        "#,
    );
}

#[test]
fn a_pull_ends_with_its_time_and_says_what_is_left() {
    check(
        r#"
        consumer
        put s.a x2
        pull in.1 {"batch":5,"expires":200000000}
          in.1 s.a 1.1.1 left 1
          in.1 s.a 1.2.2 left 0
        +400ms
          0.200 in.1 408 Request Timeout | Nats-Pending-Messages: 3 | Nats-Pending-Bytes: 0
        put s.a x2
        pull in.1 {"batch":5,"max_bytes":1000,"expires":200000000}
          in.1 s.a 1.3.3 left 1
          in.1 s.a 1.4.4 left 0
        +400ms
          0.200 in.1 408 Request Timeout | Nats-Pending-Messages: 3 | Nats-Pending-Bytes: 896
        "#,
    );
}

#[test]
fn bytes_are_what_a_client_sees() {
    check(
        r#"
        consumer
        put s.a x4
        pull in.1 {"batch":5,"max_bytes":20,"expires":200000000}
          in.1 409 Message Size Exceeds MaxBytes | Nats-Pending-Messages: 5 | Nats-Pending-Bytes: 20
        pull in.1 {"batch":5,"max_bytes":120,"expires":200000000}
          in.1 s.a 1.1.1 left 3
          in.1 s.a 1.2.2 left 2
          in.1 409 Message Size Exceeds MaxBytes | Nats-Pending-Messages: 3 | Nats-Pending-Bytes: 16
        pull in.1 {"batch":1,"max_bytes":1000,"expires":200000000}
          in.1 s.a 1.3.3 left 1
          in.1 409 Batch Completed | Nats-Pending-Messages: 0 | Nats-Pending-Bytes: 948
        pull in.1 {"batch":5,"max_bytes":52,"expires":200000000}
          in.1 s.a 1.4.4 left 0
        info
          delivered 4/4 floor 0/0 pending 4 redelivered 0 waiting 0 left 0
        "#,
    );
}

#[test]
fn signs_of_life_come_while_nothing_else_does() {
    check(
        r#"
        consumer
        pull in.1 {"batch":5,"expires":500000000,"idle_heartbeat":100000000}
        +250ms
          0.100 in.1 100 Idle Heartbeat | Nats-Last-Consumer: 0 | Nats-Last-Stream: 0
          0.200 in.1 100 Idle Heartbeat | Nats-Last-Consumer: 0 | Nats-Last-Stream: 0
        put s.a
          in.1 s.a 1.1.1 left 0
        +600ms
          0.100 in.1 100 Idle Heartbeat | Nats-Last-Consumer: 1 | Nats-Last-Stream: 1
          0.200 in.1 100 Idle Heartbeat | Nats-Last-Consumer: 1 | Nats-Last-Stream: 1
          0.250 in.1 408 Request Timeout | Nats-Pending-Messages: 4 | Nats-Pending-Bytes: 0
        pull in.1 {"batch":5,"expires":500000000,"idle_heartbeat":300000000}
          in.1 400 Bad Request - heartbeat value too large
        "#,
    );
}

#[test]
fn what_a_pull_may_ask_for_is_limited() {
    check(
        r#"
        consumer {"max_batch":2,"max_expires":1000000000,"max_bytes":100,"max_waiting":2}
        pull in.1 {"batch":5}
          in.1 409 Exceeded MaxRequestBatch of 2
        pull in.1 {"expires":2000000000}
          in.1 409 Exceeded MaxRequestExpires of 1s
        pull in.1 {"max_bytes":200}
          in.1 409 Exceeded MaxRequestMaxBytes of 100
        pull in.1 {"batch":"x"}
          in.1 400 Bad Request - json: cannot unmarshal string into Go struct field .batch of type int
        pull in.1 {
          in.1 400 Bad Request - unexpected end of JSON input
        pull in.1 level:99
          in.1 412 Required Api Level
        pull in.1 level:x
          in.1 412 Required Api Level
        pull in.1 {"priority":77}
          in.1 400 Bad Request - Priority must be between 0 and 9
        pull in.1 {"id":"x"}
          in.1 400 Bad Request - Not a Pinned Client Priority consumer
        pull in.1 {"min_pending":1,"id":"x"}
          in.1 400 Bad Request - Not a Overflow Priority consumer
        pull in.1 {"min_ack_pending":1}
          in.1 400 Bad Request - Not a Overflow Priority consumer
        pull in.1 level:5
        pull in.2 1
        pull in.3
          in.3 409 Exceeded MaxWaiting
        pull in.4 {"expires":1000000000,"idle_heartbeat":100000000}
        info
          delivered 0/0 floor 0/0 pending 0 redelivered 0 waiting 2 left 0
        "#,
    );
    check(
        r#"
        consumer {"max_waiting":2,"deliver_policy":"all"}
        pull in.1 {"expires":100000000}
        pull in.2 {"expires":200000000}
        +150ms
          0.100 in.1 408 Request Timeout | Nats-Pending-Messages: 0 | Nats-Pending-Bytes: 0
        pull in.3 {"expires":200000000}
        pull in.4 {"expires":200000000}
          in.4 409 Exceeded MaxWaiting
        deaf in.2
        pull in.5 {"expires":200000000}
        "#,
    );
}

#[test]
fn pullers_are_served_in_turns() {
    check(
        r#"
        consumer
        pull in.a {"batch":3,"expires":500000000}
        pull in.b {"batch":2}
        put s.a x4
          in.a s.a 1.1.1 left 3
          in.b s.a 1.2.2 left 2
          in.a s.a 1.3.3 left 1
          in.b s.a 1.4.4 left 0
        put s.a
          in.a s.a 1.5.5 left 0
        put s.a
        pull in.c
          in.c s.a 1.6.6 left 0
        "#,
    );
}

#[test]
fn who_is_gone_gets_nothing() {
    check(
        r#"
        consumer
        pull in.a {"batch":3}
        pull in.b {"batch":3}
        deaf in.a
        put s.a x2
          in.b s.a 1.1.1 left 1
          in.b s.a 1.2.2 left 0
        info
          delivered 2/2 floor 0/0 pending 2 redelivered 0 waiting 1 left 0
        deaf in.b
        info
          delivered 2/2 floor 0/0 pending 2 redelivered 0 waiting 0 left 0
        "#,
    );
}

#[test]
fn all_who_wait_hear_of_the_end() {
    check(
        r#"
        consumer
        pull in.a {"batch":3}
        pull in.b {"batch":3}
        end
          in.a 409 Consumer Deleted
          in.b 409 Consumer Deleted
        "#,
    );
}

#[test]
fn who_waits_for_acknowledgements_gets_no_more() {
    check(
        r#"
        consumer {"max_ack_pending":2}
        put s.a x4
        pull in.1 {"batch":5,"expires":1000000000}
          in.1 s.a 1.1.1 left 3
          in.1 s.a 1.2.2 left 2
        pull in.2 {"no_wait":true}
          in.2 408 Requests Pending
        pull in.3 {"no_wait":true,"expires":1000000000}
          in.3 408 Requests Pending
        info
          delivered 2/2 floor 0/0 pending 2 redelivered 0 waiting 1 left 2
        ack 1
          in.1 s.a 1.3.3 left 1
        ack 2
          in.1 s.a 1.4.4 left 0
        +1s
          1.000 in.1 408 Request Timeout | Nats-Pending-Messages: 1 | Nats-Pending-Bytes: 0
        "#,
    );
}

#[test]
fn only_headers_are_smaller() {
    check(
        r#"
        consumer {"headers_only":true}
        put s.a x2
        put s.a h:A:b
        pull in.1 {"batch":3,"max_bytes":120}
          in.1 s.a 1.1.1 left 2 [Nats-Msg-Size: 10] no body
          in.1 409 Message Size Exceeds MaxBytes | Nats-Pending-Messages: 2 | Nats-Pending-Bytes: 47
        pull in.1 {"batch":3,"no_wait":true}
          in.1 s.a 1.2.2 left 1 [Nats-Msg-Size: 10] no body
          in.1 s.a 1.3.3 left 0 [A:b | Nats-Msg-Size: 10] no body
          in.1 404 No Messages
        "#,
    );
}

#[test]
fn an_unused_consumer_asks_to_be_deleted() {
    check(
        r#"
        consumer {"inactive_threshold":300000000}
        +1s
          0.300 delete it
        "#,
    );
    check(
        r#"
        consumer {"inactive_threshold":300000000}
        +200ms
        pull in.1 {"expires":1000000000}
        +900ms
        +250ms
          0.100 in.1 408 Request Timeout | Nats-Pending-Messages: 0 | Nats-Pending-Bytes: 0
        +1s
          0.150 delete it
        "#,
    );
    check(
        r#"
        consumer {"inactive_threshold":300000000}
        pull in.1 {"batch":3}
        +1s
        deaf in.1
        +1s
          0.200 delete it
        "#,
    );
    check(
        r#"
        consumer {"durable_name":"C"}
        +10000s
        "#,
    );
}
