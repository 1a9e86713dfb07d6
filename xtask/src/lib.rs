//! Chores in Rust: what a person types as `cargo xtask <chore>` and what CI runs, so that both are the same command.
//!
//! Not here: anything the product needs at run time, or a tool that has to be compiled first to be used.

pub mod ci;
pub mod licences;
pub mod lints;
pub mod metadata;
pub mod setup;
pub mod suites;
pub mod tidy;
pub mod workspace;

mod run;
