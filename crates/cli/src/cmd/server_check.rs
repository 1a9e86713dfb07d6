//! `firn server check`: judge a running server for a monitor, in the form and with the exit codes of a Nagios plug-in.
//!
//! Exit codes: 0 all is well, 1 a warning, 2 critical.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use futures_util::StreamExt as _;
use serde::Serialize;
use tokio::time;

use crate::connection::ConnectionArgs;
use crate::duration;
use crate::show;

#[derive(Debug, Subcommand)]
pub(crate) enum CheckCommand {
    /// Connect, and send a message through the server
    #[command(visible_alias = "conn")]
    Connection(CheckConnectionArgs),
}

#[derive(Args, Debug)]
pub(crate) struct CheckConnectionArgs {
    /// Warn when connecting takes longer
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration::parse)]
    connect_warn: Duration,

    /// Critical when connecting takes longer
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::parse)]
    connect_critical: Duration,

    /// Warn when the round trip takes longer
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration::parse)]
    rtt_warn: Duration,

    /// Critical when the round trip takes longer
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::parse)]
    rtt_critical: Duration,

    /// Warn when a message to ourselves takes longer
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration::parse)]
    req_warn: Duration,

    /// Critical when a message to ourselves takes longer
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::parse)]
    req_critical: Duration,

    /// How to write the verdict
    #[arg(long, default_value = "nagios")]
    format: Format,

    /// The same as --format json
    #[arg(short, long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line for a monitor
    Nagios,
    /// For scripts
    Json,
}

/// # Errors
/// The verdict cannot be written; a server that is down is a verdict.
pub(crate) async fn run(command: &CheckCommand, connection: &ConnectionArgs) -> Result<ExitCode> {
    let CheckCommand::Connection(args) = command;
    let mut verdict = Verdict::new("Connection", "connections");
    if let Err(error) = check_connection(args, connection, &mut verdict).await {
        verdict.criticals.push(show::causes(&error));
    }
    verdict.settle();
    if args.json || args.format == Format::Json {
        show::line(serde_json::to_string_pretty(&verdict)?)?;
    } else {
        show::line(verdict.nagios())?;
    }
    Ok(ExitCode::from(verdict.status.code()))
}

async fn check_connection(args: &CheckConnectionArgs, to: &ConnectionArgs, verdict: &mut Verdict) -> Result<()> {
    let begin = Instant::now();
    let mut connection = to.connect().await?;
    let took = begin.elapsed();
    let limits = (args.connect_warn, args.connect_critical);
    verdict.judge("connect_time", took, limits, &format!("connected to {} in {}", to.shown()?, duration::show(took)));

    let rtt = connection.sync().await?;
    let limits = (args.rtt_warn, args.rtt_critical);
    verdict.judge("rtt", rtt, limits, &format!("rtt time {}", duration::show(rtt)));

    let client = connection.client.clone();
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await?;
    let begin = Instant::now();
    client.publish(inbox, vec![b'x'; 100].into()).await?;
    match time::timeout(connection.timeout, echo.next()).await {
        Ok(Some(message)) if message.payload.len() == 100 => {
            let took = begin.elapsed();
            let limits = (args.req_warn, args.req_critical);
            verdict.judge("request_time", took, limits, &format!("round trip took {:.6}s", took.as_secs_f64()));
        }
        Ok(Some(_)) => verdict.criticals.push("did not receive the message that was sent".to_owned()),
        Ok(None) | Err(_) => verdict.criticals.push("did not receive a message of our own".to_owned()),
    }
    connection.close().await
}

/// What a monitor reads.
#[derive(Debug, Serialize)]
struct Verdict {
    status: Status,
    check_suite: &'static str,
    check_name: &'static str,
    #[serde(rename = "warning", skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(rename = "critical", skip_serializing_if = "Vec::is_empty")]
    criticals: Vec<String>,
    #[serde(rename = "ok", skip_serializing_if = "Vec::is_empty")]
    oks: Vec<String>,
    perf_data: Vec<Measure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Ok,
    Warning,
    Critical,
}

impl Status {
    fn code(self) -> u8 {
        match self {
            Status::Ok => 0,
            Status::Warning => 1,
            Status::Critical => 2,
        }
    }
}

#[derive(Debug, Serialize)]
struct Measure {
    name: &'static str,
    value: f64,
    warning: f64,
    critical: f64,
    unit: &'static str,
}

impl Verdict {
    fn new(check_name: &'static str, check_suite: &'static str) -> Self {
        let (warnings, criticals, oks) = (Vec::new(), Vec::new(), Vec::new());
        Self { status: Status::Ok, check_suite, check_name, warnings, criticals, oks, perf_data: Vec::new() }
    }

    /// A limit of zero does not count.
    fn judge(&mut self, name: &'static str, took: Duration, (warning, critical): (Duration, Duration), text: &str) {
        let exceeds = |limit: Duration| limit != Duration::ZERO && took >= limit;
        if exceeds(critical) {
            self.criticals.push(format!("{text}, the limit is {}", duration::show(critical)));
        } else if exceeds(warning) {
            self.warnings.push(format!("{text}, the limit is {}", duration::show(warning)));
        } else {
            self.oks.push(text.to_owned());
        }
        let [value, warning, critical] = [took, warning, critical].map(|time| time.as_secs_f64());
        self.perf_data.push(Measure { name, value, warning, critical, unit: "s" });
    }

    fn settle(&mut self) {
        self.status = match (self.criticals.as_slice(), self.warnings.as_slice()) {
            ([_, ..], _) => Status::Critical,
            ([], [_, ..]) => Status::Warning,
            ([], []) => Status::Ok,
        };
    }

    /// `OK Connection OK:connected … | rtt=0.0001s;0.5000;1.0000`
    fn nagios(&self) -> String {
        let word = match self.status {
            Status::Ok => "OK",
            Status::Warning => "WARNING",
            Status::Critical => "CRITICAL",
        };
        let crit = self.criticals.iter().map(|text| format!("Crit:{text}"));
        let warn = self.warnings.iter().map(|text| format!("Warn:{text}"));
        let ok = self.oks.iter().map(|text| format!("OK:{text}"));
        let texts: Vec<String> = crit.chain(warn).chain(ok).collect();
        let measures = self.perf_data.iter().map(|measure| {
            let Measure { name, value, warning, critical, unit } = measure;
            format!("{name}={value:.4}{unit};{warning:.4};{critical:.4}")
        });
        let measures: Vec<String> = measures.collect();
        let mut line = format!("{word} {} {}", self.check_name, texts.join(" "));
        if !measures.is_empty() {
            line.push_str(" | ");
            line.push_str(&measures.join(" "));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    //! Verdicts from times and limits.

    use super::*;

    #[track_caller]
    fn check(took_ms: u64, expected: &str, code: u8) {
        let mut verdict = Verdict::new("Connection", "connections");
        let limits = (Duration::from_millis(500), Duration::from_secs(1));
        verdict.judge("rtt", Duration::from_millis(took_ms), limits, "rtt time");
        verdict.settle();
        assert_eq!(verdict.nagios(), expected);
        assert_eq!(verdict.status.code(), code);
    }

    #[test]
    fn a_time_is_held_against_its_limits() {
        check(1, "OK Connection OK:rtt time | rtt=0.0010s;0.5000;1.0000", 0);
        check(500, "WARNING Connection Warn:rtt time, the limit is 500.000ms | rtt=0.5000s;0.5000;1.0000", 1);
        check(1000, "CRITICAL Connection Crit:rtt time, the limit is 1.000s | rtt=1.0000s;0.5000;1.0000", 2);
    }
}
