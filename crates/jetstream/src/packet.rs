//! A message on its way into a shard: subject, reply, headers and body in one piece of memory.

/// A message that a client published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// Subject, reply, headers, body, one after the other.
    bytes: Box<[u8]>,
    reply_at: u32,
    headers_at: u32,
    body_at: u32,
}

impl Packet {
    /// Copies the parts together. `headers` is a whole block, or nothing.
    ///
    /// # Panics
    /// When they are 4 GiB or longer together.
    pub fn new(subject: &[u8], reply: &[u8], headers: &[u8], body: &[u8]) -> Self {
        let at = |length: usize| u32::try_from(length).expect("a message is below 4 GiB");
        let (reply_at, headers_at) = (subject.len(), subject.len() + reply.len());
        let body_at = headers_at + headers.len();
        let bytes = [subject, reply, headers, body].concat().into();
        Packet { bytes, reply_at: at(reply_at), headers_at: at(headers_at), body_at: at(body_at) }
    }

    /// Where it was published.
    pub fn subject(&self) -> &[u8] {
        self.part(0, self.reply_at)
    }

    /// Where its answer goes; empty is nowhere.
    pub fn reply(&self) -> &[u8] {
        self.part(self.reply_at, self.headers_at)
    }

    /// The block of headers, or nothing.
    pub fn headers(&self) -> &[u8] {
        self.part(self.headers_at, self.body_at)
    }

    /// What follows the headers.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(index(self.body_at)..).expect("a part lies within the packet")
    }

    fn part(&self, from: u32, to: u32) -> &[u8] {
        self.bytes.get(index(from)..index(to)).expect("a part lies within the packet")
    }
}

fn index(at: u32) -> usize {
    usize::try_from(at).expect("an address has 32 bits or more")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back() {
        for parts in [[&b"s.a"[..], b"r", b"NATS/1.0\r\n\r\n", b"body"], [b"s", b"", b"", b""], [b"", b"", b"", b"x"]] {
            let [subject, reply, headers, body] = parts;
            let packet = Packet::new(subject, reply, headers, body);
            assert_eq!([packet.subject(), packet.reply(), packet.headers(), packet.body()], parts);
        }
    }
}
