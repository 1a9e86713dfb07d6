//! Where the servers keep their stores: one folder, so one file system for all, with a directory for each run.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::histogram::Histogram;

/// Writes that are synced one by one to learn what a sync costs.
const SYNCS: u32 = 200;
const SYNCED_BYTES: usize = 4096;

/// The folder of all stores; dropping it removes it.
#[derive(Debug)]
pub(crate) struct StoreFolder {
    pub(crate) path: PathBuf,
    created: AtomicU64,
}

/// One run's store; dropping it removes it.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) path: PathBuf,
}

/// What the folder lies on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Disk {
    device: String,
    model: Option<String>,
    is_rotational: Option<bool>,
    file_system: String,
    mount_options: String,
    /// Median and 99th percentile of a 4 KiB append with fdatasync.
    sync_p50_ns: f64,
    sync_p99_ns: f64,
}

impl StoreFolder {
    /// A folder of this process's own in `parent`, or in the workspace's target directory.
    pub(crate) fn create(parent: Option<&Path>) -> Result<Self> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        let parent = parent.unwrap_or(&target);
        let path = parent.join(format!("firn-bench-js-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("resolving {}", path.display()))?;
        Ok(Self { path, created: AtomicU64::new(0) })
    }

    /// An empty store. What earlier runs left to be written is written first, so that this one does not wait for it.
    pub(super) fn store(&self) -> Result<Store> {
        let path = self.path.join(self.created.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&path).with_context(|| format!("creating {}", path.display()))?;
        let folder = File::open(&self.path).with_context(|| format!("opening {}", self.path.display()))?;
        nix::unistd::syncfs(&folder).context("syncing the file system of the stores")?;
        Ok(Store { path })
    }

    /// Describes the disk below, after trying what a sync costs.
    pub(crate) fn disk(&self) -> Result<Disk> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").context("reading /proc/self/mountinfo")?;
        let (file_system, mount_options, source) = mount(&mounts, &self.path).unwrap_or_default();
        let device = fs::metadata(&self.path)?.dev();
        let of_device = |file: &str| {
            let folder = format!("/sys/dev/block/{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device));
            // A partition's own folder has neither; its disk is the folder above.
            ["", "/.."].iter().find_map(|up| {
                let text = fs::read_to_string(format!("{folder}{up}/{file}")).ok()?;
                Some(text.trim().to_owned())
            })
        };
        let syncs = self.time_syncs()?;
        let nanoseconds = |q| syncs.quantile(q).unwrap_or_default().as_secs_f64() * 1e9;
        Ok(Disk {
            device: source,
            model: of_device("device/model"),
            is_rotational: of_device("queue/rotational").map(|text| text == "1"),
            file_system,
            mount_options,
            sync_p50_ns: nanoseconds(0.5),
            sync_p99_ns: nanoseconds(0.99),
        })
    }

    fn time_syncs(&self) -> Result<Histogram> {
        let path = self.path.join("syncs");
        let mut file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        let mut times = Histogram::new();
        for _ in 0..SYNCS {
            let begin = Instant::now();
            file.write_all(&[b'x'; SYNCED_BYTES])?;
            file.sync_data()?;
            times.record(begin.elapsed());
        }
        fs::remove_file(&path)?;
        Ok(times)
    }
}

impl Drop for StoreFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, model, is_rotational, file_system, mount_options, sync_p50_ns, sync_p99_ns } = self;
        write!(f, "{device}")?;
        if let Some(model) = model {
            write!(f, " {model}")?;
        }
        if let Some(is_rotational) = is_rotational {
            write!(f, ", {}", if *is_rotational { "said to rotate" } else { "does not rotate" })?;
        }
        let [p50, p99] = [sync_p50_ns, sync_p99_ns].map(|time| crate::figure::Figure::P50.format(*time));
        write!(f, ", {file_system} ({mount_options}), 4 KiB with fdatasync p50 {p50}, p99 {p99}")
    }
}

/// File system, options and source of the mount that holds a path, from `/proc/self/mountinfo`.
fn mount(mounts: &str, path: &Path) -> Option<(String, String, String)> {
    let mut found: Option<(usize, (String, String, String))> = None;
    for line in mounts.lines() {
        // 36 35 98:0 /root /mount options optional… - type source superblock-options
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let mut before = before.split(' ').skip(4);
        let mut after = after.split(' ');
        let (Some(point), Some(options)) = (before.next(), before.next()) else { continue };
        let (Some(kind), Some(source)) = (after.next(), after.next()) else { continue };
        // Of mounts on one point the last is on top.
        if path.starts_with(point) && found.as_ref().is_none_or(|(longest, _)| point.len() >= *longest) {
            found = Some((point.len(), (kind.to_owned(), options.to_owned(), source.to_owned())));
        }
    }
    found.map(|(_, mount)| mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_of_a_path_is_the_longest_that_holds_it() {
        let mounts = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
30 22 0:25 / /tmp rw,nosuid - tmpfs tmpfs rw,size=1g\n\
31 22 8:2 / /tmpfiles rw - xfs /dev/sda2 rw\n";
        fn check(mounts: &str, path: &str, expected: &str) {
            let (kind, options, source) = mount(mounts, Path::new(path)).unwrap();
            assert_eq!(format!("{kind} {options} {source}"), expected, "{path}");
        }
        check(mounts, "/home/a", "ext4 rw,relatime /dev/sda1");
        check(mounts, "/tmp/a", "tmpfs rw,nosuid tmpfs");
        check(mounts, "/tmpfiles", "xfs rw /dev/sda2");
        assert_eq!(mount("strange", Path::new("/")), None);
    }

    #[test]
    fn stores_are_apart_and_gone_when_dropped() {
        let parent = std::env::temp_dir();
        let folder = StoreFolder::create(Some(&parent)).unwrap();
        let (one, two) = (folder.store().unwrap(), folder.store().unwrap());
        assert_ne!(one.path, two.path);
        fs::write(one.path.join("file"), "x").unwrap();
        let gone = one.path.clone();
        drop(one);
        assert!(!gone.exists() && two.path.is_dir());
        assert!(folder.disk().unwrap().to_string().contains("fdatasync"));
        let path = folder.path.clone();
        drop((two, folder));
        assert!(!path.exists());
    }
}
