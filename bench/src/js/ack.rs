//! What acknowledgements say, and whether it can be true: the server's of a publication, and the reply subject by which
//! a consumer's delivery is acknowledged.

use serde::Deserialize;
use thiserror::Error;

use super::messages::{Message, number};

/// Why an answer to a publication, or a delivery, ends the run.
#[derive(Debug, Error, PartialEq)]
pub(super) enum AckError {
    #[error("a publication was refused: {0}")]
    Refused(String),
    #[error("status {0:?} instead of {1}")]
    Status(String, &'static str),
    #[error("not an acknowledgement: {0:?}")]
    NotAnAck(String),
    #[error("an acknowledgement calls a message a duplicate that has no id: {0:?}")]
    Duplicate(String),
    #[error("not the reply subject of a delivery: {0:?}")]
    NotADelivery(String),
    #[error("sequence {seq} of stream {stream} was used twice")]
    UsedTwice { stream: String, seq: u64 },
    #[error("sequence {seq} of stream {stream} lies outside 1 to {last}, all that was published")]
    Outside { stream: String, seq: u64, last: u64 },
}

/// A publication that is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PubAck<'a> {
    pub(super) stream: &'a str,
    pub(super) seq: u64,
}

#[derive(Deserialize)]
struct PubAckJson<'a> {
    #[serde(borrow)]
    stream: Option<&'a str>,
    seq: Option<u64>,
    #[serde(default)]
    duplicate: bool,
    error: Option<serde_json::Value>,
}

impl<'a> PubAck<'a> {
    /// Reads the answer to a publication.
    ///
    /// # Errors
    /// It is an error, a status, a duplicate, or no acknowledgement at all.
    pub(super) fn read(message: &Message<'a>) -> Result<Self, AckError> {
        if let Some(status) = message.status() {
            return Err(AckError::Status(status, "an acknowledgement"));
        }
        let text = || String::from_utf8_lossy(message.payload).into_owned();
        let json: PubAckJson<'a> = serde_json::from_slice(message.payload).map_err(|_| AckError::NotAnAck(text()))?;
        if json.error.is_some() {
            return Err(AckError::Refused(text()));
        }
        if json.duplicate {
            return Err(AckError::Duplicate(text()));
        }
        let (Some(stream), Some(seq @ 1..)) = (json.stream, json.seq) else { return Err(AckError::NotAnAck(text())) };
        Ok(Self { stream, seq })
    }
}

/// Where a delivered message stands, from its reply subject
/// `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>`, or the longer form that has
/// domain and account hash before the stream and may go on after the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Delivery {
    /// How often it was delivered, this time included.
    pub(super) deliveries: u64,
    pub(super) stream_seq: u64,
    pub(super) consumer_seq: u64,
}

impl Delivery {
    /// Reads the reply subject of a delivery.
    ///
    /// # Errors
    /// There is none, or it is of another form.
    pub(super) fn read(reply: Option<&[u8]>) -> Result<Self, AckError> {
        let reply = reply.unwrap_or_default();
        parse_delivery(reply).ok_or_else(|| AckError::NotADelivery(String::from_utf8_lossy(reply).into_owned()))
    }
}

fn parse_delivery(reply: &[u8]) -> Option<Delivery> {
    let rest = reply.strip_prefix(b"$JS.ACK.")?;
    let tokens = rest.iter().filter(|&&byte| byte == b'.').count() + 1;
    let before = match tokens {
        7 => 2,
        9.. => 4,
        _ => return None,
    };
    let mut numbers = rest.split(|&byte| byte == b'.').skip(before).map(number);
    let mut next = || numbers.next().flatten();
    Some(Delivery { deliveries: next()?, stream_seq: next()?, consumer_seq: next()? })
}

/// The sequences of one stream: as many as were published to it are used, each once.
///
/// ```text
/// acknowledged ⊆ 1 ..= published, no element twice; so whole ⇔ acknowledged = published
/// ```
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) stream: String,
    published: u64,
    acknowledged: u64,
    /// A bit for each sequence from 1 on.
    used: Vec<u64>,
}

impl Ledger {
    pub(super) fn new(stream: String) -> Self {
        Self { stream, published: 0, acknowledged: 0, used: Vec::new() }
    }

    pub(super) fn publish(&mut self) {
        self.published += 1;
    }

    /// Notes that a publication got this sequence.
    ///
    /// # Errors
    /// Another one has it, or there were not so many publications.
    pub(super) fn acknowledge(&mut self, seq: u64) -> Result<(), AckError> {
        let last = self.published;
        if !(1..=last).contains(&seq) {
            return Err(AckError::Outside { stream: self.stream.clone(), seq, last });
        }
        let word = usize::try_from((seq - 1) / 64).expect("a bitmap in memory");
        if word >= self.used.len() {
            self.used.resize(word + 1, 0);
        }
        let word = self.used.get_mut(word).expect("resized to hold it");
        let bit = 1 << ((seq - 1) % 64);
        if *word & bit != 0 {
            return Err(AckError::UsedTwice { stream: self.stream.clone(), seq });
        }
        *word |= bit;
        self.acknowledged += 1;
        Ok(())
    }

    /// Publications that have no acknowledgement.
    pub(super) fn missing(&self) -> u64 {
        self.published - self.acknowledged
    }

    /// The last sequence that the stream has to have when nothing is missing.
    pub(super) fn last(&self) -> u64 {
        self.published
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer<'a>(headers: &'a str, payload: &'a str) -> Message<'a> {
        Message { subject: b"i.1", reply: None, headers: headers.as_bytes(), payload: payload.as_bytes() }
    }

    #[test]
    fn an_acknowledgement_names_stream_and_sequence() {
        fn check(payload: &str, stream: &str, seq: u64) {
            assert_eq!(PubAck::read(&answer("", payload)), Ok(PubAck { stream, seq }));
        }
        check(r#"{"stream":"S1", "seq":17}"#, "S1", 17);
        check(r#"{"stream":"S","domain":"d","seq":18446744073709551615,"duplicate":false}"#, "S", u64::MAX);
    }

    #[test]
    fn whatever_else_answers_a_publication_is_an_error() {
        fn check(headers: &str, payload: &str, expected: &str) {
            assert_eq!(PubAck::read(&answer(headers, payload)).unwrap_err().to_string(), expected);
        }
        let refused =
            r#"{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"},"stream":"S","seq":0}"#;
        check("", refused, &format!("a publication was refused: {refused}"));
        check("NATS/1.0 503\r\n\r\n", "", "status \"503\" instead of an acknowledgement");
        check("", "", "not an acknowledgement: \"\"");
        check("", "+OK", "not an acknowledgement: \"+OK\"");
        check("", r#"{"stream":"S"}"#, r#"not an acknowledgement: "{\"stream\":\"S\"}""#);
        check("", r#"{"stream":"S","seq":0}"#, r#"not an acknowledgement: "{\"stream\":\"S\",\"seq\":0}""#);
        let duplicate = r#"{"stream":"S","seq":3,"duplicate": true}"#;
        let text = format!("an acknowledgement calls a message a duplicate that has no id: {duplicate:?}");
        check("", duplicate, &text);
    }

    #[test]
    fn a_delivery_is_read_from_either_form_of_its_reply_subject() {
        let expected = Ok(Delivery { deliveries: 1, stream_seq: 20, consumer_seq: 3 });
        assert_eq!(Delivery::read(Some(b"$JS.ACK.S.C.1.20.3.1700000000000000000.7")), expected);
        assert_eq!(Delivery::read(Some(b"$JS.ACK._.hAsH.S.C.1.20.3.1700000000000000000.7")), expected);
        assert_eq!(Delivery::read(Some(b"$JS.ACK.d.hAsH.S.C.1.20.3.1700000000000000000.7.tok")), expected);
        for wrong in ["", "$JS.ACK.S.C.1.20.3.4", "$JS.ACK.S.C.one.20.3.4.5", "_INBOX.S.C.1.20.3.4.5"] {
            assert!(Delivery::read(Some(wrong.as_bytes())).is_err(), "{wrong}");
        }
        assert!(Delivery::read(None).is_err());
    }

    #[test]
    fn a_ledger_takes_each_sequence_once_and_none_that_was_not_published() {
        let mut ledger = Ledger::new("S".to_owned());
        for _ in 0..200 {
            ledger.publish();
        }
        for seq in (1..=200).rev() {
            ledger.acknowledge(seq).unwrap();
        }
        assert_eq!((ledger.missing(), ledger.last()), (0, 200));
        let twice = ledger.acknowledge(74).unwrap_err();
        assert_eq!(twice.to_string(), "sequence 74 of stream S was used twice");
        for seq in [0, 201] {
            let outside = ledger.acknowledge(seq).unwrap_err().to_string();
            assert_eq!(outside, format!("sequence {seq} of stream S lies outside 1 to 200, all that was published"));
        }
    }
}
