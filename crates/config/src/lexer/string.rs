//! Strings: raw, with escapes, over several lines, and words without quotes, which may be booleans and variables.

use super::{END, Kind, Lexer, State, shown};

impl Lexer<'_> {
    /// `'…'`: no escapes.
    pub(super) fn raw_string(&mut self) -> State {
        self.ignore();
        loop {
            match self.next() {
                '\'' => {
                    self.back();
                    return self.closing_quote(Kind::Text);
                }
                END => return self.end_or_error(),
                _ => {}
            }
        }
    }

    /// `"…"`, which may span lines.
    pub(super) fn quoted_string(&mut self) -> State {
        loop {
            match self.next() {
                '\\' => {
                    if let Err(message) = self.escape() {
                        return self.error(message);
                    }
                }
                '"' => {
                    self.back();
                    return self.closing_quote(Kind::Text);
                }
                END => return self.end_or_error(),
                _ => {}
            }
        }
    }

    /// Unquoted: a string, a boolean or a variable.
    pub(super) fn word(&mut self) -> State {
        loop {
            match self.next() {
                '\\' => {
                    if let Err(message) = self.escape() {
                        return self.error(message);
                    }
                }
                '\n' | '\r' | END | ';' | ',' | ']' | '}' | ' ' | '\t' => {
                    self.back();
                    let kind = self.word_kind();
                    if kind == Kind::Variable {
                        self.start += 1;
                    }
                    self.emit(kind);
                    return self.pop();
                }
                '\'' => {
                    self.back();
                    return self.closing_quote(Kind::Text);
                }
                _ => {}
            }
        }
    }

    fn word_kind(&self) -> Kind {
        let word = self.pending();
        let is_bool =
            [&b"true"[..], b"false", b"yes", b"no", b"on", b"off"].iter().any(|name| word.eq_ignore_ascii_case(name));
        match () {
            () if self.decoded.is_some() => Kind::Text,
            () if is_bool => Kind::Bool,
            () if word.first() == Some(&b'$') => Kind::Variable,
            () => Kind::Text,
        }
    }

    /// After a backslash: puts what it stands for behind what was read so far.
    fn escape(&mut self) -> Result<(), String> {
        let mut decoded = self.decoded.take().unwrap_or_default();
        decoded.extend_from_slice(self.input.get(self.start..self.offset - 1).unwrap_or_default());
        match self.next() {
            'x' => decoded.push(self.hex_byte()?),
            't' => decoded.push(b'\t'),
            'n' => decoded.push(b'\n'),
            'r' => decoded.push(b'\r'),
            '"' => decoded.push(b'"'),
            '\\' => decoded.push(b'\\'),
            c => {
                return Err(format!(
                    "Invalid escape character '{}'. Only the following escape characters are allowed: \
                     \\xXX, \\t, \\n, \\r, \\\", \\\\.",
                    shown(c)
                ));
            }
        }
        self.start = self.offset;
        self.decoded = Some(decoded);
        Ok(())
    }

    fn hex_byte(&mut self) -> Result<u8, String> {
        for _ in 0..2 {
            if matches!(self.next(), '\n' | '\r') {
                return Err("Expected two hexadecimal digits after '\\x', but hit end of line".to_owned());
            }
        }
        let digits = self.input.get(self.offset - 2..self.offset).unwrap_or_default();
        let byte = str::from_utf8(digits)
            .ok()
            .filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|text| u8::from_str_radix(text, 16).ok());
        byte.ok_or_else(|| {
            format!("Expected two hexadecimal digits after '\\x', but got '{}'", String::from_utf8_lossy(digits))
        })
    }

    /// `(…)`, closed by a `)` alone on its line.
    pub(super) fn block_string(&mut self) -> State {
        loop {
            match self.next() {
                ')' => {
                    self.back();
                    self.back();
                    let is_first_of_line = self.next() == '\n';
                    self.next();
                    if !is_first_of_line {
                        continue;
                    }
                    if matches!(self.next(), '\n' | END) {
                        self.back();
                        self.back();
                        return self.closing_quote(Kind::Text);
                    }
                    self.back();
                }
                END => return self.error("Unexpected EOF processing block.".to_owned()),
                _ => {}
            }
        }
    }
}
