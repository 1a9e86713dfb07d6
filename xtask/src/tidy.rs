//! House rules over the source text: what neither rustfmt nor clippy looks at.
//!
//! Each rule is a function from a file to findings, so that a rule is tested by a text that breaks it.
//! Not here: rules that need types (clippy) or dependencies (`tests/layers.rs`, `licences`).
#![expect(clippy::print_stdout, reason = "reports to the person who runs it")]

mod map;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// Columns in a line; 120 is what to aim for.
const COLUMNS_MAX: usize = 140;

/// Lines in a file of Rust.
const LINES_MAX: usize = 1_000;

/// Files that may be longer, each with its reason.
const LONG: [(&str, &str); 0] = [];

/// Words of unfinished work. Written in halves, because this file is read too.
const UNFINISHED: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

/// Phrases that promise instead of saying what is.
const PROMISES: [&str; 4] =
    [concat!("for ", "now"), concat!("phase ", "2"), concat!("in a later ", "version"), concat!("stub", "bed")];

/// Folders that exist on one machine only.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tmp/", "oracle"), concat!("/Use", "rs/")];

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// Relative to the workspace.
    pub path: PathBuf,
    /// From 1; 0 means the whole file.
    pub line: usize,
    /// Which rule, and what broke it.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.what)
    }
}

/// Checks the workspace at `root` and prints what it finds.
///
/// # Errors
/// A rule is broken, or a file cannot be read.
pub fn run(root: &Path) -> Result<()> {
    let findings = check(root)?;
    for finding in &findings {
        println!("{finding}");
    }
    ensure!(findings.is_empty(), "{} broken house rules", findings.len());
    Ok(())
}

/// Every broken rule in the workspace at `root`.
///
/// # Errors
/// A file cannot be read.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let paths = workspace::files(root)?;
    let mut findings = Vec::new();
    for path in &paths {
        let Some(kind) = Kind::of(path) else { continue };
        let text = fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {}", path.display()))?;
        check_text(path, kind, &text, &mut findings);
    }
    for document in ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"] {
        if let Ok(text) = fs::read_to_string(root.join(document)) {
            findings.extend(map::check(Path::new(document), &text, &paths));
        }
    }
    Ok(findings)
}

/// What a file is, as far as the rules differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tests, chores and benchmarks.
    Rust,
    /// Rust that is built into the product, and not a test of it.
    Product,
    /// Documents.
    Prose,
    /// Manifests and programs in other languages.
    Script,
}

impl Kind {
    /// None for data, on which there are no rules: transcripts, corpora, snapshots, lock files.
    fn of(path: &Path) -> Option<Self> {
        let name = path.to_str()?;
        let is_product = name.starts_with("crates/") && name.contains("/src/") && !name.ends_with("/tests.rs");
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") if is_product => Some(Self::Product),
            Some("rs") => Some(Self::Rust),
            Some("md") => Some(Self::Prose),
            Some("toml" | "sh" | "py" | "js" | "mjs" | "yml" | "yaml") => Some(Self::Script),
            _ if name == ".ci/run" => Some(Self::Script),
            _ => None,
        }
    }
}

/// Every rule over one file.
pub fn check_text(path: &Path, kind: Kind, text: &str, findings: &mut Vec<Finding>) {
    let mut report = |line: usize, what: String| findings.push(Finding { path: path.to_owned(), line, what });
    if matches!(kind, Kind::Rust | Kind::Product) {
        check_rust(path, text, &mut report);
    }
    if kind == Kind::Product {
        check_locks(text, &mut report);
    }
    if !text.is_empty() && !text.ends_with('\n') {
        report(text.lines().count(), "no line end at the end of the file".to_owned());
    }
    for (number, line) in (1..).zip(text.lines()) {
        check_line(kind, number, line, &mut report);
    }
}

fn check_rust(path: &Path, text: &str, report: &mut impl FnMut(usize, String)) {
    let head = text.lines().find(|line| !line.starts_with("// SPDX-License-Identifier:"));
    if !head.is_some_and(|line| line.starts_with("//! ")) {
        report(1, "the file does not open with `//!`: what it is, and what it is not".to_owned());
    }
    let lines = text.lines().count();
    let is_listed = LONG.iter().any(|(listed, _)| path == Path::new(listed));
    if lines > LINES_MAX && !is_listed {
        report(0, format!("{lines} lines; more than {LINES_MAX} need a reason in xtask/src/tidy.rs"));
    }
}

/// Clippy refuses a lock without an expectation; this makes the expectation say that nothing is called under the lock.
fn check_locks(text: &str, report: &mut impl FnMut(usize, String)) {
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        if line.contains("tokio::sync::Mutex") || line.contains("tokio::sync::RwLock") {
            report(index + 1, "a lock held across an await: state has one owner".to_owned());
        }
        if !line.contains("clippy::disallowed_types") {
            continue;
        }
        // rustfmt breaks a long attribute over a few lines.
        let attribute = lines.iter().skip(index).take(4);
        if !attribute.clone().any(|line| line.contains("leaf lock: ") || line.contains("in a test: ")) {
            report(index + 1, "a lock without `reason = \"leaf lock: …\"`".to_owned());
        }
    }
}

fn check_line(kind: Kind, number: usize, line: &str, report: &mut impl FnMut(usize, String)) {
    let columns = line.chars().count();
    // A row of a table and an address cannot be broken.
    let is_unbreakable = kind == Kind::Prose && (line.starts_with('|') || line.contains("://"));
    if columns > COLUMNS_MAX && !is_unbreakable {
        report(number, format!("{columns} columns; {COLUMNS_MAX} at most"));
    }
    if line.ends_with([' ', '\t', '\r']) {
        report(number, "white space at the end of the line".to_owned());
    }
    if ["<<<<<<< ", ">>>>>>> "].iter().any(|marker| line.starts_with(marker)) {
        report(number, "a conflict of a merge".to_owned());
    }
    for word in UNFINISHED {
        if has_word(line, word) {
            report(number, format!("`{word}`: finish it, or file it where plans are kept"));
        }
    }
    for phrase in PROMISES {
        if has_word(&line.to_lowercase(), phrase) {
            report(number, format!("`{phrase}`: say what is, not what will be"));
        }
    }
    for folder in MACHINE_PATHS {
        if line.contains(folder) {
            report(number, format!("`{folder}` exists on one machine only"));
        }
    }
}

fn has_word(line: &str, word: &str) -> bool {
    let is_edge = |neighbour: Option<char>| neighbour.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line.get(..at), line.get(at + word.len()..));
        is_edge(before.and_then(|text| text.chars().next_back())) && is_edge(after.and_then(|text| text.chars().next()))
    })
}
