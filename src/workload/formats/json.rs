//! JSON as other programs write it: errors without values, inputs without end.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use super::FormatError;
use crate::limits::FORMAT_RECORD_BYTES_MAX;

/// What is left of the bytes that one record may have.
#[derive(Clone)]
pub(super) struct Budget(Rc<Cell<usize>>);

impl Budget {
    pub(super) fn new() -> Budget {
        Budget(Rc::new(Cell::new(FORMAT_RECORD_BYTES_MAX)))
    }

    /// A record is over.
    pub(super) fn renew(&self) {
        self.0.set(FORMAT_RECORD_BYTES_MAX);
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}

/// An input that fails when a record takes more than its budget.
pub(super) struct Bounded<'a> {
    pub(super) input: &'a mut dyn BufRead,
    pub(super) budget: Budget,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.budget.0.get();
        if left == 0 {
            return Err(io::Error::other("too long"));
        }
        let most = buffer.len().min(left);
        let read = self.input.read(&mut buffer[..most])?;
        self.budget.0.set(left - read);
        Ok(read)
    }
}

/// Where reading failed and why, in words of ours: the library's own may hold values.
pub(super) fn broken(error: &serde_json::Error, what: &'static str) -> FormatError {
    let line = error.line() as u64;
    match error.classify() {
        serde_json::error::Category::Io => {
            FormatError::Io(io::Error::from(error.io_error_kind().unwrap_or(io::ErrorKind::Other)))
        }
        serde_json::error::Category::Eof => {
            FormatError::Broken { line, what: "the JSON breaks off here; is the file complete?" }
        }
        serde_json::error::Category::Syntax => FormatError::Broken { line, what: "no valid JSON" },
        serde_json::error::Category::Data => FormatError::Broken { line, what },
    }
}
