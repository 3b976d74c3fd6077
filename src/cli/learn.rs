//! `standin learn`.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::args::LearnArgs;
use super::input::{self, Stop};
use super::text::{Talk, grouped};
use super::{Exit, Failure};
use crate::capture::Output;
use crate::learn::openapi::{self, Description};
use crate::learn::{Learner, write};
use crate::limits::OPENAPI_BYTES_MAX;
use crate::rules::Policy;

pub(super) fn run(args: &LearnArgs, talk: &Talk) -> Result<Exit, Failure> {
    if args.tls_keys.is_some() {
        talk.warn("TLS is not decrypted by this version: --tls-keys is not used");
    }
    if args.min_clients == 1 {
        talk.warn("with --min-clients 1 a value of a single client is proposed: read every line");
    }
    let stop = Stop::listen().map_err(|e| Failure::system(format!("cannot listen to signals: {e}")))?;
    // Wrong before the captures are read, not after.
    let description = args.openapi.as_deref().map(described).transpose()?;
    let policy = Arc::new(Policy::load(&[])?);
    let mut learner = Learner::new(policy.clone());
    for path in &args.inputs {
        let reader = crate::dissect::run(input::open(path, &stop)?, &mut learner);
        let reader = reader.map_err(|error| Failure::capture(path, &error))?;
        if stop.asked() {
            return Err(Failure::interrupted());
        }
        if let Some(damage) = reader.damage() {
            talk.warn(&format!("{}: {damage}", path.display()));
        }
    }
    let mut proposal = learner.finish(usize::from(args.min_clients));
    if let Some(description) = description {
        proposal.describe(description, &policy);
    }
    let captures =
        if args.inputs.len() == 1 { "a capture".to_owned() } else { format!("{} captures", args.inputs.len()) };
    let openapi = if args.openapi.is_some() { " and an OpenAPI description" } else { "" };
    let text = write(&proposal, &format!("{captures}{openapi}"), usize::from(args.min_clients));
    save(&args.output, &text)?;
    let choices: usize = proposal.enumerations.iter().map(|choice| choice.words.len()).sum();
    talk.say(&format!(
        "{}: {} words of paths and {} values of {} fields, from {} requests of {} clients; review them before use",
        args.output.display(),
        proposal.words.len(),
        choices,
        proposal.enumerations.len(),
        grouped(proposal.requests),
        grouped(proposal.clients as u64),
    ));
    for (why, values) in &proposal.withheld {
        talk.say(&format!("left out: {values} values that {why}"));
    }
    Ok(Exit::Clean)
}

fn described(path: &Path) -> Result<Description, Failure> {
    let fail = |e: std::io::Error| Failure::io("cannot read", path, &e);
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(fail)?;
    std::io::Read::read_to_string(&mut std::io::Read::take(file, OPENAPI_BYTES_MAX as u64 + 1), &mut text)
        .map_err(fail)?;
    openapi::read(&path.display().to_string(), &text).map_err(|error| Failure::usage(error.to_string()))
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    if path == Path::new("-") {
        return super::text::print(text);
    }
    let fail = |error: std::io::Error| Failure::io("cannot write", path, &error);
    let mut output = Output::create(path).map_err(fail)?;
    output.write_all(text.as_bytes()).map_err(fail)?;
    output.commit().map_err(fail)
}
