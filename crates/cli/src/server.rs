//! `firn server`, and the program when it is called `nats-server`: nats-server's command line, to the letter.
//!
//! What goes to which output and with which exit code is nats-server's too: help and version to standard output, all
//! else to standard error; 0 for a flag it does not know, 1 for an error.

mod complete;
mod flags;
mod help;
mod signal;

use std::ffi::OsString;
use std::process::ExitCode;

use firn_config::Rejection;
use firn_server::{ConfigSource, Launch, StartError};

use crate::show;

pub(crate) use complete::arguments;

use flags::{Asked, Flags};

/// What error messages begin with, whatever the program is called: tools look for it.
const PROGRAM: &str = "nats-server";

/// The version of nats-server whose command line, protocol and configuration this is.
const COMPATIBLE: &str = "2.15.1";

/// Does what the flags ask for, which is to run a server unless they say otherwise.
pub(crate) fn main(arguments: &[OsString]) -> ExitCode {
    let arguments: Vec<String> = arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let flags = match flags::parse(&arguments) {
        Ok(flags) => flags,
        Err(error) => {
            eprintln!("{error}");
            return print(&help::usage());
        }
    };
    match flags.asked() {
        Ok(Asked::Version) => print(&format!("{PROGRAM}: v{COMPATIBLE}\n")),
        Ok(Asked::Help) => print(&help::usage()),
        Ok(Asked::TlsHelp) => print(help::TLS),
        Ok(Asked::Signal(signal)) => report(signal::send(&signal)),
        Ok(Asked::Server) => start(flags),
        Err(error) => report(Err(error)),
    }
}

fn start(flags: Flags) -> ExitCode {
    let Flags { config_file, check_config, log_json, overrides, .. } = flags;
    let file = config_file.filter(|file| !file.is_empty());
    if check_config {
        return report(check(file));
    }
    let source = ConfigSource::new(file, move |options| overrides.apply(options));
    firn_server::run(Launch { source, log_json }).unwrap_or_else(|error| report(Err(start_error(&error))))
}

/// `-t`: whether the file is valid, without the flags and without a remark.
fn check(file: Option<String>) -> Result<(), String> {
    let file = file.ok_or("must specify [-c, --config] option to check configuration file syntax")?;
    let loaded = ConfigSource::new(Some(file.clone()), |_| Ok(())).load().map_err(|rejection| lines(&rejection))?;
    firn_server::check(&loaded.options)?;
    if !loaded.warnings.is_empty() {
        return Err(lines(&Rejection { warnings: loaded.warnings, errors: Vec::new() }));
    }
    eprintln!("{PROGRAM}: configuration file {file} is valid ({})", loaded.digest.unwrap_or_default());
    Ok(())
}

fn start_error(error: &StartError) -> String {
    match error {
        StartError::Configuration(rejection) => lines(rejection),
        other => other.to_string(),
    }
}

/// Remarks and errors of keys are a list that ends in an empty line; a file that cannot be parsed or read is one error.
fn lines(rejection: &Rejection) -> String {
    let is_list = !rejection.warnings.is_empty() || rejection.errors.iter().any(|error| error.position.is_some());
    format!("{rejection}{}", if is_list { "\n" } else { "" })
}

fn report(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{PROGRAM}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> ExitCode {
    // Nobody reads the rest of the help, and that is no failure.
    drop(show::bytes(text.as_bytes()));
    ExitCode::SUCCESS
}
