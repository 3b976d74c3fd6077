//! The file of `--outcomes`, written beside the run.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use super::Failure;
use crate::capture::Output;
use crate::replay::Outcomes;

/// A file that is being written.
pub(super) struct Writing {
    path: PathBuf,
    thread: JoinHandle<io::Result<Output>>,
}

impl Writing {
    /// Opens the file; what goes in is written by a thread of its own.
    pub(super) fn begin(path: &Path) -> Result<(Outcomes, Writing), Failure> {
        let fail = |error: io::Error| Failure::io("cannot write", path, &error);
        let mut output = Output::create(path).map_err(fail)?;
        let (outcomes, pieces) = Outcomes::new();
        let write = move || {
            for piece in pieces {
                output.write_all(&piece)?;
            }
            Ok(output)
        };
        let thread = thread::Builder::new().name("outcomes".into()).spawn(write).map_err(fail)?;
        Ok((outcomes, Writing { path: path.to_owned(), thread }))
    }

    /// Completes the file. The run must be over.
    pub(super) fn end(self) -> Result<(), Failure> {
        let written = match self.thread.join() {
            Ok(written) => written.and_then(Output::commit),
            Err(panic) => std::panic::resume_unwind(panic),
        };
        written.map_err(|error| Failure::io("cannot write", &self.path, &error))
    }
}
