//! `standin report`.

use std::io::Write;

use super::args::ReportArgs;
use super::text::Talk;
use super::{Exit, Failure};
use crate::capture::Output;
use crate::report::{self, Results};

pub(super) fn run(args: &ReportArgs, talk: &Talk) -> Result<Exit, Failure> {
    let ending = args.output.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let format = report::find(ending).ok_or_else(|| {
        let known: Vec<String> = report::ALL.iter().map(|format| format!(".{}", format.id())).collect();
        Failure::usage(format!("{}: no report ends like this", args.output.display()))
            .hint(format!("there are {}", known.join(", ")))
    })?;
    let mut results = Results::new("Standin report");
    for path in &args.runs {
        let text = std::fs::read_to_string(path).map_err(|e| Failure::io("cannot read", path, &e))?;
        let name =
            path.file_stem().map_or_else(|| path.display().to_string(), |stem| stem.to_string_lossy().into_owned());
        results.add(&name, &text).map_err(|e| Failure::system(format!("{}: {e}", path.display())))?;
    }
    let text = format.render(&results).map_err(|e| Failure::system(e.to_string()))?;
    let fail = |error: std::io::Error| Failure::io("cannot write", &args.output, &error);
    let mut output = Output::create(&args.output).map_err(fail)?;
    output.write_all(text.as_bytes()).map_err(fail)?;
    output.commit().map_err(fail)?;
    talk.say(&format!("{}: {}", args.output.display(), format.about()));
    Ok(Exit::Clean)
}
