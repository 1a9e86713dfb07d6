//! What the headers of a message ask of the stream.
//!
//! Keys are compared byte by byte, the first of a kind counts, and an empty value asks for nothing.

use firn_wire::header;

/// Longest block of headers.
pub(crate) const HEADERS_BYTES_MAX: usize = 65_535;

/// The headers that mean something to a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asks<'a> {
    pub(crate) id: Option<&'a [u8]>,
    pub(crate) stream: Option<&'a [u8]>,
    pub(crate) last_id: Option<&'a [u8]>,
    pub(crate) last_sequence: Option<&'a [u8]>,
    pub(crate) last_subject_sequence: Option<&'a [u8]>,
    /// The subject or pattern that the line before is about, where it is not the message's own.
    pub(crate) last_subject: Option<&'a [u8]>,
    pub(crate) rollup: Option<&'a [u8]>,
    pub(crate) ttl: Option<&'a [u8]>,
    /// Features that a stream must be configured for.
    pub(crate) increment: bool,
    pub(crate) batch: bool,
    pub(crate) schedule: bool,
    /// Only servers write it.
    pub(crate) source: bool,
    /// The message says that others are gone.
    pub(crate) is_marker: bool,
}

impl<'a> Asks<'a> {
    pub(crate) fn of(block: &'a [u8]) -> Self {
        let mut asks = Asks::default();
        // Only what begins like this is ours, and most headers do not.
        for (key, value) in header::fields(block).filter(|(key, value)| key.starts_with(b"Nats-") && !value.is_empty())
        {
            match key {
                b"Nats-Msg-Id" => keep_first(&mut asks.id, value),
                b"Nats-Expected-Stream" => keep_first(&mut asks.stream, value),
                b"Nats-Expected-Last-Msg-Id" => keep_first(&mut asks.last_id, value),
                b"Nats-Expected-Last-Sequence" => keep_first(&mut asks.last_sequence, value),
                b"Nats-Expected-Last-Subject-Sequence" => keep_first(&mut asks.last_subject_sequence, value),
                b"Nats-Expected-Last-Subject-Sequence-Subject" => keep_first(&mut asks.last_subject, value),
                b"Nats-Rollup" => keep_first(&mut asks.rollup, value),
                b"Nats-TTL" => keep_first(&mut asks.ttl, value),
                b"Nats-Incr" => asks.increment = true,
                b"Nats-Batch-Id" => asks.batch = true,
                b"Nats-Schedule" => asks.schedule = true,
                b"Nats-Stream-Source" => asks.source = true,
                b"Nats-Marker-Reason" => asks.is_marker = true,
                _ => {}
            }
        }
        asks
    }
}

fn keep_first<'a>(place: &mut Option<&'a [u8]>, value: &'a [u8]) {
    place.get_or_insert(value);
}

/// The block with another value under the first of this key.
pub(crate) fn with_value(block: &[u8], key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(block.len() + value.len());
    let mut block_out = header::Builder::new(&mut out);
    let mut is_replaced = false;
    for (name, old) in header::fields(block) {
        let is_it = name == key && !is_replaced;
        is_replaced |= is_it;
        // What was read as a line is one.
        let _ = block_out.field(name, if is_it { value } else { old });
    }
    block_out.finish();
    out
}

/// What was read as a number of a sequence; anything else is none.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_kind_counts_and_an_empty_one_not_at_all() {
        let block = b"NATS/1.0\r\nNats-Msg-Id: \r\nNats-Msg-Id: a\r\nNats-Msg-Id: b\r\nnats-ttl: 5\r\nX: y\r\n\r\n";
        let asks = Asks::of(block);
        assert_eq!((asks.id, asks.ttl), (Some(&b"a"[..]), None));
    }

    #[test]
    fn a_value_is_replaced_in_its_place() {
        let block = b"NATS/1.0\r\nA: b\r\nNats-TTL: 1s\r\nC: d\r\n\r\n";
        assert_eq!(with_value(block, b"Nats-TTL", b"5"), b"NATS/1.0\r\nA: b\r\nNats-TTL: 5\r\nC: d\r\n\r\n");
    }

    #[test]
    fn a_number_is_digits() {
        for (text, expected) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("", None),
            ("-1", None),
            ("+3", None),
            ("x", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text}");
        }
    }
}
