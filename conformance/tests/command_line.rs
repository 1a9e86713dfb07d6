//! What both programs say to a command line and to a configuration: exit code, messages, and the digest of `-t`.
//!
//! Usage texts are compared by their presence, the order of messages is not compared, and times, process ids and paths
//! are taken out.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking, in its helpers too")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use firn_conformance::certificates;
use firn_conformance::environment::{self, LeftOut};
use firn_conformance::server::Binary;
use firn_conformance::suite::{Suite, UNSUPPORTED, say_unsupported};

/// A case by what it is called in a report.
struct Case {
    title: String,
    arguments: Vec<String>,
}

/// What a program said to a case.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    exit_code: Option<i32>,
    shows_usage: bool,
    messages: BTreeSet<String>,
}

/// In the title of a configuration: Firn answers otherwise on purpose, so it must not answer the same.
const DIFFERS: &str = "# firn differs: ";

#[test]
fn firn_answers_command_lines_as_nats_server_does() {
    compare("command line", environment::firn(), argument_cases);
}

#[test]
fn firn_reads_configurations_as_nats_server_does() {
    compare("configurations", environment::firn(), configuration_cases);
}

#[test]
fn nats_server_answers_command_lines_as_it_does() {
    compare("command line", environment::nats_server(), argument_cases);
}

#[test]
fn nats_server_reads_configurations_as_it_does() {
    compare("configurations", environment::nats_server(), configuration_cases);
}

/// Gives every case to `nats-server` and to another program.
fn compare(name: &str, other: Result<Binary, LeftOut>, cases: impl Fn(&Path) -> Vec<Case>) {
    let (reference, other) = match (environment::nats_server(), other) {
        (Ok(reference), Ok(other)) => (reference, other),
        (Err(reason), _) | (_, Err(reason)) => return Suite::begin(name).left_out(&reason),
    };
    let suite = Suite::begin(format!("{name} of {} beside nats-server", other.name));
    let folder = environment::cache().join(format!("run/{}-{}", name.replace(' ', "-"), other.name));
    fs::create_dir_all(&folder).unwrap();
    let cases = cases(&folder);
    let mut differences = Vec::new();
    let mut unsupported = 0;
    for case in &cases {
        let (expected, received) = (ask(&reference, case, &folder), ask(&other, case, &folder));
        let may_differ = other.name != environment::NATS_SERVER && case.title.contains(DIFFERS);
        if received.messages.iter().any(|message| message.starts_with(UNSUPPORTED)) {
            unsupported += 1;
        } else if may_differ && expected == received {
            differences.push(format!("{}\n    is answered as nats-server does", case.title));
        } else if !may_differ && expected != received {
            differences.push(format!("{}\n    expected  {expected:?}\n    received  {received:?}", case.title));
        }
    }
    fs::remove_dir_all(&folder).unwrap();
    suite.ran(cases.len() - unsupported);
    say_unsupported(name, unsupported);
    assert!(differences.is_empty(), "{} of {} differ:\n{}", differences.len(), cases.len(), differences.join("\n"));
}

fn argument_cases(folder: &Path) -> Vec<Case> {
    let valid = folder.join("valid.conf");
    fs::write(&valid, "port: 4333\n").unwrap();
    list("arguments.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let arguments = line.replace("CONF", &valid.to_string_lossy());
            Case { title: line.to_owned(), arguments: arguments.split_whitespace().map(str::to_owned).collect() }
        })
        .collect()
}

fn configuration_cases(folder: &Path) -> Vec<Case> {
    fs::write(folder.join("included.conf"), "max_payload: 2000\n").unwrap();
    let certificates = certificates::folder().unwrap().to_string_lossy().into_owned();
    let list = list("configurations.txt");
    list.split("--- ")
        .skip(1)
        .enumerate()
        .map(|(number, case)| {
            let (title, config) = case.split_once('\n').unwrap_or((case, ""));
            let file = folder.join(format!("{number}.conf"));
            fs::write(&file, config.replace("<certs>", &certificates)).unwrap();
            let arguments = vec!["-t".to_owned(), "-c".to_owned(), file.to_string_lossy().into_owned()];
            Case { title: title.to_owned(), arguments }
        })
        .collect()
}

fn list(file: &str) -> String {
    let path: PathBuf = environment::repository().join("conformance/command_line").join(file);
    fs::read_to_string(path).unwrap()
}

fn ask(binary: &Binary, case: &Case, folder: &Path) -> Answer {
    let output = Command::new(&binary.program)
        .args(binary.arguments)
        .args(&case.arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let shows_usage = stdout.contains("Usage:") || stderr.contains("Usage:");
    let spoken = if shows_usage { String::new() } else { stdout.into_owned() };
    let messages = spoken.lines().chain(stderr.lines()).filter_map(message);
    let folder = format!("{}/", folder.display());
    let messages = messages.map(|message| message.replace(&folder, "")).collect();
    Answer { exit_code: output.status.code(), shows_usage, messages }
}

/// A line without what differs from run to run; of a log, only what is wrong.
fn message(line: &str) -> Option<String> {
    if line.trim().is_empty() {
        return None;
    }
    let line = without_time(line);
    let Some(log) = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else {
        // The program's name stands before the first of several messages, whichever that is.
        return Some(line.strip_prefix("nats-server: ").unwrap_or(line).to_owned());
    };
    let logged = log.1;
    ["[FTL]", "[ERR]"].iter().find_map(|label| Some(logged.split_once(label)?.1.trim().to_owned()))
}

/// A line from before there is a log, which nats-server begins with the time and nothing else.
fn without_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((date, rest)) if date.len() == 10 && date.matches('/').count() == 2 => {
            rest.split_once(' ').map_or(rest, |(_, text)| text)
        }
        _ => line,
    }
}
