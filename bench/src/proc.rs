//! What the kernel knows about processes and this machine.

use std::fmt;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use serde::Serialize;

/// CPU time of a process: user and system, all its threads, those that ended included; in nanoseconds.
pub(crate) fn cpu_time(pid: Pid) -> Result<Duration> {
    let clock = clock_getcpuclockid(pid).with_context(|| format!("finding the CPU clock of process {pid}"))?;
    Ok(clock.now().with_context(|| format!("reading the CPU clock of process {pid}"))?.into())
}

/// CPU time of this process, the load generator.
pub(crate) fn own_cpu_time() -> Result<Duration> {
    Ok(ClockId::CLOCK_PROCESS_CPUTIME_ID.now()?.into())
}

/// Memory of a process that is in RAM (`VmRSS`).
pub(crate) fn resident_bytes(pid: Pid) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let kilobytes = field(&status, "VmRSS:").and_then(|value| value.strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok(kilobytes.with_context(|| format!("{path} has no VmRSS"))? * 1024)
}

/// Lifts this process's limit on open files as far as it may, and answers it. Children inherit it.
pub(crate) fn raise_open_files() -> Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("raising the limit on open files")?;
    Ok(hard)
}

/// Binds the calling thread, and the threads and processes it starts from now on, to one core.
pub(crate) fn run_on(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("moving to core {core}"))
}

/// The machine a comparison ran on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    /// Runnable tasks in the minute before the comparison: above about 0.5, others took part in it.
    load_before: String,
}

impl Machine {
    pub(crate) fn describe() -> Result<Self> {
        let cpus = fs::read_to_string("/proc/cpuinfo")?;
        let memory = fs::read_to_string("/proc/meminfo")?;
        let kilobytes =
            field(&memory, "MemTotal:").and_then(|value| value.strip_suffix("kB")?.trim().parse::<u64>().ok());
        let load = fs::read_to_string("/proc/loadavg")?;
        Ok(Self {
            cpu: field(&cpus, "model name")
                .map_or("unknown CPU", |value| value.trim_start_matches([':', ' ']))
                .to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            memory_mib: kilobytes.unwrap_or(0) / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load_before: load.split(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, memory_mib, kernel, load_before } = self;
        write!(f, "{cpu}, {cores} cores, {memory_mib} MiB, Linux {kernel}, load average before {load_before}")
    }
}

/// The rest of the first line that begins with `name`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_reads_its_own_figures() {
        let pid = Pid::this();
        let before = own_cpu_time().unwrap();
        assert!((0..1_000_000u64).fold(0, |sum, i| std::hint::black_box(sum ^ i)) < u64::MAX);
        assert!(own_cpu_time().unwrap() > before);
        assert!(cpu_time(pid).unwrap() > before);
        let block = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(resident_bytes(pid).unwrap() > block.len() as u64);
        assert!(Machine::describe().unwrap().to_string().contains("cores"));
    }

    #[test]
    fn fields_are_found_by_the_start_of_their_line() {
        let status = "Name:\tx VmRSS: 1\nVmRSS:\t    4520 kB\nVmRSS:\t 9 kB\n";
        assert_eq!(field(status, "VmRSS:"), Some("4520 kB"));
        assert_eq!(field(status, "VmSwap:"), None);
    }
}
