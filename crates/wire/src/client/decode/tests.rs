//! Tables of what nats-server answers to, and the decoder's invariants over arbitrary input.

use proptest::prelude::*;

use super::*;
use crate::{client::encode, fuzzing};

const LIMITS: Limits = Limits { control_line_bytes_max: 4096, payload_bytes_max: Some(1_048_576) };

fn check(input: impl AsRef<[u8]>, expected: Result<Step<'_>, DecodeError>) {
    let input = input.as_ref();
    assert_eq!(next(input, &LIMITS), expected, "{}", input.escape_ascii());
}

/// A whole `PUB` with this subject, reply, size token and payload.
fn check_publish(input: &[u8], subject: &[u8], reply: Option<&[u8]>, header: &[u8], payload: &[u8], token: &[u8]) {
    let Ok(Step::Op(ClientOp::Publish(publish), consumed)) = next(input, &LIMITS) else {
        panic!("no publish: {}", input.escape_ascii());
    };
    assert_eq!(consumed, input.len());
    assert_eq!((publish.line.subject, publish.line.reply, publish.line.total_token), (subject, reply, token));
    assert_eq!((publish.header(), publish.payload()), (header, payload));
}

fn subscribe_op(subject: &'static str, queue: Option<&'static str>, sid: &'static str) -> ClientOp<'static> {
    ClientOp::Subscribe { subject: subject.as_bytes(), queue: queue.map(str::as_bytes), sid: sid.as_bytes() }
}

#[test]
fn publishes_are_split_at_blanks_and_keep_their_size_token() {
    check_publish(b"PUB a 1\r\nx\r\n", b"a", None, b"", b"x", b"1");
    check_publish(b"PUB a 01\nx\r\n", b"a", None, b"", b"x", b"01");
    check_publish(b"pub a\t\t 1 \t\r\nx\r\n", b"a", None, b"", b"x", b"1");
    check_publish(b"pUb \t a r 000000002\r\n\r\n\r\n", b"a", Some(b"r"), b"", b"\r\n", b"000000002");
    check_publish(b"PUB a 0\r\n\r\n", b"a", None, b"", b"", b"0");
    check_publish(b"PUB a\rb 0\r\n\r\n", b"a\rb", None, b"", b"", b"0");
    check_publish(b"PUB \xFF\x00 0\r\n\r\n", b"\xFF\x00", None, b"", b"", b"0");
    check_publish(b"HPUB a 2 3\r\nhhp\r\n", b"a", None, b"hh", b"p", b"3");
    check_publish(b"hpub a r 0 5\r\nhello\r\n", b"a", Some(b"r"), b"", b"hello", b"5");
    check_publish(b"HPUB a 0012 012\r\nNATS/1.0\r\n\r\n\r\n", b"a", None, b"NATS/1.0\r\n\r\n", b"", b"012");
}

#[test]
fn a_wrong_form_of_a_publish_is_closed_without_a_word() {
    for arguments in ["a", "a -1", "a 1 2 3 4", "a b c", "a b c d", "a 9999999999", "a 0000000001", "a 1\r", "", "a 1x"]
    {
        check(format!("PUB {arguments}\r\n"), Err(DecodeError::BadArguments("PUB")));
    }
    for arguments in ["a 5", "a 10 5", "a b c", "a b 1 1 1", "a -1 5", "a 1 -5", "a 1 0000000005", ""] {
        check(format!("HPUB {arguments}\r\n"), Err(DecodeError::BadArguments("HPUB")));
    }
}

#[test]
fn subscriptions_have_two_or_three_words() {
    check("SUB a 1\r\n", Ok(Step::Op(subscribe_op("a", None, "1"), 9)));
    check("sub\ta  q\t7 \nPING", Ok(Step::Op(subscribe_op("a", Some("q"), "7"), 12)));
    check("SUB a\rb 5\r\n", Ok(Step::Op(subscribe_op("a", Some("b"), "5"), 11)));
    for arguments in ["", "a", "a 1 2 3"] {
        check(format!("SUB {arguments}\r\n"), Err(DecodeError::BadArguments("SUB")));
    }
}

#[test]
fn an_unsubscribe_without_a_positive_number_is_for_now() {
    let unsubscribe = |max| ClientOp::Unsubscribe { sid: b"1", max };
    check("UNSUB 1\r\n", Ok(Step::Op(unsubscribe(None), 9)));
    check("UNSUB 1 5 \r\n", Ok(Step::Op(unsubscribe(Some(5)), 12)));
    for number in ["0", "x", "-1", "99999999999"] {
        let line = format!("UNSUB 1 {number}\r\n");
        check(&line, Ok(Step::Op(unsubscribe(None), line.len())));
    }
    for arguments in ["", "1 1 1"] {
        check(format!("UNSUB {arguments}\r\n"), Err(DecodeError::BadArguments("UNSUB")));
    }
}

#[test]
fn the_other_verbs() {
    check("PING\r\n", Ok(Step::Op(ClientOp::Ping, 6)));
    check("pingxyz\n", Ok(Step::Op(ClientOp::Ping, 8)));
    check("PONG foo\r\n", Ok(Step::Op(ClientOp::Pong, 10)));
    check("+OKfoo\r\n", Ok(Step::Op(ClientOp::Ok, 8)));
    check("-ERR 'x'\r\n", Ok(Step::Op(ClientOp::Err(b"'x'"), 10)));
    check("INFO{}\r\n", Ok(Step::Op(ClientOp::Info(b"{}"), 8)));
    check("CONNECT{}\r\n", Ok(Step::Op(ClientOp::Connect(b"{}"), 11)));
    check("connect \t {} \r\n", Ok(Step::Op(ClientOp::Connect(b"{} "), 15)));
    check("CONNECT\r\n", Ok(Step::Op(ClientOp::Connect(b""), 9)));
}

#[test]
fn an_unknown_verb_is_told_at_its_first_wrong_byte() {
    for input in ["X", "\r\n", "\n", " PING", "PX", "PUBx", "PUB\r\n", "HPUB\n", "SUB\r", "UNSUB\r\n", "-ERR\r\n"] {
        check(input, Err(DecodeError::UnknownOperation));
    }
    for input in ["MSG a 1 0\r\n", "RMSG", "A+ x\r\n", "LS+ x\r\n", "+O\r\n", "CONNEC \r\n"] {
        check(input, Err(DecodeError::UnknownOperation));
    }
    for input in ["", "P", "pu", "PUB", "PUB a 5", "HPU", "+", "-ERR", "CONNEC", "INFO {", "PING\r", "SUB a 1\r"] {
        check(input, Ok(Step::More));
    }
}

#[test]
fn a_body_must_end_with_crlf_where_its_size_says() {
    check("PUB a 1\r\nx\n\n", Err(DecodeError::UnknownOperation));
    check("PUB a 1\r\nxy", Err(DecodeError::UnknownOperation));
    check("PUB a 1\r\nxyz\r\n", Err(DecodeError::UnknownOperation));
    check("PUB a 1\r\nx\rz", Err(DecodeError::UnknownOperation));
    for input in ["PUB a 1\r\n", "PUB a 1\r\nx", "PUB a 1\r\nx\r"] {
        let Ok(Step::Body { line, line_bytes: 9 }) = next(input.as_bytes(), &LIMITS) else { panic!("{input:?}") };
        assert_eq!(line.body_bytes(), 3);
        assert!(line.with_body(b"x\r\n").is_ok());
        assert_eq!(line.with_body(b"xy\n"), Err(DecodeError::UnknownOperation));
        assert_eq!(line.with_body(b"x\r"), Err(DecodeError::UnknownOperation));
    }
}

#[test]
fn a_payload_too_long_is_refused_before_it_arrives() {
    check("PUB a 1048577\r\n", Err(DecodeError::PayloadTooLong(1_048_577)));
    check("HPUB a 1 999999999\r\n", Err(DecodeError::PayloadTooLong(999_999_999)));
    assert!(matches!(next(b"PUB a 1048576\r\n", &LIMITS), Ok(Step::Body { .. })));
    let unlimited = Limits { payload_bytes_max: None, ..LIMITS };
    assert!(matches!(next(b"PUB a 999999999\r\n", &unlimited), Ok(Step::Body { .. })));
}

#[test]
fn the_limit_counts_the_argument_of_a_control_line() {
    let long = |verb: &str, bytes: usize, end: &str| format!("{verb}{}{end}", "a".repeat(bytes));
    for verb in ["PUB ", "HPUB ", "SUB ", "UNSUB  \t ", "-ERR ", "CONNECT ", "CONNECT", "INFO ", "PING", "+OK"] {
        check(long(verb, 4097, ""), Err(DecodeError::ControlLineTooLong));
        check(long(verb, 4097, "\r\n"), Err(DecodeError::ControlLineTooLong));
        check(long(verb, 4096, "\r\r"), Err(DecodeError::ControlLineTooLong));
        check(long(verb, 4096, "\r"), Ok(Step::More));
        assert_ne!(next(long(verb, 4096, "\r\n").as_bytes(), &LIMITS), Err(DecodeError::ControlLineTooLong));
    }
    check("PUB".to_owned() + &" ".repeat(4098), Err(DecodeError::ControlLineTooLong));
}

/// Streams that are mostly right, so that they get past their first operation.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "(PUB|pub|HPUB|SUB|UNSUB|-ERR|CONNECT|INFO)[ \t]{1,2}[a-c.*>]{1,3}[ \t][a-c]{0,2} ?[0-9]{1,2}\r?\n",
        "PUB a 3\r\n[a-z\r\n]{3}\r\n",
        "HPUB a b 2 4\r\n[a-z\r\n]{4}\r\n",
        "(PING|PONG|\\+OK)[a-z ]{0,3}\r?\n",
        "[a-zA-Z0-9 \t\r\n+-]{0,5}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat().into_bytes())
}

/// Wherever the usual form is taken for a publish, the general decoder finds the same one, and the tail is what stands
/// between the subject's space and the end of the body.
fn check_usual(input: &[u8], limits: &Limits) {
    let Some((usual, consumed)) = usual_publish(input, limits) else { return };
    let Ok(Step::Op(ClientOp::Publish(publish), same)) = next(input, limits) else {
        panic!("no publish: {}", input.escape_ascii());
    };
    assert_eq!((Publish { tail: b"", ..usual }, consumed), (publish, same), "{}", input.escape_ascii());
    let verb_bytes = if usual.line.header_token.is_empty() { b"PUB ".len() } else { b"HPUB ".len() };
    assert_eq!(usual.tail, &input[verb_bytes + usual.line.subject.len() + 1..consumed], "{}", input.escape_ascii());
    assert_eq!(usual.line.header_bytes > 0, !usual.line.header_token.is_empty(), "{}", input.escape_ascii());
}

#[test]
fn the_usual_form_is_capitals_single_spaces_and_crlf() {
    let is_usual = |input: &str| {
        check_usual(input.as_bytes(), &LIMITS);
        usual_publish(input.as_bytes(), &LIMITS).is_some()
    };
    for input in [
        "PUB a 1\r\nx\r\n",
        "PUB a r 0\r\n\r\nPING",
        "HPUB a 1 2\r\nhp\r\n",
        "HPUB a r 1 1\r\nh\r\n",
        "PUB a 01\r\nx\r\n",
    ] {
        assert!(is_usual(input), "{input:?}");
    }
    // A header of no bytes goes on as a `MSG`, which has no header size.
    for input in [
        "pub a 1\r\nx\r\n",
        "PUB  a 1\r\nx\r\n",
        "PUB a 1 \r\nx\r\n",
        "PUB a 1\nx\r\n",
        "PUB a 1\r\nx",
        "HPUB a 0 1\r\nx\r\n",
        "PUB a 2\r\nx\r\n",
        "HPUB a 2 1\r\nx\r\n",
        "PUB a 1\r\nxyz",
    ] {
        assert!(!is_usual(input), "{input:?}");
    }
}

proptest! {
    #[test]
    fn the_usual_form_is_decoded_as_any_other(
        verb in prop::sample::select(vec!["PUB ", "HPUB ", "pub ", "PUB  ", "PUB\t"]),
        words in prop::collection::vec("[a-c.>0-2\t]{0,10}|[0-3]", 1..5),
        end in prop::sample::select(vec!["\r\n", "\n", " \r\n"]),
        body in "[ -~]{0,4}(\r\n)?(PING\r\n)?",
        small: bool,
    ) {
        let input = format!("{verb}{}{end}{body}", words.join(" "));
        let small_limits = Limits { control_line_bytes_max: 8, payload_bytes_max: Some(1) };
        check_usual(input.as_bytes(), if small { &small_limits } else { &LIMITS });
    }

    #[test]
    fn where_a_stream_is_cut_changes_nothing(stream in stream(), read_bytes in 1_usize..40) {
        let whole = fuzzing::decode_all(&stream, stream.len(), &LIMITS);
        prop_assert_eq!(fuzzing::decode_all(&stream, read_bytes, &LIMITS), whole);
    }

    #[test]
    fn any_bytes_satisfy_the_invariants(data in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzzing::client_protocol(&data);
        fuzzing::headers(&data);
        fuzzing::connect(&data);
    }

    #[test]
    fn mostly_right_streams_satisfy_the_invariants(stream in stream(), cut: u8) {
        fuzzing::client_protocol(&[&[cut], stream.as_slice()].concat());
    }

    /// `MSG` has the arguments of `PUB` with the sid in between: what is encoded decodes to the same.
    #[test]
    fn encoded_messages_decode_to_the_same(
        subject in "[a-z.]{1,20}",
        reply in proptest::option::of("[a-z._]{1,20}"),
        headers in prop::collection::vec(any::<u8>(), 0..20),
        payload in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let (subject, reply) = (subject.as_bytes(), reply.as_deref().map(str::as_bytes));
        let header_size = encode::SizeToken::new(headers.len());
        let total_size = encode::SizeToken::new(headers.len() + payload.len());
        let mut message = Vec::new();
        encode::header_message_line(
            &mut message, subject, b"#", reply, header_size.as_bytes(), total_size.as_bytes(),
        );
        let message = String::from_utf8(message).unwrap().replacen("HMSG", "HPUB", 1).replacen(" #", "", 1);
        let stream = [message.as_bytes(), &headers, &payload, b"\r\n"].concat();
        check_publish(&stream, subject, reply, &headers, &payload, total_size.as_bytes());
    }
}
