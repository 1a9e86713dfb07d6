//! Performs a transcript and stops at the first line that does not hold.

use std::time::Duration;

use serde_json::Value;

use super::conversation::{Conversation, Next, PATIENCE};
use super::json::is_subset;
use super::parse::{Expectation, Line, Step, Transcript};
use super::{Peer, PeerError};

/// How long a monitoring page may take to show what happened.
const PAGE_TRIES: u32 = 100;
const PAGE_PAUSE: Duration = Duration::from_millis(20);

/// The first line that did not hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its number in the file; after the last line, the number of lines.
    pub line: usize,
    /// What the line says.
    pub expected: String,
    /// What was there instead.
    pub received: String,
}

/// Performs a transcript before a peer. At its end every connection must be silent and open, or known to be closed.
///
/// # Errors
/// The first line that does not hold.
pub fn run(transcript: &Transcript, peer: &mut dyn Peer) -> Result<(), Failure> {
    let mut conversation = Conversation::new(peer);
    for line in &transcript.lines {
        for _ in 0..line.times {
            perform(&mut conversation, &line.step).map_err(|received| failure(line, received))?;
        }
    }
    let end = transcript.lines.last().map_or(0, |line| line.number);
    no_more(&mut conversation).map_err(|received| Failure {
        line: end,
        expected: "(nothing more after the last line)".to_owned(),
        received,
    })
}

fn failure(line: &Line, received: String) -> Failure {
    Failure { line: line.number, expected: line.text.clone(), received }
}

/// Does one step; the error says what happened instead.
pub(super) fn perform(conversation: &mut Conversation<'_>, step: &Step) -> Result<(), String> {
    match step {
        Step::Send { connection, pattern, complete } => {
            conversation.open(connection).map_err(describe)?;
            let nonce = conversation.nonce(connection).map_err(describe)?;
            let bytes = pattern.render(nonce.as_deref(), conversation.captures()).map_err(|error| error.to_string())?;
            conversation.send(connection, &bytes, *complete).map_err(describe)
        }
        Step::Expect(expectation) => expect(conversation, expectation, PATIENCE).map_err(|next| next.describe()),
        Step::OneOf(choices) => one_of(conversation, choices),
        Step::AnyOrder(expectations) => in_any_order(conversation, expectations),
        Step::NoMore => no_more(conversation),
        Step::Closed { connection } => conversation.expect_closed(connection).map_err(|next| next.describe()),
        Step::Close { connection } => conversation.close(connection).map_err(describe),
        Step::Open { connection } => conversation.open_silently(connection).map_err(describe),
        Step::Tls { connection, identity } => {
            conversation.open(connection).map_err(describe)?;
            conversation.peer().start_tls(connection, identity.as_deref()).map_err(describe)
        }
        Step::Wait(duration) => {
            conversation.sync_last_sender(None).map_err(describe)?;
            conversation.peer().wait(*duration);
            Ok(())
        }
        Step::Server(command) => {
            conversation.sync_last_sender(None).map_err(describe)?;
            conversation.peer().command(command).map_err(describe)
        }
        Step::Page { path, expected } => page(conversation, path, expected),
    }
}

fn expect(conversation: &mut Conversation<'_>, expectation: &Expectation, patience: Duration) -> Result<(), Next> {
    conversation.expect(&expectation.connection, &expectation.pattern, patience)
}

/// Everything has arrived once the conversation is settled, so the choice is among frames that are there.
fn one_of(conversation: &mut Conversation<'_>, choices: &[Expectation]) -> Result<(), String> {
    conversation.settle().map_err(describe)?;
    let mut received = Vec::new();
    for choice in choices {
        match expect(conversation, choice, Duration::from_millis(1)) {
            Ok(()) => return Ok(()),
            Err(next) => received.push(format!("{}< {}", choice.connection, next.describe())),
        }
    }
    Err(received.join(", "))
}

fn in_any_order(conversation: &mut Conversation<'_>, expectations: &[Expectation]) -> Result<(), String> {
    conversation.settle().map_err(describe)?;
    let mut open: Vec<&Expectation> = expectations.iter().collect();
    while !open.is_empty() {
        let mut received = Vec::new();
        let met =
            open.iter().position(|expectation| match expect(conversation, expectation, Duration::from_millis(1)) {
                Ok(()) => true,
                Err(next) => {
                    received.push(format!("{}< {}", expectation.connection, next.describe()));
                    false
                }
            });
        match met {
            Some(index) => open.remove(index),
            None => return Err(received.join(", ")),
        };
    }
    Ok(())
}

fn no_more(conversation: &mut Conversation<'_>) -> Result<(), String> {
    conversation.settle().map_err(describe)?;
    for name in conversation.names() {
        let (frames, ended) = conversation.leftovers(&name);
        if let Some(frame) = frames.into_iter().next() {
            return Err(format!("{name}< {}", Next::Frame(frame).describe()));
        }
        if ended {
            return Err(format!("{name} {}", Next::Closed.describe()));
        }
    }
    Ok(())
}

/// Pages follow events with a delay, so they are asked for until they show what is expected.
fn page(conversation: &mut Conversation<'_>, path: &str, expected: &Value) -> Result<(), String> {
    conversation.sync_last_sender(None).map_err(describe)?;
    let mut shown = String::new();
    for _ in 0..PAGE_TRIES {
        let body = conversation.peer().page(path).map_err(describe)?;
        match serde_json::from_slice::<Value>(&body) {
            Ok(actual) if is_subset(expected, &actual) => return Ok(()),
            Ok(actual) => shown = actual.to_string(),
            Err(_) => shown = String::from_utf8_lossy(&body).into_owned(),
        }
        conversation.peer().wait(PAGE_PAUSE);
    }
    Err(shown)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn describe(error: PeerError) -> String {
    error.to_string()
}
