//! Command lines, and what nats-server makes of them.

use super::*;

fn read(line: &str) -> Result<Flags, FlagError> {
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    parse(&arguments)
}

#[track_caller]
fn check(line: &str, set: impl FnOnce(&mut Flags)) {
    let mut expected = Flags::default();
    set(&mut expected);
    // Compared and not shown: the options hold passwords.
    assert!(read(line).unwrap() == expected, "{line}");
}

#[track_caller]
fn check_error(line: &str, expected: &str) {
    assert_eq!(read(line).err().map(|error| error.to_string()).as_deref(), Some(expected), "{line}");
}

#[track_caller]
fn check_asked(line: &str, expected: Result<Asked, &str>) {
    assert_eq!(read(line).unwrap().asked(), expected.map_err(str::to_owned), "{line}");
}

#[test]
fn one_and_two_dashes_and_both_forms_of_a_value_are_the_same() {
    for line in ["-p 4223", "-p=4223", "--p 4223", "-port 4223", "--port=4223"] {
        check(line, |f| f.overrides.port = Some(4223));
    }
    check("-p -1", |f| f.overrides.port = Some(-1));
    check("-p 1 -p 2", |f| f.overrides.port = Some(2));
    check("-user a=b", |f| f.overrides.user = Some("a=b".to_owned()));
    check("-user=a=b", |f| f.overrides.user = Some("a=b".to_owned()));
    check("-user=", |f| f.overrides.user = Some(String::new()));
    check("-user -p", |f| f.overrides.user = Some("-p".to_owned()));
}

#[test]
fn every_name_of_a_flag_sets_the_same() {
    for name in ["a", "addr", "net"] {
        check(&format!("-{name} h"), |f| f.overrides.host = Some("h".to_owned()));
    }
    for name in ["n", "name", "server_name"] {
        check(&format!("-{name} x"), |f| f.overrides.server_name = Some("x".to_owned()));
    }
    for name in ["cluster", "cluster_listen"] {
        check(&format!("-{name} nats://h:1"), |f| f.overrides.cluster = Some("nats://h:1".to_owned()));
    }
    check("-ms 1 --https_port 2", |f| f.overrides.https_port = Some(2));
}

#[test]
fn a_switch_takes_a_value_only_after_an_equals_sign() {
    check("-js", |f| f.overrides.jetstream = Some(true));
    check("-js=false", |f| f.overrides.jetstream = Some(false));
    check("-tls=false", |f| f.overrides.tls.enabled = Some(false));
    check("-T=F", |f| f.overrides.logtime = Some(false));
    check("-js false", |f| (f.overrides.jetstream, f.word) = (Some(true), Some("false".to_owned())));
}

#[test]
fn letters_together_are_flags_of_their_own() {
    check("-DV", |f| (f.overrides.debug, f.overrides.trace) = (Some(true), Some(true)));
    check("-VV", |f| (f.overrides.trace, f.overrides.trace_verbose) = (Some(true), Some(true)));
    check("-DVV=false", |f| {
        (f.overrides.debug, f.overrides.trace, f.overrides.trace_verbose) = (Some(false), Some(false), Some(false))
    });
    check_error("-VD", "flag provided but not defined: -VD");
}

#[test]
fn numbers_are_written_as_in_go() {
    for (text, expected) in [
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 15),
        ("0b11", 3),
        ("+7", 7),
        ("-0x10", -16),
        ("0", 0),
        ("0x1_0", 16),
        ("1_0", 10),
        ("0_7", 7),
        ("0x_1", 1),
    ] {
        check(&format!("-p {text}"), |f| f.overrides.port = Some(expected));
    }
    for text in ["abc", "1.5", "08", "_1", "1_", "1__0", "0x", "0x1__0", "0x1_", "--1", ""] {
        check_error(&format!("-p={text}"), &format!("invalid value {text:?} for flag -p: parse error"));
    }
    check_error("-p 9223372036854775808", "invalid value \"9223372036854775808\" for flag -p: value out of range");
}

#[test]
fn what_cannot_be_read_is_said_as_go_says_it() {
    check_error("-nope", "flag provided but not defined: -nope");
    check_error("--nope=3", "flag provided but not defined: -nope");
    check_error("-p", "flag needs an argument: -p");
    check_error("-p abc", "invalid value \"abc\" for flag -p: parse error");
    check_error("-tls=maybe", "invalid boolean value \"maybe\" for -tls: parse error");
    for argument in ["-=x", "--=x", "---p"] {
        check_error(argument, &format!("bad flag syntax: {argument}"));
    }
}

#[test]
fn the_first_word_ends_the_flags() {
    check("-p 1 -- x", |f| (f.overrides.port, f.word) = (Some(1), Some("x".to_owned())));
    check("-p 1 --", |f| f.overrides.port = Some(1));
    check("x -nope", |f| f.word = Some("x".to_owned()));
    check("-", |f| f.word = Some("-".to_owned()));
}

#[test]
fn version_and_help_come_before_anything_else() {
    check_asked("", Ok(Asked::Server));
    check_asked("-h -v", Ok(Asked::Version));
    check_asked("-h -sl reload", Ok(Asked::Help));
    check_asked("-help_tls", Ok(Asked::TlsHelp));
    check_asked("-p 1 version", Ok(Asked::Version));
    check_asked("HELP", Ok(Asked::Help));
    check_asked("foo bar", Err("unrecognized command: \"foo\""));
    check_asked("help_tls", Err("unrecognized command: \"help_tls\""));
    check_asked("-sl reload=7", Ok(Asked::Signal("reload=7".to_owned())));
    check_asked("-sl=", Ok(Asked::Server));
}

#[test]
fn no_name_stands_for_two_flags() {
    let mut names: Vec<&str> = SECTIONS.iter().flat_map(|(_, rows)| *rows).flat_map(|row| row.names).copied().collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn the_help_shows_every_name() {
    for row in SECTIONS.iter().flat_map(|(_, rows)| *rows) {
        for name in row.names {
            let is_shown = row.shown.split([' ', ',', '\n']).any(|word| word.trim_start_matches('-') == *name);
            assert!(is_shown, "{name} in {:?}", row.shown);
        }
    }
}

#[test]
fn the_help_marks_the_flags_that_are_refused_and_no_others() {
    // Of no use without a cluster, and so without harm.
    let idle = ["no_advertise", "connect_retries"];
    for row in SECTIONS.iter().flat_map(|(_, rows)| rows.iter()).filter(|row| !idle.contains(&row.names[0])) {
        let name = row.names[0];
        // A route alone asks for a cluster first.
        let cluster = if name == "routes" { "-cluster nats://127.0.0.1:1" } else { "" };
        let value = if row.has_value() { " 1" } else { "" };
        let flags = read(&format!("{cluster} -{name}{value}")).unwrap();
        let refusal = flags.overrides.apply(&mut firn_config::Options::default()).err();
        let is_refused = refusal.is_some_and(|error| error.text.starts_with("not supported yet"));
        assert_eq!(row.help.contains("(not supported yet)"), is_refused, "-{name}");
    }
}
