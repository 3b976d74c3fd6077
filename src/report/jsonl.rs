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

/// What has lines of its own, what no line-based tool can read, and what every line has anyway.
const NOT_IN_LINES: &[&str] = &["endpoints", "series", "shards", "histograms", "standin", "schema"];

/// The lines of a run. Each names its kind (`record`) and its run.
fn lines(run: &Run) -> Result<Vec<Value>, ReportError> {
    let mut lines = vec![line("run", run, &run.result)?];
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
    if let (Some(line), Value::Object(mut fields)) = (line.as_object_mut(), serde_json::to_value(what)?) {
        NOT_IN_LINES.iter().for_each(|name| drop(fields.remove(*name)));
        line.extend(fields);
    }
    Ok(line)
}
