//! Performs or records transcripts one by one, while they are being written.
//!
//! ```text
//! cargo run -p firn-conformance --bin transcript -- run [--firn] FILE…
//! cargo run -p firn-conformance --bin transcript -- record FILE…
//! ```

use std::path::Path;
use std::process::ExitCode;

use firn_conformance::server::Binary;
use firn_conformance::{area, environment};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let firn = arguments.iter().any(|argument| argument == "--firn");
    let files: Vec<&String> = arguments.iter().skip(1).filter(|argument| *argument != "--firn").collect();
    let binary = match if firn { environment::firn() } else { environment::nats_server() } {
        Ok(binary) => binary,
        Err(reason) => return fail(&reason.to_string()),
    };
    let act = match arguments.first().map(String::as_str) {
        Some("run") => |file: &Path, binary: &Binary| area::perform(file, binary).map(|_| ()),
        // What nats-server says is right by definition, so nobody else is recorded.
        Some("record") if !firn => area::rewrite,
        _ => return fail("usage: transcript run [--firn] FILE… | record FILE…"),
    };
    let mut exit = ExitCode::SUCCESS;
    for file in files {
        if let Err(report) = act(Path::new(file), &binary) {
            exit = fail(&report);
        }
    }
    exit
}

#[expect(clippy::print_stderr, reason = "a command talks to its terminal")]
fn fail(report: &str) -> ExitCode {
    eprintln!("{report}");
    ExitCode::FAILURE
}
