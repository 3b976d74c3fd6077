//! `standin audit`.

use std::path::Path;
use std::sync::Arc;

use super::args::AuditArgs;
use super::text::{Talk, print, print_json};
use super::{Exit, Failure};
use crate::audit::judge::Judge;
use crate::audit::result::Verdict;
use crate::audit::{self, AuditError, AuditReport, Input};
use crate::report::{self, Results};
use crate::rules::Policy;

pub(super) fn run(args: &AuditArgs, talk: &Talk) -> Result<Exit, Failure> {
    let judge = Judge::new(Arc::new(Policy::load(&args.rules)?));
    if args.tls_keys.is_some() {
        talk.warn("TLS is not decrypted by this version: --tls-keys is not used");
    }
    let original = input(&args.original)?;
    let report = match &args.masked {
        Some(masked) => audit::compare(&original, &input(masked)?, &judge),
        None => audit::single(&original, &judge),
    };
    let report = report.map_err(failure)?;
    tell(&report, args.json)?;
    Ok(exit(&report))
}

/// The exit code that a report stands for.
pub(super) fn exit(report: &AuditReport) -> Exit {
    if report.verdict == Verdict::Pass { Exit::Clean } else { Exit::Negative }
}

pub(super) fn failure(error: AuditError) -> Failure {
    let failure = Failure::system(error.to_string());
    match error {
        AuditError::Open { .. } => failure.hint("check the path"),
        _ => failure,
    }
}

/// The audit reads a capture more than once: standard input is kept in memory.
pub(super) fn input(path: &Path) -> Result<Input, Failure> {
    if path.is_dir() {
        return Err(Failure::system(format!("{} is a folder, not a capture", path.display())));
    }
    if path != Path::new("-") {
        return Ok(Input::from(path));
    }
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)
        .map_err(|e| Failure::io("cannot read", path, &e))?;
    Ok(Input::Bytes("stdin".into(), bytes.into()))
}

fn tell(report: &AuditReport, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(report);
    }
    print(&rendered("Audit", &[("audit", report)])?)
}

/// Results as text for a person.
pub(super) fn rendered(title: &str, results: &[(&str, &dyn erased::Json)]) -> Result<String, Failure> {
    let fail = |error: report::ReportError| Failure::system(error.to_string());
    let mut all = Results::new(title);
    for (name, result) in results {
        all.add(name, &result.json()).map_err(fail)?;
    }
    let text = report::find("txt").or(report::find("text"));
    text.map_or_else(|| Ok(String::new()), |format| format.render(&all).map_err(fail))
}

/// Anything that can be written as JSON, behind one pointer.
pub(super) mod erased {
    /// See the module.
    pub(in crate::cli) trait Json {
        /// As JSON text.
        fn json(&self) -> String;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> String {
            serde_json::to_string(self).unwrap_or_default()
        }
    }
}
