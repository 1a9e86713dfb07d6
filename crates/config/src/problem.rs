//! What is wrong with a configuration, as lines for the operator.

use std::fmt;

use crate::value::Position;

/// One remark about a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is, if it is at one place.
    pub position: Option<Position>,
    /// The whole line, its position included, without a newline.
    pub text: String,
}

impl Problem {
    /// A problem in the usual form `file:line:column: text`.
    pub(crate) fn at(position: Option<Position>, text: impl fmt::Display) -> Problem {
        let text = match &position {
            Some(position) => format!("{position}: {text}"),
            None => text.to_string(),
        };
        Problem { position, text }
    }

    /// A problem of the configuration as a whole.
    pub(crate) fn nowhere(text: impl Into<String>) -> Problem {
        Problem { position: None, text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A configuration that cannot be used. Shown as lines, warnings first, without a newline at the end. (The NATS
/// server ends every line with one, except that of a text it cannot parse, and then the whole message again.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// What would only have been remarked.
    pub warnings: Vec<Problem>,
    /// What makes it unusable; never empty.
    pub errors: Vec<Problem>,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.warnings.iter().chain(&self.errors).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(problem, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {}
