//! The visitor that edits: each event becomes bytes and claims in the packets that hold it.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::ops::Range;

use super::headers::Headers;
use super::history::History;
use super::hold::{CHECKSUM, FRAMING, Hold};
use super::ledger::{Because, Label};
use super::packed::{Bodies, Instead};
use super::values::{GRAMMAR, KEPT_PAYLOAD, PACKED, Values};
use super::veiled::Upgrades;
use crate::capture::{Meta, PacketId, Record, Region};
use crate::decode::{Layers, What};
use crate::dissect::{Packet, Stream, Visitor};
use crate::flow::{Datagram, Part, Span};
use crate::protocol::{Codec, Encoding, Field, Mark, PartKind, Role, Side, Window, veiled};
use crate::rules::Payload;

/// How the manifest calls a compressed message whose masked text had no room, so that one that says nothing stands there.
const FILLED: &str = "compressed message without room";

/// Edits held packets as the loop tells.
pub(super) struct Editor<'a> {
    pub(super) hold: Hold<'a>,
    pub(super) values: Values,
    pub(super) headers: Headers,
    pub(super) payload: Payload,
    history: History,
    bodies: Bodies,
    pub(super) upgrades: Upgrades,
    /// Flows that speak HTTP/2.
    lanes: HashSet<u64>,
    pub(super) tally: Tally,
    pub(super) scratch: Vec<u8>,
    /// The first error of the output; nothing is written after it.
    pub(super) failed: Option<io::Error>,
}

/// Counts for the manifest.
#[derive(Default)]
pub(super) struct Tally {
    /// Packets and bytes by what was not understood.
    pub(super) not_understood: BTreeMap<&'static str, (u64, u64)>,
    pub(super) limits: BTreeMap<&'static str, u64>,
    pub(super) late_copy: u64,
    pub(super) payload_kept: u64,
}

impl Tally {
    pub(super) fn not_understood(&mut self, what: &'static str, packets: u64, bytes: u64) {
        let entry = self.not_understood.entry(what).or_default();
        entry.0 += packets;
        entry.1 += bytes;
    }
}

impl<'a> Editor<'a> {
    pub(super) fn new(hold: Hold<'a>, values: Values, headers: Headers, payload: Payload) -> Self {
        Editor {
            hold,
            values,
            headers,
            payload,
            history: History::new(),
            bodies: Bodies::default(),
            upgrades: Upgrades::default(),
            lanes: HashSet::new(),
            tally: Tally::default(),
            scratch: Vec::new(),
            failed: None,
        }
    }

    /// Edits what the newest record says beside its framing and packet data.
    pub(super) fn regions(&mut self, record: &Record, regions: &[Region]) {
        for region in regions {
            match region.what {
                Meta::Ipv4 => self.region_address(region, What::Ipv4),
                Meta::Ipv6 => self.region_address(region, What::Ipv6),
                Meta::Mac => self.region_address(region, What::Mac),
                Meta::Text(_) => self.region_text(region, Role::Text),
                Meta::Host => self.region_text(region, Role::Host),
                Meta::Opaque(what) => self.region_opaque(region, what, record.packet.is_some()),
            }
        }
    }

    fn region_address(&mut self, region: &Region, what: What) {
        let Some(mut held) = self.hold.newest_record() else { return };
        let bytes = &mut held.frame[region.at.clone()];
        let (label, because) = self.headers.mask(what, bytes, &[], &mut self.values.masker);
        held.claim(span(region), label, because);
    }

    /// Masks a text of the container as it would be masked in a message.
    fn region_text(&mut self, region: &Region, role: Role) {
        let Some(mut held) = self.hold.newest_record() else { return };
        let path = region.what.path().unwrap_or_default();
        let raw = held.frame[region.at.clone()].to_vec();
        let name = path.rsplit('.').next().unwrap_or(&path);
        let field = Field { path: &path, name, raw: &raw, encoding: Encoding::Plain, role };
        self.scratch.clear();
        let outcome = self.values.replace(&field, &mut self.scratch);
        held.frame[region.at.clone()].copy_from_slice(&self.scratch);
        held.claim(span(region), outcome.label, outcome.because);
    }

    /// What is not known to be harmless or to be text is blanked, unless a rule names it.
    fn region_opaque(&mut self, region: &Region, what: &'static str, of_packet: bool) {
        let Some(mut held) = self.hold.newest_record() else { return };
        let bytes = &mut held.frame[region.at.clone()];
        let path = region.what.path();
        if path.as_ref().is_some_and(|path| self.values.is_ruled(path, bytes)) {
            return self.region_text(region, Role::Text);
        }
        bytes.fill(0);
        held.claim(span(region), Label::Blanked, Because(0));
        if path.is_some() {
            self.tally.not_understood(what, u64::from(of_packet), region.at.len() as u64);
        }
    }

    /// Counts what of a packet or datagram is not read.
    pub(super) fn tally_unread(&mut self, layers: &Layers) {
        for (what, at) in &layers.not_understood {
            self.tally.not_understood(what, 1, at.len() as u64);
        }
        if let Some(transport) = &layers.transport
            && !transport.payload.is_empty()
            && (transport.tcp.is_none() || self.payload == Payload::Blank)
        {
            let what = if transport.tcp.is_none() { "udp payload" } else { "tcp payload" };
            self.tally.not_understood(what, 1, transport.payload.len() as u64);
        }
        let quoted: usize = layers.quotes.iter().map(|quote| quote.payload.len()).sum();
        if quoted > 0 && self.payload == Payload::Blank {
            self.tally.not_understood("quoted payload", 1, quoted as u64);
        }
        if let Some(sctp) = &layers.sctp
            && self.payload == Payload::Blank
        {
            let bytes: usize = sctp.data.iter().map(|data| data.payload.len()).sum();
            self.tally.not_understood("sctp payload", 1, bytes as u64);
        }
    }

    /// Puts `new` where `old` stands, in every packet that holds it.
    pub(super) fn put(
        &mut self,
        stream: Stream,
        at: &[Range<u64>],
        old: &[u8],
        new: &[u8],
        spans: &[Span],
        why: (Label, Because),
    ) {
        for span in spans {
            let Some(mut held) = self.hold.packet(span.packet) else { continue };
            let (from, len) = (span.offset as usize, (span.at.end - span.at.start) as usize);
            let bytes = &mut held.frame[span.at.start as usize..span.at.end as usize];
            let may_differ = why.0 == Label::Blanked;
            if span.copy && !may_differ && *bytes != old[from..from + len] {
                self.tally.late_copy += 1;
                continue;
            }
            // Of a deflated body, a piece in front may have come out as it was.
            let same = why.1 == PACKED && *bytes == new[from..from + len];
            bytes.copy_from_slice(&new[from..from + len]);
            held.claim(span.at.clone(), if same { Label::Kept } else { why.0 }, why.1);
        }
        let mut done = 0;
        for range in at {
            let next = done + (range.end - range.start) as usize;
            self.history.push(stream, range.start, &old[done..next], &new[done..next], why.0, why.1);
            done = next;
        }
    }
}

/// Where a region lies in its record.
fn span(region: &Region) -> Range<u32> {
    region.at.start as u32..region.at.end as u32
}

impl Visitor for Editor<'_> {
    fn packet(&mut self, packet: &Packet<'_>, layers: &Layers) {
        let Some(mut held) = self.hold.packet(packet.id) else { return };
        held.checksums.extend_from_slice(&layers.checksums);
        let mut done = 0;
        for piece in &layers.pieces {
            let at = piece.start..piece.start + piece.len;
            if self.payload == Payload::Keep {
                held.claim(done..at.start, Label::Kept, KEPT_PAYLOAD);
                done = at.end;
            }
            match piece.what {
                What::Structural => held.claim(at, Label::Structural, FRAMING),
                What::Checksum => held.claim(at, Label::Recomputed, CHECKSUM),
                what => {
                    let bytes = &mut held.frame[at.start as usize..at.end as usize];
                    let (label, because) = self.headers.mask(what, bytes, packet.frame, &mut self.values.masker);
                    held.claim(at, label, because);
                }
            }
        }
        if self.payload == Payload::Keep {
            let end = packet.frame.len() as u32;
            self.tally.payload_kept += u64::from(done < end);
            // What a fragment holds may be headers: that is decided with its datagram.
            let fragment = layers
                .fragment
                .as_ref()
                .map_or(end..end, |fragment| fragment.payload.start as u32..fragment.payload.end as u32);
            held.claim(done..fragment.start, Label::Kept, KEPT_PAYLOAD);
            held.claim(fragment.end..end, Label::Kept, KEPT_PAYLOAD);
            return;
        }
        self.tally_unread(layers);
    }

    fn datagram(&mut self, datagram: &Datagram, layers: &Layers) {
        self.put_datagram(datagram, layers);
    }

    fn stray(&mut self, what: &'static str, part: &Part) {
        self.tally.not_understood(what, 1, u64::from(part.len));
    }

    fn keep(&mut self, stream: Stream, at: Range<u64>, spans: &[Span]) {
        let copied = spans.last().is_some_and(|span| span.copy);
        let mut original = vec![0; if copied { (at.end - at.start) as usize } else { 0 }];
        for span in spans {
            let Some(mut held) = self.hold.packet(span.packet) else { continue };
            let bytes = &held.frame[span.at.start as usize..span.at.end as usize];
            let from = span.offset as usize;
            if span.copy {
                if *bytes != original[from..from + bytes.len()] {
                    self.tally.late_copy += 1;
                    continue;
                }
            } else {
                self.history.push(stream, at.start + u64::from(span.offset), bytes, bytes, Label::Structural, GRAMMAR);
                if copied {
                    original[from..from + bytes.len()].copy_from_slice(bytes);
                }
            }
            held.claim(span.at.clone(), Label::Structural, GRAMMAR);
        }
    }

    fn mark(&mut self, stream: Stream, mark: Mark<'_>, _time_ns: i128) {
        if let Mark::Lane(_) = mark {
            self.lanes.insert(stream.flow);
        }
    }

    fn field(&mut self, stream: Stream, field: &Field<'_>, at: &[Range<u64>], spans: &[Span]) {
        if at.is_empty() || self.proof(stream, field, at, spans) {
            return;
        }
        self.values.even = self.lanes.contains(&stream.flow);
        let mut new = std::mem::take(&mut self.scratch);
        new.clear();
        let outcome = self.values.replace(field, &mut new);
        self.remember_key(stream, field, &new);
        self.put(stream, at, field.raw, &new, spans, (outcome.label, outcome.because));
        self.scratch = new;
    }

    fn opaque(&mut self, stream: Stream, what: &'static str, at: Range<u64>, spans: &[Span]) {
        let bytes: u64 = spans.iter().map(|span| u64::from(span.at.end - span.at.start)).sum();
        self.tally.not_understood(what, spans.len() as u64, bytes);
        if !at.is_empty() {
            self.history.push_blank(stream, at);
        }
    }

    fn window(&mut self, stream: Stream, window: &Window<'_>, at: &[Range<u64>], spans: &[Span]) {
        self.values.even = self.lanes.contains(&stream.flow);
        if window.codec == Codec::Plain {
            return self.veiled(stream, window, at, spans);
        }
        let mut new = std::mem::take(&mut self.scratch);
        new.clear();
        let instead = self.bodies.mask(stream, window, &mut self.values, &mut new);
        if instead == Instead::Filled {
            self.tally.not_understood(FILLED, spans.len() as u64, window.packed.len() as u64);
            self.put(stream, at, &window.wire(), &veiled(&new, window.veil), spans, (Label::Pseudonym, PACKED));
        } else if instead == Instead::Masked {
            // A window without a value, or of values that stay, may come out as it was.
            let label = if new == window.packed { Label::Kept } else { Label::Pseudonym };
            self.put(stream, at, &window.wire(), &veiled(&new, window.veil), spans, (label, PACKED));
            for part in window.parts {
                if let PartKind::Opaque(what) = part.what {
                    self.tally.not_understood(what, spans.len() as u64, part.at.len() as u64);
                }
            }
        } else {
            self.tally.not_understood("compressed body", spans.len() as u64, window.packed.len() as u64);
            at.iter().for_each(|range| self.history.push_blank(stream, range.clone()));
        }
        self.scratch = new;
    }

    fn late(&mut self, stream: Stream, at: Range<u64>, bytes: &[u8], span: &Span) {
        let mut known = 0;
        for part in self.history.recall(stream, at.clone(), bytes) {
            let Some(mut held) = self.hold.packet(span.packet) else { return };
            let from = span.at.start + (part.at.start - at.start) as u32;
            let range = from..from + part.bytes.len() as u32;
            known += part.bytes.len();
            held.frame[range.start as usize..range.end as usize].copy_from_slice(&part.bytes);
            held.claim(range, part.label, part.because);
        }
        self.tally.late_copy += u64::from(known < bytes.len());
    }

    fn limit(&mut self, name: &'static str) {
        *self.tally.limits.entry(name).or_default() += 1;
    }

    fn close(&mut self, flow: u64) {
        self.bodies.close(flow);
        self.upgrades.close(flow);
        self.lanes.remove(&flow);
        for side in [Side::Client, Side::Server] {
            self.history.close(Stream { flow, side });
        }
    }

    fn settled(&mut self, last: PacketId) {
        if self.failed.is_none() {
            self.failed = self.hold.release(last).err();
        }
    }
}
