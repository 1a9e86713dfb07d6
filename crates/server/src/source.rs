//! Where the options come from: a configuration file, and what was said beside it, which beats the file.

use std::{fmt, fs, io, path::Path};

use firn_auth::nkey::{PublicKey, Role};
use firn_config::{Checks, Options, Problem, Rejection};
use firn_subject::{
    mapping::{Destination, Mappings},
    subject,
};

/// A configuration that can be read again.
pub struct ConfigSource {
    file: Option<String>,
    overrides: Box<Overrides>,
}

/// Lays over a file's options what was said beside it.
type Overrides = dyn Fn(&mut Options) -> Result<(), Problem> + Send + Sync;

/// What a reading found.
pub struct Loaded {
    /// The options, overrides applied.
    pub options: Options,
    /// `sha256:…` of the file, if there is one.
    pub digest: Option<String>,
    /// Remarks of the file.
    pub warnings: Vec<Problem>,
}

impl fmt::Debug for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigSource").field("file", &self.file).finish_non_exhaustive()
    }
}

impl ConfigSource {
    /// `overrides` is applied to what the file says, at each reading; it may find that the two cannot go together.
    pub fn new(
        file: Option<String>,
        overrides: impl Fn(&mut Options) -> Result<(), Problem> + Send + Sync + 'static,
    ) -> Self {
        ConfigSource { file, overrides: Box::new(overrides) }
    }

    /// The file, if there is one.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Reads the file and applies the overrides.
    ///
    /// # Errors
    /// All problems of the file, or the overrides'.
    pub fn load(&self) -> Result<Loaded, Rejection> {
        let mut loaded = match &self.file {
            None => Loaded { options: Options::default(), digest: None, warnings: Vec::new() },
            Some(file) => {
                let read = firn_config::read(file, &Disk, &CHECKS)?;
                Loaded { options: read.options, digest: Some(read.digest), warnings: read.warnings }
            }
        };
        match (self.overrides)(&mut loaded.options) {
            Ok(()) => Ok(loaded),
            Err(problem) => Err(Rejection { warnings: loaded.warnings, errors: vec![problem] }),
        }
    }
}

/// Rules that other crates own.
pub(crate) const CHECKS: Checks = Checks {
    is_subject: |text| subject::is_valid_pattern(text.as_bytes()),
    is_user_nkey: |text| PublicKey::parse(text).is_ok_and(|key| key.role() == Role::User),
    mapping: check_mapping,
};

fn check_mapping(source: &str, destination: &str) -> Result<(), String> {
    let destination = Destination { subject: destination.as_bytes().into(), weight: 100, cluster: None };
    Mappings::default().add(source.as_bytes(), &[destination]).map_err(|error| error.to_string())
}

/// Files and environment of this process.
struct Disk;

impl firn_config::Source for Disk {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        fs::read(path).map_err(|error| format!("open {}: {}", path.display(), reason(&error)))
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// The system's reason in the words that operators know.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => error.to_string(),
    }
}
