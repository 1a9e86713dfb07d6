//! A whole process: a server with its log, its signals and its exit code, for the command line.

use std::{io, panic, process::ExitCode, sync::Arc};

use firn_config::LogOptions;
use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};

use crate::{
    boot,
    conn::linger,
    embed::{Running, StartError},
    lame_duck,
    log::Log,
    reload,
    source::{ConfigSource, Loaded, cannot_open},
    state::Phase,
};

/// What the command line asks for.
#[derive(Debug)]
pub struct Launch {
    /// Where the options come from.
    pub source: ConfigSource,
    /// Log in JSON, an object a line.
    pub log_json: bool,
}

/// Runs a server until a signal ends it.
///
/// # Errors
/// What is wrong with the configuration, to be shown before the log begins. What goes wrong later is logged.
pub fn run(launch: Launch) -> Result<ExitCode, StartError> {
    let loaded = launch.source.load()?;
    let log = Log::install(&loaded.options.log, launch.log_json)
        .map_err(|error| StartError::Option(cannot_log(&loaded.options.log, &error)))?;
    panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    let mut builder = runtime::Builder::new_multi_thread();
    linger::install(&mut builder);
    let runtime =
        builder.thread_name("firn").enable_all().build().map_err(|error| StartError::System(error.to_string()))?;
    match runtime.block_on(serve(launch.source, loaded, &log)) {
        Err(error @ (StartError::Fatal(_) | StartError::Listen { .. } | StartError::System(_))) => {
            tracing::error!(fatal = true, "{error}");
            Ok(ExitCode::FAILURE)
        }
        outcome => outcome,
    }
}

/// Why there is no log.
pub(crate) fn cannot_log(options: &LogOptions, error: &io::Error) -> String {
    format!("error opening file: {}", cannot_open(options.file.as_deref().unwrap_or_default(), error))
}

/// The signals that the process listens to.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    user_1: Signal,
    user_2: Signal,
}

impl Signals {
    fn listen() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            user_1: signal(SignalKind::user_defined1())?,
            user_2: signal(SignalKind::user_defined2())?,
        })
    }
}

async fn serve(source: ConfigSource, loaded: Loaded, log: &Log) -> Result<ExitCode, StartError> {
    // From here on no signal ends the process before it has told its clients.
    let mut signals = Signals::listen().map_err(|error| StartError::System(error.to_string()))?;
    let mut running = boot::boot(source, loaded, None).await?;
    wait_for_end(&running, &mut signals, log).await;
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Obeys signals until one of them ends the server, or lame duck mode is over.
async fn wait_for_end(running: &Running, signals: &mut Signals, log: &Log) {
    let state = &running.state;
    let mut leaving = JoinSet::new();
    loop {
        // All branches are cancel-safe: a signal that was not taken stays, and so does a task that was not joined.
        tokio::select! {
            Some(_) = leaving.join_next() => return,
            _ = signals.interrupt.recv() => {
                trapped("interrupt");
                return;
            }
            _ = signals.terminate.recv() => {
                trapped("terminated");
                if *state.phase.borrow() != Phase::LameDuck {
                    return;
                }
            }
            _ = signals.hang_up.recv() => {
                trapped("hangup");
                if let Err(error) = reload::reload(state, Some(log)) {
                    tracing::error!("Failed to reload server configuration: {error}");
                }
            }
            reply = state.events.reload_asked() => {
                let outcome = reload::reload(state, Some(log));
                if let Err(error) = &outcome {
                    tracing::error!("Failed to reload server configuration: {error}");
                }
                // Who asked may have given up.
                let _ = reply.send(outcome);
            }
            _ = signals.user_1.recv() => {
                trapped("user defined signal 1");
                reopen(log);
            }
            _ = signals.user_2.recv() => {
                trapped("user defined signal 2");
                if !state.is_leaving() {
                    leaving.spawn(lame_duck::run(Arc::clone(state)));
                }
            }
        }
    }
}

fn trapped(signal: &str) {
    tracing::info!("Trapped {signal:?} signal");
}

fn reopen(log: &Log) {
    match log.reopen() {
        Ok(true) => tracing::info!("File log re-opened"),
        Ok(false) => tracing::info!("File log re-open ignored, not a file logger"),
        Err(error) => tracing::error!("File log could not be re-opened: {error}"),
    }
}
