//! The one-line report of each suite, on the terminal and in `.cache/suites.txt`.
//!
//! A suite that cannot run here passes as a test; its line says `left out`, and whoever must not miss a suite looks
//! for these words in the file.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Instant;

use crate::environment::{self, LeftOut};

/// A suite under way.
#[derive(Debug)]
pub struct Suite {
    name: String,
    started: Instant,
}

impl Suite {
    /// Starts the clock of a suite.
    #[must_use]
    pub fn begin(name: impl Into<String>) -> Self {
        Self { name: name.into(), started: Instant::now() }
    }

    /// Reports how much was checked.
    pub fn ran(self, checks: usize) {
        let seconds = self.started.elapsed().as_secs_f64();
        report(&format!("suite {}: ran {checks} checks in {seconds:.1} s", self.name));
    }

    /// Reports that nothing was checked.
    pub fn left_out(self, reason: &LeftOut) {
        report(&format!("suite {}: left out: {reason}", self.name));
    }
}

/// What a server says when it refuses a configuration because it lacks the feature, and does not mean an error in it.
pub const UNSUPPORTED: &str = "not supported yet";

/// Says on the terminal how many cases were about features that a server says it lacks. They are not checks.
pub fn say_unsupported(name: &str, cases: usize) {
    if cases > 0 {
        say(&format!("{name}: {cases} more are about what the server says it does not support"));
    }
}

/// Writes a line to the terminal and to the file. A report that cannot be written fails the suite.
fn report(line: &str) {
    say(line);
    let path = environment::cache().join("suites.txt");
    std::fs::create_dir_all(environment::cache()).expect("the cache folder can be created");
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("suites.txt can be opened");
    writeln!(file, "{line}").expect("suites.txt can be written");
}

/// Writes a line past the capture of test output.
///
/// # Panics
/// If the terminal does not take it.
pub fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("the terminal takes a line");
}
