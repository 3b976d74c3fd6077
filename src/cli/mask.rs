//! `standin mask`.

use std::cell::Cell;
use std::io::{self, BufWriter, IntoInnerError, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{FormatName, MaskArgs};
use super::input::{self, Stop};
use super::sequence;
use super::text::{Talk, grouped};
use super::{Exit, Failure};
use crate::capture::{Finished, Output, Reader};
use crate::limits;
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
    let missing = [(args.tls_keys_out.is_some(), "--tls-keys-out")];
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
    refuse_to_overwrite(job)?;
    let source = if args.follow { input::follow(&job.input, stop)? } else { input::open(&job.input, stop)? };
    let reader = Reader::open(source).map_err(|e| stopped(stop, Failure::capture(&job.input, &e)))?;
    let mut output = create(&job.output)?;
    let ledger_failed = Cell::new(false);
    let watched = |output| BufWriter::new(Watched { output, failed: &ledger_failed });
    let mut ledger = job.ledger.as_deref().map(create).transpose()?.map(watched);
    let manifest_output = job.manifest.as_deref().map(create).transpose()?;
    let reads_on = job.input == Path::new("-") || args.follow;
    let options = Options {
        policy: policy.clone(),
        key,
        ledger: ledger.as_mut().map(|ledger| Box::new(ledger) as Box<dyn Write>),
        format: args.format.map(container),
    };
    let mut manifest = sanitize::mask(reader, &mut output, options, &|| stop.asked() && !reads_on).map_err(|e| {
        let output = job.ledger.as_ref().filter(|_| ledger_failed.get()).unwrap_or(&job.output);
        stopped(stop, Failure::sanitize(&job.input, output, &e))
    })?;
    if args.tls_keys.is_some() {
        manifest
            .warnings
            .push("TLS is not decrypted by this version: --tls-keys was not used, TLS records are blanked".to_owned());
    }
    // All are complete before the first has its name, and the capture gets its own last: never one without its manifest.
    let mut finished = Vec::new();
    if let (Some(path), Some(ledger)) = (&job.ledger, ledger) {
        let ledger = ledger.into_inner().map_err(IntoInnerError::into_error).and_then(|ledger| ledger.output.finish());
        finished.push((path, ledger.map_err(|e| cannot_write(path, &e))?));
    }
    if let (Some(path), Some(output)) = (&job.manifest, manifest_output) {
        finished.push((path, finish_manifest(path, output, &manifest)?));
    }
    finished.push((&job.output, output.finish().map_err(|e| cannot_write(&job.output, &e))?));
    for (path, output) in finished {
        output.commit().map_err(|e| cannot_write(path, &e))?;
    }
    tell(&job.output, &manifest, talk);
    Ok(if args.strict && !manifest.warnings.is_empty() { Exit::Negative } else { Exit::Clean })
}

/// Writes a manifest to its end; it has no name yet.
pub(super) fn finish_manifest(path: &Path, mut output: Output, manifest: &Manifest) -> Result<Finished, Failure> {
    let written = serde_json::to_writer_pretty(&mut output, manifest).map_err(io::Error::from);
    written.and_then(|()| output.finish()).map_err(|e| cannot_write(path, &e))
}

/// What failed while a signal asks to stop failed because of it.
fn stopped(stop: &Stop, failure: Failure) -> Failure {
    if stop.asked() { Failure::interrupted() } else { failure }
}

/// An output that is also an input would be lost, and two outputs in one file are none.
fn refuse_to_overwrite(job: &Job) -> Result<(), Failure> {
    let outputs = [Some(&job.output), job.manifest.as_ref(), job.ledger.as_ref()].map(|path| path.map(|p| p.as_path()));
    let [output, manifest, ledger] = outputs;
    let clash =
        |one: Option<&Path>, other: Option<&Path>| one.zip(other).is_some_and(|(one, other)| is_same(one, other));
    if outputs.iter().any(|path| clash(*path, Some(&job.input))) {
        let what = format!("{} would be written over: it is the original", job.input.display());
        return Err(Failure::usage(what).hint("write to another name"));
    }
    if clash(output, manifest) || clash(output, ledger) || clash(manifest, ledger) {
        return Err(Failure::usage("the capture, its manifest and its ledger need a file each"));
    }
    Ok(())
}

/// Whether both name one file. Streams and devices may be named twice.
fn is_same(one: &Path, other: &Path) -> bool {
    match (std::fs::metadata(one), std::fs::metadata(other)) {
        (Ok(a), Ok(b)) => a.is_file() && (a.dev(), a.ino()) == (b.dev(), b.ino()),
        (Err(_), Err(_)) => one == other && one != Path::new("-"),
        _ => false,
    }
}

/// An output that notes whether it was the one that failed.
struct Watched<'a> {
    output: Output,
    failed: &'a Cell<bool>,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes).inspect_err(|_| self.failed.set(true))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush().inspect_err(|_| self.failed.set(true))
    }
}

pub(super) fn create(path: &Path) -> Result<Output, Failure> {
    Output::create(path).map_err(|e| cannot_write(path, &e))
}

pub(super) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::io("cannot write", path, error)
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
        talk.say(&format!("degraded in compressed bodies or headers: {kind} ({} values)", grouped(*values)));
    }
    for hit in &manifest.limits_hit {
        let what = limits::COUNTED.iter().find(|(name, _)| *name == hit.limit).map_or("", |(_, what)| what);
        talk.warn(&format!("the bound `{}` was hit {} times: {what}", hit.limit, grouped(hit.times)));
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
