//! G3: no planted value survives, in any disguise, in capture, manifest or ledger.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use flate2::{Decompress, FlushDecompress};

use super::{CAPTURES, fixture, masked_fixture, packets, planted, wire};

/// The value in every disguise that is looked for.
fn disguises(value: &str) -> Vec<Vec<u8>> {
    let bytes = value.as_bytes();
    let percent = |keep: &dyn Fn(u8) -> bool, space: &str| -> String {
        let one = |&b: &u8| match b {
            b' ' => space.to_owned(),
            b if keep(b) => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        };
        bytes.iter().map(one).collect()
    };
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let escape = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", c as u32) };
    let mut all = vec![
        value.to_owned(),
        bytes.iter().map(|b| format!("{b:02x}")).collect(),
        percent(&unreserved, "%20"),
        percent(&unreserved, "+"),
        percent(&|b| unreserved(b) || b"@!+,/:".contains(&b), "%20"),
        value.chars().map(escape).collect(),
        value.chars().rev().collect(),
    ];
    for phase in 0..3 {
        let encoded = STANDARD_NO_PAD.encode([&b"???"[..phase], bytes].concat());
        // The characters that depend on the value alone.
        let end = (phase + bytes.len()) * 8 / 6;
        all.push(encoded[(phase * 8).div_ceil(6)..end].to_owned());
    }
    let mut all: Vec<Vec<u8>> = all.into_iter().map(String::into_bytes).collect();
    all.extend((0..8).filter_map(|phase| huffman(bytes, phase)));
    all
}

/// The bytes that hold nothing but the value in the code of HTTP/2's headers, where it begins so many bits into a byte.
/// Nothing when they are too few to tell anything.
fn huffman(value: &[u8], phase: usize) -> Option<Vec<u8>> {
    // Letters of five bits bring the value to its place.
    let before = (0..8).find(|n| 5 * n % 8 == phase)?;
    let mut code = Vec::new();
    standin::protocol::http2::huffman::encode(&[&b"aaaaaaa"[..before], value].concat(), &mut code);
    let bits: usize = value.iter().map(|byte| standin::protocol::http2::huffman::bits(*byte)).sum();
    let inner = (5 * before).div_ceil(8)..(5 * before + bits) / 8;
    code.get(inner).filter(|inner| inner.len() >= 6).map(<[u8]>::to_vec)
}

/// A capture in every form in which something could be read in it: as a file, frame by frame, as streams, without
/// chunk framing, inflated.
fn haystacks(file: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![file.to_vec()];
    all.extend(packets(file).into_iter().map(|packet| packet.frame));
    for stream in wire::streams(file) {
        let dechunked = dechunked(&stream);
        for haystack in [stream, dechunked] {
            let signatures = memchr::memmem::find_iter(&haystack, b"\x1f\x8b\x08\x00");
            all.extend(signatures.map(|at| inflated(&haystack[at + 10..])).collect::<Vec<_>>());
            all.push(haystack);
        }
    }
    all
}

fn inflated(packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(4 << 20);
    let _ = Decompress::new(false).decompress_vec(packed, &mut plain, FlushDecompress::Sync);
    plain
}

/// The stream without the size lines of its chunked bodies.
fn dechunked(stream: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = stream;
    while let Some(at) = memchr::memmem::find(rest, b"\r\n") {
        let (line, behind) = (&rest[..at], &rest[at + 2..]);
        let size = std::str::from_utf8(line).ok().and_then(|line| usize::from_str_radix(line, 16).ok());
        match size {
            Some(size) if size > 0 && size <= behind.len() => {
                out.extend_from_slice(&behind[..size]);
                rest = behind.get(size + 2..).unwrap_or_default();
            }
            _ => {
                out.extend_from_slice(&rest[..at + 2]);
                rest = behind;
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

/// Indices of the values that are found.
fn found(values: &[[String; 3]], haystacks: &[Vec<u8>]) -> BTreeSet<usize> {
    let patterns: Vec<(usize, Vec<u8>)> = values
        .iter()
        .enumerate()
        .flat_map(|(index, [_, value, _])| disguises(value).into_iter().map(move |pattern| (index, pattern)))
        .collect();
    let searcher =
        AhoCorasick::builder().ascii_case_insensitive(true).build(patterns.iter().map(|(_, pattern)| pattern)).unwrap();
    let mut found = BTreeSet::new();
    for haystack in haystacks {
        found.extend(searcher.find_overlapping_iter(haystack).map(|hit| patterns[hit.pattern().as_usize()].0));
    }
    found
}

#[test]
fn no_planted_value_survives() {
    let planted = planted();
    for name in CAPTURES {
        let input = fixture(name);
        let masked = masked_fixture(name, "default");
        let control = found(&planted, &haystacks(&input));
        for (index, [_, value, captures]) in planted.iter().enumerate() {
            let listed = captures.split(',').any(|capture| capture == name);
            assert!(!listed || control.contains(&index), "{value} is not found in {name}: the search is broken");
        }
        let mut left = haystacks(&masked.bytes);
        left.push(serde_json::to_vec(&masked.manifest).unwrap());
        left.push(masked.ledger.clone().into_bytes());
        let survivors: Vec<&String> = found(&planted, &left).into_iter().map(|index| &planted[index][1]).collect();
        assert!(survivors.is_empty(), "{name}: {survivors:?}");
    }
}

/// Each disguise is found when it is there, so the test above can fail.
#[test]
fn disguises_are_seen_through() {
    let value = &planted()[2];
    for (at, disguise) in disguises(&value[1]).into_iter().enumerate() {
        let haystack = [&b"before "[..], &disguise.to_ascii_lowercase(), b" behind"].concat();
        assert_eq!(found(std::slice::from_ref(value), &[haystack]).len(), 1, "disguise {at}");
    }
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packer, value[1].as_bytes()).unwrap();
    let mut wire = wire::Wire::connected();
    wire.mss = 7;
    wire.say(wire::From::Server, packer.finish().unwrap());
    assert_eq!(found(std::slice::from_ref(value), &haystacks(&wire.file)).len(), 1, "gzip over segments");
}
