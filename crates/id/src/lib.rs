//! Words for time, and later for Snowflake IDs.
//!
//! Not here: reading a clock. A [`Monotonic`] and a [`Timestamp`] are values that the server hands down, taken once per
//! turn, so that one turn has one time and a test can pass any.

pub mod calendar;
mod timestamp;

pub use timestamp::{Monotonic, Timestamp};
