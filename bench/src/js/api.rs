//! Requests to the JetStream API, and the checks that their answers are no errors.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::connection::Connection;

use super::messages::{Link, Message, number};

const INBOX: &str = "_INBOX.js.api";

/// Requests under way when many are made that need not wait for one another.
const MANY_WINDOW: usize = 64;

/// A connection for requests.
pub(super) struct Api {
    link: Link,
    requests: u64,
}

/// What came back: the answer, or in words why there is none.
pub(super) enum Answer {
    Json(Value),
    Refused(String),
}

/// A request, without `$JS.API.` before its subject.
pub(super) struct Request {
    pub(super) subject: String,
    pub(super) body: String,
}

impl Api {
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let mut connection = Connection::open(address, None)?;
        connection.subscribe(&format!("{INBOX}.*"), None, 1)?;
        connection.settle()?;
        Ok(Self { link: Link::new(connection), requests: 0 })
    }

    /// Asks, and answers the answer. An error of the server is one here.
    pub(super) fn request(&mut self, request: &Request) -> Result<Value> {
        match self.ask(request)? {
            Answer::Json(json) => Ok(json),
            Answer::Refused(reason) => bail!("{} was refused: {reason}", request.subject),
        }
    }

    /// Asks, and leaves it to the caller what a refusal means.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Answer> {
        let number = self.send(std::slice::from_ref(request))?;
        loop {
            if let Some(message) = self.link.next()? {
                let (answered, answer) = read_answer(&message)?;
                ensure!(answered == number, "request {number} was answered by the answer to {answered}");
                return Ok(answer);
            }
            self.link.wait(&format!("answer to {}", request.subject))?;
        }
    }

    /// Makes requests that do not depend on one another, several at a time; each must be answered without an error.
    pub(super) fn request_many(&mut self, requests: &[Request]) -> Result<()> {
        let mut under_way = BTreeSet::new();
        let mut rest = requests;
        while !rest.is_empty() || !under_way.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(MANY_WINDOW - under_way.len()));
            let last = self.send(now)?;
            under_way.extend(last + 1 - now.len() as u64..=last);
            rest = later;
            self.link.wait("answer to one of many requests")?;
            while let Some(message) = self.link.next()? {
                let (answered, answer) = read_answer(&message)?;
                ensure!(under_way.remove(&answered), "request {answered} was answered twice");
                if let Answer::Refused(reason) = answer {
                    bail!("one of many requests was refused: {reason}");
                }
            }
        }
        Ok(())
    }

    /// Writes requests with one write; answers the number of the last.
    fn send(&mut self, requests: &[Request]) -> Result<u64> {
        let mut frames = String::new();
        for Request { subject, body } in requests {
            self.requests += 1;
            frames.push_str(&format!("PUB $JS.API.{subject} {INBOX}.{} {}\r\n", self.requests, body.len()));
            frames.push_str(body);
            frames.push_str("\r\n");
        }
        self.link.connection.send(frames.as_bytes())?;
        Ok(self.requests)
    }
}

/// The number of the request that a message answers, and the answer.
fn read_answer(message: &Message<'_>) -> Result<(u64, Answer)> {
    let subject = String::from_utf8_lossy(message.subject);
    let number = subject.rsplit('.').next().and_then(|token| number(token.as_bytes()));
    let number = number.with_context(|| format!("an answer to nobody: {subject}"))?;
    if let Some(status) = message.status() {
        return Ok((number, Answer::Refused(format!("status {status}"))));
    }
    let json: Value = serde_json::from_slice(message.payload)
        .with_context(|| format!("an answer that is no JSON: {:?}", String::from_utf8_lossy(message.payload)))?;
    let refusal = json.get("error").map(Value::to_string);
    Ok((number, refusal.map_or(Answer::Json(json), Answer::Refused)))
}

/// A number in an answer, by its path.
pub(super) fn count(answer: &Value, path: &[&str]) -> Result<u64> {
    let found = path.iter().try_fold(answer, |value, key| value.get(key));
    found.and_then(Value::as_u64).with_context(|| format!("no {} in {answer}", path.join(".")))
}

impl Request {
    pub(super) fn new(subject: String, body: String) -> Self {
        Self { subject, body }
    }

    /// The state of a stream.
    pub(super) fn stream_info(stream: &str) -> Self {
        Self::new(format!("STREAM.INFO.{stream}"), String::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(subject: &str, headers: &str, payload: &str) -> Result<(u64, Answer)> {
        let [subject, headers, payload] = [subject, headers, payload].map(str::as_bytes);
        read_answer(&Message { subject, reply: None, headers, payload })
    }

    #[test]
    fn an_error_in_the_answer_is_a_refusal() {
        let (number, Answer::Json(json)) = read("_INBOX.js.api.7", "", r#"{"state":{"messages":3}}"#).unwrap() else {
            panic!("refused")
        };
        assert_eq!((number, count(&json, &["state", "messages"]).unwrap()), (7, 3));
        assert!(count(&json, &["state", "bytes"]).is_err());
        for (headers, payload) in [("", r#"{"error":{"code":404}}"#), ("NATS/1.0 503\r\n\r\n", "")] {
            assert!(matches!(read("a.1", headers, payload).unwrap(), (1, Answer::Refused(_))));
        }
        assert!(read("a.1", "", "hello").is_err());
        assert!(read("a.b", "", "{}").is_err());
    }
}
