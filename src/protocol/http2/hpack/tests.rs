//! The standard's examples, a writer of our own read back, and blocks that are none.

use proptest::prelude::*;

use super::super::huffman;
use super::{Decoder, ENTRY_BYTES, HEADER_TABLE_BYTES_MAX, Header, STATIC};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn said(headers: &[Header]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    headers.iter().map(|header| format!("{}: {}", text(&header.name), text(&header.value))).collect()
}

/// RFC 7541 Appendix C: blocks of one table, what each says, and the table's size behind it.
#[test]
fn examples_of_the_standard() {
    let first = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
    let second = [&first[..], &["cache-control: no-cache"]].concat();
    let third = [
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ];
    let answer = |status: &'static str, at: &'static str| {
        vec![status, "cache-control: private", at, "location: https://www.example.com"]
    };
    let dates = ["date: Mon, 21 Oct 2013 20:13:21 GMT", "date: Mon, 21 Oct 2013 20:13:22 GMT"];
    let cookie = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
    let last = [&answer(":status: 200", dates[1])[..], &["content-encoding: gzip", cookie]].concat();
    type Case<'a> = (&'a str, usize, Vec<(&'a str, Vec<&'a str>, usize)>);
    let cases: [Case<'_>; 8] = [
        ("C.2.1", 4096, vec![(
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            vec!["custom-key: custom-header"],
            55,
        )]),
        ("C.2.2", 4096, vec![("040c 2f73 616d 706c 652f 7061 7468", vec![":path: /sample/path"], 0)]),
        ("C.2.3", 4096, vec![("1008 7061 7373 776f 7264 0673 6563 7265 74", vec!["password: secret"], 0)]),
        ("C.2.4", 4096, vec![("82", vec![":method: GET"], 0)]),
        ("C.3", 4096, vec![
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", first.to_vec(), 57),
            ("8286 84be 5808 6e6f 2d63 6163 6865", second.clone(), 110),
            ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", third.to_vec(), 164),
        ]),
        ("C.4", 4096, vec![
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", first.to_vec(), 57),
            ("8286 84be 5886 a8eb 1064 9cbf", second, 110),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", third.to_vec(), 164),
        ]),
        ("C.5", 256, vec![
            ("4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120
              474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", answer(":status: 302", dates[0]), 222),
            ("4803 3330 37c1 c0bf", answer(":status: 307", dates[0]), 222),
            ("88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738
              666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33
              3630 303b 2076 6572 7369 6f6e 3d31", last.clone(), 215),
        ]),
        ("C.6", 256, vec![
            ("4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718
              63c7 8f0b 97c8 e9ae 82ae 43d3", answer(":status: 302", dates[0]), 222),
            ("4883 640e ffc1 c0bf", answer(":status: 307", dates[0]), 222),
            ("88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7
              b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07", last, 215),
        ]),
    ];
    for (name, most, blocks) in cases {
        let mut decoder = Decoder { most, ..Decoder::default() };
        for (block, expected, size) in blocks {
            let headers = decoder.read(&hex(block)).expect(name);
            assert_eq!(said(&headers), expected, "{name}");
            assert_eq!(decoder.size, size, "{name}");
        }
    }
}

#[test]
fn blocks_that_are_none() {
    let mut entries = Decoder::default();
    entries.read(&hex("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572")).unwrap();
    for (why, block) in [
        ("index 0", "80"),
        ("an index behind the table", "bf"),
        ("a number without end", "ff ff ff ff ff 0f"),
        ("a number that is cut", "7f"),
        ("a text that is cut", "40 05 61 62"),
        ("a length that is cut", "40"),
        ("Huffman padding of zeros", "40 81 00 81 00"),
        ("a table size behind a header", "82 20"),
        ("a table size beyond all bounds", "3f e2 ff 07"),
    ] {
        assert!(Decoder::default().read(&hex(block)).is_err(), "{why}");
    }
    // What a size of 0 throws out is gone.
    assert!(entries.read(&hex("be")).is_ok());
    assert!(entries.read(&hex("20 be")).is_err());
}

#[test]
fn a_bomb_of_references_is_damage() {
    let mut decoder = Decoder::default();
    let value = vec![b'x'; 4000];
    let mut block = vec![0x40, 1, b'a'];
    integer(&mut block, 0, 7, value.len());
    block.extend(value);
    assert!(decoder.read(&block).is_ok());
    assert!(decoder.read(&[0xbe; 16]).is_ok());
    assert!(decoder.read(&[0xbe; 60_000]).is_err());
}

#[test]
fn an_entry_too_large_empties_the_table() {
    let mut decoder = Decoder::default();
    decoder.read(&hex("4001 61 01 62")).unwrap();
    assert_eq!(decoder.size, 2 + ENTRY_BYTES);
    let mut block = vec![0x40, 1, b'a'];
    integer(&mut block, 0, 7, 5000);
    block.extend(vec![b'x'; 5000]);
    decoder.read(&block).unwrap();
    assert_eq!((decoder.size, decoder.table.len()), (0, 0));
}

fn integer(out: &mut Vec<u8>, first: u8, prefix: u32, number: usize) {
    let mask = (1 << prefix) - 1;
    if number < mask {
        return out.push(first | number as u8);
    }
    out.push(first | mask as u8);
    let mut rest = number - mask;
    while rest >= 128 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn string(out: &mut Vec<u8>, text: &[u8], packed: bool) {
    if packed {
        integer(out, 0x80, 7, huffman::len(text));
        huffman::encode(text, out);
    } else {
        integer(out, 0, 7, text.len());
        out.extend_from_slice(text);
    }
}

/// What a writer does next.
#[derive(Clone, Debug)]
enum Say {
    /// A header; how it is to be represented is told by numbers that may be out of range.
    Header { name: Vec<u8>, value: Vec<u8>, manner: u8, packed: [bool; 2] },
    /// Again the nth of the dynamic table.
    Again(usize),
    /// A static entry.
    Static(usize),
    /// With the name of the nth static entry.
    Named { entry: usize, value: Vec<u8>, manner: u8 },
    /// The table's size, at the beginning of the next block.
    Resize(usize),
}

fn say() -> impl Strategy<Value = Say> {
    let text = || proptest::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        4 => (text(), text(), 0..3u8, any::<[bool; 2]>())
            .prop_map(|(name, value, manner, packed)| Say::Header { name, value, manner, packed }),
        4 => (0..80usize).prop_map(Say::Again),
        2 => (0..STATIC.len()).prop_map(Say::Static),
        3 => (0..STATIC.len(), text(), 0..3u8).prop_map(|(entry, value, manner)| Say::Named { entry, value, manner }),
        1 => (0..6000usize).prop_map(Say::Resize),
    ]
}

/// A plain model of the table: all entries ever put, of which the newest that fit are there.
#[derive(Default)]
struct Model {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    most: usize,
}

impl Model {
    fn fit(&mut self) {
        let size = |entries: &[(Vec<u8>, Vec<u8>)]| entries.iter().map(|(n, v)| n.len() + v.len() + 32).sum::<usize>();
        while size(&self.entries) > self.most {
            self.entries.remove(0);
        }
    }

    fn put(&mut self, name: &[u8], value: &[u8]) {
        self.entries.push((name.to_vec(), value.to_vec()));
        self.fit();
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(blocks in proptest::collection::vec(proptest::collection::vec(say(), 1..30), 1..6)) {
        let mut decoder = Decoder::default();
        let mut model = Model { most: 4096, ..Model::default() };
        for says in blocks {
            let (mut block, mut expected) = (Vec::new(), Vec::new());
            for say in &says {
                if let Say::Resize(most) = say {
                    integer(&mut block, 0x20, 5, *most);
                    model.most = *most;
                    model.fit();
                }
            }
            for say in says {
                let manners = |manner| [(0x40, 6), (0x00, 4), (0x10, 4)][usize::from(manner)];
                match say {
                    Say::Header { name, value, manner, packed } => {
                        block.push(manners(manner).0);
                        string(&mut block, &name, packed[0]);
                        string(&mut block, &value, packed[1]);
                        if manner == 0 {
                            model.put(&name, &value);
                        }
                        expected.push((name, value));
                    }
                    Say::Again(n) => {
                        let Some(at) = model.entries.len().checked_sub(n + 1) else { continue };
                        integer(&mut block, 0x80, 7, STATIC.len() + 1 + n);
                        expected.push(model.entries[at].clone());
                    }
                    Say::Static(n) => {
                        integer(&mut block, 0x80, 7, n + 1);
                        expected.push((STATIC[n].0.into(), STATIC[n].1.into()));
                    }
                    Say::Named { entry, value, manner } => {
                        let (first, prefix) = manners(manner);
                        integer(&mut block, first, prefix, entry + 1);
                        string(&mut block, &value, manner == 1);
                        if manner == 0 {
                            model.put(STATIC[entry].0.as_bytes(), &value);
                        }
                        expected.push((STATIC[entry].0.into(), value));
                    }
                    Say::Resize(_) => {}
                }
            }
            let headers = decoder.read(&block).expect("a block that was written");
            let read: Vec<_> = headers.iter().map(|header| (header.name.to_vec(), header.value.to_vec())).collect();
            prop_assert_eq!(read, expected);
            let size = model.entries.iter().map(|(name, value)| name.len() + value.len() + 32).sum::<usize>();
            prop_assert_eq!(decoder.size, size);
            // Literals stand where they say, in order.
            let mut end = 0;
            for header in &headers {
                for (text, literal) in [(&header.name, &header.name_at), (&header.value, &header.value_at)] {
                    let Some(literal) = literal else { continue };
                    prop_assert!(literal.at.start > end || literal.at.start == end && end == 0);
                    end = literal.at.end;
                    let raw = &block[literal.at.clone()];
                    let plain = if literal.huffman { huffman::decode(raw).unwrap() } else { raw.to_vec() };
                    prop_assert_eq!(&plain[..], &text[..]);
                }
            }
        }
    }

    #[test]
    fn anything_is_read_or_refused_in_bounds(blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..8)) {
        let mut decoder = Decoder::default();
        for block in blocks {
            if decoder.read(&block).is_err() {
                break;
            }
            prop_assert!(decoder.size <= decoder.most && decoder.most <= HEADER_TABLE_BYTES_MAX);
        }
    }
}
