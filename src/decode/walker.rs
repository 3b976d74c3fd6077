//! A cursor over one frame that labels every byte it passes.
//!
//! Methods that return `Option` give `None` when the layer has no more bytes; what stands there is then noted as cut
//! off or malformed by [`Walker::finish`], so that layers just use `?`.

use std::net::IpAddr;
use std::ops::Range;

use super::{
    Algorithm, Checksum, ChecksumState, DatagramId, Fragment, Layers, Piece, Pseudo, Sctp, Tcp, Transport, What,
};

/// What stands at the cursor, as the layer before it says.
#[derive(Clone, Copy)]
pub(super) enum Next {
    /// A frame of this link type.
    Link(u32),
    /// What this EtherType stands for.
    EtherType(u16),
    /// An IEEE 802.2 header.
    Llc,
    /// An IP header; its version nibble says which.
    Ip,
    /// What this IP protocol number stands for.
    Protocol(u8),
}

/// Where the addresses of the innermost IP header stand that count for checksums and flows.
#[derive(Clone, Copy)]
pub(super) struct Addresses {
    /// Offset of the IP header.
    pub(super) header: usize,
    /// Offset of the source.
    pub(super) src: usize,
    /// Offset of the (final) destination.
    pub(super) dst: usize,
    /// 4 or 16.
    pub(super) len: usize,
}

/// The cursor.
pub(super) struct Walker<'a> {
    frame: &'a [u8],
    layers: &'a mut Layers,
    /// The next byte.
    pub(super) at: usize,
    /// End of the current layer as captured. Invariant: `at <= end <= frame.len()`.
    end: usize,
    /// End of the current layer as its own header states it; beyond `end` when bytes are missing.
    stated: usize,
    /// The same on the wire: never more than the layers around it hold.
    wire_end: usize,
    /// Set by the innermost IP header.
    pub(super) addresses: Option<Addresses>,
    /// Inside a packet that an ICMP error quotes or a sample copies: it is no packet of a flow.
    pub(super) quoted: bool,
    /// What stands behind such a packet, and is walked after it.
    pub(super) behind_quote: Option<Range<usize>>,
}

impl<'a> Walker<'a> {
    pub(super) fn new(frame: &'a [u8], wire_len: u32, layers: &'a mut Layers) -> Self {
        let wire_end = frame.len().max(wire_len as usize);
        let (at, end, stated) = (0, frame.len(), wire_end);
        Self { frame, layers, at, end, stated, wire_end, addresses: None, quoted: false, behind_quote: None }
    }

    /// Accounts for what is left, and puts checksums into writing order.
    pub(super) fn finish(mut self, too_deep: bool) {
        let reason = match (too_deep, self.cut()) {
            (true, _) => "too many layers",
            (_, true) => "cut off",
            _ => "malformed",
        };
        self.stop::<()>(reason);
        self.layers.checksums.reverse();
    }

    /// Names the layer that begins here.
    pub(super) fn layer(&mut self, name: &'static str) {
        self.layers.names.push(name);
    }

    /// The rest of the current layer as captured.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.frame.get(self.at..self.end).unwrap_or_default()
    }

    /// Whether bytes of the current layer are missing.
    fn cut(&self) -> bool {
        self.stated > self.end
    }

    pub(super) fn is_ipv6(&self) -> bool {
        self.addresses.is_some_and(|addresses| addresses.len == 16)
    }

    /// `N` structural bytes; of fewer, those that are there are kept.
    pub(super) fn keep<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let bytes = self.rest().first_chunk();
        self.label(What::Structural, N.min(self.end - self.at));
        bytes
    }

    /// A 16-bit number in network order, structural.
    pub(super) fn keep_u16(&mut self) -> Option<u16> {
        self.keep().map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// The rest of the layer is structural.
    pub(super) fn keep_rest(&mut self) -> Option<()> {
        self.label(What::Structural, self.end - self.at);
        Some(())
    }

    /// An Ethernet address.
    pub(super) fn mac(&mut self) -> Option<()> {
        self.whole(What::Mac, 6).map(drop)
    }

    /// An IPv4 address; gives its offset.
    pub(super) fn ipv4(&mut self) -> Option<usize> {
        self.whole(What::Ipv4, 4)
    }

    /// An IPv6 address; gives its offset.
    pub(super) fn ipv6(&mut self) -> Option<usize> {
        self.whole(What::Ipv6, 16)
    }

    /// The clock of the sender, or of the receiver.
    pub(super) fn clock(&mut self, sender: bool) -> Option<()> {
        let Addresses { src, dst, len, .. } = self.addresses?;
        let host = if sender { src } else { dst } as u32;
        self.whole(What::Clock { host, len: len as u8 }, 4).map(drop)
    }

    /// A flow label with the rest of the traffic class before it.
    pub(super) fn flow_label(&mut self) -> Option<()> {
        self.whole(What::FlowLabel, 3).map(drop)
    }

    /// A tunnel's identifier of 3 or 4 bytes.
    pub(super) fn tunnel_id(&mut self, len: usize) -> Option<()> {
        self.whole(What::TunnelId, len).map(drop)
    }

    /// `count` addresses of one kind, or as many as there are.
    pub(super) fn many(&mut self, count: usize, what: fn(&mut Self) -> Option<usize>) -> Option<()> {
        (0..count).try_for_each(|_| what(self).map(drop))
    }

    /// A piece that counts only when it is whole; gives its offset.
    fn whole(&mut self, what: What, len: usize) -> Option<usize> {
        let at = self.at;
        (self.end - at >= len).then(|| {
            self.label(what, len);
            at
        })
    }

    /// The checksum field of the header that began at `start`, and what it covers: to the stated end of the layer.
    pub(super) fn checksum(&mut self, start: usize, pseudo: Option<Pseudo>) -> Option<()> {
        self.checksum_of(start..self.stated, pseudo, false)
    }

    /// A checksum field that covers `covers`, of which bytes may be missing.
    pub(super) fn checksum_of(
        &mut self,
        covers: Range<usize>,
        pseudo: Option<Pseudo>,
        zero_is_none: bool,
    ) -> Option<()> {
        self.sum(Algorithm::Internet, covers, pseudo, zero_is_none)
    }

    /// SCTP's checksum, over everything from `start` on.
    pub(super) fn crc32c(&mut self, start: usize) -> Option<()> {
        self.sum(Algorithm::Crc32c, start..self.stated, None, false)
    }

    fn sum(
        &mut self,
        algorithm: Algorithm,
        covers: Range<usize>,
        pseudo: Option<Pseudo>,
        zero_is_none: bool,
    ) -> Option<()> {
        let at = self.whole(What::Checksum, algorithm.size())?;
        let unverified = if covers.end > self.end { ChecksumState::Cut } else { ChecksumState::Bad };
        let covers = covers.start..covers.end.min(self.end);
        let mut checksum = Checksum { algorithm, at, covers, pseudo, state: unverified, zero_is_none };
        checksum.observe(self.frame);
        self.layers.checksums.push(checksum);
        Some(())
    }

    /// The pseudo-header of the upper-layer header that began at `start` and goes to the stated end.
    pub(super) fn pseudo(&self, protocol: u8, start: usize) -> Option<Pseudo> {
        let Addresses { src, dst, len, .. } = self.addresses?;
        let length = u32::try_from(self.stated.saturating_sub(start)).unwrap_or(u32::MAX);
        Some(Pseudo { src: src..src + len, dst: dst..dst + len, protocol, length })
    }

    /// End of the current layer as its header states it.
    pub(super) fn stated(&self) -> usize {
        self.stated
    }

    /// The current layer's header says that it ends at `end`: what the frame has beyond is no part of it.
    pub(super) fn bound(&mut self, end: usize) {
        self.bound_as(end, "trailer");
    }

    /// Like [`Self::bound`], with a name for what is beyond.
    pub(super) fn bound_as(&mut self, end: usize, beyond: &'static str) {
        let end = end.max(self.at);
        if end < self.end {
            self.layers.not_understood.push((beyond, end..self.end));
            self.end = end;
        }
        self.stated = end;
        self.wire_end = self.wire_end.min(end);
    }

    /// The packet that follows ends at `end`; what is beyond is walked after it.
    pub(super) fn quote_to(&mut self, end: usize) {
        self.behind_quote = Some(end.min(self.end)..self.end);
        self.end = end.min(self.end);
        self.stated = end;
        self.wire_end = self.wire_end.min(end);
    }

    /// Walks the copy of (the first bytes of) another frame in the next `len` bytes, of `wire` bytes when it was sent.
    pub(super) fn copy(&mut self, len: usize, wire: usize, walk: impl FnOnce(&mut Self)) -> Option<()> {
        let (end, stated, wire_end) = (self.end, self.stated, self.wire_end);
        let (addresses, quoted) = (self.addresses.take(), std::mem::replace(&mut self.quoted, true));
        let whole = len <= end - self.at;
        let copy_end = end.min(self.at.saturating_add(len));
        self.end = copy_end;
        self.wire_end = copy_end.max(self.at.saturating_add(wire));
        self.stated = self.wire_end;
        walk(self);
        self.stop::<()>(if self.cut() { "cut off" } else { "malformed" });
        // A layer that states a smaller length has said what stands behind it.
        self.at = copy_end;
        (self.end, self.stated, self.wire_end) = (end, stated, wire_end);
        (self.addresses, self.quoted) = (addresses, quoted);
        whole.then_some(())
    }

    /// Goes on with a part that was put off.
    pub(super) fn enter(&mut self, part: Range<usize>) {
        self.stop::<()>("malformed");
        self.at = part.start;
        self.end = part.end;
        self.stated = part.end;
    }

    /// A header states no length (segmentation offload): to the end of what is around it.
    pub(super) fn unbound(&mut self) {
        self.stated = self.wire_end;
    }

    /// Walks a part of `len` bytes with `walk`; what that leaves over is `reason`.
    pub(super) fn within(
        &mut self,
        len: usize,
        reason: &'static str,
        walk: impl FnOnce(&mut Self) -> Option<()>,
    ) -> Option<()> {
        let outer = self.end;
        let whole = len <= outer - self.at;
        if whole {
            self.end = self.at + len;
        }
        walk(self);
        if whole {
            self.stop::<()>(reason);
        }
        self.end = outer;
        whole.then_some(())
    }

    /// `len` bytes that are not understood.
    pub(super) fn skip(&mut self, len: usize, reason: &'static str) -> Option<()> {
        self.within(len, reason, |_| None)
    }

    /// The rest of the layer is not understood.
    pub(super) fn stop<T>(&mut self, reason: &'static str) -> Option<T> {
        if self.at < self.end {
            self.layers.not_understood.push((reason, self.at..self.end));
            self.at = self.end;
        }
        None
    }

    /// The rest of the layer is payload of a flow between these ports. It begins at `start`, which may be cut off.
    pub(super) fn payload(&mut self, start: usize, src: u16, dst: u16, tcp: Option<Tcp>) -> Option<Next> {
        if self.quoted && tcp.is_none() {
            return self.stop("quoted payload");
        }
        let payload = self.at..self.end;
        let wire = self.wire_end.saturating_sub(start).max(payload.len());
        let addresses = self.addresses?;
        let transport = Transport {
            src: (self.address(addresses.src, addresses.len)?, src),
            dst: (self.address(addresses.dst, addresses.len)?, dst),
            payload,
            wire_payload: u32::try_from(wire).unwrap_or(u32::MAX),
            tcp,
        };
        match self.quoted {
            true => self.layers.quotes.push(transport),
            false => self.layers.transport = Some(transport),
        }
        self.at = self.end;
        None
    }

    /// The rest of the layer is user data of a chunk.
    pub(super) fn data(&mut self) -> Option<Range<usize>> {
        if self.quoted {
            return self.stop("quoted payload");
        }
        let data = self.at..self.end;
        self.at = self.end;
        Some(data)
    }

    /// The layer's chunks are user data between these ports.
    pub(super) fn chunks(&mut self, src: u16, dst: u16, sctp: Sctp) -> Option<Next> {
        self.stop::<()>("sctp chunk");
        if !self.quoted {
            self.payload(self.at, src, dst, None);
            self.layers.sctp = Some(sctp);
        }
        None
    }

    /// The rest of the layer belongs at offset `at` of a datagram's payload.
    pub(super) fn fragment(&mut self, protocol: u8, id: u32, at: u32, more: bool) -> Option<Next> {
        if self.quoted {
            return self.stop("quoted payload");
        }
        let Addresses { header, src, dst, len } = self.addresses?;
        let datagram = DatagramId { src: self.address(src, len)?, dst: self.address(dst, len)?, protocol, id };
        let wire_len = u32::try_from(self.stated.saturating_sub(self.at)).unwrap_or(u32::MAX);
        let (header, payload) = (header..self.at, self.at..self.end);
        self.layers.fragment = Some(Fragment { datagram, header, payload, at, len: wire_len, more });
        self.at = self.end;
        None
    }

    fn address(&self, at: usize, len: usize) -> Option<IpAddr> {
        let bytes = self.frame.get(at..at + len)?;
        match len {
            4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
            _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        }
    }

    /// Labels `len` captured bytes and passes them. Structural neighbours become one piece.
    fn label(&mut self, what: What, len: usize) {
        let start = self.at as u32;
        self.at += len;
        match self.layers.pieces.last_mut() {
            _ if len == 0 => {}
            Some(last) if what == What::Structural && last.what == what && last.start + last.len == start => {
                last.len += len as u32;
            }
            _ => self.layers.pieces.push(Piece { start, len: len as u32, what }),
        }
    }
}
