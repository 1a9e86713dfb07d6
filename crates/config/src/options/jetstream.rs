//! The options of `jetstream`, of the server and of an account. Checked, not used: the feature does not exist yet.

use crate::table::{Kind, Row, Section, Unknown};

pub(super) static JETSTREAM: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Expected map, bool or string to define JetStream, got {type}",
    rows: &[
        Row::later("enabled", Kind::Bool, "Switch streams on.").or(&["enable"]).default("true"),
        Row::later("strict", Kind::Bool, "Refuse unknown fields in requests.").default("true"),
        Row::later("store_dir", Kind::Text, "Folder of streams.").or(&["store", "storedir"]),
        Row::later("sync_interval", Kind::Special, "Time between two syncs of a stream, or `always`.")
            .or(&["sync"])
            .default("2m"),
        Row::later("max_memory_store", Kind::Size, "Bytes of streams in memory.").or(&["max_mem_store", "max_mem"]),
        Row::later("max_file_store", Kind::Size, "Bytes of streams on disk.").or(&["max_file"]),
        Row::later("domain", Kind::Text, "Name of the JetStream domain."),
        Row::later("encryption_key", Kind::Text, "Key to encrypt streams with.").or(&["key", "ek"]),
        Row::later("prev_encryption_key", Kind::Text, "The key before.").or(&["prev_key", "prev_ek"]),
        Row::later("cipher", Kind::Text, "chacha or aes.").default("chacha"),
        Row::later("extension_hint", Kind::Text, "Whether a leaf node extends the cluster's streams."),
        Row::later("limits", Kind::Block(&LIMITS), "What requests may ask for at most."),
        Row::later("tpm", Kind::Block(&TPM), "Keep the key in a TPM."),
        Row::later("unique_tag", Kind::Text, "Place replicas on servers that differ in this tag."),
        Row::later("max_outstanding_catchup", Kind::Size, "Bytes on the way to a replica that catches up."),
        Row::later("max_buffered_size", Kind::Size, "Bytes that may wait to be stored."),
        Row::later("max_buffered_msgs", Kind::Int, "Messages that may wait to be stored."),
        Row::later("request_queue_limit", Kind::Int, "Requests that may wait."),
        Row::later("info_queue_limit", Kind::Int, "Requests for information that may wait."),
        Row::later("meta_compact", Kind::Int, "Entries of the meta log before it is compacted."),
        Row::later("meta_compact_size", Kind::Size, "Bytes of the meta log before it is compacted."),
        Row::later("meta_compact_sync", Kind::Bool, "Compact without going on meanwhile."),
        Row::later("max_concurrent_io", Kind::Int, "Disk operations at a time."),
    ],
};

pub(super) static ACCOUNT_JETSTREAM: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Expected map, bool or string to define JetStream, got {type}",
    rows: &[
        Row::later("max_memory", Kind::Int, "Bytes of streams in memory.").or(&["max_mem", "mem", "memory"]),
        Row::later("max_store", Kind::Int, "Bytes of streams on disk.").or(&["max_file", "max_disk", "store", "disk"]),
        Row::later("max_streams", Kind::Int, "Number of streams.").or(&["streams"]),
        Row::later("max_consumers", Kind::Int, "Number of consumers.").or(&["consumers"]),
        Row::later("max_bytes_required", Kind::Bool, "Streams must have a limit.")
            .or(&["max_stream_bytes", "max_bytes"]),
        Row::later("mem_max_stream_bytes", Kind::Int, "Bytes of one stream in memory.")
            .or(&["memory_max_stream_bytes"]),
        Row::later("disk_max_stream_bytes", Kind::Int, "Bytes of one stream on disk.").or(&["store_max_stream_bytes"]),
        Row::later("max_ack_pending", Kind::Int, "Messages of a consumer that may wait for their acknowledgement."),
        Row::later("cluster_traffic", Kind::Text, "Account of replication: system or owner."),
    ],
};

static LIMITS: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Expected a map to define JetStreamLimits, got {type}",
    rows: &[
        Row::later("max_ack_pending", Kind::Int, "Messages of a consumer that may wait for their acknowledgement."),
        Row::later("max_ha_assets", Kind::Int, "Replicated streams and consumers on this server."),
        Row::later("max_request_batch", Kind::Int, "Messages of one pull request."),
        Row::later("duplicate_window", Kind::Duration, "Time message ids are remembered."),
        Row::later("default_max_consumers", Kind::Int, "Consumers of a stream that names no limit."),
        Row::later("batch", Kind::Block(&BATCH), "Batches of messages."),
    ],
};

static BATCH: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Expected a map to define batch limits, got {type}",
    rows: &[
        Row::later("max_inflight_per_stream", Kind::Int, "Open batches of a stream."),
        Row::later("max_inflight_total", Kind::Int, "Open batches of the server."),
        Row::later("max_msgs", Kind::Int, "Messages of a batch."),
        Row::later("timeout", Kind::Duration, "Time until an open batch is dropped."),
    ],
};

static TPM: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Expected a map to define JetStreamLimits, got {type}",
    rows: &[
        Row::later("keys_file", Kind::Text, "File with the sealed key."),
        Row::later("encryption_password", Kind::Text, "Password of the key."),
        Row::later("srk_password", Kind::Text, "Password of the storage root key."),
        Row::later("pcr", Kind::Int, "Register the key is sealed with."),
        Row::later("cipher", Kind::Text, "chacha or aes."),
    ],
};
