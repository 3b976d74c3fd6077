//! Fragments: they wait for one another, and what they carry is read as if nothing had been cut.

use super::Dissector;
use super::connection::{Arriving, FIN, RST, SYN, TcpSegment};
use super::visitor::{Packet, Visitor};
use super::waiting::Owner;
use crate::decode::{self, Fragment, Layers, Tcp, Transport};
use crate::flow::{Datagram, Gathered, Part};
use crate::limits;

impl Dissector {
    /// Takes the fragment that a packet carries.
    pub(super) fn fragment(&mut self, packet: &Packet<'_>, layers: &mut Layers, visitor: &mut impl Visitor) {
        while let Some(oldest) = self.fragments.oldest().filter(|_| self.fragments.full()) {
            visitor.limit("datagrams");
            self.give_up_datagram(oldest, visitor);
        }
        let Some(fragment) = layers.fragment.take() else { return };
        let whole = [Part::whole(packet.id, packet.frame)];
        if let Some(datagram) = self.gather(&fragment, packet.frame, &whole, visitor) {
            self.datagrams(datagram, layers, visitor);
        }
    }

    /// Reads what there is of a datagram, though fragments are missing; without the first one, nothing. False if there
    /// is no such datagram.
    pub(super) fn give_up_datagram(&mut self, number: u64, visitor: &mut impl Visitor) -> bool {
        match self.fragments.give_up(number) {
            Some(Ok(datagram)) => self.datagrams(datagram, &mut Layers::default(), visitor),
            Some(Err(parts)) => {
                for part in parts {
                    visitor.stray("ip fragment", &part);
                    self.waiting.settle(part.packet, part.len);
                }
            }
            None => return false,
        }
        true
    }

    /// Puts a fragment to the others of its datagram; gives the datagram if that is whole now.
    fn gather(
        &mut self,
        fragment: &Fragment,
        frame: &[u8],
        parts: &[Part],
        visitor: &mut impl Visitor,
    ) -> Option<Datagram> {
        let mut clashes = Vec::new();
        let gathered = self.fragments.add(fragment, frame, parts, &mut clashes);
        let range = fragment.payload.start as u32..fragment.payload.end as u32;
        for part in parts.iter().filter_map(|part| part.within(&range)) {
            match gathered {
                Gathered::Waits(number) => self.waiting.own(part.packet, Owner::Datagram(number), part.len),
                Gathered::Whole(_) => {}
                Gathered::Refused => visitor.stray("ip fragment", &part),
            }
        }
        for clash in clashes {
            visitor.stray("overlapping fragment", &clash);
            self.waiting.settle(clash.packet, clash.len);
        }
        match gathered {
            Gathered::Whole(datagram) => Some(datagram),
            _ => None,
        }
    }

    /// Reads a datagram; it may be a tunnel with the last fragment of another one.
    fn datagrams(&mut self, mut datagram: Datagram, layers: &mut Layers, visitor: &mut impl Visitor) {
        for _ in 0..limits::LAYERS_MAX {
            self.datagram(&datagram, layers, visitor);
            let Some(fragment) = layers.fragment.take() else { return };
            match self.gather(&fragment, &datagram.frame, &datagram.parts, visitor) {
                Some(inner) => datagram = inner,
                None => return,
            }
        }
        visitor.limit("layers");
    }

    /// Reads what a datagram carries.
    fn datagram(&mut self, datagram: &Datagram, layers: &mut Layers, visitor: &mut impl Visitor) {
        decode::decode_datagram(&datagram.frame, datagram.header, datagram.whole_to, layers);
        let packets = || datagram.parts.iter().map(|part| part.packet);
        if let (Some(leader), Some(last)) = (datagram.leader(), packets().max()) {
            self.waiting.tie(leader, last);
        }
        packets().for_each(|packet| self.waiting.settle(packet, u32::MAX));
        visitor.datagram(datagram, layers);
        if let Some(transport) = &layers.transport
            && let Some(tcp) = transport.tcp
        {
            self.segments(datagram, transport, tcp, layers, visitor);
        }
        for quote in &layers.quotes {
            let payload = quote.payload.start as u32..quote.payload.end as u32;
            datagram.parts_of(payload).for_each(|part| visitor.stray("quoted payload", &part));
        }
        if layers.sctp.is_some() {
            self.chunks(&datagram.frame, &datagram.parts, layers, visitor);
        }
    }

    /// A segment in fragments is read as several smaller ones; copies of fragments are retransmissions.
    fn segments(
        &mut self,
        datagram: &Datagram,
        transport: &Transport,
        tcp: Tcp,
        layers: &Layers,
        visitor: &mut impl Visitor,
    ) {
        let (start, end) = (transport.payload.start as u32, transport.payload.end as u32);
        let mut parts: Vec<Part> = datagram.parts_of(start..end).collect();
        if parts.first().is_none_or(|first| first.at > start) {
            let header = datagram.parts.first().map(|first| Part { at: start, len: 0, ..*first });
            parts.splice(0..0, header);
        }
        let originals = parts.iter().filter(|part| !part.copy).count();
        for (index, part) in parts.iter().enumerate() {
            let next = parts.get(index + 1).filter(|next| !next.copy).map_or(start + transport.wire_payload, |n| n.at);
            let missing = if part.copy { 0 } else { next.saturating_sub(part.at + part.len) };
            let past = if index > 0 { SYN } else { 0 };
            let to_come = if index + 1 == originals { 0 } else { FIN | RST };
            let begins = u32::from(index > 0 && tcp.flags & SYN != 0);
            let seq = tcp.seq.wrapping_add(part.at - start).wrapping_add(begins);
            let segment = TcpSegment {
                lane: 0,
                tcp: Tcp { seq, flags: tcp.flags & !(past | to_come), ..tcp },
                payload: datagram.frame.get(part.at as usize..(part.at + part.len) as usize).unwrap_or_default(),
                from: Arriving { packet: part.packet, frame_at: part.frame_at, missing },
            };
            self.segment(&segment, transport, layers, visitor);
        }
    }
}
