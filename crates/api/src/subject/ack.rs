//! Replies of delivered messages: which delivery an acknowledgement is for.
//!
//! ```text
//!   $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<ns>.<pending>
//!   $JS.ACK.<domain or _>.<account hash>.<stream>.<consumer>.<deliveries>.….<pending>[.<token>]
//! ```
//!
//! The first form has 9 tokens. The second, with which a reply finds its account and domain, has 11 or more; those after
//! the eleventh mean nothing to a server.

use std::fmt;

use firn_id::Timestamp;

/// What the reply of a delivered message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// In the second form only; none is `_`.
    pub domain: Option<&'a str>,
    /// In the second form only.
    pub account_hash: Option<&'a str>,
    /// Name of the stream.
    pub stream: &'a str,
    /// Name of the consumer.
    pub consumer: &'a str,
    /// How often the message was delivered, this time included.
    pub deliveries: u64,
    /// Its sequence in the stream.
    pub stream_seq: u64,
    /// The number of this delivery.
    pub consumer_seq: u64,
    /// When it was stored.
    pub timestamp: Timestamp,
    /// How many messages the consumer has before it.
    pub pending: u64,
}

/// The tokens of a consumer's replies that do not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckPrefix(Box<[u8]>);

/// The subject at which a push asks whether its receiver keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowControl<'a> {
    /// In the second form only; none is `_`.
    pub domain: Option<&'a str>,
    /// In the second form only.
    pub account_hash: Option<&'a str>,
    /// Name of the stream.
    pub stream: &'a str,
    /// Name of the consumer.
    pub consumer: &'a str,
    /// Tells one question from the next.
    pub token: &'a str,
}

impl<'a> Ack<'a> {
    /// None where the subject is no such reply.
    pub fn parse(subject: &'a [u8]) -> Option<Self> {
        let rest = std::str::from_utf8(subject).ok()?.strip_prefix("$JS.ACK.")?;
        let is_first_form = rest.bytes().filter(|&byte| byte == b'.').count() == 6;
        let mut tokens = rest.split('.');
        let (domain, account_hash) =
            if is_first_form { (None, None) } else { (named(tokens.next()?), Some(tokens.next()?)) };
        let (stream, consumer) = (tokens.next()?, tokens.next()?);
        let mut number = || tokens.next()?.parse::<u64>().ok();
        let (deliveries, stream_seq, consumer_seq) = (number()?, number()?, number()?);
        let timestamp = tokens.next()?.parse().ok().map(Timestamp::from_unix_nanos)?;
        let pending = tokens.next()?.parse().ok()?;
        Some(Ack { domain, account_hash, stream, consumer, deliveries, stream_seq, consumer_seq, timestamp, pending })
    }

    /// What all replies of this consumer begin with.
    pub fn prefix(&self) -> AckPrefix {
        match self.account_hash {
            None => AckPrefix::new(self.stream, self.consumer),
            Some(hash) => AckPrefix::with_account(self.domain, hash, self.stream, self.consumer),
        }
    }
}

/// As it stands in a reply, without a token at the end.
impl fmt::Display for Ack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut subject = Vec::new();
        self.prefix().append(
            self.deliveries,
            self.stream_seq,
            self.consumer_seq,
            self.timestamp,
            self.pending,
            &mut subject,
        );
        f.write_str(&String::from_utf8_lossy(&subject))
    }
}

impl AckPrefix {
    /// Of the first form.
    pub fn new(stream: &str, consumer: &str) -> Self {
        AckPrefix(format!("$JS.ACK.{stream}.{consumer}").into_bytes().into())
    }

    /// Of the second form.
    pub fn with_account(domain: Option<&str>, account_hash: &str, stream: &str, consumer: &str) -> Self {
        let domain = domain.unwrap_or("_");
        AckPrefix(format!("$JS.ACK.{domain}.{account_hash}.{stream}.{consumer}").into_bytes().into())
    }

    /// Appends the reply of one delivery.
    pub fn append(
        &self,
        deliveries: u64,
        stream_seq: u64,
        consumer_seq: u64,
        timestamp: Timestamp,
        pending: u64,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(&self.0);
        for number in [deliveries, stream_seq, consumer_seq] {
            append_number(number, out);
        }
        out.push(b'.');
        if timestamp.unix_nanos() < 0 {
            out.push(b'-');
        }
        append_digits(timestamp.unix_nanos().unsigned_abs(), out);
        append_number(pending, out);
    }
}

impl<'a> FlowControl<'a> {
    /// None where the subject is none of these.
    pub fn parse(subject: &'a [u8]) -> Option<Self> {
        let rest = std::str::from_utf8(subject).ok()?.strip_prefix("$JS.FC.")?;
        let is_first_form = rest.bytes().filter(|&byte| byte == b'.').count() == 2;
        let mut tokens = rest.split('.');
        let (domain, account_hash) =
            if is_first_form { (None, None) } else { (named(tokens.next()?), Some(tokens.next()?)) };
        let (stream, consumer, token) = (tokens.next()?, tokens.next()?, tokens.next()?);
        Some(FlowControl { domain, account_hash, stream, consumer, token })
    }
}

impl fmt::Display for FlowControl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$JS.FC.")?;
        if let Some(hash) = self.account_hash {
            write!(f, "{}.{hash}.", self.domain.unwrap_or("_"))?;
        }
        write!(f, "{}.{}.{}", self.stream, self.consumer, self.token)
    }
}

fn named(domain: &str) -> Option<&str> {
    (domain != "_").then_some(domain)
}

fn append_number(number: u64, out: &mut Vec<u8>) {
    out.push(b'.');
    append_digits(number, out);
}

/// In decimal; a reply is written for every delivery, so that this does without `fmt`.
fn append_digits(mut number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        out.push(b'0' + u8::try_from(number % 10).expect("a digit"));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.get_mut(start..).expect("what was appended").reverse();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_forms_are_read_and_written() {
        #[track_caller]
        fn check(subject: &str, expected: Ack<'_>, printed: &str) {
            assert_eq!(Ack::parse(subject.as_bytes()), Some(expected));
            assert_eq!(expected.to_string(), printed);
        }
        let first = Ack {
            domain: None,
            account_hash: None,
            stream: "S",
            consumer: "C",
            deliveries: 1,
            stream_seq: 7,
            consumer_seq: 3,
            timestamp: Timestamp::from_unix_nanos(1_700_000_000_123_456_789),
            pending: 2,
        };
        let numbers = "1.7.3.1700000000123456789.2";
        check(&format!("$JS.ACK.S.C.{numbers}"), first, &format!("$JS.ACK.S.C.{numbers}"));
        let second = Ack { account_hash: Some("Hx7"), ..first };
        let expected = format!("$JS.ACK._.Hx7.S.C.{numbers}");
        check(&expected, second, &expected);
        check(&format!("{expected}.token"), second, &expected);
        check(&format!("{expected}.token.more"), second, &expected);
        let hub = Ack { domain: Some("hub"), ..second };
        check(&format!("$JS.ACK.hub.Hx7.S.C.{numbers}.t"), hub, &format!("$JS.ACK.hub.Hx7.S.C.{numbers}"));
    }

    #[test]
    fn other_subjects_are_no_replies() {
        for subject in [
            "",
            "$JS.ACK",
            "$JS.ACK.S.C.1.2.3.4",
            "$JS.ACK.S.C.1.2.3.4.5.6",
            "$JS.ACK.S.C.x.2.3.4.5",
            "$JS.ACK.S.C.-1.2.3.4.5",
            "$JS.ACK.S.C.1.2.3.4.18446744073709551616",
            "$JS.API.S.C.1.2.3.4.5",
        ] {
            assert_eq!(Ack::parse(subject.as_bytes()), None, "{subject}");
        }
    }

    #[test]
    fn flow_control_has_two_forms_too() {
        for subject in ["$JS.FC.S.C.x7Qz", "$JS.FC._.Hx7.S.C.x7Qz", "$JS.FC.hub.Hx7.S.C.x7Qz"] {
            let parsed = FlowControl::parse(subject.as_bytes()).unwrap();
            assert_eq!((parsed.stream, parsed.consumer, parsed.token), ("S", "C", "x7Qz"));
            assert_eq!(parsed.to_string(), subject);
        }
        assert_eq!(FlowControl::parse(b"$JS.FC.S.C"), None);
    }

    proptest! {
        #[test]
        fn any_numbers_survive(deliveries: u64, stream_seq: u64, consumer_seq: u64, nanos: i64, pending: u64) {
            let timestamp = Timestamp::from_unix_nanos(nanos);
            let mut subject = Vec::new();
            AckPrefix::new("S", "C").append(deliveries, stream_seq, consumer_seq, timestamp, pending, &mut subject);
            let ack = Ack::parse(&subject).unwrap();
            prop_assert_eq!((ack.deliveries, ack.stream_seq, ack.consumer_seq), (deliveries, stream_seq, consumer_seq));
            prop_assert_eq!((ack.timestamp, ack.pending), (timestamp, pending));
        }
    }
}
