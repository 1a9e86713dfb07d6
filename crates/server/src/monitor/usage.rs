//! What the process uses of the machine.

use std::time::Duration;

use firn_id::Monotonic;
use rustix::time::{ClockId, clock_gettime};

/// A share of the processor is measured over at least so long.
const WINDOW: Duration = Duration::from_secs(1);

/// Measures the share of the processor between two looks.
#[derive(Debug, Default)]
#[expect(clippy::disallowed_types, reason = "leaf lock: touched by monitoring only")]
pub(crate) struct Usage {
    last: parking_lot::Mutex<Sample>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    at: Monotonic,
    busy: Duration,
    percent: f64,
}

impl Usage {
    /// Percent of one core since the last look that is a second or more ago; 100 for each busy core.
    pub(crate) fn processor_percent(&self, now: Monotonic) -> f64 {
        self.percent(now, processor_time())
    }

    fn percent(&self, now: Monotonic, busy: Duration) -> f64 {
        let mut last = self.last.lock();
        let passed = now.since(last.at);
        if passed >= WINDOW {
            let share = busy.saturating_sub(last.busy).as_secs_f64() / passed.as_secs_f64();
            *last = Sample { at: now, busy, percent: (share * 1000.0).round() / 10.0 };
        }
        last.percent
    }
}

/// Time that all threads of this process ran.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Bytes of memory that are resident; 0 where the system does not tell.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    resident_in(&status).unwrap_or(0)
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_measured_between_looks_a_second_apart() {
        let usage = Usage::default();
        let at = |millis: u64| Monotonic::from_nanos(millis * 1_000_000);
        let busy = Duration::from_millis;
        assert_eq!(usage.percent(at(2000), busy(500)), 25.0);
        assert_eq!(usage.percent(at(2500), busy(1000)), 25.0);
        assert_eq!(usage.percent(at(4000), busy(2500)), 100.0);
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident_in("Name:\tfirn\nVmRSS:\t   12 kB\nThreads: 1\n"), Some(12 * 1024));
        assert!(resident_bytes() > 0);
        assert!(cores() > 0);
    }
}
