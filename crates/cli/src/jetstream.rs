//! Requests to JetStream's API, and what is made of their answers.
//!
//! Requests and answers are those of `firn-api`. An answer is kept as it came, too: scripts see all that the server
//! said, and a configuration that is changed keeps what this program does not know. Values and objects go through the
//! client library, by [`JetStream::context`].

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use async_nats::client::RequestErrorKind;
use async_nats::jetstream::{Context, ContextBuilder};
use async_nats::{Client, Request};
use firn_api::consumer::{ConsumerInfo, ConsumerList};
use firn_api::envelope::{Body, Page, PageRequest, Response};
use firn_api::error::Failure;
use firn_api::json;
use firn_api::stream::{InfoRequest, ListRequest, StreamDescribed, StreamInfo, StreamList};
use firn_api::subject::Operation;
use serde_json::{Map, Value};

use crate::connection::ConnectionArgs;
use crate::duration;

/// JetStream of one account, as the flags say how to reach it.
pub(crate) struct JetStream {
    pub(crate) client: Client,
    pub(crate) timeout: Duration,
    /// What the subjects of requests begin with, without the point.
    prefix: String,
}

/// What the server said.
pub(crate) struct Answer<B> {
    pub(crate) body: B,
    /// The same, with what the type does not know, without the name of the answer's type.
    pub(crate) raw: Map<String, Value>,
}

/// What the server refused, in the form in which the client library says it too.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Failure);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Failure { code, err_code, description } = &self.0;
        write!(f, "{description} (code {code}, error code {err_code})")
    }
}

impl std::error::Error for Refused {}

/// Runs a command that speaks to JetStream, until it is done or the server objects to something.
///
/// # Errors
/// Those of the command; no server takes us.
pub(crate) async fn session<T>(args: &ConnectionArgs, command: impl AsyncFnOnce(&JetStream) -> Result<T>) -> Result<T> {
    let mut connection = args.connect().await?;
    let jetstream = JetStream::new(connection.client.clone(), args)?;
    // Cancel-safe: the command is given up when the server objects.
    let outcome = tokio::select! {
        biased;
        reproach = connection.reproach() => return Err(reproach),
        outcome = command(&jetstream) => outcome?,
    };
    drop(jetstream);
    connection.close().await?;
    Ok(outcome)
}

impl JetStream {
    /// # Errors
    /// The flags contradict each other.
    pub(crate) fn new(client: Client, args: &ConnectionArgs) -> Result<Self> {
        let prefix = match (&args.js_domain, &args.js_api_prefix) {
            (None, None) => "$JS.API".to_owned(),
            (Some(domain), None) => format!("$JS.{domain}.API"),
            (None, Some(prefix)) => prefix.trim_end_matches('.').to_owned(),
            (Some(_), Some(_)) => bail!("--js-domain and --js-api-prefix say the same in two ways; use one"),
        };
        Ok(Self { client, timeout: args.timeout, prefix })
    }

    /// The client library's view of the same.
    pub(crate) fn context(&self) -> Context {
        let builder = ContextBuilder::new().timeout(self.timeout).ack_timeout(self.timeout);
        builder.api_prefix(&self.prefix).build(self.client.clone())
    }

    /// The subject of a request.
    pub(crate) fn subject(&self, operation: Operation<'_>) -> String {
        self.api_subject(&operation.to_string())
    }

    /// A subject behind the prefix of requests.
    pub(crate) fn api_subject(&self, rest: &str) -> String {
        format!("{}.{rest}", self.prefix)
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The server refuses, as [`Refused`], or does not answer.
    pub(crate) async fn ask<B: Body>(&self, operation: Operation<'_>, request: Vec<u8>) -> Result<Answer<B>> {
        let named = operation.to_string();
        // A name with a point, a space or a wildcard would make another request of it, which nobody answers.
        ensure!(Operation::parse(&named) == operation, "`{named}` holds a name that no stream or consumer can have");
        let subject = self.subject(operation);
        let request = Request::new().payload(request.into()).timeout(Some(self.timeout));
        let message = self.client.send_request(subject.clone(), request).await.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => anyhow!("no JetStream answers on {subject}"),
            RequestErrorKind::TimedOut => {
                anyhow!("no answer to {subject} within {}", duration::show(self.timeout))
            }
            RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded | RequestErrorKind::Other => {
                anyhow::Error::from(error)
            }
        })?;
        read(&message.payload).with_context(|| format!("the answer to {subject}"))?.map_err(|it| Refused(it).into())
    }

    /// How a stream is.
    ///
    /// # Errors
    /// The server refuses or does not answer.
    pub(crate) async fn stream(&self, stream: &str) -> Result<Answer<StreamInfo>> {
        let Answer { body, mut raw } =
            self.ask::<StreamDescribed>(Operation::StreamInfo { stream }, Vec::new()).await?;
        // They say which part of the subjects this is, and none were asked for.
        for key in ["total", "offset", "limit"] {
            raw.remove(key);
        }
        Ok(Answer { body: body.info.context("the answer holds no stream")?, raw })
    }

    /// All streams, or those that listen to a subject in a pattern; by name.
    ///
    /// # Errors
    /// The server refuses or does not answer, or cannot say how a stream is.
    pub(crate) async fn streams(&self, subject: Option<&str>) -> Result<Vec<StreamInfo>> {
        let mut streams = Vec::new();
        let mut silent = Vec::new();
        let request = |offset| json::write(&ListRequest { offset, subject: subject.unwrap_or_default().to_owned() });
        self.parts::<StreamList>(Operation::StreamList {}, request, |part| {
            let taken = part.streams.len();
            streams.extend(part.streams);
            silent.extend(unserved(part.missing, part.offline));
            (part.page, taken)
        })
        .await?;
        ensure!(silent.is_empty(), "streams without an answer: {}", silent.join(", "));
        Ok(streams)
    }

    /// All consumers of a stream, by name.
    ///
    /// # Errors
    /// The server refuses or does not answer, or cannot say how a consumer is.
    pub(crate) async fn consumers(&self, stream: &str) -> Result<Vec<ConsumerInfo>> {
        let mut consumers = Vec::new();
        let mut silent = Vec::new();
        let request = |offset| json::write(&PageRequest { offset });
        self.parts::<ConsumerList>(Operation::ConsumerList { stream }, request, |part| {
            let taken = part.consumers.len();
            consumers.extend(part.consumers);
            silent.extend(unserved(part.missing, part.offline));
            (part.page, taken)
        })
        .await?;
        ensure!(silent.is_empty(), "consumers without an answer: {}", silent.join(", "));
        Ok(consumers)
    }

    /// How many messages each subject has, of those in a pattern.
    ///
    /// # Errors
    /// The server refuses or does not answer.
    pub(crate) async fn subjects(&self, stream: &str, filter: &str) -> Result<BTreeMap<String, u64>> {
        let mut subjects = BTreeMap::new();
        let request = |offset| {
            let request = InfoRequest { offset, deleted_details: false, subjects_filter: filter.to_owned() };
            json::write(&request)
        };
        self.parts::<StreamDescribed>(Operation::StreamInfo { stream }, request, |part| {
            let part_subjects = part.info.map(|info| info.state.subjects).unwrap_or_default();
            let taken = part_subjects.len();
            subjects.extend(part_subjects);
            (part.page, taken)
        })
        .await?;
        Ok(subjects)
    }

    /// Asks for one part of a list after the other, until `take` has had all of it. `take` returns how long its part was.
    async fn parts<B: Body>(
        &self,
        operation: Operation<'_>,
        request: impl Fn(isize) -> Vec<u8>,
        mut take: impl FnMut(B) -> (Page, usize),
    ) -> Result<()> {
        let mut offset = 0;
        loop {
            let (page, taken) = take(self.ask::<B>(operation, request(offset)).await?.body);
            offset += isize::try_from(taken)?;
            if taken == 0 || offset >= page.total {
                return Ok(());
            }
        }
    }
}

/// An answer by its bytes: what was done, or why not.
fn read<B: Body>(text: &[u8]) -> Result<Result<Answer<B>, Failure>> {
    let Response { error, body } = json::read::<Response<B>>(text)?;
    if let Some(failure) = error {
        return Ok(Err(failure));
    }
    let mut raw: Map<String, Value> = serde_json::from_slice(text)?;
    raw.remove("type");
    Ok(Ok(Answer { body, raw }))
}

fn unserved(missing: Vec<String>, offline: BTreeMap<String, String>) -> impl Iterator<Item = String> {
    missing.into_iter().chain(offline.into_iter().map(|(name, reason)| format!("{name} ({reason})")))
}

/// A name that a bucket or another system gave its stream, and no person.
pub(crate) fn is_internal(stream: &str) -> bool {
    ["KV_", "OBJ_", "$MQTT_"].iter().any(|prefix| stream.starts_with(prefix))
}

/// What to do about an error, from its text: the client library passes on numbers of errors as texts only.
pub(crate) fn hint(text: &str) -> Option<&'static str> {
    const NUMBER: &str = "error code ";
    const HINTS: [(&str, &str); 13] = [
        ("10059", "`firn stream ls --all` shows the streams, `firn kv ls` and `firn object ls` the buckets"),
        ("10014", "`firn consumer ls STREAM` shows the consumers"),
        ("10149", "`firn consumer ls STREAM` shows the consumers"),
        ("10037", "`firn stream subjects STREAM` shows what it holds"),
        ("10043", "it was deleted; `firn stream info STREAM` shows the first and the last sequence"),
        ("10058", "a stream of that name is configured otherwise; `firn stream edit` changes it"),
        ("10148", "a consumer of that name is configured otherwise; `firn consumer edit` changes it"),
        ("10065", "`firn stream ls --subject SUBJECT` shows the stream that has it"),
        ("10071", "it was changed meanwhile; read it again, and use the revision it has now"),
        ("10077", "the stream is full; `firn stream info` shows its limits, `firn stream purge` makes room"),
        ("10047", "`firn account info` shows what is reserved; give the stream a smaller --max-bytes"),
        ("10039", "the account has no JetStream; enable it in the server's configuration"),
        ("10110", "the stream refuses it (deny_purge); `firn stream info` shows its options"),
    ];
    if text.contains("no JetStream answers") || text.contains("requested JetStream resource does not exist") {
        return Some(
            "start the server with -js, and look whether --js-domain is right; `firn account info` asks again",
        );
    }
    if text.contains("no answer to $JS") {
        return Some("--timeout waits longer; a cluster without a leader does not answer");
    }
    let (_, rest) = text.split_once(NUMBER)?;
    let number = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    HINTS.iter().find(|(known, _)| *known == number).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    //! Answers by their bytes, and what follows from an error.

    use firn_api::stream::StreamPurged;

    use super::*;

    #[test]
    fn an_answer_keeps_what_its_type_does_not_know() {
        let text = br#"{"type":"io.nats.jetstream.api.v1.stream_purge_response","success":true,"purged":7,"new":1}"#;
        let answer = read::<StreamPurged>(text).unwrap().unwrap();
        assert_eq!(answer.body.purged, 7);
        assert_eq!(Value::Object(answer.raw), serde_json::json!({ "success": true, "purged": 7, "new": 1 }));
    }

    #[test]
    fn a_refusal_has_its_text_and_both_numbers() {
        let text = br#"{"type":"x","error":{"code":404,"err_code":10059,"description":"stream not found"}}"#;
        let refused = Refused(read::<StreamPurged>(text).unwrap().err().unwrap()).to_string();
        assert_eq!(refused, "stream not found (code 404, error code 10059)");
        assert!(hint(&refused).unwrap().contains("firn stream ls"));
        assert!(read::<StreamPurged>(b"nonsense").is_err());
    }

    #[test]
    fn hints_are_for_known_errors() {
        assert!(hint("wrong last sequence: 3 (code 400, error code 10071)").unwrap().contains("read it again"));
        assert!(hint("no JetStream answers on $JS.API.INFO").unwrap().contains("-js"));
        assert_eq!(hint("bad request (code 400, error code 10003)"), None);
        assert_eq!(hint("error code"), None);
    }

    #[test]
    fn streams_of_buckets_are_internal() {
        assert_eq!(["KV_a", "OBJ_a", "$MQTT_a", "ORDERS", "kv_a"].map(is_internal), [true, true, true, false, false]);
    }
}
