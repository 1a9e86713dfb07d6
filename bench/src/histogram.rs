//! Counts of durations in buckets that widen with the value, as in HDR histograms.
//!
//! Values below 2^6 have a bucket each. Above, every power of two is divided into 2^6 equal buckets, so a bucket is at
//! most 1/64 of its values wide and a quantile is at most 1.6 % too high, at any scale, in 30 KB.
//!
//! ```text
//! value        0 … 63   64 … 127   128 … 255   256 … 511   …
//! width             1          1           2           4
//! first index       0         64         128         192
//! ```

use std::time::Duration;

const BITS: u32 = 6;
const PER_POWER: u64 = 1 << BITS;
const BUCKETS: usize = (64 - BITS as usize + 1) << BITS;

/// How often each duration occurred. A duration beyond 584 years counts as that.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    pub(crate) fn record(&mut self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.counts.get_mut(index(nanoseconds)).expect("every u64 has a bucket");
        *bucket += 1;
        self.total += 1;
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The smallest recorded duration that at least `q` of all reach or stay below, rounded up to its bucket's end.
    /// `None` when nothing was recorded.
    pub(crate) fn quantile(&self, q: f64) -> Option<Duration> {
        assert!((0.0..=1.0).contains(&q), "a quantile lies between 0 and 1: {q}");
        let mut below = 0;
        for (index, count) in self.counts.iter().enumerate() {
            below += count;
            if below > 0 && below as f64 >= q * self.total as f64 {
                return Some(Duration::from_nanos(highest(index as u64)));
            }
        }
        None
    }
}

/// The bucket of a value.
fn index(value: u64) -> usize {
    let shift = value.checked_ilog2().unwrap_or(0).saturating_sub(BITS);
    let mantissa = value >> shift;
    usize::try_from(u64::from(shift) * PER_POWER + mantissa).expect("below BUCKETS")
}

/// The greatest value of a bucket.
fn highest(index: u64) -> u64 {
    let shift = (index / PER_POWER).saturating_sub(1);
    let mantissa = index - shift * PER_POWER;
    (mantissa << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::new();
        values.into_iter().for_each(|value| histogram.record(Duration::from_nanos(value)));
        histogram
    }

    #[test]
    fn a_bucket_ends_at_or_at_most_a_64th_above_its_values() {
        let edges = (0..64).flat_map(|power| {
            let value = 1u64 << power;
            [value - 1, value, value + 1, value + value / 3]
        });
        for value in edges.chain([u64::MAX]) {
            let end = highest(index(value) as u64);
            assert!(end >= value, "{value} ends at {end}");
            assert!(end - value <= value / 64, "{value} ends at {end}");
        }
        assert_eq!(index(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn buckets_follow_one_another_without_gap_or_overlap() {
        for bucket in 1..BUCKETS as u64 {
            let first = highest(bucket - 1) + 1;
            assert_eq!(index(first) as u64, bucket);
        }
    }

    #[test]
    fn quantiles_agree_with_a_sorted_list() {
        let values: Vec<u64> = (0..10_000u64).map(|i| (i * 7_919) % 10_007 * 131).collect();
        let mut sorted = values.clone();
        sorted.sort_unstable();
        let histogram = of(values);
        for (q, rank) in [(0.01, 100), (0.5, 5_000), (0.9, 9_000), (0.99, 9_900), (0.999, 9_990), (1.0, 10_000)] {
            let exact = Duration::from_nanos(sorted[rank - 1]);
            let found = histogram.quantile(q).unwrap();
            assert!(found >= exact && found - exact <= exact / 64, "{q}: {found:?}, sorted {exact:?}");
        }
        assert_eq!(histogram.total(), 10_000);
    }

    #[test]
    fn an_empty_histogram_has_no_quantile_and_zero_is_a_value() {
        assert_eq!(of([]).quantile(0.5), None);
        assert_eq!(of([0, 0, 50]).quantile(0.0), Some(Duration::ZERO));
        assert_eq!(of([0, 0, 50]).quantile(1.0), Some(Duration::from_nanos(50)));
    }
}
