//! G10: a bound that is hit is told in the manifest, or there is a reason why nobody need know.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use standin::limits;

use super::wire::{ACK, From, SYN, Segment, Wire, answer};
use super::{assert_ledger, mask};

/// Where a manifest tells that a bound was hit.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// `limits_hit`, under this name.
    Hit(&'static str),
    /// `not_understood`, under this name.
    NotUnderstood(&'static str),
    /// `warnings`, with these words.
    Warning(&'static str),
    /// `late_copy`, when a copy comes of what was forgotten.
    LateCopy,
    /// Nowhere: nothing is lost, for this reason.
    Nowhere(&'static str),
}

use Told::{Hit, LateCopy, NotUnderstood, Nowhere, Warning};

const BOUNDS: &[(&str, Told)] = &[
    ("REGEX_BYTES_MAX", Nowhere("rules with a larger one are refused")),
    ("YAML_BYTES_MAX", Nowhere("a larger file of rules is refused")),
    ("RULES_MAX", Nowhere("more rules are refused before anything is read")),
    ("RECORD_BYTES_MAX", Warning("a record claims more than 16 MiB")),
    ("BATCH_BYTES", Nowhere("bytes are read at a time, all of them")),
    ("ZSTD_WINDOW_LOG_MAX", Warning("its compressed data is damaged")),
    ("INTERFACES_MAX", Warning("interfaces")),
    ("HELD_BYTES_MAX", Hit("held_bytes")),
    ("HELD_PACKET_BYTES", Hit("held_bytes")),
    ("HELD_SPAN_BYTES", Hit("held_bytes")),
    ("HISTORY_BYTES_MAX", LateCopy),
    ("HISTORY_RUNS_MAX", LateCopy),
    ("HISTORY_PIECES_MAX", LateCopy),
    ("FLOWS_BYTES_MAX", Hit("flows")),
    ("FLOW_BYTES", Hit("flows")),
    ("INFLATING_BYTES", Hit("flows")),
    ("OUT_OF_ORDER_BYTES_MAX", Hit("out_of_order")),
    ("OUT_OF_ORDER_SEGMENTS_MAX", Hit("out_of_order")),
    ("WINDOW_AHEAD_MAX", NotUnderstood("far ahead of the stream")),
    ("PROBE_BYTES_MAX", NotUnderstood("tcp payload")),
    ("HOLD_NANOS_MAX", Nowhere("what there is of a message is read as it stands")),
    ("GAP_NANOS_MAX", Nowhere("what is behind the gap is read; what cannot be is told as behind a gap")),
    ("SOCKET_MESSAGE_BYTES_MAX", Nowhere("masking reads frames, whatever message they belong to")),
    ("SOCKET_FRAMES_MAX", Nowhere("masking reads frames, whatever message they belong to")),
    ("HEAD_BYTES_MAX", NotUnderstood("http head too long")),
    ("HEADER_TABLE_BYTES_MAX", NotUnderstood("http2 headers of an unknown table")),
    ("HEADER_LIST_BYTES_MAX", NotUnderstood("http2 headers of an unknown table")),
    ("HTTP2_FRAME_BYTES_MAX", NotUnderstood("http2 out of step")),
    ("HTTP2_STREAMS_MAX", NotUnderstood("http2 data of an unknown stream")),
    ("VALUE_BYTES_MAX", Nowhere("longer values are masked in parts")),
    ("NESTING_MAX", Nowhere("what is deeper is masked as text")),
    ("PROTOBUF_NESTING_MAX", NotUnderstood("protobuf nested too deep")),
    ("WINDOW_BYTES", Nowhere("a body has as many windows as it takes")),
    ("WINDOW_PLAIN_MAX", NotUnderstood("http body too large when inflated")),
    ("WINDOW_PARTS_BYTES_MAX", NotUnderstood("http body of too many values when inflated")),
    ("TUNNELS_MAX", NotUnderstood("http tunnel")),
    ("PIPELINE_MAX", Nowhere("responses are read as if nothing were known of their requests")),
    ("PATH_BYTES_MAX", Nowhere("the value is masked all the same, under a shorter path")),
    ("CACHED_TEXTS_BYTES_MAX", Nowhere("forgotten pseudonyms are computed again")),
    ("CACHE_ENTRIES_MAX", Nowhere("forgotten pseudonyms are computed again")),
    ("CACHED_VALUE_BYTES_MAX", Nowhere("longer values are computed each time")),
    ("KNOWN_VALUES_BYTES_MAX", Nowhere("forgotten values are computed again")),
    ("COUNTED_VALUES_MAX", Hit("counted_values")),
    ("DATAGRAMS_MAX", Hit("datagrams")),
    ("DATAGRAM_BYTES_MAX", Hit("datagrams")),
    ("DATAGRAMS_REMEMBERED", LateCopy),
    ("FRAGMENTS_MAX", NotUnderstood("ip fragment")),
    ("ASSOCIATIONS_BYTES_MAX", Hit("associations")),
    ("STREAMS_MAX", NotUnderstood("sctp chunk")),
    ("CHUNKS_EARLY_MAX", Hit("early_chunks")),
    ("CHUNKS_REMEMBERED", LateCopy),
    ("LAYERS_MAX", NotUnderstood("too many layers")),
    ("DECISIONS_MAX", Nowhere("forgotten decisions are made again")),
    ("DECISION_PATH_BYTES_MAX", Nowhere("decisions for longer paths are made each time")),
];

/// All that a capture goes through when it is masked. What replay and audit cannot hold they tell themselves.
fn sources_of_masking() -> String {
    fn read(folder: &Path, into: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.is_dir() {
                true => read(&entry, into),
                false => *into += &std::fs::read_to_string(entry).unwrap(),
            }
        }
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut text = String::new();
    ["capture", "decode", "dissect", "flow", "mask", "protocol", "rules", "sanitize"]
        .iter()
        .for_each(|folder| read(&src.join(folder), &mut text));
    text
}

#[test]
fn every_bound_is_told_somewhere() {
    let source = include_str!("../../src/limits.rs");
    let name = |line: &'static str| line.strip_prefix("pub const ")?.split_once(':').map(|(name, _)| name);
    let masking = sources_of_masking();
    let words: BTreeSet<&str> = masking.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()).collect();
    let bounds = source.lines().filter_map(name).filter(|name| *name != "COUNTED" && words.contains(name));
    assert_eq!(bounds.collect::<BTreeSet<_>>(), BOUNDS.iter().map(|(name, _)| *name).collect());
    let hit = BOUNDS.iter().filter_map(|(_, told)| if let Hit(name) = told { Some(*name) } else { None });
    // Layers of datagrams within datagrams are counted; those of a frame are told as what is not understood.
    assert_eq!(hit.chain(["layers"]).collect::<BTreeSet<_>>(), limits::COUNTED.iter().map(|(name, _)| *name).collect());
    let reasons = BOUNDS.iter().filter_map(|(_, told)| if let Nowhere(why) = told { Some(why.len()) } else { None });
    assert!(reasons.min() > Some(20));
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    let packed = encoder.finish().unwrap();
    answer("200 OK", "Content-Encoding: gzip\r\n", "application/json", &packed)
}

/// Captures that hit bounds.
fn captures() -> Vec<(&'static str, Vec<u8>)> {
    let unfinished = || {
        let mut wire = Wire::connected();
        wire.say(From::Client, "GET /cart HTTP/1.1\r\nCookie: sid=f3b0c44298fc1c149afb");
        wire
    };
    let answered = |bytes: &[u8]| {
        let mut wire = Wire::connected();
        wire.say(From::Client, "GET /cart HTTP/1.1\r\n\r\n").say(From::Server, bytes).close();
        wire.file
    };
    let mut held = unfinished();
    (0..16_500).for_each(|_| held.frame(b"").micros -= 1_000);
    let mut flows = Wire::new();
    for port in 1..=9_300 {
        flows.ports[0] = port;
        flows.flags(From::Client, SYN);
    }
    let mut hole = Wire::connected();
    hole.next[0] += 7;
    hole.say(From::Client, vec![b'x'; (1 << 20) + 2_000]);
    let mut ahead = Wire::connected();
    let stranger = ahead.segment(From::Client, ACK, b"from elsewhere");
    ahead.next = Wire::connected().next;
    ahead.send(&Segment { seq: stranger.seq.wrapping_add(1 << 30), ..stranger });
    ahead.say(From::Server, b"HTTP/1.1 204 No Content\r\n\r\n").close();
    let mut head = Wire::connected();
    head.say(From::Client, [b"GET / HTTP/1.1\r\nX-Filler: ".to_vec(), vec![b'x'; 70_000]].concat());
    let mut tags = Wire::new();
    tags.frame(&[&[0; 12][..], &[0x81, 0, 0, 7].repeat(40), &[8, 0]].concat());
    let mut record = unfinished();
    record.file.extend([0xff; 20]);
    let nested = (0..40).fold(b"\x12\x01a".to_vec(), |inner, _| [&[0x0a, inner.len() as u8][..], &inner].concat());
    vec![
        ("PROTOBUF_NESTING_MAX", answered(&answer("200 OK", "", "application/protobuf", &nested))),
        ("HELD_BYTES_MAX", held.file),
        ("FLOWS_BYTES_MAX", flows.file),
        ("OUT_OF_ORDER_BYTES_MAX", hole.file),
        ("WINDOW_AHEAD_MAX", ahead.file),
        ("HEAD_BYTES_MAX", head.file),
        ("LAYERS_MAX", tags.file),
        ("RECORD_BYTES_MAX", record.file),
        ("WINDOW_PLAIN_MAX", answered(&gzip(&[b' '; 3 << 20]))),
        ("WINDOW_PARTS_BYTES_MAX", answered(&gzip(format!("[{}1]", "1,".repeat(90_000)).as_bytes()))),
    ]
}

#[test]
fn bounds_that_are_hit_are_told() {
    for (bound, capture) in captures() {
        let masked = mask(&capture);
        assert_ledger(&capture, &masked);
        let manifest = &masked.manifest;
        let told = BOUNDS.iter().find(|(name, _)| *name == bound).unwrap().1;
        let is_told = match told {
            Hit(name) => manifest.limits_hit.iter().any(|hit| hit.limit == name && hit.times > 0),
            NotUnderstood(name) => manifest.not_understood.iter().any(|what| what.what == name && what.bytes > 0),
            Warning(words) => manifest.warnings.iter().any(|warning| warning.contains(words)),
            LateCopy => manifest.late_copy > 0,
            Nowhere(_) => false,
        };
        let (hits, unread) = (&manifest.limits_hit, &manifest.not_understood);
        assert!(is_told, "{bound}, {told:?}: {hits:?} {unread:?} {:?}", manifest.warnings);
    }
}
