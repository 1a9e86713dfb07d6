//! What a fuzzer calls: any bytes as a configuration, with files and variables made of the same bytes.

use std::path::Path;

use crate::{Checks, Source, read, reload, validate};

/// Reads bytes as a configuration. A zero byte after a line break parts the text of the file from that of all files
/// it includes, and the next such pair from that of all variables.
///
/// # Panics
///
/// Never; that is what is tested.
pub fn configuration(data: &[u8]) {
    let mut parts = split(data);
    let mut next = || parts.next().unwrap_or_default().to_vec();
    let source = Bytes { file: next(), included: next(), variable: String::from_utf8_lossy(&next()).into_owned() };
    match read("fuzz.conf", &source, &Checks::FORM) {
        Ok(read) => {
            let _warnings = validate(&read.options);
            let changes = reload::diff(&read.options, &read.options);
            assert!(changes.is_ok(), "options can always replace themselves");
        }
        Err(rejection) => assert!(!rejection.errors.is_empty(), "a rejection has a reason"),
    }
}

fn split(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let data = rest?;
        let end = data.windows(2).position(|pair| pair == b"\n\0");
        rest = end.and_then(|end| data.get(end + 2..));
        Some(end.map_or(data, |end| data.get(..end).unwrap_or_default()))
    })
}

struct Bytes {
    file: Vec<u8>,
    included: Vec<u8>,
    variable: String,
}

impl Source for Bytes {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        Ok(if path == Path::new("fuzz.conf") { self.file.clone() } else { self.included.clone() })
    }

    fn variable(&self, _: &str) -> Option<String> {
        (!self.variable.is_empty()).then(|| self.variable.clone())
    }
}
