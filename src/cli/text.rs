//! Conversation: messages on stderr, and text that may hold captured strings made harmless for a terminal.

use std::io::{self, Write};
use std::path::Path;

use super::Failure;
use crate::capture::Output;

/// How much is said.
#[derive(Clone, Copy)]
pub(super) struct Talk {
    pub(super) quiet: bool,
    pub(super) verbose: bool,
}

impl Talk {
    /// Something worth knowing.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{}", harmless(text));
        }
    }

    /// Something that only somebody who asked for more wants to know.
    pub(super) fn add(&self, text: &str) {
        if self.verbose {
            self.say(text);
        }
    }

    /// Something the user should look at; said even when quiet.
    pub(super) fn warn(&self, text: &str) {
        let _ = writeln!(anstream::stderr(), "{}warning{}: {}", YELLOW, RESET, harmless(text));
    }

    /// Why the command failed.
    pub(super) fn error(&self, failure: &Failure) {
        let mut stderr = anstream::stderr();
        let _ = writeln!(stderr, "{}error{}: {}", RED, RESET, harmless(failure.what()));
        if let Some(hint) = failure.next_step() {
            let _ = writeln!(stderr, "{}hint{}: {}", CYAN, RESET, harmless(hint));
        }
    }
}

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const CYAN: &str = "\x1b[36m";
const RESET: &str = "\x1b[0m";

/// Without control characters but line feeds and tabs: no terminal escape gets through.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Data on stdout. A reader that went away is no error.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|e| Failure::io("cannot write to", "stdout".as_ref(), &e))
}

/// A JSON value on stdout, in lines.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| Failure::system(e.to_string()))?;
    text.push('\n');
    print(&text)
}

/// 12345678 -> "12,345,678".
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Writes JSON under its name when it is complete.
pub(super) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), Failure> {
    let fail = |error: io::Error| Failure::io("cannot write", path, &error);
    let mut output = Output::create(path).map_err(fail)?;
    serde_json::to_writer_pretty(&mut output, value).map_err(|e| fail(e.into()))?;
    output.commit().map_err(fail)
}

/// Writes text under its name when it is complete.
pub(super) fn write_text(path: &Path, text: &str) -> Result<(), Failure> {
    let fail = |error: io::Error| Failure::io("cannot write", path, &error);
    let mut output = Output::create(path).map_err(fail)?;
    output.write_all(text.as_bytes()).map_err(fail)?;
    output.commit().map_err(fail)
}
