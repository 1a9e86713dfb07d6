//! Starting other programs in the root of the workspace.
#![expect(clippy::print_stdout, reason = "hands on what the program says")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// Runs a program to its end and returns its standard output.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(workspace::root())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    ensure!(output.status.success(), "{program} {} failed: {}", arguments.join(" "), output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{program} does not speak UTF-8"))
}

/// Runs a program to its end, hands every line of its standard output on as it comes, and lets `hear` read along.
pub(crate) fn tee(command: &mut Command, mut hear: impl FnMut(&str)) -> Result<()> {
    let shown = format!("{command:?}").replace('"', "");
    println!("\n$ {shown}");
    let mut child = command
        .current_dir(workspace::root())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {shown}"))?;
    let stdout = child.stdout.take().expect("it was asked for above");
    // Bytes, not text: a test may print anything.
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.context("cannot read what the program says")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        hear(&line);
    }
    let status = child.wait().with_context(|| format!("cannot wait for {shown}"))?;
    ensure!(status.success(), "`{shown}` failed: {status}");
    Ok(())
}
