//! SCTP associations: user data in the order of its transmission numbers, each stream read like a TCP connection.

use std::collections::VecDeque;

use super::Dissector;
use super::connection::{ACK, Arriving, TcpSegment};
use super::visitor::Visitor;
use super::waiting::Owner;
use crate::decode::{Layers, Sctp, Tcp, Transport};
use crate::flow::{FlowKey, Part, Slot};
use crate::limits;

/// Nobody knows how many bytes of a stream a missing chunk had. More than a message has, so that reading begins anew.
const GAP: u32 = 1 << 24;

/// Both directions of an association.
#[derive(Default)]
pub(super) struct Association {
    directions: [Direction; 2],
}

/// The order of one direction.
#[derive(Default)]
struct Direction {
    /// Transmission number that comes next.
    next: Option<u32>,
    /// Chunks that came early, by transmission number.
    early: Vec<Early>,
    /// Streams, and the sequence number of the byte that comes next in each.
    streams: Vec<(u16, u32)>,
    /// Chunks that were read, the latest last.
    past: VecDeque<Past>,
}

/// User data with its place in the association.
struct Chunk {
    tsn: u32,
    stream: u16,
    bytes: Vec<u8>,
    /// Parts of `bytes`.
    parts: Vec<Part>,
    missing: u32,
}

struct Early {
    chunk: Chunk,
    transport: Transport,
}

#[derive(Clone, Copy)]
struct Past {
    tsn: u32,
    stream: u16,
    seq: u32,
    len: usize,
}

impl Association {
    /// What its state takes, in bytes.
    fn memory(&self) -> usize {
        size_of::<Self>() + self.directions.iter().map(Direction::memory).sum::<usize>()
    }
}

impl Direction {
    fn memory(&self) -> usize {
        let early = self.early.iter().map(|early| size_of::<Early>() + early.chunk.bytes.len()).sum::<usize>();
        early + self.streams.capacity() * size_of::<(u16, u32)>() + self.past.capacity() * size_of::<Past>()
    }

    /// Where a stream's next byte stands. None if there are too many streams.
    fn seq(&mut self, stream: u16) -> Option<&mut u32> {
        let index = match self.streams.iter().position(|(other, _)| *other == stream) {
            Some(index) => index,
            None if self.streams.len() >= limits::STREAMS_MAX => return None,
            None => {
                self.streams.push((stream, 0));
                self.streams.len() - 1
            }
        };
        self.streams.get_mut(index).map(|(_, seq)| seq)
    }

    fn keep(&mut self, early: Early) {
        let Some(next) = self.next else { return };
        let distance = |tsn: u32| tsn.wrapping_sub(next);
        let index = self.early.partition_point(|other| distance(other.chunk.tsn) <= distance(early.chunk.tsn));
        self.early.insert(index, early);
    }

    /// A chunk whose turn has come.
    fn due(&mut self) -> Option<Early> {
        let first = self.early.first()?.chunk.tsn;
        (first.wrapping_sub(self.next?) as i32 <= 0).then(|| self.early.remove(0))
    }

    /// Gives up what is missing before the first chunk that waits. False if none does.
    fn skip(&mut self) -> bool {
        let Some(first) = self.early.first() else { return false };
        self.next = Some(first.chunk.tsn);
        self.streams.iter_mut().for_each(|(_, seq)| *seq = seq.wrapping_add(GAP));
        true
    }
}

impl Dissector {
    /// Takes the user data of a packet or datagram, which the packets of `parts` hold.
    pub(super) fn chunks(&mut self, frame: &[u8], parts: &[Part], layers: &Layers, visitor: &mut impl Visitor) {
        let (Some(transport), Some(Sctp { begins, data })) = (&layers.transport, &layers.sctp) else { return };
        if !self.streams || !begins && data.is_empty() {
            return;
        }
        let (key, forward) = FlowKey::new(transport.src, transport.dst);
        let slot = self.association(key, forward, *begins, visitor);
        for data in data {
            let (start, end) = (data.payload.start as u32, data.payload.end as u32);
            let place = |part: Part| Part { at: part.at - start, ..part };
            let chunk = Chunk {
                tsn: data.tsn,
                stream: data.stream,
                bytes: frame.get(data.payload.clone()).unwrap_or_default().to_vec(),
                parts: parts.iter().filter_map(|part| part.within(&(start..end))).map(place).collect(),
                missing: data.missing,
            };
            self.chunk(slot, forward, chunk, transport, layers, visitor);
        }
        let bytes = self.associations.get_mut(slot).map_or(0, |association| association.memory());
        self.associations.weigh(slot, bytes);
        while let Some(idlest) = self.associations.idlest() {
            visitor.limit("associations");
            self.close_association(idlest, visitor);
        }
    }

    /// Gives up what is missing before chunks that wait. False if none does.
    pub(super) fn skip_chunks(&mut self, slot: Slot, visitor: &mut impl Visitor) -> bool {
        let mut skipped = false;
        for forward in [false, true] {
            if self.direction(slot, forward).is_some_and(Direction::skip) {
                skipped = true;
                self.due_chunks(slot, forward, visitor);
            }
        }
        skipped
    }

    /// Forgets an association. Its streams stay, as flows of their own.
    pub(super) fn close_association(&mut self, slot: Slot, visitor: &mut impl Visitor) {
        while self.skip_chunks(slot, visitor) {}
        self.associations.remove(slot);
    }

    /// The association of these ends. One that begins takes the place of an older one, whose streams are closed.
    fn association(&mut self, key: FlowKey, forward: bool, begins: bool, visitor: &mut impl Visitor) -> Slot {
        match self.associations.find(&key) {
            Some(slot) if begins && self.direction(slot, forward).is_some_and(|side| side.next.is_some()) => {
                while self.skip_chunks(slot, visitor) {}
                let old = self.associations.remove(slot).unwrap_or_default();
                let streams = old.directions.iter().flat_map(|direction| &direction.streams);
                for (stream, _) in streams {
                    if let Some(flow) = self.flows.find(&key.lane(lane(*stream))) {
                        self.close(flow, visitor);
                    }
                }
                self.associations.insert(key, Association::default())
            }
            Some(slot) => slot,
            None => self.associations.insert(key, Association::default()),
        }
    }

    fn direction(&mut self, slot: Slot, forward: bool) -> Option<&mut Direction> {
        self.associations.get_mut(slot)?.directions.get_mut(usize::from(forward))
    }

    /// One chunk: the next one, one seen before, or too early.
    fn chunk(
        &mut self,
        slot: Slot,
        forward: bool,
        chunk: Chunk,
        transport: &Transport,
        layers: &Layers,
        visitor: &mut impl Visitor,
    ) {
        let Some(direction) = self.direction(slot, forward) else { return };
        let next = *direction.next.get_or_insert(chunk.tsn);
        if chunk.tsn.wrapping_sub(next) as i32 > 0 {
            let crowded = direction.early.len() >= limits::CHUNKS_EARLY_MAX;
            for part in &chunk.parts {
                self.waiting.own(part.packet, Owner::Association(slot), part.len);
            }
            let early = Early { chunk, transport: transport.clone() };
            if let Some(direction) = self.direction(slot, forward) {
                direction.keep(early);
            }
            if crowded {
                visitor.limit("early_chunks");
                self.skip_chunks(slot, visitor);
            }
            return;
        }
        self.read_chunk(slot, forward, &chunk, transport, layers, visitor);
        self.due_chunks(slot, forward, visitor);
    }

    fn due_chunks(&mut self, slot: Slot, forward: bool, visitor: &mut impl Visitor) {
        let layers = Layers::default();
        while let Some(Early { chunk, transport }) = self.direction(slot, forward).and_then(Direction::due) {
            for part in &chunk.parts {
                self.waiting.settle(part.packet, part.len);
            }
            self.read_chunk(slot, forward, &chunk, &transport, &layers, visitor);
        }
    }

    /// Reads a chunk as the stream's next bytes, or as those that it had when it came first.
    fn read_chunk(
        &mut self,
        slot: Slot,
        forward: bool,
        chunk: &Chunk,
        transport: &Transport,
        layers: &Layers,
        visitor: &mut impl Visitor,
    ) {
        let Some(direction) = self.direction(slot, forward) else { return };
        let seq = if direction.next == Some(chunk.tsn) {
            direction.next = Some(chunk.tsn.wrapping_add(1));
            let len = chunk.bytes.len();
            direction.seq(chunk.stream).map(|next| {
                let seq = *next;
                *next = seq.wrapping_add(len as u32).wrapping_add(chunk.missing);
                seq
            })
        } else {
            let first = direction.past.iter().rfind(|past| past.tsn == chunk.tsn);
            first.filter(|past| past.stream == chunk.stream && past.len == chunk.bytes.len()).map(|past| past.seq)
        };
        let Some(seq) = seq else {
            chunk.parts.iter().for_each(|part| visitor.stray("sctp chunk", part));
            return;
        };
        if direction.past.len() >= limits::CHUNKS_REMEMBERED {
            direction.past.pop_front();
        }
        direction.past.push_back(Past { tsn: chunk.tsn, stream: chunk.stream, seq, len: chunk.bytes.len() });
        for part in &chunk.parts {
            let end = part.at + part.len;
            let last = end as usize == chunk.bytes.len() && !part.copy;
            let segment = TcpSegment {
                lane: lane(chunk.stream),
                tcp: Tcp { seq: seq.wrapping_add(part.at), ack: 0, flags: ACK },
                payload: chunk.bytes.get(part.at as usize..end as usize).unwrap_or_default(),
                from: Arriving {
                    packet: part.packet,
                    frame_at: part.frame_at,
                    missing: if last { chunk.missing } else { 0 },
                },
            };
            self.segment(&segment, transport, layers, visitor);
        }
    }
}

fn lane(stream: u16) -> u32 {
    u32::from(stream) + 1
}
