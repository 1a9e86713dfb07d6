//! What the reference server makes of the same mappings: each row was configured and published to nats-server 2.15.1.

use super::*;

fn to(subject: &str, weight: u8, cluster: Option<&str>) -> Destination {
    Destination { subject: subject.as_bytes().into(), weight, cluster: cluster.map(Into::into) }
}

fn mappings(source: &str, destinations: &[Destination]) -> Mappings {
    let mut mappings = Mappings::default();
    mappings.add(source.as_bytes(), destinations).expect("valid");
    mappings
}

#[test]
fn subjects_are_transformed_as_by_the_reference_server() {
    let table = [
        ("c0.*.*", "o.$2.$1", "c0.x.y", "o.y.x"),
        ("c1.*.*", "o.{{wildcard(2)}}.{{ Wildcard( 1 ) }}", "c1.x.y", "o.y.x"),
        ("c2.*.*", "o.$1", "c2.x.y", "o.x"),
        ("c3.*.*", "o.$0.$1", "c3.x.y", "o.c3.x"),
        ("c4.*.*", "o.$-1", "c4.x.y", "o.c4"),
        ("c5.*.*", "o.$+2", "c5.x.y", "o.y"),
        ("c6.*.*", "o.{{wildcard(0)}}", "c6.x.y", "o.c6"),
        ("c7.*.*", "o.$x.$", "c7.x.y", "o.$x.$"),
        ("c8.*.*", "o.x$1", "c8.x.y", "o.x$1"),
        ("c9.*.>", "o.$1.>", "c9.x.y.z", "o.x.y.z"),
        ("c10.*.>", "o.>", "c10.x.y.z", "o.y.z"),
        ("c11.>", "o.>", "c11.x.y.z", "o.x.y.z"),
        ("c12.*.*", "o.{{partition(10)}}", "c12.x.y", "o.4"),
        ("c13.*.*", "o.{{partition(10,1)}}", "c13.x.y", "o.5"),
        ("c14.*.*", "o.{{partition(10,1,2)}}", "c14.x.y", "o.2"),
        ("c15.*.*", "o.{{partition(1000000,2,1)}}", "c15.x.y", "o.777444"),
        ("c16.*.*", "o.{{partition(0)}}", "c16.x.y", "o.0"),
        ("c17.*.*", "o.{{partition(-1)}}", "c17.x.y", "o.2386971549"),
        ("c18.*.*", "o.{{partition(-7,1)}}", "c18.x.y", "o.4245442695"),
        ("c19.*.*", "o.{{Partition( 10 , 2 )}}", "c19.x.y", "o.6"),
        ("c20.*.>", "o.{{partition(10,1)}}.>", "c20.x.y.z", "o.5.y.z"),
        ("c21.lit", "o.{{partition(10)}}", "c21.lit", "o.6"),
        ("c22.lit2", "o.{{partition(1000000)}}", "c22.lit2", "o.458265"),
        ("c23.lit2b", "o.{{partition(1000000,1)}}", "c23.lit2b", "o.179050"),
        ("c24.lit3", "o.{{random(1)}}", "c24.lit3", "o.0"),
        ("c25.*", "o.{{random(1)}}", "c25.x", "o.0"),
        ("c26.*", "o.{{random(0)}}", "c26.x", "o.0"),
        ("c27.*", "o.{{split(1,-)}}", "c27.a-b-c", "o.a.b.c"),
        ("c28.*", "o.{{split(1,-)}}", "c28.-a--b-", "o.a.b"),
        ("c29.*", "o.{{split(1,-)}}", "c29.--", "o."),
        ("c30.*", "o.{{split(1,-)}}", "c30.---a", "o..a"),
        ("c31.*", "o.{{split(1,-)}}", "c31.abc", "o.abc"),
        ("c32.*", "o.{{split(1,ab)}}", "c32.xabyabz", "o.x.y.z"),
        ("c33.*", "o.{{split(1,)}}", "c33.xyz", "o.x.y.z"),
        ("c34.*", "o.{{split(1,)}}", "c34.xéz", "o.x.é.z"),
        ("c35.*", "o.{{splitFromLeft(1,2)}}", "c35.12345", "o.12.345"),
        ("c36.*", "o.{{SplitFromLeft(1,5)}}", "c36.12345", "o.12345"),
        ("c37.*", "o.{{splitfromleft(1,4)}}", "c37.12345", "o.1234.5"),
        ("c38.*", "o.{{splitfromleft(1,0)}}", "c38.12345", "o.12345"),
        ("c39.*", "o.{{splitfromleft(1,-1)}}", "c39.12345", "o.12345"),
        ("c40.*", "o.{{splitFromRight(1,2)}}", "c40.12345", "o.123.45"),
        ("c41.*", "o.{{splitFromRight(1,9)}}", "c41.12345", "o.12345"),
        ("c42.*", "o.{{sliceFromLeft(1,2)}}", "c42.12345", "o.12.34.5"),
        ("c43.*", "o.{{sliceFromLeft(1,2)}}", "c43.123456", "o.12.34.56"),
        ("c44.*", "o.{{sliceFromLeft(1,3)}}", "c44.12345", "o.123.45"),
        ("c45.*", "o.{{sliceFromLeft(1,5)}}", "c45.12345", "o.12345"),
        ("c46.*", "o.{{sliceFromRight(1,2)}}", "c46.12345", "o.1.23.45"),
        ("c47.*", "o.{{sliceFromRight(1,2)}}", "c47.123456", "o.12.34.56"),
        ("c48.*", "o.{{sliceFromRight(1,9)}}", "c48.12345", "o.12345"),
        ("c49.*", "o.{{left(1,2)}}", "c49.12345", "o.12"),
        ("c50.*", "o.{{right(1,2)}}", "c50.12345", "o.45"),
        ("c51.*", "o.{{Left(1,9)}}", "c51.12345", "o.12345"),
        ("c52.*", "o.{{right(1,0)}}", "c52.12345", "o.12345"),
        ("c53.*.mid.*", "{{wildcard(2)}}.m.{{left(1,1)}}", "c53.ab.mid.cd", "cd.m.a"),
        ("c54.*", "o.{{wildcard(1)}}.b", "c54.x", "o.x.b"),
        ("c55.*", "{{wildcard(1)}}", "c55.x", "x"),
        ("c56.*", "o.{{}}", "c56.x", "o.{{}}"),
        ("c57.*", "o.{{x}", "c57.x", "o.{{x}"),
        ("c58.*", "o.$1.>x", "c58.x", "o.x.>x"),
    ];
    for (source, destination, subject, expected) in table {
        let expected = if expected == subject { Mapped::Unchanged } else { Mapped::To(expected.into()) };
        let mappings = mappings(source, &[to(destination, 100, None)]);
        let mapped = mappings.apply(subject.as_bytes(), None, 0);
        assert_eq!(mapped, expected, "{source} to {destination}: {mapped:?}");
    }
}

/// Source, destination, error.
const REFUSED: [(&str, &str, &str); 42] = [
    ("a.*", "b.*", "invalid subject"),
    ("a.*", "b.>", "invalid subject"),
    ("a.>", "b", "invalid subject"),
    ("a.*", "b.$2", "invalid mapping destination: wildcard index out of range in $2: [2]"),
    ("a.*", "b.{{wildcard(2)}}", "invalid mapping destination: wildcard index out of range in {{wildcard(2)}}: [2]"),
    ("a", "b.$1", "invalid mapping destination: wildcard index out of range in $1"),
    ("a", "b.{{wildcard(1)}}", "invalid mapping destination: wildcard index out of range in {{wildcard(1)}}"),
    ("a", "b.{{left(1,1)}}", "invalid mapping destination: wildcard index out of range in {{left(1,1)}}"),
    ("a.*", "b..c", "invalid mapping destination: invalid transform"),
    ("a.*", "b.>.c", "invalid mapping destination: invalid transform in c"),
    ("a.*", "b.{{unknown(1)}}", "invalid mapping destination: unknown function in {{unknown(1)}}"),
    (
        "a.*",
        "b.{{wildcard()}}",
        "invalid mapping destination: not enough arguments passed to the function in {{wildcard()}}",
    ),
    (
        "a.*",
        "b.{{wildcard( )}}",
        "invalid mapping destination: function argument is invalid or in the wrong format in {{wildcard( )}}",
    ),
    (
        "a.*",
        "b.{{wildcard(1,2)}}",
        "invalid mapping destination: too many arguments passed to the function in {{wildcard(1,2)}}",
    ),
    (
        "a.*",
        "b.{{wildcard(x)}}",
        "invalid mapping destination: function argument is invalid or in the wrong format in {{wildcard(x)}}",
    ),
    (
        "a.*",
        "b.{{partition()}}",
        "invalid mapping destination: function argument is invalid or in the wrong format in {{partition()}}",
    ),
    (
        "a.*",
        "b.{{partition(x)}}",
        "invalid mapping destination: function argument is invalid or in the wrong format in {{partition(x)}}",
    ),
    (
        "a.*",
        "b.{{partition(2147483648)}}",
        "invalid mapping destination: function argument is invalid or in the wrong format in {{partition(2147483648)}}",
    ),
    (
        "a.*",
        "b.{{partition(3,2)}}",
        "invalid mapping destination: wildcard index out of range in {{partition(3,2)}}: [2]",
    ),
    (
        "a.*",
        "b.{{partition(3,x)}}",
        "invalid mapping destination: function argument is invalid or in the wrong format in {{partition(3,x)}}",
    ),
    (
        "a.*.*",
        "b.{{partition(3,1,3)}}",
        "invalid mapping destination: wildcard index out of range in {{partition(3,1,3)}}: [3]",
    ),
    (
        "a.*",
        "b.{{split(1)}}",
        "invalid mapping destination: not enough arguments passed to the function in {{split(1)}}",
    ),
    (
        "a.*",
        "b.{{split(1,-,x)}}",
        "invalid mapping destination: too many arguments passed to the function in {{split(1,-,x)}}",
    ),
    (
        "a.*",
        "b.{{split(1,- )}}",
        "invalid mapping destination: function argument is invalid or in the wrong format in {{split(1,- )}}",
    ),
    (
        "a.*",
        "b.{{split(x,-)}}",
        "invalid mapping destination: function argument is invalid or in the wrong format in {{split(x,-)}}",
    ),
    ("a.*", "b.{{split(2,-)}}", "invalid mapping destination: wildcard index out of range in {{split(2,-)}}: [2]"),
    ("a.*", "b.{{left(1)}}", "invalid mapping destination: not enough arguments passed to the function in {{left(1)}}"),
    (
        "a.*",
        "b.{{splitFromLeft(1)}}",
        "invalid mapping destination: not enough arguments passed to the function in {{splitFromLeft(1)}}",
    ),
    (
        "a.*",
        "b.{{splitFromLeft(1,2,3)}}",
        "invalid mapping destination: too many arguments passed to the function in {{splitFromLeft(1,2,3)}}",
    ),
    (
        "a.*",
        "b.{{sliceFromRight(1,x)}}",
        "invalid mapping destination: function argument is invalid or in the wrong format in {{sliceFromRight(1,x)}}",
    ),
    (
        "a.*",
        "b.{{sliceFromRight(1,2147483648)}}",
        "invalid mapping destination: function argument is invalid or in the wrong format in {{sliceFromRight(1,2147483648)}}",
    ),
    (
        "a.*",
        "b.{{sliceFromRight(9,2)}}",
        "invalid mapping destination: wildcard index out of range in {{sliceFromRight(9,2)}}: [9]",
    ),
    (
        "a.*",
        "b.{{random()}}",
        "invalid mapping destination: function argument is invalid or in the wrong format in {{random()}}",
    ),
    (
        "a.*",
        "b.{{random(1,2)}}",
        "invalid mapping destination: not enough arguments passed to the function in {{random(1,2)}}",
    ),
    (
        "a.*",
        "b.{{random(x)}}",
        "invalid mapping destination: function argument is invalid or in the wrong format in {{random(x)}}",
    ),
    ("a.*", "b.{{WILDCARD(1)}}", "invalid mapping destination: unknown function in {{WILDCARD(1)}}"),
    ("a.*", "b.{{wildcard 1}}", "invalid mapping destination: unknown function in {{wildcard 1}}"),
    (
        "a.*",
        "b.{{wildcard(1)}}{{wildcard(1)}}",
        "invalid mapping destination: function argument is invalid or in the wrong format in {{wildcard(1)}}{{wildcard(1)}}",
    ),
    ("a.*", "b.x y", "invalid mapping destination: invalid transform"),
    ("a.*", ">", "invalid subject"),
    ("a.*", "b.{{wildcard(1)}} ", "invalid mapping destination: invalid transform"),
    (
        "a",
        "b.{{partition(3,x)}}",
        "invalid mapping destination: function argument is invalid or in the wrong format in {{partition(3,x)}}",
    ),
];

#[test]
fn what_cannot_be_mapped_is_refused_with_the_words_of_the_reference_server() {
    for (source, destination, expected) in REFUSED {
        let error = Mappings::default().add(source.as_bytes(), &[to(destination, 100, None)]).expect_err(destination);
        assert_eq!(error.to_string(), expected, "{source} to {destination}");
    }
}

#[test]
fn odd_mappings_that_the_reference_server_takes_are_taken() {
    let table = [
        ("a", "b.{{random(5)}}"),
        ("a.*", "b.{{partition(2147483647)}}"),
        ("a.*", "b.{{split(1, -)}}"),
        ("a.*", "b.{{wildcard(1)}}x}}"),
        ("a.*", "b.{{x{{wildcard(1)}}"),
        (">", ">"),
        ("a.>", ">"),
        ("a.*", "b.{{ left (1,2) }}"),
        ("a.*", "b.$99999999999999999999"),
        ("a.*", "b.{{Split(1,.)}}"),
        ("a.*", "b.{{{wildcard(1)}}}"),
        ("a", "b.{{partition(3,9)}}"),
    ];
    for (source, destination) in table {
        mappings(source, &[to(destination, 100, None)]);
    }
}

#[test]
fn weights_and_repetitions_are_checked_and_a_refused_mapping_changes_nothing() {
    #[track_caller]
    fn check(destinations: &[Destination], expected: &str) {
        let mut mappings = mappings("a", &[to("z", 100, None)]);
        assert_eq!(mappings.add(b"a", destinations).map_err(|error| error.to_string()), Err(expected.into()));
        assert_eq!(mappings.apply(b"a", None, 0), Mapped::To(b"z".to_vec()));
    }
    check(&[to("b", 50, None), to("b", 20, None)], "duplicate entry for \"b\"");
    check(&[to("b", 60, Some("x")), to("b", 60, None)], "duplicate entry for \"b\"");
    check(&[to("b", 60, None), to("c", 50, None)], "total weight needs to be <= 100");
    // The reference server takes it and dies on the first publish.
    check(&[to("", 10, None)], "invalid mapping destination: invalid transform");
    check(&[to("b", 101, None)], "individual weights need to be <= 100");
    mappings("a", &[to("b", 60, Some("x")), to("c", 60, None)]);
    for source in ["", "a..b", "a. b", "a\u{c}b", ">.a"] {
        let error = Mappings::default().add(source.as_bytes(), &[]).expect_err(source);
        assert_eq!(error.to_string(), "invalid subject");
    }
}

#[test]
fn each_destination_gets_its_percentage_and_the_source_the_rest() {
    /// The outcomes of every random number from 0 to 99.
    #[track_caller]
    fn check(mappings: &Mappings, cluster: Option<&str>, subject: &str, expected: &[(&str, usize)]) {
        let outcomes: Vec<_> = (0..100).map(|random| mappings.apply(subject.as_bytes(), cluster, random)).collect();
        let count = |wanted: &str| {
            let wanted = match wanted {
                "stays" => Mapped::Unchanged,
                "lost" => Mapped::Dropped,
                _ => Mapped::To(wanted.into()),
            };
            outcomes.iter().filter(|outcome| **outcome == wanted).count()
        };
        for &(outcome, times) in expected {
            assert_eq!(count(outcome), times, "{outcome}");
        }
        assert_eq!(expected.iter().map(|(_, times)| times).sum::<usize>(), 100);
    }
    let below = mappings("a", &[to("b", 30, None)]);
    check(&below, None, "a", &[("b", 30), ("stays", 70)]);
    check(&below, None, "x", &[("stays", 100)]);
    check(&mappings("a", &[to("b", 0, None)]), None, "a", &[("stays", 100)]);
    check(&mappings("a", &[]), None, "a", &[("stays", 100)]);

    let listed = mappings("a", &[to("b", 30, None), to("a", 20, None)]);
    check(&listed, None, "a", &[("b", 30), ("stays", 20), ("lost", 50)]);
    let listed_tail = mappings("a.>", &[to("b.>", 30, None), to("a.>", 20, None)]);
    check(&listed_tail, None, "a.x", &[("b.x", 30), ("stays", 20), ("lost", 50)]);
    // Only the same text is the source: this one means the same and is not recognised.
    let respelt = mappings("a.*", &[to("b.$1", 30, None), to("a.$1", 20, None)]);
    check(&respelt, None, "a.x", &[("b.x", 30), ("stays", 70)]);

    let scoped = mappings("a", &[to("b", 100, Some("east")), to("c", 100, Some("west"))]);
    check(&scoped, Some("east"), "a", &[("b", 100)]);
    check(&scoped, Some("west"), "a", &[("c", 100)]);
    check(&scoped, Some("north"), "a", &[("stays", 100)]);
    check(&scoped, None, "a", &[("stays", 100)]);
    let general = mappings("a", &[to("b", 50, Some("east")), to("c", 100, None)]);
    check(&general, Some("east"), "a", &[("b", 50), ("stays", 50)]);
    check(&general, Some("west"), "a", &[("c", 100)]);
    let listed_elsewhere = mappings("a", &[to("b", 100, Some("west")), to("a", 10, Some("east"))]);
    check(&listed_elsewhere, None, "a", &[("lost", 100)]);
    check(&listed_elsewhere, Some("east"), "a", &[("stays", 10), ("lost", 90)]);
}

#[test]
fn the_first_mapping_that_matches_wins_and_a_repeated_source_keeps_its_place() {
    let mut mappings = Mappings::default();
    assert!(mappings.is_empty());
    mappings.add(b"a.*", &[to("first.$1", 100, None)]).expect("valid");
    mappings.add(b"a.b", &[to("second", 100, None)]).expect("valid");
    mappings.add(b"a.>", &[to("third.>", 100, None)]).expect("valid");
    assert!(!mappings.is_empty());
    let apply = |mappings: &Mappings, subject: &[u8]| mappings.apply(subject, None, 0);
    assert_eq!(apply(&mappings, b"a.b"), Mapped::To(b"first.b".to_vec()));
    assert_eq!(apply(&mappings, b"a.b.c"), Mapped::To(b"third.b.c".to_vec()));
    mappings.add(b"a.*", &[to("again.$1", 100, None)]).expect("valid");
    assert_eq!(apply(&mappings, b"a.b"), Mapped::To(b"again.b".to_vec()));
    // One step only: what a mapping yields is not mapped again.
    mappings.add(b"again.b", &[to("never", 100, None)]).expect("valid");
    assert_eq!(apply(&mappings, b"a.b"), Mapped::To(b"again.b".to_vec()));
    // Wildcards in a published subject are matched as a set.
    assert_eq!(apply(&mappings, b"a.*"), Mapped::To(b"again.*".to_vec()));
    assert_eq!(apply(&mappings, b"a.>"), Mapped::To(b"third.>".to_vec()));
}

#[test]
fn the_partition_of_a_literal_source_hashes_the_subject() {
    let mappings = mappings("lit", &[to("o.{{partition(1000000)}}", 100, None)]);
    assert_eq!(mappings.apply(b"lit", None, 0), Mapped::To(b"o.777270".to_vec()));
}

#[test]
fn random_tokens_are_below_their_bound_and_independent() {
    #[track_caller]
    fn check(destination: &str, expected: &[&str]) {
        let transform = Transform::new(b"r", destination.as_bytes()).expect("valid");
        let mut seen: Vec<_> = (0..1000).map(|random| transform.apply(b"r", random).expect("matches")).collect();
        seen.sort();
        seen.dedup();
        let seen: Vec<_> = seen.iter().map(|subject| String::from_utf8_lossy(subject)).collect();
        assert_eq!(seen, expected);
    }
    check("{{random(0)}}", &["0"]);
    check("{{random(1)}}", &["0"]);
    check("{{random(-3)}}", &["0", "1", "2"]);
    check("{{random(2)}}.{{random(2)}}", &["0.0", "0.1", "1.0", "1.1"]);
}

#[test]
fn a_transform_applies_to_literal_subjects_only() {
    let transform = Transform::new(b"", b"o.>").expect("valid");
    assert_eq!(transform.apply(b"a.b", 0), Some(b"o.a.b".to_vec()));
    for subject in [&b"a.*"[..], b">", b"a..b", b""] {
        assert_eq!(transform.apply(subject, 0), None);
    }
    assert_eq!(Transform::new(b"a.*", b"b.$1").expect("valid").apply(b"c.d", 0), None);
    // Not every byte is a character.
    let split = Transform::new(b"*", b"{{split(1,)}}").expect("valid");
    assert_eq!(split.apply(b"x\xff\xc3\xa9\xc3", 0), Some(b"x.\xff.\xc3\xa9.\xc3".to_vec()));
}

#[test]
fn a_reversible_transform_uses_every_wildcard_and_nothing_else() {
    #[track_caller]
    fn check(source: &str, destination: &str, expected: Result<&str, &str>) {
        let error = Transform::reversible(source.as_bytes(), destination.as_bytes()).map(|_| "").map_err(|e| e.0);
        assert_eq!(error, expected.map_err(String::from), "{source} to {destination}");
    }
    check("a.*.*", "b.$2.$1", Ok(""));
    check("a.*.>", "b.{{wildcard(1)}}.>", Ok(""));
    check("a", "b", Ok(""));
    let left_out = "invalid mapping destination: not using all of the token wildcard(s) in b.$2";
    check("a.*.*", "b.$2", Err(left_out));
    let import =
        "invalid mapping destination: the only mapping function allowed for import transforms is {{Wildcard()}}";
    check("a.*", "b.{{split(1,-)}}", Err(&format!("{import} in {{{{split(1,-)}}}}")));
}
