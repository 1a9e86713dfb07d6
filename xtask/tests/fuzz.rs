//! Every decoder over its corpus and seeded mutations of it, on stable Rust and without a sanitizer.
//!
//! An entry point is a plain `fn(&[u8])` that panics when it finds something wrong. Input `i` of a run follows from
//! `(seed, i)` alone, so that two numbers reproduce it. Each target runs in a process of its own, which notes `i`
//! before every execution: the parent can name the input after a panic, a stack overflow or a loop without end.
//!
//! Without flags, as under a plain `cargo test`, a run is short and always the same. Not here: coverage, which guides
//! the long runs of `cargo fuzz` over the same entry points and corpora.

#![expect(clippy::print_stdout, reason = "a program of its own, which reports to the person who runs it")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use xtask::workspace;

struct Target {
    /// Also the folder of its corpus below `fuzz/corpus`.
    name: &'static str,
    entry: fn(&[u8]),
    /// Words of its language, from which mutations are made.
    words: &'static [&'static str],
}

const TARGETS: [Target; 16] = [
    Target { name: "wire_client_protocol", entry: firn_wire::fuzzing::client_protocol, words: PROTOCOL },
    Target { name: "wire_headers", entry: firn_wire::fuzzing::headers, words: HEADERS },
    Target { name: "wire_connect", entry: firn_wire::fuzzing::connect, words: CONNECT },
    Target { name: "subject_patterns", entry: firn_subject::fuzzing::patterns, words: SUBJECTS },
    Target { name: "config_configuration", entry: firn_config::fuzzing::configuration, words: CONFIGURATION },
    Target { name: "auth_nkeys", entry: firn_auth::fuzzing::nkeys, words: NKEYS },
    Target { name: "auth_distinguished_names", entry: firn_auth::fuzzing::distinguished_names, words: NAMES },
    Target { name: "auth_permissions", entry: firn_auth::fuzzing::permissions, words: RULES },
    Target { name: "api_request", entry: firn_api::fuzzing::request, words: REQUESTS },
    Target { name: "session_two_clients", entry: firn_session::fuzzing::session, words: PROTOCOL },
    Target { name: "store_log_recovery", entry: firn_store::fuzzing::log_recovery, words: LOG },
    Target {
        name: "jetstream_consumer_log",
        entry: firn_jetstream::consumer::fuzzing::consumer_log,
        words: CONSUMER_LOG,
    },
    Target { name: "store_frames", entry: firn_store::fuzzing::frames, words: FRAMES },
    Target { name: "store_segment_reading", entry: firn_store::fuzzing::segment_reading, words: FILES },
    Target { name: "store_table_reading", entry: firn_store::fuzzing::table_reading, words: FILES },
    Target { name: "store_state_recovery", entry: firn_store::fuzzing::state_recovery, words: FILES },
];

const PROTOCOL: &[&str] = &[
    "CONNECT {",
    "PUB ",
    "HPUB ",
    "SUB ",
    "UNSUB ",
    "PING\r\n",
    "PONG\r\n",
    "+OK\r\n",
    "-ERR '",
    "INFO {",
    "MSG ",
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    "a.b",
    ">",
    "*",
    "NATS/1.0\r\n\r\n",
    "{\"verbose\":true}",
    "0",
    "12",
    "1048576",
    "18446744073709551616",
    "-1",
    "_INBOX.x",
];
const REQUESTS: &[&str] = &[
    "$JS.API.",
    "$JS.ACK.",
    "STREAM.CREATE.S",
    "CONSUMER.CREATE.S.C",
    ".",
    "\n",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\u0041",
    "null",
    "true",
    "\"name\":\"S\"",
    "\"subjects\":[\"a.*\"]",
    "\"max_age\":100000000",
    "\"config\":{",
    "\"mirror\":{\"name\":\"M\"}",
    "\"sources\":[{",
    "\"subject_transform\":{\"src\":\"a.*\",\"dest\":\"b.{{wildcard(1)}}\"}",
    "\"republish\":{\"src\":\">\",\"dest\":\"r.>\"}",
    "\"ack_policy\":\"explicit\"",
    "\"deliver_subject\":\"d\"",
    "\"opt_start_time\":\"2024-01-01T00:00:00Z\"",
    "\"filter_subjects\":[\"a\",\"b\"]",
    "\"metadata\":{\"a\":\"b\"}",
];
const CONSUMER_LOG: &[&str] = &[
    "\u{1}\u{1}S\u{1}C",
    "\u{6}\u{9}",
    "\u{7}\u{1}",
    "\u{4}\u{2}\u{2}\u{2}",
    "\u{5}\u{2}\u{2}\u{4}",
    r#""ack_policy":"explicit""#,
    r#""filter_subject":"s.a""#,
    r#""max_deliver":2"#,
];
const LOG: &[&str] = &["FWAL", "\0\0\0\0", "\u{1}\0P\0", "\0\0\u{10}\0", "\u{7}\0\0\0\0\0\0\0"];
const FRAMES: &[&str] = &["\u{1}", "\0\0\0\0", "\u{20}\0\0\0", "\u{4}\0", "NATS/1.0\r\n\r\n", "a.b"];
const FILES: &[&str] =
    &["FSEG", "FTAB", "FSTA", "FBLK", "\u{1}\0 \0", "\0\0\0\0", "\u{1}\0\0\0\0\0\0\0", "\u{7}\0\0\0\0\0\0\0"];
const HEADERS: &[&str] = &[
    "NATS/1.0",
    " 503",
    " 100 Idle Heartbeat",
    "\r\n",
    "\r\n\r\n",
    ":",
    ": ",
    "Nats-Msg-Id",
    "\n",
    "\r",
    " ",
    "\t",
    "NATS/1.1",
];
const CONNECT: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "true",
    "false",
    "null",
    "\"verbose\"",
    "\"pedantic\"",
    "\"headers\"",
    "\"no_responders\"",
    "\"user\"",
    "\"pass\"",
    "\"auth_token\"",
    "\"jwt\"",
    "\"nkey\"",
    "\"sig\"",
    "\"echo\"",
    "\"protocol\"",
    "\\u0000",
    "\\ud800",
    "1e999",
    "-0",
    "18446744073709551616",
];
const SUBJECTS: &[&str] = &[
    "\n@",
    "\nA",
    "\nD",
    "\nE",
    "\nF",
    "\nH",
    "\nJ",
    "\nL",
    "\nN",
    ".",
    "..",
    "*",
    ">",
    " ",
    "a",
    "b",
    "a.b",
    "$SYS",
    "_INBOX",
    "{{wildcard(1)}}",
    "{{partition(3,1,2)}}",
    "{{split(1,-)}}",
    "{{left(1,2)}}",
    "$1",
    "{{",
    "}}",
    "(",
    ")",
    ",",
    "\0",
];
const CONFIGURATION: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(\n",
    "\n)\n",
    "\"",
    "'",
    ":",
    "=",
    ",",
    ";",
    "\n",
    "#",
    "//",
    "$A",
    "include ",
    "port",
    "4222",
    "1kb",
    "2m",
    "-1",
    "9223372036854775808",
    "true",
    "off",
    "1.5",
    "2026-01-01T00:00:00Z",
    "\\x41",
    "\\x",
    "$2a$11$",
    "\n\0",
    "authorization",
    "users",
    "accounts",
    "tls",
    "jetstream",
    "cluster",
    "mappings",
    "permissions",
];

const NKEYS: &[&str] = &["S", "U", "A", "SU", "UA", "=", "2", "7", "AAAA", "a", "-", "_"];
const NAMES: &[&str] = &["CN=", "O=", "OU=", "DC=", ",", "+", "=", "\\", "\\2C", "#04", "\"", ";", " ", "é"];
const RULES: &[&str] = &["\n+", "\n-", "\n", ".", "*", ">", "a", "a.b", " ", "q", "q.*", "_INBOX.>", "$SYS.>"];

/// What a run without flags does.
const SEED: u64 = 1;
const EXECUTIONS: u64 = 20_000;

/// Longest input that is made, in bytes; long enough for a deep nesting.
const INPUT_BYTES_MAX: usize = 1 << 16;

/// How long one execution may take before it counts as a loop without end.
const STALL: Duration = Duration::from_secs(20);

/// How often the parent looks at its child.
const LOOK: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let flags: Vec<String> = std::env::args().skip(1).collect();
    let Some(run) = Run::parse(&flags) else {
        println!("fuzz: {flags:?} picks none of the targets");
        return ExitCode::SUCCESS;
    };
    let targets = TARGETS.iter().filter(|target| run.target.as_deref().is_none_or(|name| name == target.name));
    if run.is_child {
        targets.for_each(|target| execute(target, &run));
        return ExitCode::SUCCESS;
    }
    let (mut passed, mut failed) = (0, 0);
    for target in targets {
        if supervise(target, &run) { passed += 1 } else { failed += 1 }
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the flags ask for.
struct Run {
    seed: u64,
    /// None: a number of executions instead of a time.
    seconds: Option<u64>,
    target: Option<String>,
    /// Only this input.
    only: Option<u64>,
    is_child: bool,
}

impl Run {
    /// None for anything else than our flags: a filter for cargo's own tests names none of ours.
    fn parse(flags: &[String]) -> Option<Self> {
        let mut run = Self { seed: SEED, seconds: None, target: None, only: None, is_child: false };
        let mut has_seed = false;
        let mut flags = flags.iter();
        while let Some(flag) = flags.next() {
            match flag.as_str() {
                "--child" => run.is_child = true,
                "--seed" => {
                    run.seed = flags.next()?.parse().ok()?;
                    has_seed = true;
                }
                "--seconds" => run.seconds = Some(flags.next()?.parse().ok()?),
                "--only" => run.only = Some(flags.next()?.parse().ok()?),
                "--target" => {
                    run.target = Some(flags.next().filter(|name| TARGETS.iter().any(|t| t.name == **name))?.clone())
                }
                _ => return None,
            }
        }
        if run.seconds.is_some() && !has_seed {
            run.seed = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        }
        if run.target.is_none() {
            let targets = u64::try_from(TARGETS.len()).ok()?;
            run.seconds = run.seconds.map(|seconds| seconds.div_ceil(targets));
        }
        Some(run)
    }

    fn is_over(&self, begin: Instant, executions: u64, corpus: u64) -> bool {
        match self.seconds {
            Some(seconds) => executions >= corpus && begin.elapsed() >= Duration::from_secs(seconds),
            None => executions >= EXECUTIONS.max(corpus),
        }
    }
}

/// Runs one target in a process of its own; false if an input broke it.
fn supervise(target: &Target, run: &Run) -> bool {
    let note = note_path(target);
    fs::create_dir_all(note.parent().expect("the note lies in a folder")).expect("the cache folder can be made");
    fs::write(&note, 0_u64.to_le_bytes()).expect("the note can be written");
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(["--child", "--target", target.name, "--seed", &run.seed.to_string()]);
    for (flag, value) in [("--seconds", run.seconds), ("--only", run.only)] {
        command.args(value.map(|value| [flag.to_owned(), value.to_string()]).into_iter().flatten());
    }
    let how = wait(command.spawn().expect("this program can be started"), &note);
    let Err(how) = how else { return true };

    let at = read_note(&note);
    let input = input(target, &corpus(target), run.seed, at);
    let path = workspace::root().join(format!(".cache/fuzz/{}-{}-{at}", target.name, run.seed));
    fs::write(&path, &input).expect("the failing input can be written");
    println!("fuzz {}: {how} at input {at} of seed {}, kept in {}", target.name, run.seed, path.display());
    println!("reproduce: cargo xtask fuzz --target {} --seed {} --only {at}", target.name, run.seed);
    false
}

/// Waits until the child ends by itself, or one execution takes too long.
fn wait(mut child: Child, note: &Path) -> Result<(), String> {
    let (mut last, mut since) = (read_note(note), Instant::now());
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return if status.success() { Ok(()) } else { Err(status.to_string()) };
        }
        let at = read_note(note);
        if at != last {
            (last, since) = (at, Instant::now());
        } else if since.elapsed() > STALL {
            child.kill().map_err(|error| error.to_string())?;
            child.wait().map_err(|error| error.to_string())?;
            return Err(format!("more than {} s", STALL.as_secs()));
        }
        std::thread::sleep(LOOK);
    }
}

/// The child: first the corpus as it is, then mutations, noting the number of each input before it runs.
fn execute(target: &Target, run: &Run) {
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "no corpus for {}", target.name);
    let note = File::options().write(true).open(note_path(target)).expect("the parent made the note");
    let begin = Instant::now();
    let seeds = u64::try_from(corpus.len()).expect("a corpus is small");
    let mut executions = 0;
    while run.only.is_none() && !run.is_over(begin, executions, seeds) {
        note.write_all_at(&executions.to_le_bytes(), 0).expect("the note can be written");
        (target.entry)(&input(target, &corpus, run.seed, executions));
        executions += 1;
    }
    if let Some(only) = run.only {
        note.write_all_at(&only.to_le_bytes(), 0).expect("the note can be written");
        (target.entry)(&input(target, &corpus, run.seed, only));
        executions = 1;
    }
    let rate = executions * 1_000 / u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    println!("fuzz {}: seed {}, {seeds} in the corpus, {executions} executions, {rate}/s", target.name, run.seed);
}

fn note_path(target: &Target) -> PathBuf {
    workspace::root().join(format!(".cache/fuzz/{}.at", target.name))
}

fn read_note(note: &Path) -> u64 {
    let bytes = fs::read(note).expect("the note was written before");
    u64::from_le_bytes(bytes.try_into().expect("a note has 8 bytes"))
}

/// The committed inputs, in the order of their names.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = workspace::root().join("fuzz/corpus").join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("no corpus {}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder can be listed").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a corpus can be read")).collect()
}

/// Input `at` of a run: the corpus first, then one of its entries after a few changes.
fn input(target: &Target, corpus: &[Vec<u8>], seed: u64, at: u64) -> Vec<u8> {
    if let Some(entry) = usize::try_from(at).ok().and_then(|at| corpus.get(at)) {
        return entry.clone();
    }
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ at);
    let mut input = dice.pick(corpus).clone();
    for _ in 0..=dice.below(5) {
        mutate(&mut input, target, corpus, &mut dice);
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn mutate(input: &mut Vec<u8>, target: &Target, corpus: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    let end = at + dice.below(input.len() - at + 1).min(dice.below(32));
    match dice.below(100) {
        0..15 => flip(input, at, dice),
        15..25 => drop(input.splice(at..end, [])),
        25..35 => drop(input.splice(at..at, [*dice.pick(&[0, b'\r', b'\n', b' ', b'"', 0x7F, 0x80, 0xFF])])),
        35..65 => drop(input.splice(at..end, dice.pick(target.words).bytes())),
        65..75 => drop(input.splice(at..end, dice.pick(&["0", "-1", "4294967296", "9223372036854775808"]).bytes())),
        75..85 => {
            let again = input.get(at..end).unwrap_or_default().to_vec();
            drop(input.splice(at..at, again));
        }
        85..97 => {
            let other = dice.pick(corpus);
            let from = dice.below(other.len() + 1);
            drop(input.splice(at.., other.iter().skip(from).copied()));
        }
        // Depth and length: a word many times over.
        _ => {
            let word = dice.pick(target.words);
            let times = dice.below(INPUT_BYTES_MAX / word.len().max(1));
            drop(input.splice(at..at, word.repeat(times).into_bytes()));
        }
    }
}

fn flip(input: &mut [u8], at: usize, dice: &mut Dice) {
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << dice.below(8);
    }
}

/// SplitMix64: small, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// From 0 up to and without `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a length fits");
        usize::try_from(self.roll() % end).expect("it is below a length")
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        of.get(self.below(of.len())).expect("it is below the length")
    }
}
