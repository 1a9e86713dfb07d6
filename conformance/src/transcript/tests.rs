//! The transcript language against a peer that answers from a script.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Captures, ParseError, Pattern, Peer, PeerError, Received, Transcript, record, run};

/// Greets, answers PING, and answers any other complete line with the next scripted bytes.
struct Script {
    answers: VecDeque<&'static str>,
    pending: VecDeque<Vec<u8>>,
}

impl Script {
    fn new(answers: &[&'static str]) -> Self {
        Self { answers: answers.iter().copied().collect(), pending: VecDeque::new() }
    }
}

impl Peer for Script {
    fn open(&mut self, _connection: &str) -> Result<(), PeerError> {
        self.pending.push_back(b"INFO {\"nonce\":\"abc\",\"headers\":true} \r\n".to_vec());
        Ok(())
    }

    fn send(&mut self, _connection: &str, bytes: &[u8]) -> Result<(), PeerError> {
        let answer = if bytes == b"PING\r\n" { "PONG\r\n" } else { self.answers.pop_front().unwrap_or_default() };
        self.pending.push_back(answer.as_bytes().to_vec());
        Ok(())
    }

    fn receive(&mut self, _connection: &str, _patience: Duration) -> Result<Received, PeerError> {
        Ok(match self.pending.pop_front() {
            Some(bytes) if bytes == b"closed" => Received::Closed,
            Some(bytes) => Received::Bytes(bytes),
            None => Received::Nothing,
        })
    }

    fn close(&mut self, _connection: &str) -> Result<(), PeerError> {
        Ok(())
    }

    fn wait(&mut self, _duration: Duration) {}
}

/// Runs steps against scripted answers; the expected outcome is what the first failing line received.
fn check(steps: &str, answers: &[&'static str], expected: Result<(), &str>) {
    let transcript = Transcript::parse(&format!("# Test.\n{steps}")).unwrap();
    let outcome = run(&transcript, &mut Script::new(answers)).map_err(|failure| failure.received);
    assert_eq!(outcome, expected.map_err(str::to_owned), "{steps}");
}

fn check_match(pattern: &str, frame: &str, expected: bool) {
    let parsed = Pattern::parse_expected(pattern).unwrap();
    assert_eq!(parsed.matches(frame.as_bytes(), &mut Captures::new()), expected, "{pattern} against {frame:?}");
}

#[test]
fn steps_hold_or_say_what_was_there_instead() {
    check("a> SUB foo 1\na< +OK\n", &["+OK\r\n"], Ok(()));
    check("a> SUB foo 1\na< +OK\n", &["-ERR 'no'\r\n"], Err("-ERR 'no'"));
    check("a> SUB foo 1\na< +OK\n", &[""], Err("(nothing)"));
    check("a> SUB foo 1\na< +OK\n", &["closed"], Err("(closed)"));
    check("a> x\na closed\n", &["closed"], Ok(()));
    check("a> x\na closed\n", &["+OK\r\n"], Err("+OK"));
    check("a> PUB f 2|hi\na< MSG f 1 2|hi\n", &["MSG f 1 2\r\nhi\r\n"], Ok(()));
    check("a> x\n2 times a< +OK\n", &["+OK\r\n+OK\r\n"], Ok(()));
    check("a> x\n2 times a< +OK\n", &["+OK\r\n"], Err("(nothing)"));
}

#[test]
fn frames_nobody_asked_for_fail_a_transcript() {
    check("a> x\n", &["+OK\r\n"], Err("a< +OK"));
    check("a> x\nno more\na> y\na< +OK\n", &["+OK\r\n"], Err("a< +OK"));
    check("a> x\n", &["closed"], Err("a (closed)"));
    check("a> x\n", &["PING\r\n"], Ok(()));
}

#[test]
fn the_first_info_may_be_asked_for() {
    check("a< INFO {\"headers\":true}\n", &[], Ok(()));
    check("a< INFO {\"xkey\":\"<absent>\"}\n", &[], Ok(()));
    check("a> x\na< +OK\n", &["+OK\r\n"], Ok(()));
    check("a> x\na< INFO {\"ldm\":true}\n", &["INFO {\"ldm\":true} \r\n"], Ok(()));
}

#[test]
fn choices_and_orders() {
    check("a> x\none of a< A, a< B\n", &["B\r\n"], Ok(()));
    check("a> x\none of a< A, a< B\n", &["C\r\n"], Err("a< C, a< C"));
    check("a> x\nin any order a< A, a< B\n", &["B\r\nA\r\n"], Ok(()));
    check("a> x\nin any order a< A, a< B\n", &["B\r\nC\r\n"], Err("a< C"));
}

#[test]
fn own_pings_are_told_from_the_runner_s() {
    check("a> PING\na< PONG\n", &[], Ok(()));
    check("a> PING\n", &[], Err("a< PONG"));
}

#[test]
fn placeholders() {
    check_match("MSG <any> 1 2|hi", "MSG _R_.x 1 2\r\nhi\r\n", true);
    check_match("MSG <any> 1 2|hi", "MSG a b 1 2\r\nhi\r\n", false);
    check_match(
        "MSG f 1 <number>|<json {\"a\":{\"b\":\"<number>\"}}>",
        "MSG f 1 18\r\n{\"a\":{\"b\":1},\"c\":2}\r\n",
        true,
    );
    check_match("MSG f 1 <number>|<json {\"a\":\"<absent>\"}>", "MSG f 1 7\r\n{\"a\":1}\r\n", false);
    check_match("MSG f 1 5000|<x*3><\\x00*2>", "MSG f 1 5000\r\nxxx\0\0\r\n", true);
    check_match("-ERR '<text>'", "-ERR 'any thing'\r\n", true);
    check_match("X <any as a> <a>", "X one one\r\n", true);
    check_match("X <any as a> <a>", "X one two\r\n", false);
}

#[test]
fn files_that_are_no_transcripts() {
    assert!(matches!(Transcript::parse("a> x\n"), Err(ParseError::NoTitle)));
    assert!(matches!(Transcript::parse("# T.\nfoo\n"), Err(ParseError::UnknownStep(2, _))));
    assert!(matches!(Transcript::parse("# T.\na> <foo bar>\n"), Err(ParseError::Pattern(2, _))));
    assert!(matches!(Transcript::parse("# T.\nwait 1ms\n"), Err(ParseError::NeedsSockets(2))));
    assert!(matches!(
        Transcript::parse("# T.\n# needs: sockets\nserver reload x\n"),
        Err(ParseError::UnknownConfig(3, _))
    ));
}

#[test]
fn configurations_are_read_from_the_head() {
    let transcript = Transcript::parse(
        "# T.\n# needs: sockets\n# flags: -D -V\n# config:\n#   a: 1\n\
             #   b {\n#     c: 2\n#   }\n# config other:\n#   a: 2\n",
    )
    .unwrap();
    assert_eq!(transcript.flags, ["-D", "-V"]);
    assert_eq!(transcript.config, "a: 1\nb {\n  c: 2\n}\n");
    assert_eq!(transcript.reloads, [("other".to_owned(), "a: 2\n".to_owned())]);
    assert!(transcript.needs_sockets);
}

#[test]
fn a_recording_keeps_what_holds_and_replaces_what_does_not() {
    let text = "# T.\na> x\na< <any>\na> y\na< wrong\n";
    let transcript = Transcript::parse(text).unwrap();
    let recorded = record(text, &transcript, &mut Script::new(&["+OK\r\n", "-ERR 'a|b'\r\n"])).unwrap();
    assert_eq!(recorded, "# T.\na> x\na< <any>\na> y\na< -ERR 'a\\|b'\n");
}
