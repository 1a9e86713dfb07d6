//! Installs what the black-box suites need and a new machine lacks. Touches nothing when nothing is missing.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::run;

/// A Debian package, and what shows that it is there.
struct Tool {
    package: &'static str,
    is_there: fn() -> bool,
}

const TOOLS: [Tool; 4] = [
    // Faults on system calls: a failing or slow disk, a crash between two writes.
    Tool { package: "strace", is_there: || is_in_path("strace") },
    Tool { package: "fuse3", is_there: || is_in_path("fusermount3") },
    // Official clients are installed into a virtual environment below target/.
    Tool { package: "python3-venv", is_there: || says_yes("python3", &["-c", "import ensurepip, venv"]) },
    Tool { package: "nodejs", is_there: || is_in_path("node") },
];

/// Installs each missing tool.
///
/// # Errors
/// Something is missing and this is not a Debian machine with root's rights, or the installation fails.
pub fn run() -> Result<()> {
    let missing: Vec<&str> = TOOLS.iter().filter(|tool| !(tool.is_there)()).map(|tool| tool.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_in_path("apt-get") {
        bail!("please install {}", missing.join(", "));
    }
    run::tee(Command::new("apt-get").args(["update", "--quiet"]), |_| ())?;
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(&missing);
    run::tee(install.env("DEBIAN_FRONTEND", "noninteractive"), |_| ())
        .with_context(|| format!("please install {} as root", missing.join(", ")))?;
    let left: Vec<&str> = TOOLS.iter().filter(|tool| !(tool.is_there)()).map(|tool| tool.package).collect();
    ensure!(left.is_empty(), "still missing after the installation: {}", left.join(", "));
    Ok(())
}

fn is_in_path(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| Path::new(&folder).join(program).is_file())
}

fn says_yes(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}
