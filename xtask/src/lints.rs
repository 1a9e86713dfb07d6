//! Clippy, rustc and documentation warnings over the workspace.
//!
//! Three kinds: what `[workspace.lints]` denies and any warning of rustc's own fails at once; what it sets to `warn` is
//! counted against `xtask/warnings.txt`, and the count may only fall; a documentation warning fails.
//! The warnings are judged here and not by `RUSTFLAGS`, which would build everything a second time.
#![expect(clippy::print_stdout, reason = "reports to the person who runs it")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{run, workspace};

/// Lints of rustc that `[workspace.lints.rust]` sets to `warn`: counted, as clippy's are.
const COUNTED: [&str; 4] = ["missing_docs", "unreachable_pub", "unnameable_types", "elided_lifetimes_in_paths"];

/// What to do with the number of counted warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Hold it against the committed number.
    MayNotRise,
    /// Write it down as the new number.
    Bless,
}

/// Runs all three.
///
/// # Errors
/// A denied lint, more warnings than the committed number, or a documentation warning.
pub fn run(count: Count) -> Result<()> {
    let warnings = clippy()?;
    let (counted, denied): (BTreeSet<_>, BTreeSet<_>) = warnings.into_iter().partition(Warning::is_counted);
    for warning in &denied {
        println!("{warning}");
    }
    ensure!(denied.is_empty(), "{} warnings of rustc", denied.len());
    settle(count, &counted)?;
    let mut doc = Command::new("cargo");
    doc.args(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"])
        .env("RUSTDOCFLAGS", "-D warnings");
    run::tee(&mut doc, |_| ()).context("documentation warnings")
}

fn settle(count: Count, counted: &BTreeSet<Warning>) -> Result<()> {
    let path = number_path();
    if count == Count::Bless {
        fs::write(&path, format!("{}\n", counted.len())).context("cannot write xtask/warnings.txt")?;
    }
    let text = fs::read_to_string(&path).context("cannot read xtask/warnings.txt")?;
    let most: usize = text.trim().parse().context("xtask/warnings.txt is not a number")?;
    if counted.len() > most {
        for warning in counted {
            println!("{warning}");
        }
    }
    ensure!(counted.len() <= most, "{} counted warnings, and xtask/warnings.txt allows {most}", counted.len());
    println!("lints: {} counted warnings of {most}", counted.len());
    Ok(())
}

fn clippy() -> Result<BTreeSet<Warning>> {
    let arguments = ["clippy", "--quiet", "--workspace", "--all-targets", "--keep-going", "--message-format=json"];
    let mut command = Command::new("cargo");
    println!("\n$ cargo {}", arguments.join(" "));
    let output =
        command.args(arguments).current_dir(workspace::root()).output().context("cannot start cargo clippy")?;
    let text = String::from_utf8(output.stdout).context("cargo clippy does not speak UTF-8")?;
    let mut warnings = BTreeSet::new();
    for line in text.lines() {
        let message: Value = serde_json::from_str(line).context("cargo clippy does not speak JSON")?;
        let Some(message) = message.get("message") else { continue };
        match message.get("level").and_then(Value::as_str) {
            Some("warning") => warnings.extend(Warning::of(message)),
            Some("error") => {
                println!("{}", message.get("rendered").and_then(Value::as_str).unwrap_or_default())
            }
            _ => {}
        }
    }
    ensure!(output.status.success(), "cargo clippy: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(warnings)
}

/// A warning and its place; the library and its tests report the same one twice.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Warning {
    file: String,
    line: u64,
    column: u64,
    lint: String,
    text: String,
}

impl Warning {
    /// None for cargo's closing sum (`3 warnings emitted`), which has no place.
    fn of(message: &Value) -> Option<Self> {
        let spans = message.get("spans")?.as_array()?;
        let span = spans.iter().find(|span| span.get("is_primary").and_then(Value::as_bool) == Some(true))?;
        let lint = message.get("code").and_then(|code| code.get("code")).and_then(Value::as_str);
        Some(Self {
            file: span.get("file_name")?.as_str()?.to_owned(),
            line: span.get("line_start")?.as_u64()?,
            column: span.get("column_start")?.as_u64()?,
            lint: lint.unwrap_or("rustc").to_owned(),
            text: message.get("message")?.as_str()?.to_owned(),
        })
    }

    fn is_counted(&self) -> bool {
        self.lint.starts_with("clippy::") || COUNTED.contains(&self.lint.as_str())
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, line, column, lint, text } = self;
        write!(f, "{file}:{line}:{column}: {text} ({lint})")
    }
}

fn number_path() -> PathBuf {
    workspace::root().join("xtask/warnings.txt")
}
