//! Where the suites find the servers and the tools they run, fetched into `<repository>/.cache` on first use.
//!
//! Everything is pinned and installed by the test command itself, so that a new machine with Python and Node needs no
//! preparation. A machine without one of them is told which suite is left out, and why.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::Binary;

/// What reports call the server that decides who is right.
pub const NATS_SERVER: &str = "nats-server";

/// The reason why a suite cannot run here.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct LeftOut(pub String);

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().expect("the crate is a folder of the repository").to_owned()
}

/// The folder for everything fetched or generated, which git ignores.
#[must_use]
pub fn cache() -> PathBuf {
    repository().join(".cache")
}

/// The server that decides who is right: `NATS_SERVER_BIN`, or the pinned release.
///
/// # Errors
/// If neither is to be had here.
pub fn nats_server() -> Result<Binary, LeftOut> {
    let program = match std::env::var_os("NATS_SERVER_BIN") {
        Some(program) => PathBuf::from(program),
        None => python_folder()?.join("bin/nats-server"),
    };
    let program = existing(program)?;
    // A link to Firn by the name of `nats-server` would have Firn agree with itself.
    if firn().is_ok_and(|firn| is_same_file(&firn.program, &program)) {
        return Err(LeftOut(format!("{} is Firn", program.display())));
    }
    Ok(Binary { name: NATS_SERVER, program, arguments: &[] })
}

/// The server under test: `FIRN_BIN`, or the release build.
///
/// # Errors
/// If it has not been built.
pub fn firn() -> Result<Binary, LeftOut> {
    let program = match std::env::var_os("FIRN_BIN") {
        Some(program) => PathBuf::from(program),
        None => repository().join("target/release/firn"),
    };
    Ok(Binary { name: "firn", program: existing(program)?, arguments: &["server"] })
}

/// A Python interpreter with the pinned client library.
///
/// # Errors
/// If there is no Python here, or the packages cannot be had.
pub fn python() -> Result<PathBuf, LeftOut> {
    Ok(python_folder()?.join("bin/python"))
}

/// A folder with the pinned JavaScript client library in its `node_modules`, to which the suite's scripts are copied.
///
/// # Errors
/// If there is no Node here, or the packages cannot be had.
pub fn javascript() -> Result<PathBuf, LeftOut> {
    require("node", &["--version"])?;
    require("npm", &["--version"])?;
    let folder = cache().join("javascript");
    let scripts = repository().join("conformance/clients/javascript");
    let _lock = lock()?;
    copy_files(&scripts, &folder).map_err(failed("copying the scripts"))?;
    install_once(&folder, &scripts.join("package.json"), || {
        run(Command::new("npm").args(["install", "--no-package-lock", "--no-audit", "--no-fund"]).current_dir(&folder))
    })?;
    Ok(folder)
}

/// Runs `prepare` while no other process prepares anything in the cache.
///
/// # Errors
/// If the cache cannot be written, or `prepare` fails.
pub fn exclusively<T>(prepare: impl FnOnce() -> Result<T, LeftOut>) -> Result<T, LeftOut> {
    let _lock = lock()?;
    prepare()
}

/// Checks that a program exists on this machine.
///
/// # Errors
/// If it does not, or does not run.
pub fn require(program: &str, arguments: &[&str]) -> Result<(), LeftOut> {
    run(Command::new(program).args(arguments)).map_err(|_| LeftOut(format!("no {program} on this machine")))
}

fn python_folder() -> Result<PathBuf, LeftOut> {
    require("python3", &["--version"])?;
    let folder = cache().join("python");
    let requirements = repository().join("conformance/clients/python/requirements.txt");
    let _lock = lock()?;
    install_once(&folder, &requirements, || {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", "-r"]).arg(&requirements))
    })?;
    Ok(folder)
}

/// Installs what `pins` names, unless the same pins have been installed before.
fn install_once(folder: &Path, pins: &Path, install: impl FnOnce() -> Result<(), LeftOut>) -> Result<(), LeftOut> {
    let stamp = folder.join("installed-pins");
    let wanted = fs::read(pins).map_err(failed("reading the pins"))?;
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(failed("creating the folder"))?;
    install()?;
    fs::write(&stamp, wanted).map_err(failed("writing the stamp"))
}

/// A lock on the cache, held while the file is open.
fn lock() -> Result<File, LeftOut> {
    fs::create_dir_all(cache()).map_err(failed("creating .cache"))?;
    let file = File::create(cache().join("lock")).map_err(failed("creating the lock"))?;
    file.lock().map_err(failed("locking .cache"))?;
    Ok(file)
}

fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn existing(program: PathBuf) -> Result<PathBuf, LeftOut> {
    if program.is_file() { Ok(program) } else { Err(LeftOut(format!("no file {}", program.display()))) }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn run(command: &mut Command) -> Result<(), LeftOut> {
    let output = command.output().map_err(failed("starting a program"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.lines().last().unwrap_or_default();
    Err(LeftOut(format!("{} failed: {last}", command.get_program().display())))
}

fn failed(what: &'static str) -> impl Fn(std::io::Error) -> LeftOut {
    move |error| LeftOut(format!("{what}: {error}"))
}
