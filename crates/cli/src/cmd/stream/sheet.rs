//! How a stream is, for people.

use firn_api::cluster::ClusterInfo;
use firn_api::stream::{
    Compression, PersistMode, SourceInfo, StreamConfig, StreamInfo, StreamSource, SubjectTransform,
};
use firn_api::time::Nanos;

use crate::duration;
use crate::show;
use crate::table::{Sheet, yes};

/// All that is known of it.
pub(crate) fn of(info: &StreamInfo) -> Sheet {
    let config = &info.config;
    let mut sheet = Sheet::new(format!("Stream {} created {}", config.name, show::moment(&info.created)));
    head(config, &mut sheet);
    sheet.section("Options");
    options(config, &mut sheet);
    sheet.section("Limits");
    limits(config, &mut sheet);
    metadata(&config.metadata, &mut sheet);
    if let Some(info) = &info.mirror {
        sheet.section("Mirror");
        source(info, &mut sheet);
    }
    if !info.sources.is_empty() {
        sheet.section("Sources");
        info.sources.iter().for_each(|info| source(info, &mut sheet));
    }
    if let Some(info) = &info.cluster {
        cluster(info, &mut sheet);
    }
    sheet.section("State");
    held(info, &mut sheet);
    sheet
}

/// What it holds.
pub(crate) fn state(info: &StreamInfo) -> Sheet {
    let mut sheet = Sheet::new(format!("State of stream {}", info.config.name));
    held(info, &mut sheet);
    sheet
}

fn head(config: &StreamConfig, sheet: &mut Sheet) {
    sheet.text("Description", &config.description);
    sheet.text("Subjects", &config.subjects.join(", "));
    if let Some(mirror) = &config.mirror {
        sheet.value("Mirror", from(mirror));
    }
    for source in &config.sources {
        sheet.value("Source", from(source));
    }
    sheet.value("Replicas", config.num_replicas);
    sheet.value_if(config.sealed, "Sealed", "yes");
    sheet.value("Storage", config.storage);
    sheet.value_if(config.compression != Compression::None, "Compression", config.compression);
    sheet.value_if(config.persist_mode != PersistMode::Default, "Persistence Mode", config.persist_mode);
    sheet.value_if(config.first_seq > 1, "First Sequence", show::count(config.first_seq));
    if let Some(placement) = &config.placement {
        sheet.text("Placement Cluster", &placement.cluster);
        sheet.text("Placement Tags", &placement.tags.join(", "));
    }
}

fn options(config: &StreamConfig, sheet: &mut Sheet) {
    if let Some(transform) = &config.subject_transform {
        sheet.value("Subject Transform", transformed(transform));
    }
    if let Some(republish) = &config.republish {
        let name = if republish.headers_only { "Republishing Headers" } else { "Republishing" };
        sheet.value(name, format!("{} to {}", or_all(&republish.src), republish.dest));
    }
    let discard = match config.discard {
        firn_api::stream::Discard::Old => "old",
        firn_api::stream::Discard::New if config.discard_new_per_subject => "new, also of a subject",
        firn_api::stream::Discard::New => "new",
    };
    sheet.value("Retention", config.retention);
    sheet.value("Acknowledgments", yes(!config.no_ack));
    sheet.value("Discard Policy", discard);
    sheet.value("Duplicate Window", span(config.duplicate_window));
    sheet.value("Direct Get", yes(config.allow_direct));
    sheet.value_if(config.mirror_direct, "Mirror Direct Get", "yes");
    sheet.value("Allows Msg Delete", yes(!config.deny_delete));
    sheet.value("Allows Purge", yes(!config.deny_purge));
    sheet.value("Allows Rollups", yes(config.allow_rollup_hdrs));
    sheet.value("Allows Per-Message TTL", yes(config.allow_msg_ttl));
    sheet.value_if(
        config.subject_delete_marker_ttl.0 > 0,
        "Subject Delete Markers TTL",
        span(config.subject_delete_marker_ttl),
    );
    sheet.value_if(config.allow_msg_counter, "Allows Counters", "yes");
    sheet.value_if(config.allow_atomic, "Allows Atomic Batch Publish", "yes");
    sheet.value_if(config.allow_batched, "Allows Fast Batch Publish", "yes");
    sheet.value_if(config.allow_msg_schedules, "Allows Schedules", "yes");
}

fn limits(config: &StreamConfig, sheet: &mut Sheet) {
    sheet.value("Maximum Messages", limit(config.max_msgs, show::count));
    sheet.value("Maximum Per Subject", limit(config.max_msgs_per_subject, show::count));
    sheet.value("Maximum Bytes", limit(config.max_bytes, show::size));
    sheet
        .value("Maximum Age", limit(config.max_age.0, |nanos| duration::plain(std::time::Duration::from_nanos(nanos))));
    sheet.value("Maximum Message Size", limit(config.max_msg_size.into(), show::size));
    sheet.value("Maximum Consumers", limit(i64::try_from(config.max_consumers).unwrap_or(-1), show::count));
    let of_consumers = &config.consumer_limits;
    sheet.value_if(
        of_consumers.inactive_threshold.0 > 0,
        "Consumer Inactive Threshold",
        span(of_consumers.inactive_threshold),
    );
    sheet.value_if(of_consumers.max_ack_pending > 0, "Consumer Max Ack Pending", of_consumers.max_ack_pending);
}

fn held(info: &StreamInfo, sheet: &mut Sheet) {
    let state = &info.state;
    let at = |seq, time| format!("{} @ {}", show::count(seq), show::moment(time));
    sheet.value("Messages", show::count(state.messages));
    sheet.value("Bytes", show::size(state.bytes));
    if let Some(lost) = &state.lost {
        let messages = lost.msgs.as_ref().map_or(0, Vec::len);
        sheet.value("Lost Messages", format!("{messages} ({})", show::size(lost.bytes)));
    }
    sheet.value("First Sequence", at(state.first_seq, &state.first_ts));
    sheet.value("Last Sequence", at(state.last_seq, &state.last_ts));
    sheet.value_if(state.num_deleted > 0, "Deleted Messages", state.num_deleted);
    sheet.value("Active Consumers", state.consumer_count);
    sheet.value_if(state.num_subjects > 0, "Number of Subjects", state.num_subjects);
    for alternate in &info.alternates {
        let place = [&alternate.name, &alternate.domain, &alternate.cluster].map(String::as_str);
        sheet.value("Alternate", place.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "));
    }
}

/// What its owner says.
pub(crate) fn metadata(metadata: &firn_api::names::Metadata, sheet: &mut Sheet) {
    if !metadata.is_empty() {
        sheet.section("Metadata");
        metadata.iter().for_each(|(key, value)| sheet.value(key, value));
    }
}

/// Who carries it.
pub(crate) fn cluster(cluster: &ClusterInfo, sheet: &mut Sheet) {
    sheet.section("Cluster");
    sheet.text("Name", &cluster.name);
    sheet.text("Raft Group", &cluster.raft_group);
    sheet.text("Leader", &cluster.leader);
    for replica in &cluster.replicas {
        let state = match (replica.offline, replica.current) {
            (true, _) => "offline",
            (false, true) => "current",
            (false, false) => "outdated",
        };
        let seen = duration::age(replica.active.duration());
        sheet
            .value("Replica", format!("{}, {state}, {} operations behind, seen {seen} ago", replica.name, replica.lag));
    }
}

fn source(info: &SourceInfo, sheet: &mut Sheet) {
    sheet.value("Stream", &info.name);
    sheet.text("Subject Filter", &info.filter_subject);
    for transform in &info.subject_transforms {
        sheet.value("Subject Transform", transformed(transform));
    }
    sheet.value("Lag", show::count(info.lag));
    let seen =
        if info.active.0 < 0 { "never".to_owned() } else { format!("{} ago", duration::age(info.active.duration())) };
    sheet.value("Last Seen", seen);
    if let Some(external) = &info.external {
        sheet.text("API Prefix", &external.api);
        sheet.text("Delivery Prefix", &external.deliver);
    }
    if let Some(error) = &info.error {
        sheet.value("Error", &error.description);
    }
}

fn from(source: &StreamSource) -> String {
    let mut shown = source.name.clone();
    if !source.filter_subject.is_empty() {
        shown.push_str(&format!(", only {}", source.filter_subject));
    }
    if source.opt_start_seq > 0 {
        shown.push_str(&format!(", from sequence {}", source.opt_start_seq));
    }
    if let Some(time) = &source.opt_start_time {
        shown.push_str(&format!(", from {}", show::moment(time)));
    }
    for transform in &source.subject_transforms {
        shown.push_str(&format!(", {}", transformed(transform)));
    }
    shown
}

fn transformed(transform: &SubjectTransform) -> String {
    match transform.dest.as_str() {
        "" => or_all(&transform.src).to_owned(),
        dest => format!("{} to {dest}", or_all(&transform.src)),
    }
}

fn or_all(pattern: &str) -> &str {
    if pattern.is_empty() { ">" } else { pattern }
}

/// Below one, there is none.
pub(crate) fn limit(limit: i64, show: impl Fn(u64) -> String) -> String {
    match u64::try_from(limit) {
        Ok(limit) if limit > 0 => show(limit),
        Ok(_) | Err(_) => "unlimited".to_owned(),
    }
}

pub(crate) fn span(time: Nanos) -> String {
    duration::plain(time.duration())
}

#[cfg(test)]
mod tests {
    //! A stream by the words of its server.

    use firn_api::json;

    use super::*;

    #[test]
    fn a_stream_is_shown_as_committed() {
        let text = include_bytes!("../../../tests/shown/stream.json");
        let info: StreamInfo = json::read_strict(text).unwrap();
        crate::show::assert_shown("stream.txt", &of(&info).to_string());
    }

    #[test]
    fn a_limit_below_one_is_none() {
        assert_eq!(
            [-1, 0, 1, 2048].map(|number| limit(number, show::size)),
            ["unlimited", "unlimited", "1 B", "2.0 KiB"]
        );
    }
}
