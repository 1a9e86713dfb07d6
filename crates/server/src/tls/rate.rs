//! How many handshakes may begin in a second.

use std::time::Duration;

use firn_id::Monotonic;
#[expect(clippy::disallowed_types, reason = "leaf lock: see RateLimit")]
use parking_lot::Mutex;

const WINDOW: Duration = Duration::from_secs(1);

/// A count that starts anew each second.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "leaf lock: two numbers that change together, once per handshake")]
pub(super) struct RateLimit {
    max: u64,
    window: Mutex<(Monotonic, u64)>,
}

#[expect(clippy::disallowed_types, reason = "leaf lock: see RateLimit")]
impl RateLimit {
    /// No limit for zero and below.
    pub(super) fn new(max: i64) -> Option<Self> {
        let max = u64::try_from(max).ok().filter(|&max| max > 0)?;
        Some(RateLimit { max, window: Mutex::new((Monotonic::ZERO, 0)) })
    }

    /// Whether one more may begin.
    pub(super) fn admits(&self, now: Monotonic) -> bool {
        let mut window = self.window.lock();
        let (begin, count) = &mut *window;
        if now.since(*begin) >= WINDOW {
            (*begin, *count) = (now, 0);
        }
        *count += 1;
        *count <= self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_may_begin_in_a_second_and_no_more() {
        let limit = RateLimit::new(2).unwrap();
        let at = |millis: u64| Monotonic::ZERO + Duration::from_millis(5000 + millis);
        let admitted = [0, 10, 20, 999, 1000, 1001, 1002].map(|millis| limit.admits(at(millis)));
        assert_eq!(admitted, [true, true, false, false, true, true, false]);
        assert!(RateLimit::new(0).is_none() && RateLimit::new(-1).is_none());
    }
}
