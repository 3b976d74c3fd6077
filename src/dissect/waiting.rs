//! Packets that wait for a decision about some of their bytes, or for others that they are tied to.

use std::collections::VecDeque;

use crate::capture::PacketId;
use crate::flow::Slot;
use crate::protocol::Side;

/// How many bytes of each packet are undecided; the settled ones leave at the front.
#[derive(Default)]
pub(super) struct Waiting {
    first: u64,
    packets: VecDeque<Wait>,
    /// How many of them, from the front, have no undecided byte.
    decided: usize,
    /// Capture bytes seen, and what else takes memory while packets wait.
    pub(super) position: u64,
}

/// Who decides about a packet's bytes.
#[derive(Clone, Copy)]
pub(super) enum Owner {
    /// A direction of a flow.
    Stream(Slot, Side),
    /// An SCTP association of which chunks are missing.
    Association(Slot),
    /// A datagram of which fragments are missing.
    Datagram(u64),
}

/// One packet's wait.
#[derive(Clone, Copy)]
pub(super) struct Wait {
    /// Undecided bytes.
    bytes: u32,
    /// [`Waiting::position`] before this packet.
    position: u64,
    /// When it was captured.
    pub(super) time_ns: i128,
    /// Whose payload it holds.
    pub(super) owner: Option<Owner>,
    /// This packet leaves when packets up to that one are decided.
    tied_to: u64,
}

impl Waiting {
    pub(super) fn push(&mut self, id: PacketId, time_ns: i128) {
        if self.packets.is_empty() {
            self.first = id.0;
        }
        let position = self.position;
        self.packets.push_back(Wait { bytes: 0, position, time_ns, owner: None, tied_to: id.0 });
    }

    pub(super) fn own(&mut self, packet: PacketId, owner: Owner, bytes: u32) {
        if let Some(wait) = self.get_mut(packet) {
            wait.owner = Some(owner);
            wait.bytes += bytes;
        }
    }

    pub(super) fn settle(&mut self, packet: PacketId, bytes: u32) {
        if let Some(wait) = self.get_mut(packet) {
            wait.bytes = wait.bytes.saturating_sub(bytes);
        }
    }

    pub(super) fn time_of(&self, packet: PacketId) -> Option<i128> {
        let index = usize::try_from(packet.0.checked_sub(self.first)?).ok()?;
        self.packets.get(index).map(|wait| wait.time_ns)
    }

    /// `first` stays until all packets up to `last` are decided: a checksum of one covers bytes of the others.
    pub(super) fn tie(&mut self, first: PacketId, last: PacketId) {
        if let Some(wait) = self.get_mut(first) {
            wait.tied_to = wait.tied_to.max(last.0);
        }
    }

    /// The packet that holds up the others.
    pub(super) fn front(&self) -> Option<(PacketId, Wait)> {
        self.packets.get(self.decided).map(|wait| (PacketId(self.first + self.decided as u64), *wait))
    }

    /// Capture bytes from the first packet that waits to the last one, and what else that takes.
    pub(super) fn held(&self) -> u64 {
        self.packets.front().map_or(0, |wait| self.position - wait.position)
    }

    /// Lets go of the settled packets at the front; the last of them, if any.
    pub(super) fn release(&mut self) -> Option<PacketId> {
        while self.packets.get(self.decided).is_some_and(|wait| wait.bytes == 0) {
            self.decided += 1;
        }
        let before = self.first;
        let decided_to = before + self.decided as u64;
        while self.first < decided_to && self.packets.front().is_some_and(|wait| wait.tied_to < decided_to) {
            self.packets.pop_front();
            self.first += 1;
            self.decided -= 1;
        }
        (self.first > before).then(|| PacketId(self.first - 1))
    }

    fn get_mut(&mut self, packet: PacketId) -> Option<&mut Wait> {
        let index = usize::try_from(packet.0.checked_sub(self.first)?).ok()?;
        self.packets.get_mut(index)
    }
}
