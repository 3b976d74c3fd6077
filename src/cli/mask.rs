//! `standin mask`.

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{FormatName, MaskArgs};
use super::input::{self, Stop};
use super::sequence;
use super::text::{Talk, grouped};
use super::{Exit, Failure};
use crate::capture::{Output, Reader};
use crate::mask::Key;
use crate::rules::Policy;
use crate::sanitize::{self, Container, Manifest, Options};

pub(super) fn run(args: &MaskArgs, talk: &Talk) -> Result<Exit, Failure> {
    let policy = Arc::new(Policy::load(&args.rules)?);
    let key = read_key(args.key.as_deref(), talk)?;
    let stop = Stop::listen().map_err(|e| Failure::system(format!("cannot listen to signals: {e}")))?;
    refuse_what_is_not_there(args)?;
    let jobs = plan(args)?;
    if args.sequence && jobs.len() > 1 {
        return sequence::run(&jobs, policy, &key, args, &stop, talk);
    }
    let mut worst = Exit::Clean;
    let several = jobs.len() > 1;
    for job in &jobs {
        match mask_one(job, &policy, &key, args, &stop, talk) {
            Ok(exit) => worst = if worst == Exit::Clean { exit } else { worst },
            Err(failure) if several && failure.exit() == Exit::System => {
                talk.error(&failure);
                worst = Exit::System;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(worst)
}

/// One input and where its results go.
pub(super) struct Job {
    pub(super) input: PathBuf,
    pub(super) output: PathBuf,
    pub(super) manifest: Option<PathBuf>,
    ledger: Option<PathBuf>,
}

fn plan(args: &MaskArgs) -> Result<Vec<Job>, Failure> {
    let beside = |output: &Path| {
        let mut name = output.as_os_str().to_owned();
        name.push(".manifest.json");
        PathBuf::from(name)
    };
    let is_stream = |path: &Path| path == Path::new("-") || path.starts_with("/dev") || path.starts_with("/proc");
    if let [input] = &args.inputs[..]
        && !args.output.is_dir()
    {
        let beside = (!is_stream(&args.output)).then(|| beside(&args.output));
        return Ok(vec![Job {
            input: input.clone(),
            output: args.output.clone(),
            manifest: args.manifest.clone().or(beside),
            ledger: args.ledger.clone(),
        }]);
    }
    if args.manifest.is_some() || args.ledger.is_some() {
        let what = "--manifest and --ledger name one file, and the output is a folder";
        return Err(Failure::usage(what).hint("leave them out: each capture gets its manifest beside it"));
    }
    std::fs::create_dir_all(&args.output).map_err(|e| Failure::io("cannot create the folder", &args.output, &e))?;
    let mut jobs: Vec<Job> = Vec::new();
    for input in &args.inputs {
        let name = input.file_name().filter(|_| input != Path::new("-")).ok_or_else(|| {
            Failure::usage(format!("{} has no file name to write under in a folder", input.display()))
        })?;
        let output = args.output.join(name);
        if jobs.iter().any(|job| job.output == output) {
            return Err(Failure::usage(format!("two inputs are called {}", Path::new(name).display()))
                .hint("mask them into different folders with one key"));
        }
        jobs.push(Job { input: input.clone(), manifest: Some(beside(&output)), output, ledger: None });
    }
    Ok(jobs)
}

/// Flags of the interface that this version has no code for: said, not ignored.
fn refuse_what_is_not_there(args: &MaskArgs) -> Result<(), Failure> {
    let missing = [(args.follow, "--follow"), (args.tls_keys_out.is_some(), "--tls-keys-out")];
    match missing.iter().find(|(asked, _)| *asked) {
        Some((_, flag)) => Err(Failure::usage(format!("{flag} is not in this version"))
            .hint("mask the files one by one with one --key: equal values get equal pseudonyms")),
        None => Ok(()),
    }
}

fn mask_one(
    job: &Job,
    policy: &Arc<Policy>,
    key: &Key,
    args: &MaskArgs,
    stop: &Stop,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let fail = |path: &Path, error: &std::io::Error| Failure::io("cannot write", path, error);
    let reader = Reader::open(input::open(&job.input, stop)?).map_err(|e| Failure::capture(&job.input, &e))?;
    let mut output = Output::create(&job.output).map_err(|e| fail(&job.output, &e))?;
    let mut ledger = match &job.ledger {
        Some(path) => Some(BufWriter::new(Output::create(path).map_err(|e| fail(path, &e))?)),
        None => None,
    };
    let from_pipe = job.input == Path::new("-");
    let options = Options {
        policy: policy.clone(),
        key,
        ledger: ledger.as_mut().map(|ledger| Box::new(ledger) as Box<dyn std::io::Write>),
        format: args.format.map(container),
    };
    let mut manifest = sanitize::mask(reader, &mut output, options, &|| stop.asked() && !from_pipe).map_err(|e| {
        if stop.asked() { Failure::interrupted() } else { Failure::sanitize(&job.input, &job.output, &e) }
    })?;
    if args.tls_keys.is_some() {
        manifest
            .warnings
            .push("TLS is not decrypted by this version: --tls-keys was not used, TLS records are blanked".to_owned());
    }
    output.commit().map_err(|e| fail(&job.output, &e))?;
    if let (Some(ledger), Some(path)) = (ledger, &job.ledger) {
        ledger
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .and_then(Output::commit)
            .map_err(|e| fail(path, &e))?;
    }
    if let Some(path) = &job.manifest {
        write_json(path, &manifest)?;
    }
    tell(&job.output, &manifest, talk);
    Ok(if args.strict && !manifest.warnings.is_empty() { Exit::Negative } else { Exit::Clean })
}

/// Writes JSON under its name when it is complete.
pub(super) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::io("cannot write", path, &error);
    let mut output = Output::create(path).map_err(fail)?;
    serde_json::to_writer_pretty(&mut output, value).map_err(|e| fail(e.into()))?;
    output.commit().map_err(fail)
}

/// The key in the file, or a fresh one that is forgotten.
pub(super) fn read_key(path: Option<&Path>, talk: &Talk) -> Result<Key, Failure> {
    match path {
        Some(path) => Ok(Key::read(path)?),
        None => {
            talk.say("no --key: a fresh one, forgotten afterwards; another run gives other pseudonyms");
            Ok(Key::fresh()?)
        }
    }
}

pub(super) fn container(name: FormatName) -> Container {
    match name {
        FormatName::Pcap => Container::Pcap,
        FormatName::Pcapng => Container::PcapNg,
    }
}

pub(super) fn tell(output: &Path, manifest: &Manifest, talk: &Talk) {
    let ledger = &manifest.ledger;
    let percent = |part: u64| 100.0 * part as f64 / (manifest.output.bytes.max(1)) as f64;
    talk.say(&format!(
        "{}: {} packets, {} bytes = {:.1} % structural + {:.1} % kept + {:.1} % pseudonym + {:.1} % recomputed + {:.1} % blanked",
        output.display(),
        grouped(manifest.output.packets),
        grouped(manifest.output.bytes),
        percent(ledger.structural),
        percent(ledger.kept),
        percent(ledger.pseudonym),
        percent(ledger.recomputed),
        percent(ledger.blanked),
    ));
    let kinds: Vec<String> =
        manifest.kinds.iter().map(|(name, kind)| format!("{name} {}", grouped(kind.values))).collect();
    if !kinds.is_empty() {
        talk.say(&format!("masked values by kind: {}", kinds.join(", ")));
    }
    for rule in &manifest.rules {
        talk.add(&format!("rule {}: {} values", rule.id, grouped(rule.matched)));
    }
    for what in &manifest.not_understood {
        talk.say(&format!(
            "not understood, blanked: {} ({} packets, {} bytes)",
            what.what,
            grouped(what.packets),
            grouped(what.bytes)
        ));
    }
    for (kind, values) in &manifest.degraded {
        talk.say(&format!("degraded in compressed bodies: {kind} ({} values)", grouped(*values)));
    }
    for hit in &manifest.limits_hit {
        talk.warn(&format!(
            "the bound `{}` was hit {} times; what lay beyond it was blanked",
            hit.limit,
            grouped(hit.times)
        ));
    }
    if manifest.late_copy > 0 {
        talk.say(&format!("late copies blanked: {}", grouped(manifest.late_copy)));
    }
    if manifest.payload_kept > 0 {
        talk.warn(&format!("{} packets keep their payload unread, as the rules say", grouped(manifest.payload_kept)));
    }
    for warning in &manifest.warnings {
        talk.warn(warning);
    }
}
