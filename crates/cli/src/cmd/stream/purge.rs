//! `firn stream purge`: remove many messages, in steps where there are very many.

use anyhow::{Result, ensure};
use clap::Args;
use firn_api::json;
use firn_api::stream::{PurgeRequest, StreamPurged, StreamState};
use firn_api::subject::Operation;
use serde_json::json;

use crate::confirm::confirm;
use crate::jetstream::JetStream;
use crate::progress::Progress;
use crate::show;

/// Sequences in one request. A server answers when all is done, and a request must be answered within `--timeout`.
const STEP: u64 = 1_000_000;

#[derive(Args, Debug)]
pub(crate) struct PurgeArgs {
    /// Name of the stream
    stream: String,

    /// Only messages whose subject is in this pattern
    #[arg(long, value_name = "PATTERN")]
    subject: Option<String>,

    /// Only messages before this sequence
    #[arg(long, value_name = "SEQUENCE", conflicts_with = "keep")]
    seq: Option<u64>,

    /// All but so many
    #[arg(long, value_name = "COUNT")]
    keep: Option<u64>,

    /// Do not ask
    #[arg(short, long)]
    force: bool,

    /// Show the result as JSON
    #[arg(short, long)]
    json: bool,
}

/// # Errors
/// The server refuses; what was removed before stays removed.
pub(crate) async fn purge(args: &PurgeArgs, jetstream: &JetStream) -> Result<()> {
    let PurgeArgs { stream, subject, seq, keep, .. } = args;
    ensure!(
        *seq != Some(0) && *keep != Some(0),
        "--seq 0 and --keep 0 would remove everything; leave them out for that"
    );
    confirm(args.force, &format!("Remove messages from stream {stream}"))?;
    let filter = subject.clone().unwrap_or_default();
    let state = jetstream.stream(stream).await?.body.state;
    let steps = if keep.is_none() { steps(&state, *seq) } else { Vec::new() };
    let progress = Progress::count(state.messages, !args.json && !steps.is_empty());
    let mut purged = 0;
    let steps = steps.into_iter().map(|seq| PurgeRequest { seq, filter: filter.clone(), keep: 0 });
    // The last request is the one that was asked for: with it, all that came meanwhile is gone too.
    let last = PurgeRequest { seq: seq.unwrap_or(0), filter: filter.clone(), keep: keep.unwrap_or(0) };
    for request in steps.chain([last]) {
        let operation = Operation::StreamPurge { stream };
        let step = jetstream.ask::<StreamPurged>(operation, json::write(&request)).await?.body.purged;
        progress.advance(step);
        purged += step;
    }
    progress.finish();
    if args.json {
        return show::json(&json!({ "success": true, "purged": purged }));
    }
    show::note(format_args!("Removed {} messages from stream {stream}", show::count(purged)));
    Ok(())
}

/// The sequences up to which messages are removed before the rest is; none where one request does it.
fn steps(state: &StreamState, seq: Option<u64>) -> Vec<u64> {
    let end = seq.unwrap_or(u64::MAX).min(state.last_seq);
    let ends = (1..).map_while(|step: u64| state.first_seq.checked_add(step.checked_mul(STEP)?));
    ends.take_while(|step| *step < end).collect()
}

#[cfg(test)]
mod tests {
    //! How much is removed at once.

    use super::*;

    #[test]
    fn very_many_messages_are_removed_in_steps() {
        #[track_caller]
        fn check(first_seq: u64, last_seq: u64, seq: Option<u64>, expected: &[u64]) {
            let state = StreamState { first_seq, last_seq, ..StreamState::default() };
            assert_eq!(steps(&state, seq), expected);
        }
        check(1, 0, None, &[]);
        check(1, 999_999, None, &[]);
        check(1, 2_500_000, None, &[1_000_001, 2_000_001]);
        check(1, 2_500_000, Some(1_500_000), &[1_000_001]);
        check(7_000_000, 8_000_001, None, &[8_000_000]);
        check(7_000_000, 9_000_000, Some(5), &[]);
        check(u64::MAX - 5, u64::MAX, None, &[]);
    }
}
