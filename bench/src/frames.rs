//! Publications prebuilt as a ring of writes, so that sending costs the generator one copy into the socket.

use std::ops::Range;

/// What every publication of a load looks like, its subject apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) payload_bytes: usize,
    /// With a header block (HPUB, received as HMSG) or without.
    pub(crate) has_header: bool,
}

/// 57 bytes of headers: two entries, one of them a trace identifier, as applications send them.
const HEADER: &str = "NATS/1.0\r\nTrace-Id: 4bf92f3577b34da6\r\nTenant: bench-1\r\n\r\n";

/// A ring of chunks, each a whole number of publications to be written at once.
pub(crate) struct Frames {
    bytes: Vec<u8>,
    chunks: Vec<Chunk>,
    bytes_per_message: u64,
}

/// One write.
#[derive(Clone)]
pub(crate) struct Chunk {
    range: Range<usize>,
    pub(crate) messages: u64,
}

impl Message {
    /// Appends one publication.
    pub(crate) fn encode(self, subject: &str, out: &mut Vec<u8>) {
        let (verb, sizes, header) = if self.has_header {
            ("HPUB", format!("{} {}", HEADER.len(), HEADER.len() + self.payload_bytes), HEADER)
        } else {
            ("PUB", self.payload_bytes.to_string(), "")
        };
        out.extend_from_slice(format!("{verb} {subject} {sizes}\r\n{header}").as_bytes());
        out.resize(out.len() + self.payload_bytes, b'x');
        out.extend_from_slice(b"\r\n");
    }
}

impl Frames {
    /// A ring that publishes to each subject once, in order, in chunks of at most `chunk_messages` and about
    /// `chunk_bytes`. A single subject fills one chunk.
    /// With `ping_after_chunk` each chunk asks for a PONG, the only news of publications that nobody receives.
    pub(crate) fn build(
        message: Message,
        subjects: &[String],
        chunk_messages: u64,
        chunk_bytes: usize,
        ping_after_chunk: bool,
    ) -> Self {
        let mut bytes = Vec::new();
        let mut chunks: Vec<Chunk> = Vec::new();
        let mut open = Chunk { range: 0..0, messages: 0 };
        let rounds = if subjects.len() == 1 { usize::MAX } else { 1 };
        for subject in subjects.iter().cycle().take(subjects.len().saturating_mul(rounds)) {
            message.encode(subject, &mut bytes);
            open.messages += 1;
            if open.messages == chunk_messages || bytes.len() - open.range.start >= chunk_bytes {
                chunks.push(close(&mut bytes, &mut open, ping_after_chunk));
                if rounds > 1 {
                    break;
                }
            }
        }
        if open.messages > 0 {
            chunks.push(close(&mut bytes, &mut open, ping_after_chunk));
        }
        let messages: u64 = chunks.iter().map(|chunk| chunk.messages).sum();
        assert!(messages > 0, "a load needs a subject");
        let bytes_per_message = bytes.len() as u64 / messages;
        Self { bytes, chunks, bytes_per_message }
    }

    /// The chunk at a position that counts upwards for ever.
    pub(crate) fn chunk(&self, position: usize) -> &Chunk {
        self.chunks.get(position % self.chunks.len()).expect("a remainder is below the length")
    }

    /// A chunk's bytes from an offset on.
    pub(crate) fn bytes(&self, chunk: &Chunk, offset: usize) -> &[u8] {
        self.bytes.get(chunk.range.start + offset..chunk.range.end).unwrap_or_default()
    }

    /// Size of a publication on the wire, protocol line included; about that of its delivery.
    pub(crate) fn bytes_per_message(&self) -> u64 {
        self.bytes_per_message
    }
}

/// Ends the open chunk and opens the next one behind it.
fn close(bytes: &mut Vec<u8>, open: &mut Chunk, ping_after_chunk: bool) -> Chunk {
    if ping_after_chunk {
        bytes.extend_from_slice(b"PING\r\n");
    }
    let end = bytes.len();
    let next = Chunk { range: end..end, messages: 0 };
    let closed = std::mem::replace(open, next);
    Chunk { range: closed.range.start..end, ..closed }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_BYTES: Message = Message { payload_bytes: 2, has_header: false };

    fn ring(frames: &Frames) -> Vec<String> {
        let chunks = (0..frames.chunks.len()).map(|position| frames.chunk(position));
        chunks.map(|chunk| String::from_utf8(frames.bytes(chunk, 0).to_vec()).unwrap()).collect()
    }

    fn subjects(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn one_subject_fills_one_chunk() {
        let by_count = Frames::build(TWO_BYTES, &subjects(&["a"]), 3, 1_000, false);
        assert_eq!(ring(&by_count), ["PUB a 2\r\nxx\r\nPUB a 2\r\nxx\r\nPUB a 2\r\nxx\r\n"]);
        let by_bytes = Frames::build(TWO_BYTES, &subjects(&["a"]), 100, 14, false);
        assert_eq!(ring(&by_bytes), ["PUB a 2\r\nxx\r\nPUB a 2\r\nxx\r\n"]);
        assert_eq!((by_bytes.chunk(7).messages, by_bytes.bytes_per_message()), (2, 13));
    }

    #[test]
    fn many_subjects_come_once_each_and_a_ping_ends_each_chunk() {
        let frames = Frames::build(TWO_BYTES, &subjects(&["a", "b", "c"]), 2, 1_000, true);
        assert_eq!(ring(&frames), ["PUB a 2\r\nxx\r\nPUB b 2\r\nxx\r\nPING\r\n", "PUB c 2\r\nxx\r\nPING\r\n"]);
        assert_eq!((frames.chunk(0).messages, frames.chunk(1).messages), (2, 1));
        assert_eq!(frames.bytes(frames.chunk(3), 17), b"\r\n");
    }

    #[test]
    fn a_header_counts_into_the_total_size() {
        let mut bytes = Vec::new();
        Message { payload_bytes: 3, has_header: true }.encode("h", &mut bytes);
        assert_eq!(String::from_utf8(bytes).unwrap(), format!("HPUB h {} {}\r\n{HEADER}xxx\r\n", 57, 60));
    }
}
