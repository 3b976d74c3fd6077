//! `standin mask --sequence`: several files that are one capture in rotation.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

use super::args::MaskArgs;
use super::input::{self, Stop};
use super::mask::{Job, cannot_write, container, create, finish_manifest, tell};
use super::text::Talk;
use super::{Exit, Failure};
use crate::capture::{Output, Reader};
use crate::mask::Key;
use crate::rules::Policy;
use crate::sanitize::{Manifest, Masking, SanitizeError, Target};

/// Masks the files with one state. A file gets its name when all of it is decided, perhaps by what the next ones bring.
/// One that cannot be opened is reported and left out; the others go on without it.
pub(super) fn run(
    jobs: &[Job],
    policy: Arc<Policy>,
    key: &Key,
    args: &MaskArgs,
    stop: &Stop,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let mut masking = Masking::new(policy, key);
    let mut open = Open { files: VecDeque::new(), strict: args.strict, talk };
    let mut worst = Exit::Clean;
    for job in jobs {
        let reader = input::open(&job.input, stop)
            .and_then(|input| Reader::open(input).map_err(|e| Failure::capture(&job.input, &e)));
        let reader = match reader {
            Ok(reader) => reader,
            Err(failure) => {
                talk.error(&failure);
                worst = Exit::System;
                continue;
            }
        };
        let fail = |error: SanitizeError| {
            if stop.asked() { Failure::interrupted() } else { Failure::sanitize(&job.input, &job.output, &error) }
        };
        let target = Target { sink: Box::new(open.begin(job)?), ledger: None, format: args.format.map(container) };
        masking.file(reader, target, &|| stop.asked()).map_err(fail)?;
        while let Some(manifest) = masking.complete().map_err(fail)? {
            worst = worse(worst, open.end(&manifest)?);
        }
    }
    let Some(last) = jobs.last() else { return Ok(worst) };
    for manifest in masking.finish().map_err(|e| Failure::sanitize(&last.input, &last.output, &e))? {
        worst = worse(worst, open.end(&manifest)?);
    }
    Ok(worst)
}

fn worse(one: Exit, other: Exit) -> Exit {
    if one == Exit::Clean { other } else { one }
}

/// Outputs that are begun and have no name yet, in order.
struct Open<'a> {
    files: VecDeque<(&'a Job, Shared)>,
    strict: bool,
    talk: &'a Talk,
}

impl<'a> Open<'a> {
    fn begin(&mut self, job: &'a Job) -> Result<Shared, Failure> {
        let shared = Shared(Rc::new(RefCell::new(Some(create(&job.output)?))));
        self.files.push_back((job, shared.clone()));
        Ok(shared)
    }

    /// Gives the next output its name, when its manifest has one.
    fn end(&mut self, manifest: &Manifest) -> Result<Exit, Failure> {
        let Some((job, Shared(output))) = self.files.pop_front() else { return Ok(Exit::Clean) };
        let mut finished = Vec::new();
        if let Some(path) = &job.manifest {
            finished.push((path, finish_manifest(path, create(path)?, manifest)?));
        }
        if let Some(output) = output.take() {
            finished.push((&job.output, output.finish().map_err(|e| cannot_write(&job.output, &e))?));
        }
        for (path, output) in finished {
            output.commit().map_err(|e| cannot_write(path, &e))?;
        }
        tell(&job.output, manifest, self.talk);
        Ok(if self.strict && !manifest.warnings.is_empty() { Exit::Negative } else { Exit::Clean })
    }
}

/// An output that is written while masking and taken back when it is complete.
#[derive(Clone)]
struct Shared(Rc<RefCell<Option<Output>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *self.0.borrow_mut() {
            Some(output) => output.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut *self.0.borrow_mut() {
            Some(output) => output.flush(),
            None => Ok(()),
        }
    }
}
