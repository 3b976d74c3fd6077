//! CSV (RFC 4180) and its cousins with semicolons and tabs: a field per cell, named by the first line.

use std::ops::Range;

use super::text::Text;
use super::{Content, Kind, Media, Until};
use crate::protocol::emit::Emit;
use crate::protocol::name::is_identifier;
use crate::protocol::path::Path;
use crate::protocol::{Encoding, Role};

/// The entry in [`super::ALL`].
pub const KIND: Kind = Kind {
    id: "csv",
    about: "CSV, separated by commas, semicolons or tabs",
    claims: |media| matches!(media.essence.as_str(), "text/csv" | "application/csv" | "text/tab-separated-values"),
    sniffs: |_| false,
    open: |_: &Media, root: &str| {
        let path = Path::new(&format!("{root}.csv"));
        Box::new(Csv { separator: None, names: Vec::new(), text: Text::new(path.clone()), path, is_text: false })
    },
};

/// Columns that have names; further ones have none.
const NAMES_MAX: usize = 256;

struct Csv {
    path: Path,
    /// Known from the first line on.
    separator: Option<u8>,
    /// The columns' names, where the first line has them; "" for one that is none.
    names: Vec<Box<str>>,
    /// Reads what can't be told apart into lines and cells.
    text: Text,
    is_text: bool,
}

impl Content for Csv {
    fn read(&mut self, emit: &mut Emit<'_>, until: Until) {
        let bytes = emit.bytes();
        while !self.is_text {
            let start = emit.done();
            let rest = &bytes[start..];
            match row_len(rest) {
                Some(len) => self.row(emit, start..start + len),
                None if until == Until::End => return self.row(emit, start..bytes.len()),
                None if until == Until::More => return,
                None => self.is_text = true,
            }
        }
        self.text.read(emit, until);
    }
}

impl Csv {
    /// A row, its line end included if it has one.
    fn row(&mut self, emit: &mut Emit<'_>, at: Range<usize>) {
        let bytes = emit.bytes();
        let row = at.start..at.start + bytes[at.clone()].trim_ascii_end().len();
        let is_first = self.separator.is_none();
        let separator = *self.separator.get_or_insert_with(|| separator_of(&bytes[row.clone()]));
        if is_first {
            self.names = names(&bytes[row.clone()], separator);
        }
        let is_header = is_first && !self.names.is_empty();
        let role = if is_header { Role::Name } else { Role::Value };
        let mut start = row.start;
        let mut column = 0;
        while start < row.end {
            let end = start + cell_len(&bytes[start..row.end], separator);
            let level = self.path.level();
            if let Some(name) = self.names.get(column).filter(|name| !name.is_empty()) {
                self.path.push(name);
            }
            emit.field_at(inside(bytes, start..end), &self.path, Encoding::Plain, role);
            self.path.back(level);
            start = end + 1;
            emit.keep_to(start.min(row.end));
            column += 1;
        }
        emit.keep_to(at.end);
    }
}

/// The length of the first row, its line end included: a line end inside quotes is none.
fn row_len(bytes: &[u8]) -> Option<usize> {
    let mut quoted = false;
    for at in memchr::memchr2_iter(b'"', b'\n', bytes) {
        match bytes[at] {
            b'"' => quoted = !quoted,
            _ if !quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn separator_of(row: &[u8]) -> u8 {
    let count = |separator: u8| memchr::memchr_iter(separator, row).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(|&separator| count(separator)).unwrap_or(b',')
}

fn cell_len(bytes: &[u8], separator: u8) -> usize {
    let mut quoted = false;
    let end = memchr::memchr2_iter(b'"', separator, bytes).find(|&at| {
        quoted ^= bytes[at] == b'"';
        !quoted && bytes[at] == separator
    });
    end.unwrap_or(bytes.len())
}

fn inside(bytes: &[u8], at: Range<usize>) -> Range<usize> {
    match &bytes[at.clone()] {
        [b'"', .., b'"'] => at.start + 1..at.end - 1,
        _ => at,
    }
}

/// The cells of a row that are all identifiers; nothing when one is not.
fn names(row: &[u8], separator: u8) -> Vec<Box<str>> {
    let mut names = Vec::new();
    let mut start = 0;
    while start <= row.len() && names.len() < NAMES_MAX {
        let end = start + cell_len(&row[start..], separator);
        let cell = &row[inside(row, start..end)];
        match std::str::from_utf8(cell) {
            Ok(name) if is_identifier(cell) => names.push(name.into()),
            _ => return Vec::new(),
        }
        start = end + 1;
    }
    names
}
