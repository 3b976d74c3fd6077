//! Header compression (RFC 7541): a block's representations, with the text of each and where its literals stand.

use std::collections::VecDeque;
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::huffman;
use crate::limits::{HEADER_LIST_BYTES_MAX, HEADER_TABLE_BYTES_MAX};

/// What one direction's blocks refer to.
pub struct Decoder {
    /// The newest first.
    table: VecDeque<Entry>,
    /// As §4.1 counts: 32 bytes for each entry beside its texts.
    size: usize,
    most: usize,
    /// What that may be set to.
    allowed: usize,
}

#[derive(Clone)]
struct Entry {
    name: Text,
    value: Text,
}

/// A name or a value: of the standard's table, or said by a block.
#[derive(Clone, Debug)]
pub enum Text {
    /// Of the standard's table.
    Known(&'static str),
    /// Shared by the table's entry and all that refer to it.
    Said(Arc<[u8]>),
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Text::Known(text) => text.as_bytes(),
            Text::Said(text) => text,
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl Entry {
    fn size(&self) -> usize {
        self.name.len() + self.value.len() + ENTRY_BYTES
    }
}

/// What an entry counts beside its texts.
pub const ENTRY_BYTES: usize = 32;
/// Size of a table before anyone speaks of it (RFC 9113 §6.5.2).
pub const TABLE_BYTES: usize = 4096;

/// A header as a block says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name; of the standard's own ones in lower case.
    pub name: Text,
    /// Its value.
    pub value: Text,
    /// Where the name stands, when it is spelled out.
    pub name_at: Option<Literal>,
    /// Where the value stands, when it is spelled out.
    pub value_at: Option<Literal>,
    /// The value was spelled out before, in an entry that this one only names.
    pub again: bool,
}

/// A text in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// Its bytes, the length before them left out.
    pub at: Range<usize>,
    /// They are a Huffman code.
    pub huffman: bool,
}

/// A block that cannot be read. What it would have put into the table is unknown, so that no later one can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl Default for Decoder {
    fn default() -> Self {
        Decoder { table: VecDeque::new(), size: 0, most: TABLE_BYTES, allowed: HEADER_TABLE_BYTES_MAX }
    }
}

impl Decoder {
    /// Of a peer that was not allowed a larger table than the first one.
    pub fn strict() -> Decoder {
        Decoder { allowed: TABLE_BYTES, ..Decoder::default() }
    }

    /// Bytes of memory that it keeps, about.
    pub fn memory(&self) -> usize {
        self.size + self.table.len() * size_of::<Entry>()
    }

    /// Reads a whole block.
    pub fn read(&mut self, block: &[u8]) -> Result<Vec<Header>, Damaged> {
        let mut cursor = Cursor { block, at: 0 };
        let mut headers = Vec::new();
        let mut list = 0;
        while let Some(&first) = block.get(cursor.at) {
            if first & 0xe0 == 0x20 {
                self.resize(cursor.integer(5)?, headers.is_empty())?;
                continue;
            }
            let header = match first {
                0x80.. => self.indexed(cursor.integer(7)?)?,
                0x40..0x80 => {
                    let header = self.literal(&mut cursor, 6)?;
                    self.insert(Entry { name: header.name.clone(), value: header.value.clone() });
                    header
                }
                // Without indexing, or never indexed.
                _ => self.literal(&mut cursor, 4)?,
            };
            // A byte may stand for an entry of kilobytes.
            list += header.name.len() + header.value.len() + ENTRY_BYTES;
            if list > HEADER_LIST_BYTES_MAX {
                return Err(Damaged);
            }
            headers.push(header);
        }
        Ok(headers)
    }

    fn resize(&mut self, most: usize, at_the_front: bool) -> Result<(), Damaged> {
        // §4.2: at the beginning of a block.
        if !at_the_front || most > self.allowed {
            return Err(Damaged);
        }
        self.most = most;
        self.shrink_to(most);
        Ok(())
    }

    fn shrink_to(&mut self, most: usize) {
        while self.size > most {
            let Some(oldest) = self.table.pop_back() else { break };
            self.size -= oldest.size();
        }
    }

    fn insert(&mut self, entry: Entry) {
        let size = entry.size();
        self.shrink_to(self.most.saturating_sub(size));
        // One that is larger than the table empties it, and stays out (§4.4).
        if size <= self.most {
            self.size += size;
            self.table.push_front(entry);
        }
    }

    fn indexed(&self, index: usize) -> Result<Header, Damaged> {
        let Entry { name, value } = self.entry(index)?;
        Ok(Header { name, value, name_at: None, value_at: None, again: index > STATIC.len() })
    }

    fn literal(&self, cursor: &mut Cursor<'_>, prefix: u32) -> Result<Header, Damaged> {
        let (name, name_at) = match cursor.integer(prefix)? {
            0 => cursor.string().map(|(name, at)| (name, Some(at)))?,
            index => (self.entry(index)?.name, None),
        };
        let (value, value_at) = cursor.string()?;
        Ok(Header { name, value, name_at, value_at: Some(value_at), again: false })
    }

    fn entry(&self, index: usize) -> Result<Entry, Damaged> {
        let index = index.checked_sub(1).ok_or(Damaged)?;
        match STATIC.get(index) {
            Some((name, value)) => Ok(Entry { name: Text::Known(name), value: Text::Known(value) }),
            None => self.table.get(index - STATIC.len()).cloned().ok_or(Damaged),
        }
    }
}

struct Cursor<'a> {
    block: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Result<u8, Damaged> {
        let byte = *self.block.get(self.at).ok_or(Damaged)?;
        self.at += 1;
        Ok(byte)
    }

    /// §5.1. Larger numbers than any block has use for are damage.
    fn integer(&mut self, prefix: u32) -> Result<usize, Damaged> {
        let mask = (1u8 << prefix) - 1;
        let mut number = usize::from(self.byte()? & mask);
        if number < usize::from(mask) {
            return Ok(number);
        }
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            number += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damaged)
    }

    /// §5.2.
    fn string(&mut self) -> Result<(Text, Literal), Damaged> {
        let huffman = self.block.get(self.at).ok_or(Damaged)? & 0x80 != 0;
        let len = self.integer(7)?;
        let at = self.at..self.at + len;
        let raw = self.block.get(at.clone()).ok_or(Damaged)?;
        self.at = at.end;
        let text = if huffman { huffman::decode(raw).ok_or(Damaged)?.into() } else { raw.into() };
        Ok((Text::Said(text), Literal { at, huffman }))
    }
}

/// Appendix A, from index 1 on.
#[rustfmt::skip]
pub const STATIC: &[(&str, &str)] = &[
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests;
