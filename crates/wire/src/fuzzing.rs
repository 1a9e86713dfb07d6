//! What every input must satisfy, as plain functions that a mutation driver calls. They panic where it does not.

use crate::{
    client::{
        connect::Connect,
        decode::{ClientOp, DecodeError, Limits, Step, next},
    },
    header::{self, Builder},
};

/// Small, so that short inputs reach them.
const LIMITS: Limits = Limits { control_line_bytes_max: 64, payload_bytes_max: Some(48) };

/// Decodes a client's stream. The first byte says how it is cut into reads; what is decoded must not depend on it.
pub fn client_protocol(data: &[u8]) {
    let Some((&cut, stream)) = data.split_first() else { return };
    let whole = decode_all(stream, stream.len(), &LIMITS);
    assert_eq!(decode_all(stream, usize::from(cut % 16) + 1, &LIMITS), whole);
}

/// Reads and extends a header block.
pub fn headers(data: &[u8]) {
    let count = header::fields(data).count();
    for (key, _) in header::fields(data) {
        assert!(header::find(data, key).is_some(), "each key is found");
    }
    if !header::is_valid(data) {
        return;
    }
    let mut out = Vec::new();
    let mut block = Builder::extending(&mut out, data);
    block.field(b"Added", b"value").expect("a valid field");
    assert_eq!(block.finish(), out.len());
    assert!(header::is_valid(&out), "extending keeps a block valid");
    assert_eq!(header::fields(&out).count(), count + 1);
    assert_eq!(header::status(&out), header::status(data));
}

/// Parses `CONNECT` options; a second, equal `CONNECT` changes nothing.
pub fn connect(data: &[u8]) {
    let Ok(first) = Connect::parse(data) else { return };
    let mut second = first.clone();
    second.update(data).expect("what was valid stays valid");
    assert!(first == second, "equal options twice differ");
}

/// The operations of a stream that arrives in reads of `read_bytes`, and how it ended.
pub(crate) fn decode_all<'a>(
    stream: &'a [u8],
    read_bytes: usize,
    limits: &Limits,
) -> (Vec<ClientOp<'a>>, Result<usize, DecodeError>) {
    let mut operations = Vec::new();
    let (mut start, mut end) = (0, 0);
    loop {
        let input = stream.get(start..end).expect("start ≤ end ≤ length");
        let missing_bytes = match next(input, limits) {
            Ok(Step::Op(operation, consumed)) => {
                assert!(0 < consumed && consumed <= input.len(), "an operation is some of its input");
                operations.push(operation);
                start += consumed;
                continue;
            }
            Ok(Step::Body { line, line_bytes }) => {
                let (body_start, body_end) = (start + line_bytes, start + line_bytes + line.body_bytes());
                assert!(end < body_end, "a body that is there is not announced");
                // As a caller does that gathers the body without decoding the line again.
                if let Some(body) = stream.get(body_start..body_end) {
                    match line.with_body(body) {
                        Ok(publish) => operations.push(ClientOp::Publish(publish)),
                        Err(error) => return (operations, Err(error)),
                    }
                    (start, end) = (body_end, body_end);
                    continue;
                }
                body_end - end
            }
            Ok(Step::More) => 1,
            Err(error) => return (operations, Err(error)),
        };
        if end == stream.len() {
            return (operations, Ok(start));
        }
        end = (end + missing_bytes.max(read_bytes).max(1)).min(stream.len());
    }
}
