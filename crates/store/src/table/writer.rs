//! Writing a table, key after key, in one pass and with little memory: one node a level, and the filter.

use crc32c::crc32c;

use super::bloom;
use super::node::{Builder, Numbers, common_bytes};
use super::{Table, Value};
use crate::disk::{Disk, DiskError};
use crate::file::{FileId, Output, u64_of};
use crate::part::Part;
use crate::wal::number::disk_size;

/// A table in the making. Its nodes go to an output as they are full.
#[derive(Debug)]
pub(crate) struct Writer {
    base: u64,
    keys: u64,
    last_key: Vec<u8>,
    levels: Vec<Level>,
    bloom: bloom::Builder,
}

/// The node of a level that is not full yet.
#[derive(Debug)]
struct Level {
    node: Builder,
    /// What separates it from the node before: above its last key, at most this one's first.
    separator: Vec<u8>,
    first_ordinal: u64,
}

impl Writer {
    /// For about `keys_max` keys, of which the filter's length follows. No sequence is below `base`.
    pub(crate) fn new(keys_max: u64, base: u64) -> Self {
        let bloom = bloom::Builder::new(keys_max);
        Writer { base, keys: 0, last_key: Vec::new(), levels: Vec::new(), bloom }
    }

    /// Adds a key, which is above all before.
    pub(crate) fn push<D: Disk>(
        &mut self,
        output: &mut Output<'_, D>,
        key: &[u8],
        value: Value,
    ) -> Result<(), DiskError> {
        assert!(self.keys == 0 || key > self.last_key.as_slice(), "keys rise");
        let Value { count, first, last } = value;
        let first_delta = first.checked_sub(self.base).expect("no sequence is below the base");
        let length = last.checked_sub(first).expect("the last is not before the first");
        self.bloom.insert(key);
        // The shortest that tells this key from the one before, should a node begin here.
        let separator_bytes = if self.keys == 0 { 0 } else { common_bytes(&self.last_key, key) + 1 };
        let separator = key.get(..separator_bytes).unwrap_or(key).to_vec();
        self.push_entry(output, 0, key, [count, first_delta, length, 0], separator, self.keys)?;
        self.keys += 1;
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        Ok(())
    }

    fn push_entry<D: Disk>(
        &mut self,
        output: &mut Output<'_, D>,
        level: usize,
        key: &[u8],
        numbers: Numbers,
        separator: Vec<u8>,
        ordinal: u64,
    ) -> Result<(), DiskError> {
        if self.levels.len() == level {
            let node = Builder::new(u8::try_from(level).expect("each level halves what is below"));
            self.levels.push(Level { node, separator: Vec::new(), first_ordinal: 0 });
        }
        // With fewer than two entries in an inner node there would be as many nodes on every level.
        let count_min = if level == 0 { 1 } else { 2 };
        let top = self.levels.get_mut(level).expect("it was added");
        if top.node.count() > 0 && top.node.push(key, numbers, count_min) {
            return Ok(());
        }
        if top.node.count() > 0 {
            self.flush(output, level)?;
        }
        let top = self.levels.get_mut(level).expect("it was added");
        top.separator = separator;
        top.first_ordinal = ordinal;
        assert!(top.node.push(key, numbers, count_min), "an empty node takes any entry");
        Ok(())
    }

    /// Writes the node of a level and enters it in the level above.
    fn flush<D: Disk>(&mut self, output: &mut Output<'_, D>, level: usize) -> Result<(), DiskError> {
        let Level { node, separator, first_ordinal } = self.levels.get_mut(level).expect("it is not full");
        let bytes = node.take();
        let (separator, ordinal) = (std::mem::take(separator), *first_ordinal);
        let part = write(output, &bytes)?;
        let numbers = [part.offset, part.bytes.into(), part.checksum.into(), ordinal];
        self.push_entry(output, level + 1, &separator, numbers, separator.clone(), ordinal)
    }

    /// Writes what is left.
    pub(crate) fn finish<D: Disk>(mut self, output: &mut Output<'_, D>) -> Result<Table, DiskError> {
        let mut root = Part { file: output.id().number, offset: 0, bytes: 0, checksum: 0 };
        let mut level = 0;
        while level < self.levels.len() {
            if level + 1 < self.levels.len() {
                self.flush(output, level)?;
            } else {
                let bytes = self.levels.get_mut(level).map(|top| top.node.take()).unwrap_or_default();
                root = write(output, &bytes)?;
            }
            level += 1;
        }
        let levels = u8::try_from(self.levels.len()).expect("each level halves what is below");
        let bloom = self.bloom.write(output)?;
        Ok(Table { keys: self.keys, base: self.base, root, levels, bloom })
    }
}

fn write<D: Disk>(output: &mut Output<'_, D>, bytes: &[u8]) -> Result<Part, DiskError> {
    let offset = output.position();
    output.write(bytes)?;
    Ok(Part { file: output.id().number, offset, bytes: disk_size(bytes.len()), checksum: crc32c(bytes) })
}

/// A table that is a file of its own, while it is written. Dropped before it is finished, it is removed.
pub struct TableFile<'d, D: Disk> {
    output: Output<'d, D>,
    writer: Writer,
}

impl<'d, D: Disk> TableFile<'d, D> {
    /// Begins a file for about `keys_max` keys. No sequence is below `base`.
    ///
    /// # Errors
    /// The disk's.
    pub fn create(disk: &'d D, id: FileId, keys_max: u64, base: u64) -> Result<Self, DiskError> {
        Ok(TableFile { output: Output::create(disk, id)?, writer: Writer::new(keys_max, base) })
    }

    /// Adds a key, which is above all before.
    ///
    /// # Errors
    /// The disk's.
    ///
    /// # Panics
    /// When it is not above all before, or the value is below the base or ends before it begins.
    pub fn push(&mut self, key: &[u8], value: Value) -> Result<(), DiskError> {
        self.writer.push(&mut self.output, key, value)
    }

    /// Makes the file durable. Returns the table and the length of the file.
    ///
    /// # Errors
    /// The disk's; the file may be there all the same, and is not to be used.
    pub fn finish(mut self) -> Result<(Table, u64), DiskError> {
        let table = self.writer.finish(&mut self.output)?;
        let mut fields = Vec::new();
        table.encode(&mut fields);
        debug_assert_eq!(u64_of(fields.len()), u64_of(Table::BYTES));
        let bytes = self.output.finish(&fields)?;
        Ok((table, bytes))
    }
}
