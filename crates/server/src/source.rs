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
        fs::read(path).map_err(|error| cannot_read(path, &error))
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Why a file could not be read, as operators know it.
pub(crate) fn cannot_read(path: impl AsRef<Path>, error: &io::Error) -> String {
    // A directory can be opened; only reading it fails.
    let action = if error.kind() == io::ErrorKind::IsADirectory { "read" } else { "open" };
    format!("{action} {}: {}", path.as_ref().display(), reason(error))
}

/// Why a file could not be opened for writing, as operators know it.
pub(crate) fn cannot_open(path: impl AsRef<Path>, error: &io::Error) -> String {
    format!("open {}: {}", path.as_ref().display(), reason(error))
}

/// The system's reason in the words that operators know: its own, without a capital and a number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let Some((text, _)) = text.split_once(" (os error ") else { return text };
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_in_the_words_of_nats_server() {
        for (number, expected) in
            [(2, "no such file or directory"), (13, "permission denied"), (98, "address already in use")]
        {
            assert_eq!(reason(&io::Error::from_raw_os_error(number)), expected);
        }
        assert_eq!(reason(&io::Error::other("no such host")), "no such host");
        assert_eq!(cannot_read("/", &fs::read("/").unwrap_err()), "read /: is a directory");
        assert_eq!(cannot_open("/", &fs::write("/", "").unwrap_err()), "open /: is a directory");
    }
}
