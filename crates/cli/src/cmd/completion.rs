//! `firn completion`: a script that teaches a shell the commands and flags.

use anyhow::Result;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::show;

use super::Cli;

#[derive(Args, Debug)]
pub(crate) struct CompletionArgs {
    /// The shell to teach
    shell: Shell,
}

/// # Errors
/// The reader is gone.
pub(crate) fn run(args: &CompletionArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "firn", &mut script);
    Ok(show::bytes(&script)?)
}
