//! Workloads in other programs' files, and back: one file for each format, reading and writing side by side.
//!
//! What a file says of times, connections and answers is kept, as far as its format holds it; `keeps` says how far. A
//! file is hostile as a capture is: whatever stands in it, reading ends, within bounds, with a workload or an error that
//! names a line and no value.

mod access_log;
mod gather;
mod gor;
mod har;
mod json;
mod k6;
mod message;
mod url;
mod vegeta;

use std::io::{self, Cursor, Read, Write};

use crate::limits::{FORMAT_HEAD_BYTES, FORMAT_RECORD_BYTES_MAX, ZSTD_WINDOW_LOG_MAX};

use super::{Step, TooLarge, Workload};

/// A format of files that hold requests.
pub struct Format {
    /// Its name.
    pub id: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Endings of names that ask for it.
    pub endings: &'static [&'static str],
    /// What of a workload it holds; what is not named here is lost on the way out.
    pub keeps: Keeps,
    /// How it is known and read, when it can be.
    pub read: Option<Reading>,
    /// How it is written, when it can be.
    pub write: Option<Writing>,
}

/// The way out.
pub type Writing = fn(&Workload, &Manner, &mut dyn Write) -> io::Result<Written>;

/// The way in.
pub struct Reading {
    /// Whether the beginning of a file, up to [`FORMAT_HEAD_BYTES`], is of this format.
    pub is: fn(&[u8]) -> bool,
    /// The workload in a file, not yet correlated.
    pub from: fn(&mut dyn io::BufRead) -> Result<Workload, FormatError>,
}

/// What a format holds of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeps {
    /// Requests byte for byte; else what they mean.
    pub bytes: bool,
    /// When requests were sent, to the nanosecond.
    pub times: bool,
    /// Which client sent them, over which connection.
    pub connections: bool,
    /// When connections were opened.
    pub opened: bool,
    /// The answers' status.
    pub status: bool,
    /// The answers themselves, byte for byte or decoded.
    pub answers: bool,
}

/// How a file is written.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// What URLs begin with, `http://127.0.0.1:8080`; none: the hosts that the requests name.
    pub base: Option<String>,
    /// One line about where the workload comes from, for formats that have a place for it.
    pub comment: String,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Requests in the file.
    pub requests: u64,
    /// Requests that the format cannot hold.
    pub left_out: u64,
}

/// Every format; the first that recognises a file reads it. A new one is a file and two lines here.
pub const ALL: &[&Format] = &[&har::KIND, &gor::KIND, &vegeta::KIND, &access_log::KIND, &k6::KIND];

/// The format with this name, or for this ending.
pub fn find(name: &str) -> Option<&'static Format> {
    ALL.iter().copied().find(|format| format.id == name || format.endings.contains(&name))
}

/// Why a file gives no workload.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is damaged, or of another format after all.
    #[error("line {line}: {what}")]
    Broken {
        /// From 1.
        line: u64,
        /// A constant of ours.
        what: &'static str,
    },
    /// One exchange in it is larger than any should be.
    #[error("line {line}: a single exchange of more than {} MiB", FORMAT_RECORD_BYTES_MAX >> 20)]
    RecordTooLong {
        /// From 1.
        line: u64,
    },
    /// All of them together are.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// An input and what it is.
pub enum Opened {
    /// Of a format of [`ALL`], uncompressed.
    Format(&'static Format, Box<dyn Read + Send>),
    /// A capture, or something unknown; the bytes as they came.
    Other(Box<dyn Read + Send>),
}

/// Looks at the beginning of an input, compressed or not.
///
/// # Errors
/// The input cannot be read.
pub fn open(mut input: Box<dyn Read + Send>) -> io::Result<Opened> {
    let mut head = Vec::new();
    (&mut input).take(FORMAT_HEAD_BYTES as u64).read_to_end(&mut head)?;
    let packing = Packing::of(&head);
    let mut plain = Vec::new();
    // The end of the head may be amidst a compressed block: what comes before it is enough.
    let _ = packing.unpacked(Cursor::new(&head))?.take(FORMAT_HEAD_BYTES as u64).read_to_end(&mut plain);
    let format = ALL.iter().find(|format| format.read.as_ref().is_some_and(|reading| (reading.is)(&plain)));
    let input = Cursor::new(head).chain(input);
    Ok(match format {
        Some(format) => Opened::Format(format, packing.unpacked(input)?),
        None => Opened::Other(Box::new(input)),
    })
}

/// How an input is compressed.
enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    fn of(head: &[u8]) -> Packing {
        match head {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
            _ => Packing::None,
        }
    }

    fn unpacked<'a>(&self, input: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Packing::None => Box::new(input),
            Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(input)),
            Packing::Zstd => {
                let mut decoder = zstd::Decoder::new(input)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Box::new(decoder)
            }
        })
    }
}

/// Reads the workload of an input of `format`, not yet correlated.
///
/// # Errors
/// As [`FormatError`] says.
pub fn read(format: &Format, input: Box<dyn Read + Send>) -> Result<Workload, FormatError> {
    match &format.read {
        Some(reading) => (reading.from)(&mut io::BufReader::with_capacity(64 << 10, input)),
        None => Err(FormatError::Broken { line: 1, what: "this format is written only" }),
    }
}

/// The lines of an input, bounded and counted.
struct Lines<'a> {
    input: &'a mut dyn io::BufRead,
    number: u64,
}

impl<'a> Lines<'a> {
    fn new(input: &'a mut dyn io::BufRead) -> Lines<'a> {
        Lines { input, number: 0 }
    }

    /// Appends the next line, with its line feed, to `line`, which may grow to the bound of a record. False at the end.
    fn next(&mut self, line: &mut Vec<u8>) -> Result<bool, FormatError> {
        use io::BufRead;
        let room = FORMAT_RECORD_BYTES_MAX.saturating_sub(line.len()) as u64 + 1;
        self.number += 1;
        let read = (&mut *self.input).take(room).read_until(b'\n', line)?;
        if line.len() > FORMAT_RECORD_BYTES_MAX {
            return Err(FormatError::RecordTooLong { line: self.number });
        }
        Ok(read > 0)
    }

    fn broken(&self, what: &'static str) -> FormatError {
        FormatError::Broken { line: self.number, what }
    }
}

/// The exchanges of all sessions, in order of time; no messages.
fn in_order(workload: &Workload) -> Vec<&Step> {
    let steps = workload.sessions.iter().flat_map(|session| &session.steps);
    let mut steps: Vec<&Step> = steps.filter(|step| step.request.message.is_none()).collect();
    steps.sort_by_key(|step| step.at);
    steps
}
