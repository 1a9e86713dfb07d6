//! The kinds of figure that rows produce, and how they are written.

use serde::Serialize;

/// A figure of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    CpuPerMessage,
    CpuPerDelivery,
    CpuPerRequest,
    MessagesPerSecond,
    DeliveriesPerSecond,
    RequestsPerSecond,
    ChurnPairsPerSecond,
    P50,
    P99,
    P999,
    BystanderP99,
    BytesPerConnection,
    BytesPerTlsConnection,
    BytesPerSubscription,
    ReadyAfter,
    MessagesPerSync,
    MemoryAfterLoad,
    CreationTime,
    StartAfterStop,
    StartAfterCrash,
}

/// What a figure's number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Nanoseconds,
    PerSecond,
    Bytes,
    Count,
}

impl Figure {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::CpuPerMessage => "server CPU per published message",
            Self::CpuPerDelivery => "server CPU per delivered message",
            Self::CpuPerRequest => "server CPU per request and reply",
            Self::MessagesPerSecond => "messages per second",
            Self::DeliveriesPerSecond => "messages delivered per second",
            Self::RequestsPerSecond => "requests per second",
            Self::ChurnPairsPerSecond => "SUB/UNSUB pairs per second achieved",
            Self::P50 => "latency p50",
            Self::P99 => "latency p99",
            Self::P999 => "latency p99.9",
            Self::BystanderP99 => "bystanders' round trip p99",
            Self::BytesPerConnection => "memory per plain connection",
            Self::BytesPerTlsConnection => "memory per TLS connection",
            Self::BytesPerSubscription => "memory per subscription",
            Self::ReadyAfter => "ready after",
            Self::MessagesPerSync => "messages per sync",
            Self::MemoryAfterLoad => "memory 10 s after the load",
            Self::CreationTime => "time for all",
            Self::StartAfterStop => "start after a clean stop",
            Self::StartAfterCrash => "start after a crash",
        }
    }

    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::CpuPerMessage
            | Self::CpuPerDelivery
            | Self::CpuPerRequest
            | Self::P50
            | Self::P99
            | Self::P999
            | Self::BystanderP99
            | Self::ReadyAfter
            | Self::CreationTime
            | Self::StartAfterStop
            | Self::StartAfterCrash => Unit::Nanoseconds,
            Self::MessagesPerSecond
            | Self::DeliveriesPerSecond
            | Self::RequestsPerSecond
            | Self::ChurnPairsPerSecond => Unit::PerSecond,
            Self::BytesPerConnection
            | Self::BytesPerTlsConnection
            | Self::BytesPerSubscription
            | Self::MemoryAfterLoad => Unit::Bytes,
            Self::MessagesPerSync => Unit::Count,
        }
    }

    /// Whether a full core of the generator can be what limits the figure.
    pub(crate) fn is_rate_under_load(self) -> bool {
        matches!(self, Self::MessagesPerSecond | Self::DeliveriesPerSecond)
    }

    /// The value with its unit, to three digits.
    pub(crate) fn format(self, value: f64) -> String {
        match self.unit() {
            Unit::Nanoseconds => scaled(value, &[(1e9, " s"), (1e6, " ms"), (1e3, " µs"), (1.0, " ns")]),
            Unit::PerSecond | Unit::Count => scaled(value, &[(1e6, " M"), (1e3, " k"), (1.0, "")]),
            Unit::Bytes => scaled(value, &[(1024.0 * 1024.0, " MiB"), (1024.0, " KiB"), (1.0, " B")]),
        }
    }
}

/// The value in the first unit it reaches, the units given from large to small.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let fitting = units.iter().find(|(size, _)| value.abs() >= *size).or(units.last());
    let (size, name) = fitting.expect("every kind of figure has units");
    let number = value / size;
    let decimals = if number.abs() >= 99.95 { 0 } else { usize::from(number.abs() < 9.995) + 1 };
    format!("{number:.decimals$}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_to_three_digits_in_a_fitting_unit() {
        fn check(figure: Figure, value: f64, expected: &str) {
            assert_eq!(figure.format(value), expected);
        }
        check(Figure::CpuPerMessage, 151.4, "151 ns");
        check(Figure::CpuPerMessage, 1_743.0, "1.74 µs");
        check(Figure::P99, 45_678.0, "45.7 µs");
        check(Figure::ReadyAfter, 12_345_678.0, "12.3 ms");
        check(Figure::MessagesPerSecond, 1_500_000.0, "1.50 M");
        check(Figure::RequestsPerSecond, 9_996.0, "10.0 k");
        check(Figure::MessagesPerSecond, 0.0, "0.00");
        check(Figure::BytesPerConnection, 2_765.0, "2.70 KiB");
        check(Figure::BytesPerSubscription, 312.0, "312 B");
    }
}
