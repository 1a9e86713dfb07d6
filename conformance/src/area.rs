//! The transcript suites: every file of one folder below `transcripts/`, each with a server of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::environment::{self, LeftOut};
use crate::server::{Binary, Options, Server};
use crate::suite::{Suite, UNSUPPORTED, say_unsupported};
use crate::tcp::TcpPeer;
use crate::transcript::{Failure, Step, Transcript, record, run};

/// How many files are performed at once; most of their time is waiting for timers.
const WORKERS: usize = 4;

/// One test for each area, against the server that the expression finds.
#[macro_export]
macro_rules! transcript_suites {
    ($server:expr) => {
        $crate::transcript_suites!($server; accounts, authentication, connection, headers, lifecycle, limits, mappings,
            monitoring, permissions, publish, requests, subscribe, system, tls, trace);
    };
    ($server:expr; $($area:ident),+) => {
        $(
            #[test]
            fn $area() {
                $crate::area::check(stringify!($area), $server);
            }
        )+

        #[test]
        fn every_folder_of_transcripts_is_an_area() {
            assert_eq!($crate::area::areas(), [$(stringify!($area)),+]);
        }
    };
}

/// How a transcript can come out well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every line holds.
    Holds,
    /// It does not hold, and says that it does not.
    Differs,
    /// The server has refused its configuration as one for which it lacks a feature.
    Unsupported,
}

/// Performs all transcripts of an area.
///
/// # Panics
/// With one readable difference for each file that does not hold.
pub fn check(area: &str, binary: Result<Binary, LeftOut>) {
    let binary = match binary {
        Ok(binary) => binary,
        Err(reason) => return Suite::begin(format!("transcripts/{area}")).left_out(&reason),
    };
    let suite = Suite::begin(format!("transcripts/{area} against {}", binary.name));
    let files = files(area);
    assert!(!files.is_empty(), "no transcripts in {area}");
    let queue = Mutex::new(files.iter());
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("no worker panics while it takes a file").next();
                    let Some(file) = next else { return };
                    let outcome = perform(file, &binary);
                    outcomes.lock().expect("no worker panics while it reports").push(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().expect("no worker panics while it reports");
    let count = |wanted: Outcome| outcomes.iter().filter(|outcome| **outcome == Ok(wanted)).count();
    suite.ran(outcomes.len() - count(Outcome::Differs) - count(Outcome::Unsupported));
    say_unsupported(area, count(Outcome::Unsupported));
    let mut failures: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    failures.sort();
    assert!(
        failures.is_empty(),
        "{} of {} transcripts do not hold against {}:\n\n{}",
        failures.len(),
        files.len(),
        binary.name,
        failures.join("\n")
    );
}

/// The areas that exist, as folder names.
#[must_use]
pub fn areas() -> Vec<String> {
    let mut areas: Vec<String> = entries(&root())
        .into_iter()
        .filter(|path| path.is_dir())
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    areas.sort();
    areas
}

/// The transcripts of an area.
#[must_use]
pub fn files(area: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = entries(&root().join(area))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "txt"))
        .collect();
    files.sort();
    files
}

/// Performs one transcript. One in which Firn differs on purpose must not hold against it.
///
/// # Errors
/// A report of the first line that does not hold.
pub fn perform(file: &Path, binary: &Binary) -> Result<Outcome, String> {
    let (_, transcript) = read(file)?;
    let outcome = start(file, binary, &transcript).and_then(|mut server| {
        let outcome = run(&transcript, &mut TcpPeer::new(&mut server));
        outcome.map_err(|failure| describe(file, &transcript, &failure))
    });
    let may_differ = binary.name != environment::NATS_SERVER && transcript.differs.is_some();
    match outcome {
        Ok(()) if may_differ => Err(format!("{}: is said to differ, and does not\n", shown(file))),
        Err(report) if report.contains(UNSUPPORTED) => Ok(Outcome::Unsupported),
        Err(_) if may_differ => Ok(Outcome::Differs),
        Ok(()) => Ok(Outcome::Holds),
        Err(report) => Err(report),
    }
}

/// Writes the answers of a server into a transcript.
///
/// # Errors
/// A report of the first line that could not be done.
pub fn rewrite(file: &Path, binary: &Binary) -> Result<(), String> {
    let (text, transcript) = read(file)?;
    let mut server = start(file, binary, &transcript)?;
    let recorded = record(&text, &transcript, &mut TcpPeer::new(&mut server))
        .map_err(|failure| describe(file, &transcript, &failure))?;
    fs::write(file, recorded).map_err(|error| format!("{}: {error}\n", shown(file)))
}

fn root() -> PathBuf {
    environment::repository().join("conformance/transcripts")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

fn read(file: &Path) -> Result<(String, Transcript), String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}\n", shown(file)))?;
    let transcript = Transcript::parse(&text).map_err(|error| format!("{}: {error}\n", shown(file)))?;
    Ok((text, transcript))
}

fn start(file: &Path, binary: &Binary, transcript: &Transcript) -> Result<Server, String> {
    let monitoring = transcript.lines.iter().any(|line| matches!(line.step, Step::Page { .. }));
    let options = Options { flags: transcript.flags.clone(), config: transcript.config.clone(), monitoring };
    Server::start(binary, options).map_err(|error| format!("{}: {error}\n", shown(file)))
}

fn describe(file: &Path, transcript: &Transcript, failure: &Failure) -> String {
    let Failure { line, expected, received } = failure;
    let title = &transcript.title;
    format!("{}:{line}: {title}\n    expected  {expected}\n    received  {received}\n", shown(file))
}

/// A file as reports name it.
fn shown(file: &Path) -> String {
    file.strip_prefix(environment::repository()).unwrap_or(file).display().to_string()
}
