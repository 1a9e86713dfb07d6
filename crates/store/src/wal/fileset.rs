//! The files of an open log: where the next batch goes, which file comes after, which are no longer needed.

use std::collections::VecDeque;

use firn_id::Monotonic;

use super::Lsn;
use super::files::{FileId, Make, Order, ReadyFile, next_bytes};
use super::opening::LiveFile;

/// Retired files that are kept to be written over. More are removed.
const RETIRED_MAX: usize = 2;

/// Lengths of files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    pub(super) min: u64,
    pub(super) max: u64,
}

#[derive(Debug)]
pub(super) struct FileSet<F> {
    lengths: Lengths,
    log_id: u64,
    /// Files with records, the last of which is written to if `offset` is some.
    live: VecDeque<LiveFile<F>>,
    /// Where the next batch goes in the last live file; none after opening, which begins a new file.
    offset: Option<u64>,
    next: Next<F>,
    retired: VecDeque<String>,
    /// The last try to make a file found no room.
    is_full: bool,
}

/// The file that comes after the last live one.
#[derive(Debug)]
enum Next<F> {
    Wanted { make: Make, not_before: Monotonic },
    Ordered(Make),
    Ready(ReadyFile<F>),
}

/// Where a batch goes.
pub(super) struct Room<F> {
    pub(super) id: FileId,
    pub(super) file: F,
    pub(super) offset: u32,
}

impl<F: Clone> FileSet<F> {
    pub(super) fn new(
        lengths: Lengths,
        log_id: u64,
        live: Vec<LiveFile<F>>,
        retired: Vec<String>,
        last_number: u64,
    ) -> Self {
        let bytes = live.last().map_or(lengths.min, |file| file.bytes.clamp(lengths.min, lengths.max));
        let id = FileId { number: last_number + 1, log_id };
        let make = Make { id, recycled: None, is_begun: false, bytes_wanted: bytes, bytes_min: lengths.min };
        let next = Next::Wanted { make, not_before: Monotonic::ZERO };
        FileSet { lengths, log_id, live: live.into(), offset: None, next, retired: retired.into(), is_full: false }
    }

    /// Room for a batch of so many bytes, at the end of the last file or in the next one. None when that is not ready.
    pub(super) fn room(&mut self, bytes: u64) -> Option<Room<F>> {
        let has_room = self.live.back().zip(self.offset).is_some_and(|(file, offset)| offset + bytes <= file.bytes);
        if !has_room && !self.begin_next(bytes) {
            return None;
        }
        let file = self.live.back()?;
        let offset = u32::try_from(self.offset?).expect("an offset in a file is a u32");
        Some(Room { id: file.id, file: file.file.clone(), offset })
    }

    fn begin_next(&mut self, bytes: u64) -> bool {
        let Next::Ready(ready) = &self.next else { return false };
        if ready.bytes < bytes {
            // A lone record that is longer than a file: the file becomes longer.
            let make = Make { id: ready.id, recycled: None, is_begun: true, bytes_wanted: bytes, bytes_min: bytes };
            self.next = Next::Wanted { make, not_before: Monotonic::ZERO };
            return false;
        }
        let make = Make {
            id: FileId { number: ready.id.number + 1, log_id: self.log_id },
            recycled: None,
            is_begun: false,
            bytes_wanted: next_bytes(Some(ready.bytes), self.lengths.min, self.lengths.max),
            bytes_min: self.lengths.min,
        };
        let wanted = Next::Wanted { make, not_before: Monotonic::ZERO };
        if let Next::Ready(ReadyFile { id, bytes, file }) = std::mem::replace(&mut self.next, wanted) {
            let end = self.live.back().map_or(Lsn::NONE, |file| file.end);
            self.live.push_back(LiveFile { id, file, bytes, end });
            self.offset = Some(0);
        }
        true
    }

    /// A batch was written where [`FileSet::room`] said; `end` is the position behind its records.
    pub(super) fn written(&mut self, bytes: u64, end: Lsn) {
        let (file, offset) =
            self.live.back_mut().zip(self.offset.as_mut()).expect("room was made for what was written");
        *offset += bytes;
        file.end = end;
    }

    /// What is to be done next, away from the log thread where there is a thread for it.
    pub(super) fn order(&mut self, now: Monotonic) -> Option<Order> {
        if let Next::Wanted { make, not_before } = &mut self.next
            && *not_before <= now
        {
            if !make.is_begun {
                make.is_begun = true;
                make.recycled = self.retired.pop_front();
            }
            let make = make.clone();
            self.next = Next::Ordered(make.clone());
            return Some(Order::Make(make));
        }
        if self.retired.len() <= RETIRED_MAX {
            return None;
        }
        self.retired.pop_front().map(Order::Remove)
    }

    pub(super) fn made(&mut self, ready: ReadyFile<F>) {
        self.is_full = false;
        self.next = Next::Ready(ready);
    }

    /// No room to make the next file: try again at `not_before`.
    pub(super) fn found_no_room(&mut self, not_before: Monotonic) {
        if let Next::Ordered(make) = &self.next {
            self.is_full = true;
            self.next = Next::Wanted { make: make.clone(), not_before };
        }
    }

    /// The last try to make a file found no room.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// When the next order is due.
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        if self.retired.len() > RETIRED_MAX {
            return Some(Monotonic::ZERO);
        }
        match &self.next {
            Next::Wanted { not_before, .. } => Some(*not_before),
            Next::Ordered(_) | Next::Ready(_) => None,
        }
    }

    /// Records up to `released` are not needed. The last file that holds a batch stays, because the log's end is in it.
    pub(super) fn release(&mut self, released: Lsn) {
        while self.live.len() > 1 && self.live.front().is_some_and(|file| file.end <= released.next()) {
            let is_last_written = self.offset == Some(0) && self.live.len() == 2;
            if is_last_written {
                return;
            }
            self.retired.extend(self.live.pop_front().map(|file| file.id.name()));
        }
    }

    /// The open file of that number, if it still holds records.
    pub(super) fn file(&self, number: u64) -> Option<&F> {
        self.live.iter().find(|file| file.id.number == number).map(|file| &file.file)
    }

    /// Length of all files that hold records.
    pub(super) fn live_bytes(&self) -> u64 {
        self.live.iter().map(|file| file.bytes).sum()
    }

    pub(super) fn live_count(&self) -> usize {
        self.live.len()
    }

    /// File numbers rise, and positions rise with them.
    pub(super) fn check_invariants(&self) {
        let pairs = self.live.iter().zip(self.live.iter().skip(1));
        for (one, next) in pairs {
            assert!(one.id.number < next.id.number, "file numbers rise");
            assert!(one.end <= next.end, "positions rise");
        }
        let offset = self.offset.unwrap_or(0);
        assert!(self.live.back().is_none_or(|file| offset <= file.bytes), "a batch lies within its file");
    }
}
