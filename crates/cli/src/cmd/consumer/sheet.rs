//! How a consumer is, for people.

use firn_api::consumer::{AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy, PriorityPolicy, SequenceInfo};
use firn_api::time::Time;

use crate::cmd::stream::sheet::{cluster, metadata, span};
use crate::duration;
use crate::show;
use crate::table::{Sheet, yes};

/// All that is known of it.
pub(crate) fn of(info: &ConsumerInfo) -> Sheet {
    let title =
        format!("Consumer {} of stream {} created {}", info.name, info.stream_name, show::moment(&info.created));
    let mut sheet = Sheet::new(title);
    let config = info.config.clone().unwrap_or_default();
    delivery(&config, &mut sheet);
    limits(&config, &mut sheet);
    priorities(&config, &mut sheet);
    metadata(&config.metadata, &mut sheet);
    if let Some(info) = &info.cluster {
        cluster(info, &mut sheet);
    }
    sheet.section("State");
    state(info, &config, &mut sheet);
    sheet
}

fn delivery(config: &ConsumerConfig, sheet: &mut Sheet) {
    sheet.text("Description", &config.description);
    sheet.value("Durable", yes(!config.durable_name.is_empty()));
    match config.deliver_subject.as_str() {
        "" => sheet.value("Mode", "pull"),
        subject => sheet.value("Mode", format!("push to {subject}")),
    }
    sheet.text("Deliver Queue Group", &config.deliver_group);
    sheet.text("Filter", &config.filters().collect::<Vec<_>>().join(", "));
    let from = match config.deliver_policy {
        DeliverPolicy::All => "all".to_owned(),
        DeliverPolicy::Last => "last".to_owned(),
        DeliverPolicy::New => "new".to_owned(),
        DeliverPolicy::LastPerSubject => "last per subject".to_owned(),
        DeliverPolicy::ByStartSequence => format!("from sequence {}", show::count(config.opt_start_seq)),
        DeliverPolicy::ByStartTime => {
            format!("since {}", config.opt_start_time.as_ref().map_or_else(String::new, show::moment))
        }
    };
    sheet.value("Deliver Policy", from);
    sheet.value("Ack Policy", config.ack_policy);
    sheet.value_if(config.ack_policy != AckPolicy::None, "Ack Wait", span(config.ack_wait));
    let waits: Vec<String> = config.backoff.iter().copied().map(span).collect();
    sheet.text("Backoff", &waits.join(", "));
    sheet.value("Replay Policy", config.replay_policy);
    sheet.value_if(config.headers_only, "Headers Only", "yes");
    sheet.value_if(config.is_push(), "Flow Control", yes(config.flow_control));
    sheet.value_if(config.idle_heartbeat.0 > 0, "Idle Heartbeat", span(config.idle_heartbeat));
}

fn limits(config: &ConsumerConfig, sheet: &mut Sheet) {
    sheet.value_if(config.max_deliver > 0, "Maximum Deliveries", config.max_deliver);
    sheet.value_if(config.max_ack_pending > 0, "Max Ack Pending", config.max_ack_pending);
    sheet.value_if(config.max_waiting > 0, "Max Waiting Pulls", config.max_waiting);
    sheet.value_if(config.max_batch > 0, "Max Pull Batch", config.max_batch);
    sheet.value_if(config.max_expires.0 > 0, "Max Pull Expire", span(config.max_expires));
    let bytes = u64::try_from(config.max_bytes).unwrap_or(0);
    sheet.value_if(bytes > 0, "Max Pull Bytes", show::size(bytes));
    sheet.value_if(
        config.rate_limit_bps > 0,
        "Rate Limit",
        format_args!("{} a second", show::size(config.rate_limit_bps / 8)),
    );
    sheet.text("Sampling Rate", &config.sample_freq);
    sheet.value_if(config.inactive_threshold.0 > 0, "Inactive Threshold", span(config.inactive_threshold));
    sheet.value_if(config.num_replicas > 0, "Replicas", config.num_replicas);
    sheet.value_if(config.mem_storage, "Memory Storage", "yes");
}

fn priorities(config: &ConsumerConfig, sheet: &mut Sheet) {
    if config.priority_policy == PriorityPolicy::None {
        return;
    }
    sheet.value("Priority Policy", config.priority_policy);
    sheet.text("Priority Groups", &config.priority_groups.join(", "));
    sheet.value_if(config.priority_policy == PriorityPolicy::PinnedClient, "Pinned TTL", span(config.priority_timeout));
}

fn state(info: &ConsumerInfo, config: &ConsumerConfig, sheet: &mut Sheet) {
    sheet.value("Last Delivered Message", place(&info.delivered, &info.ts));
    if config.ack_policy != AckPolicy::None {
        sheet.value("Acknowledgment Floor", place(&info.ack_floor, &info.ts));
        sheet.value("Outstanding Acks", of_maximum(info.num_ack_pending, config.max_ack_pending));
        sheet.value("Redelivered Messages", info.num_redelivered);
    }
    sheet.value("Unprocessed Messages", show::count(info.num_pending));
    if config.is_push() {
        sheet.value("Active Interest", yes(info.push_bound));
    } else {
        sheet.value("Waiting Pulls", of_maximum(info.num_waiting, config.max_waiting));
    }
    for group in &info.priority_groups {
        let pinned = match group.pinned_client_id.as_str() {
            "" => "nobody is pinned".to_owned(),
            id => format!("{id} is pinned since {}", show::moment(&group.pinned_ts)),
        };
        sheet.value(format!("Group {}", group.group), pinned);
    }
    sheet.value_if(info.paused, "Paused", format_args!("{} more", duration::age(info.pause_remaining.duration())));
}

fn place(place: &SequenceInfo, now: &Time) -> String {
    let (delivery, sequence) = (show::count(place.consumer_seq), show::count(place.stream_seq));
    let ago = place.last_active.as_ref().map(|last| format!(", {}", show::ago(now, last))).unwrap_or_default();
    format!("Consumer sequence: {delivery} Stream sequence: {sequence}{ago}")
}

fn of_maximum(number: isize, most: isize) -> String {
    if most > 0 { format!("{number} of {most}") } else { number.to_string() }
}

#[cfg(test)]
mod tests {
    //! Consumers by the words of their server.

    use firn_api::json;

    use super::*;

    #[test]
    fn a_consumer_is_shown_as_committed() {
        for name in ["pull", "push"] {
            let path = format!("{}/tests/shown/consumer_{name}.json", env!("CARGO_MANIFEST_DIR"));
            let info: ConsumerInfo = json::read_strict(&std::fs::read(path).unwrap()).unwrap();
            crate::show::assert_shown(&format!("consumer_{name}.txt"), &of(&info).to_string());
        }
    }
}
