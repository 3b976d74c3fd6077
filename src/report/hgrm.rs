//! Response times by percentile, as HdrHistogram's tools print them and its plotter reads them.

use std::fmt::Write;

use super::data::Run;
use super::show::plain;
use super::{Report, ReportError, Results};
use crate::measure::Histogram;

/// HdrHistogram's percentile text.
pub struct Hgrm;

/// Steps in each halving of the distance to 100 %, as its tools have them.
const TICKS: u32 = 5;
const HEAD: &str = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n";

impl Report for Hgrm {
    fn id(&self) -> &'static str {
        "hgrm"
    }

    fn about(&self) -> &'static str {
        "response times by percentile in milliseconds, for HdrHistogram's plotter (one run a file)"
    }

    fn render(&self, results: &Results) -> Result<String, ReportError> {
        let mut out = String::new();
        for run in &results.runs {
            if results.runs.len() > 1 {
                let _ = writeln!(out, "#[run {}]", plain(&run.name).replace(']', ")"));
            }
            table(&mut out, run);
        }
        Ok(out)
    }
}

/// A run's table; one without a histogram has no lines in it.
fn table(out: &mut String, run: &Run) {
    let histogram = Histogram::from_base64(&run.histograms.response).unwrap_or_default();
    out.push_str(HEAD);
    for step in histogram.steps(TICKS) {
        let (value, quantile) = (step.value as f64 / 1000.0, step.quantile);
        let _ = match quantile < 1.0 {
            true => writeln!(out, "{value:12.3} {quantile:2.12} {:10} {:14.2}", step.count, 1.0 / (1.0 - quantile)),
            false => writeln!(out, "{value:12.3} {quantile:2.12} {:10}", step.count),
        };
    }
    let (mean, deviation) = (histogram.percentiles().mean / 1000.0, histogram.deviation() / 1000.0);
    let (max, total) = (histogram.percentiles().max as f64 / 1000.0, histogram.len());
    let _ = writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let _ = writeln!(out, "#[Max     = {max:12.3}, Total count    = {total:12}]");
}
