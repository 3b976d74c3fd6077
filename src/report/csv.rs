//! A report for spreadsheets: a line for each run (RFC 4180).

use crate::measure::Percentiles;

use super::data::Run;
use super::{Report, ReportError, Results};

/// Comma-separated values.
pub struct Csv;

const HEAD: &str = "name,target,mode,valid,seconds,planned,sent,answered,failed,offered_rps,achieved_rps,\
                    response_p50_us,response_p90_us,response_p95_us,response_p99_us,response_p99_9_us,response_max_us,\
                    service_p50_us,service_p90_us,service_p95_us,service_p99_us,service_p99_9_us,service_max_us,\
                    lateness_p50_us,lateness_p90_us,lateness_p95_us,lateness_p99_us,lateness_p99_9_us,lateness_max_us,\
                    correlated,substituted,missed";

impl Report for Csv {
    fn id(&self) -> &'static str {
        "csv"
    }

    fn about(&self) -> &'static str {
        "comma-separated values, a line for each run"
    }

    fn render(&self, results: &Results) -> Result<String, ReportError> {
        let lines = results.runs.iter().map(line);
        Ok(std::iter::once(HEAD.to_owned()).chain(lines).map(|line| line + "\r\n").collect())
    }
}

fn line(run: &Run) -> String {
    let times = |p: &Percentiles| [p.p50, p.p90, p.p95, p.p99, p.p99_9, p.max].map(|t| t.to_string()).join(",");
    let r = &run.requests;
    let failed = r.failed.values().fold(0, |all: u64, n| all.saturating_add(*n));
    let cells = [
        quoted(&run.name),
        quoted(&run.target),
        quoted(&run.mode),
        run.valid.to_string(),
        run.seconds.to_string(),
        [r.planned, r.sent, r.answered, failed].map(|n| n.to_string()).join(","),
        run.offered_rps.to_string(),
        run.achieved_rps.to_string(),
        times(&run.response_time_us),
        times(&run.service_time_us),
        times(&run.lateness_us),
        [run.correlation.edges, run.correlation.substituted, run.correlation.missed].map(|n| n.to_string()).join(","),
    ];
    cells.join(",")
}

/// A text cell; one that a spreadsheet would take for a formula is made text.
fn quoted(text: &str) -> String {
    let text = super::show::plain(text);
    let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}
