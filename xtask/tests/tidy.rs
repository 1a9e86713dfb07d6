//! The source text keeps the house rules, and each rule reports a text that breaks it.

use std::path::Path;

use xtask::tidy::{self, Kind};
use xtask::workspace;

#[test]
fn the_workspace_is_tidy() {
    let findings = tidy::check(&workspace::root()).unwrap();
    let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "broken house rules:\n{}", shown.join("\n"));
}

#[track_caller]
fn check(kind: Kind, text: &str, expected: &[&str]) {
    let mut findings = Vec::new();
    tidy::check_text(Path::new("a.rs"), kind, text, &mut findings);
    let found: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn a_clean_file_has_no_findings() {
    check(Kind::Product, "//! A head.\n\nfn main() {}\n", &[]);
    check(Kind::Product, "// SPDX-License-Identifier: Apache-2.0\n//! A head.\n", &[]);
    check(Kind::Prose, "", &[]);
}

#[test]
fn rust_opens_with_what_it_is() {
    check(Kind::Rust, "fn main() {}\n", &["a.rs:1: the file does not open with `//!`: what it is, and what it is not"]);
    check(Kind::Script, "fn main() {}\n", &[]);
}

#[test]
fn a_long_file_needs_a_reason() {
    let text = format!("//! Long.\n{}", "\n".repeat(1_000));
    check(Kind::Rust, &text, &["a.rs:0: 1001 lines; more than 1000 need a reason in xtask/src/tidy.rs"]);
}

#[test]
fn lines_are_short_and_end_where_they_end() {
    let long = "x".repeat(141);
    check(Kind::Script, &format!("{long}\n"), &["a.rs:1: 141 columns; 140 at most"]);
    check(Kind::Prose, &format!("| {long} |\n"), &[]);
    check(Kind::Prose, &format!("see https://example.org/{long}\n"), &[]);
    check(Kind::Prose, "a \nb\n", &["a.rs:1: white space at the end of the line"]);
    check(Kind::Prose, "a\nb", &["a.rs:2: no line end at the end of the file"]);
}

#[test]
fn unfinished_work_and_promises_are_found() {
    let word = concat!("TO", "DO");
    check(
        Kind::Prose,
        &format!("a {word}: b\n"),
        &[&format!("a.rs:1: `{word}`: finish it, or file it where plans are kept")],
    );
    check(Kind::Prose, &format!("{word}S and MY{word}\n"), &[]);
    let promise = concat!("For ", "now");
    check(
        Kind::Prose,
        &format!("{promise}, it is so\n"),
        &[concat!("a.rs:1: `for ", "now`: say what is, not what will be")],
    );
    check(Kind::Prose, "waits for nowhere\n", &[]);
}

#[test]
fn a_conflict_of_a_merge_is_found() {
    check(Kind::Script, concat!("<<<<", "<<< HEAD\n"), &["a.rs:1: a conflict of a merge"]);
}

#[test]
fn a_path_of_one_machine_is_found() {
    let path = concat!("/wo", "rk/");
    check(Kind::Script, &format!("cd {path}x\n"), &[&format!("a.rs:1: `{path}` exists on one machine only")]);
}

#[test]
fn a_lock_in_the_product_is_a_leaf() {
    let marked = "//! A.\n#[expect(\n    clippy::disallowed_types,\n    reason = \"leaf lock: bytes only\"\n)]\n";
    check(Kind::Product, marked, &[]);
    let unmarked = "//! A.\n#[expect(clippy::disallowed_types, reason = \"quick\")]\n";
    check(Kind::Product, unmarked, &["a.rs:2: a lock without `reason = \"leaf lock: …\"`"]);
    check(Kind::Rust, unmarked, &[]);
    check(
        Kind::Product,
        "//! A.\nuse tokio::sync::Mutex;\n",
        &["a.rs:2: a lock held across an await: state has one owner"],
    );
}
