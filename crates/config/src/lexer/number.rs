//! Values that begin like a number: integers with their units, floats, dates, addresses, or words after all.
//!
//! Not here: what they come to.

use super::{END, Kind, Lexer, State, shown};

impl Lexer<'_> {
    /// After the first digit: an integer, float, date, address, or a word that only starts with a digit.
    pub(super) fn number_or_word(&mut self) -> State {
        loop {
            match self.next() {
                '-' if self.offset - self.start == 5 => return self.date_after_year(),
                '-' => {
                    return self.error("All ISO8601 dates must be in full Zulu form.".to_owned());
                }
                '0'..='9' => {}
                '.' => return self.fraction(),
                c if is_number_suffix(c) => return self.number_unit(),
                '\n' | '\r' | END | '}' | ';' | ',' | ' ' | '\t' => {
                    self.back();
                    self.emit(Kind::Integer);
                    return self.pop();
                }
                _ => return self.word(),
            }
        }
    }

    pub(super) fn negative_number(&mut self) -> State {
        match self.next() {
            '0'..='9' => {}
            '.' => return self.error("Floats must start with a digit, not '.'.".to_owned()),
            c => return self.error(format!("Expected a digit but got '{}'.", shown(c))),
        }
        loop {
            match self.next() {
                '0'..='9' => {}
                '.' => return self.fraction(),
                c if is_number_suffix(c) => return self.number_unit(),
                _ => {
                    self.back();
                    self.emit(Kind::Integer);
                    return self.pop();
                }
            }
        }
    }

    /// After a `k`, `m`, …: any row of `b` and `i`. The parser decides which of them mean something.
    fn number_unit(&mut self) -> State {
        while matches!(self.next(), 'b' | 'B' | 'i' | 'I') {}
        self.back();
        match self.peek() {
            '\n' | '\r' | END | '}' | ';' | ',' | ' ' | '\t' => {
                self.emit(Kind::Integer);
                self.pop()
            }
            _ => self.word(),
        }
    }

    fn fraction(&mut self) -> State {
        match self.next() {
            '0'..='9' => {}
            c => {
                return self.error(format!("Floats must have a digit after the '.', but got '{}' instead.", shown(c)));
            }
        }
        loop {
            match self.next() {
                '0'..='9' => {}
                '.' => return self.address(),
                _ => {
                    self.back();
                    self.emit(Kind::Float);
                    return self.pop();
                }
            }
        }
    }

    /// A second point made it an IP address, perhaps with a port.
    fn address(&mut self) -> State {
        while matches!(self.next(), '0'..='9' | '.' | ':' | '-') {}
        self.back();
        self.emit(Kind::Text);
        self.pop()
    }

    fn date_after_year(&mut self) -> State {
        for expected in "00-00T00:00:00Z".chars() {
            let c = self.next();
            if expected == '0' && !c.is_ascii_digit() {
                return self.error(format!("Expected digit in ISO8601 datetime, but found '{}' instead.", shown(c)));
            }
            if expected != '0' && expected != c {
                return self
                    .error(format!("Expected '{expected}' in ISO8601 datetime, but found '{}' instead.", shown(c)));
            }
        }
        self.emit(Kind::Datetime);
        self.pop()
    }
}

fn is_number_suffix(c: char) -> bool {
    matches!(c.to_ascii_lowercase(), 'k' | 'm' | 'g' | 't' | 'p' | 'e')
}
