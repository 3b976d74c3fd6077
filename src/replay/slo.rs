//! Objectives: `p99 < 80ms`, `error rate < 0.1 %`, `p95 service <= 20ms for GET /api/*`, and whether a run met them.

use std::fmt;
use std::str::FromStr;

use crate::measure::Histogram;
use crate::run::{Requests, Slo, Warmup};

use super::RunResult;
use super::pattern::Pattern;
use super::profile::as_text;

/// What a run must reach.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    metric: Metric,
    comparison: Comparison,
    bound: f64,
    unit: Unit,
    /// Only the requests to these endpoints count.
    endpoint: Option<Pattern>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    /// So many per cent of the times are at most this.
    Percentile(f64, Time),
    Mean(Time),
    Max(Time),
    /// Requests without an answer, or answered with a 5xx that the capture does not have.
    ErrorRate,
    StatusAgreement,
    /// Answers per second.
    Throughput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    Response,
    Service,
    Lateness,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Microseconds,
    Milliseconds,
    Seconds,
    Percent,
    PerSecond,
}

/// Text that is no objective: what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; an objective is METRIC < BOUND, such as `p99 < 80ms`, `p99.9 service < 20ms`, `error rate < 0.1 %`, `status agreement >= 95 %`, `throughput >= 100/s`, and perhaps `for GET /api/*`"
)]
pub struct ObjectiveError(String);

const METRICS: &[(&str, Metric)] = &[
    ("error rate", Metric::ErrorRate),
    ("status agreement", Metric::StatusAgreement),
    ("throughput", Metric::Throughput),
    ("mean", Metric::Mean(Time::Response)),
    ("max", Metric::Max(Time::Response)),
];
const TIMES: &[(&str, Time)] =
    &[("response", Time::Response), ("service", Time::Service), ("lateness", Time::Lateness)];
/// Two characters before one.
const COMPARISONS: &[(&str, Comparison)] =
    &[("<=", Comparison::AtMost), (">=", Comparison::AtLeast), ("<", Comparison::Less), (">", Comparison::More)];
/// The first of its kind is how it is written.
const UNITS: &[(&str, Unit)] = &[
    ("us", Unit::Microseconds),
    ("µs", Unit::Microseconds),
    ("ms", Unit::Milliseconds),
    ("s", Unit::Seconds),
    ("%", Unit::Percent),
    ("/s", Unit::PerSecond),
];

fn name_of<T: PartialEq>(table: &[(&'static str, T)], wanted: &T) -> &'static str {
    table.iter().find(|(_, known)| known == wanted).map_or("", |(name, _)| *name)
}

fn named<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

impl FromStr for Objective {
    type Err = ObjectiveError;

    fn from_str(text: &str) -> Result<Objective, ObjectiveError> {
        let wrong = |what: String| ObjectiveError(what);
        let (rule, endpoint) = match text.split_once(" for ") {
            Some((rule, endpoint)) => {
                (rule, Some(endpoint.parse().map_err(|_| wrong("no endpoint stands behind `for`".into()))?))
            }
            None => (text, None),
        };
        let (at, sign) = COMPARISONS
            .iter()
            .filter_map(|(sign, _)| Some((rule.find(sign)?, *sign)))
            .min_by_key(|(at, sign)| (*at, 2 - sign.len()))
            .ok_or_else(|| wrong("there is none of <, <=, >, >= in it".into()))?;
        let metric = metric(rule[..at].trim()).map_err(wrong)?;
        let comparison = named(COMPARISONS, sign).unwrap_or(Comparison::AtMost);
        let (bound, unit) = amount(rule[at + sign.len()..].trim()).map_err(wrong)?;
        if !metric.is_in(unit) {
            return Err(wrong(format!("`{}` is no unit of `{metric}`", name_of(UNITS, &unit))));
        }
        if endpoint.is_some() && !metric.is_by_endpoint() {
            return Err(wrong(format!("`{metric}` is not measured by endpoint")));
        }
        Ok(Objective { metric, comparison, bound, unit, endpoint })
    }
}

fn metric(text: &str) -> Result<Metric, String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
    if let Some(metric) = named(METRICS, &text) {
        return Ok(metric);
    }
    let unknown = || format!("`{text}` is nothing that is measured");
    let (what, time) = match text.split_once(' ') {
        Some((what, time)) => (what, named(TIMES, time).ok_or_else(unknown)?),
        None => (text.as_str(), Time::Response),
    };
    match what {
        "mean" => Ok(Metric::Mean(time)),
        "max" => Ok(Metric::Max(time)),
        _ => {
            let digits =
                what.strip_prefix('p').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
            let percent: f64 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(unknown)?;
            if (0.0..=100.0).contains(&percent) {
                Ok(Metric::Percentile(percent, time))
            } else {
                Err(format!("`{what}`: a percentile is from 0 to 100"))
            }
        }
    }
}

fn amount(text: &str) -> Result<(f64, Unit), String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = number.parse().map_err(|_| format!("`{text}` is no bound"))?;
    match named(UNITS, unit.trim()) {
        Some(unit) => Ok((number, unit)),
        None if unit.trim().is_empty() => Err(format!("the bound {text} has no unit (ms, %, /s)")),
        None => Err(format!("`{}` is no unit", unit.trim())),
    }
}

impl Metric {
    fn is_in(self, unit: Unit) -> bool {
        match self {
            Metric::Percentile(..) | Metric::Mean(_) | Metric::Max(_) => {
                matches!(unit, Unit::Microseconds | Unit::Milliseconds | Unit::Seconds)
            }
            Metric::ErrorRate | Metric::StatusAgreement => unit == Unit::Percent,
            Metric::Throughput => unit == Unit::PerSecond,
        }
    }

    fn is_by_endpoint(self) -> bool {
        !matches!(
            self,
            Metric::Percentile(_, Time::Lateness) | Metric::Mean(Time::Lateness) | Metric::Max(Time::Lateness)
        )
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, time) = match self {
            Metric::Percentile(percent, time) => (format!("p{percent}"), *time),
            Metric::Mean(time) => ("mean".to_owned(), *time),
            Metric::Max(time) => ("max".to_owned(), *time),
            other => return f.write_str(name_of(METRICS, other)),
        };
        match time {
            Time::Response => f.write_str(&what),
            _ => write!(f, "{what} {}", name_of(TIMES, &time)),
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.unit == Unit::Percent { " " } else { "" };
        let (sign, unit) = (name_of(COMPARISONS, &self.comparison), name_of(UNITS, &self.unit));
        write!(f, "{} {sign} {}{space}{unit}", self.metric, self.bound)?;
        match &self.endpoint {
            Some(endpoint) => write!(f, " for {endpoint}"),
            None => Ok(()),
        }
    }
}

as_text!(Objective);

impl Unit {
    /// How many of it are a second, or a whole.
    fn per_one(self) -> f64 {
        match self {
            Unit::Microseconds => 1e6,
            Unit::Milliseconds => 1e3,
            Unit::Percent => 100.0,
            Unit::Seconds | Unit::PerSecond => 1.0,
        }
    }
}

/// What objectives are about: all requests of a run, or those to some endpoints; the warm-up left out.
#[derive(Default)]
pub struct Figures {
    /// Outcomes.
    pub requests: u64,
    /// Of them, those that count as errors.
    pub errors: u64,
    /// Answered.
    pub answered: u64,
    /// Requests whose captured status is known.
    pub compared: u64,
    /// Of them, those that were answered with it.
    pub agreed: u64,
    /// From the intended instant.
    pub response: Histogram,
    /// From the write.
    pub service: Histogram,
    /// The generator's own.
    pub lateness: Histogram,
    /// How long the run took.
    pub seconds: f64,
}

impl Figures {
    fn all(run: &RunResult) -> Figures {
        let histogram = |text: &str| Histogram::from_base64(text).unwrap_or_default();
        let nothing = Warmup::default();
        let warm = run.warmup.as_ref().unwrap_or(&nothing);
        let over =
            |requests: &Requests| requests.failed.values().fold(requests.answered, |all, n| all.saturating_add(*n));
        Figures {
            requests: over(&run.requests).saturating_sub(over(&warm.requests)),
            errors: run.requests.errors.saturating_sub(warm.requests.errors),
            answered: run.requests.answered.saturating_sub(warm.requests.answered),
            compared: run.workload.compared.saturating_sub(warm.compared),
            agreed: run.workload.agreed.saturating_sub(warm.agreed),
            response: histogram(&run.histograms.response),
            service: histogram(&run.histograms.service),
            lateness: histogram(&run.histograms.lateness),
            seconds: measured_seconds(run),
        }
    }

    fn of(pattern: &Pattern, run: &RunResult) -> Figures {
        let mut figures = Figures { seconds: measured_seconds(run), ..Figures::default() };
        for endpoint in run.endpoints.iter().filter(|endpoint| names(pattern, &endpoint.endpoint)) {
            let histogram = |text: &str| Histogram::from_base64(text).unwrap_or_default();
            let warm = endpoint.warmup.unwrap_or_default();
            figures.requests = figures.requests.saturating_add(endpoint.requests.saturating_sub(warm.requests));
            figures.errors = figures.errors.saturating_add(endpoint.errors.saturating_sub(warm.errors));
            figures.answered = figures.answered.saturating_add(endpoint.answered.saturating_sub(warm.answered));
            figures.compared = figures.compared.saturating_add(endpoint.compared.saturating_sub(warm.compared));
            figures.agreed = figures.agreed.saturating_add(endpoint.agreed.saturating_sub(warm.agreed));
            figures.response.merge(&histogram(&endpoint.histograms.response));
            figures.service.merge(&histogram(&endpoint.histograms.service));
        }
        figures
    }

    /// In seconds, shares of one, or per second; none when there is nothing to measure.
    fn measured(&self, metric: Metric) -> Option<f64> {
        let time = |time| match time {
            Time::Response => &self.response,
            Time::Service => &self.service,
            Time::Lateness => &self.lateness,
        };
        let micros = |of, value: fn(&Histogram) -> f64| {
            let histogram: &Histogram = time(of);
            (!histogram.is_empty()).then(|| value(histogram) / 1e6)
        };
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        match metric {
            Metric::Percentile(percent, of) => {
                let histogram = time(of);
                let most = histogram.percentiles().max;
                (!histogram.is_empty()).then(|| histogram.quantile(percent / 100.0).min(most) as f64 / 1e6)
            }
            Metric::Mean(of) => micros(of, |histogram| histogram.percentiles().mean),
            Metric::Max(of) => micros(of, |histogram| histogram.percentiles().max as f64),
            Metric::ErrorRate => share(self.errors, self.requests),
            Metric::StatusAgreement => share(self.agreed, self.compared),
            Metric::Throughput => (self.seconds > 0.0).then(|| self.answered as f64 / self.seconds),
        }
    }
}

/// From the end of the warm-up.
fn measured_seconds(run: &RunResult) -> f64 {
    run.seconds - run.warmup.as_ref().map_or(0.0, |warm| warm.seconds)
}

/// Whether a pattern names an endpoint (`GET /api/orders/{}`), with its method or without.
pub fn names(pattern: &Pattern, endpoint: &str) -> bool {
    let path = endpoint.split_once(' ').map_or(endpoint, |(_, path)| path);
    pattern.matches(endpoint.as_bytes()) || pattern.matches(path.as_bytes())
}

impl Objective {
    /// Whether it was met. What was not measured is not met.
    pub fn judge(&self, figures: &Figures) -> Slo {
        let actual = figures.measured(self.metric).map(|value| value * self.unit.per_one());
        let met = actual.is_some_and(|actual| match self.comparison {
            Comparison::Less => actual < self.bound,
            Comparison::AtMost => actual <= self.bound,
            Comparison::More => actual > self.bound,
            Comparison::AtLeast => actual >= self.bound,
        });
        Slo { objective: self.to_string(), actual, unit: name_of(UNITS, &self.unit).into(), met }
    }
}

/// All objectives of a run, from its result.
pub fn judge(run: &RunResult) -> Vec<Slo> {
    let figures = |objective: &Objective| match &objective.endpoint {
        None => Figures::all(run),
        Some(pattern) => Figures::of(pattern, run),
    };
    run.profile.slo.iter().map(|objective| objective.judge(&figures(objective))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn objective(text: &str) -> Objective {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn written_as_people_write_them() {
        for (text, shown) in [
            ("p99<80ms", "p99 < 80ms"),
            ("P99.9   Service <= 1.5 s", "p99.9 service <= 1.5s"),
            ("p50 response < 100 µs", "p50 < 100us"),
            ("error  rate < 0.1%", "error rate < 0.1 %"),
            ("status agreement >= 95 %", "status agreement >= 95 %"),
            ("throughput > 100/s", "throughput > 100/s"),
            ("max lateness < 5ms", "max lateness < 5ms"),
            ("p95 < 50ms for GET /api/v1/orders/{}", "p95 < 50ms for GET /api/v1/orders/{}"),
            ("error rate < 1 % for /a < b*", "error rate < 1 % for /a < b*"),
        ] {
            assert_eq!(objective(text).to_string(), shown);
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (text, told) in [
            ("p99 80ms", "none of <"),
            ("p99 < 80", "no unit"),
            ("p99 < 80 %", "no unit of `p99`"),
            ("error rate < 5ms", "no unit of `error rate`"),
            ("p101 < 5ms", "from 0 to 100"),
            ("q99 < 5ms", "nothing that is measured"),
            ("p99 total < 5ms", "nothing that is measured"),
            ("p99 < -5ms", "no bound"),
            ("p99 < 5 parsecs", "`parsecs` is no unit"),
            ("p99 < 5ms for  ", "no endpoint"),
            ("p99 lateness < 5ms for /a", "not measured by endpoint"),
            ("p+9 < 5ms", "nothing that is measured"),
        ] {
            let error = text.parse::<Objective>().unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn a_mistake_in_a_file_has_its_line() {
        let error =
            super::super::Profile::parse("my.yaml", "about: x\nslo:\n  - p99 < 80ms\n  - p99 < 80\n").unwrap_err();
        assert!(error.to_string().starts_with("my.yaml:4:5: slo[1]: the bound 80 has no unit"), "{error}");
    }

    fn figures() -> Figures {
        let mut figures = Figures {
            requests: 1000,
            errors: 1,
            answered: 999,
            compared: 1000,
            agreed: 950,
            seconds: 10.0,
            ..Figures::default()
        };
        (1..=1000).for_each(|ms| figures.response.record_ns(ms * 1_000_000));
        figures
    }

    #[test]
    fn met_or_not() {
        for (text, actual, met) in [
            ("p50 <= 501ms", Some(500.0), true),
            ("p50 < 0.4s", Some(0.5), false),
            ("max < 1001ms", Some(1000.0), true),
            ("p50 service < 1s", None, false),
            ("error rate < 0.1 %", Some(0.1), false),
            ("error rate <= 0.1 %", Some(0.1), true),
            ("status agreement >= 95 %", Some(95.0), true),
            ("throughput > 100/s", Some(99.9), false),
        ] {
            let slo = objective(text).judge(&figures());
            assert_eq!(slo.met, met, "{text}: {slo:?}");
            match (slo.actual, actual) {
                (Some(a), Some(b)) => assert!((a - b).abs() <= b / 1000.0, "{text}: {slo:?}"),
                (a, b) => assert_eq!(a, b, "{text}"),
            }
        }
    }

    #[test]
    fn endpoints_are_named_with_their_method_or_without() {
        let names = |pattern: &str| names(&pattern.parse().unwrap(), "GET /api/orders/{}");
        assert!(names("GET /api/*") && names("/api/orders/{}") && names("*") && names("GET *"));
        assert!(!names("POST /api/*") && !names("/api"));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(
            percent in 0.0f64..=100.0, bound in 0.0f64..1e7, time in 0..3usize, sign in 0..4usize, unit in 0..3usize, kind in 0..6usize,
            endpoint in prop::option::of("(GET|POST) /[a-z/{}*]{0,12}"),
        ) {
            let time = TIMES[time].1;
            let (metric, unit) = match kind {
                0 => (Metric::Percentile(percent, time), [Unit::Microseconds, Unit::Milliseconds, Unit::Seconds][unit]),
                1 => (Metric::Mean(time), Unit::Milliseconds),
                2 => (Metric::Max(time), Unit::Seconds),
                3 => (Metric::ErrorRate, Unit::Percent),
                4 => (Metric::StatusAgreement, Unit::Percent),
                _ => (Metric::Throughput, Unit::PerSecond),
            };
            let endpoint = endpoint.filter(|_| metric.is_by_endpoint()).map(|text| text.parse().unwrap());
            let objective = Objective { metric, comparison: COMPARISONS[sign].1, bound, unit, endpoint };
            prop_assert_eq!(objective.to_string().parse::<Objective>(), Ok(objective));
        }

        #[test]
        fn no_text_panics(text in "[pq0-9. <>=a-z%/µ]{0,24}") {
            if let Ok(objective) = text.parse::<Objective>() {
                prop_assert_eq!(objective.to_string().parse::<Objective>(), Ok(objective));
            }
        }
    }
}
