//! What the server says of itself in `INFO`. Missing and false fields are left out, except `headers` and `max_payload`.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// The fields of `INFO` in nats-server's order, and behind them our own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the protocol's own words")]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's own flags")]
pub struct Info {
    pub server_id: String,
    pub server_name: String,
    pub version: String,
    pub proto: i32,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git_commit: String,
    /// The Go version of nats-server; clients expect the key.
    pub go: String,
    pub host: String,
    pub port: u16,
    pub headers: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub auth_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub tls_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub tls_verify: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub tls_available: bool,
    /// In bytes; -1 is no limit.
    pub max_payload: i32,
    #[serde(skip_serializing_if = "is_false")]
    pub jetstream: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub client_id: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_ip: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub nonce: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// The JetStream domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_urls: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ws_connect_urls: Vec<String>,
    /// The server is in lame duck mode.
    #[serde(skip_serializing_if = "is_false")]
    pub ldm: bool,
    /// This `INFO` answers a `CONNECT`.
    #[serde(skip_serializing_if = "is_false")]
    pub connect_info: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_account: String,
    #[serde(skip_serializing_if = "is_false")]
    pub acc_is_sys: bool,
    /// Level of the JetStream API.
    #[serde(skip_serializing_if = "is_zero")]
    pub api_lvl: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub xkey: String,
    /// Version of the program itself, by which it tells that it is not nats-server; clients pass over it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub firn: &'static str,
}

impl Info {
    /// Appends `INFO {json} \r\n`, with the space.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"INFO ");
        let mut serializer = Serializer::with_formatter(&mut *out, GoStrings);
        self.serialize(&mut serializer).expect("plain fields into memory");
        out.extend_from_slice(b" \r\n");
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Compact JSON whose strings escape what Go escapes too: `<`, `>`, `&` and the two Unicode line separators.
struct GoStrings;

impl Formatter for GoStrings {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for part in fragment.split_inclusive(is_escaped_by_go) {
            let Some(last) = part.chars().next_back().filter(|&last| is_escaped_by_go(last)) else {
                writer.write_all(part.as_bytes())?;
                continue;
            };
            let plain = part.strip_suffix(last).expect("the part ends with its last character");
            writer.write_all(plain.as_bytes())?;
            write!(writer, "\\u{:04x}", u32::from(last))?;
        }
        Ok(())
    }
}

fn is_escaped_by_go(char: char) -> bool {
    matches!(char, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(info: &Info, expected: &str) {
        let mut out = b"before ".to_vec();
        info.encode(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("before {expected}"));
    }

    #[test]
    fn empty_fields_are_left_out() {
        check(
            &Info::default(),
            "INFO {\"server_id\":\"\",\"server_name\":\"\",\"version\":\"\",\"proto\":0,\"go\":\"\",\"host\":\"\",\
             \"port\":0,\"headers\":false,\"max_payload\":0} \r\n",
        );
    }

    #[test]
    fn fields_have_the_order_of_nats_server() {
        let text = |text: &str| text.to_owned();
        let info = Info {
            server_id: text("N1"),
            server_name: text("a<b>&\u{2028}é\"\n\u{8}"),
            version: text("2.15.1"),
            proto: 1,
            git_commit: text("b2fd3ef"),
            go: text("go1.27.2"),
            host: text("127.0.0.1"),
            port: 4222,
            headers: true,
            auth_required: true,
            tls_required: true,
            tls_verify: true,
            tls_available: true,
            max_payload: 1_048_576,
            jetstream: true,
            client_id: 5,
            client_ip: text("127.0.0.1"),
            nonce: text("10nr30A6DA4ewSQ"),
            cluster: text("c"),
            domain: text("d"),
            connect_urls: vec![text("1.2.3.4:5"), text("1.2.3.4:6")],
            ws_connect_urls: vec![text("1.2.3.4:7")],
            ldm: true,
            connect_info: true,
            remote_account: text("$G"),
            acc_is_sys: true,
            api_lvl: 5,
            xkey: text("X1"),
            firn: "0.1.0",
        };
        check(
            &info,
            concat!(
                r#"INFO {"server_id":"N1","server_name":"a\u003cb\u003e\u0026\u2028é\"\n\b","version":"2.15.1","#,
                r#""proto":1,"git_commit":"b2fd3ef","go":"go1.27.2","host":"127.0.0.1","port":4222,"headers":true,"#,
                r#""auth_required":true,"tls_required":true,"tls_verify":true,"tls_available":true,"#,
                r#""max_payload":1048576,"jetstream":true,"client_id":5,"client_ip":"127.0.0.1","#,
                r#""nonce":"10nr30A6DA4ewSQ","cluster":"c","domain":"d","connect_urls":["1.2.3.4:5","1.2.3.4:6"],"#,
                r#""ws_connect_urls":["1.2.3.4:7"],"ldm":true,"connect_info":true,"remote_account":"$G","#,
                r#""acc_is_sys":true,"api_lvl":5,"xkey":"X1","firn":"0.1.0"} "#,
                "\r\n"
            ),
        );
    }
}
