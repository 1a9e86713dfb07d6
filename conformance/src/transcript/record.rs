//! Writes a transcript's expectations anew from what a peer really says.
//!
//! Lines that hold are kept as they are, with their placeholders. Lines that do not hold are dropped, and frames that
//! no line asks for are inserted literally where they arrived. So a transcript can be drafted as its sends alone.

use super::conversation::Conversation;
use super::parse::{Step, Transcript};
use super::pattern::escape_frame;
use super::run::perform;
use super::{Failure, Peer};

/// The text of a transcript with the expectations that this peer meets.
///
/// # Errors
/// The line at which something other than an expectation went wrong.
pub fn record(text: &str, transcript: &Transcript, peer: &mut dyn Peer) -> Result<String, Failure> {
    let mut conversation = Conversation::new(peer);
    let mut recorded = String::new();
    // Comments and blank lines wait for the step they introduce, so that insertions go above them.
    let mut waiting = String::new();
    let mut steps = transcript.lines.iter().peekable();
    for (index, source) in text.lines().enumerate() {
        let Some(line) = steps.next_if(|line| line.number == index + 1) else {
            waiting.push_str(source);
            waiting.push('\n');
            continue;
        };
        let kept = match &line.step {
            Step::Expect(_) | Step::OneOf(_) | Step::AnyOrder(_) | Step::Closed { .. } => {
                (0..line.times).all(|_| perform(&mut conversation, &line.step).is_ok())
            }
            Step::Send { .. }
            | Step::NoMore
            | Step::Open { .. }
            | Step::Close { .. }
            | Step::Tls { .. }
            | Step::Wait(_)
            | Step::Server(_)
            | Step::Page { .. } => {
                recorded.push_str(&take_leftovers(&mut conversation, line.number)?);
                for _ in 0..line.times {
                    perform(&mut conversation, &line.step).map_err(|received| Failure {
                        line: line.number,
                        expected: line.text.clone(),
                        received,
                    })?;
                }
                true
            }
        };
        if kept {
            recorded.push_str(&waiting);
            recorded.push_str(source);
            recorded.push('\n');
        } else {
            recorded.push_str(&waiting);
        }
        waiting.clear();
    }
    recorded.push_str(&take_leftovers(&mut conversation, transcript.lines.len())?);
    recorded.push_str(&waiting);
    Ok(recorded)
}

/// Lines for everything that arrived and was not asked for.
fn take_leftovers(conversation: &mut Conversation<'_>, line: usize) -> Result<String, Failure> {
    conversation.settle().map_err(|error| Failure {
        line,
        expected: "(a settled conversation)".to_owned(),
        received: error.to_string(),
    })?;
    let mut lines: Vec<(u32, String)> = Vec::new();
    for name in conversation.names() {
        let (frames, ended) = conversation.leftovers(&name);
        for frame in frames {
            let text = format!("{name}< {}", escape_frame(&frame));
            match lines.last_mut() {
                Some((times, last)) if *last == text => *times += 1,
                _ => lines.push((1, text)),
            }
        }
        if ended {
            conversation.acknowledge_end(&name);
            lines.push((1, format!("{name} closed")));
        }
    }
    Ok(lines
        .into_iter()
        .map(|(times, text)| if times == 1 { format!("{text}\n") } else { format!("{times} times {text}\n") })
        .collect())
}
