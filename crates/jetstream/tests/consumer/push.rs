//! What is pushed: interest, signs of life, flow control, limits of rate.

use crate::harness::check;

#[test]
fn nothing_is_pushed_before_somebody_listens() {
    check(
        r#"
        consumer {"deliver_subject":"push","idle_heartbeat":100000000}
        put s.a x2
        +1s
        on
          push s.a 1.1.1 left 1
          push s.a 1.2.2 left 0
        +250ms
          0.100 push 100 Idle Heartbeat | Nats-Last-Consumer: 2 | Nats-Last-Stream: 2
          0.200 push 100 Idle Heartbeat | Nats-Last-Consumer: 2 | Nats-Last-Stream: 2
        info
          delivered 2/2 floor 0/0 pending 2 redelivered 0 waiting 0 left 0 bound
        off
        put s.a
        +1s
        info
          delivered 2/2 floor 0/0 pending 2 redelivered 0 waiting 0 left 1
        on
          push s.a 1.3.3 left 0
        +120ms
          0.100 push 100 Idle Heartbeat | Nats-Last-Consumer: 3 | Nats-Last-Stream: 3
        "#,
    );
}

#[test]
fn what_is_pushed_waits_for_acknowledgements() {
    check(
        r#"
        consumer {"deliver_subject":"push","ack_wait":200000000,"max_ack_pending":2}
        on
        put s.a x4
          push s.a 1.1.1 left 3
          push s.a 1.2.2 left 2
        +250ms
          0.200 push s.a 2.1.3 left 2
          0.200 push s.a 2.2.4 left 2
        ack 1
          push s.a 1.3.5 left 1
        ack 4
          push s.a 1.4.6 left 0
        info
          delivered 6/4 floor 4/2 pending 2 redelivered 0 waiting 0 left 0 bound
        "#,
    );
}

#[test]
fn nobody_can_pull_what_is_pushed() {
    check(
        r#"
        consumer {"deliver_subject":"push"}
        pull in.1
          in.1 409 Consumer is push based
        "#,
    );
}

#[test]
fn a_receiver_that_does_not_answer_stalls() {
    check(
        r#"
        consumer {"deliver_subject":"push","idle_heartbeat":1000000000,"flow_control":true,"ack_policy":"none"}
        put s.a x5 bytes:500000
        put s.a x4 bytes:900000
        on
          push s.a 1.1.1 left 8
          push s.a 1.2.2 left 7
          push s.a 1.3.3 left 6
          push 100 FlowControl Request > $JS.FC.S.C.0001
          push s.a 1.4.4 left 5
          push s.a 1.5.5 left 4
        +1s
          1.000 push 100 Idle Heartbeat | Nats-Last-Consumer: 5 | Nats-Last-Stream: 5 | Nats-Consumer-Stalled: $JS.FC.S.C.0001
        info
          delivered 5/5 floor 5/5 pending 0 redelivered 0 waiting 0 left 4 bound
        flow
          push s.a 1.6.6 left 3
          push s.a 1.7.7 left 2
          push 100 FlowControl Request > $JS.FC.S.C.0002
          push s.a 1.8.8 left 1
          push s.a 1.9.9 left 0
        +1s
          1.000 push 100 Idle Heartbeat | Nats-Last-Consumer: 9 | Nats-Last-Stream: 9 | Nats-Consumer-Stalled: $JS.FC.S.C.0002
        flow
        +1s
          1.000 push 100 Idle Heartbeat | Nats-Last-Consumer: 9 | Nats-Last-Stream: 9
        "#,
    );
}

#[test]
fn a_flow_answer_acknowledges_where_that_is_the_policy() {
    check(
        r#"
        consumer {"deliver_subject":"push","ack_policy":"flow_control","max_ack_pending":100,"inactive_threshold":300000000000}
        put s.a x5 bytes:500000
        on
          push s.a 1.1.1 left 4
          push s.a 1.2.2 left 3
          push s.a 1.3.3 left 2
          push 100 FlowControl Request > $JS.FC.S.C.0001
          push s.a 1.4.4 left 1
          push s.a 1.5.5 left 0
        info
          delivered 5/5 floor 0/0 pending 5 redelivered 0 waiting 0 left 0 bound
        flow
        info
          delivered 5/5 floor 0/0 pending 5 redelivered 0 waiting 0 left 0 bound
        +2500ms
          1.000 push 100 Idle Heartbeat | Nats-Last-Consumer: 5 | Nats-Last-Stream: 5
          1.000 push 100 FlowControl Request > $JS.FC.S.C.0002
          2.000 push 100 Idle Heartbeat | Nats-Last-Consumer: 5 | Nats-Last-Stream: 5 | Nats-Consumer-Stalled: $JS.FC.S.C.0002
        flow Nats-Last-Stream: 4
        info
          delivered 5/5 floor 4/4 pending 1 redelivered 0 waiting 0 left 0 bound
        +1s
          0.500 push 100 Idle Heartbeat | Nats-Last-Consumer: 5 | Nats-Last-Stream: 5
          0.500 push 100 FlowControl Request > $JS.FC.S.C.0003
        flow Nats-Last-Stream: 5
        info
          delivered 5/5 floor 5/5 pending 0 redelivered 0 waiting 0 left 0 bound
        +1s
          0.500 push 100 Idle Heartbeat | Nats-Last-Consumer: 5 | Nats-Last-Stream: 5
        "#,
    );
}

#[test]
fn a_rate_is_kept() {
    check(
        r#"
        consumer {"deliver_subject":"push","ack_policy":"none","rate_limit_bps":8388608}
        on
        put s.a x5 bytes:524200
          push s.a 1.1.1 left 4
          push s.a 1.2.2 left 3
        +800ms
          0.500 push s.a 1.3.3 left 2
        "#,
    );
}
