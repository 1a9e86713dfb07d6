//! The row that starts a server and stops it again.

use anyhow::Result;

use crate::figure::Figure;
use crate::server::Program;

use super::Outcome;

pub(super) fn run(program: &Program) -> Result<Outcome> {
    let server = program.start(None)?;
    let nanoseconds = server.ready_after.as_secs_f64() * 1e9;
    Ok(Outcome { figures: vec![(Figure::ReadyAfter, nanoseconds)], generator_cores: None })
}
