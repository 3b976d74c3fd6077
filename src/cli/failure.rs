//! How a command ends, and how that becomes an exit code.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::capture::CaptureError;
use crate::mask::KeyError;
use crate::rules::RulesError;
use crate::sanitize::SanitizeError;

/// Exit codes that scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, and nothing bad was found.
    Clean = 0,
    /// Done, and the verdict is negative: a leak, a fidelity break, a run that is not valid.
    Negative = 1,
    /// The command line, rules or profile are wrong.
    Usage = 2,
    /// The input or the system: unreadable, not a capture, disk full, target unreachable.
    System = 3,
    /// A bug in standin.
    Bug = 70,
    /// Interrupted.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command could not do its work: what, where, and what to do next.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    what: String,
    hint: Option<String>,
    broken_pipe: bool,
}

impl Failure {
    /// The user's command line, rules or profile.
    pub fn usage(what: impl Into<String>) -> Self {
        Failure { exit: Exit::Usage, what: what.into(), hint: None, broken_pipe: false }
    }

    /// The input or the system.
    pub fn system(what: impl Into<String>) -> Self {
        Failure { exit: Exit::System, what: what.into(), hint: None, broken_pipe: false }
    }

    /// Stopped by a signal.
    pub fn interrupted() -> Self {
        let what = "interrupted; nothing was written".to_owned();
        Failure { exit: Exit::Interrupted, what, hint: None, broken_pipe: false }
    }

    /// An input or output error of a named file.
    pub fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::StorageFull => Some("free some space, or write to another disk"),
            io::ErrorKind::FileTooLarge => Some("raise the limit (`ulimit -f`), or write to another disk"),
            io::ErrorKind::NotFound => Some("check the path"),
            io::ErrorKind::PermissionDenied => Some("check the permissions of the file and its folder"),
            io::ErrorKind::ReadOnlyFilesystem => Some("write to another disk"),
            _ => None,
        };
        Failure {
            exit: Exit::System,
            what: format!("{what} {}: {error}", path.display()),
            hint: hint.map(str::to_owned),
            broken_pipe: error.kind() == io::ErrorKind::BrokenPipe,
        }
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The reader of our output went away: that is its right.
    pub fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        if self.broken_pipe { Exit::Clean } else { self.exit }
    }

    /// What happened.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do next, if we know.
    pub fn next_step(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// An error of a capture, with its file's name.
    pub fn capture(path: &Path, error: &CaptureError) -> Self {
        let failure = Failure::system(format!("{}: {error}", path.display()));
        match error {
            CaptureError::Io(io) if io.kind() == io::ErrorKind::NotFound => failure.hint("check the path"),
            _ => failure,
        }
    }

    /// An error of masking, with the names of both files.
    pub fn sanitize(input: &Path, output: &Path, error: &SanitizeError) -> Self {
        match error {
            SanitizeError::Capture(error) => Failure::capture(input, error),
            SanitizeError::Output(error) => Failure::io("cannot write", output, error),
            SanitizeError::Convert(_) => Failure::system(format!("{}: {error}", input.display())),
            SanitizeError::Interrupted => Failure::interrupted(),
        }
    }
}

impl From<RulesError> for Failure {
    fn from(error: RulesError) -> Self {
        Failure::usage(error.to_string())
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Failure::usage(error.to_string())
    }
}
