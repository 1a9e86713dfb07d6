//! Protocol lines in the log, for those who ask for them: `<<- [PUB a 2]` came, `->> [MSG a 1 2]` goes.
//!
//! Whether anybody asks is looked at once per read batch. Secrets are never shown.

use firn_auth::account::AccountId;
use firn_config::{LogOptions, go_quote};
use firn_router::Message;
use firn_wire::client::{
    connect,
    decode::{self, ClientOp, Limits, PublishLine, Step},
};
use tracing::Level;

use super::client::Client;

/// What is shown of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    /// Zero shows all.
    payload_bytes_max: usize,
    headers_only: bool,
    shows_system: bool,
}

/// Fields of `CONNECT` that prove who somebody is.
const SECRETS: [&str; 5] = ["pass", "auth_token", "jwt", "sig", "proxy_sig"];

impl Trace {
    /// None when nobody asks for protocol lines.
    pub(crate) fn asked(options: impl FnOnce() -> LogOptions) -> Option<Trace> {
        if !tracing::enabled!(Level::TRACE) {
            return None;
        }
        let options = options();
        Some(Trace {
            payload_bytes_max: usize::try_from(options.max_traced_msg_len).unwrap_or(0),
            headers_only: options.trace_headers,
            shows_system: options.trace_verbose,
        })
    }

    fn shows(self, client: &Client) -> bool {
        self.shows_system || client.facts().is_none_or(|facts| facts.account != AccountId::SYSTEM)
    }

    /// Shows the complete operations in what arrived; returns how many bytes they are.
    pub(crate) fn received(self, client: &Client, input: &[u8], limits: &Limits) -> usize {
        let mut at = 0;
        while let Ok(Step::Op(operation, length)) = decode::next(input.get(at..).unwrap_or_default(), limits) {
            at += length;
            if self.shows(client) {
                self.show_operation(client, &operation);
            }
        }
        at
    }

    fn show_operation(self, client: &Client, operation: &ClientOp<'_>) {
        tracing::trace!(client = client.label(), "<<- [{}]", operation_text(operation));
        if let ClientOp::Publish(publish) = operation {
            self.show_payload(client, "<<-", publish.body, publish.line.header_bytes);
        }
    }

    /// Shows a message that was put into a client's outbox; `bytes` of header and payload are left of it.
    pub(crate) fn delivered(self, client: &Client, message: &Message<'_>, sid: &[u8], bytes: usize) {
        if !self.shows(client) {
            return;
        }
        let body = message.body.as_slice();
        let cut = body.len().saturating_sub(2 + bytes);
        let has_header = message.header_bytes > 0 && cut == 0;
        let mut words = vec![if has_header { "HMSG".into() } else { "MSG".into() }, lossy(message.subject), lossy(sid)];
        words.extend(message.reply.map(lossy));
        if has_header {
            words.push(message.header_bytes.to_string());
        }
        words.push(bytes.to_string());
        tracing::trace!(client = client.label(), "->> [{}]", words.join(" "));
        let header_bytes = if has_header { message.header_bytes } else { 0 };
        self.show_payload(client, "->>", body.get(cut..).unwrap_or_default(), header_bytes);
    }

    /// Shows what is said to a client besides messages and `INFO`.
    pub(crate) fn said(self, client: &Client, line: &[u8]) {
        let text = lossy(line);
        let text = text.trim_end();
        if text.starts_with("INFO") || !self.shows(client) {
            return;
        }
        let text = text.strip_prefix('+').unwrap_or(text).replace("-ERR '", "-ERR ");
        tracing::trace!(client = client.label(), "->> [{}]", text.trim_end_matches('\''));
    }

    fn show_payload(self, client: &Client, arrow: &str, body: &[u8], header_bytes: usize) {
        let body = body.strip_suffix(b"\r\n").unwrap_or(body);
        let shown = if self.headers_only { body.get(..header_bytes).unwrap_or_default() } else { body };
        if shown.is_empty() {
            return;
        }
        let cut = shown.get(..self.payload_bytes_max).filter(|cut| !cut.is_empty());
        let text = match cut {
            Some(cut) => {
                let quoted = go_quote(&lossy(cut));
                format!("{}...\"", quoted.strip_suffix('"').unwrap_or(&quoted))
            }
            None => go_quote(&lossy(shown)),
        };
        tracing::trace!(client = client.label(), "{arrow} MSG_PAYLOAD: [{text}]");
    }
}

fn operation_text(operation: &ClientOp<'_>) -> String {
    match operation {
        ClientOp::Connect(json) => format!("CONNECT {}", without_secrets(&lossy(json))),
        ClientOp::Publish(publish) => publish_text(&publish.line),
        ClientOp::Subscribe { subject, queue, sid } => {
            let queue = queue.map_or_else(String::new, |queue| format!(" {}", lossy(queue)));
            format!("SUB {}{queue} {}", lossy(subject), lossy(sid))
        }
        ClientOp::Unsubscribe { sid, max } => {
            format!("UNSUB {}{}", lossy(sid), max.map_or_else(String::new, |max| format!(" {max}")))
        }
        ClientOp::Ping => "PING".to_owned(),
        ClientOp::Pong => "PONG".to_owned(),
        ClientOp::Info(json) => format!("INFO {}", lossy(json)),
        ClientOp::Ok => "+OK".to_owned(),
        ClientOp::Err(text) => format!("-ERR {}", lossy(text)),
    }
}

fn publish_text(line: &PublishLine<'_>) -> String {
    let verb = if line.header_token.is_empty() { "PUB" } else { "HPUB" };
    let words = [Some(line.subject), line.reply, Some(line.header_token), Some(line.total_token)];
    let words = words.into_iter().flatten().filter(|word| !word.is_empty()).map(lossy);
    [verb.to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The JSON text with the values of secret fields replaced. What is no JSON is not shown at all: nobody can tell what
/// in it is secret.
fn without_secrets(json: &str) -> String {
    let Ok(serde_json::Value::Object(mut fields)) = serde_json::from_str(json) else { return "[REDACTED]".to_owned() };
    for (name, value) in &mut fields {
        if SECRETS.contains(&&*connect::fold(name)) {
            *value = "[REDACTED]".into();
        }
    }
    serde_json::Value::Object(fields).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        let limits = Limits { control_line_bytes_max: 4096, payload_bytes_max: None };
        let Ok(Step::Op(operation, _)) = decode::next(input.as_bytes(), &limits) else { panic!("{input}") };
        assert_eq!(operation_text(&operation), expected);
    }

    #[test]
    fn operations_are_shown_as_they_came() {
        check("PUB a 2\r\nhi\r\n", "PUB a 2");
        check("PUB a  b 02\r\nhi\r\n", "PUB a b 02");
        check("HPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "HPUB a r 12 14");
        check("SUB a q 1\r\n", "SUB a q 1");
        check("UNSUB 1 5\r\n", "UNSUB 1 5");
        check("ping\r\n", "PING");
    }

    #[test]
    fn secrets_are_not_shown() {
        check(
            "CONNECT {\"user\":\"u\",\"PASS\":\"s3cret\",\"auth_token\":\"t\\\"oken\",\"jwt\":[\"x\"]}\r\n",
            "CONNECT {\"PASS\":\"[REDACTED]\",\"auth_token\":\"[REDACTED]\",\"jwt\":\"[REDACTED]\",\"user\":\"u\"}",
        );
        check("CONNECT {\"paſſ\":\"s3cret\"}\r\n", "CONNECT {\"paſſ\":\"[REDACTED]\"}");
        check("CONNECT {\"pass\":\"s3cret\"\r\n", "CONNECT [REDACTED]");
    }
}
