//! Runs as metrics (OpenMetrics 1.0 text), for Prometheus' node exporter, push gateway or `promtool`.

use std::fmt::Write;

use super::data::Run;
use super::show::plain;
use super::{Report, ReportError, Results};
use crate::measure::Histogram;

/// OpenMetrics text.
pub struct OpenMetrics;

/// Upper bounds of histogram buckets, microseconds.
const BUCKETS_US: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 60_000_000,
];

/// What a family tells of a run: samples as (suffix, labels, value).
type Samples = Vec<(&'static str, String, String)>;

/// Name, type, unit, help and samples of each family.
type Family = (&'static str, &'static str, &'static str, &'static str, fn(&Run) -> Samples);

const FAMILIES: &[Family] = &[
    ("standin_valid", "gauge", "", "1 when the figures may be used.", |run| one("", u8::from(run.valid))),
    ("standin_run_seconds", "gauge", "seconds", "How long the run took.", |run| one("", run.seconds)),
    ("standin_requests_planned", "counter", "", "Requests that the schedule asked for.", |run| {
        one("_total", run.requests.planned)
    }),
    ("standin_requests_sent", "counter", "", "Requests that were written.", |run| one("_total", run.requests.sent)),
    ("standin_requests_answered", "counter", "", "Requests that got a final response, by status.", |run| {
        counts("status", run.status.iter().map(|(status, n)| (status.as_str(), *n)))
    }),
    ("standin_requests_failed", "counter", "", "Requests that got none, by reason.", |run| {
        counts("reason", run.requests.failed.iter().map(|(reason, n)| (reason.name(), *n)))
    }),
    ("standin_offered_rps", "gauge", "", "Requests per second as intended.", |run| one("", run.offered_rps)),
    ("standin_achieved_rps", "gauge", "", "Answers per second.", |run| one("", run.achieved_rps)),
    ("standin_response_time_seconds", "histogram", "seconds", "From the intended instant to the last byte.", |run| {
        histogram(&run.histograms.response)
    }),
    ("standin_service_time_seconds", "histogram", "seconds", "From the write to the last byte.", |run| {
        histogram(&run.histograms.service)
    }),
    ("standin_lateness_seconds", "histogram", "seconds", "Write less intended: the generator's own health.", |run| {
        histogram(&run.histograms.lateness)
    }),
];

impl Report for OpenMetrics {
    fn id(&self) -> &'static str {
        "prom"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["om", "openmetrics"]
    }

    fn about(&self) -> &'static str {
        "OpenMetrics text for Prometheus"
    }

    fn render(&self, results: &Results) -> Result<String, ReportError> {
        let mut out = String::new();
        for (name, kind, unit, help, samples) in FAMILIES {
            let _ = writeln!(out, "# TYPE {name} {kind}");
            if !unit.is_empty() {
                let _ = writeln!(out, "# UNIT {name} {unit}");
            }
            let _ = writeln!(out, "# HELP {name} {help}");
            for run in &results.runs {
                let (of, target, mode) = (label(&run.name), label(&run.target), label(&run.mode));
                for (suffix, more, value) in samples(run) {
                    let _ = writeln!(
                        out,
                        "{name}{suffix}{{run=\"{of}\",target=\"{target}\",mode=\"{mode}\"{more}}} {value}"
                    );
                }
            }
        }
        out.push_str("# EOF\n");
        Ok(out)
    }
}

fn label(text: &str) -> String {
    plain(text).replace('\\', "\\\\").replace('"', "\\\"")
}

fn one(suffix: &'static str, value: impl ToString) -> Samples {
    vec![(suffix, String::new(), value.to_string())]
}

fn counts<'a>(name: &str, counts: impl Iterator<Item = (&'a str, u64)>) -> Samples {
    counts.map(|(key, n)| ("_total", format!(",{name}=\"{}\"", label(key)), n.to_string())).collect()
}

fn histogram(text: &str) -> Samples {
    let Ok(histogram) = Histogram::from_base64(text) else { return Vec::new() };
    let bucket = |bound: f64, count: u64| {
        let bound = if bound.is_finite() { format!("{bound:?}") } else { "+Inf".to_owned() };
        ("_bucket", format!(",le=\"{bound}\""), count.to_string())
    };
    let mut samples: Samples =
        BUCKETS_US.iter().map(|us| bucket(*us as f64 / 1e6, histogram.count_up_to(*us))).collect();
    samples.push(bucket(f64::INFINITY, histogram.len()));
    samples.push(("_count", String::new(), histogram.len().to_string()));
    // From the mean of the buckets' middles: exact to three digits, as the histogram is.
    let sum = histogram.percentiles().mean * histogram.len() as f64 / 1e6;
    samples.push(("_sum", String::new(), format!("{sum:?}")));
    samples
}
