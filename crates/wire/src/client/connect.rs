//! What a client says of itself in `CONNECT`.
//!
//! The JSON is read as Go reads it: keys match without regard to case, the last of equal keys wins, `null` leaves a
//! field as it was, an empty text is an absent one, unknown keys are ignored; a wrong type is an error, and so is
//! anything behind the object. (Go also takes a lone surrogate escape in a text; here it is an error.)
//!
//! Not here: what the options allow. Secrets are never printed: neither by `Debug` nor in errors.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

/// The options of a `CONNECT`, with nats-server's values where a field is missing.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the protocol's own words")]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's own flags")]
pub struct Connect {
    pub verbose: bool,
    pub pedantic: bool,
    pub echo: bool,
    pub tls_required: bool,
    pub headers: bool,
    pub no_responders: bool,
    pub nkey: Option<Box<str>>,
    pub jwt: Option<Box<str>>,
    pub sig: Option<Box<str>>,
    pub auth_token: Option<Box<str>>,
    pub user: Option<Box<str>>,
    pub pass: Option<Box<str>>,
    pub name: Box<str>,
    pub lang: Box<str>,
    pub version: Box<str>,
    pub protocol: i64,
    pub account: Option<Box<str>>,
    pub new_account: bool,
    /// A trusted proxy's signature of the nonce.
    pub proxy_sig: Option<Box<str>>,
}

/// The text after `CONNECT` is not a JSON object of the expected form.
///
/// Says where and not what: the text may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid CONNECT options at column {column}")]
pub struct InvalidConnect {
    /// Counted in bytes, from 1.
    pub column: usize,
}

impl Default for Connect {
    /// What holds before a `CONNECT`: verbose, pedantic and echo are on.
    fn default() -> Self {
        Connect {
            verbose: true,
            pedantic: true,
            echo: true,
            tls_required: false,
            headers: false,
            no_responders: false,
            nkey: None,
            jwt: None,
            sig: None,
            auth_token: None,
            user: None,
            pass: None,
            name: Box::default(),
            lang: Box::default(),
            version: Box::default(),
            protocol: 0,
            account: None,
            new_account: false,
            proxy_sig: None,
        }
    }
}

impl Connect {
    /// The options of a connection's first `CONNECT`.
    ///
    /// # Errors
    /// The peer's fault; the connection is closed without a word.
    pub fn parse(json: &[u8]) -> Result<Connect, InvalidConnect> {
        let mut connect = Connect::default();
        connect.update(json)?;
        Ok(connect)
    }

    /// Applies a further `CONNECT`: what it does not mention stays.
    ///
    /// # Errors
    /// As [`Connect::parse`]; which fields changed is then unspecified.
    pub fn update(&mut self, json: &[u8]) -> Result<(), InvalidConnect> {
        let json = String::from_utf8_lossy(json);
        let mut deserializer = serde_json::Deserializer::from_str(&json);
        let invalid = |error: serde_json::Error| InvalidConnect { column: error.column() };
        Update(self).deserialize(&mut deserializer).map_err(invalid)?;
        deserializer.end().map_err(invalid)
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redacted = |secret: &Option<Box<str>>| secret.as_ref().map(|_| "<redacted>");
        f.debug_struct("Connect")
            .field("verbose", &self.verbose)
            .field("pedantic", &self.pedantic)
            .field("echo", &self.echo)
            .field("tls_required", &self.tls_required)
            .field("headers", &self.headers)
            .field("no_responders", &self.no_responders)
            .field("nkey", &self.nkey)
            .field("jwt", &redacted(&self.jwt))
            .field("sig", &redacted(&self.sig))
            .field("auth_token", &redacted(&self.auth_token))
            .field("user", &self.user)
            .field("pass", &redacted(&self.pass))
            .field("name", &self.name)
            .field("lang", &self.lang)
            .field("version", &self.version)
            .field("protocol", &self.protocol)
            .field("account", &self.account)
            .field("new_account", &self.new_account)
            .field("proxy_sig", &redacted(&self.proxy_sig))
            .finish()
    }
}

/// Reads an object into the options; `null` changes nothing.
struct Update<'c>(&'c mut Connect);

impl<'de> DeserializeSeed<'de> for Update<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Update<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the options of CONNECT")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let connect = self.0;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let map = &mut map;
            match fold(&key).as_str() {
                "verbose" => set(map, &mut connect.verbose)?,
                "pedantic" => set(map, &mut connect.pedantic)?,
                "echo" => set(map, &mut connect.echo)?,
                "tls_required" => set(map, &mut connect.tls_required)?,
                "headers" => set(map, &mut connect.headers)?,
                "no_responders" => set(map, &mut connect.no_responders)?,
                "nkey" => set_text(map, &mut connect.nkey)?,
                "jwt" => set_text(map, &mut connect.jwt)?,
                "sig" => set_text(map, &mut connect.sig)?,
                "auth_token" => set_text(map, &mut connect.auth_token)?,
                "user" => set_text(map, &mut connect.user)?,
                "pass" => set_text(map, &mut connect.pass)?,
                "name" => set(map, &mut connect.name)?,
                "lang" => set(map, &mut connect.lang)?,
                "version" => set(map, &mut connect.version)?,
                "protocol" => set(map, &mut connect.protocol)?,
                "account" => set_text(map, &mut connect.account)?,
                "new_account" => set(map, &mut connect.new_account)?,
                "proxy_sig" => set_text(map, &mut connect.proxy_sig)?,
                // Words of links between servers: of no use here, but a wrong type is an error for a client too.
                "remote_account" => drop(map.next_value::<Option<Cow<'de, str>>>()?),
                "import" | "export" => drop(map.next_value::<Option<BTreeMap<Cow<'de, str>, IgnoredAny>>>()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Lower case as Go folds keys: besides ASCII, the long s and the Kelvin sign are letters of field names.
pub fn fold(key: &str) -> String {
    key.chars()
        .map(|char| match char {
            '\u{17F}' => 's',
            '\u{212A}' => 'k',
            _ => char.to_ascii_lowercase(),
        })
        .collect()
}

fn set<'de, A: MapAccess<'de>, T: Deserialize<'de>>(map: &mut A, field: &mut T) -> Result<(), A::Error> {
    if let Some(value) = map.next_value::<Option<T>>()? {
        *field = value;
    }
    Ok(())
}

fn set_text<'de, A: MapAccess<'de>>(map: &mut A, field: &mut Option<Box<str>>) -> Result<(), A::Error> {
    if let Some(text) = map.next_value::<Option<Box<str>>>()? {
        *field = Some(text).filter(|text| !text.is_empty());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: impl AsRef<[u8]>, change: impl FnOnce(&mut Connect)) {
        let mut expected = Connect::default();
        change(&mut expected);
        assert_eq!(Connect::parse(json.as_ref()), Ok(expected), "{}", json.as_ref().escape_ascii());
    }

    fn check_error(json: impl AsRef<[u8]>) {
        let json = json.as_ref();
        assert!(Connect::parse(json).is_err(), "{}", json.escape_ascii());
    }

    #[test]
    fn missing_and_null_fields_keep_the_defaults() {
        check("{}", |_| ());
        check("null", |_| ());
        check(r#" {"verbose":null,"name":null,"user":null,"protocol":null,"import":null} "#, |_| ());
        check(r#"{"user":"","account":"","new_account":false,"import":{},"":5}"#, |_| ());
        assert!(Connect::default().verbose && Connect::default().pedantic && Connect::default().echo);
    }

    #[test]
    fn every_field_is_read() {
        let json = r#"{"verbose":false,"pedantic":false,"echo":false,"tls_required":true,"headers":true,
            "no_responders":true,"nkey":"U1","jwt":"j","sig":"s","auth_token":"t","user":"u","pass":"p","name":"n",
            "lang":"rust","version":"1","protocol":1,"account":"a","new_account":true,"proxy_sig":"x"}"#;
        let some = |text: &str| Some(text.into());
        let expected = Connect {
            verbose: false,
            pedantic: false,
            echo: false,
            tls_required: true,
            headers: true,
            no_responders: true,
            nkey: some("U1"),
            jwt: some("j"),
            sig: some("s"),
            auth_token: some("t"),
            user: some("u"),
            pass: some("p"),
            name: "n".into(),
            lang: "rust".into(),
            version: "1".into(),
            protocol: 1,
            account: some("a"),
            new_account: true,
            proxy_sig: some("x"),
        };
        assert_eq!(Connect::parse(json.as_bytes()), Ok(expected));
    }

    #[test]
    fn keys_match_without_regard_to_case_and_the_last_wins() {
        check(r#"{"VERBOSE":false}"#, |connect| connect.verbose = false);
        check(r#"{"verbose":false,"Verbose":true}"#, |_| ());
        check(r#"{"VERBOSE":true,"verbose":false}"#, |connect| connect.verbose = false);
        check("{\"verbo\u{17F}e\":false}", |connect| connect.verbose = false);
        check(r#"{"user":"a","user":""}"#, |_| ());
    }

    #[test]
    fn unknown_fields_may_hold_anything_that_is_json() {
        let deep = format!("{{\"foo\":{}{}}}", "[".repeat(1990), "]".repeat(1990));
        check(deep, |_| ());
        check(r#"{"foo":1e999,"bar":{"verbose":false}}"#, |_| ());
        check(b"{\"na\xFFme\":5}", |_| ());
        check(b"{\"name\":\"\xFF\"}", |connect| connect.name = "\u{FFFD}".into());
        for json in [r#"{"foo":01}"#, r#"{"foo":tr}"#, r#"{"foo":-}"#, "{\"foo\":\"\t\"}", r#"{"foo":"\x"}"#] {
            check_error(json);
        }
    }

    #[test]
    fn what_is_no_object_of_the_right_types_is_an_error() {
        for json in ["", " ", "[]", "5", "\"x\"", "{", "{\"verbose\":false", "{} x", "{}{}", "\u{FEFF}{}", "{'a':1}"] {
            check_error(json);
        }
        for value in ["0", "\"false\"", "tru", "5,\"verbose\":false", "false,"] {
            check_error(format!("{{\"verbose\":{value}}}"));
        }
        for value in ["1.0", "1e0", "99999999999999999999", "\"1\"", "true"] {
            check_error(format!("{{\"protocol\":{value}}}"));
        }
        for key in ["name", "jwt", "proxy_sig", "remote_account", "import", "export"] {
            check_error(format!("{{\"{key}\":5}}"));
            check_error(format!("{{\"{key}\":[]}}"));
        }
        check_error("{\"lang\":\"a\tb\"}");
    }

    #[test]
    fn a_second_connect_keeps_what_it_does_not_mention() {
        let mut connect = Connect::parse(br#"{"verbose":false,"name":"n"}"#).unwrap();
        connect.update(br#"{"headers":true}"#).unwrap();
        assert!(!connect.verbose && connect.headers && &*connect.name == "n");
    }

    #[test]
    fn secrets_are_not_printed() {
        let json = r#"{"jwt":"s3cret","sig":"s3cret","auth_token":"s3cret","pass":"s3cret","proxy_sig":"s3cret"}"#;
        let printed = format!("{:?}", Connect::parse(json.as_bytes()).unwrap());
        assert!(!printed.contains("s3cret"), "{printed}");
        assert_eq!(printed.matches("<redacted>").count(), 5, "{printed}");
        let error = Connect::parse(br#"{"pass":73313}"#).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("73313"));
    }
}
