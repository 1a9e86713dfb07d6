//! Any bytes are a configuration or are refused, in bounded time and room.

use std::{cell::Cell, path::Path};

use firn_config::{Checks, DEPTH_MAX, FILES_MAX, Source, fuzzing};
use proptest::prelude::*;

/// Files whose text is made from their name.
struct Files<F: Fn(&str) -> String> {
    text: F,
    reads: Cell<usize>,
}

impl<F: Fn(&str) -> String> Source for Files<F> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.reads.set(self.reads.get() + 1);
        Ok((self.text)(path.to_str().expect("a path in UTF-8")).into_bytes())
    }

    fn variable(&self, name: &str) -> Option<String> {
        // Each variable refers to the next.
        let number: usize = name.strip_prefix('V')?.parse().ok()?;
        Some(format!("$V{}", number + 1))
    }
}

/// The only error of a configuration whose files have the text that a function gives for their names.
fn error(text: impl Fn(&str) -> String) -> String {
    let files = Files { text, reads: Cell::new(0) };
    let error = match firn_config::read("c", &files, &Checks::FORM) {
        Ok(_) => panic!("it was read"),
        Err(rejection) => rejection.to_string(),
    };
    assert!(files.reads.get() <= FILES_MAX);
    error
}

#[test]
fn nesting_is_bounded() {
    let too_deep = format!("configuration is nested deeper than {DEPTH_MAX} levels");
    assert_eq!(error(|_| format!("a: {}", "[".repeat(100_000))), too_deep);
    assert_eq!(error(|_| format!("a {}", "{b ".repeat(DEPTH_MAX))), too_deep);
    let just = DEPTH_MAX - 1;
    let fits = format!("a: {}1 {}\nb: $a\nc: $b", "[".repeat(just), "]".repeat(just));
    assert!(error(|_| fits.clone()).ends_with(": unknown field \"c\""));
}

#[test]
fn nesting_by_variables_is_bounded() {
    let step = |number: usize| format!("v{}: [ $v{number} ]\n", number + 1);
    let text = format!("v0: 1\n{}", (0..DEPTH_MAX + 1).map(step).collect::<String>());
    assert!(error(|_| text.clone()).starts_with("configuration is nested deeper"));
}

#[test]
fn growth_by_variables_is_bounded() {
    let step = |number: usize| format!("v{}: [ $v{number}, $v{number} ]\n", number + 1);
    let text = format!("v0: 1\n{}", (0..60).map(step).collect::<String>());
    assert!(error(|_| text.clone()).starts_with("configuration grows beyond"));
}

#[test]
fn chains_of_environment_variables_are_bounded() {
    assert!(error(|_| "a: $V0".to_owned()).contains("configuration is nested deeper"));
}

#[test]
fn includes_of_themselves_are_refused() {
    assert_eq!(error(|_| "include c".to_owned()), "error parsing include file 'c', include cycle for 'c'");
    let cycle = error(|name| format!("include {}", if name == "c" { "d" } else { "c" }));
    assert_eq!(cycle, "error parsing include file 'd', error parsing include file 'c', include cycle for 'c'");
}

#[test]
fn includes_are_bounded_in_depth_and_number() {
    assert!(error(|name| format!("include {name}x")).ends_with(&format!("nested deeper than {DEPTH_MAX} levels")));
    let fan = error(|name| if name.len() > 20 { String::new() } else { format!("include {name}x\ninclude {name}y") });
    assert!(fan.ends_with(&format!("configuration reads more than {FILES_MAX} files")));
}

#[test]
fn many_keys_do_not_take_quadratic_time() {
    // A linear search for each of 200 000 keys would not end while anybody waits.
    let text: String = (0..200_000).map(|number| format!("k{number}: 1\n")).collect();
    assert!(error(|_| text.clone()).ends_with("unknown field \"k199999\""));
}

proptest! {
    #[test]
    fn any_bytes_are_harmless(data in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzzing::configuration(&data);
    }

    #[test]
    fn anything_like_a_configuration_is_harmless(data in prop::collection::vec(word(), 0..60)) {
        fuzzing::configuration(data.concat().as_bytes());
    }
}

/// Pieces that configurations are made of.
fn word() -> impl Strategy<Value = &'static str> {
    let words: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        "(",
        ")\n",
        "\n",
        "\n",
        " ",
        ":",
        "=",
        ",",
        ";",
        "#",
        "//",
        "/",
        "\"",
        "'",
        "\\",
        "\\x41",
        "\\x4",
        "$a",
        "$b",
        "include x",
        "include \"x\"",
        "a",
        "b",
        "1",
        "-1",
        "2m",
        "5kb",
        "1kbb",
        "1.5",
        "1.2.3",
        "2016-",
        "2016-05-04T18:53:41Z",
        "true",
        "off",
        "\n\0",
        "\0",
        "é",
        "\r\n",
        "port",
        "listen",
        "users",
        "user",
        "password",
        "nkey",
        "permissions",
        "publish",
        "allow",
        "authorization",
        "accounts",
        "$SYS",
        "tls",
        "cert_file",
        "mappings",
        "weight",
        "timeout",
        "ping_interval",
        "jetstream",
        "cluster",
        "leafnodes",
        "remotes",
        "\"5s\"",
        "server_tags",
        "max_payload",
        "allow_responses",
        "certs",
        "system_account",
        "websocket",
    ];
    prop::sample::select(words)
}

#[test]
fn what_the_fuzzer_found_stays_harmless() {
    for data in [
        &b""[..],
        b"{",
        b"}",
        b"a: (",
        b"a: )\n)",
        b"a: \xff)",
        b"a: (\n)",
        b"a\x00",
        b"\"\\",
        b"a \"\\x",
        b"a {b: 1kbb}",
    ] {
        fuzzing::configuration(data);
    }
}
