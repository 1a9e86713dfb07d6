//! The question before something is lost.

use std::io::{self, IsTerminal as _};

use anyhow::{Result, ensure};

/// Asks, unless the command line said `--force`.
///
/// # Errors
/// The answer is no, or nobody is there to ask.
pub(crate) fn confirm(force: bool, question: &str) -> Result<()> {
    if force {
        return Ok(());
    }
    ensure!(io::stdin().is_terminal(), "{question}? --force says yes");
    eprint!("{question}? [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    ensure!(matches!(answer.trim(), "y" | "Y" | "yes"), "left as it was");
    Ok(())
}
