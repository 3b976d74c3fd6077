//! Durations as an HDR histogram: microseconds, three significant digits, merged without loss.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

/// Longest duration told apart: an hour. Longer ones count as that.
const MAX_US: u64 = 3_600_000_000;

/// A distribution of durations.
#[derive(Clone, Debug)]
pub struct Histogram(hdrhistogram::Histogram<u64>);

/// Text that is no HDR histogram.
#[derive(Debug, thiserror::Error)]
#[error("not an HDR V2 histogram in base64; was the run file edited?")]
pub struct HistogramError;

/// What of a distribution is told, in microseconds. All zero when nothing was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Percentiles {
    /// Half were at most this.
    pub p50: u64,
    /// 90 % were at most this.
    pub p90: u64,
    /// 95 % were at most this.
    pub p95: u64,
    /// 99 % were at most this.
    pub p99: u64,
    /// 99.9 % were at most this.
    pub p99_9: u64,
    /// The largest.
    pub max: u64,
    /// The arithmetic mean.
    pub mean: f64,
}

/// A quantile of a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Microseconds.
    pub value: u64,
    /// Share of the durations up to it, 0 to 1.
    pub quantile: f64,
    /// Durations up to it.
    pub count: u64,
}

impl PartialEq for Histogram {
    /// The same was counted, however far each has grown.
    fn eq(&self, other: &Histogram) -> bool {
        self.in_full() == other.in_full()
    }
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

impl Histogram {
    /// An empty one. It grows with the longest duration that it counts: a run has two for each endpoint and thread, and
    /// of the full range each would take 190 KB.
    #[expect(clippy::expect_used, reason = "the bounds are constants")]
    pub fn new() -> Histogram {
        Histogram(hdrhistogram::Histogram::new(3).expect("constant bounds are valid"))
    }

    /// Counts a duration, in nanoseconds; what is under a microsecond counts as zero.
    pub fn record_ns(&mut self, nanos: u64) {
        self.count_us(nanos / 1000, 1);
    }

    fn count_us(&mut self, micros: u64, times: u64) {
        // A value in range is always recorded.
        let _ = self.0.record_n(micros.min(MAX_US), times);
    }

    /// Of the full range, as files have it.
    fn in_full(&self) -> hdrhistogram::Histogram<u64> {
        let mut all = full();
        // What was counted is in range.
        let _ = all.add(&self.0);
        all
    }

    /// Number of durations counted.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what another one counted: the same as if all had been recorded in one.
    pub fn merge(&mut self, other: &Histogram) {
        // The range is the same for all of ours.
        let _ = self.0.add(&other.0);
    }

    /// The value that a share `quantile` (0 to 1) of the durations does not exceed, microseconds.
    pub fn quantile(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// The share of the durations that are longer than this; 0 when nothing was counted.
    pub fn share_above_ns(&self, nanos: u64) -> f64 {
        let micros = nanos / 1000;
        // It has grown no further than its longest duration, and what is asked behind its end would be that one.
        if self.is_empty() || micros >= self.0.max() {
            return 0.0;
        }
        self.0.count_between(micros + 1, u64::MAX) as f64 / self.len() as f64
    }

    /// The usual figures.
    pub fn percentiles(&self) -> Percentiles {
        if self.is_empty() {
            return Percentiles::default();
        }
        let at = |quantile| self.quantile(quantile).min(self.0.max());
        Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p99_9: at(0.999),
            max: self.0.max(),
            mean: self.0.mean(),
        }
    }

    /// Standard deviation, microseconds.
    pub fn deviation(&self) -> f64 {
        self.0.stdev()
    }

    /// How many durations were at most `micros`, as far as they are told apart.
    pub fn count_up_to(&self, micros: u64) -> u64 {
        self.0.count_between(0, micros)
    }

    /// Quantiles, `ticks` in each halving of the distance to 1, which is the last one.
    pub fn steps(&self, ticks: u32) -> impl Iterator<Item = Step> + '_ {
        let mut count = 0;
        self.0.iter_quantiles(ticks).map(move |step| {
            count += step.count_since_last_iteration();
            Step { value: step.value_iterated_to(), quantile: step.quantile_iterated_to(), count }
        })
    }

    /// HDR V2 format in base64, as the HdrHistogram tools of other languages read it.
    pub fn to_base64(&self) -> String {
        let mut bytes = Vec::new();
        // Writing to memory cannot fail.
        let _ = V2Serializer::new().serialize(&self.in_full(), &mut bytes);
        STANDARD.encode(bytes)
    }

    /// The way back from [`Histogram::to_base64`]. One of others may have a wider range, and is clamped.
    pub fn from_base64(text: &str) -> Result<Histogram, HistogramError> {
        let bytes = STANDARD.decode(text).map_err(|_| HistogramError)?;
        let read: hdrhistogram::Histogram<u64> =
            Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|_| HistogramError)?;
        let mut histogram = Histogram::new();
        for value in read.iter_recorded() {
            histogram.count_us(value.value_iterated_to(), value.count_at_value());
        }
        Ok(histogram)
    }
}

/// An empty one of the full range.
#[expect(clippy::expect_used, reason = "the bounds are constants")]
fn full() -> hdrhistogram::Histogram<u64> {
    hdrhistogram::Histogram::new_with_bounds(1, MAX_US, 3).expect("constant bounds are valid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn merging_equals_recording_together(a in prop::collection::vec(0u64..10_000_000_000, 0..50), b in prop::collection::vec(0u64..10_000_000_000, 0..50)) {
            let of = |values: &[u64]| {
                let mut histogram = Histogram::new();
                values.iter().for_each(|&v| histogram.record_ns(v));
                histogram
            };
            let mut merged = of(&a);
            merged.merge(&of(&b));
            let together = of(&[a, b].concat());
            prop_assert_eq!(merged.to_base64(), together.to_base64());
            prop_assert_eq!(&merged, &together);
            prop_assert_eq!(&Histogram::from_base64(&merged.to_base64()).unwrap(), &together);
            prop_assert_eq!(Histogram::from_base64(&merged.to_base64()).unwrap().percentiles(), together.percentiles());
        }
    }

    #[test]
    fn percentiles_are_in_order_and_exact_to_three_digits() {
        let mut histogram = Histogram::new();
        (1..=1000).for_each(|ms| histogram.record_ns(ms * 1_000_000));
        let p = histogram.percentiles();
        assert!(p.p50.abs_diff(500_000) <= 500 && p.p99.abs_diff(990_000) <= 1000, "{p:?}");
        assert!(p.p50 <= p.p90 && p.p90 <= p.p95 && p.p95 <= p.p99 && p.p99 <= p.p99_9 && p.p99_9 <= p.max);
    }

    #[test]
    fn shares_above() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.share_above_ns(5), 0.0);
        [1_000, 500_000, 1_000_000, 1_001_000, 5_000_000_000].into_iter().for_each(|ns| histogram.record_ns(ns));
        assert_eq!((histogram.share_above_ns(1_000_000), histogram.share_above_ns(0)), (0.4, 1.0));
        let beyond = [5_100_000_000, 3_600_000_000_000, u64::MAX].map(|ns| histogram.share_above_ns(ns));
        assert_eq!(beyond, [0.0; 3]);
    }

    #[test]
    fn refuses_what_is_no_histogram() {
        assert!(Histogram::from_base64("aGVsbG8=").is_err());
        assert!(Histogram::from_base64("%").is_err());
    }
}
