//! What the reader does that no recorded row shows.

use proptest::prelude::*;

use super::*;
use crate::stream::{CreateRequest, StreamConfig};

#[test]
fn a_plain_reader_takes_one_document_and_any_key() {
    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let name = read::<StreamConfig>(text.as_bytes()).map(|config| config.name);
        assert_eq!(name, expected.map(str::to_owned).map_err(JsonError::new));
    }
    check(r#"{"name":"S","unknown":[{}]}"#, Ok("S"));
    check(" null ", Ok(""));
    check("", Err("unexpected end of JSON input"));
    check(r#"{"name""#, Err("unexpected end of JSON input"));
    check(r#"{"name":"S"}{}"#, Err("invalid character '{' after top-level value"));
    check("[]", Err("json: cannot unmarshal array into Go value of type server.StreamConfig"));
}

#[test]
fn what_a_strict_reader_refuses_gets_a_second_chance_where_the_server_is_not_strict() {
    let body = br#"{"name":"S","unknown":1}"#;
    assert!(read_with::<StreamConfig>(body, true).is_err());
    assert_eq!(read_with::<StreamConfig>(body, false).map(|config| config.name), Ok("S".to_owned()));
    let several = br#"{"name":"S"}{"description":"d"}"#;
    assert_eq!(read_with::<StreamConfig>(several, false).map(|config| config.description), Ok("d".to_owned()));
}

#[test]
fn an_empty_request_is_nothing_or_an_object_of_nothing() {
    for (body, expected) in [
        ("", true),
        ("{}", true),
        (" { } ", true),
        (" ", false),
        ("[]", false),
        ("x", false),
        ("{}{}", false),
        ("{\"a\":1}", false),
    ] {
        assert_eq!(is_empty_request(body.as_bytes()), expected, "{body}");
    }
    for (body, expected) in [("{", true), (" \t\r\n[", true), ("", false), ("x{", false), ("\u{c}{", false)] {
        assert_eq!(is_json(body.as_bytes()), expected, "{body}");
    }
}

#[test]
fn depth_is_bounded() {
    let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
    let error = |levels| read_strict::<CreateRequest>(&deep(levels)).unwrap_err().to_string();
    assert_eq!(error(128), "json: cannot unmarshal array into Go value of type server.StreamConfigRequest");
    assert_eq!(error(129), "exceeded max depth at offset 129");
    assert_eq!(error(1_000_000), "exceeded max depth at offset 129");
}

#[test]
fn bytes_are_base64() {
    let mut bytes = Bytes::default();
    let value = parse::Parser::new(br#""aGk=""#).next().unwrap().unwrap();
    bytes.read(&value, &At::root("", true)).unwrap();
    assert_eq!(bytes.0, b"hi");
    assert_eq!(write(&bytes), br#""aGk=""#);
    let value = parse::Parser::new(br#""!""#).next().unwrap().unwrap();
    assert!(bytes.read(&value, &At::root("", true)).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_with::<CreateRequest>(&bytes, false);
    }

    #[test]
    fn any_text_of_json_is_a_message_or_an_error(
        text in r#"([{}\[\],:"\\u0-9eE.+-]|null|true|"name"|"mirror"|"max_age"){0,30}"#
    ) {
        let ours = read::<CreateRequest>(text.as_bytes());
        // What another parser refuses is no JSON for us either.
        if serde_json::from_str::<serde_json::Value>(&text).is_err() && ours.is_ok() {
            // A number that fits no float, or a lonely half of a pair, which we take.
            prop_assert!(text.contains(['e', 'E', 'u']), "{}", text);
        }
    }

    #[test]
    fn any_string_survives(text in any::<String>()) {
        let config = StreamConfig { name: text, ..StreamConfig::default() };
        prop_assert_eq!(read_strict::<StreamConfig>(&write(&config)), Ok(config));
    }
}
