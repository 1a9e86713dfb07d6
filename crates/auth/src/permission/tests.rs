//! Tables seen from nats-server 2.15, advisories as regressions, and a naive model.

use proptest::prelude::*;

use super::*;

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|&entry| entry.to_owned()).collect()
}

/// Subscribe permissions; an empty allow list is everything.
fn subscribe(allow: &[&str], deny: &[&str]) -> Permissions {
    let subscribe = RulesSpec { allow: Some(strings(allow)), deny: strings(deny) };
    Permissions::compile(&PermissionsSpec { subscribe: Some(subscribe), ..Default::default() }).unwrap()
}

fn publish(allow: Option<&[&str]>, deny: &[&str], responses: Option<ResponsesSpec>) -> Permissions {
    let publish = RulesSpec { allow: allow.map(strings), deny: strings(deny) };
    Permissions::compile(&PermissionsSpec { publish: Some(publish), responses, ..Default::default() }).unwrap()
}

/// `subscription` is a pattern and optionally a queue group.
fn check(permissions: &Permissions, expected: SubscribeVerdict, subscriptions: &[&str]) {
    for subscription in subscriptions {
        let mut words = subscription.split(' ').map(str::as_bytes);
        let verdict = permissions.may_subscribe(words.next().unwrap(), words.next());
        assert_eq!(verdict, expected, "{subscription}");
    }
}

use SubscribeVerdict::{Allowed, AllowedFiltered, Denied};

#[test]
fn an_allow_must_hold_the_whole_subscription() {
    let permissions = subscribe(&["foo.*"], &[]);
    check(&permissions, Allowed, &["foo.a", "foo.*", "foo.a q"]);
    check(&permissions, Denied, &["*.a", ">", "foo", "foo.a.b", "*.a q"]);
    // nats-server accepts this one, and delivers `foo.a.b`.
    check(&permissions, Denied, &["foo.>"]);
}

#[test]
fn a_deny_refuses_what_it_holds_and_filters_what_it_overlaps() {
    let permissions = subscribe(&[], &["foo.*"]);
    check(&permissions, Denied, &["foo.a", "foo.*", "foo.>", "foo.a q"]);
    check(&permissions, AllowedFiltered, &["*.a", ">", "*.a q", "*.>"]);
    check(&permissions, Allowed, &["foo", "foo.a.b", "foo.a.*", "x.>"]);
    assert!(!permissions.may_deliver(b"foo.a", None));
    assert!(permissions.may_deliver(b"foo.a.b", None));
}

#[test]
fn a_queue_in_an_allow_permits_only_that_queue() {
    let permissions = subscribe(&["foo.> q1", "bar", "bar q.*", "baz *"], &[]);
    check(&permissions, Allowed, &["foo.a q1", "foo.> q1", "foo.* q1", "bar", "bar q.1", "bar q.*", "baz x"]);
    check(&permissions, Denied, &["foo.a", "foo.a q2", "bar q.1.2", "bar zz", "bar q.>", "baz", "baz x.y"]);
}

#[test]
fn queue_rules_that_hold_a_subscription_override_the_plain_allow() {
    let permissions = subscribe(&["s.a", "s.b", "s.* q", "*.a q2"], &["s.a q3"]);
    check(&permissions, Allowed, &["s.a", "s.a q", "s.b q", "s.c q", "s.a q2", "s.* q"]);
    check(&permissions, Denied, &["s.c", "s.a q3", "s.b q3", "s.*", "s.a zz", "s.b zz", "s.b q2"]);
    let permissions = subscribe(&["foo.>", "foo.* q1"], &[]);
    check(&permissions, Allowed, &["foo.a", "foo.a q1", "foo.a.b q1", "foo.a.b q2", "foo.> q1"]);
    check(&permissions, Denied, &["foo.a q2"]);
}

#[test]
fn a_queue_in_a_deny_refuses_only_that_queue() {
    let permissions = subscribe(&[">"], &["foo q1", "foo.* q.>", "bar"]);
    check(&permissions, Allowed, &["foo", "foo q2", "foo.a q", "foo.* q2", "foo.*"]);
    check(&permissions, Denied, &["foo q1", "foo.a q.1", "foo.* q.x.y", "bar", "bar q1", "foo.> q.1", "foo.* q.>"]);
    check(&permissions, AllowedFiltered, &[">", "* q1", "* q2", "> q.1"]);
    assert!(permissions.may_deliver(b"foo", Some(b"q2")));
    assert!(!permissions.may_deliver(b"foo", Some(b"q1")));
}

#[test]
fn publishing_asks_allow_and_deny() {
    let permissions = publish(Some(&["foo.>"]), &["foo.*"], None);
    for (subject, expected) in [("foo.a.b", true), ("foo.a", false), ("foo", false), ("bar", false), ("foo.>", false)] {
        assert_eq!(permissions.may_publish(subject.as_bytes()), expected, "{subject}");
    }
    assert!(publish(None, &["foo"], None).may_publish(b"bar"));
    assert!(!publish(None, &["foo"], None).may_publish(b"foo"));
}

#[test]
fn an_explicit_empty_list_is_nothing_for_publishing_and_everything_for_subscribing() {
    assert!(!publish(Some(&[]), &[], None).may_publish(b"foo"));
    check(&subscribe(&[], &[]), Allowed, &["foo", ">", "foo q"]);
    let nothing_said = Permissions::compile(&PermissionsSpec::default()).unwrap();
    assert!(nothing_said.may_publish(b"foo"));
    check(&nothing_said, Allowed, &[">"]);
}

#[test]
fn responses_turn_off_blanket_publishing() {
    let responses = Some(ResponsesSpec::default());
    assert!(!publish(None, &[], responses).may_publish(b"foo"));
    assert!(publish(Some(&["foo"]), &[], responses).may_publish(b"foo"));
    let only = Permissions::compile(&PermissionsSpec { responses, ..Default::default() }).unwrap();
    assert!(!only.may_publish(b"foo"));
}

#[test]
fn responses_have_defaults_and_no_limits() {
    let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
    for (max, expires, expected_max, expected_expires) in
        [(0, Some(Duration::ZERO), 1, minutes(2)), (5, minutes(1), 5, minutes(1)), (-1, None, -1, None)]
    {
        let responses = publish(None, &[], Some(ResponsesSpec { max, expires })).responses();
        assert_eq!(responses, Some(Responses { messages_max: expected_max, expires: expected_expires }));
    }
    assert_eq!(publish(None, &[], None).responses(), None);
}

#[test]
fn invalid_entries_are_told_as_nats_server_does() {
    let error = |publish: &[&str], subscribe: &[&str]| {
        let rules = |list| Some(RulesSpec { allow: None, deny: strings(list) });
        let spec = PermissionsSpec { publish: rules(publish), subscribe: rules(subscribe), responses: None };
        Permissions::compile(&spec).unwrap_err().to_string()
    };
    assert_eq!(error(&["a b"], &[]), r#"subject "a b" is not a valid subject"#);
    assert_eq!(error(&["a..b"], &[]), r#"subject "a..b" is not a valid subject"#);
    assert_eq!(error(&[], &[""]), r#"subject "" is not a valid subject"#);
    assert_eq!(error(&[], &["a b c"]), r#"subject "a b c" is not a valid subject"#);
    assert_eq!(error(&[], &["a..b q"]), r#"subject "a..b" is not a valid subject"#);
    assert_eq!(error(&[], &["a q..1"]), r#"queue "q..1" is not a valid queue"#);
}

#[test]
fn cve_2022_29946_a_queue_subscription_on_a_wildcard_is_not_sent_a_denied_subject() {
    let permissions = subscribe(&[], &["foo.secret"]);
    check(&permissions, AllowedFiltered, &["foo.* q", "foo.> q", "> q"]);
    assert!(!permissions.may_deliver(b"foo.secret", Some(b"q")));
}

#[test]
fn advisory_2026_17_a_wildcard_subscription_that_overlaps_a_wildcard_deny_is_filtered() {
    let permissions = subscribe(&[], &["a.*.c", "x.>"]);
    check(&permissions, AllowedFiltered, &["a.b.*", "a.>", "*.b.c", "*.y", "*.b.c q"]);
    assert!(!permissions.may_deliver(b"a.b.c", None));
    check(&permissions, Denied, &["a.b.c", "x.y", "x.*"]);
}

#[test]
fn advisory_2026_18_a_queue_rule_does_not_override_a_plain_deny() {
    let permissions = subscribe(&[], &["foo", "foo q1"]);
    check(&permissions, Denied, &["foo", "foo q1", "foo q2"]);
    assert!(!permissions.may_deliver(b"foo", Some(b"q2")));
}

/// One token less obvious than the code: by enumerating subjects instead of comparing patterns.
mod model {
    /// Every subject of one to four tokens; `z` is in no pattern and stands for all other tokens.
    pub(super) fn universe() -> Vec<String> {
        let mut subjects = vec![String::new()];
        let mut all = Vec::new();
        for _ in 0..4 {
            let longer = |subject: &String| ["a", "b", "z"].map(|token| format!("{subject}.{token}"));
            subjects = subjects.iter().flat_map(longer).collect();
            all.extend(subjects.iter().map(|subject| subject.trim_start_matches('.').to_owned()));
        }
        all
    }

    pub(super) fn is_match(pattern: &str, subject: &str) -> bool {
        match (pattern.split_once('.'), subject.split_once('.')) {
            (None, _) if pattern == ">" => true,
            (None, None) => pattern == "*" || pattern == subject,
            (Some((head, pattern)), Some((token, subject))) => {
                (head == "*" || head == token) && is_match(pattern, subject)
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// `pattern[ queue]`, of which the queue must be the subscription's.
    pub(super) fn denies(rule: &str, subject: &str, queue: Option<&str>) -> bool {
        match rule.split_once(' ') {
            None => is_match(rule, subject),
            Some((rule, group)) => queue.is_some_and(|queue| is_match(group, queue)) && is_match(rule, subject),
        }
    }

    pub(super) fn allows(allow: &[String], wanted: &[&String], queue: Option<&str>) -> bool {
        let covers = |rule: &str| wanted.iter().all(|subject| is_match(rule, subject));
        let for_queues: Vec<_> =
            allow.iter().filter_map(|rule| rule.split_once(' ')).filter(|(rule, _)| covers(rule)).collect();
        match queue {
            _ if allow.is_empty() => true,
            Some(queue) if !for_queues.is_empty() => for_queues.iter().any(|(_, group)| is_match(group, queue)),
            _ => allow.iter().any(|rule| !rule.contains(' ') && covers(rule)),
        }
    }
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    let rule = (pattern(), proptest::option::of("[ab*>]")).prop_map(|(pattern, queue)| match queue {
        Some(queue) => format!("{pattern} {queue}"),
        None => pattern,
    });
    prop::collection::vec(rule, 0..4)
}

fn pattern() -> impl Strategy<Value = String> {
    "([ab*]\\.){0,2}[ab*>]"
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn verdicts_agree_with_the_model(
        allow in rules(), deny in rules(), pattern in pattern(), queue in proptest::option::of("[abc]"),
    ) {
        let universe = model::universe();
        let wanted: Vec<_> = universe.iter().filter(|subject| model::is_match(&pattern, subject)).collect();
        let queue = queue.as_deref();
        let is_denied = |subject: &str| deny.iter().any(|rule| model::denies(rule, subject, queue));
        let spec = RulesSpec { allow: Some(allow.clone()), deny: deny.clone() };
        let permissions =
            Permissions::compile(&PermissionsSpec { subscribe: Some(spec), ..Default::default() }).unwrap();

        for subject in &universe {
            prop_assert_eq!(permissions.may_deliver(subject.as_bytes(), queue.map(str::as_bytes)), !is_denied(subject));
        }
        // The wildcards of a subscription are also tried as if they were tokens, so that a deny may refuse it at once.
        let is_refused = is_denied(&pattern);
        let expected = if !model::allows(&allow, &wanted, queue) || is_refused {
            Denied
        } else if wanted.iter().any(|subject| is_denied(subject)) {
            AllowedFiltered
        } else {
            Allowed
        };
        prop_assert_eq!(permissions.may_subscribe(pattern.as_bytes(), queue.map(str::as_bytes)), expected);
    }

    #[test]
    fn publishing_agrees_with_the_model(
        allow in proptest::option::of(prop::collection::vec(pattern(), 0..4)),
        deny in prop::collection::vec(pattern(), 0..4),
    ) {
        let spec = RulesSpec { allow: allow.clone(), deny: deny.clone() };
        let permissions = Permissions::compile(&PermissionsSpec { publish: Some(spec), ..Default::default() }).unwrap();
        let matches_any = |list: &[String], subject: &str| list.iter().any(|rule| model::is_match(rule, subject));
        for subject in model::universe() {
            let expected =
                allow.as_ref().is_none_or(|allow| matches_any(allow, &subject)) && !matches_any(&deny, &subject);
            prop_assert_eq!(permissions.may_publish(subject.as_bytes()), expected);
        }
    }
}
