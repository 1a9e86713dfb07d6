//! What each suite said about itself: a suite that can be left out appends one line to `.cache/suites.txt`.
//!
//! ```text
//!   suite NAME: ran 120 transcripts
//!   suite NAME: left out: no fuse on this machine
//! ```

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::workspace;

/// One line of the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Suite {
    /// A word without a colon.
    pub name: String,
    /// What it did, or why it did not.
    pub outcome: String,
    /// The outcome begins with `left out`.
    pub is_left_out: bool,
}

fn path() -> PathBuf {
    workspace::root().join(".cache/suites.txt")
}

/// Forgets what earlier runs said.
///
/// # Errors
/// The file is there and cannot be removed.
pub fn clear() -> Result<()> {
    match fs::remove_file(path()) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("cannot remove .cache/suites.txt"),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What the suites said since the last [`clear`], in the order in which they said it.
///
/// # Errors
/// The file cannot be read, or a line is not of the form above.
pub fn read() -> Result<Vec<Suite>> {
    match fs::read_to_string(path()) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).context("cannot read .cache/suites.txt"),
    }
}

/// Notes a suite that is no test of its own.
///
/// # Errors
/// The file cannot be written.
pub fn ran(name: &str, what: &str) -> Result<()> {
    append(&format!("suite {name}: ran {what}"))
}

/// Notes a suite that cannot run here, and why.
///
/// # Errors
/// The file cannot be written.
pub fn left_out(name: &str, why: &str) -> Result<()> {
    append(&format!("suite {name}: left out: {why}"))
}

fn append(line: &str) -> Result<()> {
    let path = path();
    fs::create_dir_all(path.parent().context("the file lies in a folder")?).context("cannot make .cache")?;
    let mut file = OpenOptions::new().create(true).append(true).open(path).context("cannot open .cache/suites.txt")?;
    writeln!(file, "{line}").context("cannot write .cache/suites.txt")
}

fn parse(text: &str) -> Result<Vec<Suite>> {
    let mut suites: Vec<Suite> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (name, outcome) = line
            .strip_prefix("suite ")
            .and_then(|rest| rest.split_once(": "))
            .with_context(|| format!("cannot read {line:?} in .cache/suites.txt"))?;
        let is_left_out = outcome.starts_with("left out");
        let suite = Suite { name: name.to_owned(), outcome: outcome.to_owned(), is_left_out };
        if !suites.contains(&suite) {
            suites.push(suite);
        }
    }
    Ok(suites)
}

#[cfg(test)]
mod tests {
    //! Lines as suites write them.

    use super::*;

    #[test]
    fn a_line_is_a_name_and_an_outcome() {
        let suites =
            parse("suite faults: ran 9 faults\nsuite fuse: left out: no /dev/fuse\nsuite faults: ran 9 faults\n")
                .unwrap();
        let shown: Vec<_> =
            suites.iter().map(|suite| (suite.name.as_str(), suite.outcome.as_str(), suite.is_left_out)).collect();
        assert_eq!(shown, [("faults", "ran 9 faults", false), ("fuse", "left out: no /dev/fuse", true)]);
        assert_eq!(parse("nonsense").unwrap_err().to_string(), "cannot read \"nonsense\" in .cache/suites.txt");
    }
}
