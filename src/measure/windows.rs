//! A run over time: counts and distributions in windows of one width, which doubles when there would be too many.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

/// The first width: a quarter of a second, so that a short run has a shape too.
const WIDTH_NS: u64 = 250_000_000;
/// Windows kept: more than a chart can show. A run of a minute has the first width, of an hour sixteen seconds.
const WINDOWS_MAX: usize = 240;
/// Longest time told apart in a window.
const MAX_US: u64 = 600_000_000;

/// Windows of a run.
#[derive(Clone, Debug)]
pub struct Windows {
    width: u64,
    /// Number of the first window: its begin over the width.
    first: u64,
    list: Vec<Window>,
}

/// What happened in a time.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Requests that were meant to be sent.
    pub intended: u64,
    /// Requests that were written.
    pub sent: u64,
    /// Answers that were complete.
    pub answered: u64,
    /// Requests that were known to have failed.
    pub failed: u64,
    /// Failures, and 5xx that the capture does not have.
    pub errors: u64,
    /// Of the requests meant for this time, from the intended instant to the last byte.
    pub response: Times,
    /// Of the requests written in this time: the generator's lateness.
    pub lateness: Times,
}

/// A small distribution: two digits of microseconds, a few KiB that grow with the longest time, nothing until something is
/// counted.
#[derive(Clone, Debug, Default)]
pub struct Times(Option<Box<hdrhistogram::Histogram<u32>>>);

/// What of a small distribution is told, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Few {
    /// Half were at most this.
    pub p50: u64,
    /// 90 % were at most this.
    pub p90: u64,
    /// 99 % were at most this.
    pub p99: u64,
    /// The largest.
    pub max: u64,
}

impl Times {
    /// Counts a time.
    pub fn record_ns(&mut self, nanos: u64) {
        self.record_many(nanos / 1000, 1);
    }

    fn record_many(&mut self, micros: u64, count: u32) {
        if self.0.is_none() {
            self.0 = hdrhistogram::Histogram::new(2).ok().map(Box::new);
        }
        if let Some(times) = &mut self.0 {
            // A value in range is always recorded.
            let _ = times.record_n(micros.min(MAX_US), count);
        }
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Times) {
        match (&mut self.0, &other.0) {
            // Bounds are the same for all.
            (Some(mine), Some(other)) => mine.add(&**other).unwrap_or(()),
            (mine @ None, Some(other)) => *mine = Some(other.clone()),
            (_, None) => {}
        }
    }

    /// HDR V2 in base64; empty when nothing was counted.
    pub fn to_base64(&self) -> String {
        let mut bytes = Vec::new();
        // Of the full range in files, however far it has grown.
        let full = hdrhistogram::Histogram::new_with_bounds(1, MAX_US, 2).ok();
        if let (Some(times), Some(mut full)) = (&self.0, full) {
            // What was counted is in range, and writing to memory cannot fail.
            let _ = full.add(&**times);
            let _ = V2Serializer::new().serialize(&full, &mut bytes);
        }
        STANDARD.encode(bytes)
    }

    /// The way back; nothing for text that is none.
    pub fn from_base64(text: &str) -> Times {
        let bytes = STANDARD.decode(text).unwrap_or_default();
        let read: Option<hdrhistogram::Histogram<u32>> = Deserializer::new().deserialize(&mut bytes.as_slice()).ok();
        let mut times = Times::default();
        for value in read.iter().flat_map(|read| read.iter_recorded()) {
            times.record_many(value.value_iterated_to(), value.count_at_value());
        }
        times
    }

    /// The usual figures; none when nothing was counted.
    pub fn few(&self) -> Option<Few> {
        let times = self.0.as_ref().filter(|times| !times.is_empty())?;
        let at = |quantile| times.value_at_quantile(quantile).min(times.max());
        Some(Few { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: times.max() })
    }
}

impl Window {
    fn merge(&mut self, other: &Window) {
        self.intended += other.intended;
        self.sent += other.sent;
        self.answered += other.answered;
        self.failed += other.failed;
        self.errors += other.errors;
        self.response.merge(&other.response);
        self.lateness.merge(&other.lateness);
    }
}

impl Default for Windows {
    fn default() -> Windows {
        Windows { width: WIDTH_NS, first: 0, list: Vec::new() }
    }
}

impl Windows {
    /// None yet, of at least this width.
    pub fn at_least(width_ns: u64) -> Windows {
        let mut windows = Windows::default();
        while windows.width < width_ns && windows.width < u64::MAX / 4 {
            windows.width *= 2;
        }
        windows
    }

    /// The window of an instant, nanoseconds of any clock that is the same for all.
    pub fn at(&mut self, ns: u64) -> &mut Window {
        loop {
            let number = ns / self.width;
            if self.list.is_empty() {
                self.first = number;
                self.list.push(Window::default());
            }
            let end = (self.first + self.list.len() as u64).max(number + 1);
            if end - self.first.min(number) > WINDOWS_MAX as u64 {
                self.widen();
                continue;
            }
            if number < self.first {
                let missing = (self.first - number) as usize;
                self.list.splice(0..0, std::iter::repeat_with(Window::default).take(missing));
                self.first = number;
            }
            let place = (number - self.first) as usize;
            if place >= self.list.len() {
                self.list.resize_with(place + 1, Window::default);
            }
            return &mut self.list[place];
        }
    }

    /// Joins windows in pairs.
    fn widen(&mut self) {
        let first = self.first / 2;
        let mut list: Vec<Window> = Vec::new();
        for (number, window) in (self.first..).zip(std::mem::take(&mut self.list)) {
            let place = (number / 2 - first) as usize;
            match list.get_mut(place) {
                Some(pair) => pair.merge(&window),
                None => list.push(window),
            }
        }
        *self = Windows { width: self.width * 2, first, list };
    }

    /// Adds what another thread counted.
    pub fn merge(&mut self, mut other: Windows) {
        while other.width < self.width {
            other.widen();
        }
        while self.width < other.width {
            self.widen();
        }
        let width = other.width;
        for (number, window) in (other.first..).zip(&other.list) {
            // The width may double on the way; the instant stays what it is.
            self.at(number * width).merge(window);
        }
    }

    /// The windows that end after an instant.
    pub fn since(&self, ns: u64) -> Windows {
        let gone = (ns / self.width).saturating_sub(self.first).min(self.list.len() as u64);
        let list = self.list[gone as usize..].to_vec();
        Windows { width: self.width, first: self.first + gone, list }
    }

    /// All windows as one.
    pub fn total(&self) -> Window {
        let mut all = Window::default();
        self.list.iter().for_each(|window| all.merge(window));
        all
    }

    /// Width in nanoseconds.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// Begin of each window in nanoseconds, and what happened in it.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &Window)> {
        self.list.iter().enumerate().map(|(n, window)| ((self.first + n as u64) * self.width, window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(instants: &[u64]) -> Windows {
        let mut windows = Windows::default();
        for &at in instants {
            let window = windows.at(at);
            window.sent += 1;
            window.response.record_ns(at % 1_000_000_000);
        }
        windows
    }

    fn figures(windows: &Windows) -> (u64, Vec<(u64, u64, Option<Few>)>) {
        let some = windows.iter().filter(|(_, window)| window.sent > 0);
        (windows.width(), some.map(|(at, window)| (at, window.sent, window.response.few())).collect())
    }

    proptest! {
        #[test]
        fn every_instant_counts_in_its_window_however_it_came(instants in prop::collection::vec(0u64..400_000_000_000, 1..80), cut in 0usize..80) {
            let together = filled(&instants);
            prop_assert!(together.list.len() <= WINDOWS_MAX);
            prop_assert_eq!(together.iter().map(|(_, window)| window.sent).sum::<u64>(), instants.len() as u64);
            for (at, window) in together.iter() {
                let inside = instants.iter().filter(|i| (at..at + together.width()).contains(i)).count() as u64;
                prop_assert_eq!(window.sent, inside);
            }
            let (a, b) = instants.split_at(cut.min(instants.len()));
            let mut merged = filled(a);
            merged.merge(filled(b));
            prop_assert_eq!(figures(&merged), figures(&together));
        }
    }

    #[test]
    fn a_long_run_has_wide_windows() {
        let minutes = |n: u64| (0..n * 60).map(|second| 1_000_000_000_000 + second * 1_000_000_000).collect::<Vec<_>>();
        assert_eq!(filled(&minutes(1)).width(), WIDTH_NS);
        assert_eq!(filled(&minutes(60)).width(), 16_000_000_000);
    }

    #[test]
    fn times_are_told_to_two_digits() {
        let mut times = Times::default();
        assert_eq!(times.few(), None);
        (1..=100).for_each(|ms| times.record_ns(ms * 1_000_000));
        let few = times.few().unwrap();
        assert_eq!(Times::from_base64(&times.to_base64()).few(), Some(few));
        assert_eq!(Times::from_base64(&Times::default().to_base64()).few(), None);
        assert_eq!(Times::from_base64("aGVsbG8=").few(), None);
        assert!(
            few.p50.abs_diff(50_000) <= 500 && few.p99.abs_diff(99_000) <= 1000 && few.max.abs_diff(100_000) <= 1000,
            "{few:?}"
        );
    }
}
