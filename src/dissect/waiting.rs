//! Packets that wait for a decision about some of their bytes.

use std::collections::VecDeque;

use crate::capture::PacketId;
use crate::flow::Slot;
use crate::protocol::Side;

/// How many bytes of each packet are undecided; the settled ones leave at the front.
#[derive(Default)]
pub(super) struct Waiting {
    first: u64,
    packets: VecDeque<Wait>,
    /// Capture bytes seen, and what else takes memory while packets wait.
    pub(super) position: u64,
}

/// One packet's wait.
#[derive(Clone, Copy)]
pub(super) struct Wait {
    /// Undecided bytes.
    bytes: u32,
    /// [`Waiting::position`] before this packet.
    pub(super) position: u64,
    /// When it was captured.
    pub(super) time_ns: i128,
    /// Whose payload it holds.
    pub(super) owner: Option<(Slot, Side)>,
}

impl Waiting {
    pub(super) fn push(&mut self, id: PacketId, time_ns: i128) {
        if self.packets.is_empty() {
            self.first = id.0;
        }
        self.packets.push_back(Wait { bytes: 0, position: self.position, time_ns, owner: None });
    }

    pub(super) fn own(&mut self, packet: PacketId, owner: (Slot, Side), bytes: u32) {
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

    /// The packet that holds up the others.
    pub(super) fn front(&self) -> Option<(PacketId, Wait)> {
        self.packets.front().map(|wait| (PacketId(self.first), *wait))
    }

    /// Lets go of the settled packets at the front; the last of them, if any.
    pub(super) fn release(&mut self) -> Option<PacketId> {
        let before = self.first;
        while self.packets.front().is_some_and(|wait| wait.bytes == 0) {
            self.packets.pop_front();
            self.first += 1;
        }
        (self.first > before).then(|| PacketId(self.first - 1))
    }

    fn get_mut(&mut self, packet: PacketId) -> Option<&mut Wait> {
        let index = usize::try_from(packet.0.checked_sub(self.first)?).ok()?;
        self.packets.get_mut(index)
    }
}
