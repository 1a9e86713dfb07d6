//! The commands that are a NATS client, one file each, under the names and flags of the nats CLI.
//!
//! Not here: `firn server`, whose flags are nats-server's and not clap's.

mod publish;
mod reply;
mod request;
mod subscribe;

mod bench;
mod rtt;
mod server_check;

mod completion;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::connection::ConnectionArgs;
use crate::template;

const EXAMPLES: &str = "\
Examples:
  firn server -p 4222                         run a server with nats-server's flags
  firn sub 'orders.>'                         show every order
  firn pub orders.new '{\"id\":{{Count}}}' --count 3
  firn reply echo --echo                      answer requests with themselves
  firn req echo hello                         ask, and show the reply
  firn bench pub load --msgs 1000000          measure
  firn server check connection --json         for a monitor";

/// A NATS server, and a client for people and scripts
#[derive(Debug, Parser)]
#[command(name = "firn", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    connection: ConnectionArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server with nats-server's flags (`firn server --help`), or check one
    Server {
        #[command(subcommand)]
        command: ServerCommand,
    },

    /// Publish messages
    #[command(name = "pub", visible_alias = "publish", after_help = template::HELP)]
    Publish(publish::PublishArgs),

    /// Show the messages on subjects
    #[command(name = "sub", visible_alias = "subscribe")]
    Subscribe(subscribe::SubscribeArgs),

    /// Send requests and show the replies
    #[command(name = "req", visible_alias = "request", after_help = template::HELP)]
    Request(request::RequestArgs),

    /// Answer requests
    #[command(after_help = template::HELP)]
    Reply(reply::ReplyArgs),

    /// Measure throughput and latency
    Bench {
        #[command(subcommand)]
        command: bench::BenchCommand,
    },

    /// Measure the round trip to each server
    Rtt(rtt::RttArgs),

    /// Print a completion script for a shell
    Completion(completion::CompletionArgs),

    /// Print the version
    Version,
}

#[derive(Debug, Subcommand)]
enum ServerCommand {
    /// Judge a running server in the form of a Nagios plug-in
    Check {
        #[command(subcommand)]
        command: server_check::CheckCommand,
    },
}

/// Runs a command to its end.
///
/// # Errors
/// What the command could not do, for people to read.
pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let connection = &cli.connection;
    match cli.command {
        Command::Publish(args) => runtime.block_on(publish::run(&args, connection))?,
        Command::Subscribe(args) => runtime.block_on(subscribe::run(&args, connection))?,
        Command::Request(args) => runtime.block_on(request::run(&args, connection))?,
        Command::Reply(args) => runtime.block_on(reply::run(&args, connection))?,
        Command::Bench { command } => runtime.block_on(bench::run(&command, connection))?,
        Command::Rtt(args) => runtime.block_on(rtt::run(&args, connection))?,
        Command::Completion(args) => completion::run(&args)?,
        Command::Version => crate::show::line(format_args!("firn {}", env!("CARGO_PKG_VERSION")))?,
        Command::Server { command: ServerCommand::Check { command } } => {
            return runtime.block_on(server_check::run(&command, connection));
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    //! The definition of the command line, and its help as people see it.

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_is_as_committed() {
        let mut command = Cli::command().term_width(120);
        command.build();
        let mut shown = command.render_long_help().to_string();
        for name in ["pub", "sub", "req", "reply", "rtt"] {
            let help = command.find_subcommand_mut(name).unwrap().render_help();
            // The flags of every command stand in the first help.
            let own = help.to_string().split("\nConnection:\n").next().unwrap().trim_end().to_owned();
            shown.push_str(&format!("\n=== firn {name}\n{own}\n"));
        }
        let shown: String = shown.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/help.txt");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(path, &shown).unwrap();
        }
        assert_eq!(shown, std::fs::read_to_string(path).unwrap(), "UPDATE_SNAPSHOTS=1 writes the new text");
    }
}
