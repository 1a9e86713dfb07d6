//! The command line, and the build of the server it compares when none is given.

use std::path::PathBuf;
use std::process::{Command as Process, Stdio};

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};

/// Compare Firn with the real NATS server under the same load.
#[derive(Debug, Parser)]
#[command(name = "firn-bench")]
pub(crate) struct Options {
    /// The `firn` binary; built with `cargo build --release` when not given.
    #[arg(long, value_name = "PATH", global = true)]
    pub(crate) firn: Option<PathBuf>,
    /// The nats-server binary. Needed.
    #[arg(long, value_name = "PATH", env = "NATS_SERVER_BIN", global = true)]
    pub(crate) reference: Option<PathBuf>,
    /// Run the reference on both sides: every ratio should be near 1.
    #[arg(long, conflicts_with = "firn", global = true)]
    pub(crate) self_check: bool,
    /// Only these rows, by number; those of the JetStream comparison are numbered apart.
    #[arg(long, value_delimiter = ',', value_name = "N,…", global = true)]
    pub(crate) rows: Vec<u8>,
    /// Runs of each row on each server [default: 3, latencies 7, start 11; see README.md for JetStream's].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), global = true)]
    pub(crate) runs: Option<u32>,
    /// Measured seconds of each run under load, after a quarter as much to warm up.
    #[arg(long, default_value_t = 3.0, value_parser = positive, global = true)]
    pub(crate) seconds: f64,
    /// A hundredth of the time and the numbers, one run: shows that every row works.
    #[arg(long, global = true)]
    pub(crate) quick: bool,
    /// Keep server and generator on a core each.
    #[arg(long, global = true)]
    pub(crate) pin: bool,
    /// Also write everything, each run's figures included, to this file.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) json: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What else than the comparison can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load each server with 80 % of its own one-to-one rate for a long time: memory growth and the longest waits.
    Soak {
        /// How long each server is loaded.
        #[arg(long = "soak-minutes", value_name = "N", default_value_t = 20.0, value_parser = positive)]
        minutes: f64,
    },
    /// Compare JetStream: rates, latencies, memory and restarts, and how they grow. Firn, always durable, stands beside
    /// the real server as it comes ("lazy") and with each message synced ("always").
    Js {
        #[command(flatten)]
        stores: Stores,
    },
    /// Put into a key-value bucket at 80 % of each server's own rate for a long time: memory growth and longest waits.
    JsSoak {
        #[command(flatten)]
        stores: Stores,
        /// How long each of the three servers is loaded.
        #[arg(long = "soak-minutes", value_name = "N", default_value_t = 20.0, value_parser = positive)]
        minutes: f64,
    },
}

/// Where the servers keep their streams.
#[derive(Debug, Args)]
pub(crate) struct Stores {
    /// Folder for the stores of all servers; what they leave in it is removed [default: the build's target directory].
    #[arg(long, value_name = "DIR")]
    pub(crate) store_folder: Option<PathBuf>,
}

impl Command {
    /// Where stores lie, of commands that have some.
    pub(crate) fn stores(&self) -> Option<&Stores> {
        match self {
            Self::Soak { .. } => None,
            Self::Js { stores } | Self::JsSoak { stores, .. } => Some(stores),
        }
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("expected a number above zero".to_owned()),
    }
}

/// Builds the workspace's default member and answers where cargo put the binary.
pub(crate) fn build_firn() -> Result<PathBuf> {
    eprintln!("building firn in release mode");
    let output = Process::new("cargo")
        .args(["build", "--release", "--message-format=json-render-diagnostics"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stderr(Stdio::inherit())
        .output()
        .context("running cargo")?;
    ensure!(output.status.success(), "cargo build --release ended with {}", output.status);
    let text = String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")?;
    executable(&text).context("cargo build --release made no binary named firn; give one with --firn")
}

/// The executable of the binary target `firn` in cargo's messages, one JSON object a line.
fn executable(messages: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_firn = message.get("target")?.get("name")?.as_str()? == "firn";
        let executable = message.get("executable")?.as_str()?;
        is_firn.then(|| PathBuf::from(executable))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_consistent() {
        use clap::CommandFactory;
        Options::command().debug_assert();
        let parse =
            |arguments: &[&str]| Options::try_parse_from([&["firn-bench", "--reference", "r"], arguments].concat());
        assert_eq!(parse(&["--rows", "1,2,9"]).unwrap().rows, [1, 2, 9]);
        assert!(parse(&["--seconds", "0"]).is_err());
        assert!(parse(&["--self-check", "--firn", "f"]).is_err());
        let after = parse(&["js", "--rows", "3", "--quick", "--store-folder", "s"]).unwrap();
        assert!(after.quick && after.rows == [3] && after.reference.is_some());
        assert_eq!(parse(&["--seconds", "1", "js"]).unwrap().seconds, 1.0);
        let stores = after.command.as_ref().and_then(Command::stores).unwrap();
        assert_eq!(stores.store_folder, Some(PathBuf::from("s")));
        assert!(parse(&["soak", "--store-folder", "s"]).is_err());
    }

    #[test]
    fn the_binary_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"firn"},"executable":null}
not json
{"reason":"compiler-artifact","target":{"name":"other"},"executable":"/t/other"}
{"reason":"compiler-artifact","target":{"name":"firn"},"executable":"/t/firn"}"#;
        assert_eq!(executable(messages), Some(PathBuf::from("/t/firn")));
        assert_eq!(executable("{}"), None);
    }
}
