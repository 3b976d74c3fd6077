//! One TCP connection: both directions in order, read by a conversation, reported with their packets.

use std::ops::Range;

use super::index;
use super::visitor::{Ending, Stream, Visitor};
use super::waiting::{Owner, Waiting};
use crate::capture::PacketId;
use crate::decode::{Tcp, Transport};
use crate::flow::{Cover, Order, Part, Segment, Slot, Span};
use crate::limits;
use crate::protocol::tunnel::Tunnel;
use crate::protocol::{Conversation, Field, Mark, Side, Sink, Window};

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const ACK: u8 = 16;

/// What a connection acts upon while one packet is read.
pub(super) struct Scene<'a, V> {
    pub(super) waiting: &'a mut Waiting,
    pub(super) visitor: &'a mut V,
    pub(super) slot: Slot,
    pub(super) now: i128,
    /// Scratch.
    pub(super) spans: &'a mut Vec<Span>,
}

/// The state of one connection.
pub(super) struct Connection {
    id: u64,
    /// The client is the lesser end of the flow's key.
    client_is_low: bool,
    directions: [Direction; 2],
    talk: Tunnel,
    /// Its end was told.
    ended: bool,
}

#[derive(Default)]
struct Direction {
    order: Order,
    cover: Cover,
    /// Bytes in order that the conversation has not consumed, from stream offset `unread_at` on.
    unread: Vec<u8>,
    unread_at: u64,
    closed: bool,
}

impl Connection {
    pub(super) fn new(id: u64, forward: bool, transport: &Transport) -> Self {
        let flags = transport.tcp.map_or(0, |tcp| tcp.flags);
        let source_is_client = match (flags & SYN != 0, flags & ACK != 0) {
            (true, answer) => !answer,
            (false, _) => transport.dst.1 <= transport.src.1,
        };
        Connection {
            id,
            client_is_low: source_is_client == forward,
            directions: Default::default(),
            talk: Tunnel::outermost("tcp payload"),
            ended: false,
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// What its state takes, in bytes.
    pub(super) fn memory(&self) -> usize {
        let kept = |direction: &Direction| direction.unread.capacity() + direction.order.early_bytes();
        limits::FLOW_BYTES + self.directions.iter().map(kept).sum::<usize>() + self.talk.memory()
    }

    /// Does this header begin another connection with the same ports?
    pub(super) fn is_reused(&self, forward: bool, tcp: Tcp) -> bool {
        let order = &self.directions[index(self.side(forward))].order;
        tcp.flags & (SYN | ACK) == SYN && order.begun() && !order.begins_behind(tcp.seq)
    }

    /// Reads one segment of the connection.
    pub(super) fn segment<V: Visitor>(&mut self, segment: &TcpSegment<'_>, forward: bool, scene: &mut Scene<'_, V>) {
        let TcpSegment { tcp, payload, .. } = *segment;
        let side = self.side(forward);
        if tcp.flags & ACK != 0 {
            self.directions[index(self.side(!forward))].order.acknowledged(tcp.ack);
        }
        let order = &mut self.directions[index(side)].order;
        let mut seq = tcp.seq;
        if tcp.flags & SYN != 0 {
            order.syn(seq);
            seq = seq.wrapping_add(1);
        }
        if tcp.flags & RST == 0 || !payload.is_empty() {
            order.begin(seq);
        }
        if tcp.flags & FIN != 0 {
            order.fin(seq.wrapping_add(payload.len() as u32).wrapping_add(segment.from.missing));
        }
        if !payload.is_empty() {
            self.arrive(side, seq, payload, &segment.from, scene);
        }
        for side in [Side::Client, Side::Server] {
            let direction = &mut self.directions[index(side)];
            if !direction.closed && (direction.order.ended() || tcp.flags & RST != 0) {
                direction.closed = true;
                self.converse(side, &[], true, scene);
            }
        }
    }

    /// How both sides came to their end, the first time that it is asked since then.
    pub(super) fn ends(&mut self) -> Option<Ending> {
        if self.ended || !self.directions.iter().all(|direction| direction.closed) {
            return None;
        }
        self.ended = true;
        let finished = self.directions.iter().all(|direction| direction.order.ended());
        Some(if finished { Ending::Finished } else { Ending::Reset })
    }

    /// A copy of a segment inside an ICMP error: of bytes seen before it gets the decisions, others are blanked.
    pub(super) fn quoted<V: Visitor>(&mut self, quote: &TcpSegment<'_>, forward: bool, scene: &mut Scene<'_, V>) {
        let TcpSegment { tcp, payload, ref from, .. } = *quote;
        let side = self.side(forward);
        let seq = tcp.seq.wrapping_add(u32::from(tcp.flags & SYN != 0));
        let arrival = self.directions[index(side)].order.place(seq, payload.len());
        let old = arrival.old.end;
        if let (Some(at), Some(bytes)) = (arrival.at, payload.get(..old).filter(|bytes| !bytes.is_empty())) {
            scene.waiting.own(from.packet, Owner::Stream(scene.slot, side), old as u32);
            self.copy(side, at, bytes, from, scene);
        }
        if old < payload.len() {
            scene.visitor.stray("quoted payload", &from.part(old..payload.len()));
        }
    }

    /// Decides by blanking what keeps `packet` waiting. False if nothing could be done yet.
    pub(super) fn give_up<V: Visitor>(
        &mut self,
        side: Side,
        packet: PacketId,
        gap_only: bool,
        scene: &mut Scene<'_, V>,
    ) -> bool {
        let direction = &self.directions[index(side)];
        let in_order_done = direction.cover.decided_to() >= direction.order.next();
        if direction.order.gap().is_some() && (in_order_done || !gap_only) {
            self.give_up_gap(side, scene);
            return true;
        }
        if gap_only {
            return false;
        }
        self.cut(side, scene);
        let direction = &mut self.directions[index(side)];
        let rest = direction.cover.decided_to()..direction.order.next();
        Report::new(self.id, side, direction, scene).opaque(rest, "undecided for too long");
        scene.waiting.settle(packet, u32::MAX);
        true
    }

    /// Nothing will follow on either side.
    pub(super) fn finish<V: Visitor>(&mut self, scene: &mut Scene<'_, V>) {
        for side in [Side::Client, Side::Server] {
            while self.directions[index(side)].order.gap().is_some() {
                self.give_up_gap(side, scene);
            }
            self.cut(side, scene);
            let direction = &mut self.directions[index(side)];
            let rest = direction.cover.decided_to()..direction.order.next();
            Report::new(self.id, side, direction, scene).opaque(rest, "end of the stream");
        }
    }

    fn side(&self, forward: bool) -> Side {
        if forward == self.client_is_low { Side::Client } else { Side::Server }
    }

    fn stream(&self, side: Side) -> Stream {
        Stream { flow: self.id, side }
    }

    /// Places a payload: copies, the stream's next bytes, or too early.
    fn arrive<V: Visitor>(&mut self, side: Side, seq: u32, payload: &[u8], from: &Arriving, scene: &mut Scene<'_, V>) {
        let stream = self.stream(side);
        let arrival = self.directions[index(side)].order.place(seq, payload.len());
        let Some(at) = arrival.at else {
            let span = from.span(0..payload.len(), 0);
            scene.visitor.opaque(stream, "before the stream's beginning", 0..0, std::slice::from_ref(&span));
            return;
        };
        scene.waiting.own(from.packet, Owner::Stream(scene.slot, side), payload.len() as u32);
        if !arrival.early.is_empty() {
            let direction = &mut self.directions[index(side)];
            let bytes = payload.to_vec();
            direction.order.keep(Segment {
                at,
                bytes,
                missing: from.missing,
                packet: from.packet,
                frame_at: from.frame_at,
            });
            if direction.order.overfull() {
                scene.visitor.limit("out_of_order");
                self.give_up_gap(side, scene);
            }
            return;
        }
        self.take(side, at, payload, from, scene);
        self.take_due(side, scene);
    }

    /// Takes a payload that begins at or before the stream's next byte.
    fn take<V: Visitor>(&mut self, side: Side, at: u64, payload: &[u8], from: &Arriving, scene: &mut Scene<'_, V>) {
        let direction = &mut self.directions[index(side)];
        let known = (direction.order.next() - at).min(payload.len() as u64) as usize;
        let (old, new) = payload.split_at(known);
        if !old.is_empty() {
            self.copy(side, at, old, from, scene);
        }
        let direction = &mut self.directions[index(side)];
        if !new.is_empty() {
            let at = at + known as u64;
            direction.cover.add(at, new.len() as u32, from.packet, from.frame_at + known as u32, false);
            direction.order.advance(new.len() as u64);
            scene.visitor.bytes(Stream { flow: self.id, side }, at, new);
            self.converse(side, new, false, scene);
        }
        let direction = &self.directions[index(side)];
        let behind = at + payload.len() as u64 + u64::from(from.missing);
        if from.missing > 0 && behind > direction.order.next() {
            self.skip(side, behind - direction.order.next(), scene);
        }
    }

    fn take_due<V: Visitor>(&mut self, side: Side, scene: &mut Scene<'_, V>) {
        while let Some(segment) = self.directions[index(side)].order.due() {
            let from = Arriving { packet: segment.packet, frame_at: segment.frame_at, missing: segment.missing };
            self.take(side, segment.at, &segment.bytes, &from, scene);
        }
    }

    /// Bytes seen before: those undecided wait with their originals, the others get the same decisions.
    fn copy<V: Visitor>(&mut self, side: Side, at: u64, old: &[u8], from: &Arriving, scene: &mut Scene<'_, V>) {
        let stream = self.stream(side);
        let range = at..at + old.len() as u64;
        let cover = &mut self.directions[index(side)].cover;
        let undecided = cover.undecided(range.clone());
        let mut done = range.start;
        for part in undecided.iter().cloned().chain(std::iter::once(range.end..range.end)) {
            if part.start > done {
                let (a, b) = ((done - at) as usize, (part.start - at) as usize);
                scene.visitor.late(stream, done..part.start, &old[a..b], &from.span(a..b, 0));
                scene.waiting.settle(from.packet, (b - a) as u32);
            }
            done = part.end;
            let offset = (part.start - at) as u32;
            cover.add(part.start, (part.end - part.start) as u32, from.packet, from.frame_at + offset, true);
        }
    }

    /// Gives up on the bytes missing before the first early segment; on that itself, when it is none of the stream.
    fn give_up_gap<V: Visitor>(&mut self, side: Side, scene: &mut Scene<'_, V>) {
        let stream = self.stream(side);
        let order = &mut self.directions[index(side)].order;
        if let Some(Segment { bytes, packet, frame_at, .. }) = order.stranger() {
            let at = frame_at..frame_at + bytes.len() as u32;
            let span = Span { packet, at, offset: 0, copy: false };
            scene.visitor.opaque(stream, "far ahead of the stream", 0..0, &[span]);
            scene.waiting.settle(packet, bytes.len() as u32);
        } else if let Some(gap) = order.gap() {
            self.skip(side, gap, scene);
        }
    }

    /// Gives up on `missing` bytes before the next ones, and goes on behind them.
    fn skip<V: Visitor>(&mut self, side: Side, missing: u64, scene: &mut Scene<'_, V>) {
        self.cut(side, scene);
        self.talk.gap(side, missing);
        let direction = &mut self.directions[index(side)];
        direction.cover.skip(direction.order.next(), missing);
        direction.order.advance(missing);
        direction.unread_at = direction.order.next();
        self.take_due(side, scene);
    }

    /// Makes the conversation decide everything in order that it was given.
    fn cut<V: Visitor>(&mut self, side: Side, scene: &mut Scene<'_, V>) {
        self.converse(side, &[], true, scene);
        let direction = &mut self.directions[index(side)];
        self.talk.flush(side, &mut Report::new(self.id, side, direction, scene));
    }

    /// Lets the conversation read what is unread, with `new` behind it.
    fn converse<V: Visitor>(&mut self, side: Side, new: &[u8], end: bool, scene: &mut Scene<'_, V>) {
        let direction = &mut self.directions[index(side)];
        let mut unread = std::mem::take(&mut direction.unread);
        let at = if unread.is_empty() { direction.order.next() - new.len() as u64 } else { direction.unread_at };
        let joined = !unread.is_empty();
        if joined {
            unread.extend_from_slice(new);
        }
        let bytes = if joined { &unread[..] } else { new };
        let total = bytes.len();
        let mut report = Report::new(self.id, side, direction, scene);
        let mut used = self.talk.read(side, at, bytes, end, &mut report).min(total);
        if end && used < total {
            report.opaque(at + used as u64..at + total as u64, "unread at the end");
            used = total;
        }
        drop(report);
        direction.unread_at = at + used as u64;
        if used == total {
            // An idle connection keeps no room for bytes that it does not have.
            unread = Vec::new();
        } else if joined {
            unread.drain(..used);
        } else {
            unread.extend_from_slice(&new[used..]);
        }
        direction.unread = unread;
    }
}

/// A TCP segment, or the part of one that a fragment holds.
pub(super) struct TcpSegment<'a> {
    /// 0, or which stream of an SCTP association this is, from 1.
    pub(super) lane: u32,
    pub(super) tcp: Tcp,
    pub(super) payload: &'a [u8],
    pub(super) from: Arriving,
}

/// The packet that a payload came with.
pub(super) struct Arriving {
    pub(super) packet: PacketId,
    /// Where in its frame the payload begins.
    pub(super) frame_at: u32,
    /// Bytes behind it that the packet had and the capture has not.
    pub(super) missing: u32,
}

impl Arriving {
    pub(super) fn part(&self, range: Range<usize>) -> Part {
        let (at, len) = (range.start as u32, range.len() as u32);
        Part { at, len, packet: self.packet, frame_at: self.frame_at + at, copy: true, leader: self.packet }
    }

    /// Where a range of the payload stands in the frame.
    fn span(&self, range: Range<usize>, offset: u32) -> Span {
        let at = self.frame_at + range.start as u32..self.frame_at + range.end as u32;
        Span { packet: self.packet, at, offset, copy: false }
    }
}

/// Hands what a conversation reports to the visitor, with the packets that hold it.
struct Report<'a, 'b, V: Visitor> {
    stream: Stream,
    cover: &'a mut Cover,
    scene: &'a mut Scene<'b, V>,
    /// Grammar that was not told yet: a parser reports it piece by piece.
    kept: Range<u64>,
    /// Reported, and not yet told to `cover`: most events follow one another.
    decided: Range<u64>,
}

impl<'a, 'b, V: Visitor> Report<'a, 'b, V> {
    fn new(flow: u64, side: Side, direction: &'a mut Direction, scene: &'a mut Scene<'b, V>) -> Self {
        Report { stream: Stream { flow, side }, cover: &mut direction.cover, scene, kept: 0..0, decided: 0..0 }
    }

    fn find(&mut self, at: &[Range<u64>]) {
        self.scene.spans.clear();
        self.cover.spans(at, self.scene.spans);
        self.scene.waiting.position += (self.scene.spans.len() * limits::HELD_SPAN_BYTES) as u64;
    }

    fn decide(&mut self, at: &[Range<u64>]) {
        for range in at {
            if range.start != self.decided.end {
                self.settle();
                self.decided = range.clone();
            }
            self.decided.end = range.end;
        }
    }
}

impl<V: Visitor> Report<'_, '_, V> {
    fn tell_kept(&mut self) {
        let at = std::mem::take(&mut self.kept);
        if !at.is_empty() {
            self.find(std::slice::from_ref(&at));
            self.scene.visitor.keep(self.stream, at.clone(), self.scene.spans);
            self.decide(&[at]);
        }
    }

    fn settle(&mut self) {
        let waiting = &mut *self.scene.waiting;
        self.cover.decide(self.decided.clone(), |packet, bytes| waiting.settle(packet, bytes));
        self.decided = 0..0;
    }
}

impl<V: Visitor> Drop for Report<'_, '_, V> {
    fn drop(&mut self) {
        self.tell_kept();
        self.settle();
    }
}

impl<V: Visitor> Sink for Report<'_, '_, V> {
    fn wants_values(&self) -> bool {
        self.scene.visitor.wants_values()
    }

    fn keep(&mut self, at: Range<u64>) {
        if self.kept.end != at.start {
            self.tell_kept();
            self.kept.start = at.start;
        }
        self.kept.end = at.end;
    }

    fn field(&mut self, at: &[Range<u64>], field: &Field<'_>) {
        self.tell_kept();
        self.find(at);
        self.scene.visitor.field(self.stream, field, at, self.scene.spans);
        self.decide(at);
    }

    fn opaque(&mut self, at: Range<u64>, what: &'static str) {
        if at.is_empty() {
            return;
        }
        self.tell_kept();
        self.settle();
        for part in self.cover.undecided(at) {
            self.find(std::slice::from_ref(&part));
            self.scene.visitor.opaque(self.stream, what, part.clone(), self.scene.spans);
            self.decide(&[part]);
        }
    }

    fn window(&mut self, at: &[Range<u64>], window: &Window<'_>) {
        self.tell_kept();
        self.find(at);
        self.scene.visitor.window(self.stream, window, at, self.scene.spans);
        self.decide(at);
    }

    fn mark(&mut self, _side: Side, mark: Mark<'_>) {
        self.tell_kept();
        let begins = match mark {
            Mark::Request { at, .. } | Mark::Response { at, .. } => self.cover.packet_at(at),
            Mark::End { .. } | Mark::Lane(_) | Mark::Text(_) | Mark::Cut => None,
        };
        let time = begins.and_then(|packet| self.scene.waiting.time_of(packet)).unwrap_or(self.scene.now);
        self.scene.visitor.mark(self.stream, mark, time);
    }
}
