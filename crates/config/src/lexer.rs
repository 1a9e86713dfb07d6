//! Cuts a configuration text into items: keys, values, brackets, includes.
//!
//! Not here: what items mean together (`parser`). The language has no grammar on paper; the NATS server's lexer *is*
//! the grammar, and files in the field rely on its oddities, so this one agrees with it byte for byte:
//!
//! - a word that starts like a number swallows the byte that shows it is none, so `[1, 2]` never sees its `]`;
//! - a NUL byte ends whatever the end of the text would end;
//! - `(`…`)` needs its `)` alone on a line, and at the very end of a text the `)` belongs to the string;
//! - columns are differences of byte offsets and the length of the *decoded* item, counted from the newline before.
//!
//! One difference: only ASCII digits make numbers.
//!
//! ```text
//!            Top ──key──▶ KeyEnd ──▶ Value ──▶ TopEnd ──▶ Top          `{ … }` around everything: Block, BlockEnd
//!                                     │ ▲
//!                     `{` MapKey ──▶ MapValue ──▶ MapValueEnd          the stack holds where to go on
//!                     `[` ListValue ─▶ Value ───▶ ListValueEnd         after a value or a comment
//! ```

mod include;
mod number;
mod string;

/// A piece of text with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) kind: Kind,
    /// Decoded, without quotes; for `Kind::Error` the message.
    pub(crate) text: Vec<u8>,
    pub(crate) line: usize,
    pub(crate) column: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Key,
    Text,
    Bool,
    Integer,
    Float,
    Datetime,
    Variable,
    Include,
    ListStart,
    ListEnd,
    MapStart,
    MapEnd,
    Comment,
    End,
    Error,
}

/// What the lexer expects next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Top,
    TopEnd,
    Block,
    BlockValueEnd,
    BlockEnd,
    KeyEnd,
    Value,
    ListValue,
    ListValueEnd,
    MapKey,
    MapKeyEnd,
    MapValue,
    MapValueEnd,
    Done,
}

/// Where a key stands: it decides the state after the key and some messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyPlace {
    Top,
    Map,
}

const END: char = '\0';
const COLUMN_OVERFLOW: &str = "a text in memory is shorter than i64::MAX";

pub(crate) struct Lexer<'a> {
    input: &'a [u8],
    /// Start of the item being read.
    start: usize,
    /// Next byte to read.
    offset: usize,
    /// Bytes of the last character read, for `back`.
    width: usize,
    line: usize,
    /// Offset of the newline that began the current line.
    line_start: usize,
    /// The same for the line on which the current item began.
    item_line_start: usize,
    state: State,
    stack: Vec<State>,
    /// Decoded pieces of a string with escapes that lie before `start`.
    decoded: Option<Vec<u8>>,
    item: Option<Item>,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Lexer<'a> {
        Lexer {
            input,
            start: 0,
            offset: 0,
            width: 0,
            line: 1,
            line_start: 0,
            item_line_start: 0,
            state: State::Top,
            stack: Vec::new(),
            decoded: None,
            item: None,
        }
    }

    /// The next item. After `Kind::End` or `Kind::Error` there is only `Kind::End`.
    pub(crate) fn next_item(&mut self) -> Item {
        loop {
            if let Some(item) = self.item.take() {
                return item;
            }
            self.state = self.step();
        }
    }

    fn step(&mut self) -> State {
        match self.state {
            State::Top => self.top(),
            State::TopEnd => self.top_end(),
            State::Block => self.block(),
            State::BlockValueEnd => self.block_value_end(),
            State::BlockEnd => self.block_end(),
            State::KeyEnd => self.key_end(),
            State::Value => self.value(),
            State::ListValue => self.list_value(),
            State::ListValueEnd => self.list_value_end(),
            State::MapKey => self.map_key(),
            State::MapKeyEnd => self.map_key_end(),
            State::MapValue => self.map_value(),
            State::MapValueEnd => self.map_value_end(),
            State::Done => self.end(),
        }
    }

    fn top(&mut self) -> State {
        match self.next() {
            c if c.is_whitespace() => self.skip_to(State::Top),
            '{' => {
                self.stack.push(State::Top);
                self.skip_to(State::Block)
            }
            '#' => self.comment(State::Top),
            '/' if self.next_is_slash() => self.comment(State::Top),
            '/' | END => self.end_or_error(),
            _ => {
                self.back();
                self.stack.push(State::TopEnd);
                self.key()
            }
        }
    }

    fn top_end(&mut self) -> State {
        match self.next() {
            '#' => self.comment(State::Top),
            '/' if self.next_is_slash() => self.comment(State::Top),
            '/' | ' ' | '\t' => State::TopEnd,
            '\n' | '\r' | END | ';' | ',' | '}' => self.skip_to(State::Top),
            c => self.error(format!(
                "Expected a top-level value to end with a new line, comment or EOF, but got '{}' instead.",
                shown(c)
            )),
        }
    }

    fn block(&mut self) -> State {
        match self.next() {
            c if c.is_whitespace() => self.skip_to(State::Block),
            '{' => {
                self.stack.push(State::BlockEnd);
                self.skip_to(State::Block)
            }
            '}' => {
                self.ignore();
                self.pop()
            }
            '#' => self.comment(State::Block),
            '/' if self.next_is_slash() => self.comment(State::Block),
            '/' | END => self.end_or_error(),
            _ => {
                self.back();
                self.stack.push(State::BlockValueEnd);
                self.key()
            }
        }
    }

    fn block_value_end(&mut self) -> State {
        match self.next() {
            '#' => self.comment(State::BlockValueEnd),
            '/' if self.next_is_slash() => self.comment(State::BlockValueEnd),
            '/' | ' ' | '\t' => State::BlockValueEnd,
            '\n' | '\r' | ';' | ',' => self.skip_to(State::Block),
            '}' => {
                self.back();
                State::BlockEnd
            }
            c => self.error(format!(
                "Expected a block-level value to end with a new line, comment or EOF, but got '{}' instead.",
                shown(c)
            )),
        }
    }

    fn block_end(&mut self) -> State {
        match self.next() {
            '#' => self.comment(State::Block),
            '/' if self.next_is_slash() => self.comment(State::Block),
            '/' | '\n' | '\r' | ' ' | '\t' => State::BlockEnd,
            ';' | ',' => self.skip_to(State::Block),
            '}' => {
                self.ignore();
                self.pop()
            }
            c => self.error(format!("Expected a block-level to end with a '}}', but got '{}' instead.", shown(c))),
        }
    }

    /// A key outside of maps.
    fn key(&mut self) -> State {
        match self.peek() {
            c @ ('=' | ':') => self.error(format!("Unexpected key separator '{c}'")),
            quote @ ('"' | '\'') => {
                self.next();
                self.ignore();
                loop {
                    match self.peek() {
                        END => return self.end_or_error(),
                        c if c == quote => return self.quoted_key_end(State::KeyEnd),
                        _ => self.next(),
                    };
                }
            }
            _ => self.bare_key(KeyPlace::Top),
        }
    }

    fn map_key(&mut self) -> State {
        match self.peek() {
            c @ ('=' | ':') => self.error(format!("Unexpected key separator '{c}'.")),
            ']' => self.error("Unexpected array end ']' processing map.".to_owned()),
            END => self.error("Unexpected EOF processing map.".to_owned()),
            c if c.is_whitespace() => {
                self.next();
                self.skip_to(State::MapKey)
            }
            '}' => {
                self.next();
                self.map_end()
            }
            '#' => {
                self.next();
                self.comment(State::MapKey)
            }
            '/' => {
                self.next();
                if self.next_is_slash() {
                    return self.comment(State::MapKey);
                }
                // A lone slash is dropped, and the character after it begins the key.
                self.bare_key(KeyPlace::Map)
            }
            quote @ ('"' | '\'') => {
                self.next();
                self.ignore();
                loop {
                    match self.peek() {
                        END if quote == '"' => {
                            return self.error("Unexpected EOF processing double quoted map key.".to_owned());
                        }
                        END => {
                            return self.error("Unexpected EOF processing quoted map key.".to_owned());
                        }
                        c if c == quote => return self.quoted_key_end(State::MapKeyEnd),
                        _ => self.next(),
                    };
                }
            }
            _ => self.bare_key(KeyPlace::Map),
        }
    }

    fn quoted_key_end(&mut self, next: State) -> State {
        self.emit(Kind::Key);
        self.next();
        self.skip_to(next)
    }

    /// A key without quotes, or the word `include`. Its first character is taken as it is.
    fn bare_key(&mut self, place: KeyPlace) -> State {
        let key_end = match place {
            KeyPlace::Top => State::KeyEnd,
            KeyPlace::Map => State::MapKeyEnd,
        };
        self.ignore();
        self.next();
        loop {
            match self.peek() {
                END if place == KeyPlace::Map => {
                    return self.error("Unexpected EOF processing map key.".to_owned());
                }
                c if c.is_whitespace() => {
                    if !self.pending().eq_ignore_ascii_case(b"include") {
                        self.emit(Kind::Key);
                        return key_end;
                    }
                    self.ignore();
                    if place == KeyPlace::Map {
                        self.stack.push(State::MapValueEnd);
                    }
                    return self.include();
                }
                '=' | ':' | END => {
                    self.emit(Kind::Key);
                    return key_end;
                }
                _ => self.next(),
            };
        }
    }

    fn key_end(&mut self) -> State {
        match self.next() {
            c if c.is_whitespace() => self.skip_to(State::KeyEnd),
            '=' | ':' => self.skip_to(State::Value),
            END => self.end(),
            _ => {
                self.back();
                State::Value
            }
        }
    }

    fn map_key_end(&mut self) -> State {
        match self.next() {
            c if c.is_whitespace() => self.skip_to(State::MapKeyEnd),
            '=' | ':' => self.skip_to(State::MapValue),
            _ => {
                self.back();
                State::MapValue
            }
        }
    }

    fn value(&mut self) -> State {
        match self.next() {
            ' ' | '\t' => self.skip_to(State::Value),
            '[' => {
                self.ignore();
                self.emit(Kind::ListStart);
                State::ListValue
            }
            '{' => {
                self.ignore();
                self.emit(Kind::MapStart);
                State::MapKey
            }
            '\'' => self.raw_string(),
            '"' => {
                self.ignore();
                self.quoted_string()
            }
            '(' => {
                self.ignore();
                self.block_string()
            }
            '-' => self.negative_number(),
            '0'..='9' => self.number_or_word(),
            '.' => self.error("Floats must start with a digit".to_owned()),
            '\n' | '\r' => self.error("Expected value but found new line".to_owned()),
            _ => {
                self.back();
                self.word()
            }
        }
    }

    fn list_value(&mut self) -> State {
        match self.next() {
            c if c.is_whitespace() => self.skip_to(State::ListValue),
            '#' => self.comment(State::ListValue),
            '/' if self.next_is_slash() => self.comment(State::ListValue),
            '/' | ',' => self.error("Unexpected array value terminator ','.".to_owned()),
            ']' => self.list_end(),
            _ => {
                self.back();
                self.stack.push(State::ListValueEnd);
                State::Value
            }
        }
    }

    fn list_value_end(&mut self) -> State {
        match self.next() {
            ' ' | '\t' => self.skip_to(State::ListValueEnd),
            '#' => self.comment(State::ListValueEnd),
            '/' if self.next_is_slash() => self.comment(State::ListValueEnd),
            '/' | ',' | '\n' | '\r' => self.skip_to(State::ListValue),
            ']' => self.list_end(),
            c => self.error(format!(
                "Expected an array value terminator \",\" or an array terminator \"]\", but got '{}' instead.",
                shown(c)
            )),
        }
    }

    fn list_end(&mut self) -> State {
        self.ignore();
        self.emit(Kind::ListEnd);
        self.pop()
    }

    fn map_value(&mut self) -> State {
        match self.next() {
            c if c.is_whitespace() => self.skip_to(State::MapValue),
            ',' => self.error("Unexpected map value terminator \",\".".to_owned()),
            '}' => self.map_end(),
            _ => {
                self.back();
                self.stack.push(State::MapValueEnd);
                State::Value
            }
        }
    }

    fn map_value_end(&mut self) -> State {
        match self.next() {
            ' ' | '\t' => self.skip_to(State::MapValueEnd),
            '#' => self.comment(State::MapValueEnd),
            '/' if self.next_is_slash() => self.comment(State::MapValueEnd),
            '/' | ';' | ',' | '\n' | '\r' => self.skip_to(State::MapKey),
            '}' => self.map_end(),
            c => self.error(format!(
                "Expected a map value terminator \",\" or a map terminator \"}}\", but got '{}' instead.",
                shown(c)
            )),
        }
    }

    fn map_end(&mut self) -> State {
        self.ignore();
        self.emit(Kind::MapEnd);
        self.pop()
    }

    /// To the end of the line; then on in `after`.
    fn comment(&mut self, after: State) -> State {
        self.ignore();
        while !matches!(self.peek(), '\n' | '\r' | END) {
            self.next();
        }
        self.emit(Kind::Comment);
        after
    }

    fn closing_quote(&mut self, kind: Kind) -> State {
        self.emit(kind);
        self.next();
        self.ignore();
        self.pop()
    }

    /// A slash was read. If another follows it is eaten too.
    fn next_is_slash(&mut self) -> bool {
        if self.next() == '/' {
            return true;
        }
        self.back();
        false
    }

    fn end_or_error(&mut self) -> State {
        if self.offset > self.start {
            return self.error("Unexpected EOF.".to_owned());
        }
        self.end()
    }

    fn end(&mut self) -> State {
        self.emit(Kind::End);
        State::Done
    }

    fn error(&mut self, message: String) -> State {
        let column = column(self.offset, self.line_start);
        self.item = Some(Item { kind: Kind::Error, text: message.into_bytes(), line: self.line, column });
        State::Done
    }

    fn emit(&mut self, kind: Kind) {
        let mut text = self.decoded.take().unwrap_or_default();
        text.extend_from_slice(self.pending());
        let column = column(self.offset, self.item_line_start) - column(text.len(), 0);
        self.item = Some(Item { kind, text, line: self.line, column });
        self.ignore();
    }

    fn pending(&self) -> &'a [u8] {
        self.input.get(self.start..self.offset).unwrap_or_default()
    }

    fn pop(&mut self) -> State {
        self.stack.pop().expect("a state was pushed before every value and every block")
    }

    fn skip_to(&mut self, state: State) -> State {
        self.ignore();
        state
    }

    fn ignore(&mut self) {
        self.start = self.offset;
        self.item_line_start = self.line_start;
    }

    fn next(&mut self) -> char {
        let rest = self.input.get(self.offset..).unwrap_or_default();
        let Some(&byte) = rest.first() else {
            self.width = 0;
            return END;
        };
        if byte == b'\n' {
            self.line += 1;
            self.line_start = self.offset;
        }
        let (c, width) = if byte.is_ascii() { (char::from(byte), 1) } else { first_char(rest) };
        self.offset += width;
        self.width = width;
        c
    }

    /// Steps back over the last character. `line_start` stays where it is: the newline itself.
    fn back(&mut self) {
        self.offset -= self.width;
        if self.width > 0 && self.input.get(self.offset) == Some(&b'\n') {
            self.line -= 1;
        }
    }

    fn peek(&mut self) -> char {
        let c = self.next();
        self.back();
        c
    }
}

/// The first character and its bytes; a byte that begins no character counts as U+FFFD.
fn first_char(bytes: &[u8]) -> (char, usize) {
    let window = bytes.get(..bytes.len().min(4)).unwrap_or_default();
    let valid = match str::from_utf8(window) {
        Ok(text) => text,
        Err(error) => str::from_utf8(window.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default(),
    };
    valid.chars().next().map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, c.len_utf8()))
}

/// Text of bytes that may not be UTF-8: U+FFFD for each wrong byte.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        match str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                break;
            }
            Err(error) => {
                let (valid, wrong) = rest.split_at(error.valid_up_to());
                text.push_str(str::from_utf8(valid).unwrap_or_default());
                text.push(char::REPLACEMENT_CHARACTER);
                rest = wrong.get(1..).unwrap_or_default();
            }
        }
    }
    text
}

fn column(offset: usize, line_start: usize) -> i64 {
    i64::try_from(offset).expect(COLUMN_OVERFLOW) - i64::try_from(line_start).expect(COLUMN_OVERFLOW)
}

/// A character inside a message.
fn shown(c: char) -> String {
    if c == '\n' { "\\n".to_owned() } else { c.to_string() }
}
