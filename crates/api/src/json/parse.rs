//! From bytes to a tree of values that borrows from them, one document at a time.

use super::JsonError;

/// Nesting beyond this is refused; the deepest message has six levels, and each level here is a call.
const DEPTH_MAX: usize = 128;

/// A value and the text it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Value<'a> {
    /// From its first byte to its last, without the space around it.
    pub raw: &'a [u8],
    /// What it is.
    pub kind: Kind<'a>,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the words of JSON")]
pub enum Kind<'a> {
    Null,
    Bool(bool),
    /// As it was written.
    Number(&'a str),
    String(String),
    Array(Vec<Value<'a>>),
    /// In order, with keys that occur twice.
    Object(Vec<(String, Value<'a>)>),
}

/// Reads documents from the start of a text to its end.
pub(super) struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

/// Why a text is no document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It ends too early.
    End,
    /// This is wrong, and so many bytes of the text lead up to its end.
    Syntax(String, usize),
}

impl Fault {
    /// As a reader of several documents in a row says it.
    pub(super) fn in_stream(self) -> JsonError {
        match self {
            Fault::End => JsonError::new("unexpected EOF"),
            Fault::Syntax(text, offset) => JsonError::new(format!("{text} at offset {offset}")),
        }
    }

    /// As a reader of one document says it.
    pub(super) fn alone(self) -> JsonError {
        match self {
            Fault::End => JsonError::new("unexpected end of JSON input"),
            Fault::Syntax(text, _) => JsonError::new(text),
        }
    }
}

impl<'a> Parser<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Parser { bytes, at: 0, depth: 0 }
    }

    /// The next document, or none when only space is left.
    pub(super) fn next(&mut self) -> Result<Option<Value<'a>>, Fault> {
        self.skip_space();
        if self.at == self.bytes.len() { Ok(None) } else { self.value().map(Some) }
    }

    /// Nothing but space may follow.
    pub(super) fn finish(mut self) -> Result<(), Fault> {
        self.skip_space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.unexpected("after top-level value")) }
    }

    fn value(&mut self) -> Result<Value<'a>, Fault> {
        self.skip_space();
        let start = self.at;
        let kind = match self.peek()? {
            b'{' => self.nested(Self::object)?,
            b'[' => self.nested(Self::array)?,
            b'"' => Kind::String(self.string()?),
            b'-' | b'0'..=b'9' => Kind::Number(self.number()?),
            b't' => self.word("true", Kind::Bool(true))?,
            b'f' => self.word("false", Kind::Bool(false))?,
            b'n' => self.word("null", Kind::Null)?,
            _ => return Err(self.unexpected("looking for beginning of value")),
        };
        Ok(Value { raw: self.since(start), kind })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Kind<'a>, Fault>) -> Result<Kind<'a>, Fault> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Fault::Syntax("exceeded max depth".to_owned(), self.at));
        }
        let kind = read(self)?;
        self.depth -= 1;
        Ok(kind)
    }

    fn object(&mut self) -> Result<Kind<'a>, Fault> {
        let mut members = Vec::new();
        self.skip_space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(Kind::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek()? != b'"' {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.skip_space();
            if self.peek()? != b':' {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            members.push((key, self.value()?));
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(Kind::Object(members));
                }
                _ => return Err(self.unexpected("after object key:value pair")),
            }
        }
    }

    fn array(&mut self) -> Result<Kind<'a>, Fault> {
        let mut values = Vec::new();
        self.skip_space();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(Kind::Array(values));
        }
        loop {
            values.push(self.value()?);
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(Kind::Array(values));
                }
                _ => return Err(self.unexpected("after array element")),
            }
        }
    }

    fn word(&mut self, word: &str, kind: Kind<'a>) -> Result<Kind<'a>, Fault> {
        for expected in word.chars() {
            if char::from(self.peek()?) != expected {
                return Err(self.unexpected(&format!("in literal {word} (expecting '{expected}')")));
            }
            self.at += 1;
        }
        Ok(kind)
    }

    fn number(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.at += 1;
        }
        // After a leading zero the number is over, unless a fraction or an exponent follows.
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.is_next(b".") {
            self.at += 1;
            self.digits()?;
        }
        if self.is_next(b"eE") {
            self.at += 1;
            if self.is_next(b"+-") {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(std::str::from_utf8(self.since(start)).expect("digits and signs are ASCII"))
    }

    /// At least one.
    fn digits(&mut self) -> Result<(), Fault> {
        if !self.peek()?.is_ascii_digit() {
            return Err(self.unexpected("in numeric literal"));
        }
        while self.is_next(b"0123456789") {
            self.at += 1;
        }
        Ok(())
    }

    /// From its opening quote to its closing one.
    fn string(&mut self) -> Result<String, Fault> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek()?, b'"' | b'\\' | 0..0x20) {
                self.at += 1;
            }
            push_lossy(&mut text, self.since(start));
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Ok(text);
                }
                b'\\' => text.push(self.escape()?),
                _ => return Err(self.unexpected("in string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let character = match self.ahead(1)? {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            same @ (b'"' | b'\\' | b'/') => char::from(same),
            b'u' => return self.unicode_escape(),
            _ => return Err(self.bad_escape(2)),
        };
        self.at += 2;
        Ok(character)
    }

    /// `\uD83D\uDE00` is one character; half of such a pair is U+FFFD.
    fn unicode_escape(&mut self) -> Result<char, Fault> {
        let first = self.code_unit()?;
        let after_first = self.at;
        if (0xD800..0xDC00).contains(&first) && self.bytes.get(self.at..self.at + 2) == Some(br"\u") {
            let second = self.code_unit()?;
            let pair = char::decode_utf16([first, second]).next();
            if let Some(Ok(character)) = pair {
                return Ok(character);
            }
            // The second stands for itself.
            self.at = after_first;
        }
        Ok(char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn code_unit(&mut self) -> Result<u16, Fault> {
        let mut unit = 0;
        for place in 2..6 {
            let digit = char::from(self.ahead(place)?).to_digit(16).ok_or_else(|| self.bad_escape(6))?;
            unit = unit << 4 | u16::try_from(digit).expect("a digit is below 16");
        }
        self.at += 6;
        Ok(unit)
    }

    fn bad_escape(&self, length: usize) -> Fault {
        let end = (self.at + length).min(self.bytes.len());
        let escape = String::from_utf8_lossy(self.bytes.get(self.at..end).unwrap_or_default());
        Fault::Syntax(format!("invalid escape sequence `{escape}` in string"), end)
    }

    fn skip_space(&mut self) {
        while self.is_next(b" \t\r\n") {
            self.at += 1;
        }
    }

    fn is_next(&self, any: &[u8]) -> bool {
        self.bytes.get(self.at).is_some_and(|byte| any.contains(byte))
    }

    fn peek(&self) -> Result<u8, Fault> {
        self.ahead(0)
    }

    fn ahead(&self, count: usize) -> Result<u8, Fault> {
        self.bytes.get(self.at + count).copied().ok_or(Fault::End)
    }

    fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).expect("start ≤ at ≤ length")
    }

    /// The next character is not what may stand there.
    fn unexpected(&self, place: &str) -> Fault {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut chunks = rest.get(..rest.len().min(4)).unwrap_or_default().utf8_chunks();
        let character = chunks.next().and_then(|chunk| chunk.valid().chars().next());
        let (name, length) = match (character, rest.first()) {
            (Some('\''), _) => (r"\'".to_owned(), 1),
            (Some('"'), _) => ("\"".to_owned(), 1),
            (Some(character), _) => {
                let quoted = super::quote(character.encode_utf8(&mut [0; 4]));
                (quoted.trim_matches('"').to_owned(), character.len_utf8())
            }
            (None, Some(byte)) => (format!(r"\x{byte:02x}"), 1),
            (None, None) => (String::new(), 0),
        };
        Fault::Syntax(format!("invalid character '{name}' {place}"), self.at + length)
    }
}

/// Each byte that is not UTF-8 becomes U+FFFD.
fn push_lossy(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
}
