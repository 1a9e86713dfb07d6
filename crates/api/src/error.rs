//! Errors of the API: one table, from which come the enum, its text and its JSON.
//!
//! ```text
//!   10043 400 SequenceNotFound { seq: u64 } "sequence {seq} not found";          a row of `table`
//!   ApiError::SequenceNotFound { seq: 7 }                                        what code says
//!   {"code":400,"err_code":10043,"description":"sequence 7 not found"}           what goes over the wire
//! ```
//!
//! Clients know an error by its number; people read its text, which is the reference server's. Not here: who finds an
//! error, and the envelope that carries it.

mod table;

use serde::{Serialize, Serializer};

pub use self::table::{ApiError, TABLE};
use crate::json::object;

object! {
    /// An error as it stands in JSON: what a client reads.
    pub struct Failure: "server.ApiError" {
        /// As in HTTP: 4xx is the request's fault, 5xx the server's.
        pub code: u16,
        /// Number of the error, from 10000.
        #[serde(skip_serializing_if = "crate::json::is_default")]
        pub err_code: u16,
        /// For people.
        #[serde(skip_serializing_if = "crate::json::is_default")]
        pub description: String,
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Number of the error, from 10000.
    pub err_code: u16,
    /// As in HTTP.
    pub code: u16,
    /// Name of the variant.
    pub name: &'static str,
    /// Names of its fields.
    pub fields: &'static [&'static str],
    /// Text with `{field}` where a field goes.
    pub text: &'static str,
}

impl ApiError {
    /// A configuration of a stream that breaks a rule; also of a consumer, in some cases.
    pub fn invalid_config(text: impl Into<String>) -> Self {
        Self::StreamInvalidConfig { err: text.into() }
    }

    /// What the server would mend silently, and the client asked it not to.
    pub fn pedantic(text: impl Into<String>) -> Self {
        Self::Pedantic { err: text.into() }
    }
}

impl From<&ApiError> for Failure {
    fn from(error: &ApiError) -> Self {
        Failure { code: error.code(), err_code: error.err_code(), description: error.to_string() }
    }
}

impl Serialize for ApiError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Failure::from(self).serialize(serializer)
    }
}

/// Makes the enum and everything that follows from a row.
macro_rules! api_errors {
    ($($err_code:literal $code:literal $name:ident $({ $($field:ident: $type:ty),+ })? $text:literal;)+) => {
        /// An error of the API.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum ApiError {
            $(
                #[doc = $text]
                #[error($text)]
                $name $({
                    $(
                        #[doc = concat!("What stands for `{", stringify!($field), "}`.")]
                        $field: $type,
                    )+
                })?,
            )+
        }

        impl ApiError {
            /// Number of the error, from 10000: what programs look at.
            pub const fn err_code(&self) -> u16 {
                match self {
                    $(Self::$name { .. } => $err_code,)+
                }
            }

            /// As in HTTP: 4xx is the request's fault, 5xx the server's.
            pub const fn code(&self) -> u16 {
                match self {
                    $(Self::$name { .. } => $code,)+
                }
            }
        }

        /// Every error there is, by ascending number.
        pub const TABLE: &[super::Row] = &[
            $(super::Row {
                err_code: $err_code,
                code: $code,
                name: stringify!($name),
                fields: &[$($(stringify!($field)),+)?],
                text: $text,
            },)+
        ];
    };
}
use api_errors;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn numbers_ascend_and_names_are_unique() {
        for pair in TABLE.windows(2) {
            assert!(pair[0].err_code < pair[1].err_code, "{pair:?}");
        }
        for row in TABLE {
            assert_eq!(TABLE.iter().filter(|other| other.name == row.name).count(), 1, "{}", row.name);
            assert!((10_000..11_000).contains(&row.err_code), "{row:?}");
            assert!((400..600).contains(&row.code), "{row:?}");
        }
        assert_eq!(TABLE.len(), 227);
    }

    #[test]
    fn a_text_takes_exactly_its_fields() {
        for row in TABLE {
            let mut taken: Vec<&str> = row.text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
            taken.sort_unstable();
            let mut fields = row.fields.to_vec();
            fields.sort_unstable();
            assert_eq!(taken, fields, "{}", row.text);
        }
    }

    #[test]
    fn an_error_is_its_number_its_code_and_its_text() {
        #[track_caller]
        fn check(error: &ApiError, expected: &str) {
            let text = json::write(error);
            assert_eq!(String::from_utf8(text.clone()).unwrap(), expected);
            assert_eq!(json::read::<Failure>(&text).unwrap(), Failure::from(error));
        }
        check(&ApiError::BadRequest, r#"{"code":400,"err_code":10003,"description":"bad request"}"#);
        check(
            &ApiError::SequenceNotFound { seq: 7 },
            r#"{"code":400,"err_code":10043,"description":"sequence 7 not found"}"#,
        );
        check(
            &ApiError::ConsumerInactiveThresholdExcess { limit: crate::time::Nanos::from_secs(90) },
            r#"{"code":400,"err_code":10153,"description":"consumer inactive threshold exceeds system limit of 1m30s"}"#,
        );
        check(
            &ApiError::StreamExternalApiOverlap { prefix: "a".into(), subject: "b.>".into() },
            r#"{"code":400,"err_code":10021,"description":"stream external api prefix a must not overlap with b.\u003e"}"#,
        );
    }
}
