//! Backup and restore of a stream.

use super::{StreamConfig, StreamState};
use crate::{
    envelope::Body,
    json::{is_default, object},
};

object! {
    /// A stream shall be sent as an archive.
    pub struct SnapshotRequest: "server.JSApiStreamSnapshotRequest" {
        /// To this subject.
        pub deliver_subject: String,
        /// Without its consumers.
        #[serde(skip_serializing_if = "is_default")]
        pub no_consumers: bool,
        /// In chunks of so many bytes: 1 KiB to 1 MiB, 128 KiB where nothing is said.
        #[serde(skip_serializing_if = "is_default")]
        pub chunk_size: isize,
        /// With so many bytes under way: 1 KiB to 32 MiB, 8 MiB where nothing is said.
        #[serde(skip_serializing_if = "is_default")]
        pub window_size: isize,
        /// Check every message first.
        #[serde(skip_serializing_if = "is_default")]
        pub jsck: bool,
    }
}

impl SnapshotRequest {
    /// Bytes of a chunk, within its bounds.
    pub fn chunk_bytes(&self) -> usize {
        bounded(self.chunk_size, 128 << 10, 1 << 20)
    }

    /// Bytes under way, within their bounds.
    pub fn window_bytes(&self) -> usize {
        bounded(self.window_size, 8 << 20, 32 << 20)
    }
}

object! {
    /// An archive is on its way.
    pub struct SnapshotStarted: "server.JSApiStreamSnapshotResponse" {
        /// The stream's configuration, which is not in the archive.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub config: Option<StreamConfig>,
        /// What it holds.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub state: Option<StreamState>,
    }
}

object! {
    /// A stream shall be made from an archive.
    pub struct RestoreRequest: "server.JSApiStreamRestoreRequest" {
        /// What it is configured with.
        pub config: StreamConfig,
        /// What it held.
        pub state: StreamState,
    }
}

object! {
    /// An archive may be sent.
    pub struct RestoreReady: "server.JSApiStreamRestoreResponse" {
        /// To this subject; empty beside an error.
        pub deliver_subject: String,
    }
}

impl Body for SnapshotStarted {
    const NAME: &'static str = "stream_snapshot_response";
}

impl Body for RestoreReady {
    const NAME: &'static str = "stream_restore_response";
}

/// Zero and less say nothing.
fn bounded(bytes: isize, default: usize, max: usize) -> usize {
    match usize::try_from(bytes) {
        Ok(0) | Err(_) => default,
        Ok(bytes) => bytes.clamp(1 << 10, max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stay_within_their_bounds() {
        for (asked, chunk, window) in [
            (0, 128 << 10, 8 << 20),
            (-1, 128 << 10, 8 << 20),
            (1, 1 << 10, 1 << 10),
            (2048, 2048, 2048),
            (isize::MAX, 1 << 20, 32 << 20),
        ] {
            let request = SnapshotRequest { chunk_size: asked, window_size: asked, ..SnapshotRequest::default() };
            assert_eq!((request.chunk_bytes(), request.window_bytes()), (chunk, window), "{asked}");
        }
    }
}
