//! Where a consumer begins, and how fast it goes.

use crate::harness::check;

/// Nine messages: a b c a b d b e a.
const NINE: &str = "
        put s.a
        +1s
        put s.b
        put s.c
        put s.a
        +1s
        put s.b
        put s.d
        put s.b
        put s.e
        put s.a
";

#[track_caller]
fn check_nine(script: &str) {
    check(&format!("{NINE}{script}"));
}

#[test]
fn all_begins_at_the_first_there_is() {
    check_nine(
        r#"
        limit 3
        consumer {"deliver_policy":"all"}
        info
          delivered 0/2 floor 0/2 pending 0 redelivered 0 waiting 0 left 7
        pull in.1
          in.1 s.c 1.3.1 left 6
        "#,
    );
}

#[test]
fn last_begins_at_the_last_that_matches() {
    check_nine(
        r#"
        consumer {"deliver_policy":"last","filter_subjects":["s.b","s.c"]}
        info
          delivered 0/6 floor 0/6 pending 0 redelivered 0 waiting 0 left 1
        pull in.1 2
          in.1 s.b 1.7.1 left 0
        put s.a
        put s.b
          in.1 s.b 1.11.2 left 0
        "#,
    );
    check_nine(
        r#"
        consumer {"deliver_policy":"last"}
        info
          delivered 0/8 floor 0/8 pending 0 redelivered 0 waiting 0 left 1
        "#,
    );
}

#[test]
fn new_begins_with_the_next() {
    check_nine(
        r#"
        consumer {"deliver_policy":"new"}
        pull in.1 2
        put s.b
          in.1 s.b 1.10.1 left 0
        info
          delivered 1/10 floor 0/9 pending 1 redelivered 0 waiting 1 left 0
        "#,
    );
}

#[test]
fn a_sequence_may_lie_ahead() {
    check_nine(
        r#"
        consumer {"deliver_policy":"by_start_sequence","opt_start_seq":4,"filter_subject":"s.a"}
        info
          delivered 0/3 floor 0/3 pending 0 redelivered 0 waiting 0 left 2
        pull in.1 9
          in.1 s.a 1.4.1 left 1
          in.1 s.a 1.9.2 left 0
        "#,
    );
    check_nine(
        r#"
        consumer {"deliver_policy":"by_start_sequence","opt_start_seq":12}
        pull in.1 9
        info
          delivered 0/11 floor 0/11 pending 0 redelivered 0 waiting 1 left 0
        put s.a x2
        info
          delivered 0/11 floor 0/11 pending 0 redelivered 0 waiting 1 left 0
        put s.a x2
          in.1 s.a 1.12.1 left 1
          in.1 s.a 1.13.2 left 0
        info
          delivered 2/13 floor 0/11 pending 2 redelivered 0 waiting 1 left 0
        "#,
    );
}

#[test]
fn a_time_is_that_of_the_first_message_after_it() {
    check_nine(
        r#"
        consumer {"deliver_policy":"by_start_time","opt_start_time":"2033-05-18T03:33:20.5Z"}
        pull in.1
          in.1 s.b 1.2.1 left 7
        info
          delivered 1/2 floor 0/1 pending 1 redelivered 0 waiting 0 left 7
        "#,
    );
    check_nine(
        r#"
        consumer {"deliver_policy":"by_start_time","opt_start_time":"2099-05-18T03:33:20.5Z"}
        info
          delivered 0/9 floor 0/9 pending 0 redelivered 0 waiting 0 left 0
        "#,
    );
    check_nine(
        r#"
        consumer {"deliver_policy":"by_start_time","opt_start_time":"0001-05-18T03:33:20.5Z"}
        info
          delivered 0/0 floor 0/0 pending 0 redelivered 0 waiting 0 left 9
        "#,
    );
}

#[test]
fn the_last_of_each_subject_come_first() {
    check_nine(
        r#"
        consumer {"deliver_policy":"last_per_subject","filter_subject":"s.*"}
        info
          delivered 0/2 floor 0/2 pending 0 redelivered 0 waiting 0 left 5
        put s.b
        pull in.1 2
          in.1 s.c 1.3.1 left 5
          in.1 s.d 1.6.2 left 4
        restart
        info
          delivered 2/6 floor 0/2 pending 2 redelivered 0 waiting 0 left 4
        delete 7
        info
          delivered 2/6 floor 0/2 pending 2 redelivered 0 waiting 0 left 3
        pull in.1 9
          in.1 s.e 1.8.3 left 2
          in.1 s.a 1.9.4 left 1
          in.1 s.b 1.10.5 left 0
        info
          delivered 5/10 floor 0/2 pending 5 redelivered 0 waiting 1 left 0
        "#,
    );
}

#[test]
fn old_messages_come_as_they_came() {
    check_nine(
        r#"
        consumer {"replay_policy":"original"}
        +4s
        put s.z
        +1s
          1.000 delete it
        pull in.1 20
          in.1 s.a 1.1.1 left 9
        +500ms
        +500ms
          0.500 in.1 s.b 1.2.2 left 8
          0.500 in.1 s.c 1.3.3 left 7
          0.500 in.1 s.a 1.4.4 left 6
        +2s
          1.000 in.1 s.b 1.5.5 left 5
          1.000 in.1 s.d 1.6.6 left 4
          1.000 in.1 s.b 1.7.7 left 3
          1.000 in.1 s.e 1.8.8 left 2
          1.000 in.1 s.a 1.9.9 left 1
          1.000 in.1 s.z 1.10.10 left 0
        put s.z
          in.1 s.z 1.11.11 left 0
        "#,
    );
}
