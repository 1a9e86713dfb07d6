//! Groups of pullers.

use crate::harness::check;

#[test]
fn a_pull_belongs_to_its_group() {
    check(
        r#"
        consumer {"priority_policy":"overflow","priority_groups":["g"]}
        pull in.1 {"batch":1}
          in.1 400 Bad Request - Priority Group missing
        pull in.1 {"group":"x"}
          in.1 400 Bad Request - Invalid Priority Group
        pull in.1 {"group":"g","id":"z"}
          in.1 400 Bad Request - Not a Pinned Client Priority consumer
        pull in.1 {"group":"g","priority":10}
          in.1 400 Bad Request - Priority must be between 0 and 9
        pull in.1 {"group":"g","priority":3}
        pull in.1 5
        info
          delivered 0/0 floor 0/0 pending 0 redelivered 0 waiting 2 left 0 group g of nobody
        "#,
    );
}

#[test]
fn overflow_is_served_when_enough_has_piled_up() {
    check(
        r#"
        consumer {"priority_policy":"overflow","priority_groups":["g"]}
        put s.a x4
        pull in.1 {"group":"g","batch":5,"min_pending":3,"expires":200000000}
          in.1 s.a 1.1.1 left 3
          in.1 s.a 1.2.2 left 2
        +1s
          0.200 in.1 408 Request Timeout | Nats-Pending-Messages: 3 | Nats-Pending-Bytes: 0
        pull in.1 {"group":"g","batch":5,"min_ack_pending":2,"expires":200000000}
          in.1 s.a 1.3.3 left 1
          in.1 s.a 1.4.4 left 0
        +1s
          0.200 in.1 408 Request Timeout | Nats-Pending-Messages: 3 | Nats-Pending-Bytes: 0
        put s.a x3
        pull in.1 {"group":"g","batch":5,"min_pending":50,"min_ack_pending":50}
        pull in.2 {"group":"g"}
          in.2 s.a 1.5.5 left 2
        pull in.3 {"group":"g","min_pending":50,"no_wait":true}
          in.3 408 Requests Pending
        "#,
    );
}

#[test]
fn the_lowest_number_is_served_first() {
    check(
        r#"
        consumer {"priority_policy":"prioritized","priority_groups":["g"]}
        pull in.5 {"group":"g","batch":2,"priority":5}
        pull in.1 {"group":"g","batch":2,"priority":1}
        pull in.0 {"group":"g","batch":2}
        pull in.1b {"group":"g","batch":2,"priority":1}
        put s.a x9
          in.0 s.a 1.1.1 left 8
          in.0 s.a 1.2.2 left 7
          in.1 s.a 1.3.3 left 6
          in.1b s.a 1.4.4 left 5
          in.1 s.a 1.5.5 left 4
          in.1b s.a 1.6.6 left 3
          in.5 s.a 1.7.7 left 2
          in.5 s.a 1.8.8 left 1
        "#,
    );
}

#[test]
fn one_client_is_pinned_as_long_as_it_asks() {
    check(
        r#"
        consumer {"priority_policy":"pinned_client","priority_groups":["g"],"priority_timeout":500000000}
        pull in.a {"group":"g","batch":2}
        pull in.b {"group":"g","batch":2,"expires":900000000}
        put s.a x3
          PINNED {"group":"g","pinned_id":"…"}
          in.a s.a 1.1.1 left 2 [pin of 22 bytes]
          in.a s.a 1.2.2 left 1 [pin of 22 bytes]
        info
          delivered 2/2 floor 0/0 pending 2 redelivered 0 waiting 1 left 1 group g of somebody
        +100ms
        pull in.c {"group":"g","id":"bad"}
          in.c 423 Nats-Pin-Id mismatch
        +1s
          0.400 UNPINNED {"group":"g","reason":"timeout"}
          0.400 PINNED {"group":"g","pinned_id":"…"}
          0.400 in.b s.a 1.3.3 left 0 [pin of 22 bytes]
          0.800 in.b 408 Request Timeout | Nats-Pending-Messages: 1 | Nats-Pending-Bytes: 0
          0.900 UNPINNED {"group":"g","reason":"timeout"}
        info
          delivered 3/3 floor 0/0 pending 3 redelivered 0 waiting 0 left 0 group g of nobody
        "#,
    );
}

#[test]
fn an_unpinned_client_makes_room() {
    check(
        r#"
        consumer {"priority_policy":"pinned_client","priority_groups":["g"]}
        put s.a
        pull in.x {"group":"g","id":"x"}
          in.x 423 Nats-Wrong-Pin-Id | Nats-Pending-Messages: 0 | Nats-Pending-Bytes: 0
        pull in.a {"group":"g","batch":3}
          PINNED {"group":"g","pinned_id":"…"}
          in.a s.a 1.1.1 left 0 [pin of 22 bytes]
        pull in.b {"group":"g"}
        unpin other
          Provided priority group does not exist for this consumer
        unpin g
          UNPINNED {"group":"g","reason":"admin"}
        put s.a
          in.a 423 Nats-Wrong-Pin-Id | Nats-Pending-Messages: 2 | Nats-Pending-Bytes: 0
          PINNED {"group":"g","pinned_id":"…"}
          in.b s.a 1.2.2 left 0 [pin of 22 bytes]
        info
          delivered 2/2 floor 0/0 pending 2 redelivered 0 waiting 0 left 0 group g of somebody
        "#,
    );
    check(
        r#"
        consumer
        unpin g
          Provided priority group does not exist for this consumer
        "#,
    );
}
