//! `-sl command[=pid]`: a signal to servers that run on this machine.
//!
//! Not here: what a server does with the signal.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// Sends what the value of `-sl` asks for; the errors are nats-server's.
pub(crate) fn send(value: &str) -> Result<(), String> {
    let mut parts = value.split('=');
    let command = parts.next().unwrap_or_default();
    let target = parts.next().unwrap_or_default();
    let surplus: Vec<&str> = parts.collect();
    if !surplus.is_empty() {
        return Err(format!("invalid signal parameters: [{}]", surplus.join(" ")));
    }
    let target = fs::read_to_string(target).unwrap_or_else(|_| target.to_owned());
    let pids = pids(&target, running)?;
    let signal = signal(command)?;
    let failures: String = pids
        .into_iter()
        .filter_map(|pid| kill(pid, signal).err().map(|error| format!("\nsignal {command:?} {pid}: {error}")))
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// The processes that a target names: a number, the beginning of one and a `*`, or nothing for the only server there is.
fn pids(target: &str, running: fn() -> Vec<i32>) -> Result<Vec<i32>, String> {
    let (prefix, is_glob) = match target.strip_suffix('*') {
        Some(prefix) => (prefix, true),
        None => (target, false),
    };
    let pid = match prefix {
        "" => None,
        digits => Some(digits.parse::<i32>().map_err(|_| format!("invalid pid: {digits}"))?),
    };
    match (pid, is_glob) {
        (Some(pid), false) => Ok(vec![pid]),
        (_, is_glob) => {
            let pids = running();
            match pids.as_slice() {
                [] => Err("no nats-server processes running".to_owned()),
                [_, _, ..] if !is_glob => {
                    let listed: String = pids.iter().map(|pid| format!("\n{pid}")).collect();
                    Err(format!("multiple nats-server processes running:{listed}"))
                }
                pids => Ok(pids.iter().copied().filter(|pid| pid.to_string().starts_with(prefix)).collect()),
            }
        }
    }
}

fn signal(command: &str) -> Result<Signal, String> {
    match command {
        "stop" => Ok(Signal::KILL),
        "quit" => Ok(Signal::INT),
        "term" => Ok(Signal::TERM),
        "reopen" => Ok(Signal::USR1),
        "reload" => Ok(Signal::HUP),
        "ldm" => Ok(Signal::USR2),
        _ => Err(format!("unknown signal {command:?}")),
    }
}

fn kill(pid: i32, signal: Signal) -> Result<(), String> {
    // Zero and below name groups of processes, of which none is a server.
    let pid = Pid::from_raw(pid).filter(|_| pid > 0).ok_or("no such process")?;
    kill_process(pid, signal).map_err(|error| match error {
        rustix::io::Errno::SRCH => "no such process".to_owned(),
        rustix::io::Errno::PERM => "operation not permitted".to_owned(),
        error => error.to_string().to_lowercase(),
    })
}

/// The servers that run on this machine, ours by either name and nats-server, without this process.
fn running() -> Vec<i32> {
    let own = std::process::id().cast_signed();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let mut pids: Vec<i32> =
        pids.filter(|pid| *pid != own && is_server(&Path::new("/proc").join(pid.to_string()))).collect();
    pids.sort_unstable();
    pids
}

fn is_server(process: &Path) -> bool {
    // A process that ended since it was listed has neither file.
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let arguments = fs::read_to_string(process.join("cmdline")).unwrap_or_default();
    let arguments: Vec<&str> = arguments.split('\0').skip(1).collect();
    match name.trim_end() {
        "firn" => matches!(arguments.as_slice(), ["server", flag, ..] if *flag != "check"),
        name => name.contains("nats-server"),
    }
}

#[cfg(test)]
mod tests {
    //! Targets of signals, with made-up processes.

    use super::*;

    #[track_caller]
    fn check(target: &str, running: fn() -> Vec<i32>, expected: Result<&[i32], &str>) {
        assert_eq!(pids(target, running), expected.map(<[i32]>::to_vec).map_err(str::to_owned), "{target}");
    }

    #[test]
    fn a_target_names_processes() {
        check("7", Vec::new, Ok(&[7]));
        check("", Vec::new, Err("no nats-server processes running"));
        check("", || vec![7], Ok(&[7]));
        check("", || vec![7, 12], Err("multiple nats-server processes running:\n7\n12"));
        check("*", || vec![7, 12], Ok(&[7, 12]));
        check("1*", || vec![7, 12, 123], Ok(&[12, 123]));
        check("9*", || vec![7, 12], Ok(&[]));
        check("1*", Vec::new, Err("no nats-server processes running"));
        check("x", Vec::new, Err("invalid pid: x"));
        check("7\n", Vec::new, Err("invalid pid: 7\n"));
    }

    #[test]
    fn errors_are_those_of_nats_server() {
        let error = |value: &str| send(value).unwrap_err();
        assert_eq!(error("reload=7=a"), "invalid signal parameters: [a]");
        assert_eq!(error("nope=1"), "unknown signal \"nope\"");
        assert_eq!(error("reload=0"), "\nsignal \"reload\" 0: no such process");
        // No process has this number: it is above what Linux hands out.
        assert_eq!(error("reload=2147483646"), "\nsignal \"reload\" 2147483646: no such process");
    }
}
