//! The log: which events are kept, and where their lines go.
//!
//! A subscriber of `tracing` in the form that nats-server's users and tools know. It is installed by the command only; a
//! program that embeds the server has its own. Spans are not used: an event of a client names it in a field.
//!
//! ```text
//!   event ─► is its level on? ─► line ─► standard error, or a file ─► (rotation)
//! ```
//!
//! Not here: what is worth an event.

mod drain;
mod file;
mod line;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
};

use firn_config::LogOptions;
#[expect(clippy::disallowed_types, reason = "leaf lock: see Log")]
use parking_lot::Mutex;
use tracing::{Event, Level, Metadata, Subscriber, callsite, level_filters::LevelFilter, span, subscriber};

use self::{
    file::LogFile,
    line::{Form, Line, Zone},
};
use crate::clock;

/// The process's log.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "leaf lock: lines are written one after another")]
pub(crate) struct Log {
    /// As `Level::TRACE` and so on count: 1 is errors only, 5 is everything.
    verbosity: AtomicU8,
    is_json: bool,
    outlet: Mutex<Outlet>,
}

#[derive(Debug)]
struct Outlet {
    form: Form,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    StandardError(drain::Drain<io::Stderr>),
    File(LogFile),
}

/// The event is the last one of this process: `tracing::error!(fatal = true, …)`.
const FATAL: &str = "fatal";
/// The event is about this client.
const CLIENT: &str = "client";

#[expect(clippy::disallowed_types, reason = "leaf lock: see Log")]
impl Log {
    /// Makes this the log of the whole process, once in its life.
    ///
    /// # Errors
    /// The log file cannot be opened.
    pub(crate) fn install(options: &LogOptions, is_json: bool) -> io::Result<Arc<Log>> {
        let outlet = Outlet::open(options, is_json)?;
        let verbosity = AtomicU8::new(verbosity(options));
        let log = Arc::new(Log { verbosity, is_json, outlet: Mutex::new(outlet) });
        // Where somebody else has installed a log before, it stays.
        let _ = subscriber::set_global_default(Lines(Arc::clone(&log)));
        Ok(log)
    }

    /// Takes new options over.
    ///
    /// # Errors
    /// The log file cannot be opened; everything stays as it was.
    pub(crate) fn configure(&self, options: &LogOptions) -> io::Result<()> {
        let opened = Outlet::open(options, self.is_json)?;
        *self.outlet.lock() = opened;
        self.verbosity.store(verbosity(options), Relaxed);
        callsite::rebuild_interest_cache();
        Ok(())
    }

    /// Opens the log file again, since somebody moved it away. False when the log is no file.
    ///
    /// # Errors
    /// The log file cannot be opened; the one that is open stays.
    pub(crate) fn reopen(&self) -> io::Result<bool> {
        match &mut self.outlet.lock().sink {
            Sink::StandardError(_) => Ok(false),
            Sink::File(file) => file.reopen().map(|()| true),
        }
    }

    fn write(&self, event: &Event<'_>) {
        let mut line = Line::of(event);
        line.at = clock::timestamp();
        let mut text = String::new();
        let mut outlet = self.outlet.lock();
        let Outlet { form, sink } = &mut *outlet;
        form.write(&line, &mut text);
        match sink {
            Sink::StandardError(drain) => drop(drain.write(text.as_bytes(), form)),
            Sink::File(file) => file.write(text.as_bytes(), line.at, form),
        }
    }
}

fn verbosity(options: &LogOptions) -> u8 {
    match (options.trace, options.debug) {
        (true, _) => 5,
        (false, true) => 4,
        (false, false) => 3,
    }
}

impl Outlet {
    fn open(options: &LogOptions, is_json: bool) -> io::Result<Outlet> {
        let zone = if options.logtime_utc { Zone::Utc } else { Zone::Local };
        let form = Form { is_json, has_time: options.logtime, zone, has_colour: false };
        match &options.file {
            Some(path) => {
                let file = LogFile::open(path.into(), options.size_limit, options.max_files)?;
                Ok(Outlet { form, sink: Sink::File(file) })
            }
            None => {
                let has_colour = io::IsTerminal::is_terminal(&io::stderr());
                let drain = drain::Drain::new(io::stderr());
                Ok(Outlet { form: Form { has_colour, ..form }, sink: Sink::StandardError(drain) })
            }
        }
    }
}

/// The log as `tracing` sees it.
struct Lines(Arc<Log>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let verbosity = match *metadata.level() {
            Level::ERROR => 1,
            Level::WARN => 2,
            Level::INFO => 3,
            Level::DEBUG => 4,
            Level::TRACE => 5,
        };
        // Libraries are quiet unless something is wrong.
        let is_ours = metadata.target().starts_with("firn");
        !metadata.is_span() && verbosity <= self.0.verbosity.load(Relaxed) && (is_ours || verbosity <= 2)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.0.verbosity.load(Relaxed) {
            0..=3 => LevelFilter::INFO,
            4 => LevelFilter::DEBUG,
            5.. => LevelFilter::TRACE,
        })
    }

    fn event(&self, event: &Event<'_>) {
        self.0.write(event);
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}
