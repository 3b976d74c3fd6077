//! The audit of one capture without its original: what still looks sensitive.

use super::collect::view_of;
use super::hits::Lines;
use super::judge::{Judge, public_path, tells_something};
use super::result::{AuditError, AuditReport, Fidelity, Input, Searched, Verdict};
use crate::decode::Layers;
use crate::dissect::{self, Packet, Stream, Visitor};
use crate::flow::{Datagram, Span};
use crate::protocol::encoding::{Decoded, decode};
use crate::protocol::{Field, PartKind, Window};

/// Lists what detectors find in fields and in bytes that nobody understands.
pub fn single(input: &Input, judge: &Judge) -> Result<AuditReport, AuditError> {
    let mut suspicion =
        Suspicion { judge, decoded: Decoded::default(), residue: Lines::default(), packet: 0, texts: 0 };
    let run = dissect::run(input.open()?, &mut suspicion);
    let reader = run.map_err(|source| AuditError::Capture { file: input.to_string(), source })?;
    let residue = suspicion.residue.into_residue();
    let packets = suspicion.packet;
    Ok(AuditReport {
        standin: env!("CARGO_PKG_VERSION"),
        schema: 1,
        verdict: if residue.is_empty() { Verdict::Pass } else { Verdict::Fail },
        searched: Searched { values: suspicion.texts, encodings: 1 },
        passes: 1,
        residue,
        fidelity: Fidelity { packets_original: packets, packets_masked: packets, ..Fidelity::default() },
        kept: Vec::new(),
        warnings: reader.damage().map(|damage| damage.to_string()).into_iter().collect(),
    })
}

struct Suspicion<'a> {
    judge: &'a Judge,
    decoded: Decoded,
    residue: Lines,
    packet: u64,
    /// Texts that detectors were asked about.
    texts: u64,
}

impl Suspicion<'_> {
    fn take(&mut self, field: &Field<'_>, packet: u64) {
        let text = decode(field.raw, field.encoding, &mut self.decoded);
        if self.judge.keeps(field, text).is_some() {
            return;
        }
        let encoding = view_of(field.encoding).first().copied().filter(|_| text != field.raw);
        self.texts += 1;
        self.judge.scan(text, |kind, at| {
            if tells_something(text.get(at).unwrap_or_default()) {
                let path = public_path(self.judge, field.path);
                self.residue.add(kind, &path, encoding.unwrap_or("raw"), packet, 1);
            }
        });
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for run in bytes.split(|b| !(b.is_ascii_graphic() || *b == b' ')).filter(|run| run.len() >= 6) {
            self.texts += 1;
            self.judge.scan(run, |kind, at| {
                if tells_something(run.get(at).unwrap_or_default()) {
                    self.residue.add(kind, "not understood", "raw", self.packet, 1);
                }
            });
        }
    }
}

impl Suspicion<'_> {
    fn unread(&mut self, frame: &[u8], layers: &Layers) {
        let unknown = layers.not_understood.iter().map(|(_, at)| at);
        let datagram = layers.transport.iter().filter(|t| t.tcp.is_none()).map(|t| &t.payload);
        unknown.chain(datagram).filter_map(|at| frame.get(at.clone())).for_each(|bytes| self.bytes(bytes));
    }
}

impl Visitor for Suspicion<'_> {
    fn packet(&mut self, packet: &Packet<'_>, layers: &Layers) {
        self.packet = packet.id.0 + 1;
        self.unread(packet.frame, layers);
    }

    fn datagram(&mut self, datagram: &Datagram, layers: &Layers) {
        self.unread(&datagram.frame, layers);
    }

    fn field(&mut self, _stream: Stream, field: &Field<'_>, _at: &[std::ops::Range<u64>], spans: &[Span]) {
        let packet = spans.first().map_or(self.packet, |span| span.packet.0 + 1);
        self.take(field, packet);
    }

    fn window(&mut self, _stream: Stream, window: &Window<'_>, _at: &[std::ops::Range<u64>], spans: &[Span]) {
        let packet = spans.first().map_or(self.packet, |span| span.packet.0 + 1);
        for part in window.parts {
            let Some(raw) = window.plain.get(part.at.clone()) else { continue };
            match &part.what {
                PartKind::Keep => {}
                PartKind::Opaque(_) => self.bytes(raw),
                PartKind::Field { path, name, encoding, role } => {
                    self.take(&Field { path, name, raw, encoding: *encoding, role: *role }, packet);
                }
            }
        }
    }
}
