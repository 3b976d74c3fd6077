//! What is in a capture: protocols, endpoints, kinds of sensitive data and how much of them; never a value.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use serde::Serialize;

use super::judge::Judge;
use super::result::{AuditError, Input};
use crate::decode::Layers;
use crate::dissect::{self, Packet, Stream, Visitor};
use crate::flow::{Datagram, Part, Span};
use crate::limits::INSPECT_LINES_MAX;
use crate::protocol::encoding::{Decoded, decode};
use crate::protocol::{Encoding, Field, Mark, PartKind, Window};

/// `standin inspect --json`.
#[derive(Debug, Default, Serialize)]
pub struct Inspection {
    /// Version of the program.
    pub standin: &'static str,
    /// Version of this object's shape.
    pub schema: u32,
    /// Packets.
    pub packets: u64,
    /// Captured bytes of packets.
    pub bytes: u64,
    /// From the first packet's time to the last one's.
    pub seconds: f64,
    /// Link types, by their names in the tcpdump.org registry where they have one here.
    pub link_types: BTreeSet<String>,
    /// Packets that have a layer of this name.
    pub protocols: BTreeMap<String, u64>,
    /// HTTP in figures.
    pub http: Http,
    /// Requests by method and path, most requested first.
    pub endpoints: Vec<Endpoint>,
    /// Sensitive data by kind.
    pub kinds: BTreeMap<String, Kind>,
    /// What would be blanked.
    pub not_understood: Vec<NotUnderstood>,
    /// What the reader should know.
    pub warnings: Vec<String>,
}

/// HTTP in figures.
#[derive(Debug, Default, Serialize)]
pub struct Http {
    /// Requests.
    pub requests: u64,
    /// Final responses.
    pub responses: u64,
    /// Connections with at least one of either.
    pub connections: u64,
}

/// An endpoint.
#[derive(Debug, Serialize)]
pub struct Endpoint {
    /// The method.
    pub method: String,
    /// The path; `{}` stands where a segment is no public word.
    pub path_template: String,
    /// Requests to it.
    pub requests: u64,
}

/// A kind of sensitive data.
#[derive(Debug, Serialize)]
pub struct Kind {
    /// Distinct values; an estimate above some ten thousand.
    pub values: u64,
    /// All of them.
    pub occurrences: u64,
    /// Distinct fields that hold them.
    pub places: u64,
}

/// Something that is not understood.
#[derive(Debug, Serialize)]
pub struct NotUnderstood {
    /// What.
    pub what: String,
    /// Packets with it.
    pub packets: u64,
    /// Bytes of it.
    pub bytes: u64,
}

/// Reads a capture once.
pub fn inspect(input: &Input, judge: &Judge) -> Result<Inspection, AuditError> {
    let mut inspector = Inspector::new(judge);
    let run = dissect::run(input.open()?, &mut inspector);
    let reader = run.map_err(|source| AuditError::Capture { file: input.to_string(), source })?;
    let mut inspection = inspector.finish();
    inspection.warnings.extend(reader.damage().map(|damage| damage.to_string()));
    Ok(inspection)
}

/// Distinct values in fixed memory: beyond a bound only every second, fourth … is remembered, by its hash.
#[derive(Default)]
struct Distinct {
    hashes: HashSet<u64>,
    halvings: u32,
}

impl Distinct {
    const ROOM: usize = 1 << 14;

    fn add(&mut self, hash: u64) {
        if hash.trailing_zeros() >= self.halvings {
            self.hashes.insert(hash);
        }
        while self.hashes.len() > Self::ROOM {
            self.halvings += 1;
            let halvings = self.halvings;
            self.hashes.retain(|hash| hash.trailing_zeros() >= halvings);
        }
    }

    fn count(&self) -> u64 {
        (self.hashes.len() as u64) << self.halvings.min(48)
    }
}

#[derive(Default)]
struct Tally {
    values: Distinct,
    occurrences: u64,
    places: Distinct,
}

struct Inspector<'a> {
    judge: &'a Judge,
    decoded: Decoded,
    hasher: RandomState,
    result: Inspection,
    span: Option<(i128, i128)>,
    connections: HashSet<u64>,
    /// The packet that was last counted as one with HTTP.
    last_http: u64,
    endpoints: BTreeMap<(String, String), u64>,
    kinds: BTreeMap<&'a str, Tally>,
    /// What -> packets, bytes, the packet last counted.
    unknown: BTreeMap<&'static str, (u64, u64, u64)>,
}

impl<'a> Inspector<'a> {
    fn new(judge: &'a Judge) -> Self {
        Self {
            judge,
            decoded: Decoded::default(),
            hasher: RandomState::new(),
            result: Inspection { standin: env!("CARGO_PKG_VERSION"), schema: 1, ..Inspection::default() },
            span: None,
            connections: HashSet::new(),
            last_http: 0,
            endpoints: BTreeMap::new(),
            kinds: BTreeMap::new(),
            unknown: BTreeMap::new(),
        }
    }

    fn finish(self) -> Inspection {
        let mut result = self.result;
        result.seconds = self.span.map_or(0.0, |(first, last)| (last - first) as f64 / 1e9);
        result.http.connections = self.connections.len() as u64;
        let endpoint = |((method, path_template), requests)| Endpoint { method, path_template, requests };
        result.endpoints = self.endpoints.into_iter().map(endpoint).collect();
        result.endpoints.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.requests));
        let kind = |(name, tally): (&str, Tally)| {
            let (values, places) = (tally.values.count(), tally.places.count());
            (name.to_owned(), Kind { values, occurrences: tally.occurrences, places })
        };
        result.kinds = self.kinds.into_iter().map(kind).collect();
        let unknown = |(what, (packets, bytes, _)): (&str, _)| NotUnderstood { what: what.to_owned(), packets, bytes };
        result.not_understood = self.unknown.into_iter().map(unknown).collect();
        result
    }

    fn take(&mut self, field: &Field<'_>) {
        let text = decode(field.raw, field.encoding, &mut self.decoded);
        if self.judge.keeps(field, text).is_some() {
            return;
        }
        self.judge.scan(text, |kind, at| {
            let tally = self.kinds.entry(kind).or_default();
            tally.occurrences += 1;
            tally.values.add(self.hasher.hash_one(text.get(at).unwrap_or_default()));
            tally.places.add(self.hasher.hash_one(field.path));
        });
    }

    fn address(&mut self, kind: &'static str, bytes: &[u8]) {
        let tally = self.kinds.entry(kind).or_default();
        tally.occurrences += 1;
        tally.values.add(self.hasher.hash_one(bytes));
        tally.places.add(self.hasher.hash_one(kind));
    }

    fn unknown(&mut self, what: &'static str, bytes: u64) {
        let packet = self.result.packets;
        let (packets, sum, last) = self.unknown.entry(what).or_default();
        *packets += u64::from(*last != packet);
        *sum += bytes;
        *last = packet;
    }

    fn request(&mut self, method: &[u8], target: &[u8]) {
        self.result.http.requests += 1;
        let method = match method.len() <= 20 && method.iter().all(|b| b.is_ascii_uppercase() || *b == b'-') {
            true => String::from_utf8_lossy(method).into_owned(),
            false => "{}".to_owned(),
        };
        let key = (method, self.template(target));
        if self.endpoints.len() < INSPECT_LINES_MAX || self.endpoints.contains_key(&key) {
            *self.endpoints.entry(key).or_default() += 1;
        }
    }

    /// The path of a request's target; what is no public word in it becomes `{}`, and the authority is left out.
    fn template(&mut self, target: &[u8]) -> String {
        let after_scheme = memchr::memmem::find(target, b"://").map(|at| &target[at + 3..]);
        let path = match after_scheme {
            Some(rest) => rest.iter().position(|b| *b == b'/').map_or(&b"/"[..], |at| &rest[at..]),
            None => target,
        };
        let end = path.iter().position(|b| matches!(b, b'?' | b'#' | b';')).unwrap_or(path.len());
        if path == b"*" {
            return "*".to_owned();
        }
        let segments = path[..end].split(|b| *b == b'/').map(|segment| {
            let text = decode(segment, Encoding::Percent, &mut self.decoded);
            let public = text.is_empty() || self.judge.policy().is_vocabulary(text);
            if public { String::from_utf8_lossy(text).into_owned() } else { "{}".to_owned() }
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

impl Inspector<'_> {
    /// The layers of a packet, or of a datagram in fragments.
    fn frame(&mut self, frame: &[u8], layers: &Layers) {
        let names: BTreeSet<&str> = layers.names.iter().copied().collect();
        for name in names {
            match self.result.protocols.get_mut(name) {
                Some(packets) => *packets += 1,
                None => drop(self.result.protocols.insert(name.to_owned(), 1)),
            }
        }
        for (what, at) in &layers.not_understood {
            self.unknown(what, at.len() as u64);
        }
        for piece in &layers.pieces {
            use crate::decode::What;
            let kind = match piece.what {
                What::Mac => "mac",
                What::Ipv4 => "ipv4",
                What::Ipv6 => "ipv6",
                What::TunnelId | What::Structural | What::Checksum | What::Clock { .. } | What::FlowLabel => continue,
            };
            let at = piece.start as usize..piece.start as usize + piece.len as usize;
            if let Some(bytes) = frame.get(at) {
                self.address(kind, bytes);
            }
        }
    }
}

impl Visitor for Inspector<'_> {
    fn packet(&mut self, packet: &Packet<'_>, layers: &Layers) {
        let result = &mut self.result;
        result.packets += 1;
        result.bytes += packet.frame.len() as u64;
        result.link_types.insert(link_name(packet.link));
        let (first, last) = self.span.unwrap_or((packet.time_ns, packet.time_ns));
        self.span = Some((first.min(packet.time_ns), last.max(packet.time_ns)));
        self.frame(packet.frame, layers);
    }

    fn datagram(&mut self, datagram: &Datagram, layers: &Layers) {
        self.frame(&datagram.frame, layers);
    }

    fn stray(&mut self, what: &'static str, part: &Part) {
        self.unknown(what, u64::from(part.len));
    }

    fn field(&mut self, _stream: Stream, field: &Field<'_>, _at: &[Range<u64>], _spans: &[Span]) {
        self.take(field);
    }

    fn opaque(&mut self, _stream: Stream, what: &'static str, at: Range<u64>, _spans: &[Span]) {
        self.unknown(what, at.end.saturating_sub(at.start));
    }

    fn window(&mut self, _stream: Stream, window: &Window<'_>, _at: &[Range<u64>], _spans: &[Span]) {
        for part in window.parts {
            let Some(raw) = window.plain.get(part.at.clone()) else { continue };
            match &part.what {
                PartKind::Keep => {}
                PartKind::Opaque(what) => self.unknown(what, raw.len() as u64),
                PartKind::Field { path, name, encoding, role } => {
                    self.take(&Field { path, name, raw, encoding: *encoding, role: *role });
                }
            }
        }
    }

    fn mark(&mut self, stream: Stream, mark: Mark<'_>, _time_ns: i128) {
        match mark {
            Mark::Request { method, target, .. } => self.request(method, target),
            Mark::Response { .. } => self.result.http.responses += 1,
            Mark::End { .. } | Mark::Lane(_) | Mark::Text(_) | Mark::Cut => return,
        }
        self.connections.insert(stream.flow);
        if self.last_http != self.result.packets {
            self.last_http = self.result.packets;
            *self.result.protocols.entry("http".to_owned()).or_default() += 1;
        }
    }
}

/// Names of the tcpdump.org registry for the link types that are decoded.
fn link_name(link: u32) -> String {
    let name = match link {
        0 => "NULL",
        1 => "ETHERNET",
        9 => "PPP",
        12 | 14 | 101 => "RAW",
        105 => "IEEE802_11",
        108 => "LOOP",
        113 => "LINUX_SLL",
        127 => "IEEE802_11_RADIOTAP",
        228 => "IPV4",
        229 => "IPV6",
        239 => "NFLOG",
        276 => "LINUX_SLL2",
        other => return other.to_string(),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_values_are_counted_and_beyond_the_bound_estimated() {
        let hasher = RandomState::new();
        for many in [10u64, 10_000, 400_000] {
            let mut distinct = Distinct::default();
            (0..many * 2).for_each(|n| distinct.add(hasher.hash_one(n % many)));
            let error = (distinct.count() as f64 - many as f64).abs() / many as f64;
            assert!(error < 0.05 && distinct.hashes.len() <= Distinct::ROOM, "{many}: {}", distinct.count());
        }
    }
}
