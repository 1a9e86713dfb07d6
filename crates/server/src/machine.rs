//! What the machine grants this process: memory, open files, cores.

use std::{fs, path::Path};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Assumed when the system does not say how much memory there is.
const MEMORY_BYTES_UNKNOWN: u64 = 2 << 30;

/// Bytes of memory that this process may use: the machine's, or less if a control group says so.
pub(crate) fn memory_bytes() -> u64 {
    let machine = read("/proc/meminfo").and_then(|text| parse_meminfo(&text));
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let limits = group_files(&groups).into_iter().filter_map(|file| parse_limit(&read(&file)?));
    limits.chain(machine).min().unwrap_or(MEMORY_BYTES_UNKNOWN)
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// `MemTotal:  16318412 kB`
fn parse_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// A limit file; `max` (version 2) is no limit, and so are the astronomic numbers of version 1, by the machine's own.
fn parse_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The limit files of the groups in `/proc/self/cgroup` and of all groups around them, of both versions. Within a
/// container the paths are often those outside of it; then the root of the mount is its group.
fn group_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let (mount, file) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        for group in Path::new(path).ancestors() {
            let group = group.to_string_lossy();
            files.push(format!("{mount}{}/{file}", group.trim_end_matches('/')));
        }
    }
    files
}

/// Raises the number of files that may be open as far as the system lets us, and returns it; `None` is no limit.
pub(crate) fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Where it is refused, the limit stays as it was.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    getrlimit(Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_read_in_bytes() {
        assert_eq!(parse_meminfo("MemTotal:       16318412 kB\nMemFree: 1 kB\n"), Some(16_318_412 * 1024));
        assert_eq!(parse_meminfo("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn limits_are_numbers_or_none() {
        assert_eq!(parse_limit("1073741824\n"), Some(1 << 30));
        assert_eq!(parse_limit("max\n"), None);
    }

    fn check(groups: &str, expected: &[&str]) {
        assert_eq!(group_files(groups), expected, "{groups}");
    }

    #[test]
    fn every_group_around_the_process_may_limit_it() {
        check(
            "0::/a.slice/b.scope\n",
            &[
                "/sys/fs/cgroup/a.slice/b.scope/memory.max",
                "/sys/fs/cgroup/a.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ],
        );
        check("0::/\n", &["/sys/fs/cgroup/memory.max"]);
        check(
            "5:cpu,cpuacct:/x\n4:memory:/docker/1\n",
            &[
                "/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            ],
        );
        check("", &[]);
    }

    #[test]
    fn this_machine_has_memory_and_files() {
        assert!(memory_bytes() > 1 << 20);
        assert_ne!(raise_open_files(), Some(0));
    }
}
