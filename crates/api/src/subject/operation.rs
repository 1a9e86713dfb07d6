//! The subjects of requests, one a row.

use std::fmt;

/// Of a request: the domain it is meant for, and what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// None is the domain of the server that the client is connected to.
    pub domain: Option<&'a str>,
    /// What it asks for.
    pub operation: Operation<'a>,
}

impl<'a> Address<'a> {
    /// None where the subject lies outside `$JS.API.>` and `$JS.*.API.>`, or is no UTF-8.
    pub fn parse(subject: &'a [u8]) -> Option<Self> {
        let rest = std::str::from_utf8(subject).ok()?.strip_prefix("$JS.")?;
        if let Some(operation) = rest.strip_prefix("API.") {
            return Some(Address { domain: None, operation: Operation::parse(operation) });
        }
        let (domain, rest) = rest.split_once('.')?;
        let operation = Operation::parse(rest.strip_prefix("API.")?);
        (!domain.is_empty()).then_some(Address { domain: Some(domain), operation })
    }
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.domain {
            Some(domain) => write!(f, "$JS.{domain}.API.{}", self.operation),
            None => write!(f, "$JS.API.{}", self.operation),
        }
    }
}

macro_rules! operations {
    ($($(#[$meta:meta])* $name:ident { $($field:ident),* } $pattern:literal;)+) => {
        /// What a request asks for. Each name is one token and not empty; a filter or subject may have several.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names in the subject")]
        pub enum Operation<'a> {
            $($(#[$meta])* $name { $($field: &'a str),* },)+
            /// No server knows it: what follows `API.`.
            Unknown { rest: &'a str },
        }

        impl<'a> Operation<'a> {
            /// From what follows `API.`.
            pub fn parse(rest: &'a str) -> Self {
                $(if let Some([$($field),*]) = take($pattern, rest) {
                    return Self::$name { $($field),* };
                })+
                Self::Unknown { rest }
            }
        }

        /// What follows `API.`.
        impl fmt::Display for Operation<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name { $($field),* } => fill($pattern, &[$(*$field),*], f),)+
                    Self::Unknown { rest } => f.write_str(rest),
                }
            }
        }

        #[cfg(test)]
        const PATTERNS: &[&str] = &[$($pattern),+];
    };
}

// The first rows are what busy clients ask for.
operations! {
    /// Messages for a puller.
    ConsumerNext { stream, consumer } "CONSUMER.MSG.NEXT.*.*";
    /// The last message of a subject, from any replica.
    DirectGetLast { stream, subject } "DIRECT.GET.*.>";
    /// Messages from any replica.
    DirectGet { stream } "DIRECT.GET.*";
    /// What an account uses and may use.
    AccountInfo {} "INFO";
    StreamCreate { stream } "STREAM.CREATE.*";
    StreamUpdate { stream } "STREAM.UPDATE.*";
    StreamNames {} "STREAM.NAMES";
    StreamList {} "STREAM.LIST";
    StreamInfo { stream } "STREAM.INFO.*";
    StreamDelete { stream } "STREAM.DELETE.*";
    StreamPurge { stream } "STREAM.PURGE.*";
    /// One message by the stream's leader.
    MessageGet { stream } "STREAM.MSG.GET.*";
    MessageDelete { stream } "STREAM.MSG.DELETE.*";
    StreamSnapshot { stream } "STREAM.SNAPSHOT.*";
    StreamRestore { stream } "STREAM.RESTORE.*";
    StreamPeerRemove { stream } "STREAM.PEER.REMOVE.*";
    StreamPeerEvacuate { stream } "STREAM.PEER.EVACUATE.*";
    StreamCancelMove { stream } "STREAM.CANCEL_MOVE.*";
    StreamLeaderStepDown { stream } "STREAM.LEADER.STEPDOWN.*";
    /// A consumer whose name, if any, stands in the request.
    ConsumerCreateUnnamed { stream } "CONSUMER.CREATE.*";
    ConsumerCreate { stream, consumer } "CONSUMER.CREATE.*.*";
    /// With the filter subject, so that permissions can tell filters apart.
    ConsumerCreateFiltered { stream, consumer, filter } "CONSUMER.CREATE.*.*.>";
    /// The form of old clients.
    ConsumerCreateDurable { stream, consumer } "CONSUMER.DURABLE.CREATE.*.*";
    ConsumerNames { stream } "CONSUMER.NAMES.*";
    ConsumerList { stream } "CONSUMER.LIST.*";
    ConsumerInfo { stream, consumer } "CONSUMER.INFO.*.*";
    ConsumerDelete { stream, consumer } "CONSUMER.DELETE.*.*";
    ConsumerPause { stream, consumer } "CONSUMER.PAUSE.*.*";
    ConsumerUnpin { stream, consumer } "CONSUMER.UNPIN.*.*";
    ConsumerReset { stream, consumer } "CONSUMER.RESET.*.*";
    ConsumerLeaderStepDown { stream, consumer } "CONSUMER.LEADER.STEPDOWN.*.*";
    ConsumerPeerRemove { stream, consumer } "CONSUMER.PEER.REMOVE.*.*";
    ConsumerPeerEvacuate { stream, consumer } "CONSUMER.PEER.EVACUATE.*.*";
    MetaLeaderStepDown {} "META.LEADER.STEPDOWN";
    MetaRescue {} "META.RESCUE";
    ServerRemove {} "SERVER.REMOVE";
    ServerEvacuate {} "SERVER.EVACUATE";
    AccountPurge { account } "ACCOUNT.PURGE.*";
    AccountStreamMove { account, stream } "ACCOUNT.STREAM.MOVE.*.*";
    AccountStreamCancelMove { account, stream } "ACCOUNT.STREAM.CANCEL_MOVE.*.*";
}

/// What `*` and the last `>` stand for, where the pattern matches.
fn take<'a, const N: usize>(pattern: &str, subject: &'a str) -> Option<[&'a str; N]> {
    let mut taken = [""; N];
    let mut places = taken.iter_mut();
    let mut rest = Some(subject);
    for wanted in pattern.split('.') {
        let subject = rest?;
        if wanted == ">" {
            *places.next()? = subject;
            return subject.split('.').all(|token| !token.is_empty()).then_some(taken);
        }
        let (token, after) = match subject.split_once('.') {
            Some((token, after)) => (token, Some(after)),
            None => (subject, None),
        };
        match wanted {
            "*" if token.is_empty() => return None,
            "*" => *places.next()? = token,
            same if same == token => {}
            _ => return None,
        }
        rest = after;
    }
    rest.is_none().then_some(taken)
}

fn fill(pattern: &str, names: &[&str], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut names = names.iter();
    for (index, token) in pattern.split('.').enumerate() {
        if index > 0 {
            f.write_str(".")?;
        }
        let token = if matches!(token, "*" | ">") { names.next().copied().unwrap_or_default() } else { token };
        f.write_str(token)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(subject: &str, expected: Operation<'_>) {
        let address = Address::parse(subject.as_bytes()).unwrap();
        assert_eq!(address.operation, expected);
        assert_eq!(address.to_string(), subject);
    }

    #[test]
    fn every_row_is_found_by_its_own_subject() {
        let mut seen = Vec::new();
        for pattern in PATTERNS {
            let subject = format!("$JS.API.{}", pattern.replace('*', "name").replace('>', "a.*.>"));
            let address = Address::parse(subject.as_bytes()).unwrap();
            assert!(!matches!(address.operation, Operation::Unknown { .. }), "{subject}");
            assert_eq!(address.to_string(), subject);
            let variant = format!("{:?}", std::mem::discriminant(&address.operation));
            assert!(!seen.contains(&variant), "{subject} is another row's");
            seen.push(variant);
            let longer = format!("{subject}.more");
            let is_open = pattern.ends_with('>')
                || matches!(*pattern, "CONSUMER.CREATE.*" | "CONSUMER.CREATE.*.*" | "DIRECT.GET.*");
            let operation = Address::parse(longer.as_bytes()).unwrap().operation;
            assert_eq!(!matches!(operation, Operation::Unknown { .. }), is_open, "{longer}");
        }
    }

    #[test]
    fn names_are_taken_from_the_subject() {
        check("$JS.API.INFO", Operation::AccountInfo {});
        check("$JS.hub.API.STREAM.INFO.S", Operation::StreamInfo { stream: "S" });
        check("$JS.API.API.INFO", Operation::Unknown { rest: "API.INFO" });
        check("$JS.API.CONSUMER.CREATE.S", Operation::ConsumerCreateUnnamed { stream: "S" });
        check("$JS.API.CONSUMER.CREATE.S.C", Operation::ConsumerCreate { stream: "S", consumer: "C" });
        check(
            "$JS.API.CONSUMER.CREATE.S.C.a.*.>",
            Operation::ConsumerCreateFiltered { stream: "S", consumer: "C", filter: "a.*.>" },
        );
        check("$JS.API.CONSUMER.DURABLE.CREATE.S.C", Operation::ConsumerCreateDurable { stream: "S", consumer: "C" });
        check("$JS.API.DIRECT.GET.KV_b.$KV.b.k", Operation::DirectGetLast { stream: "KV_b", subject: "$KV.b.k" });
        for unknown in
            ["", "FOO", "STREAM.INFO", "STREAM.INFO.", "STREAM.INFO.a.b", "INFO.", "CONSUMER.CREATE.S..x", "info"]
        {
            check(&format!("$JS.API.{unknown}"), Operation::Unknown { rest: unknown });
        }
    }

    #[test]
    fn other_subjects_are_no_requests() {
        for subject in
            [&b"$JS.API"[..], b"$JS.ACK.a", b"$JS..API.INFO", b"$JS.a.b.API.INFO", b"", b"JS.API.INFO", b"$JS.API.\xff"]
        {
            assert_eq!(Address::parse(subject), None, "{}", subject.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_subject_is_printed_as_it_was_parsed(
            rest in "([A-Z]{0,6}|MSG|GET|STREAM|CONSUMER|CREATE|[*]|>|INFO)([.]([A-Z]{0,6}|MSG|NEXT|[*])){0,6}"
        ) {
            let subject = format!("$JS.API.{rest}");
            prop_assert_eq!(Address::parse(subject.as_bytes()).unwrap().to_string(), subject);
        }
    }
}
