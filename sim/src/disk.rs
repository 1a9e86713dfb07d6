//! A disk in memory that keeps apart what was written and what is durable, and fails where it is told to.
//!
//! ```text
//!   write ──► seen: what reads return ──sync──► kept: what survives a power cut
//!                     │
//!                     └─ power cut: each unsynced sector of 512 bytes is kept, lost or garbage, in any combination
//! ```
//!
//! Faults: a crash at the n-th operation, which then happened in part; syncs that fail and leave the file half kept while
//! the cache still shows all of it; a full disk; flipped bits; blocks that cannot be read; syncs that do nothing.
//!
//! What is assumed of a real disk: a sector is written whole or is garbage, unless what is written is what was there;
//! names become durable one by one, in the order in which they changed.
//!
//! Not here: misdirected and lost writes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use firn_store::disk::{BLOCK_BYTES, Disk, DiskError, DiskFile, Durability, Fault};

use crate::random::Random;

/// What a power cut keeps or loses as a whole.
const SECTOR_BYTES: usize = 512;

/// A folder of simulated files. A clone is the same folder.
#[derive(Clone, Debug)]
pub struct SimDisk {
    shared: Rc<RefCell<Shared>>,
}

/// An open simulated file.
#[derive(Clone, Debug)]
pub struct SimFile {
    shared: Rc<RefCell<Shared>>,
    /// Handles of a process that was killed do nothing.
    life: u64,
    inode: u64,
}

/// The folder's lock, while its process lives.
#[derive(Debug)]
pub struct SimLock {
    shared: Rc<RefCell<Shared>>,
    life: u64,
}

#[derive(Clone, Debug)]
struct Shared {
    random: Random,
    inodes: BTreeMap<u64, Inode>,
    inodes_made: u64,
    names: BTreeMap<String, u64>,
    names_kept: BTreeMap<String, u64>,
    names_changed: Vec<NameChange>,
    life: u64,
    is_locked: bool,
    operations: u64,
    crash_at: Option<u64>,
    is_crashed: bool,
    fail_sync_from: Option<u64>,
    capacity: u64,
    ignores_syncs: bool,
    copies_on_write: bool,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    seen: Vec<u8>,
    kept: Vec<u8>,
    /// Sectors in which the two may differ, and that the system still means to write.
    dirty: BTreeSet<usize>,
    /// Blocks that cannot be read.
    unreadable: BTreeSet<u64>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Add { name: String, inode: u64 },
    Remove { name: String },
    Rename { from: String, to: String, inode: u64 },
}

impl SimDisk {
    /// An empty folder on a disk without a limit.
    pub fn new(seed: u64) -> Self {
        let shared = Shared {
            random: Random::new(seed),
            inodes: BTreeMap::new(),
            inodes_made: 0,
            names: BTreeMap::new(),
            names_kept: BTreeMap::new(),
            names_changed: Vec::new(),
            life: 0,
            is_locked: false,
            operations: 0,
            crash_at: None,
            is_crashed: false,
            fail_sync_from: None,
            capacity: u64::MAX,
            ignores_syncs: false,
            copies_on_write: false,
        };
        SimDisk { shared: Rc::new(RefCell::new(shared)) }
    }

    /// A copy of the folder as it is, with a life of its own.
    pub fn fork(&self) -> Self {
        SimDisk { shared: Rc::new(RefCell::new(self.shared.borrow().clone())) }
    }

    /// How many operations were begun.
    pub fn operations(&self) -> u64 {
        self.shared.borrow().operations
    }

    /// The operation of that number, from 1, is the last of this process: it happens in part, and all that follow fail.
    pub fn crash_at(&self, operation: u64) {
        self.shared.borrow_mut().crash_at = Some(operation);
    }

    /// The process ran into [`SimDisk::crash_at`].
    pub fn is_crashed(&self) -> bool {
        self.shared.borrow().is_crashed
    }

    /// The first sync or durable write from the operation of that number on fails, once.
    pub fn fail_sync_from(&self, operation: u64) {
        self.shared.borrow_mut().fail_sync_from = Some(operation);
    }

    /// The sync that was to fail has failed.
    pub fn has_failed_sync(&self) -> bool {
        self.shared.borrow().fail_sync_from.is_none()
    }

    /// Files may take so many bytes together.
    pub fn set_capacity(&self, bytes: u64) {
        self.shared.borrow_mut().capacity = bytes;
    }

    /// From now on a write needs room even where the file is written over, as on file systems that copy on write.
    pub fn copy_on_write(&self) {
        self.shared.borrow_mut().copies_on_write = true;
    }

    /// How many bytes files take together.
    pub fn used_bytes(&self) -> u64 {
        self.shared.borrow().used_bytes()
    }

    /// From now on nothing becomes durable, whatever is promised.
    pub fn ignore_syncs(&self) {
        self.shared.borrow_mut().ignores_syncs = true;
    }

    /// The process is gone, and the system lives: what was written is seen, and may become durable or not later.
    pub fn kill(&self) {
        self.shared.borrow_mut().end_life();
    }

    /// The power is gone, and back.
    pub fn cut_power(&self) {
        let mut shared = self.shared.borrow_mut();
        shared.end_life();
        shared.cut_power();
    }

    /// Flips one bit of a file, on the disk and in what is seen of it.
    ///
    /// # Panics
    /// When there is no such file or bit.
    pub fn flip(&self, name: &str, bit: usize) {
        self.change(name, |inode| {
            for bytes in [&mut inode.seen, &mut inode.kept] {
                *bytes.get_mut(bit / 8).expect("the file has this bit") ^= 1 << (bit % 8);
            }
        });
    }

    /// Writes over a file behind everybody's back, on the disk and in what is seen of it.
    ///
    /// # Panics
    /// When there is no such file or part of it.
    pub fn overwrite(&self, name: &str, offset: usize, bytes: &[u8]) {
        self.change(name, |inode| {
            for target in [&mut inode.seen, &mut inode.kept] {
                target.get_mut(offset..offset + bytes.len()).expect("within the file").copy_from_slice(bytes);
            }
        });
    }

    /// Cuts a file behind everybody's back.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn cut(&self, name: &str, bytes: usize) {
        self.change(name, |inode| {
            inode.seen.truncate(bytes);
            inode.kept.truncate(bytes);
        });
    }

    /// From now on a block of a file cannot be read.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn make_unreadable(&self, name: &str, offset: u64) {
        self.change(name, |inode| {
            inode.unreadable.insert(offset / BLOCK);
        });
    }

    /// What is seen of a file.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn content(&self, name: &str) -> Vec<u8> {
        let mut content = Vec::new();
        self.change(name, |inode| content.clone_from(&inode.seen));
        content
    }

    /// The names of all files, sorted. No operation.
    pub fn names(&self) -> Vec<String> {
        self.shared.borrow().names.keys().cloned().collect()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Inode)) {
        let mut shared = self.shared.borrow_mut();
        let inode = *shared.names.get(name).expect("there is a file of that name");
        change(shared.inodes.get_mut(&inode).expect("a name has an inode"));
    }

    fn begin(&self, operation: &'static str, name: &str) -> Result<(), DiskError> {
        let life = self.shared.borrow().life;
        self.shared.borrow_mut().begin(operation, name, life)
    }

    fn end(&self, operation: &'static str, name: &str) -> Result<(), DiskError> {
        self.shared.borrow().end(operation, name)
    }

    fn open_inode(&self, inode: u64) -> SimFile {
        SimFile { shared: Rc::clone(&self.shared), life: self.shared.borrow().life, inode }
    }
}

const BLOCK: u64 = BLOCK_BYTES as u64;

impl Disk for SimDisk {
    type File = SimFile;
    type Lock = SimLock;

    fn create(&self, name: &str) -> Result<SimFile, DiskError> {
        self.begin("create", name)?;
        let inode = {
            let mut shared = self.shared.borrow_mut();
            if shared.names.contains_key(name) {
                return Err(error("create", name, Fault::Exists, "the name is taken"));
            }
            if shared.free_bytes() == 0 {
                return Err(error("create", name, Fault::Full, "no space left"));
            }
            shared.inodes_made += 1;
            let inode = shared.inodes_made;
            shared.inodes.insert(inode, Inode::default());
            shared.change_name(NameChange::Add { name: name.to_owned(), inode });
            inode
        };
        self.end("create", name)?;
        Ok(self.open_inode(inode))
    }

    fn open(&self, name: &str) -> Result<SimFile, DiskError> {
        self.begin("open", name)?;
        self.end("open", name)?;
        let inode = self.shared.borrow().inode("open", name)?;
        Ok(self.open_inode(inode))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.begin("rename", from)?;
        let inode = self.shared.borrow().inode("rename", from)?;
        let change = NameChange::Rename { from: from.to_owned(), to: to.to_owned(), inode };
        self.shared.borrow_mut().change_name(change);
        self.end("rename", from)
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        self.begin("remove", name)?;
        self.shared.borrow().inode("remove", name)?;
        self.shared.borrow_mut().change_name(NameChange::Remove { name: name.to_owned() });
        self.end("remove", name)
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        self.begin("list", "")?;
        self.end("list", "")?;
        Ok(self.names())
    }

    fn sync_folder(&self) -> Result<(), DiskError> {
        self.begin("sync", "")?;
        self.end("sync", "")?;
        let mut shared = self.shared.borrow_mut();
        if shared.takes_failing_sync() {
            shared.keep_some_names();
            return Err(error("sync", "", Fault::Sync, "made to fail"));
        }
        if !shared.ignores_syncs {
            shared.names_kept = shared.names.clone();
            shared.names_changed.clear();
        }
        Ok(())
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        self.begin("measure", "")?;
        self.end("measure", "")?;
        Ok(self.shared.borrow().free_bytes())
    }

    fn lock(&self, name: &str) -> Result<SimLock, DiskError> {
        self.begin("lock", name)?;
        self.end("lock", name)?;
        let mut shared = self.shared.borrow_mut();
        if shared.is_locked {
            return Err(error("lock", name, Fault::Locked, "another process has it"));
        }
        shared.is_locked = true;
        Ok(SimLock { shared: Rc::clone(&self.shared), life: shared.life })
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut shared = self.shared.borrow_mut();
        if shared.life == self.life {
            shared.is_locked = false;
        }
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        let mut shared = self.begin("read")?;
        shared.end("read", "")?;
        let inode = shared.inode_mut(self.inode);
        let (first, end) = (offset / BLOCK, (offset + length(buffer)).div_ceil(BLOCK));
        if inode.unreadable.range(first..end).next().is_some() {
            return Err(error("read", "", Fault::Other, "made unreadable"));
        }
        let start = place(offset);
        let Some(bytes) = inode.seen.get(start..start + buffer.len()) else {
            return Err(error("read", "", Fault::Other, "the file ends before"));
        };
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8], durability: Durability) -> Result<(), DiskError> {
        let mut shared = self.begin("write")?;
        let (free, copies_on_write) = (shared.free_bytes(), shared.copies_on_write);
        let inode = shared.inode_mut(self.inode);
        let room = length(&inode.seen).saturating_add(free).saturating_sub(offset).min(length(bytes));
        let room = if copies_on_write { free.min(room) } else { room };
        let fits = bytes.get(..place(room)).unwrap_or_default();
        inode.write(place(offset), fits);
        shared.end("write", "")?;
        if fits.len() < bytes.len() {
            return Err(error("write", "", Fault::Full, "no space left"));
        }
        match durability {
            Durability::Later => Ok(()),
            Durability::Durable => shared.sync("write", self.inode, place(offset)..place(offset) + bytes.len()),
        }
    }

    fn sync(&self) -> Result<(), DiskError> {
        let mut shared = self.begin("sync")?;
        shared.end("sync", "")?;
        let end = shared.inode_mut(self.inode).seen.len();
        shared.sync("sync", self.inode, 0..end)
    }

    fn set_bytes(&self, bytes: u64) -> Result<(), DiskError> {
        let mut shared = self.begin("resize")?;
        let free = shared.free_bytes();
        let inode = shared.inode_mut(self.inode);
        if bytes > length(&inode.seen).saturating_add(free) {
            return Err(error("resize", "", Fault::Full, "no space left"));
        }
        inode.seen.resize(place(bytes), 0);
        shared.end("resize", "")
    }

    fn bytes(&self) -> Result<u64, DiskError> {
        let mut shared = self.begin("measure")?;
        shared.end("measure", "")?;
        Ok(length(&shared.inode_mut(self.inode).seen))
    }
}

impl SimFile {
    fn begin(&self, operation: &'static str) -> Result<std::cell::RefMut<'_, Shared>, DiskError> {
        let mut shared = self.shared.borrow_mut();
        shared.begin(operation, "", self.life)?;
        Ok(shared)
    }
}

impl Shared {
    /// Counts an operation; fails when the process does not live.
    fn begin(&mut self, operation: &'static str, name: &str, life: u64) -> Result<(), DiskError> {
        self.operations += 1;
        if self.is_crashed || self.life != life {
            return Err(error(operation, name, Fault::Other, "the process crashed"));
        }
        self.is_crashed = self.crash_at == Some(self.operations);
        Ok(())
    }

    /// Fails when this was the operation in which the process crashed: its effect may be there, its answer is not.
    fn end(&self, operation: &'static str, name: &str) -> Result<(), DiskError> {
        if self.is_crashed { Err(error(operation, name, Fault::Other, "the process crashed")) } else { Ok(()) }
    }

    fn end_life(&mut self) {
        self.life += 1;
        self.is_locked = false;
        self.is_crashed = false;
        self.crash_at = None;
        self.fail_sync_from = None;
        self.drop_nameless();
    }

    fn cut_power(&mut self) {
        self.keep_some_names();
        self.names = self.names_kept.clone();
        let habit = Habit::draw(&mut self.random);
        for inode in self.inodes.values_mut() {
            inode.keep_some(habit, &mut self.random);
            inode.seen.clone_from(&inode.kept);
        }
        self.drop_nameless();
    }

    fn drop_nameless(&mut self) {
        let named: BTreeSet<u64> = self.names.values().chain(self.names_kept.values()).copied().collect();
        let adds = self.names_changed.iter().filter_map(|change| match change {
            NameChange::Add { inode, .. } | NameChange::Rename { inode, .. } => Some(*inode),
            NameChange::Remove { .. } => None,
        });
        let named: BTreeSet<u64> = named.into_iter().chain(adds).collect();
        self.inodes.retain(|inode, _| named.contains(inode));
    }

    /// Names become durable in their order, up to somewhere.
    fn keep_some_names(&mut self) {
        let count = self.random.index(self.names_changed.len() + 1);
        for change in self.names_changed.drain(..).take(count) {
            apply(&mut self.names_kept, change);
        }
    }

    fn change_name(&mut self, change: NameChange) {
        apply(&mut self.names, change.clone());
        self.names_changed.push(change);
    }

    fn takes_failing_sync(&mut self) -> bool {
        let operations = self.operations;
        self.fail_sync_from.take_if(|from| *from <= operations).is_some()
    }

    fn sync(&mut self, operation: &'static str, inode: u64, part: std::ops::Range<usize>) -> Result<(), DiskError> {
        let fails = self.takes_failing_sync();
        let ignores_syncs = self.ignores_syncs;
        let Shared { inodes, random, .. } = self;
        let inode = inodes.get_mut(&inode).expect("an open file has an inode");
        if fails {
            inode.keep_some(Habit::draw(random), random);
            return Err(error(operation, "", Fault::Sync, "made to fail"));
        }
        if !ignores_syncs {
            inode.keep(part);
        }
        Ok(())
    }

    fn inode(&self, operation: &'static str, name: &str) -> Result<u64, DiskError> {
        self.names.get(name).copied().ok_or_else(|| error(operation, name, Fault::NotFound, "there is no such file"))
    }

    fn inode_mut(&mut self, inode: u64) -> &mut Inode {
        self.inodes.get_mut(&inode).expect("an open file has an inode")
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().filter_map(|inode| self.inodes.get(inode)).map(|inode| length(&inode.seen)).sum()
    }

    fn free_bytes(&self) -> u64 {
        self.capacity.saturating_sub(self.used_bytes())
    }
}

/// What becomes of unsynced sectors in one power cut: most disks lose all or keep all, and some mix.
#[derive(Clone, Copy, Debug)]
enum Habit {
    Keep,
    Lose,
    Mix,
    /// All up to somewhere, in order.
    Prefix,
}

impl Habit {
    fn draw(random: &mut Random) -> Habit {
        match random.below(6) {
            0 => Habit::Keep,
            1 => Habit::Lose,
            2 | 3 => Habit::Prefix,
            _ => Habit::Mix,
        }
    }
}

impl Inode {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.seen.len() < end {
            self.seen.resize(end, 0);
        }
        self.seen.get_mut(offset..end).expect("the file was made longer").copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    /// Makes durable what is dirty in a part, and the length. What a failed sync has forgotten stays forgotten.
    fn keep(&mut self, part: std::ops::Range<usize>) {
        self.kept.resize(self.seen.len().max(self.kept.len()), 0);
        self.kept.truncate(self.seen.len());
        let sectors = part.start / SECTOR_BYTES..part.end.div_ceil(SECTOR_BYTES);
        let dirty: Vec<usize> = self.dirty.range(sectors).copied().collect();
        for sector in dirty {
            self.keep_sector(sector);
            self.dirty.remove(&sector);
        }
    }

    fn keep_sector(&mut self, sector: usize) {
        let end = ((sector + 1) * SECTOR_BYTES).min(self.seen.len());
        let start = (sector * SECTOR_BYTES).min(end);
        if self.kept.len() < end {
            self.kept.resize(end, 0);
        }
        let from = self.seen.get(start..end).unwrap_or_default();
        self.kept.get_mut(start..end).expect("the file was made longer").copy_from_slice(from);
    }

    /// Decides about each dirty sector, and about the length. None is dirty any more.
    fn keep_some(&mut self, habit: Habit, random: &mut Random) {
        let dirty = std::mem::take(&mut self.dirty);
        let prefix = random.index(dirty.len() + 1);
        for (index, sector) in dirty.into_iter().enumerate() {
            let is_kept = match habit {
                Habit::Keep => true,
                Habit::Lose => false,
                Habit::Mix => random.one_in(2),
                Habit::Prefix => index < prefix,
            };
            if is_kept {
                self.keep_sector(sector);
            } else if matches!(habit, Habit::Mix) && random.one_in(8) {
                self.spoil_sector(sector, random);
            }
        }
        if random.one_in(2) {
            self.kept.resize(self.seen.len(), 0);
        }
    }

    /// A sector that was being written when the power went.
    fn spoil_sector(&mut self, sector: usize, random: &mut Random) {
        let part = sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
        if self.kept.get(part.clone()) != self.seen.get(part.clone())
            && let Some(bytes) = self.kept.get_mut(part)
        {
            random.fill(bytes);
        }
    }
}

fn apply(names: &mut BTreeMap<String, u64>, change: NameChange) {
    match change {
        NameChange::Add { name, inode } => _ = names.insert(name, inode),
        NameChange::Remove { name } => _ = names.remove(&name),
        NameChange::Rename { from, to, inode } => {
            names.remove(&from);
            names.insert(to, inode);
        }
    }
}

fn error(operation: &'static str, name: &str, fault: Fault, detail: &str) -> DiskError {
    DiskError { fault, operation, file: name.to_owned(), detail: detail.to_owned() }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a length fits")
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("files in memory are short")
}

#[cfg(test)]
mod tests {
    //! What survives what.

    use super::*;

    const BYTES: [u8; 8192] = [7; 8192];

    fn written(seed: u64, durability: Durability) -> (SimDisk, SimFile) {
        let disk = SimDisk::new(seed);
        let file = disk.create("a").unwrap();
        disk.sync_folder().unwrap();
        file.write_at(0, &[1; 8192], Durability::Durable).unwrap();
        file.write_at(0, &BYTES, durability).unwrap();
        (disk, file)
    }

    #[test]
    fn what_is_durable_survives_a_power_cut() {
        for seed in 0..100 {
            let (disk, _file) = written(seed, Durability::Durable);
            disk.cut_power();
            assert_eq!(disk.content("a"), BYTES, "seed {seed}");
        }
    }

    #[test]
    fn what_is_not_synced_survives_whole_in_part_or_not() {
        let outcomes: BTreeSet<&str> = (0..100)
            .map(|seed| {
                let (disk, _file) = written(seed, Durability::Later);
                disk.cut_power();
                let kept = disk.content("a").iter().filter(|byte| **byte == 7).count();
                match kept {
                    0 => "lost",
                    8192 => "whole",
                    _ => "part",
                }
            })
            .collect();
        assert_eq!(outcomes, BTreeSet::from(["lost", "part", "whole"]));
    }

    #[test]
    fn a_killed_process_loses_nothing_but_its_handles() {
        let (disk, file) = written(1, Durability::Later);
        disk.kill();
        assert_eq!(disk.content("a"), BYTES);
        assert!(file.sync().is_err());
        assert!(disk.open("a").unwrap().sync().is_ok());
    }

    #[test]
    fn after_a_failed_sync_the_cache_shows_what_the_disk_may_not_have() {
        let lost = (0..100).filter(|seed| {
            let (disk, file) = written(*seed, Durability::Later);
            disk.fail_sync_from(0);
            assert_eq!(file.sync().unwrap_err().fault, Fault::Sync);
            assert_eq!(disk.content("a"), BYTES);
            assert!(file.sync().is_ok(), "a second sync claims success");
            disk.cut_power();
            disk.content("a") != BYTES
        });
        assert!(lost.count() > 20);
    }

    #[test]
    fn names_survive_after_a_sync_of_the_folder_only() {
        let kept = (0..100).filter(|seed| {
            let disk = SimDisk::new(*seed);
            disk.create("a").unwrap();
            disk.cut_power();
            !disk.names().is_empty()
        });
        assert!((20..80).contains(&kept.count()));
    }

    #[test]
    fn a_full_disk_takes_what_fits() {
        let (disk, file) = written(1, Durability::Durable);
        disk.set_capacity(10_000);
        assert_eq!(disk.free_bytes().unwrap(), 10_000 - 8192);
        assert_eq!(file.write_at(8192, &BYTES, Durability::Durable).unwrap_err().fault, Fault::Full);
        assert_eq!(file.bytes().unwrap(), 10_000);
        disk.set_capacity(20_000);
        assert!(file.write_at(8192, &BYTES, Durability::Durable).is_ok());
    }

    #[test]
    fn a_crash_ends_all_operations_of_the_process() {
        let (disk, file) = written(1, Durability::Durable);
        disk.crash_at(disk.operations() + 2);
        assert!(file.sync().is_ok());
        assert!(file.write_at(0, &[9; 512], Durability::Durable).is_err());
        assert!(disk.is_crashed());
        assert!(disk.list().is_err());
        disk.cut_power();
        assert!(disk.list().is_ok());
    }

    #[test]
    fn one_process_holds_the_lock() {
        let disk = SimDisk::new(1);
        let lock = disk.lock("lock").unwrap();
        assert_eq!(disk.lock("lock").unwrap_err().fault, Fault::Locked);
        drop(lock);
        let _lock = disk.lock("lock").unwrap();
        disk.kill();
        assert!(disk.lock("lock").is_ok());
    }
}
