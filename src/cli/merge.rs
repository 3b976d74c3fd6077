//! `standin merge`.

use super::args::MergeArgs;
use super::text::{Talk, grouped, write_json};
use super::{Exit, Failure};
use crate::replay::RunResult;
use crate::replay::merge::{MergeError, merge};
use crate::run::SCHEMA;

pub(super) fn run(args: &MergeArgs, talk: &Talk) -> Result<Exit, Failure> {
    let mut shards = Vec::new();
    for path in &args.runs {
        let text = std::fs::read(path).map_err(|e| Failure::io("cannot read", path, &e))?;
        let no_result =
            |what: String| Failure::system(format!("{} is no result of `standin replay`: {what}", path.display()));
        let run: RunResult = serde_json::from_slice(&text).map_err(|e| no_result(e.to_string()))?;
        // A report shows what there is of a partial file; a sum of it would be wrong.
        if run.schema != SCHEMA {
            return Err(no_result(format!("its `schema` is not {SCHEMA}")));
        }
        shards.push((path.display().to_string(), run));
    }
    let whole = merge(&shards).map_err(failure)?;
    write_json(&args.output, &whole)?;
    talk.say(&format!(
        "{}: {} requests of {} shards, {} answered",
        args.output.display(),
        grouped(whole.requests.planned),
        shards.len(),
        grouped(whole.requests.answered),
    ));
    whole.warnings.iter().for_each(|warning| talk.warn(warning));
    for why in &whole.invalid_because {
        talk.warn(&format!("the run is not valid: {why}"));
    }
    for check in whole.checks.iter().filter(|check| !check.met) {
        talk.warn(&format!("check not met: {}", check.name));
    }
    for slo in whole.slo.iter().filter(|slo| !slo.met) {
        talk.warn(&format!("objective not met: {}", slo.objective));
    }
    Ok(if whole.is_good() { Exit::Clean } else { Exit::Negative })
}

fn failure(error: MergeError) -> Failure {
    let what = error.to_string();
    match error {
        MergeError::Histogram(_) => Failure::system(what),
        MergeError::Stranger { .. } | MergeError::Twice { .. } => {
            Failure::usage(what).hint("merge the results of one run: the same capture and flags, apart from --shard")
        }
        MergeError::Nothing | MergeError::Merged(_) => Failure::usage(what),
    }
}
