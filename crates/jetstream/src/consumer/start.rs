//! Where a consumer begins: a choice that is made once, when it is proposed.

use firn_api::consumer::{ConsumerConfig, DeliverPolicy};

use crate::messages::{Access, Fetch, Filter, Messages, ready};

/// Where a consumer begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The first sequence to look at.
    pub sequence: u64,
    /// The stream's last sequence.
    pub last: u64,
}

/// Where a consumer of this configuration begins, in the stream as it is.
pub fn start_sequence(config: &ConsumerConfig, messages: &Messages) -> Access<Start> {
    match find(config, messages) {
        Ok(sequence) => Access::Ready(Start { sequence, last: messages.state().last_sequence }),
        Err(fetch) => Access::Cold(fetch),
    }
}

fn find(config: &ConsumerConfig, messages: &Messages) -> Result<u64, Fetch> {
    let (state, next) = (messages.state(), messages.next_sequence());
    let filter = Filter::new(config.filters());
    Ok(match config.deliver_policy {
        DeliverPolicy::All => state.first_sequence,
        DeliverPolicy::Last => ready(messages.previous(next, &filter))?.unwrap_or(state.first_sequence),
        DeliverPolicy::New => next,
        DeliverPolicy::ByStartSequence => config.opt_start_seq.max(state.first_sequence),
        DeliverPolicy::ByStartTime => {
            let time = config.opt_start_time.as_ref().and_then(|time| time.timestamp());
            match time {
                Some(time) => ready(messages.at_time(time))?.unwrap_or(next),
                // Before or after all times that a message can have.
                None if config.opt_start_time.is_some_and(|time| time.to_string().as_str() < "1970") => {
                    state.first_sequence
                }
                None => next,
            }
        }
        DeliverPolicy::LastPerSubject => {
            let lasts = ready(messages.last_per_subject(&filter, None))?;
            lasts.first().copied().unwrap_or(next)
        }
    })
}
