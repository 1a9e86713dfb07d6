//! What acknowledgements do, and what comes again when they do not come.

use crate::harness::check;

#[test]
fn the_floor_follows_the_first_that_is_missing() {
    check(
        r#"
        consumer {"filter_subject":"s.a"}
        put s.b
        put s.a x2
        put s.b
        put s.a x2
        put s.b x2
        info
          delivered 0/0 floor 0/0 pending 0 redelivered 0 waiting 0 left 4
        pull in.1 4
          in.1 s.a 1.2.1 left 3
          in.1 s.a 1.3.2 left 2
          in.1 s.a 1.5.3 left 1
          in.1 s.a 1.6.4 left 0
        info
          delivered 4/6 floor 0/0 pending 4 redelivered 0 waiting 0 left 0
        ack 2
        info
          delivered 4/6 floor 0/0 pending 3 redelivered 0 waiting 0 left 0
        ack 1
        info
          delivered 4/6 floor 2/4 pending 2 redelivered 0 waiting 0 left 0
        ack 4
        ack 3
        info
          delivered 4/6 floor 4/6 pending 0 redelivered 0 waiting 0 left 0
        "#,
    );
}

#[test]
fn every_acknowledgement_is_confirmed() {
    check(
        r#"
        consumer
        put s.a x2
        pull in.1 2
          in.1 s.a 1.1.1 left 1
          in.1 s.a 1.2.2 left 0
        ack 1>in.9
          in.9 confirmed
        ack 1>in.9 +ACK
          in.9 confirmed
        ack 2>in.9 bogus
          in.9 confirmed
        info
          delivered 2/2 floor 1/1 pending 1 redelivered 0 waiting 0 left 0
        ack 2>in.9 +OK
          in.9 confirmed
        info
          delivered 2/2 floor 2/2 pending 0 redelivered 0 waiting 0 left 0
        "#,
    );
}

#[test]
fn more_can_be_asked_for_with_it() {
    check(
        r#"
        consumer
        put s.a x9
        pull in.1
          in.1 s.a 1.1.1 left 8
        ack 1>in.2 +NXT
          in.2 s.a 1.2.2 left 7
        ack 2>in.2 +NXT 2
          in.2 s.a 1.3.3 left 6
          in.2 s.a 1.4.4 left 5
        ack 3>in.2 +NXT {"batch":3,"expires":100000000}
          in.2 s.a 1.5.5 left 4
          in.2 s.a 1.6.6 left 3
          in.2 s.a 1.7.7 left 2
        ack 4>in.2 +NXT {"batch":"x"}
          in.2 400 Bad Request - json: cannot unmarshal string into Go struct field .batch of type int
        info
          delivered 7/7 floor 4/4 pending 3 redelivered 0 waiting 0 left 2
        ack 5>in.2 +NXT {"no_wait":true,"batch":9}
          in.2 s.a 1.8.8 left 1
          in.2 s.a 1.9.9 left 0
          in.2 404 No Messages
        ack 6 +NXT
        "#,
    );
}

#[test]
fn a_refused_message_comes_again() {
    check(
        r#"
        consumer
        put s.a x3
        pull in.1 3
          in.1 s.a 1.1.1 left 2
          in.1 s.a 1.2.2 left 1
          in.1 s.a 1.3.3 left 0
        ack 2>in.9 -NAK
          MSG_NAKED {"consumer_seq":2,"stream_seq":2,"deliveries":1}
          in.9 confirmed
        info
          delivered 3/3 floor 0/0 pending 3 redelivered 0 waiting 0 left 0
        pull in.1
          in.1 s.a 2.2.4 left 0
        info
          delivered 4/3 floor 0/0 pending 3 redelivered 1 waiting 0 left 0
        ack 3 -NAK {"delay": 300000000}
          MSG_NAKED {"consumer_seq":3,"stream_seq":3,"deliveries":1}
        ack 1 -NAK
          MSG_NAKED {"consumer_seq":1,"stream_seq":1,"deliveries":1}
        pull in.1 {"batch":3,"expires":600000000}
          in.1 s.a 2.1.5 left 0
        +700ms
          0.300 in.1 s.a 2.3.6 left 0
          0.600 in.1 408 Request Timeout | Nats-Pending-Messages: 1 | Nats-Pending-Bytes: 0
        ack 5 -NAK bogus
          MSG_NAKED {"consumer_seq":5,"stream_seq":1,"deliveries":2}
        pull in.1 {"no_wait":true}
          in.1 s.a 3.1.7 left 0
        info
          delivered 7/3 floor 0/0 pending 3 redelivered 3 waiting 0 left 0
        "#,
    );
}

#[test]
fn a_delay_counts_from_the_refusal_whatever_the_backoff() {
    check(
        r#"
        consumer {"backoff":[100000000,3000000000],"max_deliver":5}
        put s.a
        pull in.1 {"batch":9}
          in.1 s.a 1.1.1 left 0
        +150ms
          0.100 in.1 s.a 2.1.2 left 0
        ack 2 -NAK 300ms
          MSG_NAKED {"consumer_seq":2,"stream_seq":1,"deliveries":2}
        +1s
          0.300 in.1 s.a 3.1.3 left 0
        ack 3 +WPI
        +4s
          3.000 in.1 s.a 4.1.4 left 0
        "#,
    );
}

#[test]
fn a_terminated_message_does_not_come_again() {
    check(
        r#"
        consumer {"durable_name":"C"}
        put s.a x3
        pull in.1 3
          in.1 s.a 1.1.1 left 2
          in.1 s.a 1.2.2 left 1
          in.1 s.a 1.3.3 left 0
        ack 1>in.9 +TERM
          MSG_TERMINATED {"consumer_seq":1,"stream_seq":1,"deliveries":1}
          in.9 confirmed
        ack 2 +TERM because of x
          MSG_TERMINATED {"consumer_seq":2,"stream_seq":2,"deliveries":1,"reason":"because of x"}
        info
          delivered 3/3 floor 2/2 pending 1 redelivered 0 waiting 0 left 0
        ack 2 +TERM again
          MSG_TERMINATED {"consumer_seq":2,"stream_seq":2,"deliveries":1,"reason":"again"}
        ack 2 -NAK
        +31s
        pull in.1 {"no_wait":true,"batch":9}
          in.1 s.a 2.3.4 left 0
          in.1 404 No Messages
        "#,
    );
}

#[test]
fn progress_buys_time() {
    check(
        r#"
        consumer {"ack_wait":300000000}
        put s.a
        pull in.1 {"batch":2}
          in.1 s.a 1.1.1 left 0
        +200ms
        ack 1>in.9 +WPI
          in.9 confirmed
        +250ms
        +100ms
          0.050 in.1 s.a 2.1.2 left 0
        "#,
    );
}

#[test]
fn what_nobody_acknowledges_comes_again_until_it_has_come_often_enough() {
    check(
        r#"
        consumer {"ack_wait":200000000,"max_deliver":2}
        put s.a x3
        pull in.1 9
          in.1 s.a 1.1.1 left 2
          in.1 s.a 1.2.2 left 1
          in.1 s.a 1.3.3 left 0
        ack 3
        +250ms
          0.200 in.1 s.a 2.1.4 left 0
          0.200 in.1 s.a 2.2.5 left 0
        info
          delivered 5/3 floor 0/0 pending 2 redelivered 2 waiting 1 left 0
        ack 4 -NAK
          MSG_NAKED {"consumer_seq":4,"stream_seq":1,"deliveries":2}
          MAX_DELIVERIES {"stream_seq":1,"deliveries":2}
        info
          delivered 5/3 floor 1/1 pending 1 redelivered 1 waiting 1 left 0
        +300ms
          0.150 MAX_DELIVERIES {"stream_seq":2,"deliveries":2}
        info
          delivered 5/3 floor 5/3 pending 0 redelivered 0 waiting 1 left 0
        ack 5>in.9
          in.9 confirmed
        put s.a
          in.1 s.a 1.4.6 left 0
        info
          delivered 6/4 floor 5/3 pending 1 redelivered 0 waiting 1 left 0
        "#,
    );
}

#[test]
fn waits_grow_with_the_deliveries() {
    check(
        r#"
        consumer {"backoff":[100000000,300000000],"max_deliver":3}
        put s.a
        pull in.1 {"batch":9,"expires":1500000000}
          in.1 s.a 1.1.1 left 0
        +2s
          0.100 in.1 s.a 2.1.2 left 0
          0.400 in.1 s.a 3.1.3 left 0
          0.700 MAX_DELIVERIES {"stream_seq":1,"deliveries":3}
          1.500 in.1 408 Request Timeout | Nats-Pending-Messages: 6 | Nats-Pending-Bytes: 0
        info
          delivered 3/1 floor 3/1 pending 0 redelivered 0 waiting 0 left 0
        "#,
    );
}

#[test]
fn who_waits_for_nothing_is_served_when_a_puller_comes() {
    check(
        r#"
        consumer {"ack_wait":200000000}
        put s.a x2
        pull in.1 2
          in.1 s.a 1.1.1 left 1
          in.1 s.a 1.2.2 left 0
        +1s
        info
          delivered 2/2 floor 0/0 pending 2 redelivered 0 waiting 0 left 0
        pull in.1 {"no_wait":true,"batch":9}
          in.1 s.a 2.1.3 left 0
          in.1 s.a 2.2.4 left 0
          in.1 404 No Messages
        info
          delivered 4/2 floor 0/0 pending 2 redelivered 2 waiting 0 left 0
        "#,
    );
}

#[test]
fn an_acknowledgement_of_all_takes_those_before_with_it() {
    check(
        r#"
        consumer {"ack_policy":"all"}
        put s.a x5
        pull in.1 4
          in.1 s.a 1.1.1 left 4
          in.1 s.a 1.2.2 left 3
          in.1 s.a 1.3.3 left 2
          in.1 s.a 1.4.4 left 1
        ack 2
        info
          delivered 4/4 floor 2/2 pending 2 redelivered 0 waiting 0 left 1
        ack 1
        info
          delivered 4/4 floor 2/2 pending 2 redelivered 0 waiting 0 left 1
        ack 3 -NAK
          MSG_NAKED {"consumer_seq":3,"stream_seq":3,"deliveries":1}
        pull in.1 {"no_wait":true}
          in.1 s.a 2.3.5 left 1
        ack 4
        info
          delivered 5/4 floor 4/4 pending 0 redelivered 0 waiting 0 left 1
        ack 5 +TERM
          MSG_TERMINATED {"consumer_seq":5,"stream_seq":3,"deliveries":2}
        info
          delivered 5/4 floor 4/4 pending 0 redelivered 0 waiting 0 left 1
        "#,
    );
}

#[test]
fn where_nothing_is_acknowledged_nobody_listens() {
    check(
        r#"
        consumer {"ack_policy":"none"}
        put s.a x5
        pull in.1 2
          in.1 s.a 1.1.1 left 4
          in.1 s.a 1.2.2 left 3
        info
          delivered 2/2 floor 2/2 pending 0 redelivered 0 waiting 0 left 3
        ack 2>in.9
          in.9 503 | Nats-Subject: $JS.ACK.S.C.1.2.2.2000000000000000000.3
        ack 2
        ack 2>in.9 +NXT
          in.9 503 | Nats-Subject: $JS.ACK.S.C.1.2.2.2000000000000000000.3
        info
          delivered 2/2 floor 2/2 pending 0 redelivered 0 waiting 0 left 3
        "#,
    );
}

#[test]
fn acknowledgements_are_sampled_evenly() {
    check(
        r#"
        consumer {"sample_freq":"50%"}
        put s.a x4
        pull in.1 4
          in.1 s.a 1.1.1 left 3
          in.1 s.a 1.2.2 left 2
          in.1 s.a 1.3.3 left 1
          in.1 s.a 1.4.4 left 0
        +100ms
        ack 1
        ack 2
          ACK {"consumer_seq":2,"stream_seq":2,"ack_time":100000000,"deliveries":1}
        ack 2
        ack 3
        ack 4 +NXT
          ACK {"consumer_seq":4,"stream_seq":4,"ack_time":100000000,"deliveries":1}
        "#,
    );
}

#[test]
fn a_message_that_was_not_sent_cannot_be_acknowledged() {
    check(
        r#"
        consumer {"ack_policy":"all"}
        put s.a x3
        pull in.1 2
          in.1 s.a 1.1.1 left 2
          in.1 s.a 1.2.2 left 1
        ack 2
        reset 1
          from 1
        ack 2
        info
          delivered 0/0 floor 0/0 pending 0 redelivered 0 waiting 0 left 3
        "#,
    );
}
