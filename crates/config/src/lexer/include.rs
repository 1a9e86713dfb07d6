//! What follows the word `include`: the name of a file, with quotes or without. Not here: reading it.

use super::{END, Kind, Lexer, State};

impl Lexer<'_> {
    pub(super) fn include(&mut self) -> State {
        let first = loop {
            match self.next() {
                ' ' | '\t' => self.ignore(),
                c => break c,
            }
        };
        let unexpected = match first {
            '\'' => return self.quoted_include('\'', "Unexpected EOF in quoted include"),
            '"' => return self.quoted_include('"', "Unexpected EOF in double quoted include"),
            '[' => "start of an array",
            '{' => "start of a map",
            '(' => "start of a block",
            '0'..='9' | '-' => "start of a number",
            '\\' => "escape sequence",
            '\n' | '\r' => "new line",
            _ => {
                self.back();
                return self.bare_include();
            }
        };
        self.error(format!("Expected include value but found {unexpected}"))
    }

    fn quoted_include(&mut self, quote: char, at_end: &str) -> State {
        self.ignore();
        loop {
            match self.next() {
                END => return self.error(at_end.to_owned()),
                c if c == quote => {
                    self.back();
                    return self.closing_quote(Kind::Include);
                }
                _ => {}
            }
        }
    }

    fn bare_include(&mut self) -> State {
        loop {
            match self.next() {
                '\n' | '\r' | END | ';' | '}' | ' ' | '\t' => {
                    self.back();
                    self.emit(Kind::Include);
                    return self.pop();
                }
                '\'' => {
                    self.back();
                    return self.closing_quote(Kind::Include);
                }
                _ => {}
            }
        }
    }
}
