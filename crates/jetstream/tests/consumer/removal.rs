//! Messages that go away under a consumer.

use crate::harness::{World, check, config};

#[test]
fn what_is_deleted_is_not_waited_for() {
    check(
        r#"
        consumer
        put s.a x5
        pull in.1 3
          in.1 s.a 1.1.1 left 4
          in.1 s.a 1.2.2 left 3
          in.1 s.a 1.3.3 left 2
        delete 2
        delete 4
        info
          delivered 3/3 floor 0/0 pending 2 redelivered 0 waiting 0 left 1
          MSG_TERMINATED {"consumer_seq":2,"stream_seq":2,"deliveries":1,"reason":"Unacknowledged message was deleted"}
        delete 1
        info
          delivered 3/3 floor 2/2 pending 1 redelivered 0 waiting 0 left 1
          MSG_TERMINATED {"consumer_seq":1,"stream_seq":1,"deliveries":1,"reason":"Unacknowledged message was deleted"}
        purge 6
        info
          delivered 3/5 floor 3/5 pending 0 redelivered 0 waiting 0 left 0
        put s.a
        info
          delivered 3/5 floor 3/5 pending 0 redelivered 0 waiting 0 left 1
        "#,
    );
}

#[test]
fn a_purge_moves_the_place() {
    check(
        r#"
        consumer
        put s.a x5
        pull in.1 3
          in.1 s.a 1.1.1 left 4
          in.1 s.a 1.2.2 left 3
          in.1 s.a 1.3.3 left 2
        purge 3
        info
          delivered 3/3 floor 2/2 pending 1 redelivered 0 waiting 0 left 2
        purge 5
        info
          delivered 3/4 floor 3/4 pending 0 redelivered 0 waiting 0 left 1
        "#,
    );
}

#[test]
fn limits_take_what_is_pending() {
    check(
        r#"
        consumer {"ack_wait":1000000000}
        put s.a x3
        pull in.1 2
          in.1 s.a 1.1.1 left 2
          in.1 s.a 1.2.2 left 1
        limit 2
        info
          delivered 2/2 floor 1/1 pending 1 redelivered 0 waiting 0 left 1
          MSG_TERMINATED {"consumer_seq":1,"stream_seq":1,"deliveries":1,"reason":"Unacknowledged message was deleted"}
        limit 4
        put s.a x3
        info
          delivered 2/2 floor 2/2 pending 0 redelivered 0 waiting 0 left 3
          MSG_TERMINATED {"consumer_seq":2,"stream_seq":2,"deliveries":1,"reason":"Unacknowledged message was deleted"}
        pull in.1 {"batch":9,"no_wait":true}
          in.1 s.a 1.4.3 left 2
          in.1 s.a 1.5.4 left 1
          in.1 s.a 1.6.5 left 0
          in.1 404 No Messages
        limit 6
        +2s
          1.000 MSG_TERMINATED {"consumer_seq":3,"stream_seq":4,"deliveries":1,"reason":"Unacknowledged message was deleted"}
          1.000 MSG_TERMINATED {"consumer_seq":4,"stream_seq":5,"deliveries":1,"reason":"Unacknowledged message was deleted"}
        ack 4>in.9
          in.9 confirmed
        info
          delivered 5/6 floor 4/5 pending 1 redelivered 0 waiting 0 left 0
        "#,
    );
}

#[test]
fn only_what_lies_ahead_is_counted() {
    check(
        r#"
        consumer {"filter_subjects":["s.a","s.c"]}
        put s.a x3
        put s.b x3
        put s.c x3
        info
          delivered 0/0 floor 0/0 pending 0 redelivered 0 waiting 0 left 6
        pull in.1
          in.1 s.a 1.1.1 left 5
        delete 1
        delete 4
        delete 8
        info
          delivered 1/1 floor 1/1 pending 0 redelivered 0 waiting 0 left 4
          MSG_TERMINATED {"consumer_seq":1,"stream_seq":1,"deliveries":1,"reason":"Unacknowledged message was deleted"}
        limit 3
        info
          delivered 1/1 floor 1/1 pending 0 redelivered 0 waiting 0 left 3
        put s.a
        put s.b
        info
          delivered 1/1 floor 1/1 pending 0 redelivered 0 waiting 0 left 4
        "#,
    );
}

#[test]
fn very_many_removals_are_counted_again() {
    let mut world = World::default();
    world.create(config("{}"));
    (0..5000).for_each(|_| world.publish("s.a", "", "x"));
    world.pull("in", "5");
    (3..5000).step_by(2).for_each(|sequence| world.delete(sequence));
    assert_eq!(world.info(), "delivered 5/5 floor 0/0 pending 3 redelivered 0 waiting 0 left 2498");
    world.limit(2501);
    world.pull("in", "1");
    assert_eq!(world.info(), "delivered 6/2502 floor 5/5 pending 1 redelivered 0 waiting 0 left 1249");
    world.check_replay();
}

#[test]
fn a_stream_can_ask_what_is_still_needed() {
    check(
        r#"
        consumer {"max_deliver":1,"ack_wait":1000000000}
        put s.a x6
        needs
          [1, 2, 3, 4, 5, 6]
        pull in.1 4
          in.1 s.a 1.1.1 left 5
          in.1 s.a 1.2.2 left 4
          in.1 s.a 1.3.3 left 3
          in.1 s.a 1.4.4 left 2
        ack 1
        ack 2 +TERM
          MSG_TERMINATED {"consumer_seq":2,"stream_seq":2,"deliveries":1}
        done
          [(1, 1), (2, 2)]
        needs
          [3, 4, 5, 6]
        +1s
          1.000 MAX_DELIVERIES {"stream_seq":3,"deliveries":1}
          1.000 MAX_DELIVERIES {"stream_seq":4,"deliveries":1}
        needs
          [3, 4, 5, 6]
        ack 3
        done
          [(3, 3)]
        needs
          [4, 5, 6]
        "#,
    );
    check(
        r#"
        consumer {"ack_policy":"all"}
        put s.a x6
        pull in.1 5
          in.1 s.a 1.1.1 left 5
          in.1 s.a 1.2.2 left 4
          in.1 s.a 1.3.3 left 3
          in.1 s.a 1.4.4 left 2
          in.1 s.a 1.5.5 left 1
        ack 3
        done
          [(1, 3)]
        needs
          [4, 5, 6]
        "#,
    );
    check(
        r#"
        put s.a
        consumer {"ack_policy":"none","deliver_policy":"new"}
        put s.a x4
        put s.b
        pull in.1 3
          in.1 s.a 1.2.1 left 4
          in.1 s.a 1.3.2 left 3
          in.1 s.a 1.4.3 left 2
        done
          [(2, 4)]
        needs
          [5, 6]
        "#,
    );
}
