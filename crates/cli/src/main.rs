//! The `firn` command: the server under nats-server's command line, and a client for people and scripts.
//!
//! ```text
//!   nats-server -p 4222        ─► server    (a link by that name: nats-server's flags and nothing else)
//!   firn server -p 4222        ─► server
//!   firn server check …, firn pub …  ─► cmd, one file a command; each is a NATS client like any other
//! ```
//!
//! Not here: what the server does with its options. The commands know nothing of the inside of a server, so that they
//! work against any.

mod allocator;
mod cmd;
mod server;

mod confirm;
mod connection;
mod jetstream;
mod members;
mod message;
mod process;
mod template;

mod duration;
mod progress;
mod show;
mod size;
mod table;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match server_flags(&arguments) {
        Some(flags) => server::main(flags),
        None => client(cmd::Cli::parse_from(arguments)),
    }
}

/// The part of the command line that is nats-server's, if the server is asked for.
fn server_flags(arguments: &[OsString]) -> Option<&[OsString]> {
    let (program, rest) = arguments.split_first()?;
    if Path::new(program).file_name().is_some_and(|name| name == "nats-server") {
        return Some(rest);
    }
    match rest {
        [server, check, ..] if server == "server" && check == "check" => None,
        [server, flags @ ..] if server == "server" => Some(flags),
        [help, server] if help == "help" && server == "server" => Some(std::slice::from_ref(help)),
        _ => None,
    }
}

fn client(cli: cmd::Cli) -> ExitCode {
    match cmd::run(cli) {
        Ok(code) => code,
        // Whoever read the output has seen enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let causes = show::causes(&error);
            eprintln!("firn: error: {causes}");
            if let Some(hint) = jetstream::hint(&causes) {
                eprintln!("firn: hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io_error = error.downcast_ref::<std::io::Error>();
    io_error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    //! Who gets the command line.

    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<&str>) {
        let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let flags = server_flags(&arguments);
        let shown = flags.map(|flags| flags.iter().map(|flag| flag.to_str().unwrap()).collect::<Vec<_>>().join(" "));
        assert_eq!(shown.as_deref(), expected, "{line}");
    }

    #[test]
    fn the_server_is_asked_for_by_name_or_by_word() {
        check("/usr/bin/nats-server -p 4222", Some("-p 4222"));
        check("nats-server server", Some("server"));
        check("firn server -p 4222", Some("-p 4222"));
        check("firn server", Some(""));
        check("firn server -c check", Some("-c check"));
        check("firn server check connection", None);
        check("firn help server", Some("help"));
        check("firn help server check", None);
        check("firn pub a b", None);
        check("firn", None);
    }
}
