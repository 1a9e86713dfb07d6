//! `firn rtt`: the round trip to each server.

use std::time::Duration;

use anyhow::{Result, ensure};
use async_nats::ServerAddr;
use clap::Args;
use serde::Serialize;

use crate::connection::ConnectionArgs;
use crate::duration;
use crate::show;

#[derive(Args, Debug)]
pub(crate) struct RttArgs {
    /// How many round trips to measure
    #[arg(value_name = "ITERATIONS", conflicts_with = "iterations")]
    count: Option<u32>,

    /// The same as a flag
    #[arg(long, default_value_t = 5)]
    iterations: u32,

    /// Show the result as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Serialize)]
struct Target {
    url: String,
    results: Vec<Measured>,
}

#[derive(Serialize)]
struct Measured {
    time: String,
    address: String,
    /// Mean, in nanoseconds.
    rtt: u128,
    min: u128,
    max: u128,
    url: String,
}

/// # Errors
/// A server cannot be reached; the others are measured all the same.
pub(crate) async fn run(args: &RttArgs, connection: &ConnectionArgs) -> Result<()> {
    let iterations = args.count.unwrap_or(args.iterations);
    ensure!(iterations > 0, "no round trip to measure");
    let (mut targets, mut failures) = (Vec::new(), Vec::new());
    for server in connection.addresses()? {
        match measure(&connection.only(&server), &server, iterations).await {
            Ok(target) => targets.push(target),
            Err(error) => failures.push(error),
        }
    }
    show(args, &targets)?;
    let Some(last) = failures.pop() else { return Ok(()) };
    for failure in &failures {
        show::note(show::causes(failure));
    }
    Err(last)
}

async fn measure(connection: &ConnectionArgs, server: &ServerAddr, iterations: u32) -> Result<Target> {
    let mut connected = connection.connect().await?;
    let mut times = Vec::new();
    for _ in 0..iterations {
        times.push(connected.sync().await?.as_nanos());
    }
    connected.close().await?;
    let url = connection.shown()?;
    let measured = Measured {
        time: show::now().to_string(),
        address: format!("{}:{}", server.host(), server.port()),
        rtt: times.iter().sum::<u128>() / u128::from(iterations),
        min: times.iter().min().copied().unwrap_or_default(),
        max: times.iter().max().copied().unwrap_or_default(),
        url: url.clone(),
    };
    Ok(Target { url, results: vec![measured] })
}

fn show(args: &RttArgs, targets: &[Target]) -> Result<()> {
    if args.json {
        return Ok(show::line(serde_json::to_string_pretty(&targets)?)?);
    }
    for target in targets {
        show::line(format_args!("{}:\n", target.url))?;
        for measured in &target.results {
            let mean = u64::try_from(measured.rtt).map_or(Duration::MAX, Duration::from_nanos);
            show::line(format_args!("   {}: {}\n", measured.address, duration::show(mean)))?;
        }
    }
    Ok(())
}
