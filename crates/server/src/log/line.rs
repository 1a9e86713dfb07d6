//! How a line looks: as nats-server's, or one JSON object.

use std::{
    fmt::{self, Write as _},
    process,
};

use firn_id::Timestamp;
use jiff::tz::TimeZone;
use tracing::{
    Event, Level,
    field::{Field, Visit},
};

use super::{CLIENT, FATAL};

/// An event, taken apart.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) level: Level,
    pub(super) is_fatal: bool,
    /// Which client it is about; empty if it is about none.
    pub(super) client: String,
    pub(super) message: String,
    /// All else that the event says.
    pub(super) fields: Vec<(&'static str, String)>,
}

/// The look of all lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) is_json: bool,
    pub(super) has_time: bool,
    pub(super) has_colour: bool,
    pub(super) zone: Zone,
}

/// Whose time it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Zone {
    Local,
    Utc,
}

impl Zone {
    /// Seconds east of Greenwich at a moment.
    pub(super) fn offset(self, at: Timestamp) -> i32 {
        match self {
            Zone::Utc => 0,
            Zone::Local => jiff::Timestamp::from_nanosecond(at.unix_nanos().into())
                .map_or(0, |at| TimeZone::system().to_offset(at).seconds()),
        }
    }
}

impl Line {
    /// Not yet dated.
    pub(super) fn of(event: &Event<'_>) -> Line {
        let mut line = Line::new(*event.metadata().level(), String::new());
        event.record(&mut line);
        line
    }

    pub(super) fn new(level: Level, message: String) -> Line {
        let (client, fields) = (String::new(), Vec::new());
        Line { at: Timestamp::default(), level, is_fatal: false, client, message, fields }
    }
}

impl Visit for Line {
    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == FATAL {
            self.is_fatal = value;
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            CLIENT => value.clone_into(&mut self.client),
            name => self.fields.push((name, value.to_owned())),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

impl Form {
    /// Appends the line with its end.
    pub(super) fn write(&self, line: &Line, text: &mut String) {
        // Text in memory takes everything.
        let _ = if self.is_json { write_json(line, text) } else { self.write_plain(line, text) };
    }

    fn write_plain(&self, line: &Line, text: &mut String) -> fmt::Result {
        write!(text, "[{}] ", process::id())?;
        if self.has_time {
            let (year, month, day, hour, minute, second) = line.at.civil(self.zone.offset(line.at));
            let micros = line.at.subsecond_nanos() / 1000;
            write!(text, "{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06} ")?;
        }
        let (label, colour) = line.label();
        if self.has_colour {
            write!(text, "[\x1b[{colour}m{label}\x1b[0m] ")?;
        } else {
            write!(text, "[{label}] ")?;
        }
        if !line.client.is_empty() {
            push_visible(text, &line.client);
            text.push_str(" - ");
        }
        push_visible(text, &line.message);
        for (name, value) in &line.fields {
            write!(text, " {name}=")?;
            if value.is_empty() || value.contains(|char: char| char.is_whitespace() || char == '"') {
                write!(text, "{value:?}")?;
            } else {
                push_visible(text, value);
            }
        }
        text.push('\n');
        Ok(())
    }
}

fn write_json(line: &Line, text: &mut String) -> fmt::Result {
    let quoted = |value: &str| serde_json::Value::from(value).to_string();
    write!(text, "{{\"time\":\"{}\",\"level\":\"{}\",\"pid\":{}", line.at, line.level_name(), process::id())?;
    if !line.client.is_empty() {
        write!(text, ",\"client\":{}", quoted(&line.client))?;
    }
    write!(text, ",\"message\":{}", quoted(&line.message))?;
    for (name, value) in &line.fields {
        write!(text, ",{}:{}", quoted(name), quoted(value))?;
    }
    text.push_str("}\n");
    Ok(())
}

/// A line stays one line whatever a client calls itself.
fn push_visible(text: &mut String, part: &str) {
    for char in part.chars() {
        if char.is_control() {
            text.extend(char.escape_default());
        } else {
            text.push(char);
        }
    }
}

impl Line {
    /// nats-server's label, and its colour on a terminal.
    fn label(&self) -> (&'static str, &'static str) {
        match self.level {
            Level::ERROR if self.is_fatal => ("FTL", "31"),
            Level::ERROR => ("ERR", "31"),
            Level::WARN => ("WRN", "0;93"),
            Level::INFO => ("INF", "32"),
            Level::DEBUG => ("DBG", "36"),
            Level::TRACE => ("TRC", "33"),
        }
    }

    fn level_name(&self) -> &'static str {
        match self.level {
            Level::ERROR if self.is_fatal => "fatal",
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Form = Form { is_json: false, has_time: true, has_colour: false, zone: Zone::Utc };

    fn line(level: Level, message: &str) -> Line {
        let at = Timestamp::from_unix_nanos(1_795_235_797_556_510_999);
        Line { at, ..Line::new(level, message.to_owned()) }
    }

    fn check(form: Form, line: &Line, expected: &str) {
        let mut text = String::new();
        form.write(line, &mut text);
        assert_eq!(text, expected.replace("PID", &process::id().to_string()) + "\n");
    }

    #[test]
    fn plain_lines_are_those_of_nats_server() {
        let ready = line(Level::INFO, "Server is ready");
        check(PLAIN, &ready, "[PID] 2026/11/21 04:36:37.556510 [INF] Server is ready");
        check(Form { has_time: false, ..PLAIN }, &ready, "[PID] [INF] Server is ready");
        check(
            Form { has_colour: true, ..PLAIN },
            &ready,
            "[PID] 2026/11/21 04:36:37.556510 [\x1b[32mINF\x1b[0m] Server is ready",
        );
        let fatal = Line { is_fatal: true, ..line(Level::ERROR, "no") };
        check(PLAIN, &fatal, "[PID] 2026/11/21 04:36:37.556510 [FTL] no");
    }

    #[test]
    fn clients_come_first_and_fields_last() {
        let client = "127.0.0.1:55212 - cid:5 - \"v1:rs:x\" - \"$G/user:u\"".to_owned();
        let fields = vec![("left", "2".to_owned()), ("name", "two words".to_owned()), ("none", String::new())];
        let line = Line { client, fields, ..line(Level::WARN, "slow") };
        check(
            Form { has_time: false, ..PLAIN },
            &line,
            "[PID] [WRN] 127.0.0.1:55212 - cid:5 - \"v1:rs:x\" - \"$G/user:u\" - slow left=2 name=\"two words\" none=\"\"",
        );
        check(
            Form { is_json: true, ..PLAIN },
            &line,
            concat!(
                r#"{"time":"2026-11-21T04:36:37.556510999Z","level":"warn","pid":PID,"#,
                r#""client":"127.0.0.1:55212 - cid:5 - \"v1:rs:x\" - \"$G/user:u\"","#,
                r#""message":"slow","left":"2","name":"two words","none":""}"#,
            ),
        );
    }

    #[test]
    fn nobody_can_write_lines_of_their_own() {
        let forged = line(Level::INFO, "hello\r\n[1] [INF] forged\x1b[2J");
        check(Form { has_time: false, ..PLAIN }, &forged, "[PID] [INF] hello\\r\\n[1] [INF] forged\\u{1b}[2J");
    }

    #[test]
    fn local_time_is_the_zone_of_the_system() {
        let at = Timestamp::from_unix_nanos(0);
        assert!((-18 * 3600..=18 * 3600).contains(&Zone::Local.offset(at)));
    }
}
