//! What survives.

use crate::harness::check;

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
