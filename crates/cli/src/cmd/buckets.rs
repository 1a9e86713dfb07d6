//! Lists of buckets, of values or of objects: streams whose names begin as clients agreed.

use anyhow::Result;
use firn_api::stream::StreamInfo;

use crate::jetstream::JetStream;
use crate::show;

/// What tells one kind of bucket from the other.
pub(super) struct Buckets {
    /// How the names of their streams begin.
    pub(super) prefix: &'static str,
    /// The command that makes one.
    pub(super) maker: &'static str,
}

/// How a list is shown.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) json: bool,
    pub(super) names: bool,
}

impl Buckets {
    /// Shows the names of all buckets where the form asks for that, and otherwise leaves it to `show_all`, which gets each
    /// with its name.
    ///
    /// # Errors
    /// The server does not answer.
    pub(super) async fn list(
        &self,
        form: Form,
        jetstream: &JetStream,
        show_all: impl FnOnce(&[(String, StreamInfo)]) -> Result<()>,
    ) -> Result<()> {
        let streams = jetstream.streams(None).await?;
        let named = |stream: StreamInfo| Some((self.bucket_of(&stream.config.name)?.to_owned(), stream));
        let buckets: Vec<(String, StreamInfo)> = streams.into_iter().filter_map(named).collect();
        if form.json {
            return show::json(&buckets.iter().map(|(name, _)| name).collect::<Vec<_>>());
        }
        if form.names {
            return buckets.iter().try_for_each(|(name, _)| Ok(show::line(name)?));
        }
        if buckets.is_empty() {
            show::note(format_args!("No buckets; `{}` makes one", self.maker));
            return Ok(());
        }
        show_all(&buckets)
    }

    /// What clients call the stream of a bucket.
    pub(super) fn stream_of(&self, bucket: &str) -> String {
        format!("{}{bucket}", self.prefix)
    }

    /// The bucket whose messages are in a stream, if it is one of this kind.
    pub(super) fn bucket_of<'n>(&self, stream: &'n str) -> Option<&'n str> {
        stream.strip_prefix(self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_may_be_named_like_its_stream() {
        let buckets = Buckets { prefix: "KV_", maker: "firn kv add" };
        assert_eq!(buckets.stream_of("a"), "KV_a");
        assert_eq!(buckets.bucket_of("KV_a"), Some("a"));
        assert_eq!(buckets.bucket_of("KV_KV_a"), Some("KV_a"));
        assert_eq!(buckets.bucket_of("OBJ_a"), None);
    }
}
