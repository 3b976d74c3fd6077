//! A reader of compressed headers, written from RFC 7541 alone, for the audit alone.
//!
//! It goes bit by bit through the code's tree and keeps its table as a plain list: slow, short, and in nothing alike to the
//! reader that masking has, so that both would have to be wrong in the same way.

use std::sync::LazyLock;

use super::tables::{CODES, INDEXED};
use crate::limits::{HEADER_LIST_BYTES_MAX, HEADER_TABLE_BYTES_MAX};

/// A header, as somebody who receives the block understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// The name or the value is spelled out in this block.
    pub spelled: bool,
}

/// What one direction's blocks have said so far that later ones may point to.
pub struct Table {
    /// The newest last.
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    capacity: usize,
}

impl Default for Table {
    fn default() -> Self {
        // RFC 9113 §6.5.2.
        Table { entries: Vec::new(), capacity: 4096 }
    }
}

impl Table {
    /// All headers of a block; nothing when it is none.
    pub fn headers(&mut self, block: &[u8]) -> Option<Vec<Header>> {
        let (mut rest, mut headers, mut room) = (block, Vec::new(), HEADER_LIST_BYTES_MAX);
        while let [first, ..] = *rest {
            let (header, enters) = if first >= 0b1000_0000 {
                let (name, value) = self.entry(number(&mut rest, 7)?)?;
                (Header { name, value, spelled: false }, false)
            } else if first >= 0b0100_0000 {
                (self.literal(&mut rest, 6)?, true)
            } else if first >= 0b0010_0000 {
                let capacity = number(&mut rest, 5)?;
                if !headers.is_empty() || capacity > HEADER_TABLE_BYTES_MAX {
                    return None;
                }
                self.capacity = capacity;
                self.evict();
                continue;
            } else {
                (self.literal(&mut rest, 4)?, false)
            };
            room = room.checked_sub(weight(&header.name, &header.value))?;
            if enters {
                self.entries.push((header.name.clone(), header.value.clone()));
                self.evict();
            }
            headers.push(header);
        }
        Some(headers)
    }

    /// §2.3.3: first the standard's own, then those that were told, the newest first.
    fn entry(&self, index: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        if index == 0 {
            return None;
        }
        if index <= INDEXED.len() {
            let (name, value) = INDEXED[index - 1];
            return Some((name.into(), value.into()));
        }
        let back = index - INDEXED.len();
        self.entries.get(self.entries.len().checked_sub(back)?).cloned()
    }

    /// §6.2.
    fn literal(&self, rest: &mut &[u8], prefix: u8) -> Option<Header> {
        let name = match number(rest, prefix)? {
            0 => self.text(rest)?,
            index => self.entry(index)?.0,
        };
        Some(Header { name, value: self.text(rest)?, spelled: true })
    }

    /// §5.2.
    fn text(&self, rest: &mut &[u8]) -> Option<Vec<u8>> {
        let is_coded = rest.first()? & 0b1000_0000 != 0;
        let len = number(rest, 7)?;
        if len > rest.len() {
            return None;
        }
        let (text, behind) = rest.split_at(len);
        *rest = behind;
        if is_coded { TREE.decode(text) } else { Some(text.to_vec()) }
    }

    /// §4.3 and §4.4: the oldest leave until all fit, be it the newest itself.
    fn evict(&mut self) {
        let (mut held, mut kept) = (0, 0);
        for (name, value) in self.entries.iter().rev() {
            held += weight(name, value);
            if held > self.capacity {
                break;
            }
            kept += 1;
        }
        self.entries.drain(..self.entries.len() - kept);
    }
}

/// §4.1.
fn weight(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + 32
}

/// §5.1. Nothing for numbers that no block has room for.
fn number(rest: &mut &[u8], prefix: u8) -> Option<usize> {
    let (first, mut behind) = rest.split_first()?;
    let most = (1 << prefix) - 1;
    let mut number = usize::from(*first) & most;
    if number == most {
        let mut factor = 1;
        loop {
            let (byte, next) = behind.split_first()?;
            behind = next;
            number += usize::from(byte & 127) * factor;
            if *byte < 128 {
                break;
            }
            factor *= 128;
            if factor > 1 << 21 {
                return None;
            }
        }
    }
    *rest = behind;
    Some(number)
}

/// The code of Appendix B as a tree of bits.
struct Tree {
    /// For each inner node what follows a 0 and a 1.
    nodes: Vec<[Branch; 2]>,
}

static TREE: LazyLock<Tree> = LazyLock::new(Tree::new);

#[derive(Clone, Copy)]
enum Branch {
    /// No byte's code: the end of text has it.
    Nothing,
    Node(usize),
    Byte(u8),
}

impl Tree {
    fn new() -> Tree {
        let mut nodes = vec![[Branch::Nothing; 2]];
        for (byte, (code, len)) in (0..=255).zip(CODES) {
            let mut at = 0;
            for place in (1..len).rev() {
                let bit = (code >> place & 1) as usize;
                at = match nodes[at][bit] {
                    Branch::Node(next) => next,
                    _ => {
                        nodes.push([Branch::Nothing; 2]);
                        let new = nodes.len() - 1;
                        nodes[at][bit] = Branch::Node(new);
                        new
                    }
                };
            }
            nodes[at][(code & 1) as usize] = Branch::Byte(byte);
        }
        Tree { nodes }
    }

    /// Nothing when a code is broken off by anything but fewer than eight ones.
    fn decode(&self, coded: &[u8]) -> Option<Vec<u8>> {
        let (mut text, mut at, mut since, mut only_ones) = (Vec::new(), 0, 0, true);
        for byte in coded {
            for place in (0..8).rev() {
                let bit = usize::from(byte >> place & 1);
                match self.nodes[at][bit] {
                    Branch::Byte(byte) => {
                        text.push(byte);
                        (at, since, only_ones) = (0, 0, true);
                    }
                    Branch::Node(next) => {
                        at = next;
                        since += 1;
                        only_ones &= bit == 1;
                    }
                    Branch::Nothing => return None,
                }
            }
        }
        (since < 8 && only_ones).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::http2::hpack::Decoder;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    fn lines(headers: Vec<Header>) -> Vec<String> {
        let line = |h: Header| format!("{}: {}", String::from_utf8_lossy(&h.name), String::from_utf8_lossy(&h.value));
        headers.into_iter().map(line).collect()
    }

    /// RFC 7541 Appendix C.4: three requests in Huffman code that refer to each other.
    #[test]
    fn requests_of_the_standard() {
        let mut table = Table::default();
        let blocks = [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ];
        let read = blocks.map(|block| lines(table.headers(&hex(block)).unwrap()));
        assert_eq!(read[0], [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"]);
        assert_eq!(read[1][3..], [":authority: www.example.com", "cache-control: no-cache"]);
        assert_eq!(read[2][2..], [":path: /index.html", ":authority: www.example.com", "custom-key: custom-value"]);
    }

    /// RFC 7541 Appendix C.6: answers with a table of 256 bytes, from which entries fall out.
    #[test]
    fn answers_of_the_standard() {
        let mut table = Table { capacity: 256, ..Table::default() };
        let blocks = [
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            "4883 640e ffc1 c0bf",
        ];
        let read = blocks.map(|block| lines(table.headers(&hex(block)).unwrap()));
        let date = "date: Mon, 21 Oct 2013 20:13:21 GMT";
        assert_eq!(read[0], [":status: 302", "cache-control: private", date, "location: https://www.example.com"]);
        assert_eq!(read[1], [":status: 307", "cache-control: private", date, "location: https://www.example.com"]);
        assert_eq!(table.entries.len(), 4, "302 fell out");
    }

    #[test]
    fn what_is_no_block() {
        let cut = ["80", "be", "41 05 61", "41 81 00", "41 84 ff ff ff ff", "82 20", "3f ff ff ff ff ff 7f"];
        for block in cut {
            assert_eq!(Table::default().headers(&hex(block)), None, "{block}");
        }
    }

    proptest! {
        /// Any bytes: what one of the two readers understands, the other one does, and the same.
        #[test]
        fn agrees_with_maskings_reader(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..6)) {
            let (mut mine, mut theirs) = (Table::default(), Decoder::default());
            for block in blocks {
                let mine = mine.headers(&block).map(|all| all.into_iter().map(|h| (h.name, h.value)).collect::<Vec<_>>());
                let theirs = theirs.read(&block).ok();
                let theirs = theirs.map(|all| all.iter().map(|h| (h.name.to_vec(), h.value.to_vec())).collect::<Vec<_>>());
                prop_assert_eq!(&mine, &theirs);
                if mine.is_none() {
                    break;
                }
            }
        }
    }
}
