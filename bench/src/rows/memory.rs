//! Rows about memory at rest: resident bytes with and without something, divided by how much of it there is.

use std::fmt::Write;

use anyhow::{Context, Result, ensure};

use crate::connection::Connection;
use crate::figure::Figure;
use crate::server::{Program, Server};

use super::{Outcome, Plan};

/// Files the generator and the server need besides the connections.
const FILES_RESERVED: u64 = 200;

/// Connections that carry the subscriptions between them.
const SUBSCRIBING_CONNECTIONS: u64 = 4;
const SUBSCRIPTIONS_PER_WRITE: u64 = 1_000;

pub(super) fn idle_connections(program: &Program, plan: &Plan, plain: u64, tls: u64) -> Result<Outcome> {
    let openable = plan.open_files_max.saturating_sub(FILES_RESERVED);
    let figures = vec![
        (Figure::BytesPerConnection, per_connection(program, plan, false, (plain / plan.divisor).min(openable))?),
        (Figure::BytesPerTlsConnection, per_connection(program, plan, true, (tls / plan.divisor).min(openable))?),
    ];
    Ok(Outcome { figures, generator_cores: None })
}

pub(super) fn subscriptions(program: &Program, plan: &Plan, count: u64) -> Result<Outcome> {
    let server = program.start(None)?;
    let mut connections =
        (0..SUBSCRIBING_CONNECTIONS).map(|_| Connection::open(server.address, None)).collect::<Result<Vec<_>>>()?;
    let per_connection = count / plan.divisor / SUBSCRIBING_CONNECTIONS;
    let before = server.settled_resident_bytes()?;
    for (index, connection) in connections.iter_mut().enumerate() {
        subscribe_many(connection, index, per_connection).with_context(|| format!("on connection {index}"))?;
    }
    let bytes = growth(&server, before)? / (per_connection * SUBSCRIBING_CONNECTIONS) as f64;
    Ok(Outcome { figures: vec![(Figure::BytesPerSubscription, bytes)], generator_cores: None })
}

fn per_connection(program: &Program, plan: &Plan, is_tls: bool, count: u64) -> Result<f64> {
    ensure!(count > 0, "no connection can be opened: the limit on open files is {}", plan.open_files_max);
    let server = program.start(is_tls.then_some(plan.tls.server_config.as_path()))?;
    let mut connections = Vec::with_capacity(usize::try_from(count)?);
    let mut open = |number: u64| -> Result<()> {
        let mut connection = Connection::open(server.address, is_tls.then_some(&plan.tls.client))?;
        connection.subscribe(&format!("device.{number:08}.commands"), None, 1)?;
        connection.settle()?;
        connections.push(connection);
        Ok(())
    };
    // The first one pays for what all share.
    open(0)?;
    let before = server.settled_resident_bytes()?;
    for number in 1..=count {
        open(number).with_context(|| format!("opening connection {number} of {count}"))?;
    }
    Ok(growth(&server, before)? / count as f64)
}

/// Subscribes to subjects of 24 bytes that no other connection has, and waits until the server holds them.
fn subscribe_many(connection: &mut Connection, index: usize, count: u64) -> Result<()> {
    let mut batch = String::new();
    for number in 0..count {
        write!(batch, "SUB sensor.{index}.room.{number:08} {}\r\n", number + 1)?;
        if (number + 1) % SUBSCRIPTIONS_PER_WRITE == 0 || number + 1 == count {
            connection.send(batch.as_bytes())?;
            batch.clear();
        }
    }
    connection.settle()
}

fn growth(server: &Server, before: u64) -> Result<f64> {
    let after = server.settled_resident_bytes()?;
    Ok(after as f64 - before as f64)
}
