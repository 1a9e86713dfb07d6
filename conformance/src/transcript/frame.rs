//! Cuts what a server sends into frames: a control line, with its payload for `MSG` and `HMSG`.
//!
//! Not a parser of the protocol: a frame is kept as the bytes it came in, and an unknown line is a frame too.

/// Bytes received so far, from which whole frames are taken.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
}

impl Frames {
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame with its line endings, if one has arrived.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let line_len = self.bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
        let (line, rest) = self.bytes.split_at(line_len);
        let payload_len = payload_len(line).map_or(0, |size| size.saturating_add(2));
        if rest.len() < payload_len {
            return None;
        }
        let tail = self.bytes.split_off(line_len + payload_len);
        Some(std::mem::replace(&mut self.bytes, tail))
    }

    /// Takes bytes that no frame was made of.
    pub(super) fn take_partial(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// The size that a `MSG` or `HMSG` line announces in its last token; subjects before it need not be UTF-8.
fn payload_len(line: &[u8]) -> Option<usize> {
    if !line.starts_with(b"MSG ") && !line.starts_with(b"HMSG ") {
        return None;
    }
    let size = line.trim_ascii_end().rsplit(|&byte| byte == b' ').next()?;
    str::from_utf8(size).ok()?.parse().ok()
}
