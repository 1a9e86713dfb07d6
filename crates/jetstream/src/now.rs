//! The two times of a turn.

use firn_id::{Monotonic, Timestamp};

/// When a turn takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For what is waited for inside one process.
    pub monotonic: Monotonic,
    /// For what is stored and shown; it may run backwards.
    pub wall: Timestamp,
}
