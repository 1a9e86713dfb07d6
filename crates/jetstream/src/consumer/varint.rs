//! Numbers of seven bits a byte, the lowest first; the last byte is below 128. Signed ones alternate: 0, -1, 1, -2, …

/// The bytes are no number, or end too soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut;

pub(super) fn put(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

pub(super) fn put_signed(number: i64, out: &mut Vec<u8>) {
    put(((number << 1) ^ (number >> 63)) as u64, out);
}

/// From `from` to `to`, which may lie on either side, however far.
pub(super) fn put_step(from: u64, to: u64, out: &mut Vec<u8>) {
    put_signed(to.wrapping_sub(from) as i64, out);
}

pub(super) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

pub(super) fn put_time(nanos: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&nanos.to_le_bytes());
}

/// Takes numbers from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn byte(&mut self) -> Result<u8, Cut> {
        let (&first, rest) = self.rest.split_first().ok_or(Cut)?;
        self.rest = rest;
        Ok(first)
    }

    pub(super) fn number(&mut self) -> Result<u64, Cut> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(Cut);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Cut)
    }

    pub(super) fn signed(&mut self) -> Result<i64, Cut> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub(super) fn step(&mut self, from: u64) -> Result<u64, Cut> {
        Ok(from.wrapping_add(self.signed()? as u64))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Cut> {
        let length = usize::try_from(self.number()?).map_err(|_| Cut)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Cut)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Cut> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Cut)
    }

    pub(super) fn time(&mut self) -> Result<i64, Cut> {
        let (nanos, rest) = self.rest.split_first_chunk().ok_or(Cut)?;
        self.rest = rest;
        Ok(i64::from_le_bytes(*nanos))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_have_one_form_that_ends() {
        for (bytes, expected) in [
            (&[0][..], Ok(0)),
            (&[0x7f], Ok(127)),
            (&[0x80, 1], Ok(128)),
            (&[0x80], Err(Cut)),
            (&[], Err(Cut)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Ok(u64::MAX)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], Err(Cut)),
            (&[0x80; 11], Err(Cut)),
        ] {
            assert_eq!(Reader::new(bytes).number(), expected, "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_put_is_read(number: u64, signed: i64, from: u64, to: u64, bytes: Vec<u8>, nanos: i64) {
            let mut out = Vec::new();
            put(number, &mut out);
            put_signed(signed, &mut out);
            put_step(from, to, &mut out);
            put_bytes(&bytes, &mut out);
            put_time(nanos, &mut out);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.number(), Ok(number));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.step(from), Ok(to));
            prop_assert_eq!(reader.bytes(), Ok(&bytes[..]));
            prop_assert_eq!(reader.time(), Ok(nanos));
            prop_assert!(reader.is_empty());
        }
    }
}
