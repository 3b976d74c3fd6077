//! Header compression of what is sent (RFC 7541): a header that was sent before is named by its place in the table, as browsers
//! and HTTP libraries do it; so the target has the same to unpack as in production.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::LazyLock;

use hashbrown::DefaultHashBuilder;

use crate::protocol::http2::hpack::{ENTRY_BYTES, STATIC, TABLE_BYTES};
use crate::protocol::http2::huffman;

/// Headers whose values must not be guessed by way of the table (RFC 7541 §7.1.3): nobody on the way may put them there.
const SENSITIVE: &[&[u8]] = &[b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"];
/// Headers that hardly ever come again with the same value.
const CHANGING: &[&[u8]] =
    &[b":path", b"age", b"content-length", b"etag", b"if-modified-since", b"if-none-match", b"location"];

/// What this direction's blocks refer to.
pub struct Packer {
    /// The newest first.
    table: VecDeque<Entry>,
    /// As §4.1 counts.
    size: usize,
    most: usize,
    /// The table was given other sizes since the last block: the least of them, and the last.
    resized: Option<(usize, usize)>,
    hashes: DefaultHashBuilder,
}

struct Entry {
    /// Of name and value, and of the name.
    hash: u64,
    name_hash: u64,
    /// Both, one behind the other.
    text: Box<[u8]>,
    name_len: usize,
}

impl Entry {
    fn is(&self, name: &[u8], value: &[u8]) -> bool {
        self.text.split_at(self.name_len) == (name, value)
    }

    fn size(&self) -> usize {
        self.text.len() + ENTRY_BYTES
    }
}

impl Default for Packer {
    fn default() -> Packer {
        Packer {
            table: VecDeque::new(),
            size: 0,
            most: TABLE_BYTES,
            resized: None,
            hashes: DefaultHashBuilder::default(),
        }
    }
}

impl Packer {
    /// The peer keeps a table of this size at most.
    pub fn allow(&mut self, bytes: usize) {
        let most = bytes.min(TABLE_BYTES);
        if most != self.most {
            let least = self.resized.map_or(most, |(least, _)| least.min(most));
            self.resized = Some((least, most));
            self.most = most;
            self.shrink_to(most);
        }
    }

    /// To be called before the headers of a block.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        if let Some((least, most)) = self.resized.take() {
            if least < most {
                integer(0x20, 5, least, out);
            }
            integer(0x20, 5, most, out);
        }
    }

    /// Appends a header; its name is in lower case.
    pub fn header(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        let known = KNOWN.get(name).copied();
        if let Some((first, count)) = known
            && let Some(more) = STATIC[first - 1..first - 1 + count].iter().position(|(_, v)| v.as_bytes() == value)
        {
            return integer(0x80, 7, first + more, out);
        }
        let known = known.map(|(first, _)| first);
        if SENSITIVE.contains(&name) {
            return literal(0x10, 4, known.unwrap_or(0), name, value, out);
        }
        if CHANGING.contains(&name) {
            return literal(0, 4, known.unwrap_or(0), name, value, out);
        }
        let name_hash = self.hashes.hash_one(name);
        let hash = self.hashes.hash_one((name_hash, value));
        if let Some(place) = self.table.iter().position(|entry| entry.hash == hash && entry.is(name, value)) {
            return integer(0x80, 7, STATIC.len() + 1 + place, out);
        }
        let named = |entry: &Entry| entry.name_hash == name_hash && &entry.text[..entry.name_len] == name;
        let known = known.or_else(|| Some(STATIC.len() + 1 + self.table.iter().position(named)?)).unwrap_or_default();
        let entry = Entry { hash, name_hash, text: [name, value].concat().into(), name_len: name.len() };
        // One that would drive most others out is not worth it.
        match entry.size() <= self.most / 2 {
            true => {
                literal(0x40, 6, known, name, value, out);
                self.shrink_to(self.most - entry.size());
                self.size += entry.size();
                self.table.push_front(entry);
            }
            false => literal(0, 4, known, name, value, out),
        }
    }

    fn shrink_to(&mut self, most: usize) {
        while self.size > most {
            let Some(oldest) = self.table.pop_back() else { break };
            self.size -= oldest.size();
        }
    }
}

/// Of each name of the standard's table: its first index, and how many entries it has.
static KNOWN: LazyLock<HashMap<&[u8], (usize, usize), DefaultHashBuilder>> = LazyLock::new(|| {
    let mut known = HashMap::<_, _, DefaultHashBuilder>::default();
    for (index, (name, _)) in (1..).zip(STATIC) {
        known.entry(name.as_bytes()).or_insert((index, 0)).1 += 1;
    }
    known
});

/// §6.2, with the name's index, or 0 and the name itself.
fn literal(kind: u8, prefix: u32, index: usize, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    integer(kind, prefix, index, out);
    if index == 0 {
        string(name, out);
    }
    string(value, out);
}

/// §5.1.
fn integer(kind: u8, prefix: u32, number: usize, out: &mut Vec<u8>) {
    let mask = (1usize << prefix) - 1;
    if number < mask {
        return out.push(kind | number as u8);
    }
    out.push(kind | mask as u8);
    let mut rest = number - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// §5.2, whichever way is shorter.
fn string(text: &[u8], out: &mut Vec<u8>) {
    let packed = huffman::len(text);
    if packed < text.len() {
        integer(0x80, 7, packed, out);
        huffman::encode(text, out);
    } else {
        integer(0, 7, text.len(), out);
        out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http2::hpack::Decoder;
    use proptest::prelude::*;

    fn block(packer: &mut Packer, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        packer.begin(&mut out);
        headers.iter().for_each(|(name, value)| packer.header(name.as_bytes(), value.as_bytes(), &mut out));
        out
    }

    /// RFC 7541 Appendix C.4: three requests with one table.
    #[test]
    fn requests_of_the_standard() {
        let mut packer = Packer::default();
        let first = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
        let second = [&first[..], &[("cache-control", "no-cache")]].concat();
        let third = [
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/index.html"),
            (":authority", "www.example.com"),
            ("custom-key", "custom-value"),
        ];
        for (headers, expected) in [
            (&first[..], "828684418cf1e3c2e5f23a6ba0ab90f4ff"),
            (&second, "828684be5886a8eb10649cbf"),
            (&third, "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"),
        ] {
            let bytes: Vec<String> = block(&mut packer, headers).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(bytes.concat(), expected);
        }
        assert_eq!(packer.size, 164);
    }

    #[test]
    fn what_is_sensitive_or_changes_stays_out_of_the_table() {
        let mut packer = Packer::default();
        let cookie = block(&mut packer, &[("cookie", "a=1")]);
        assert_eq!(cookie[..2], [0x1f, 32 - 15], "never indexed, name by its index");
        block(&mut packer, &[("authorization", "Bearer x"), (":path", "/a/1"), ("content-length", "7")]);
        assert!(packer.table.is_empty());
        let long = "v".repeat(TABLE_BYTES / 2);
        block(&mut packer, &[("x-long", &long)]);
        assert!(packer.table.is_empty());
    }

    #[test]
    fn sizes_are_told_in_the_next_block_the_least_first() {
        let mut packer = Packer::default();
        block(&mut packer, &[("x-a", "1")]);
        packer.allow(0);
        packer.allow(100);
        assert!(packer.table.is_empty());
        assert_eq!(block(&mut packer, &[])[..], [0x20, 0x3f, 100 - 31]);
        assert!(block(&mut packer, &[]).is_empty());
        packer.allow(1 << 30);
        assert_eq!(packer.most, TABLE_BYTES);
    }

    proptest! {
        /// Whatever is sent, and whatever sizes the peer asks for in between: it reads what was said.
        #[test]
        fn there_and_back(blocks in prop::collection::vec(
            (prop::option::of(0usize..6000), prop::collection::vec(
                ("(:path|cookie|accept|te|x-[a-d]|x-[a-z]{1,40}|age)", prop::collection::vec(any::<u8>(), 0..60)), 0..12)), 0..12)) {
            let (mut packer, mut decoder) = (Packer::default(), Decoder::strict());
            for (size, headers) in blocks {
                if let Some(size) = size {
                    packer.allow(size);
                }
                let mut out = Vec::new();
                packer.begin(&mut out);
                headers.iter().for_each(|(name, value)| packer.header(name.as_bytes(), value, &mut out));
                let read = decoder.read(&out).unwrap();
                let read: Vec<(String, Vec<u8>)> =
                    read.iter().map(|header| (String::from_utf8(header.name.to_vec()).unwrap(), header.value.to_vec())).collect();
                prop_assert_eq!(read, headers);
            }
        }
    }
}
