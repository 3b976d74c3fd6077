//! A rate that changes over time, and the instants of arrivals at it. No clock in here.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::profile::{Arrivals, ProfileError, Span};
use crate::limits::CURVE_POINTS_MAX;

const SECOND_NS: f64 = 1e9;

/// How a rate changes: one of these. The profile's `rate` is what it begins with, or goes around.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Curve {
    /// From `rate` to another, evenly; then it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp: Option<Ramp>,
    /// One rate after another; the last one stays. `rate` is not needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Stair>,
    /// Up and down around `rate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sine: Option<Sine>,
    /// A file of lines `seconds,rate`: evenly from one to the next; the last one stays. `rate` is not needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csv: Option<PathBuf>,
    /// The same in the profile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<(f64, f64)>,
}

/// A straight line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// Requests per second at its end.
    pub to: f64,
    /// How long it takes.
    pub over: Span,
}

/// A rate for a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stair {
    /// Requests per second.
    pub rate: f64,
    /// How long.
    #[serde(rename = "for")]
    pub span: Span,
}

/// A wave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sine {
    /// Requests per second above and below.
    pub amplitude: f64,
    /// How long it takes to come round.
    pub period: Span,
}

/// A curve ready to be followed.
#[derive(Clone, Debug, PartialEq)]
pub enum Rate {
    /// Straight lines between points (seconds, requests per second), in order; two at one instant are a jump. The last
    /// one stays.
    Lines(Vec<(f64, f64)>),
    /// `base + amplitude * sin(2 pi t / period)`.
    Wave {
        /// Requests per second.
        base: f64,
        /// No more than `base`.
        amplitude: f64,
        /// Seconds.
        period: f64,
    },
}

impl Curve {
    /// Whether the rate need not be given beside it.
    pub fn has_its_own(&self) -> bool {
        !self.steps.is_empty() || self.csv.is_some() || !self.points.is_empty()
    }

    /// The curve around or from `rate`. Reads the file.
    pub fn rate(&self, rate: f64) -> Result<Rate, ProfileError> {
        let kinds = [
            self.ramp.is_some(),
            !self.steps.is_empty(),
            self.sine.is_some(),
            self.csv.is_some(),
            !self.points.is_empty(),
        ];
        if kinds.iter().filter(|given| **given).count() > 1 {
            return Err(wrong("is one of `ramp`, `steps`, `sine`, `csv` and `points`"));
        }
        let mut at = 0.0;
        let curve = if let Some(ramp) = self.ramp {
            Rate::Lines(vec![(0.0, rate), (ramp.over.0.as_secs_f64(), ramp.to)])
        } else if !self.steps.is_empty() {
            let stairs = self.steps.iter().flat_map(|stair| {
                let begins = at;
                at += stair.span.0.as_secs_f64();
                [(begins, stair.rate), (at, stair.rate)]
            });
            Rate::Lines(stairs.collect())
        } else if let Some(sine) = self.sine {
            Rate::Wave { base: rate, amplitude: sine.amplitude, period: sine.period.0.as_secs_f64() }
        } else if let Some(path) = &self.csv {
            Rate::Lines(read(path)?)
        } else if self.points.is_empty() {
            Rate::Lines(vec![(0.0, rate)])
        } else {
            Rate::Lines(self.points.clone())
        };
        curve.check()?;
        Ok(curve)
    }
}

fn wrong(what: &'static str) -> ProfileError {
    ProfileError::Value { knob: "curve", what }
}

/// Lines `seconds,rate`; a heading and empty lines are passed over.
fn read(path: &Path) -> Result<Vec<(f64, f64)>, ProfileError> {
    let fail = |why: String| ProfileError::Curve { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let mut points = Vec::new();
    for (number, line) in lines {
        let mut fields = line.split([',', ';', '\t']).map(|field| field.trim().parse::<f64>().ok());
        match (fields.next().flatten(), fields.next().flatten(), fields.next()) {
            (Some(at), Some(rate), None) => points.push((at, rate)),
            _ if points.is_empty() && number == 1 => {}
            _ => return Err(fail(format!("line {number} is not `seconds,rate`"))),
        }
    }
    Ok(points)
}

impl Rate {
    /// The highest it gets.
    pub fn highest(&self) -> f64 {
        match self {
            Rate::Lines(points) => points.iter().map(|(_, rate)| *rate).fold(0.0, f64::max),
            Rate::Wave { base, amplitude, .. } => base + amplitude,
        }
    }

    fn check(&self) -> Result<(), ProfileError> {
        let number = |value: f64| value.is_finite() && value >= 0.0;
        match self {
            Rate::Lines(points) => {
                let known = points.iter().all(|(at, rate)| number(*at) && number(*rate));
                let ordered = points.windows(2).all(|pair| pair[0].0 <= pair[1].0);
                let some = points.iter().any(|(_, rate)| *rate > 0.0) && points.len() <= CURVE_POINTS_MAX;
                match known && ordered && some {
                    true => Ok(()),
                    false => Err(wrong(
                        "has times in order and rates of at least 0 requests per second, one of them more, at 100,000 points at most",
                    )),
                }
            }
            Rate::Wave { base, amplitude, period } => match amplitude.abs() <= *base && *period > 0.0 {
                true => Ok(()),
                false => Err(wrong("`sine` has an amplitude of no more than `rate`, and a period")),
            },
        }
    }

    /// The instant, in seconds, at which so many arrivals are to be expected; none when there never are.
    fn when(&self, arrivals: f64) -> Option<f64> {
        match self {
            Rate::Lines(points) => on_lines(points, arrivals),
            Rate::Wave { base, amplitude, period } => Some(on_wave(*base, *amplitude, *period, arrivals)),
        }
    }
}

fn on_lines(points: &[(f64, f64)], arrivals: f64) -> Option<f64> {
    let (first, rate) = *points.first()?;
    // Before the first point the rate is its own.
    let before = first * rate;
    if arrivals < before {
        return Some(arrivals / rate);
    }
    let mut left = arrivals - before;
    for pair in points.windows(2) {
        let ((from, a), (to, b)) = (pair[0], pair[1]);
        let span = to - from;
        let area = (a + b) / 2.0 * span;
        if left <= 0.0 && b > 0.0 {
            return Some(from);
        }
        if left < area {
            // a x + (b - a) / (2 span) x^2 = left, in a form that is exact when b is near a.
            let root = (a * a + 2.0 * (b - a) / span * left).max(0.0).sqrt();
            return Some(from + 2.0 * left / (a + root));
        }
        left -= area;
    }
    let (last, rate) = *points.last()?;
    (rate > 0.0).then(|| last + left / rate)
}

fn on_wave(base: f64, amplitude: f64, period: f64, arrivals: f64) -> f64 {
    let turn = std::f64::consts::TAU / period;
    let whole = (arrivals / (base * period)).floor();
    let left = arrivals - whole * base * period;
    let expected = |t: f64| base * t + amplitude / turn * (1.0 - (turn * t).cos());
    let (mut low, mut high) = (0.0, period);
    // To a nanosecond of a period of hours.
    for _ in 0..52 {
        let middle = (low + high) / 2.0;
        if expected(middle) < left { low = middle } else { high = middle }
    }
    whole * period + high
}

/// The instants of arrivals, nanoseconds from 0 on, for as long as there are any.
pub fn instants(arrivals: Arrivals, rate: Rate, seed: u64) -> impl Iterator<Item = u64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut expected = 0.0;
    (0_u64..).map_while(move |n| {
        expected = match arrivals {
            Arrivals::Constant => n as f64,
            // 1 - u is in (0, 1]: its logarithm is finite.
            Arrivals::Poisson => expected - (1.0 - rng.random::<f64>()).ln(),
        };
        rate.when(expected).map(|at| (at * SECOND_NS) as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(seconds: f64) -> Span {
        Span(std::time::Duration::from_secs_f64(seconds))
    }

    /// Arrivals before an instant, in seconds.
    fn before(rate: &Rate, seconds: f64) -> usize {
        let end = (seconds * SECOND_NS) as u64;
        instants(Arrivals::Constant, rate.clone(), 1).take_while(|at| *at < end).count()
    }

    proptest! {
        #[test]
        fn arrivals_never_go_back_and_keep_their_rate(rate in 1.0f64..50_000.0, seed in any::<u64>(), poisson in any::<bool>()) {
            let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Constant };
            let all: Vec<u64> = instants(arrivals, Rate::Lines(vec![(0.0, rate)]), seed).take(4000).collect();
            prop_assert!(all.windows(2).all(|pair| pair[0] <= pair[1]));
            let mean = all[3999] as f64 / 4000.0;
            // The mean of 4000 exponential gaps is within 8 % in all but one of 10^6 cases.
            prop_assert!((mean * rate / SECOND_NS - 1.0).abs() < 0.08, "{}", mean * rate / SECOND_NS);
        }

        /// Between any points, as many as the area under the lines, give or take one.
        #[test]
        fn arrivals_are_the_area_under_the_curve(points in prop::collection::vec((0.0f64..5.0, 0.0f64..800.0), 1..8), at in 0.1f64..8.0) {
            let mut points = points;
            points.push((0.0, 1.0));
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let rate = Curve { points: points.clone(), ..Curve::default() }.rate(0.0).unwrap();
            // The area in many thin slices, as plainly as can be.
            let height = |t: f64| {
                let next = points.iter().position(|point| point.0 > t).unwrap_or(points.len());
                match (points.get(next.wrapping_sub(1)), points.get(next)) {
                    (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (t - a.0) / (b.0 - a.0),
                    (Some(a), None) => a.1,
                    (None, b) => b.unwrap().1,
                }
            };
            const SLICES: usize = 40_000;
            let area: f64 = (0..SLICES).map(|n| height((n as f64 + 0.5) * at / SLICES as f64)).sum::<f64>() * at / SLICES as f64;
            let counted = before(&rate, at) as f64;
            prop_assert!((counted - area).abs() <= 1.2, "{counted} of {area}");
        }

        #[test]
        fn a_wave_comes_round(base in 10.0f64..2000.0, share in 0.0f64..=1.0, period in 0.1f64..5.0) {
            let rate = Curve { sine: Some(Sine { amplitude: base * share, period: span(period) }), ..Curve::default() }.rate(base).unwrap();
            let period = span(period).0.as_secs_f64();
            for turns in 1..4 {
                prop_assert!((before(&rate, period * f64::from(turns)) as f64 - base * period * f64::from(turns)).abs() <= 1.0);
            }
            // The first half of a turn holds more, by the area of half a wave.
            let half = base * period / 2.0 + base * share * period / std::f64::consts::PI;
            prop_assert!((before(&rate, period / 2.0) as f64 - half).abs() <= 1.2, "{half}");
        }
    }

    #[test]
    fn ramps_and_steps() {
        let ramp = Curve { ramp: Some(Ramp { to: 300.0, over: span(10.0) }), ..Curve::default() }.rate(100.0).unwrap();
        assert_eq!((before(&ramp, 10.0), before(&ramp, 12.0)), (2000, 2600));
        let stair = |rate, seconds| Stair { rate, span: span(seconds) };
        let steps = Curve { steps: vec![stair(10.0, 1.0), stair(0.0, 5.0), stair(100.0, 1.0)], ..Curve::default() };
        let steps = steps.rate(1.0).unwrap();
        assert_eq!((before(&steps, 1.0), before(&steps, 6.0), before(&steps, 8.0)), (10, 10, 210));
        // Where it rises from nothing, and an arrival is due just then.
        for points in [vec![(3.0, 0.0), (10.0, 100.0)], vec![(0.0, 10.0), (1.0, 10.0), (1.0, 0.0), (2.0, 10.0)]] {
            let rate = Curve { points: points.clone(), ..Curve::default() }.rate(1.0).unwrap();
            let all: Vec<u64> = instants(Arrivals::Constant, rate, 1).take(30).collect();
            assert!(all.is_sorted() && all[0] as f64 >= (points[0].0 - points[0].1) * SECOND_NS, "{all:?}");
        }
        // A rate that ends at nothing has an end.
        let end = Curve { points: vec![(0.0, 10.0), (2.0, 0.0)], ..Curve::default() }.rate(1.0).unwrap();
        assert_eq!(instants(Arrivals::Constant, end, 1).count(), 10);
    }

    #[test]
    fn a_file_of_rates_and_its_faults() {
        let folder = tempfile::tempdir().unwrap();
        let with = |text: &str| {
            let path = folder.path().join("rates.csv");
            std::fs::write(&path, text).unwrap();
            Curve { csv: Some(path), ..Curve::default() }.rate(1.0)
        };
        assert_eq!(with("seconds,rate\n0,100\n\n10; 200\n").unwrap(), Rate::Lines(vec![(0.0, 100.0), (10.0, 200.0)]));
        for (text, told) in [
            ("0,1\nx,2", "line 2"),
            ("", "curve"),
            ("5,1\n1,2", "in order"),
            ("0,-1", "at least 0"),
            ("0,0", "one of them more"),
        ] {
            let error = with(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text:?}: {error}");
        }
        assert!(Curve { csv: Some("/none".into()), ..Curve::default() }.rate(1.0).is_err());
        let two = Curve { ramp: Some(Ramp { to: 1.0, over: span(1.0) }), points: vec![(0.0, 1.0)], ..Curve::default() };
        assert!(two.rate(1.0).is_err());
        assert!(
            Curve { sine: Some(Sine { amplitude: 2.0, period: span(1.0) }), ..Curve::default() }.rate(1.0).is_err()
        );
    }
}
