//! Runs as lines of JSON, for log pipelines and `jq`: a line for each run, each of its endpoints, each second of it.

use serde::Serialize;
use serde_json::{Value, json};

use super::data::Run;
use super::{Report, ReportError, Results};

/// JSON lines.
pub struct JsonLines;

impl Report for JsonLines {
    fn id(&self) -> &'static str {
        "jsonl"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["ndjson"]
    }

    fn about(&self) -> &'static str {
        "lines of JSON: runs, endpoints, points in time"
    }

    fn render(&self, results: &Results) -> Result<String, ReportError> {
        let mut out = String::new();
        for run in &results.runs {
            for line in lines(run)? {
                out.push_str(&serde_json::to_string(&line)?);
                out.push('\n');
            }
        }
        Ok(out)
    }
}

/// The lines of a run. Each names its kind (`record`) and its run.
fn lines(run: &Run) -> Result<Vec<Value>, ReportError> {
    let mut whole = line("run", run, run)?;
    let fields = whole.as_object_mut();
    // What has lines of its own, and what no line-based tool can read.
    fields.into_iter().for_each(|fields| {
        ["name", "endpoints", "series", "histograms"].iter().for_each(|name| drop(fields.remove(*name)))
    });
    let mut lines = vec![whole];
    for endpoint in &run.endpoints {
        lines.push(line("endpoint", run, endpoint)?);
    }
    for point in &run.series {
        lines.push(line("point", run, point)?);
    }
    Ok(lines)
}

fn line(record: &str, run: &Run, what: &impl Serialize) -> Result<Value, ReportError> {
    let mut line = json!({"standin": env!("CARGO_PKG_VERSION"), "schema": 1, "record": record, "run": run.name});
    if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), serde_json::to_value(what)?) {
        line.extend(fields);
    }
    Ok(line)
}
