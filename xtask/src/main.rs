//! `cargo xtask <chore>`.
#![expect(clippy::print_stdout, reason = "a chore talks to the person who runs it")]

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use xtask::{ci, licences, lints, setup, tidy, workspace};

const USAGE: &str = "\
Usage: cargo xtask <chore>

Everyday:
  test [--complete]    every test there is, then a summary; --complete (or CI=true): a suite left out is a failure
  ci <step>            one step of it: text, lints, build, unit, fuzz, conformance, faults, bench
  tidy                 house rules over the source text
  layers               who may depend on whom
  licences             licences and sources of every dependency
  lints [--bless]      clippy, rustc and documentation warnings; --bless writes the new count to xtask/warnings.txt
  fuzz [--seconds N] [--seed N] [--target NAME] [--only N]
                       every decoder over its corpus and seeded mutations of it
  setup                install what the suites need and this machine lacks (Debian, as root)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match chore(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn chore(arguments: &[&str]) -> Result<()> {
    let (&name, rest) = arguments.split_first().context(USAGE)?;
    match (name, rest) {
        ("test", rest) => ci::test(complete(rest)?),
        ("ci", [step, rest @ ..]) => ci::step(step, complete(rest)?),
        ("tidy", []) => tidy::run(&workspace::root()),
        ("layers", []) => ci::layers(),
        ("licences", []) => licences::run(),
        ("lints", []) => lints::run(lints::Count::MayNotRise),
        ("lints", ["--bless"]) => lints::run(lints::Count::Bless),
        ("fuzz", rest) => ci::fuzz(rest),
        ("setup", []) => setup::run(),
        ("help" | "-h" | "--help", _) => {
            print!("{USAGE}");
            Ok(())
        }
        _ => bail!("cannot read {arguments:?}\n\n{USAGE}"),
    }
}

/// Whether a suite that is left out counts as a failure.
fn complete(flags: &[&str]) -> Result<bool> {
    match flags {
        [] => Ok(std::env::var("CI").is_ok_and(|ci| ci == "true")),
        ["--complete"] => Ok(true),
        _ => bail!("cannot read {flags:?}\n\n{USAGE}"),
    }
}
