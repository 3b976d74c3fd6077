//! Captures and files of other programs as workloads.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Failure;
use super::input::{self, Stop};
use super::text::{Talk, grouped};
use crate::capture::CaptureError;
use crate::replay::feed::Feed;
use crate::replay::provenance::{self, Provenance};
use crate::workload::formats::{self, FormatError, Opened};
use crate::workload::{Collector, Wanted, Workload, correlate, note};

/// Traffic to be replayed.
pub(super) struct Traffic {
    pub(super) feed: Feed,
    /// As [`Workload::untimed`].
    pub(super) untimed: bool,
}

/// The traffic of a file, known by its content, whatever its name. A capture is read while it is replayed; a regular file
/// can be read again. `wanted` is what is to be remembered of answers.
pub(super) fn open(path: &Path, wanted: &Wanted, stop: &Stop, talk: &Talk) -> Result<Traffic, Failure> {
    let fail = |failure: NoWorkload| failure.of(path);
    match formats::open(input::open(path, stop)?).map_err(|e| fail(FormatError::Io(e).into()))? {
        Opened::Format(format, input) => {
            let mut workload = formats::read(format, input).map_err(|e| fail(e.into()))?;
            say_what_is_left_out(path, &workload, talk);
            note(&mut workload, wanted);
            correlate(&mut workload);
            Ok(Traffic { feed: Feed::from(&workload), untimed: workload.untimed })
        }
        Opened::Other(_) if std::fs::metadata(path).is_ok_and(|meta| meta.is_file()) => {
            let path = path.to_owned();
            let feed = Feed::capture(Box::new(move || Ok(Box::new(File::open(&path)?))));
            Ok(Traffic { feed, untimed: false })
        }
        Opened::Other(input) => Ok(Traffic { feed: Feed::pipe(input), untimed: false }),
    }
}

/// The traffic of a file with all its answers, not correlated: known by its content, whatever its name.
pub(super) fn as_it_is(path: &Path, stop: &Stop, talk: &Talk) -> Result<Workload, Failure> {
    let workload = collected(input::open(path, stop)?).map_err(|failure| failure.of(path))?;
    say_what_is_left_out(path, &workload, talk);
    Ok(workload)
}

fn say_what_is_left_out(path: &Path, workload: &Workload, talk: &Talk) {
    let left_out = &workload.left_out;
    for (many, what) in [
        (left_out.incomplete_requests, "requests are not all there and were left out"),
        (left_out.unreadable, "records are no requests that could be sent and were left out"),
    ] {
        if many > 0 {
            talk.warn(&format!("{}: {} {what}", path.display(), grouped(many)));
        }
    }
}

/// Sessions of exchanges, correlated; with what checks want to know of the answers.
pub(super) fn workload(input: Box<dyn Read + Send>, wanted: &Wanted) -> Result<Workload, NoWorkload> {
    let mut workload = collected(input)?;
    note(&mut workload, wanted);
    correlate(&mut workload);
    Ok(workload)
}

fn collected(input: Box<dyn Read + Send>) -> Result<Workload, NoWorkload> {
    match formats::open(input).map_err(FormatError::Io)? {
        Opened::Format(format, input) => Ok(formats::read(format, input)?),
        Opened::Other(input) => {
            let mut collector = Collector::new();
            crate::dissect::run(input, &mut collector).map_err(NoWorkload::Capture)?;
            collector.finish().map_err(|error| NoWorkload::File(error.into()))
        }
    }
}

/// Why a file gives no workload.
pub(super) enum NoWorkload {
    Capture(CaptureError),
    File(FormatError),
}

impl From<FormatError> for NoWorkload {
    fn from(error: FormatError) -> NoWorkload {
        NoWorkload::File(error)
    }
}

impl NoWorkload {
    pub(super) fn of(self, path: &Path) -> Failure {
        match self {
            NoWorkload::Capture(error @ CaptureError::NotACapture(_)) => Failure::capture(path, &error)
                .hint("captures, HAR, .gor, vegeta targets and access logs are read, whatever their names"),
            NoWorkload::Capture(error) => Failure::capture(path, &error),
            NoWorkload::File(FormatError::Io(error)) => Failure::io("cannot read", path, &error),
            NoWorkload::File(error) => Failure::system(format!("{}: {error}", path.display())),
        }
    }
}

/// Where a file comes from; an error when standin did not mask it, unless that is allowed.
pub(super) fn only_if_masked(path: &Path, allow_unmasked: bool) -> Result<Option<Provenance>, Failure> {
    let provenance = match path == Path::new("-") {
        true => None,
        false => provenance::of(path).map_err(|e| Failure::io("cannot read", path, &e))?,
    };
    if provenance.is_some() || allow_unmasked {
        return Ok(provenance);
    }
    let what = format!("{} was not masked by standin (no manifest beside it that speaks of it)", path.display());
    Err(Failure::usage(what).hint("mask it first, or say --allow-unmasked if it may leave as it is"))
}
