//! What a puller asks for: nothing at all, a number, or JSON.
//!
//! What is none of these counts as nothing at all, and keys that are not known are passed over: the reference server
//! does so, and clients of many ages pull.

use crate::{
    json::{self, JsonError, is_default, object},
    time::Nanos,
};

object! {
    /// What a puller asks for.
    pub struct NextRequest: "" {
        /// Until then it waits; 0 is as long as it takes, or not at all.
        #[serde(skip_serializing_if = "is_default")]
        pub expires: Nanos,
        /// So many messages; 0, where JSON names no number, is one.
        #[serde(skip_serializing_if = "is_default")]
        pub batch: isize,
        /// Of so many bytes together; 0 is any number.
        #[serde(skip_serializing_if = "is_default")]
        pub max_bytes: isize,
        /// Only what is there, or with `expires` at least one.
        #[serde(skip_serializing_if = "is_default")]
        pub no_wait: bool,
        /// After so long without a message, a sign of life.
        #[serde(skip_serializing_if = "is_default")]
        pub idle_heartbeat: Nanos,
        /// For this group.
        #[serde(skip_serializing_if = "is_default")]
        pub group: String,
        /// Only while so many messages wait to be sent …
        #[serde(skip_serializing_if = "is_default")]
        pub min_pending: i64,
        /// … or so many for an acknowledgement.
        #[serde(skip_serializing_if = "is_default")]
        pub min_ack_pending: i64,
        /// As this pinned client.
        #[serde(skip_serializing_if = "is_default")]
        pub id: String,
        /// 0 to 9; the lowest is served first.
        #[serde(skip_serializing_if = "is_default")]
        pub priority: isize,
    }
}

/// Why a pull is refused: what follows `Bad Request - ` in the status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNext {
    /// It is no JSON, or none of this kind.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// Signs of life would come too seldom to tell in time that nothing comes.
    #[error("heartbeat value too large")]
    HeartbeatTooLarge,
}

impl NextRequest {
    /// Reads the body of a pull, or what follows `+NXT` in an acknowledgement.
    ///
    /// # Errors
    /// It begins like JSON and is none, or asks for signs of life less than twice in its time.
    pub fn parse(body: &[u8]) -> Result<Self, BadNext> {
        let body = body.trim_ascii();
        let is_json = body.starts_with(b"{");
        let mut request = if is_json {
            json::read::<NextRequest>(body)?
        } else {
            let batch = std::str::from_utf8(body).ok().and_then(|text| text.parse().ok());
            NextRequest { batch: batch.unwrap_or(1), ..NextRequest::default() }
        };
        let heartbeat = request.idle_heartbeat.0;
        if heartbeat > 0 && heartbeat.saturating_mul(2) > request.expires.0 {
            return Err(BadNext::HeartbeatTooLarge);
        }
        request.batch = request.batch.max(isize::from(!is_json));
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_is_nothing_a_number_or_json() {
        #[track_caller]
        fn check(body: &str, expected: Result<NextRequest, &str>) {
            let parsed = NextRequest::parse(body.as_bytes()).map_err(|error| error.to_string());
            assert_eq!(parsed, expected.map_err(str::to_owned));
        }
        let batch = |batch| Ok(NextRequest { batch, ..NextRequest::default() });
        check("", batch(1));
        check("  ", batch(1));
        check("5", batch(5));
        check(" 5\r\n", batch(5));
        check("+5", batch(5));
        check("0", batch(1));
        check("-7", batch(1));
        check("x", batch(1));
        check("[7]", batch(1));
        check("{}", batch(0));
        check(r#"{"batch":-1}"#, batch(0));
        check(r#"{"batch":3,"unknown":1}"#, batch(3));
        check("{", Err("unexpected end of JSON input"));
        let text = "json: cannot unmarshal string into Go struct field .batch of type int";
        check(r#"{"batch":"x"}"#, Err(text));
        check(
            r#"{"expires":10,"no_wait":true,"max_bytes":9,"idle_heartbeat":5,"group":"g","min_pending":1,"priority":9}"#,
            Ok(NextRequest {
                expires: Nanos(10),
                batch: 0,
                max_bytes: 9,
                no_wait: true,
                idle_heartbeat: Nanos(5),
                group: "g".into(),
                min_pending: 1,
                priority: 9,
                ..NextRequest::default()
            }),
        );
        check(r#"{"expires":9,"idle_heartbeat":5}"#, Err("heartbeat value too large"));
        check(r#"{"expires":9,"idle_heartbeat":9223372036854775807}"#, Err("heartbeat value too large"));
    }
}
