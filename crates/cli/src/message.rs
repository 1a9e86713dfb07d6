//! Messages on their way in and out of a command: headers from flags, bodies from standard input, the forms in which
//! a received message is shown.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::{HeaderMap, Message, header::HeaderName, header::HeaderValue};
use clap::{Args, ValueEnum};
use data_encoding::BASE64;
use serde::Serialize;

use crate::process;
use crate::show;
use crate::template::{self, Facts};

/// What to send, the same for `pub` and `req`.
#[derive(Args, Debug)]
pub(crate) struct OutgoingArgs {
    /// Subject to send to
    subject: String,

    /// Body of the message; without it, standard input is read unless that is a terminal
    body: Option<String>,

    /// Add a header, `Name: value`; may be repeated
    #[arg(short = 'H', long = "header", value_name = "K:V")]
    headers: Vec<String>,

    /// Read the body from standard input, even from a terminal
    #[arg(long)]
    force_stdin: bool,

    /// When to send what standard input says
    #[arg(long, value_name = "WHEN", default_value = "eof")]
    send_on: SendOn,

    /// Whether subject and body hold template functions
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    templates: bool,
}

/// How standard input is cut into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SendOn {
    /// One message, all of it
    Eof,
    /// A message a line
    Newline,
}

/// A message ready to be sent.
pub(crate) struct Outgoing {
    pub(crate) subject: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl OutgoingArgs {
    /// The bodies to send: one, or a line of standard input each.
    pub(crate) fn bodies(&self) -> Box<dyn Iterator<Item = io::Result<Vec<u8>>> + '_> {
        let is_stdin = self.force_stdin || (self.body.is_none() && !io::stdin().is_terminal());
        match (&self.body, is_stdin) {
            (_, true) if self.send_on == SendOn::Newline => Box::new(io::stdin().lock().split(b'\n')),
            (_, true) => Box::new(std::iter::once_with(|| {
                let mut body = Vec::new();
                io::stdin().lock().read_to_end(&mut body).map(|_| body)
            })),
            (Some(body), false) => Box::new(std::iter::once(Ok(body.clone().into_bytes()))),
            (None, false) => Box::new(std::iter::once(Ok(Vec::new()))),
        }
    }

    /// Message number `count` with this body.
    ///
    /// # Errors
    /// A template or a header is not well formed.
    pub(crate) fn message(&self, body: &[u8], count: u64) -> Result<Outgoing> {
        let facts = Facts { count, request: None, now: show::now() };
        let headers = headers(&self.headers, facts)?;
        if !self.templates {
            return Ok(Outgoing { subject: self.subject.clone(), headers, body: body.to_vec() });
        }
        let subject = template::expand(&self.subject, facts)?;
        // Bytes that are no text hold no template.
        let body = match std::str::from_utf8(body) {
            Ok(text) => template::expand(text, facts)?.into_bytes(),
            Err(_) => body.to_vec(),
        };
        Ok(Outgoing { subject, headers, body })
    }
}

/// Headers from `Name: value` flags, with their templates replaced.
///
/// # Errors
/// A flag without a colon, a name or value that a header cannot hold, or a broken template.
pub(crate) fn headers(flags: &[String], facts: Facts<'_>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for flag in flags {
        let (name, value) = flag.split_once(':').with_context(|| format!("invalid header `{flag}`: no colon"))?;
        let value = template::expand(value.trim(), facts)?;
        let name: HeaderName = name.trim().parse().with_context(|| format!("invalid header `{flag}`"))?;
        let value: HeaderValue = value.parse().with_context(|| format!("invalid header `{flag}`"))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// `name: value` of every header, in an order that does not change from run to run.
pub(crate) fn header_lines(headers: Option<&HeaderMap>) -> Vec<String> {
    let Some(headers) = headers else { return Vec::new() };
    let named = headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let mut lines: Vec<String> = named.map(|(name, value)| format!("{name}: {}", value.as_str())).collect();
    lines.sort();
    lines
}

/// Names and values of headers as a stream holds them: a line with the version, then a header a line.
pub(crate) fn stored_headers(stored: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(stored);
    let lines = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

/// The body as people read it, through `translate` if there is one, and with a line end.
///
/// # Errors
/// The other program fails, or the reader of ours is gone.
pub(crate) async fn show_body(body: &[u8], translate: Option<&str>) -> Result<()> {
    if body.is_empty() {
        return Ok(show::line("nil body")?);
    }
    let mut body = match translate {
        Some(line) => process::filter(line, body).await?,
        None => body.to_vec(),
    };
    if !body.ends_with(b"\n") {
        body.push(b'\n');
    }
    Ok(show::bytes(&body)?)
}

/// A received message as a line of JSON.
#[derive(Serialize)]
pub(crate) struct Json<'a> {
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<&'a HeaderMap>,
    /// The body, if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    /// The body in base64, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    time: String,
    /// How long after the request, in a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_ns: Option<u128>,
}

impl Json<'_> {
    pub(crate) fn with_rtt(self, rtt: Duration) -> Self {
        Self { rtt_ns: Some(rtt.as_nanos()), ..self }
    }
}

impl<'a> From<&'a Message> for Json<'a> {
    fn from(message: &'a Message) -> Self {
        let data = std::str::from_utf8(&message.payload).ok();
        Json {
            subject: &message.subject,
            reply: message.reply.as_deref(),
            headers: message.headers.as_ref(),
            data,
            data_base64: data.is_none().then(|| BASE64.encode(&message.payload)),
            time: show::now().to_string(),
            rtt_ns: None,
        }
    }
}

#[cfg(test)]
mod tests {
    //! Messages from flags, and the forms in which they are shown.

    use super::*;

    #[test]
    fn a_header_flag_is_a_name_and_a_value() {
        let facts = Facts { count: 3, request: None, now: firn_id::Timestamp::default() };
        let flags = ["A: 1", "A:{{Count}}", "B: x:y"].map(str::to_owned);
        assert_eq!(header_lines(Some(&headers(&flags, facts).unwrap())), ["A: 1", "A: 3", "B: x:y"]);
        for broken in ["no colon", "A: {{Nope}}", "A b: 1", "A: 1\r\nB: 2"] {
            assert!(headers(&[broken.to_owned()], facts).is_err(), "{broken}");
        }
    }
}
