//! Runs the suites of official client libraries that are written in those libraries' languages.
//!
//! A script is told the server's command in `SERVER_COMMAND` (a JSON array) and the folder of certificates in
//! `CERTIFICATES`, starts servers itself, and prints a line a check: `ok NAME` or `not ok NAME: REASON`.

use std::path::Path;
use std::process::Command;

use crate::environment::{self, LeftOut};
use crate::server::Binary;
use crate::suite::Suite;
use crate::{certificates, environment::repository};

/// The suite of the Python client library, ready to run.
///
/// # Errors
/// If Python or the library is not to be had.
pub fn python() -> Result<Command, LeftOut> {
    let mut command = Command::new(environment::python()?);
    // Compiled files would appear between the sources.
    command.arg("-B").arg(repository().join("conformance/clients/python/suite.py"));
    Ok(command)
}

/// The suite of the JavaScript client library, ready to run.
///
/// # Errors
/// If Node or the library is not to be had.
pub fn javascript() -> Result<Command, LeftOut> {
    let mut command = Command::new("node");
    command.arg(environment::javascript()?.join("suite.mjs"));
    Ok(command)
}

/// Runs a suite's script against a server.
///
/// # Panics
/// With the checks that failed, or if the script ended without saying what it checked.
pub fn check(name: &str, script: Result<Command, LeftOut>, binary: Result<Binary, LeftOut>) {
    let prepared = script.and_then(|script| Ok((script, binary?, certificates::folder()?)));
    let (mut script, binary, certificates) = match prepared {
        Ok(prepared) => prepared,
        Err(reason) => return Suite::begin(format!("clients/{name}")).left_out(&reason),
    };
    let suite = Suite::begin(format!("clients/{name} against {}", binary.name));
    script.env("SERVER_COMMAND", command_as_json(&binary)).env("CERTIFICATES", certificates);
    let output = script.output().expect("a program that was just set up can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    let passed = text.lines().filter(|line| line.starts_with("ok ")).count();
    let failed: Vec<&str> = text.lines().filter(|line| line.starts_with("not ok ")).collect();
    suite.ran(passed + failed.len());
    assert!(
        output.status.success() && failed.is_empty() && passed > 0,
        "the {name} client against {}: {} checks failed\n{}\n{}",
        binary.name,
        failed.len(),
        failed.join("\n"),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn command_as_json(binary: &Binary) -> String {
    let program = Path::new(&binary.program).to_string_lossy();
    let words: Vec<&str> = std::iter::once(program.as_ref()).chain(binary.arguments.iter().copied()).collect();
    serde_json::Value::from(words).to_string()
}
