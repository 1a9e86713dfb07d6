//! Searching a segment by filter, in its columns and its table, without reading a message.

use super::Segment;
use super::column::Column;
use super::entries::{ColumnPage, Group};
use crate::file::u64_of;
use crate::part::{Fault, Miss, Parts};
use crate::table::Matches;
use crate::wal::GroupId;
use crate::wal::number::size;

/// Which subjects of a group a filter matches in one segment. To be kept as long as the filter is asked for.
#[derive(Clone, Debug)]
pub struct Selection {
    group: Group,
    /// A bit for each subject of the group; none when all are selected.
    bits: Option<Vec<u64>>,
    messages: u64,
}

impl Selection {
    /// How many messages of the segment match.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Memory it takes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Selection>() + self.bits.as_ref().map_or(0, |bits| bits.capacity() * 8)
    }

    fn contains(&self, ordinal: u32) -> bool {
        let Some(bits) = &self.bits else { return true };
        let bit = size(ordinal.wrapping_sub(self.group.first_ordinal));
        bits.get(bit / 64).is_some_and(|word| word & 1 << (bit % 64) != 0)
    }

    /// False when the ordinal is not one of the group's.
    fn insert(&mut self, ordinal: u64) -> bool {
        let bit = ordinal.checked_sub(self.group.first_ordinal.into()).and_then(|bit| usize::try_from(bit).ok());
        let place = bit.and_then(|bit| Some((self.bits.as_mut()?.get_mut(bit / 64)?, bit % 64)));
        place.map(|(word, bit)| *word |= 1 << bit).is_some()
    }
}

/// A selection in the making: the table is walked, and parts of it may be cold.
#[derive(Clone, Debug)]
pub struct Selecting {
    selection: Selection,
    matches: Option<Matches>,
}

impl Selecting {
    /// Goes on until it is made.
    ///
    /// # Errors
    /// [`Miss`]; what was done so far is kept.
    pub fn finish(&mut self, parts: &impl Parts) -> Result<Selection, Miss> {
        if let Some(matches) = &mut self.matches {
            while matches.advance(parts)? {
                if self.selection.insert(matches.ordinal()) {
                    self.selection.messages = self.selection.messages.saturating_add(matches.value().count);
                }
            }
        }
        self.matches = None;
        Ok(self.selection.clone())
    }
}

impl Segment {
    /// Begins to find out which subjects of a group some patterns match.
    pub fn select<P: AsRef<[u8]>>(&self, group: &Group, patterns: impl IntoIterator<Item = P>) -> Selecting {
        let patterns: Vec<P> = patterns.into_iter().collect();
        if patterns.iter().any(|pattern| pattern.as_ref() == b">") {
            let selection = Selection { group: *group, bits: None, messages: group.messages };
            return Selecting { selection, matches: None };
        }
        // A subject takes a byte of the file at the very least.
        let subjects = size(group.subjects).min(usize::try_from(self.bytes).unwrap_or(usize::MAX));
        let bits = Some(vec![0; subjects.div_ceil(64)]);
        let selection = Selection { group: *group, bits, messages: 0 };
        Selecting { selection, matches: Some(self.subjects(group.group, patterns)) }
    }

    /// The first selected message from a sequence on.
    ///
    /// # Errors
    /// [`Miss`].
    pub fn next(&self, parts: &impl Parts, from: u64, selection: &Selection) -> Result<Option<u64>, Miss> {
        let group = &selection.group;
        let mut found = self.columns.find(parts, (group.group.0, from.max(group.first)))?;
        while let Some((place, page)) = found.filter(|(_, page)| page.group == group.group) {
            let bytes = parts.whole(page.part(self.id.number))?;
            let column = self.column(&bytes, &page)?;
            let mut places = column.lower_bound(from)..column.count();
            if let Some(place) = places.find(|place| selection.contains(column.ordinal(*place))) {
                return Ok(Some(column.sequence(place)));
            }
            found = self.columns.get(parts, place + 1)?.map(|page| (place + 1, page));
        }
        Ok(None)
    }

    /// The last selected message up to a sequence.
    ///
    /// # Errors
    /// [`Miss`].
    pub fn previous(&self, parts: &impl Parts, from: u64, selection: &Selection) -> Result<Option<u64>, Miss> {
        let group = &selection.group;
        let mut found = self.columns.find(parts, (group.group.0, from))?;
        while let Some((place, page)) = found.filter(|(_, page)| page.group == group.group) {
            let bytes = parts.whole(page.part(self.id.number))?;
            let column = self.column(&bytes, &page)?;
            let end = from.checked_add(1).map_or(column.count(), |behind| column.lower_bound(behind));
            if let Some(place) = (0..end).rfind(|place| selection.contains(column.ordinal(*place))) {
                return Ok(Some(column.sequence(place)));
            }
            let Some(before) = place.checked_sub(1) else { return Ok(None) };
            found = self.columns.get(parts, before)?.map(|page| (before, page));
        }
        Ok(None)
    }

    /// How many selected messages there are from a sequence on.
    ///
    /// # Errors
    /// [`Miss`].
    pub fn count(&self, parts: &impl Parts, from: u64, selection: &Selection) -> Result<u64, Miss> {
        let group = &selection.group;
        if from <= group.first {
            return Ok(selection.messages);
        }
        let Some((place, page)) = self.columns.find(parts, (group.group.0, from))? else { return Ok(0) };
        if page.group != group.group || from > group.last {
            return Ok(0);
        }
        let bytes = parts.whole(page.part(self.id.number))?;
        let column = self.column(&bytes, &page)?;
        let at = column.lower_bound(from);
        let before = u64::from(page.before) + u64_of(at);
        if selection.bits.is_none() {
            return Ok(group.messages.saturating_sub(before));
        }
        let matching = |column: &Column<'_>, places: std::ops::Range<usize>| {
            u64_of(places.filter(|place| selection.contains(column.ordinal(*place))).count())
        };
        // The shorter side is counted, when all of it is there: else each part that is cold would be a new beginning.
        let is_before_shorter = before < group.messages / 2;
        let mut pages = Vec::new();
        let mut place = place;
        loop {
            let next = if is_before_shorter { place.checked_sub(1) } else { place.checked_add(1) };
            let Some(next) = next else { break };
            let Some(page) = self.columns.get(parts, next)?.filter(|page| page.group == group.group) else { break };
            pages.push((page, parts.whole(page.part(self.id.number))?));
            place = next;
        }
        let mut counted = matching(&column, if is_before_shorter { 0..at } else { at..column.count() });
        for (page, bytes) in &pages {
            let column = self.column(bytes, page)?;
            counted += matching(&column, 0..column.count());
        }
        Ok(if is_before_shorter { selection.messages.saturating_sub(counted) } else { counted })
    }

    /// There is a message of that sequence, readable or not.
    pub(super) fn contains(&self, parts: &impl Parts, group: GroupId, sequence: u64) -> Result<bool, Miss> {
        Ok(self.next_present(parts, group, sequence)? == Some(sequence))
    }

    /// The first message of a group from a sequence on.
    pub(super) fn next_present(&self, parts: &impl Parts, group: GroupId, from: u64) -> Result<Option<u64>, Miss> {
        let Some(group) = self.group(parts, group)? else { return Ok(None) };
        self.next(parts, from, &Selection { group, bits: None, messages: group.messages })
    }

    fn column<'a>(&self, bytes: &'a [u8], page: &ColumnPage) -> Result<Column<'a>, Miss> {
        let part = page.part(self.id.number);
        Column::parse(bytes, page.first, page.count).ok_or(Miss::Damaged { part, fault: Fault::Malformed })
    }
}
