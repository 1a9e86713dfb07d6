//! The NATS configuration language, and each option as one row of one table.
//!
//! A pure crate: it opens no file, asks no environment and reads no clock. Bytes and variables come through
//! [`Source`], and what is read is plain data, [`Options`]. Who uses the values is not its business; a key whose
//! feature Firn does not have yet is still a row, is type-checked like any other, and then refused by name.
//!
//! ```text
//!  bytes ─ lexer ─▶ items ─ parser ─▶ tree ─ table ─▶ Options ─ overrides ─▶ validate ─▶ the server's boot
//!                    (include, $variables)   │  ▲                    └────── reload: two Options, what changed
//!                                            │  └ options/*: the rows
//!                                            └ digest
//! ```
//!
//! A start: [`read()`], [`Overrides::apply`], [`validate()`] (its errors go to stderr, exit code 1), then, with a log,
//! [`check_start`] (fatal). `-t` is [`read()`] alone, and fails with warnings too. A reload: the same up to
//! [`validate()`], then [`diff`].
//!
//! Agreement with nats-server 2.15.1 is tested against its recorded answers: digests, positions and messages.
//! Known differences: several problems come in the order of the text (there: in random order), every wrong value of
//! a block is reported (there: the first), and input that would exhaust the process is refused.

mod digest;
pub mod docs;
pub mod fuzzing;
mod go;
mod include;
mod lexer;
mod options;
mod overrides;
mod parser;
mod problem;
mod reload;
mod secret;
mod source;
mod table;
mod validate;
mod value;

pub use digest::digest;
pub use go::{duration as go_duration, quote as go_quote};
pub use options::{
    AuthorizationOptions, HandshakeFirst, LogOptions, MappingDestination, MappingOptions, MonitorOptions, Options,
    PermissionsOptions, ResponsesOptions, SubjectsOptions, TlsCertificate, TlsMinVersion, TlsOptions, UserAccount,
    UserOptions, WriteTimeout,
};
pub use overrides::{Overrides, TlsOverrides};
pub use parser::{DEPTH_MAX, FILES_MAX, WEIGHT_MAX};
pub use problem::{Problem, Rejection};
pub use reload::{Change, NotReloadable, diff};
pub use secret::Secret;
pub use source::{Checks, Source};
pub use validate::{check_start, validate};
pub use value::{Map, Node, Position, Value};

/// A configuration file that was read without errors.
#[derive(Clone)]
pub struct Configuration {
    /// What the file says, defaults filled in.
    pub options: Options,
    /// `sha256:…` of the expanded file, see [`digest()`].
    pub digest: String,
    /// Remarks, each a line. A start prints them and goes on; `-t` fails.
    pub warnings: Vec<Problem>,
}

/// Reads a file with all it includes. Nothing the file names (certificates, folders) is opened.
///
/// # Errors
///
/// All problems of the file, in the order of its text, with the warnings found so far. A text that cannot be parsed,
/// or a file that cannot be read, gives one problem.
pub fn read(path: &str, source: &dyn Source, checks: &Checks) -> Result<Configuration, Rejection> {
    let root = tree(path, source)?;
    let digest = digest(&root);
    let (options, warnings, errors) = options::read(path, &root, checks);
    if !errors.is_empty() {
        return Err(Rejection { warnings, errors });
    }
    Ok(Configuration { options, digest, warnings })
}

/// Reads a file with all it includes into a tree, whatever its keys are.
///
/// # Errors
///
/// One problem: the first piece of the text that cannot be parsed, or the file that cannot be read.
pub fn tree(path: &str, source: &dyn Source) -> Result<Map, Rejection> {
    parser::parse_file(path, source)
        .map_err(|text| Rejection { warnings: Vec::new(), errors: vec![Problem { position: None, text }] })
}
