//! HTTP/2: planted values do not survive, in literals of either kind, references to them, names and bodies; and the masked
//! connection reads as the original did, in the same tables.

use standin::dissect::{self, Stream, Visitor};
use standin::protocol::Mark;
use standin::protocol::http2::huffman;

use super::wire::{From, Wire};
use super::{How, Masked, assert_ledger, fixture, mask, masked_fixture};

const CANARIES: [&str; 9] = [
    "kestrel.haverbrook@mailbox.example",
    "9f8b31c7e0d44a5cb2710c6e5d93aa18",
    "Wilhelmina Thackerby",
    "4929417703628351",
    "zq81-Umbrella-77",
    "thackerby.example",
    "Lindenhof 14 Altenbruch",
    "x-haverbrook-19381127",
    "Marrowfat-Pelican-55",
];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn string(text: &str, packed: bool) -> Vec<u8> {
    let mut raw = text.as_bytes().to_vec();
    if packed {
        raw.clear();
        huffman::encode(text.as_bytes(), &mut raw);
    }
    assert!(raw.len() < 127);
    [&[raw.len() as u8 | if packed { 0x80 } else { 0 }], &raw[..]].concat()
}

/// `first`: which representation, and the index of its name; without one (`name`) it is spelled out.
fn header(first: u8, name: &str, value: &str, packed: bool) -> Vec<u8> {
    let name = if name.is_empty() { Vec::new() } else { string(name, packed) };
    [&[first][..], &name, &string(value, packed)].concat()
}

/// Two requests with their answers; everything in [`CANARIES`] is somewhere.
fn planted(packed: bool) -> Vec<u8> {
    let [mail, token, name, card, password, host, street, odd, text] = CANARIES;
    let path = format!("/orders/{token}?mail={}", mail.replace('@', "%40"));
    let first = [
        vec![0x82, 0x86],
        header(0x44, "", &path, packed),
        header(0x41, "", &format!("shop.{host}:8080"), packed),
        header(0x57, "", &format!("Bearer {token}"), packed),
        header(0x60, "", &format!("sid={token}; who={password}"), packed),
        header(0x10, "x-customer", name, packed),
        header(0x40, odd, "1", packed),
        header(0x00, "x-card", card, packed),
    ];
    // Again the authorization and the authority, by their places in the table.
    let second = [
        vec![0x83, 0x86],
        header(0x04, "", "/api/v1/orders", packed),
        vec![0xc0, 0xc1],
        header(0x5f, "", "application/json", packed),
    ];
    let body = format!(r#"{{"email":"{mail}","address":"{street}","card":"{card}"}}"#);
    let (front, back) = body.as_bytes().split_at(20);
    let answer = [
        vec![0x88],
        header(0x6e, "", &format!("https://shop.{host}/orders/{token}"), packed),
        header(0x5f, "", "text/plain", packed),
    ];
    let mut wire = Wire::connected();
    wire.mss = 97;
    wire.say(
        From::Client,
        [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, b""), &frame(1, 5, 1, &first.concat())].concat(),
    );
    wire.say(From::Server, [frame(4, 0, 0, b""), frame(1, 4, 1, &answer.concat())].concat());
    wire.say(
        From::Client,
        [
            frame(1, 4, 3, &second.concat()),
            frame(0, 0, 3, front),
            frame(6, 0, 0, &text.as_bytes()[..8]),
            frame(0, 1, 3, back),
        ]
        .concat(),
    );
    wire.say(
        From::Server,
        [
            frame(0, 1, 1, text.as_bytes()),
            frame(1, 5, 3, &[0x89]),
            frame(7, 0, 0, &[&[0; 8], text.as_bytes()].concat()),
        ]
        .concat(),
    );
    wire.file.clone()
}

/// Marks, and each message as HTTP/1 says it.
#[derive(Default)]
struct Told {
    marks: Vec<String>,
    texts: Vec<u8>,
}

impl Visitor for Told {
    fn mark(&mut self, stream: Stream, mark: Mark<'_>, _time_ns: i128) {
        match mark {
            Mark::Text(text) => self.texts.extend_from_slice(text),
            Mark::Request { method, at, .. } => {
                self.marks.push(format!("{:?} {} {at}", stream.side, method.escape_ascii()));
            }
            Mark::Response { status, at } => self.marks.push(format!("{:?} {status} {at}", stream.side)),
            Mark::Lane(lane) => self.marks.push(format!("{:?} lane {lane}", stream.side)),
            Mark::End { end } => self.marks.push(format!("{:?} end {end}", stream.side)),
            Mark::Cut => self.marks.push(format!("{:?} cut", stream.side)),
        }
    }
}

fn told(file: &[u8]) -> Told {
    let mut told = Told::default();
    dissect::run(Box::new(std::io::Cursor::new(file.to_vec())), &mut told).unwrap();
    told
}

/// Names and lengths of the headers in the messages' HTTP/1 form: what masking must leave as it is.
fn headers(texts: &[u8]) -> Vec<(String, usize)> {
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let lines = texts.split(|byte| *byte == b'\n').map(|line| (String::from_utf8_lossy(line).into_owned(), line.len()));
    lines
        .filter_map(|(line, len)| {
            line.split_once(": ").filter(|(name, _)| is_name(name)).map(|(name, _)| (name.into(), len))
        })
        .collect()
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    memchr::memmem::find(&haystack.to_ascii_lowercase(), needle.to_ascii_lowercase().as_bytes()).is_some()
}

#[test]
fn no_canary_survives_in_http2() {
    for packed in [false, true] {
        let original = planted(packed);
        let before = told(&original);
        for rules in ["default", "blank"] {
            let Masked { bytes, manifest, .. } = How::rules(rules).mask(&original);
            let after = told(&bytes);
            assert_eq!(before.marks, after.marks, "under {rules}");
            for canary in CANARIES {
                let percent = canary.replace('@', "%40");
                let is_there = holds(&before.texts, canary) || holds(&before.texts, &percent);
                assert!(is_there, "{canary} is not planted");
                let left =
                    [&after.texts, &bytes].into_iter().any(|bytes| holds(bytes, canary) || holds(bytes, &percent));
                assert!(!left && !holds(&serde_json::to_vec(&manifest).unwrap(), canary), "{canary} under {rules}");
            }
        }
    }
}

/// Every value in a literal takes the characters and the bits that it took: tables stay as large as they were.
#[test]
fn tables_keep_their_sizes() {
    let (before, after) =
        (told(&fixture("shop-http2.pcap")), told(&masked_fixture("shop-http2.pcap", "default").bytes));
    assert!(before.marks.len() > 300 && before.marks == after.marks);
    let (before, after) = (headers(&before.texts), headers(&after.texts));
    assert!(before.len() > 500);
    assert_eq!(before, after);
}

#[test]
fn every_byte_of_http2_has_a_label() {
    let original = planted(true);
    assert_ledger(&original, &mask(&original));
}

/// What a client was told comes back as it was told: ids in bodies, `Location` and paths have the same pseudonyms.
#[test]
fn values_are_followed_through_masked_http2() {
    let edges = |file: &[u8]| {
        let mut collector = standin::workload::Collector::new();
        dissect::run(Box::new(std::io::Cursor::new(file.to_vec())), &mut collector).unwrap();
        let mut workload = collector.finish().unwrap();
        standin::workload::correlate(&mut workload);
        let steps = workload.sessions.iter().flat_map(|session| &session.steps);
        let answered = steps.filter(|step| step.expect.is_some()).count();
        let http2 =
            workload.sessions.iter().flat_map(|session| &session.connections).all(|connection| connection.http2);
        (workload.requests(), answered, http2, workload.edges())
    };
    let before = edges(&fixture("shop-http2.pcap"));
    let after = edges(&masked_fixture("shop-http2.pcap", "default").bytes);
    assert_eq!((before.0, before.1, before.2), (79, 79, true));
    assert_eq!((after.0, after.1, after.2), (79, 79, true));
    assert!(before.3 > 40 && after.3 * 100 >= before.3 * 95, "{} of {} values are followed", after.3, before.3);
}

/// Twelve streams at once overlap, and each has its own times.
#[test]
fn exchanges_of_one_connection_overlap() {
    let mut collector = standin::workload::Collector::new();
    dissect::run(Box::new(std::io::Cursor::new(fixture("shop-http2.pcap"))), &mut collector).unwrap();
    let workload = collector.finish().unwrap();
    let overlaps = workload.sessions.iter().flat_map(|session| session.steps.windows(2)).filter(|pair| {
        let [before, next] = pair else { return false };
        before.expect.as_ref().is_some_and(|answer| answer.first_byte > next.at)
    });
    assert!(overlaps.count() >= 6);
}
