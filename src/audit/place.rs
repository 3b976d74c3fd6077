//! Short values, which chance would find anywhere, judged in place: is the same field of the same stream unchanged?
//! And the messages: are they the same, in the same order?
//!
//! Both captures are dissected at once, the masked one in a thread of its own, a few packets apart.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::gather::Gather;
use super::hits::Lines;
use super::judge::{Judge, public_path, tells_something};
use super::result::{AuditError, Fidelity, Input};
use crate::capture::CaptureError;
use crate::decode::Layers;
use crate::dissect::{self, Packet, Stream, Visitor};
use crate::flow::Span;
use crate::limits::AUDIT_UNPAIRED_MAX;
use crate::protocol::encoding::{Decoded, decode};
use crate::protocol::{Field, Mark, PartKind, Role, Window};

/// Packets and sights between two messages of the masked capture's thread.
const PACKETS_PER_MESSAGE: u64 = 64;
const SIGHTS_PER_MESSAGE: usize = 512;

/// Compares fields and messages. What could not be paired for want of memory is said in `warnings`.
pub fn compare(
    original: &Input,
    masked: &Input,
    judge: &Judge,
    residue: &mut Lines,
    fidelity: &mut Fidelity,
    warnings: &mut Vec<String>,
) -> Result<(), AuditError> {
    let hasher = RandomState::new();
    let (sender, receiver) = sync_channel(16);
    let input = masked.open()?;
    thread::scope(|scope| {
        let theirs = Watch::new(hasher.clone(), Far { sender, sights: Vec::new(), sent: 0 });
        let thread = scope.spawn(move || run(input, theirs).map(drop));
        let pairs = Pairs { residue, fidelity, mine: HashMap::new(), theirs: HashMap::new(), given_up: false };
        let near = Near { judge, receiver, reached: 0, pairs, decoded: Decoded::default() };
        let ours = run(original.open()?, Watch::new(hasher, near));
        let mut near = ours.map_err(|source| AuditError::Capture { file: original.to_string(), source })?.side;
        while near.pull() {}
        let theirs = thread.join().map_err(|_| AuditError::Bug { file: masked.to_string() })?;
        theirs.map_err(|source| AuditError::Capture { file: masked.to_string(), source })?;
        if near.pairs.finish() {
            warnings.push("the captures differ so much that their fields could not all be paired".to_owned());
        }
        Ok(())
    })
}

fn run<S: Side>(input: Box<dyn std::io::Read + Send>, mut watch: Watch<S>) -> Result<Watch<S>, CaptureError> {
    dissect::run(input, &mut watch)?;
    watch.side.packet(u64::MAX);
    Ok(watch)
}

/// Where something stands that both captures must have.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Spot {
    stream: Stream,
    what: What,
    at: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Field,
    /// A name that is no identifier. Its pseudonym may look like one, which nobody reports.
    Name,
    /// In the plain bytes of a compressed body.
    Inside(u64),
    Opaque,
    Request,
    Response,
    End,
}

/// What one capture shows at a spot.
#[derive(Clone, Copy)]
struct Sight {
    digest: u64,
    /// The packet, from 1.
    packet: u64,
}

/// What the visitor of one of the captures does with what it sees.
trait Side {
    /// A packet begins; `u64::MAX` at the capture's end.
    fn packet(&mut self, number: u64);
    /// Something that is judged when it is unchanged: a field, or bytes not understood.
    fn value(&mut self, spot: Spot, sight: Sight, field: Option<&Field<'_>>, raw: &[u8]);
    /// Something that must be the same.
    fn mark(&mut self, spot: Spot, sight: Sight);
}

/// The visitor, the same for both captures.
struct Watch<S> {
    hasher: RandomState,
    packet: u64,
    streams: Gather,
    plain: HashMap<(Stream, u64), u64>,
    side: S,
}

impl<S: Side> Watch<S> {
    fn new(hasher: RandomState, side: S) -> Self {
        Self { hasher, packet: 0, streams: Gather::default(), plain: HashMap::new(), side }
    }

    fn value(&mut self, spot: Spot, field: Option<&Field<'_>>, raw: &[u8], spans: &[Span]) {
        let packet = spans.first().map_or(self.packet, |span| span.packet.0 + 1);
        self.side.value(spot, Sight { digest: self.hasher.hash_one(raw), packet }, field, raw);
    }
}

impl<S: Side> Visitor for Watch<S> {
    fn packet(&mut self, packet: &Packet<'_>, _layers: &Layers) {
        self.packet = packet.id.0 + 1;
        self.side.packet(self.packet);
    }

    fn bytes(&mut self, stream: Stream, at: u64, bytes: &[u8]) {
        self.streams.push((stream, None), at, self.packet, (bytes, &[]), &mut |_| {});
    }

    fn field(&mut self, stream: Stream, field: &Field<'_>, at: &[Range<u64>], spans: &[Span]) {
        if let Some(first) = at.first() {
            let what = if field.role == Role::Name { What::Name } else { What::Field };
            self.value(Spot { stream, what, at: first.start }, Some(field), field.raw, spans);
        }
    }

    fn opaque(&mut self, stream: Stream, _what: &'static str, at: Range<u64>, spans: &[Span]) {
        let bytes = self.streams.slice(&(stream, None), &at).map(|(bytes, _)| bytes.to_vec());
        if let Some(bytes) = bytes {
            self.value(Spot { stream, what: What::Opaque, at: at.start }, None, &bytes, spans);
        }
    }

    fn window(&mut self, stream: Stream, window: &Window<'_>, _at: &[Range<u64>], spans: &[Span]) {
        let key = (stream, window.body);
        let base = self.plain.get(&key).copied().unwrap_or(0);
        for part in window.parts {
            let Some(raw) = window.plain.get(part.at.clone()) else { continue };
            let spot = Spot { stream, what: What::Inside(window.body), at: base + part.at.start as u64 };
            if let PartKind::Field { path, name, encoding, role } = &part.what {
                let field = Field { path, name, raw, encoding: *encoding, role: *role };
                self.value(spot, Some(&field), raw, spans);
            }
        }
        match window.last {
            true => self.plain.remove(&key),
            false => self.plain.insert(key, base + window.plain.len() as u64),
        };
    }

    fn mark(&mut self, stream: Stream, mark: Mark<'_>, _time_ns: i128) {
        let (what, at, digest) = match mark {
            Mark::Request { method, at, .. } => (What::Request, at, self.hasher.hash_one(method)),
            Mark::Response { status, at } => (What::Response, at, u64::from(status)),
            Mark::End { end } => (What::End, end, 0),
            Mark::Lane(_) | Mark::Text(_) | Mark::Cut => return,
        };
        self.side.mark(Spot { stream, what, at }, Sight { digest, packet: self.packet });
    }

    fn close(&mut self, flow: u64) {
        self.streams.close(flow, &mut |_| {});
        self.plain.retain(|(stream, _), _| stream.flow != flow);
    }
}

/// What the masked capture's thread sends: sights, and the packet that it has reached.
type Message = (Vec<(Spot, Sight)>, u64);

/// The masked capture's side.
struct Far {
    sender: SyncSender<Message>,
    sights: Vec<(Spot, Sight)>,
    sent: u64,
}

impl Side for Far {
    fn packet(&mut self, number: u64) {
        if number - self.sent >= PACKETS_PER_MESSAGE || self.sights.len() >= SIGHTS_PER_MESSAGE {
            self.sent = number;
            // When nobody listens any more the comparison has failed, and says so.
            let _ = self.sender.send((std::mem::take(&mut self.sights), number));
        }
    }

    fn value(&mut self, spot: Spot, sight: Sight, _field: Option<&Field<'_>>, _raw: &[u8]) {
        self.sights.push((spot, sight));
    }

    fn mark(&mut self, spot: Spot, sight: Sight) {
        self.sights.push((spot, sight));
    }
}

/// The original's side: it also listens to the other.
struct Near<'a> {
    judge: &'a Judge,
    receiver: Receiver<Message>,
    /// The packet that the other side has reached.
    reached: u64,
    pairs: Pairs<'a>,
    decoded: Decoded,
}

impl Near<'_> {
    /// Takes a message; false when none will come.
    fn pull(&mut self) -> bool {
        let Ok((sights, reached)) = self.receiver.recv() else { return false };
        self.reached = reached;
        sights.into_iter().for_each(|(spot, sight)| self.pairs.theirs(spot, sight));
        true
    }

    /// How the report calls a value that must have changed.
    fn place(&mut self, field: Option<&Field<'_>>, raw: &[u8]) -> Option<Box<str>> {
        let Some(field) = field else {
            let says = raw.len() >= 4 && raw.iter().any(|b| *b != raw[0]);
            return says.then(|| "not understood".into());
        };
        let text = decode(field.raw, field.encoding, &mut self.decoded);
        let judged = tells_something(text) && self.judge.keeps(field, text).is_none();
        judged.then(|| public_path(self.judge, field.path).into())
    }
}

impl Side for Near<'_> {
    fn packet(&mut self, number: u64) {
        while self.reached < number && self.pull() {}
    }

    fn value(&mut self, spot: Spot, sight: Sight, field: Option<&Field<'_>>, raw: &[u8]) {
        let place = self.place(field, raw);
        self.pairs.mine(spot, sight, place);
    }

    fn mark(&mut self, spot: Spot, sight: Sight) {
        self.pairs.mine(spot, sight, None);
    }
}

/// Sights that wait for their like in the other capture.
struct Pairs<'a> {
    residue: &'a mut Lines,
    fidelity: &'a mut Fidelity,
    mine: HashMap<Spot, (Sight, Option<Box<str>>)>,
    theirs: HashMap<Spot, Sight>,
    given_up: bool,
}

impl Pairs<'_> {
    fn mine(&mut self, spot: Spot, sight: Sight, place: Option<Box<str>>) {
        match self.theirs.remove(&spot) {
            Some(other) => self.judge(spot, sight, place, other),
            None => drop(self.mine.insert(spot, (sight, place))),
        }
        self.forget();
    }

    fn theirs(&mut self, spot: Spot, sight: Sight) {
        match self.mine.remove(&spot) {
            Some((mine, place)) => self.judge(spot, mine, place, sight),
            None => drop(self.theirs.insert(spot, sight)),
        }
    }

    fn judge(&mut self, spot: Spot, mine: Sight, place: Option<Box<str>>, theirs: Sight) {
        let same = mine.digest == theirs.digest;
        match spot.what {
            What::Request if !same => self.fidelity.differ(mine.packet, "HTTP request method"),
            What::Response if !same => self.fidelity.differ(mine.packet, "HTTP response status"),
            What::Field | What::Name | What::Inside(_) | What::Opaque if same => {
                if let Some(place) = place {
                    self.residue.add("value", &place, "unchanged", theirs.packet, 1);
                }
            }
            _ => {}
        }
    }

    fn forget(&mut self) {
        if self.mine.len() + self.theirs.len() > AUDIT_UNPAIRED_MAX {
            self.mine.clear();
            self.theirs.clear();
            self.given_up = true;
        }
    }

    /// What has found no like is a difference; whether there was too much of it.
    fn finish(&mut self) -> bool {
        let mine = self.mine.drain().map(|(spot, (sight, _))| (spot, sight, "the masked capture lacks"));
        let theirs = self.theirs.drain().map(|(spot, sight)| (spot, sight, "the original lacks"));
        let mut lone: Vec<_> = mine.chain(theirs).collect();
        lone.sort_by_key(|(spot, sight, _)| (sight.packet, spot.at));
        for (spot, sight, who) in lone {
            let what = match spot.what {
                What::Field => "field",
                What::Request => "HTTP request",
                What::Response => "HTTP response",
                What::End => "HTTP message end",
                // Re-encoded bodies and blanked bytes may fall into other parts.
                What::Inside(_) | What::Opaque | What::Name => continue,
            };
            self.fidelity.differ(sight.packet, format!("{who} this {what}"));
        }
        self.given_up
    }
}
