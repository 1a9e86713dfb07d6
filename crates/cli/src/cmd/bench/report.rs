//! The figures of a measurement, for people and as JSON.
#![expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "statistics")]

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::duration;
use crate::show;

/// What one client did.
#[derive(Debug, Serialize)]
pub(crate) struct Sample {
    messages: u64,
    bytes: u64,
    seconds: f64,
    #[serde(skip)]
    latencies: Vec<Duration>,
}

impl Sample {
    /// `latencies` is empty where a message has none, as in publishing.
    pub(crate) fn new(messages: u64, size: usize, took: Duration, latencies: Vec<Duration>) -> Self {
        let bytes = messages.saturating_mul(u64::try_from(size).unwrap_or(u64::MAX));
        Self::of_bytes(messages, bytes, took).with_latencies(latencies)
    }

    /// Where messages have sizes of their own.
    pub(crate) fn of_bytes(messages: u64, bytes: u64, took: Duration) -> Self {
        Self { messages, bytes, seconds: took.as_secs_f64().max(f64::EPSILON), latencies: Vec::new() }
    }

    pub(crate) fn with_latencies(self, latencies: Vec<Duration>) -> Self {
        Self { latencies, ..self }
    }

    fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds
    }
}

/// What all clients did. They run at the same time, so rates add up.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(skip)]
    family: String,
    what: String,
    messages_per_second: f64,
    bytes_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ns: Option<Latency>,
    clients: Vec<Sample>,
}

/// How long a message took, in nanoseconds.
#[derive(Debug, Serialize)]
struct Latency {
    min: u128,
    mean: u128,
    p50: u128,
    p90: u128,
    p99: u128,
    p999: u128,
    max: u128,
}

impl Report {
    pub(crate) fn new(family: &str, what: &str, clients: Vec<Sample>) -> Self {
        let mut latencies: Vec<Duration> = clients.iter().flat_map(|sample| &sample.latencies).copied().collect();
        latencies.sort_unstable();
        Self {
            family: family.to_owned(),
            what: what.to_owned(),
            messages_per_second: clients.iter().map(Sample::rate).sum(),
            bytes_per_second: clients.iter().map(|sample| sample.bytes as f64 / sample.seconds).sum(),
            latency_ns: Latency::of(&latencies),
            clients,
        }
    }
}

impl Latency {
    fn of(sorted: &[Duration]) -> Option<Self> {
        let (first, last) = (sorted.first()?, sorted.last()?);
        let at = |share: f64| {
            let index = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
            sorted.get(index).unwrap_or(last).as_nanos()
        };
        let sum: u128 = sorted.iter().map(Duration::as_nanos).sum();
        Some(Self {
            min: first.as_nanos(),
            mean: sum / sorted.len() as u128,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: last.as_nanos(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = show::count(self.messages_per_second as u64);
        let volume = show::size(self.bytes_per_second as u64);
        writeln!(f, "\nNATS {} {} stats: {rate} msgs/sec ~ {volume}/sec", self.family, self.what)?;
        if self.clients.len() > 1 {
            for (number, sample) in (1..).zip(&self.clients) {
                let (rate, messages) = (show::count(sample.rate() as u64), show::count(sample.messages));
                writeln!(f, "  [{number}] {rate} msgs/sec ({messages} msgs)")?;
            }
            let mut rates: Vec<f64> = self.clients.iter().map(Sample::rate).collect();
            rates.sort_by(f64::total_cmp);
            let mean = rates.iter().sum::<f64>() / rates.len() as f64;
            let [least, mean, most] =
                [rates.first().copied().unwrap_or(mean), mean, rates.last().copied().unwrap_or(mean)]
                    .map(|rate| show::count(rate as u64));
            writeln!(f, "  message rates min {least} | avg {mean} | max {most} msgs")?;
        }
        if let Some(Latency { min, mean, p50, p90, p99, p999, max }) = self.latency_ns {
            let [min, mean, p50, p90, p99, p999, max] = [min, mean, p50, p90, p99, p999, max]
                .map(|nanos| duration::show(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))));
            writeln!(
                f,
                "  latency min {min} | avg {mean} | max {max} | P50 {p50} | P90 {p90} | P99 {p99} | P99.9 {p999}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! Figures from samples.

    use super::*;

    #[test]
    fn rates_of_clients_add_up() {
        let sample = || Sample::new(1_000, 1_024, Duration::from_secs(2), Vec::new());
        let report = Report::new("Core NATS", "publisher", vec![sample(), sample()]).to_string();
        assert_eq!(
            report,
            "\nNATS Core NATS publisher stats: 1,000 msgs/sec ~ 1000.0 KiB/sec\n  [1] 500 msgs/sec (1,000 msgs)\n  \
             [2] 500 msgs/sec (1,000 msgs)\n  message rates min 500 | avg 500 | max 500 msgs\n"
        );
    }

    #[test]
    fn percentiles_are_latencies_that_occurred() {
        let latencies: Vec<Duration> = (1..=1000).map(Duration::from_micros).collect();
        let latency = Latency::of(&latencies).unwrap();
        let shown = [latency.min, latency.p50, latency.p90, latency.p99, latency.p999, latency.max];
        assert_eq!(shown, [1_000, 500_000, 900_000, 990_000, 999_000, 1_000_000]);
        assert!(Latency::of(&[]).is_none());
    }
}
