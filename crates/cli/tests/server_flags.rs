//! The program under the name `nats-server`: which output, which words, which exit code. With `NATS_SERVER_BIN` set to
//! nats-server itself, the same expectations are held against that.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The program by the name that decides what its arguments are.
fn nats_server() -> PathBuf {
    if let Some(path) = std::env::var_os("NATS_SERVER_BIN") {
        return PathBuf::from(path);
    }
    static LINK: OnceLock<PathBuf> = OnceLock::new();
    let link = LINK.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("flags-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made in the target folder");
        let link = folder.join("nats-server");
        symlink(env!("CARGO_BIN_EXE_firn"), &link).expect("the folder is new");
        link
    });
    link.clone()
}

fn run(line: &str) -> Output {
    // No line here starts a server; one that did would not end by itself.
    let mut command = Command::new("timeout");
    command
        .arg("10")
        .arg(nats_server())
        .args(line.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

#[track_caller]
fn check(line: &str, code: i32, stdout: &str, stderr: &str) {
    let output = run(line);
    assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), stderr, "{line}");
    let said = String::from_utf8_lossy(&output.stdout);
    if stdout == USAGE {
        assert!(
            said.starts_with("\nUsage: nats-server [options]\n\nServer Options:\n    -a, --addr, --net <host>"),
            "{line}: {said}"
        );
    } else {
        assert_eq!(said, stdout, "{line}");
    }
}

/// Stands for the whole help, which has a snapshot of its own.
const USAGE: &str = "the usage";

#[test]
fn help_and_version_are_printed_wherever_they_are_asked_for() {
    for line in ["-h", "--help", "help", "HELP", "-p 1 help", "-t help"] {
        check(line, 0, USAGE, "");
    }
    for line in ["-v", "--version", "version", "-p 1 version", "-h -v"] {
        check(line, 0, "nats-server: v2.15.1\n", "");
    }
    assert!(run("-help_tls").status.success());
}

#[test]
fn a_flag_that_cannot_be_read_is_followed_by_the_usage_and_is_no_failure() {
    check("-nope", 0, USAGE, "flag provided but not defined: -nope\n");
    check("--nope=3", 0, USAGE, "flag provided but not defined: -nope\n");
    check("-p abc", 0, USAGE, "invalid value \"abc\" for flag -p: parse error\n");
    check("-p", 0, USAGE, "flag needs an argument: -p\n");
    check("-p=", 0, USAGE, "invalid value \"\" for flag -p: parse error\n");
    check("-p 08", 0, USAGE, "invalid value \"08\" for flag -p: parse error\n");
    check("-p 1__0", 0, USAGE, "invalid value \"1__0\" for flag -p: parse error\n");
    check("-p 0x1__0", 0, USAGE, "invalid value \"0x1__0\" for flag -p: parse error\n");
    check(
        "-p 99999999999999999999",
        0,
        USAGE,
        "invalid value \"99999999999999999999\" for flag -p: value out of range\n",
    );
    check("-tls=maybe", 0, USAGE, "invalid boolean value \"maybe\" for -tls: parse error\n");
    check("-DV=3", 0, USAGE, "invalid boolean value \"3\" for -DV: parse error\n");
    check("---p", 0, USAGE, "bad flag syntax: ---p\n");
    check("-=x", 0, USAGE, "bad flag syntax: -=x\n");
}

#[test]
fn a_word_that_is_no_command_is_a_failure() {
    check("foo bar", 1, "", "nats-server: unrecognized command: \"foo\"\n");
    check("-", 1, "", "nats-server: unrecognized command: \"-\"\n");
    check("help_tls", 1, "", "nats-server: unrecognized command: \"help_tls\"\n");
    check("-p 0x1_0 -m 0_7 foo", 1, "", "nats-server: unrecognized command: \"foo\"\n");
}

#[test]
fn a_configuration_is_tested_without_a_start() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("conf-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file("good.conf", "port: 4333");
    let valid = format!("nats-server: configuration file {good} is valid (sha256:");
    let output = run(&format!("-c {good} -t"));
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with(&valid), "{output:?}");

    let remark = file("remark.conf", "ping_interval: 5");
    let output = run(&format!("-c {remark} -t"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");

    let unknown = file("unknown.conf", "nope: 1");
    let error = format!("nats-server: {unknown}:1:0: unknown field \"nope\"\n\n");
    check(&format!("-c {unknown} -t"), 1, "", &error);
    check(&format!("-c {unknown}"), 1, "", &error);
    check("-t", 1, "", "nats-server: must specify [-c, --config] option to check configuration file syntax\n");
    check(
        "-routes nats://127.0.0.1:1",
        1,
        "",
        "nats-server: solicited routes require cluster capabilities, e.g. --cluster\n",
    );
}

#[test]
fn a_signal_that_reaches_nobody_is_a_failure() {
    check("-sl reload=2147483646", 1, "", "nats-server: \nsignal \"reload\" 2147483646: no such process\n");
    check("-sl nope=1", 1, "", "nats-server: unknown signal \"nope\"\n");
    check("-sl reload=1=2", 1, "", "nats-server: invalid signal parameters: [2]\n");
    check("-sl reload=x", 1, "", "nats-server: invalid pid: x\n");
}

#[test]
fn the_client_commands_are_reached_under_the_own_name() {
    let firn = |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_firn")).args(arguments).output().expect("it runs");
    let version = firn(&["version"]);
    assert_eq!(String::from_utf8_lossy(&version.stdout), concat!("firn ", env!("CARGO_PKG_VERSION"), "\n"));
    let completion = firn(&["completion", "bash"]);
    assert!(String::from_utf8_lossy(&completion.stdout).contains("_firn()"));
    let help = firn(&["server", "-h"]);
    assert!(String::from_utf8_lossy(&help.stdout).starts_with("\nUsage: nats-server [options]\n"));
    let help = firn(&["help", "server"]);
    assert!(String::from_utf8_lossy(&help.stdout).starts_with("\nUsage: nats-server [options]\n"));
    let help = firn(&["help", "pub"]);
    assert!(String::from_utf8_lossy(&help.stdout).starts_with("Publish messages\n"));
    assert_eq!(firn(&["nope"]).status.code(), Some(2));
}
