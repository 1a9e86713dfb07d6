//! Subjects: which bytes are one, which pattern matches which, and what a mapping makes of them.
//!
//! ```text
//!   orders.eu.42        a subject: tokens separated by dots, any byte but space, tab, CR and LF
//!   orders.*.>          a pattern: `*` is one token, `>` is one or more at the end
//!   Interest<V>         patterns to values, as a persistent tree: a clone is a snapshot that costs a few pointers
//!   Transform           orders.*.* to archive.{{wildcard(2)}}.{{partition(8,1)}}
//! ```
//!
//! Not here: accounts, connections, permissions. A subject is bytes and need not be UTF-8.

pub mod subject;

pub mod pattern;

pub mod interest;

pub mod mapping;

pub mod fuzzing;
