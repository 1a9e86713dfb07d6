//! A walk over the keys whose subject one of some patterns matches.

use super::pattern::{Verdict, judge, start};
use super::{Cursor, Value};
use crate::part::{Miss, Parts};

/// The walk. Each key comes once, in order, however many patterns match it. Where a part is cold it stays where it was.
#[derive(Clone, Debug)]
pub struct Matches {
    cursor: Cursor,
    prefix: Vec<u8>,
    patterns: Vec<Box<[u8]>>,
    is_done: bool,
}

impl Matches {
    pub(super) fn new<P: AsRef<[u8]>>(
        mut cursor: Cursor,
        prefix: &[u8],
        patterns: impl IntoIterator<Item = P>,
    ) -> Self {
        let patterns: Vec<Box<[u8]>> = patterns.into_iter().map(|pattern| pattern.as_ref().into()).collect();
        let first = patterns.iter().map(|pattern| start(pattern)).min();
        let is_done = first.is_none();
        cursor.seek(&[prefix, &first.unwrap_or_default()].concat());
        Matches { cursor, prefix: prefix.to_vec(), patterns, is_done }
    }

    /// Skips what is not above `subject`, which was seen already.
    pub fn skip_to_after(&mut self, subject: &[u8]) {
        self.cursor.seek(&[&self.prefix, subject, &[0]].concat());
    }

    /// Moves to the next match. False at the end.
    ///
    /// # Errors
    /// [`Miss`].
    pub fn advance(&mut self, parts: &impl Parts) -> Result<bool, Miss> {
        while !self.is_done && self.cursor.advance(parts)? {
            let key = self.cursor.key();
            let Some(subject) = key.strip_prefix(self.prefix.as_slice()) else {
                // In front of all that have the prefix, or behind.
                self.is_done = key > self.prefix.as_slice();
                continue;
            };
            match verdict(&self.patterns, subject) {
                Verdict::Matches => return Ok(true),
                Verdict::Next => {}
                Verdict::From(target) => {
                    let target = [self.prefix.as_slice(), &target].concat();
                    self.cursor.seek(&target);
                }
                Verdict::End => self.is_done = true,
            }
        }
        self.is_done = true;
        Ok(false)
    }

    /// The subject it is at, without the prefix.
    ///
    /// # Panics
    /// When the last call was not a [`Matches::advance`] that returned true.
    pub fn subject(&self) -> &[u8] {
        self.cursor.key().get(self.prefix.len()..).unwrap_or_default()
    }

    /// What is said of the subject it is at.
    ///
    /// # Panics
    /// As [`Matches::subject`].
    pub fn value(&self) -> Value {
        self.cursor.value()
    }

    /// How many keys of the table are before the one it is at.
    ///
    /// # Panics
    /// As [`Matches::subject`].
    pub fn ordinal(&self) -> u64 {
        self.cursor.ordinal()
    }
}

/// What all patterns together say about a subject.
fn verdict(patterns: &[Box<[u8]>], subject: &[u8]) -> Verdict {
    let mut together = Verdict::End;
    for pattern in patterns {
        together = match (judge(pattern, subject), together) {
            (Verdict::Matches, _) => return Verdict::Matches,
            (Verdict::Next, _) | (_, Verdict::Next) => Verdict::Next,
            (Verdict::End, other) | (other, Verdict::End) => other,
            (Verdict::From(a), Verdict::From(b)) => Verdict::From(a.min(b)),
            (Verdict::From(_), Verdict::Matches) => return Verdict::Matches,
        };
    }
    together
}
