//! `firn completion`: a script that teaches a shell the commands and flags.

use anyhow::Result;
use clap::{Arg, Args, Command, CommandFactory as _};
use clap_complete::Shell;

use crate::{server, show};

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
    clap_complete::generate(args.shell, &mut commands(), "firn", &mut script);
    Ok(show::bytes(&script)?)
}

/// All commands as they are typed: `firn server` has nats-server's flags, and not those that say where to connect.
fn commands() -> Command {
    let all = Cli::command();
    let connection: Vec<Arg> = all.get_arguments().filter(|argument| argument.is_global_set()).cloned().collect();
    all.mut_args(|argument| argument.global(false)).mut_subcommands(|command| {
        if command.get_name() != "server" {
            return with(command, &connection);
        }
        command
            .mut_subcommand("check", |check| with(check, &connection))
            .args(server::arguments())
            .disable_help_flag(true)
            .disable_help_subcommand(true)
    })
}

/// Gives arguments to a command, or to those below it.
fn with(command: Command, arguments: &[Arg]) -> Command {
    if command.has_subcommands() {
        return command.mut_subcommands(|below| with(below, arguments));
    }
    command.args(arguments)
}

#[cfg(test)]
mod tests {
    //! What a shell offers.

    use super::*;

    /// The words that bash offers after these, without values.
    fn offered(words: &str) -> Vec<String> {
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut commands(), "firn", &mut script);
        let script = String::from_utf8(script).unwrap();
        let case = format!("        {words})\n            opts=\"");
        let (_, rest) = script.split_once(&case).unwrap_or_else(|| panic!("{words} is no case of the script"));
        rest.split('"').next().unwrap().split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn members_of_configurations_are_flags() {
        let add = offered("firn__subcmd__stream__subcmd__add");
        for flag in ["--subjects", "--max-age", "--allow-direct", "--storage", "--config"] {
            assert!(add.iter().any(|word| word == flag), "{flag} is not in {add:?}");
        }
        assert!(!add.iter().any(|word| word == "--no-mirror"), "what is made has nothing to take away");
    }

    #[test]
    fn each_command_offers_its_own_flags() {
        let server = offered("firn__subcmd__server");
        for flag in ["-c", "--config", "-p", "-m", "-a", "--addr", "--net", "-t", "--sl", "--signal", "-h", "check"] {
            assert!(server.iter().any(|word| word == flag), "{flag} is not in {server:?}");
        }
        for flag in ["-s", "--server", "--creds", "--timeout"] {
            let is_offered = server.iter().any(|word| word == flag);
            assert_eq!(is_offered, flag == "-s", "{flag}: -s is syslog there");
            for client in [
                "firn__subcmd__pub",
                "firn__subcmd__server__subcmd__check__subcmd__connection",
                "firn__subcmd__stream__subcmd__add",
                "firn__subcmd__bench__subcmd__js__subcmd__pub__subcmd__async",
            ] {
                assert!(offered(client).iter().any(|word| word == flag), "{client} {flag}");
            }
        }
    }
}
