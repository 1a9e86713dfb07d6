//! Puts into a bucket for a long time at 80 % of a server's own rate, so that it has to make checkpoints and to compact.

use std::time::Duration;

use anyhow::Result;

use crate::figure::Figure;
use crate::load::Span;
use crate::open_loop::{OneWay, Schedule, alone};
use crate::options::Options;
use crate::proc::Machine;
use crate::soak::{self, FULL_LOAD, HEADING, LOAD, Soak};
use crate::{Scale, print, write_json};

use super::column::{Column, Running};
use super::layout::Layout;
use super::loads::{self, ONE, Plan};
use super::publish::{Load, PAYLOAD_BYTES, Publishers};
use super::{Columns, StoreFolder};

const KEYS: u64 = 100_000;

/// Puts under way at most. A server that is so far behind delays the schedule, which the latencies then show.
const BEHIND_MAX: Publishers = Publishers { count: 1, window: 16_384 };

/// Soaks each server, and prints a line for each.
pub(crate) fn run(
    options: &Options,
    columns: &Columns,
    stores: &StoreFolder,
    scale: Scale,
    machine: &Machine,
    duration: Duration,
) -> Result<()> {
    print(format_args!("Machine: {machine}.  \nDisk: {}.\n\n{HEADING}", stores.disk()?))?;
    let mut soaks = Vec::new();
    for column in [&columns.firn, &columns.lazy, &columns.always] {
        let soak = soak(column, stores, scale, duration)?;
        print(format_args!("{soak}"))?;
        soaks.push(soak);
    }
    write_json(options.json.as_deref(), &soaks)
}

fn soak(column: &Column, stores: &StoreFolder, scale: Scale, duration: Duration) -> Result<Soak> {
    let name = column.program.name;
    eprintln!("measuring the rate of {name}");
    let span = Span { warm_up: FULL_LOAD.warm_up / scale.divisor, measured: FULL_LOAD.measured / scale.divisor };
    let plan = Plan { span, divisor: scale.divisor.into(), stores };
    let layout = Layout::bucket(plan.scaled(KEYS));
    let full = loads::publish(column, &plan, &layout, ONE, false)?;
    let rate =
        full.figures.iter().find(|(figure, _)| *figure == Figure::MessagesPerSecond).map_or(0.0, |(_, rate)| *rate);
    let messages_per_second = soak::whole(rate * LOAD).max(1);
    let minutes = duration.as_secs_f64() / 60.0;
    eprintln!("soaking {name} at {messages_per_second} messages/s for {minutes:.1} minutes");

    let running = column.start(stores.store()?)?;
    layout.create(&mut running.api()?)?;
    let span = Span { warm_up: soak::warm_up(duration), measured: duration };
    let schedule = Schedule { messages_per_second, payload_bytes: PAYLOAD_BYTES, span };
    soak::watch(name, &running.server, schedule, || keep_schedule(&running, &layout, schedule))
}

fn keep_schedule(running: &Running, layout: &Layout, schedule: Schedule) -> Result<OneWay> {
    alone(|| {
        let load = Load::open(&running.server, &layout.targets, layout.ledgers(), BEHIND_MAX)?;
        load.keep_schedule(&running.server, schedule)
    })
}
