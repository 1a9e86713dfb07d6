//! A disk in memory that never fails and forgets nothing: for entry points and tests within this crate.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::disk::{Disk, DiskError, DiskFile, Durability, Fault};

/// Files in memory that never fail and forget nothing.
#[derive(Debug, Default)]
pub(crate) struct MemoryDisk {
    files: RefCell<BTreeMap<String, MemoryFile>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryFile {
    bytes: Rc<RefCell<Vec<u8>>>,
}

impl MemoryDisk {
    pub(crate) fn insert(&self, name: &str, bytes: &[u8]) {
        let file = MemoryFile { bytes: Rc::new(RefCell::new(bytes.to_vec())) };
        self.files.borrow_mut().insert(name.to_owned(), file);
    }

    /// Six bytes: which file, what to do, where (three bytes, big-endian), and how.
    pub(crate) fn change(&self, change: &[u8]) {
        let &[which, what, high, middle, low, value] = change else { return };
        let files = self.files.borrow();
        let Some(file) = files.values().nth(usize::from(which) % files.len().max(1)) else { return };
        let mut bytes = file.bytes.borrow_mut();
        let at = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let at = at.checked_rem(bytes.len()).unwrap_or(0);
        match what % 4 {
            0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= value),
            1 => bytes.iter_mut().skip(at).take(1 + usize::from(value) * 64).for_each(|byte| *byte = 0),
            2 => bytes.truncate(at),
            _ => {
                let block: Vec<u8> = bytes.iter().skip(at / 4096 * 4096).take(4096).copied().collect();
                let target = usize::from(value) * 4096;
                bytes.iter_mut().skip(target).zip(block).for_each(|(byte, from)| *byte = from);
            }
        }
    }

    fn missing(operation: &'static str, name: &str) -> DiskError {
        let detail = "there is no such file".to_owned();
        DiskError { fault: Fault::NotFound, operation, file: name.to_owned(), detail }
    }
}

impl Disk for MemoryDisk {
    type File = MemoryFile;
    type Lock = ();

    fn create(&self, name: &str) -> Result<MemoryFile, DiskError> {
        if self.files.borrow().contains_key(name) {
            let detail = "the name is taken".to_owned();
            return Err(DiskError { fault: Fault::Exists, operation: "create", file: name.to_owned(), detail });
        }
        self.insert(name, &[]);
        self.open(name)
    }

    fn open(&self, name: &str) -> Result<MemoryFile, DiskError> {
        self.files.borrow().get(name).cloned().ok_or_else(|| Self::missing("open", name))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let file = self.files.borrow_mut().remove(from).ok_or_else(|| Self::missing("rename", from))?;
        self.files.borrow_mut().insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        self.files.borrow_mut().remove(name).map(|_| ()).ok_or_else(|| Self::missing("remove", name))
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        Ok(self.files.borrow().keys().cloned().collect())
    }

    fn sync_folder(&self) -> Result<(), DiskError> {
        Ok(())
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        Ok(u64::MAX)
    }

    fn lock(&self, _name: &str) -> Result<(), DiskError> {
        Ok(())
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        let bytes = self.bytes.borrow();
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let Some(part) = bytes.get(start..).and_then(|rest| rest.get(..buffer.len())) else {
            let detail = "the file ends before".to_owned();
            return Err(DiskError { fault: Fault::Other, operation: "read", file: String::new(), detail });
        };
        buffer.copy_from_slice(part);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8], _durability: Durability) -> Result<(), DiskError> {
        let mut target = self.bytes.borrow_mut();
        let start = usize::try_from(offset).expect("files in memory are short");
        let end = start + bytes.len();
        if target.len() < end {
            target.resize(end, 0);
        }
        target.get_mut(start..end).expect("the file was made longer").copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskError> {
        Ok(())
    }

    fn set_bytes(&self, bytes: u64) -> Result<(), DiskError> {
        self.bytes.borrow_mut().resize(usize::try_from(bytes).expect("files in memory are short"), 0);
        Ok(())
    }

    fn bytes(&self) -> Result<u64, DiskError> {
        Ok(self.bytes.borrow().len().try_into().expect("a length fits"))
    }
}
