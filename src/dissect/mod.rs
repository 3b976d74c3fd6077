//! The loop: capture -> decode -> flow -> protocol -> [`Visitor`].
//!
//! The capture alone decides when something is given up: its bytes and its times, never the clock.

mod connection;
mod datagrams;
mod roles;
mod sctp;
mod visitor;
mod waiting;

use std::io::Read;

use crate::capture::{Batch, CaptureError, PacketId, Reader};
use crate::decode::{self, Layers, Transport};
use crate::flow::{FlowKey, Fragments, Part, Slot, Span, Table};
use crate::limits;
use crate::protocol::Side;

use connection::{Arriving, Connection, TcpSegment};
pub use roles::Roles;
use sctp::Association;
pub use visitor::{Ending, Packet, Stream, Visitor};
use waiting::{Owner, Waiting};

/// Reads a whole capture through a visitor. Damage after the beginning ends the capture there; the reader tells.
pub fn run(input: Box<dyn Read + Send>, visitor: &mut impl Visitor) -> Result<Reader, CaptureError> {
    let mut reader = Reader::open(input)?;
    let mut batch = Batch::default();
    let mut dissector = Dissector::default();
    let mut id = 0;
    while reader.next_batch(&mut batch)? {
        for record in &batch.records {
            let Some(meta) = &record.packet else { continue };
            let bytes = &batch.bytes[record.start..record.start + record.len];
            let packet = Packet {
                id: PacketId(id),
                time_ns: meta.time_ns,
                link: meta.link,
                frame: &bytes[meta.data.clone()],
                wire_len: meta.wire_len,
            };
            dissector.packet(&packet, visitor);
            id += 1;
        }
    }
    dissector.finish(visitor);
    Ok(reader)
}

/// The loop's state between packets.
pub struct Dissector {
    layers: Layers,
    fragments: Fragments,
    /// Streams are read.
    streams: bool,
    flows: Table<Connection>,
    associations: Table<Association>,
    waiting: Waiting,
    opened: u64,
    now: i128,
    spans: Vec<Span>,
}

impl Default for Dissector {
    fn default() -> Self {
        Dissector {
            layers: Layers::default(),
            fragments: Fragments::default(),
            streams: true,
            flows: Table::new(limits::FLOWS_BYTES_MAX),
            associations: Table::new(limits::ASSOCIATIONS_BYTES_MAX),
            waiting: Waiting::default(),
            opened: 0,
            now: 0,
            spans: Vec::new(),
        }
    }
}

impl Dissector {
    /// One that reads headers, of datagrams in fragments too, and no streams.
    pub fn of_headers() -> Dissector {
        Dissector { streams: false, ..Dissector::default() }
    }

    /// Takes the next packet of the capture.
    pub fn packet(&mut self, packet: &Packet<'_>, visitor: &mut impl Visitor) {
        let mut layers = std::mem::take(&mut self.layers);
        decode::decode(packet.link, packet.frame, packet.wire_len, &mut layers);
        visitor.packet(packet, &layers);
        self.waiting.push(packet.id, packet.time_ns);
        self.waiting.position += (packet.frame.len() + limits::HELD_PACKET_BYTES) as u64;
        self.now = packet.time_ns;
        if let Some(transport) = &layers.transport
            && let Some(tcp) = transport.tcp
        {
            let payload = packet.frame.get(transport.payload.clone()).unwrap_or_default();
            let missing = transport.wire_payload.saturating_sub(payload.len() as u32);
            let from = Arriving { packet: packet.id, frame_at: transport.payload.start as u32, missing };
            self.segment(&TcpSegment { lane: 0, tcp, payload, from }, transport, &layers, visitor);
        } else if layers.fragment.is_some() {
            self.fragment(packet, &mut layers, visitor);
        } else if layers.sctp.is_some() {
            let whole = [Part::whole(packet.id, packet.frame)];
            self.chunks(packet.frame, &whole, &layers, visitor);
        } else {
            layers.quotes.iter().for_each(|quote| self.quote(packet, quote, visitor));
        }
        self.layers = layers;
        if let Some(last) = self.waiting.release() {
            visitor.settled(last);
        }
        self.close_overdue(visitor);
    }

    /// A record of so many bytes that is no packet: it waits with the packets before it, so it counts like one.
    pub fn beside(&mut self, bytes: usize, visitor: &mut impl Visitor) {
        self.waiting.position += (bytes + limits::HELD_PACKET_BYTES) as u64;
        self.close_overdue(visitor);
    }

    /// The capture is over: decides what is undecided.
    pub fn finish(&mut self, visitor: &mut impl Visitor) {
        visitor.over();
        while let Some(oldest) = self.fragments.oldest() {
            self.give_up_datagram(oldest, visitor);
        }
        for slot in self.associations.slots() {
            self.close_association(slot, visitor);
        }
        let mut slots = self.flows.slots();
        slots.sort_by_key(|&slot| self.flows.get_mut(slot).map(|flow| flow.id()));
        for slot in slots {
            self.close(slot, visitor);
        }
        if let Some(last) = self.waiting.release() {
            visitor.settled(last);
        }
    }

    fn segment(
        &mut self,
        segment: &TcpSegment<'_>,
        transport: &Transport,
        layers: &Layers,
        visitor: &mut impl Visitor,
    ) {
        if !self.streams {
            return;
        }
        let (key, forward) = FlowKey::new(transport.src, transport.dst);
        let key = key.lane(segment.lane);
        let slot = match self.flows.find(&key) {
            Some(slot) if self.flows.get_mut(slot).is_some_and(|flow| !flow.is_reused(forward, segment.tcp)) => slot,
            Some(slot) => {
                self.close(slot, visitor);
                self.open(key, forward, transport, layers, visitor)
            }
            None => self.open(key, forward, transport, layers, visitor),
        };
        let now = self.now;
        let Some(flow) = self.flows.get_mut(slot) else { return };
        let mut scene = connection::Scene { waiting: &mut self.waiting, visitor, slot, now, spans: &mut self.spans };
        flow.segment(segment, forward, &mut scene);
        if let Some(how) = flow.ends() {
            scene.visitor.ended(flow.id(), how);
        }
        let bytes = flow.memory();
        self.flows.weigh(slot, bytes);
        while let Some(idlest) = self.flows.idlest() {
            visitor.limit("flows");
            self.close(idlest, visitor);
        }
    }

    /// A segment inside an ICMP error or a sample: its payload is decided as that of the flow was.
    fn quote(&mut self, packet: &Packet<'_>, quote: &Transport, visitor: &mut impl Visitor) {
        let payload = packet.frame.get(quote.payload.clone()).unwrap_or_default();
        let Some(tcp) = quote.tcp.filter(|_| self.streams && !payload.is_empty()) else { return };
        let from = Arriving { packet: packet.id, frame_at: quote.payload.start as u32, missing: 0 };
        let (key, forward) = FlowKey::new(quote.src, quote.dst);
        let now = self.now;
        let slot = self.flows.find(&key);
        let Some((slot, flow)) = slot.and_then(|slot| Some((slot, self.flows.get_mut(slot)?))) else {
            visitor.stray("quoted payload", &from.part(0..payload.len()));
            return;
        };
        let mut scene = connection::Scene { waiting: &mut self.waiting, visitor, slot, now, spans: &mut self.spans };
        flow.quoted(&TcpSegment { lane: 0, tcp, payload, from }, forward, &mut scene);
    }

    fn open(
        &mut self,
        key: FlowKey,
        forward: bool,
        transport: &Transport,
        layers: &Layers,
        visitor: &mut impl Visitor,
    ) -> Slot {
        let id = self.opened;
        self.opened += 1;
        visitor.open(id, layers);
        self.flows.insert(key, Connection::new(id, forward, transport))
    }

    fn close(&mut self, slot: Slot, visitor: &mut impl Visitor) {
        let now = self.now;
        let Some(mut flow) = self.flows.remove(slot) else { return };
        let mut scene = connection::Scene { waiting: &mut self.waiting, visitor, slot, now, spans: &mut self.spans };
        flow.finish(&mut scene);
        visitor.close(flow.id());
    }

    /// Decides by blanking what keeps a packet waiting. False if nothing could be done yet.
    fn give_up(&mut self, slot: Slot, side: Side, id: PacketId, gap_only: bool, visitor: &mut impl Visitor) -> bool {
        let now = self.now;
        let Some(flow) = self.flows.get_mut(slot) else { return false };
        let mut scene = connection::Scene { waiting: &mut self.waiting, visitor, slot, now, spans: &mut self.spans };
        let done = flow.give_up(side, id, gap_only, &mut scene);
        let bytes = flow.memory();
        self.flows.weigh(slot, bytes);
        done
    }

    /// Decides by blanking what lies too far behind, in bytes or in capture time.
    fn close_overdue(&mut self, visitor: &mut impl Visitor) {
        while let Some((id, wait)) = self.waiting.front() {
            let age = self.now - wait.time_ns;
            let bulky = self.waiting.held() > limits::HELD_BYTES_MAX as u64;
            if !bulky && age <= limits::GAP_NANOS_MAX {
                return;
            }
            let gap_only = !bulky && age <= limits::HOLD_NANOS_MAX;
            match wait.owner {
                Some(Owner::Stream(slot, side)) => {
                    if !self.give_up(slot, side, id, gap_only, visitor) {
                        return;
                    }
                }
                Some(Owner::Datagram(number)) => {
                    if !self.give_up_datagram(number, visitor) {
                        self.waiting.settle(id, u32::MAX);
                    }
                }
                Some(Owner::Association(slot)) => {
                    if !self.skip_chunks(slot, visitor) {
                        self.waiting.settle(id, u32::MAX);
                    }
                }
                None => return,
            }
            if bulky {
                visitor.limit("held_bytes");
            }
            if let Some(last) = self.waiting.release() {
                visitor.settled(last);
            }
        }
    }
}

/// Which index a side has.
fn index(side: Side) -> usize {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}
