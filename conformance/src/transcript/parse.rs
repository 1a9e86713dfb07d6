//! The transcript file: a head of `#` lines, then one step a line.
//!
//! ```text
//! # What this transcript shows, in a sentence.
//! # needs: sockets
//! # firn differs: why Firn answers otherwise on purpose
//! # flags: -user alice -pass secret
//! # config:
//! #   ping_interval: "200ms"
//! # config reloaded:
//! #   ping_interval: "1s"
//!
//! a> PUB foo 2|hi                     send, with CRLF at the end
//! a>> PUB foo                         send exactly these bytes
//! a< MSG foo 1 2|hi                   the next frame on this connection
//! 3 times a< +OK                      the same step again
//! one of a< PONG, b< PONG             exactly one of these is the next frame
//! in any order a< PONG, a< +OK        all of these are next, in any order
//! no more                             every connection is silent
//! a closed                            the server has closed it
//! a close                             the client closes it
//! a open                              open it and do not wait for INFO, as other first mentions do
//! a tls [as IDENTITY]                 start TLS
//! wait 300ms
//! server reload reloaded              replace the configuration file, signal the server
//! server refuses broken               the same, and the server keeps its old configuration
//! server lame duck
//! server interrupt
//! get /varz is {"connections":1}      a monitoring page comes to have these members
//! ```

use std::time::Duration;

use serde_json::Value;

use super::pattern::{Pattern, PatternError};

/// A conversation, ready to be performed.
#[derive(Debug)]
pub struct Transcript {
    /// The sentence at its top.
    pub title: String,
    /// Whether it shows something that only exists with sockets, processes or real time.
    pub needs_sockets: bool,
    /// Why Firn answers otherwise on purpose; the file then only documents `nats-server`.
    pub differs: Option<String>,
    /// Command line flags the server is started with.
    pub flags: Vec<String>,
    /// The server's configuration file, empty for none. `<certs>` stands for the folder of certificates and `<dir>` for
    /// an empty folder of the server's own.
    pub config: String,
    /// Configurations that `server reload NAME` changes to.
    pub reloads: Vec<(String, String)>,
    /// The steps in order.
    pub lines: Vec<Line>,
}

/// A step and where it stands.
#[derive(Debug)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// The line as written.
    pub text: String,
    /// How often the step is done.
    pub times: u32,
    /// What is done.
    pub step: Step,
}

/// One thing that happens in a conversation.
#[derive(Debug)]
pub enum Step {
    /// The client sends these bytes; `complete` if they end a line, so that a PING may follow.
    Send {
        /// The sender.
        connection: String,
        /// What is sent.
        pattern: Pattern,
        /// Whether it ends in CRLF by construction.
        complete: bool,
    },
    /// The server's next frame.
    Expect(Expectation),
    /// Exactly one of these frames is there.
    OneOf(Vec<Expectation>),
    /// These frames are next, in any order.
    AnyOrder(Vec<Expectation>),
    /// No connection has anything more to say.
    NoMore,
    /// The server has closed the connection.
    Closed {
        /// Which one.
        connection: String,
    },
    /// The client closes the connection.
    Close {
        /// Which one.
        connection: String,
    },
    /// The client connects and speaks first.
    Open {
        /// Which one.
        connection: String,
    },
    /// TLS begins.
    Tls {
        /// Where.
        connection: String,
        /// The client certificate to show.
        identity: Option<String>,
    },
    /// Time passes.
    Wait(Duration),
    /// Something is done to the server.
    Server(ServerCommand),
    /// A monitoring page comes to have these members.
    Page {
        /// Path and query.
        path: String,
        /// What it must contain.
        expected: Value,
    },
}

/// A frame expected on a connection.
#[derive(Debug)]
pub struct Expectation {
    /// The receiver.
    pub connection: String,
    /// What it receives.
    pub pattern: Pattern,
}

/// What can be done to a server from outside its sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerCommand {
    /// Put this configuration in place of the old one and signal a reload.
    Reload(String),
    /// The same, with a configuration that the server must not take.
    Refuse(String),
    /// Signal lame duck mode.
    LameDuck,
    /// Signal an interrupt, as ctrl-C does.
    Interrupt,
}

/// Why a file is not a transcript.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// The file does not begin with a sentence saying what it shows.
    #[error("the first line must be a comment saying what the transcript shows")]
    NoTitle,
    /// A line that is no step.
    #[error("line {0}: not a step: {1:?}")]
    UnknownStep(usize, String),
    /// A step whose text does not parse.
    #[error("line {0}: {1}")]
    Pattern(usize, PatternError),
    /// A `server reload` of a configuration that the head does not have.
    #[error("line {0}: the head has no configuration {1:?}")]
    UnknownConfig(usize, String),
    /// A step that needs sockets in a file that does not say so.
    #[error("line {0}: this step requires the head to say `needs: sockets`")]
    NeedsSockets(usize),
}

impl Transcript {
    /// Reads a transcript file.
    ///
    /// # Errors
    /// At the first line that is not well formed.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut transcript = Self::parse_head(text)?;
        for (index, text) in text.lines().enumerate() {
            let number = index + 1;
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            let line = parse_step(number, text, &transcript.reloads)?;
            if !transcript.needs_sockets && line.step.needs_sockets() {
                return Err(ParseError::NeedsSockets(number));
            }
            transcript.lines.push(line);
        }
        Ok(transcript)
    }

    fn parse_head(text: &str) -> Result<Self, ParseError> {
        let title = text.lines().next().and_then(|line| line.strip_prefix("# ")).ok_or(ParseError::NoTitle)?;
        let mut head = Self {
            title: title.to_owned(),
            needs_sockets: false,
            differs: None,
            flags: Vec::new(),
            config: String::new(),
            reloads: Vec::new(),
            lines: Vec::new(),
        };
        // Indented lines belong to the configuration opened last.
        let mut block: Option<String> = None;
        for line in text.lines().take_while(|line| line.starts_with('#')) {
            let line = line.trim_start_matches('#');
            if let (Some(name), Some(config_line)) = (&block, line.strip_prefix("   ")) {
                let config = match head.reloads.last_mut() {
                    Some((last, config)) if last == name => config,
                    _ => &mut head.config,
                };
                config.push_str(config_line);
                config.push('\n');
                continue;
            }
            block = None;
            match line.trim().split_once(':') {
                Some(("needs", needs)) => head.needs_sockets = needs.trim() == "sockets",
                Some(("firn differs", reason)) => head.differs = Some(reason.trim().to_owned()),
                Some(("flags", flags)) => head.flags = flags.split_whitespace().map(str::to_owned).collect(),
                Some(("config", "")) => block = Some(String::new()),
                Some((key, "")) if key.starts_with("config ") => {
                    let name = key.trim_start_matches("config ").to_owned();
                    head.reloads.push((name.clone(), String::new()));
                    block = Some(name);
                }
                _ => {}
            }
        }
        Ok(head)
    }
}

impl Step {
    /// Whether the step only makes sense before a running process.
    fn needs_sockets(&self) -> bool {
        match self {
            Self::Tls { .. } | Self::Wait(_) | Self::Server(_) | Self::Page { .. } => true,
            Self::Send { .. }
            | Self::Expect(_)
            | Self::OneOf(_)
            | Self::AnyOrder(_)
            | Self::NoMore
            | Self::Open { .. }
            | Self::Closed { .. }
            | Self::Close { .. } => false,
        }
    }
}

fn parse_step(number: usize, text: &str, reloads: &[(String, String)]) -> Result<Line, ParseError> {
    let unknown = || ParseError::UnknownStep(number, text.to_owned());
    let pattern = |parsed: Result<Pattern, PatternError>| parsed.map_err(|error| ParseError::Pattern(number, error));
    let (times, step_text) = match text.split_once(" times ") {
        Some((count, rest)) if count.parse::<u32>().is_ok() => (count.parse().map_err(|_| unknown())?, rest),
        _ => (1, text),
    };
    let step = if let Some(list) = step_text.strip_prefix("one of ") {
        Step::OneOf(parse_expectations(number, list)?)
    } else if let Some(list) = step_text.strip_prefix("in any order ") {
        Step::AnyOrder(parse_expectations(number, list)?)
    } else if step_text == "no more" {
        Step::NoMore
    } else if let Some(millis) = step_text.strip_prefix("wait ").and_then(|rest| rest.strip_suffix("ms")) {
        Step::Wait(Duration::from_millis(millis.parse().map_err(|_| unknown())?))
    } else if let Some(page) = step_text.strip_prefix("get ") {
        let (path, json) = page.split_once(" is ").ok_or_else(unknown)?;
        let expected =
            serde_json::from_str(json).map_err(|_| ParseError::Pattern(number, PatternError::Json(json.to_owned())))?;
        Step::Page { path: path.to_owned(), expected }
    } else if let Some(command) = step_text.strip_prefix("server ") {
        Step::Server(parse_command(number, command, reloads)?.ok_or_else(unknown)?)
    } else {
        let name_len = step_text.find(['>', '<', ' ']).ok_or_else(unknown)?;
        let (name, rest) = step_text.split_at(name_len);
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(unknown());
        }
        let connection = name.to_owned();
        if let Some(raw) = rest.strip_prefix(">> ") {
            Step::Send { connection, pattern: pattern(Pattern::parse_raw(raw))?, complete: false }
        } else if let Some(line) = rest.strip_prefix('>') {
            let line = line.strip_prefix(' ').unwrap_or(line);
            Step::Send { connection, pattern: pattern(Pattern::parse_line(line))?, complete: true }
        } else if let Some(frame) = rest.strip_prefix("< ") {
            Step::Expect(Expectation { connection, pattern: pattern(Pattern::parse_expected(frame))? })
        } else {
            parse_deed(connection, rest.trim_start()).ok_or_else(unknown)?
        }
    };
    Ok(Line { number, text: text.to_owned(), times, step })
}

/// What happens to a connection apart from bytes.
fn parse_deed(connection: String, words: &str) -> Option<Step> {
    let words: Vec<&str> = words.split_whitespace().collect();
    match words.as_slice() {
        ["closed"] => Some(Step::Closed { connection }),
        ["close"] => Some(Step::Close { connection }),
        ["open"] => Some(Step::Open { connection }),
        ["tls"] => Some(Step::Tls { connection, identity: None }),
        ["tls", "as", identity] => Some(Step::Tls { connection, identity: Some((*identity).to_owned()) }),
        _ => None,
    }
}

fn parse_command(
    number: usize,
    command: &str,
    reloads: &[(String, String)],
) -> Result<Option<ServerCommand>, ParseError> {
    let (verb, name) = command.split_once(' ').unwrap_or((command, ""));
    let config = || match reloads.iter().find(|(known, _)| known == name) {
        Some((_, config)) => Ok(config.clone()),
        None => Err(ParseError::UnknownConfig(number, name.to_owned())),
    };
    Ok(match (verb, name) {
        ("lame", "duck") => Some(ServerCommand::LameDuck),
        ("interrupt", "") => Some(ServerCommand::Interrupt),
        ("reload", _) => Some(ServerCommand::Reload(config()?)),
        ("refuses", _) => Some(ServerCommand::Refuse(config()?)),
        _ => None,
    })
}

/// Reads `a< FRAME, b< FRAME`: a comma begins the next one only before `name<`.
fn parse_expectations(number: usize, list: &str) -> Result<Vec<Expectation>, ParseError> {
    let mut texts: Vec<String> = Vec::new();
    for part in list.split(", ") {
        let begins = part
            .split_once("< ")
            .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()));
        match texts.last_mut() {
            Some(last) if !begins => {
                last.push_str(", ");
                last.push_str(part);
            }
            _ => texts.push(part.to_owned()),
        }
    }
    let parse_one = |text: String| {
        let (connection, frame) = text.split_once("< ").ok_or_else(|| ParseError::UnknownStep(number, text.clone()))?;
        let pattern = Pattern::parse_expected(frame).map_err(|error| ParseError::Pattern(number, error))?;
        Ok(Expectation { connection: connection.to_owned(), pattern })
    };
    texts.into_iter().map(parse_one).collect()
}
