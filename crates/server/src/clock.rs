//! The server's clocks: the only place that reads them. Everybody else is handed a value.

use std::{
    sync::LazyLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use firn_id::{Monotonic, Timestamp};

/// The origin of this process's monotonic time.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Monotonic time now.
pub(crate) fn monotonic() -> Monotonic {
    let nanos = ORIGIN.elapsed().as_nanos();
    Monotonic::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The moment as the async runtime counts it.
pub(crate) fn instant(at: Monotonic) -> tokio::time::Instant {
    (*ORIGIN + at.since(Monotonic::ZERO)).into()
}

/// Wall-clock time now.
pub(crate) fn timestamp() -> Timestamp {
    let nanos = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    };
    Timestamp::from_unix_nanos(nanos)
}
