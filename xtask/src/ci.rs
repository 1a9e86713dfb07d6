//! The steps of `cargo xtask test`, in order, each against its share of the time.
//!
//! ```text
//!   text ─► lints ─► build ─► unit ─► fuzz ─► conformance ─► faults ─► bench
//!                      └─ fails: nothing after it can run
//! ```
//!
//! Any other step that fails is remembered and the rest runs, so that one run shows everything that is wrong.
//! Not here: what a step checks. A share is printed beside the time a step took and never judged: a slow machine is
//! not a wrong program.
#![expect(clippy::print_stdout, reason = "reports to the person who runs it")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::lints::{self, Count};
use crate::{licences, run, setup, suites, tidy, workspace};

struct Step {
    name: &'static str,
    /// What a run on two cores may take, builds from nothing included.
    share_seconds: u64,
    run: fn(&mut Tally) -> Result<()>,
}

const STEPS: [Step; 8] = [
    Step { name: "text", share_seconds: 60, run: text },
    Step { name: "lints", share_seconds: 4 * 60, run: |_| lints::run(Count::MayNotRise) },
    Step { name: "build", share_seconds: 10 * 60, run: |_| build() },
    Step { name: "unit", share_seconds: 6 * 60, run: unit },
    Step { name: "fuzz", share_seconds: 2 * 60, run: |_| fuzz(&["--seconds", "90"]) },
    Step { name: "conformance", share_seconds: 12 * 60, run: conformance },
    Step { name: "faults", share_seconds: 5 * 60, run: faults },
    Step { name: "bench", share_seconds: 2 * 60, run: bench },
];

/// The step without which no later one can run.
const BUILD: &str = "build";

/// Packages that test a process from outside, and what a plain `cargo test` leaves to their own steps.
const BLACK_BOX: [&str; 2] = ["firn-conformance", "firn-bench"];

/// The conformance test that is a step of its own.
const FAULTS: &str = "faults";

/// Runs every step, then says what ran.
///
/// # Errors
/// A step failed, or one suite was left out although `complete` asks for all.
pub fn test(complete: bool) -> Result<()> {
    setup_if(complete)?;
    steps(&STEPS.iter().collect::<Vec<_>>(), complete)
}

/// Runs one step by its name, then says what ran.
///
/// # Errors
/// As [`fn@test`]; no step has that name.
pub fn step(name: &str, complete: bool) -> Result<()> {
    let names = STEPS.map(|step| step.name).join(", ");
    let step =
        STEPS.iter().find(|step| step.name == name).with_context(|| format!("no step {name}; there are {names}"))?;
    steps(&[step], complete)
}

/// Runs the test that holds the table of who may depend on whom.
///
/// # Errors
/// A forbidden dependency.
pub fn layers() -> Result<()> {
    run::tee(Command::new("cargo").args(["test", "--quiet", "--package=xtask", "--test=layers"]), |_| ())
}

/// Drives the fuzz entry points on stable Rust; `flags` go to `xtask/tests/fuzz.rs`.
///
/// # Errors
/// An input made an entry point panic.
pub fn fuzz(flags: &[&str]) -> Result<()> {
    run::tee(
        Command::new("cargo").args(["test", "--quiet", "--package=xtask", "--test=fuzz", "--"]).args(flags),
        |_| (),
    )
}

fn setup_if(complete: bool) -> Result<()> {
    if complete { setup::run() } else { Ok(()) }
}

fn steps(steps: &[&Step], complete: bool) -> Result<()> {
    suites::clear()?;
    let mut tally = Tally::default();
    let mut lines = Vec::new();
    let mut failures = Vec::new();
    let mut is_built = true;
    for step in steps {
        if !is_built {
            lines.push(format!("  {:<12} not run: the build failed", step.name));
            continue;
        }
        println!("\n=== {} (share {}) ===", step.name, minutes(Duration::from_secs(step.share_seconds)));
        let begin = Instant::now();
        let outcome = (step.run)(&mut tally);
        let took = format!("{} of {}", minutes(begin.elapsed()), minutes(Duration::from_secs(step.share_seconds)));
        match outcome {
            Ok(()) => lines.push(format!("  {:<12} ok      {took}", step.name)),
            Err(error) => {
                println!("{}: {error:#}", step.name);
                lines.push(format!("  {:<12} FAILED  {took}  {error:#}", step.name));
                failures.push(step.name.to_owned());
                is_built = step.name != BUILD;
            }
        }
    }

    println!("\n=== summary ===");
    for line in lines {
        println!("{line}");
    }
    if !tally.0.is_empty() {
        println!("  tests: {tally}");
    }
    for suite in suites::read()? {
        println!("  suite {}: {}", suite.name, suite.outcome);
        if suite.is_left_out && complete {
            failures.push(format!("suite {} (left out)", suite.name));
        }
    }
    ensure!(failures.is_empty(), "failed: {}", failures.join(", "));
    Ok(())
}

fn text(tally: &mut Tally) -> Result<()> {
    let mut failures = Vec::new();
    let mut note = |outcome: Result<()>| failures.extend(outcome.err().map(|error| format!("{error:#}")));
    note(run::tee(Command::new("cargo").args(["fmt", "--all", "--check"]), |_| ()));
    note(tidy::run(&workspace::root()));
    note(run::tee(&mut cargo_test(&["--package=xtask", "--test=layers"]), |line| tally.hear(line)));
    note(licences::run());
    ensure!(failures.is_empty(), "{}", failures.join("; "));
    Ok(())
}

/// The two builds that all later steps share: tests in the dev profile, the released programs for black boxes.
fn build() -> Result<()> {
    run::tee(Command::new("cargo").args(["test", "--workspace", "--no-run"]), |_| ())?;
    let released = ["build", "--release", "--package=firn-cli", "--package=firn-bench"];
    run::tee(Command::new("cargo").args(released), |_| ())
}

fn unit(tally: &mut Tally) -> Result<()> {
    let mut command = cargo_test(&["--workspace"]);
    for package in BLACK_BOX {
        command.args(["--exclude", package]);
    }
    // The tests of the command run against our own server.
    run::tee(command.env_remove("NATS_SERVER_BIN"), |line| tally.hear(line))
}

fn conformance(tally: &mut Tally) -> Result<()> {
    let mut command = cargo_test(&["--package=firn-conformance", "--lib", "--bins"]);
    for entry in fs::read_dir(workspace::root().join("conformance/tests")).context("cannot list conformance/tests")? {
        let path = entry?.path();
        let name = path.file_stem().and_then(OsStr::to_str).context("a test has a name")?.to_owned();
        if name != FAULTS {
            command.args(["--test", &name]);
        }
    }
    black_box(tally, &mut command)
}

fn faults(tally: &mut Tally) -> Result<()> {
    black_box(tally, &mut cargo_test(&["--package=firn-conformance", "--test", FAULTS]))
}

fn black_box(tally: &mut Tally, command: &mut Command) -> Result<()> {
    run::tee(command.env("FIRN_BIN", firn()), |line| tally.hear(line))
}

/// The tests of the benchmark, and a hundredth of its comparisons with nats-server: shows that every row works, and
/// measures nothing. JetStream's rows run with nats-server in Firn's place.
fn bench(tally: &mut Tally) -> Result<()> {
    run::tee(&mut cargo_test(&["--package=firn-bench"]), |line| tally.hear(line))?;
    let Some(reference) = nats_server()? else {
        return suites::left_out("bench", "no nats-server to compare with; set NATS_SERVER_BIN");
    };
    let program = || {
        let mut command = Command::new(workspace::root().join("target/release/firn-bench"));
        command.arg("--quick").arg("--reference").arg(&reference);
        command
    };
    run::tee(program().arg("--firn").arg(firn()), |_| ())?;
    run::tee(program().args(["--self-check", "js"]), |_| ())?;
    suites::ran("bench", "a hundredth of every row")
}

fn firn() -> PathBuf {
    workspace::root().join("target/release/firn")
}

/// nats-server as the conformance suites find it: named by the environment, or fetched by them into `.cache`.
fn nats_server() -> Result<Option<PathBuf>> {
    if let Some(path) = std::env::var_os("NATS_SERVER_BIN") {
        return Ok(Some(PathBuf::from(path)));
    }
    let cache = workspace::root().join(".cache");
    if !cache.is_dir() {
        return Ok(None);
    }
    for entry in fs::read_dir(cache).context("cannot list .cache")? {
        let program = entry?.path().join("bin/nats-server");
        if program.is_file() {
            return Ok(Some(program));
        }
    }
    Ok(None)
}

fn cargo_test(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(["test", "--no-fail-fast"]).args(arguments);
    command
}

/// The sums over cargo's closing lines: passed, failed, ignored, …
#[derive(Debug, Default)]
struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// Takes `test result: ok. 12 passed; 0 failed; 0 ignored; …; finished in 0.05s`.
    fn hear(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for count in counts.split("; ") {
            if let Some((number, what)) = count.split_once(' ')
                && let Ok(number) = number.parse::<u64>()
            {
                *self.0.entry(what.to_owned()).or_default() += number;
            }
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = ["passed", "failed", "ignored"].map(|what| format!("{} {what}", self.0.get(what).unwrap_or(&0)));
        f.write_str(&shown.join(", "))
    }
}

fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    //! What is read from cargo's output.

    use super::*;

    #[test]
    fn closing_lines_add_up() {
        let mut tally = Tally::default();
        tally.hear("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.05s");
        tally.hear("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.05s");
        tally.hear("test a::b ... ok");
        assert_eq!(tally.to_string(), "15 passed, 2 failed, 1 ignored");
    }
}
