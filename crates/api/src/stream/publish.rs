//! What a publisher hears. It has no type, and an error stands before the rest.

use crate::{
    error::Failure,
    json::{is_default, object},
};

object! {
    /// A message was stored, or was not.
    pub struct PublishAck: "server.PubAck" {
        /// Why it was not.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub error: Option<Failure>,
        /// Name of the stream.
        pub stream: String,
        /// Sequence of the message; of a batch, the last one's.
        pub seq: u64,
        /// The domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
        /// It was there already.
        #[serde(skip_serializing_if = "is_default")]
        pub duplicate: bool,
        /// Value of the counter.
        #[serde(skip_serializing_if = "is_default")]
        pub val: String,
        /// Id of the batch.
        #[serde(skip_serializing_if = "is_default")]
        pub batch: String,
        /// Messages of the batch.
        #[serde(skip_serializing_if = "is_default")]
        pub count: u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::ApiError, json};

    #[test]
    fn an_acknowledgement_says_where_the_message_is_or_why_it_is_not() {
        #[track_caller]
        fn check(ack: &PublishAck, expected: &str) {
            let written = json::write(ack);
            assert_eq!(String::from_utf8_lossy(&written), expected);
            assert_eq!(json::read::<PublishAck>(&written).as_ref(), Ok(ack));
        }
        let stored = PublishAck { stream: "S".into(), seq: 7, ..PublishAck::default() };
        check(&stored, r#"{"stream":"S","seq":7}"#);
        check(&PublishAck { duplicate: true, ..stored.clone() }, r#"{"stream":"S","seq":7,"duplicate":true}"#);
        check(
            &PublishAck { batch: "b".into(), count: 3, val: "-2".into(), ..stored },
            r#"{"stream":"S","seq":7,"val":"-2","batch":"b","count":3}"#,
        );
        let error = Some(Failure::from(&ApiError::AtomicPublishIncompleteBatch));
        check(
            &PublishAck { error, stream: "S".into(), ..PublishAck::default() },
            r#"{"error":{"code":400,"err_code":10176,"description":"atomic publish batch is incomplete"},"stream":"S","seq":0}"#,
        );
    }
}
