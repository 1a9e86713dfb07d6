//! Several tables as one: of a key that is in more than one, the newest table's value.

use super::{Cursor, Table, Value};
use crate::part::{Miss, Parts};

/// A walk over the keys of all tables in their order. Where a part is cold it stays where it was.
#[derive(Clone, Debug)]
pub struct Merge {
    /// The newest first.
    cursors: Vec<(Cursor, Head)>,
    /// Which one has the key it is at.
    at: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// It must move before its key counts.
    Passed,
    Waits,
    End,
}

impl Merge {
    /// Of tables, the newest first.
    pub fn new(tables: impl IntoIterator<Item = Table>) -> Self {
        let cursors = tables.into_iter().map(|table| (table.cursor(), Head::Passed)).collect();
        Merge { cursors, at: None }
    }

    /// The next [`Merge::advance`] goes to the first key that is not below `key`.
    pub fn seek(&mut self, key: &[u8]) {
        for (cursor, head) in &mut self.cursors {
            cursor.seek(key);
            *head = Head::Passed;
        }
    }

    /// Moves to the next key. False at the end.
    ///
    /// # Errors
    /// [`Miss`].
    pub fn advance(&mut self, parts: &impl Parts) -> Result<bool, Miss> {
        for (cursor, head) in self.cursors.iter_mut().filter(|(_, head)| *head == Head::Passed) {
            *head = if cursor.advance(parts)? { Head::Waits } else { Head::End };
        }
        let waiting = || (0..).zip(&self.cursors).filter(|(_, (_, head))| *head == Head::Waits);
        // Of equal keys the first, which is the newest table's.
        self.at = waiting().min_by(|(_, (a, _)), (_, (b, _))| a.key().cmp(b.key())).map(|(index, _)| index);
        let Some((newest, _)) = self.at.and_then(|at| self.cursors.get(at)) else { return Ok(false) };
        let key = newest.key().to_vec();
        for (_, head) in self.cursors.iter_mut().filter(|(cursor, head)| *head == Head::Waits && cursor.key() == key) {
            *head = Head::Passed;
        }
        Ok(true)
    }

    /// The key it is at.
    ///
    /// # Panics
    /// When the last call was not a [`Merge::advance`] that returned true.
    pub fn key(&self) -> &[u8] {
        self.cursor().key()
    }

    /// What the newest table says of it.
    ///
    /// # Panics
    /// As [`Merge::key`].
    pub fn value(&self) -> Value {
        self.cursor().value()
    }

    fn cursor(&self) -> &Cursor {
        let at = self.at.and_then(|at| self.cursors.get(at));
        &at.expect("a merge has a key after it advanced to one").0
    }
}
