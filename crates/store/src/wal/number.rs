//! Numbers in bytes, little-endian, and the two conversions between lengths on disk and lengths in memory.

/// The number at `at`, or none when the bytes end before it does.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

/// Copies `value` to `at`.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let target = bytes.get_mut(at..at + value.len()).expect("whoever lays bytes out has made room for them");
    target.copy_from_slice(value);
}

/// A length on disk as a length in memory.
pub(crate) fn size(bytes: u32) -> usize {
    usize::try_from(bytes).expect("a pointer has at least 32 bits")
}

/// A length in memory as a length on disk.
pub(crate) fn disk_size(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("what is written at once is shorter than 4 GiB: the limits of records and batches hold")
}
