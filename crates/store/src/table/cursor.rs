//! A place in a table, which moves forward key by key or to a key.

use super::node::{Node, Position};
use super::{Leaf, Table, Value, malformed};
use crate::part::{Miss, Parts};

/// A walk over the keys of a table in their order. Where a part is cold it stays where it was: ask again later.
#[derive(Clone, Debug)]
pub struct Cursor {
    table: Table,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    /// Before the first key that is not below this one; the leaf is one of the table, if it is known.
    Before(Vec<u8>, Option<Leaf>),
    At(Leaf, Position),
    End,
}

impl Cursor {
    pub(super) fn new(table: Table) -> Self {
        let place = if table.keys() == 0 { Place::End } else { Place::Before(Vec::new(), None) };
        Cursor { table, place }
    }

    /// The next [`Cursor::advance`] goes to the first key that is not below `key`. Reads nothing.
    pub fn seek(&mut self, key: &[u8]) {
        let leaf = match std::mem::replace(&mut self.place, Place::End) {
            // The key may be in the same leaf, or in one behind.
            Place::At(leaf, position) if position.key.as_slice() <= key => Some(leaf),
            Place::Before(before, leaf) if before.as_slice() <= key => leaf,
            Place::At(..) | Place::Before(..) | Place::End => None,
        };
        let leaf = leaf.filter(|leaf| leaf.end.as_ref().is_none_or(|end| end.as_slice() > key));
        if self.table.keys() > 0 {
            self.place = Place::Before(key.to_vec(), leaf);
        }
    }

    /// Moves to the next key. False at the end.
    ///
    /// # Errors
    /// [`Miss`]; the cursor is where it was. After damage, [`Cursor::seek`] goes on behind it.
    pub fn advance(&mut self, parts: &impl Parts) -> Result<bool, Miss> {
        if let Place::At(leaf, position) = &mut self.place {
            let node = Node::parse(&leaf.bytes).ok_or_else(|| malformed(leaf.part))?;
            let has_more = node.has_more(position.index);
            if let Some(next) = node.next(Some(std::mem::take(position))) {
                *position = next;
                return Ok(true);
            }
            if has_more {
                let part = leaf.part;
                self.place = Place::End;
                return Err(malformed(part));
            }
            self.place = leaf.end.take().map_or(Place::End, |end| Place::Before(end, None));
        }
        while let Place::Before(key, leaf) = &mut self.place {
            let found = match leaf.take() {
                Some(leaf) => leaf,
                None => self.table.leaf(parts, key)?,
            };
            let node = Node::parse(&found.bytes).ok_or_else(|| malformed(found.part))?;
            if let Some(position) = node.lower_bound(key) {
                self.place = Place::At(found, position);
                return Ok(true);
            }
            self.place = match found.end {
                Some(end) if end > *key => Place::Before(end, None),
                Some(_) => return Err(malformed(found.part)),
                None => Place::End,
            };
        }
        Ok(false)
    }

    /// The key it is at.
    ///
    /// # Panics
    /// When the last call was not an [`Cursor::advance`] that returned true.
    pub fn key(&self) -> &[u8] {
        &self.at().1.key
    }

    /// What is said of the key it is at.
    ///
    /// # Panics
    /// When the last call was not an [`Cursor::advance`] that returned true.
    pub fn value(&self) -> Value {
        self.table.value(&self.at().1.numbers)
    }

    /// How many keys are before the one it is at.
    ///
    /// # Panics
    /// When the last call was not an [`Cursor::advance`] that returned true.
    pub fn ordinal(&self) -> u64 {
        let (leaf, position) = self.at();
        leaf.ordinal(position)
    }

    fn at(&self) -> (&Leaf, &Position) {
        match &self.place {
            Place::At(leaf, position) => (leaf, position),
            Place::Before(..) | Place::End => panic!("a cursor has a key after it advanced to one"),
        }
    }
}
