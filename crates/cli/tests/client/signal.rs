//! `firn server -sl`: signals reach a running server.

use std::process::Command;

use crate::rig::{Server, scratch};

fn signal(value: &str) {
    let status = Command::new(env!("CARGO_BIN_EXE_firn")).args(["server", "-sl", value]).status().expect("it runs");
    assert!(status.success(), "{value}");
}

#[test]
fn a_server_ends_well_when_its_pid_file_is_named() {
    for command in ["quit", "term"] {
        let file = scratch("pid");
        let file = file.to_str().unwrap();
        let server = Server::with(&["-P", file]);
        signal(&format!("{command}={file}"));
        assert_eq!(server.ended(), Some(0), "{command}");
    }
}

#[test]
fn a_server_that_is_stopped_does_not_end_by_itself() {
    let file = scratch("pid");
    let server = Server::with(&["-P", file.to_str().unwrap()]);
    let pid = std::fs::read_to_string(&file).unwrap();
    signal(&format!("stop={pid}"));
    assert_eq!(server.ended(), None, "no exit code: a signal ended it");
}
