//! The commands that are a NATS client, one file each, under the names and flags of the nats CLI.
//!
//! Not here: `firn server`, whose flags are nats-server's and not clap's.

mod publish;
mod reply;
mod request;
mod subscribe;

mod account;
mod buckets;
mod consumer;
mod kv;
mod object;
mod stream;

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
  firn stream add ORDERS --subjects 'orders.>'
  firn consumer add ORDERS worker             make a consumer, then take from it
  firn consumer next ORDERS worker --count 10
  firn kv put settings theme dark             keep a value in a bucket
  firn object put backups db.dump             keep a file in a bucket
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

    /// Streams of JetStream and the messages in them
    #[command(visible_alias = "str", aliases = ["st", "s"], after_help = stream::EXAMPLES)]
    Stream {
        #[command(subcommand)]
        command: stream::StreamCommand,
    },

    /// Consumers of a stream and the messages they hand out
    #[command(visible_alias = "con", aliases = ["c"], after_help = consumer::EXAMPLES)]
    Consumer {
        #[command(subcommand)]
        command: consumer::ConsumerCommand,
    },

    /// Buckets of keys and values
    #[command(after_help = kv::EXAMPLES)]
    Kv {
        #[command(subcommand)]
        command: kv::KvCommand,
    },

    /// Buckets of objects, which may be larger than a message
    #[command(visible_alias = "obj", after_help = object::EXAMPLES)]
    Object {
        #[command(subcommand)]
        command: object::ObjectCommand,
    },

    /// Who we are to the server, and what the account may use
    #[command(alias = "a")]
    Account {
        #[command(subcommand)]
        command: account::AccountCommand,
    },

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
        Command::Stream { command } => runtime.block_on(stream::run(&command, connection))?,
        Command::Consumer { command } => runtime.block_on(consumer::run(&command, connection))?,
        Command::Kv { command } => runtime.block_on(kv::run(&command, connection))?,
        Command::Object { command } => runtime.block_on(object::run(&command, connection))?,
        Command::Account { command } => runtime.block_on(account::run(&command, connection))?,
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

    /// The help of one command, without the flags that stand in the first help.
    fn append(name: &str, command: &mut clap::Command, to: &mut String) {
        let help = command.render_help().to_string();
        let (own, rest) = help.split_once("\nConnection:\n").unwrap_or((&help, ""));
        let examples = rest.find("\nExamples:").and_then(|at| rest.get(at..)).unwrap_or_default();
        to.push_str(&format!("\n=== firn {name}\n{}\n{examples}", own.trim_end()));
    }

    #[test]
    fn help_is_as_committed() {
        let mut command = Cli::command().term_width(120);
        command.build();
        let mut shown = command.render_long_help().to_string();
        for name in ["pub", "sub", "req", "reply", "rtt"] {
            append(name, command.find_subcommand_mut(name).unwrap(), &mut shown);
        }
        for group in ["stream", "consumer", "kv", "object", "account"] {
            let group_command = command.find_subcommand_mut(group).unwrap();
            append(group, group_command, &mut shown);
            for subcommand in group_command.get_subcommands_mut().filter(|it| it.get_name() != "help") {
                let name = format!("{group} {}", subcommand.get_name());
                append(&name, subcommand, &mut shown);
            }
        }
        let bench = command.find_subcommand_mut("bench").unwrap();
        for name in ["js", "kv"] {
            append(&format!("bench {name}"), bench.find_subcommand_mut(name).unwrap(), &mut shown);
        }
        let shown: String = shown.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/help.txt");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(path, &shown).unwrap();
        }
        assert_eq!(shown, std::fs::read_to_string(path).unwrap(), "UPDATE_SNAPSHOTS=1 writes the new text");
    }
}
