//! Numbers and byte strings, one after the other, little-endian: how entries and snapshots are written.
//!
//! Reading is total: what is cut off or too long is none.

/// Appends to bytes.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

/// Takes from bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl Writer {
    pub(crate) fn u8(&mut self, number: u8) {
        self.bytes.push(number);
    }

    pub(crate) fn u64(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn i64(&mut self, number: i64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    /// How many follow.
    pub(crate) fn count(&mut self, count: usize) {
        self.u64(u64::try_from(count).expect("a length fits"));
    }

    /// Its length and the string.
    pub(crate) fn string(&mut self, string: &[u8]) {
        self.count(string.len());
        self.bytes.extend_from_slice(string);
    }

    /// A bit for "there is one" and the number.
    pub(crate) fn optional(&mut self, number: Option<i64>) {
        self.u8(u8::from(number.is_some()));
        self.i64(number.unwrap_or(0));
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// How many follow: never more than there are bytes, so that memory can be set aside for them.
    pub(crate) fn count(&mut self) -> Option<usize> {
        usize::try_from(self.u64()?).ok().filter(|&count| count <= self.rest.len())
    }

    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        let (string, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(string)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.string()?).ok()
    }

    pub(crate) fn optional(&mut self) -> Option<Option<i64>> {
        let (is_there, number) = (self.u8()?, self.i64()?);
        Some((is_there != 0).then_some(number))
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
}
