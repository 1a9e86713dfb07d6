//! What the machine runs out of: disk for the log, files for connections.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use firn_conformance::environment::LeftOut;
use firn_conformance::server::Binary;

use crate::Checked;
use crate::client::Client;
use crate::process::{Launch, Process, eventually, fresh_folder};

pub(crate) fn a_full_disk_of_the_log_stops_nobody(binary: &Binary) -> Checked {
    const REFUSALS: usize = 500;
    /// The log may still fill the page that it has begun.
    const PAGE_BYTES: u64 = 4096;
    let disk = SmallDisk::mount()?;
    let log = disk.0.join("server.log");
    let config = format!("log_file: \"{}\"\nauthorization {{ user: a, password: b }}", log.display());
    let mut server = Process::start(binary, &Launch { config, flags: vec!["-D"], ..Launch::default() });
    let sign_in = || {
        let mut client = Client::open(server.address());
        client.sign_in("\"user\":\"a\",\"pass\":\"b\"").unwrap();
        client
    };
    let mut subscriber = sign_in();
    subscriber.send("SUB load 1\r\n");
    subscriber.sync();
    fs::write(disk.0.join("filler"), vec![0; SmallDisk::BYTES]).expect_err("the file is as large as the disk");
    let logged = fs::metadata(&log).unwrap().len();
    // Each of them is worth a line.
    for _ in 0..REFUSALS {
        Client::open(server.address()).sign_in("\"user\":\"a\",\"pass\":\"wrong\"").unwrap_err();
    }
    assert!(fs::metadata(&log).unwrap().len() <= logged + PAGE_BYTES, "the disk is not full");
    sign_in().send("PUB load 2\r\nhi\r\n");
    assert_eq!(subscriber.message().as_deref(), Some("hi"));
    assert!(server.is_running());
    drop(server);
    Ok(REFUSALS)
}

pub(crate) fn clients_are_accepted_again_once_files_are_free(binary: &Binary) -> Checked {
    const FILES: usize = 100;
    const CLIENTS: usize = 200;
    // The server may raise its limit, but not above this one.
    let through = vec!["prlimit".to_owned(), format!("--nofile={FILES}:{FILES}")];
    let mut server = Process::start(binary, &Launch { through, ..Launch::default() });
    let mut early = Client::connect(server.address());
    let crowd: Vec<std::net::TcpStream> =
        (0..CLIENTS).map(|_| std::net::TcpStream::connect(server.address()).unwrap()).collect();
    eventually("the files are used up", || server.open_files() >= FILES - 1);
    early.sync();
    drop(crowd);
    let mut late = Client::connect(server.address());
    late.send("SUB load 1\r\n");
    late.sync();
    early.send("PUB load 2\r\nhi\r\n");
    assert_eq!(late.message().as_deref(), Some("hi"));
    server.assert_unharmed();
    Ok(CLIENTS)
}

/// A file system that is soon full, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    const BYTES: usize = 1 << 20;

    fn mount() -> Result<Self, LeftOut> {
        let folder = fresh_folder();
        let options = format!("size={}", Self::BYTES);
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Self(folder)),
            Ok(output) => Err(LeftOut(format!("mounting: {}", String::from_utf8_lossy(&output.stderr).trim()))),
            Err(error) => Err(LeftOut(format!("mounting: {error}"))),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that was killed a moment ago may still hold its log.
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
        fs::remove_dir(&self.0).ok();
    }
}
