//! A simulated world for tests: one thread, no clock, and every accident drawn from a seed.
//!
//! The same seed and the same calls give the same run, on any machine. A failing run is two numbers: a commit and a seed.
//!
//! Not here: what a test checks. A checker stands beside the guarantee that it checks.

pub mod random;

pub mod disk;
