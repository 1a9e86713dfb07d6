//! Who may depend on whom: the one list, checked against what cargo resolves.
//!
//! Arrows point up the table only. A crate above `firn-server` is pure: it reaches no socket, thread pool or source of
//! entropy, however deep, so that a test can drive it with any time, any network and any disk.
//! A new arrow is a change to [`MAY_NAME`] and a line in the commit that says why.

use std::process::Command;

use xtask::metadata::{self, Package};
use xtask::workspace;

/// Each package of ours, and the packages of ours it may name outside of tests.
const MAY_NAME: [(&str, &[&str]); 18] = [
    // words
    ("firn-id", &[]),
    ("firn-subject", &[]),
    // rules
    ("firn-wire", &["firn-subject"]),
    ("firn-auth", &["firn-id", "firn-subject"]),
    ("firn-api", &["firn-id", "firn-subject"]),
    ("firn-store", &["firn-id", "firn-subject"]),
    // parts
    ("firn-jetstream", &["firn-id", "firn-subject", "firn-auth", "firn-api", "firn-wire", "firn-store"]),
    ("firn-config", &["firn-auth", "firn-subject"]),
    ("firn-router", &["firn-id", "firn-auth", "firn-subject", "firn-wire"]),
    ("firn-session", &["firn-id", "firn-subject", "firn-wire", "firn-auth", "firn-router"]),
    // world
    (
        "firn-server",
        &["firn-id", "firn-subject", "firn-wire", "firn-auth", "firn-config", "firn-router", "firn-session"],
    ),
    ("firn", &["firn-server", "firn-config", "firn-auth", "firn-subject"]),
    (
        "firn-cli",
        &["firn", "firn-server", "firn-config", "firn-wire", "firn-subject", "firn-auth", "firn-api", "firn-id"],
    ),
    // tests: the simulated world knows all machines, and neither the server nor the command
    ("firn-sim", &MACHINES),
    // tests: they speak NATS and know nothing of the inside
    ("firn-conformance", &[]),
    ("nats-server", &[]),
    ("firn-bench", &[]),
    ("xtask", &[]),
];

/// Everything below the server: reaches none of [`WORLDLY`], and neither does `firn-sim`, which may name all of it.
const MACHINES: [&str; 10] = [
    "firn-id",
    "firn-subject",
    "firn-wire",
    "firn-auth",
    "firn-api",
    "firn-store",
    "firn-jetstream",
    "firn-config",
    "firn-router",
    "firn-session",
];

/// Sockets, event loops, entropy and TLS.
const WORLDLY: [&str; 5] = ["tokio", "mio", "socket2", "getrandom", "rustls"];

/// What a pure package may reach all the same: package, worldly package, reason.
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

#[test]
fn crates_of_ours_name_only_what_the_table_allows() {
    let forbidden = forbidden_edges(&metadata::read().unwrap());
    assert!(forbidden.is_empty(), "{}", forbidden.join("\n"));
}

#[test]
fn pure_crates_reach_nothing_worldly() {
    for package in MACHINES.into_iter().chain(["firn-sim"]) {
        let reached = worldly(package, &reached_by(package));
        assert!(
            reached.is_empty(),
            "{package} is pure and reaches {reached:?}; `cargo tree -e normal -p {package} -i` says how"
        );
    }
}

#[test]
fn the_walk_sees_what_the_command_reaches() {
    let reached = worldly("firn-cli", &reached_by("firn-cli"));
    assert!(reached.contains(&"tokio"), "the client commands run on tokio, but the walk found {reached:?}");
}

#[test]
fn a_forbidden_edge_is_reported() {
    check_edges(
        &[("firn-wire", &["firn-subject", "firn-server"])],
        &["firn-wire names firn-server; the table in xtask/tests/layers.rs does not allow it"],
    );
    check_edges(&[("firn-wire", &["firn-subject"])], &[]);
    check_edges(&[("firn-new", &[])], &["firn-new is not in the table of xtask/tests/layers.rs"]);
}

#[test]
fn an_edge_for_tests_is_free() {
    let text = made_up(&[("firn-wire", &["firn-server"])]).replace(r#""kind":null"#, r#""kind":"dev""#);
    assert!(forbidden_edges(&metadata::parse(&text).unwrap()).is_empty());
}

#[test]
fn a_worldly_package_is_reported_however_deep() {
    let tree = "firn-wire v0.1.0 (/somewhere)\nbytes v1.0.0\nrand v0.9.0\ngetrandom v0.3.0 (*)\n";
    assert_eq!(worldly("firn-wire", tree), ["getrandom"]);
    assert!(worldly("firn-wire", "firn-wire v0.1.0\ntokio-util-lookalike v1.0.0\n").is_empty());
}

fn forbidden_edges(packages: &[Package]) -> Vec<String> {
    let mut forbidden = Vec::new();
    for package in packages.iter().filter(|package| package.source.is_none()) {
        let name = &package.name;
        let Some((_, allowed)) = MAY_NAME.iter().find(|(listed, _)| listed == name) else {
            forbidden.push(format!("{name} is not in the table of xtask/tests/layers.rs"));
            continue;
        };
        for named in package.ours.iter().filter(|named| !allowed.contains(&named.as_str())) {
            forbidden.push(format!("{name} names {named}; the table in xtask/tests/layers.rs does not allow it"));
        }
    }
    forbidden
}

/// Every package that `package` is built from, one a line. Cargo unites features over the whole workspace in its
/// metadata but not here, so that a feature which only the server asks for is not held against a pure crate.
fn reached_by(package: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges=normal", "--prefix=none", "--package", package])
        .current_dir(workspace::root())
        .output()
        .expect("cargo runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo speaks UTF-8")
}

fn worldly(package: &str, tree: &str) -> Vec<&'static str> {
    let is_excepted = |name: &str| EXCEPTIONS.iter().any(|(from, to, _)| *from == package && *to == name);
    let reaches = |name: &str| tree.lines().any(|line| line.split(' ').next() == Some(name));
    WORLDLY.into_iter().filter(|name| reaches(name) && !is_excepted(name)).collect()
}

#[track_caller]
fn check_edges(workspace: &[(&str, &[&str])], expected: &[&str]) {
    let packages = metadata::parse(&made_up(workspace)).expect("the text is in cargo's shape");
    // The packages that are only named are not part of the question.
    let asked: Vec<Package> =
        packages.into_iter().filter(|package| workspace.iter().any(|(name, _)| *name == package.name)).collect();
    assert_eq!(forbidden_edges(&asked), expected);
}

/// The JSON of `cargo metadata` for packages of ours and what each names.
fn made_up(workspace: &[(&str, &[&str])]) -> String {
    let mut names: Vec<&str> = workspace.iter().flat_map(|(name, named)| named.iter().chain([name])).copied().collect();
    names.sort_unstable();
    names.dedup();
    let packages: Vec<String> = names
        .iter()
        .map(|name| {
            format!(r#"{{"id":"{name}","name":"{name}","version":"0.1.0","license":"Apache-2.0","source":null}}"#)
        })
        .collect();
    let nodes: Vec<String> = names
        .iter()
        .map(|name| {
            let named = workspace.iter().find(|(package, _)| package == name).map_or(&[][..], |(_, named)| named);
            let deps: Vec<String> =
                named.iter().map(|to| format!(r#"{{"pkg":"{to}","dep_kinds":[{{"kind":null}}]}}"#)).collect();
            format!(r#"{{"id":"{name}","deps":[{}]}}"#, deps.join(","))
        })
        .collect();
    format!(r#"{{"packages":[{}],"resolve":{{"nodes":[{}]}}}}"#, packages.join(","), nodes.join(","))
}
