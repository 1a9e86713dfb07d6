//! Firn beside the real NATS server: one command that loads both in turn and prints their figures side by side.
//!
//! ```text
//! main ── options ── compare ──┬─ rows ── rows/*      what is done in one run, and the goals
//!                              │    ├─ server, tls     the process under load
//!                              │    ├─ load, frames    closed loop: as fast as a window allows
//!                              │    ├─ open_loop       on a schedule, with latencies
//!                              │    ├─ ping_pong, churn
//!                              │    └─ connection, receive
//!                              └─ statistics, figure, report
//!                 js, js/*                          the same for JetStream: other rows, one column more
//! ```
//!
//! It knows no crate of the server: it speaks NATS over sockets and reads `/proc`, the same on both sides.

mod compare;
mod report;
mod soak;

mod js;

mod rows;

mod churn;
mod connection;
mod frames;
mod load;
mod open_loop;
mod ping_pong;
mod receive;
mod tls;

mod figure;
mod histogram;
mod statistics;

mod options;
mod proc;
mod server;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use nix::sys::signal::{SigSet, Signal};
use serde::Serialize;

use crate::compare::{Pair, RowResult, compare};
use crate::js::StoreFolder;
use crate::load::Span;
use crate::options::{Command, Options};
use crate::proc::Machine;
use crate::report::{Report, Subject};
use crate::rows::Plan;
use crate::server::{Pin, Program, Scratch};
use crate::tls::Tls;

/// A quick run does this fraction of everything.
const QUICK_DIVISOR: u32 = 100;

/// How long a load lasts, and by what everything else is divided.
#[derive(Clone, Copy)]
struct Scale {
    span: Span,
    divisor: u32,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let scratch = Scratch::create()?;
    let stores = options.command.as_ref().and_then(Command::stores);
    let stores = stores.map(|stores| StoreFolder::create(stores.store_folder.as_deref())).transpose()?;
    let folders = [Some(&scratch.path), stores.as_ref().map(|stores| &stores.path)];
    clean_up_on_signals(folders.into_iter().flatten().cloned().collect())?;
    let open_files_max = proc::raise_open_files()?;
    let machine = Machine::describe()?;

    let divisor = if options.quick { QUICK_DIVISOR } else { 1 };
    let measured = Duration::from_secs_f64(options.seconds) / divisor;
    let scale = Scale { span: Span { warm_up: measured / 4, measured }, divisor };
    let pair = programs(&options, &scratch.path)?;
    let columns = || js::Columns::new(pair.firn.clone(), &pair.reference, pair.has_goals);
    let stores = || stores.as_ref().context("a command with servers that store has a folder for it");
    let soaked = |minutes: f64| Duration::from_secs_f64(minutes * 60.0) / divisor;

    match &options.command {
        None => run(&options, &pair, &plan(scale, open_files_max, &scratch)?, machine),
        Some(Command::Soak { minutes }) => {
            run_soak(&options, &pair, &plan(scale, open_files_max, &scratch)?, &machine, soaked(*minutes))
        }
        Some(Command::Js { .. }) => {
            let subjects = (machine, subject(&pair.firn)?, subject(&pair.reference)?);
            js::run(&options, &columns(), stores()?, scale, subjects)
        }
        Some(Command::JsSoak { minutes, .. }) => {
            js::run_soak(&options, &columns(), stores()?, scale, &machine, soaked(*minutes))
        }
    }
}

fn plan(scale: Scale, open_files_max: u64, scratch: &Scratch) -> Result<Plan> {
    let tls = Arc::new(Tls::generate(&scratch.path)?);
    Ok(Plan { span: scale.span, divisor: scale.divisor.into(), open_files_max, tls })
}

/// The comparison of plain messages.
fn run(options: &Options, pair: &Pair, plan: &Plan, machine: Machine) -> Result<()> {
    let chosen = rows::chosen(&options.rows)?;
    let runs = options.runs.or(options.quick.then_some(1));
    let (firn, reference) = (subject(&pair.firn)?, subject(&pair.reference)?);
    let rows: Vec<_> = chosen.iter().map(|row| compare(row, pair, plan, runs)).collect();
    let failed = rows.iter().filter(|row| matches!(row.result, RowResult::Failed(_))).count();
    let report = Report {
        machine,
        firn,
        reference,
        seconds_per_run: plan.span.measured.as_secs_f64(),
        is_quick: options.quick,
        is_pinned: options.pin,
        rows,
    };
    print(format_args!("{report}"))?;
    write_json(options.json.as_deref(), &report)?;
    ensure!(failed == 0, "{failed} rows failed");
    Ok(())
}

/// The soak with plain messages.
fn run_soak(options: &Options, pair: &Pair, plan: &Plan, machine: &Machine, duration: Duration) -> Result<()> {
    print(format_args!("Machine: {machine}\n\n{}", soak::HEADING))?;
    let mut soaks = Vec::new();
    for program in [&pair.firn, &pair.reference] {
        let soak = soak::soak(program, plan, duration)?;
        print(format_args!("{soak}"))?;
        soaks.push(soak);
    }
    write_json(options.json.as_deref(), &soaks)
}

/// Both servers as they will be started.
fn programs(options: &Options, directory: &Path) -> Result<Pair> {
    let pin = options.pin.then(pin_apart).transpose()?;
    let path = options.reference.clone().context("which nats-server? Name it with --reference or NATS_SERVER_BIN")?;
    let reference = Program { name: "nats-server", path, subcommand: None, pin, directory: directory.to_owned() };
    let firn = if options.self_check {
        Program { name: "nats-server again", ..reference.clone() }
    } else {
        let path = options.firn.clone().map_or_else(options::build_firn, Ok)?;
        Program { name: "Firn", path, subcommand: Some("server"), ..reference.clone() }
    };
    Ok(Pair { firn, reference, has_goals: !options.self_check })
}

/// The generator on the last core, the server on the first.
fn pin_apart() -> Result<Pin> {
    let cores = thread::available_parallelism()?.get();
    ensure!(cores >= 2, "--pin needs two cores");
    let pin = Pin { server: 0, generator: cores - 1 };
    proc::run_on(pin.generator)?;
    Ok(pin)
}

/// Starts a server once to hear who it is.
fn subject(program: &Program) -> Result<Subject> {
    let version = program.start(None)?.version().unwrap_or_else(|| "unknown version".to_owned());
    Ok(Subject { name: program.name, path: program.path.display().to_string(), version })
}

/// A signal ends the process without unwinding, so no `Drop` stops the servers: a thread waits for it and does.
fn clean_up_on_signals(folders: Vec<PathBuf>) -> Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    // Threads inherit the mask; servers start with an empty one.
    signals.thread_block()?;
    thread::spawn(move || {
        if let Ok(signal) = signals.wait() {
            server::kill_all();
            for folder in folders {
                // What was not there need not go.
                let _ = std::fs::remove_dir_all(folder);
            }
            std::process::exit(128 + signal as i32);
        }
    });
    Ok(())
}

fn print(text: std::fmt::Arguments<'_>) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{text}").context("writing to standard output")
}

fn write_json(path: Option<&Path>, value: &impl Serialize) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let text = serde_json::to_string_pretty(value)? + "\n";
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
