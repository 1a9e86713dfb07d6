//! async-nats's own tests, as its published crate contains them, with either server as the program `nats-server`:
//! whatever passes with nats-server passes with Firn.
//!
//! The tests are built in `.cache/async-nats-tests` by the manifest in `conformance/async_nats`, against the crate they
//! were published with and `conformance/nats-server-helper`, by which they start servers. What is not compared, and why,
//! is listed in `conformance/async_nats/exceptions.txt`.
//!
//! Each test is a process of its own. Some tests use fixed ports, so that the servers have their turns one after the
//! other. A test that fails among others is run once more alone before that counts.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking, in its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use firn_conformance::environment::{self, LeftOut};
use firn_conformance::server::Binary;
use firn_conformance::suite::{Suite, say};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;

/// Tests under way at the same time. They mostly wait.
const AT_ONCE: usize = 12;
const TEST_LASTS_AT_MOST: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(10);

/// A test of async-nats.
#[derive(Debug)]
struct Test {
    /// With its file: `client_tests::client::basic_pub_sub`.
    name: String,
    program: PathBuf,
    /// The name within the program.
    filter: String,
}

/// Nothing, or what the test said when it failed.
type Outcome = Result<(), String>;

/// The list of what is not compared, each by its name.
#[derive(Debug, Default)]
struct Exceptions {
    /// Files that are not built.
    files: BTreeSet<String>,
    /// Tests that are not run.
    skipped: BTreeSet<String>,
    /// Tests that fail with Firn.
    failing: BTreeSet<String>,
}

#[test]
fn firn_passes_what_nats_server_passes() {
    let exceptions = Exceptions::parse(&fs::read_to_string(source().join("exceptions.txt")).unwrap()).unwrap();
    let servers = environment::nats_server().and_then(|reference| Ok((reference, environment::firn()?)));
    let prepared = servers.and_then(|servers| Ok((servers, environment::exclusively(|| build(&exceptions))?)));
    let ((reference, firn), tests) = match prepared {
        Ok(prepared) => prepared,
        Err(reason) => return Suite::begin("tests of async-nats").left_out(&reason),
    };
    let suite = Suite::begin(format!("tests of async-nats with {} beside nats-server", firn.name));
    let mut complaints = exceptions.unknown(&tests);

    let run: Vec<&Test> = tests.iter().filter(|test| !exceptions.skipped.contains(&test.name)).collect();
    let with_reference = Runner::new(&reference).run(&run, |_| true);
    let (compared, others): (Vec<&Test>, Vec<&Test>) =
        run.into_iter().partition(|test| with_reference.get(&test.name).is_some_and(Outcome::is_ok));
    for test in others {
        say(&format!("not compared, because it fails with nats-server: {}", test.name));
    }
    let with_firn = Runner::new(&firn).run(&compared, |name| !exceptions.failing.contains(name));
    complaints.extend(with_firn.iter().filter_map(|(name, outcome)| exceptions.complaint(name, outcome)));

    let checks = compared.iter().filter(|test| !exceptions.failing.contains(&test.name)).count();
    suite.ran(checks);
    assert!(checks > 0, "nothing passes with nats-server");
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// The manifest, the lock file and the list of exceptions.
fn source() -> PathBuf {
    environment::repository().join("conformance/async_nats")
}

/// Where the tests are built. As deep in the repository as [`source`], because the manifest names the helper by a path.
fn package() -> PathBuf {
    environment::cache().join("async-nats-tests")
}

/// Builds the tests that are not in a file among the exceptions.
fn build(exceptions: &Exceptions) -> Result<Vec<Test>, LeftOut> {
    for file in ["Cargo.toml", "Cargo.lock", "src/lib.rs"] {
        copy_if_changed(&source().join(file), &package().join(file));
    }
    // Everything but the tests: if that fails, it is mostly for want of a network.
    let libraries = cargo(&["build"]).map_err(|errors| LeftOut(first_error(&errors).to_owned()))?;
    let library = libraries.iter().find(|artifact| text(artifact, "/target/name") == "async_nats").unwrap();
    let published = Path::new(text(library, "/manifest_path")).with_file_name("tests");

    let missing: Vec<&String> =
        exceptions.files.iter().filter(|file| !published.join(format!("{file}.rs")).is_file()).collect();
    assert!(missing.is_empty(), "async-nats has no test files {missing:?}");
    mirror(&published, &package().join("tests"), &|file| !exceptions.files.contains(file));

    let programs = cargo(&["test", "--no-run"]).unwrap_or_else(|errors| panic!("the tests do not build:\n{errors}"));
    let programs = programs.iter().filter(|artifact| text(artifact, "/target/kind/0") == "test");
    Ok(programs.flat_map(tests_of).collect())
}

/// What cargo made of the package, an object each, or what it said when it failed.
fn cargo(arguments: &[&str]) -> Result<Vec<Value>, String> {
    // The toolchain that runs this suite.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).args(["--locked", "--message-format=json-render-diagnostics"]);
    command.arg("--target-dir").arg(package().join("target")).current_dir(package());
    let output = command.output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let messages = String::from_utf8(output.stdout).unwrap();
    let messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    Ok(messages.filter(|message| text(message, "/reason") == "compiler-artifact").collect())
}

/// The line in which cargo says what is wrong.
fn first_error(errors: &str) -> &str {
    errors.lines().find(|line| line.starts_with("error")).unwrap_or("cargo failed")
}

/// A text in a message of cargo, empty if there is none.
fn text<'a>(message: &'a Value, pointer: &str) -> &'a str {
    message.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The tests that a program says it contains.
fn tests_of(artifact: &Value) -> Vec<Test> {
    let file = text(artifact, "/target/name");
    let program = PathBuf::from(text(artifact, "/executable"));
    let output = Command::new(&program).args(["--list", "--format=terse"]).output().unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    let filters = list.lines().filter_map(|line| line.strip_suffix(": test"));
    filters
        .map(|filter| Test { name: format!("{file}::{filter}"), program: program.clone(), filter: filter.to_owned() })
        .collect()
}

/// Makes `to` a copy of `from`, but for the Rust files that are not wanted.
fn mirror(from: &Path, to: &Path, is_wanted: &dyn Fn(&str) -> bool) {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_owned();
        let is_rust = path.extension() == Some(OsStr::new("rs"));
        if is_rust && !is_wanted(&path.file_stem().unwrap().to_string_lossy()) {
            continue;
        }
        if path.is_dir() {
            mirror(&path, &to.join(&name), is_wanted);
        } else {
            copy_if_changed(&path, &to.join(&name));
        }
        names.insert(name);
    }
    for entry in fs::read_dir(to).unwrap() {
        let entry = entry.unwrap();
        if !names.contains(&entry.file_name()) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

/// Copies a file, unless that would only have cargo build it again.
fn copy_if_changed(from: &Path, to: &Path) {
    let content = fs::read(from).unwrap();
    if fs::read(to).is_ok_and(|there| there == content) {
        return;
    }
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::write(to, content).unwrap();
}

impl Exceptions {
    /// Takes a line for each, `KIND NAME: REASON`.
    fn parse(text: &str) -> Result<Self, String> {
        let mut exceptions = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let named = line.split_once(": ").and_then(|(named, _)| named.split_once(' '));
            let names = match named {
                Some(("file", _)) => &mut exceptions.files,
                Some(("skip", _)) => &mut exceptions.skipped,
                Some(("fails", _)) => &mut exceptions.failing,
                Some(_) | None => return Err(format!("not `KIND NAME: REASON`: {line}")),
            };
            let is_new = named.is_some_and(|(_, name)| names.insert(name.to_owned()));
            if !is_new {
                return Err(format!("listed twice: {line}"));
            }
        }
        Ok(exceptions)
    }

    /// A complaint about each listed test that does not exist.
    fn unknown(&self, tests: &[Test]) -> Vec<String> {
        let known: BTreeSet<&str> = tests.iter().map(|test| test.name.as_str()).collect();
        let listed = self.skipped.iter().chain(&self.failing);
        listed
            .filter(|name| !known.contains(name.as_str()))
            .map(|name| format!("listed, but async-nats has no test {name}"))
            .collect()
    }

    /// What is wrong with the outcome of a test that passes with nats-server.
    fn complaint(&self, name: &str, with_firn: &Outcome) -> Option<String> {
        match (with_firn, self.failing.contains(name)) {
            (Ok(()), false) | (Err(_), true) => None,
            (Ok(()), true) => Some(format!("listed as failing, but it passes: {name}")),
            (Err(output), false) => Some(format!("fails with Firn: {name}\n{output}")),
        }
    }
}

/// Runs tests with one server as `nats-server`.
struct Runner {
    /// For the link, for what tests print, and for what their servers write.
    folder: PathBuf,
    /// With the link first.
    search_path: OsString,
}

impl Runner {
    fn new(server: &Binary) -> Self {
        let folder = environment::cache().join(format!("run/async-nats-{}-{}", server.name, std::process::id()));
        let links = folder.join("bin");
        fs::create_dir_all(&links).unwrap();
        symlink(server.program.canonicalize().unwrap(), links.join("nats-server")).unwrap();
        let others = std::env::var_os("PATH").unwrap_or_default();
        let search_path = std::env::join_paths([links].into_iter().chain(std::env::split_paths(&others))).unwrap();
        Self { folder, search_path }
    }

    /// The outcome of each test by its name. Who fails and ought to pass has a second chance, alone.
    fn run(&self, tests: &[&Test], ought_to_pass: impl Fn(&str) -> bool) -> BTreeMap<String, Outcome> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mine = std::iter::from_fn(|| tests.get(next.fetch_add(1, Ordering::Relaxed)));
            mine.map(|test| (test.name.clone(), self.run_one(test))).collect::<Vec<_>>()
        };
        let mut outcomes: BTreeMap<String, Outcome> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        for test in tests {
            if outcomes.get(&test.name).is_none_or(Outcome::is_err) && ought_to_pass(&test.name) {
                outcomes.insert(test.name.clone(), self.run_one(test));
            }
        }
        outcomes
    }

    fn run_one(&self, test: &Test) -> Outcome {
        let path = self.folder.join(test.name.replace("::", "."));
        let printed = File::create(&path).unwrap();
        let mut command = Command::new(&test.program);
        command.args(["--exact", &test.filter]).current_dir(package());
        command.env("PATH", &self.search_path).env("TMPDIR", &self.folder).env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::null()).stdout(printed.try_clone().unwrap()).stderr(printed);
        // A group, so that the servers of a test that hangs end with it.
        let succeeded = ends_well(&mut command.process_group(0).spawn().unwrap(), TEST_LASTS_AT_MOST);
        let printed = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        // A test that is ignored succeeds, and says nothing about a server.
        if succeeded && printed.contains("test result: ok. 1 passed") { Ok(()) } else { Err(printed) }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // A folder that is gone is as good as removed.
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Whether a process ends in time and says that it succeeded. Otherwise its group is killed.
fn ends_well(child: &mut Child, lasts_at_most: Duration) -> bool {
    let started = Instant::now();
    while started.elapsed() < lasts_at_most {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        std::thread::sleep(POLL);
    }
    killpg(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    false
}

const LISTED: &str =
    "# a remark\n\nfile kv: JetStream\nskip a::far: speaks with others\nfails a::jwt: accounts: operator\n";

#[test]
fn exceptions_are_of_three_kinds_and_have_reasons() {
    let exceptions = Exceptions::parse(LISTED).unwrap();
    assert!(exceptions.files.contains("kv") && exceptions.skipped.contains("a::far"));
    assert!(exceptions.failing.contains("a::jwt"));
    for wrong in ["fails a::b", "fails a::b:", "fail a::b: x", "file: x", "file a: x\nfile a: y"] {
        assert!(Exceptions::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_list_of_exceptions_is_held_to_what_happens() {
    let exceptions = Exceptions::parse(LISTED).unwrap();
    let complaint = |name, outcome: Result<(), &str>| exceptions.complaint(name, &outcome.map_err(str::to_owned));
    assert_eq!(complaint("a::b", Ok(())), None);
    assert_eq!(complaint("a::b", Err("no answer")).unwrap(), "fails with Firn: a::b\nno answer");
    assert_eq!(complaint("a::jwt", Err("no answer")), None);
    assert_eq!(complaint("a::jwt", Ok(())).unwrap(), "listed as failing, but it passes: a::jwt");

    let there = Test { name: "a::far".to_owned(), program: PathBuf::new(), filter: String::new() };
    assert_eq!(exceptions.unknown(&[there]), ["listed, but async-nats has no test a::jwt"]);
}

#[test]
fn a_test_that_hangs_is_killed_with_its_servers() {
    let mut hanging = Command::new("sh");
    // Standard output closes when the last of the group has ended.
    hanging.args(["-c", "sleep 1000 & wait"]).stdout(Stdio::piped()).process_group(0);
    let mut child = hanging.spawn().unwrap();
    assert!(!ends_well(&mut child, Duration::from_millis(50)));
    assert_eq!(std::io::read_to_string(child.stdout.take().unwrap()).unwrap(), "");
}
