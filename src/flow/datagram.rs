//! IP fragments put together to the datagram that they were, with the way back to the packets that hold them.
//!
//! A datagram is a frame whose bytes lie in several packets. A datagram inside another one (a fragmented tunnel that
//! carries fragments) is the same thing: its parts are those of the outer one.

use std::collections::VecDeque;
use std::ops::Range;

use crate::capture::PacketId;
use crate::decode::{DatagramId, Fragment, unfragment};
use crate::limits;

/// Bytes of a frame or datagram, and the packet that holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// First byte in the datagram.
    pub at: u32,
    /// How many.
    pub len: u32,
    /// The packet.
    pub packet: PacketId,
    /// Where in the packet's frame they stand.
    pub frame_at: u32,
    /// Another part holds the same bytes, and came first.
    pub copy: bool,
    /// The first packet of the datagrams around: its checksums cover these bytes, so they are final when it leaves.
    pub leader: PacketId,
}

impl Part {
    /// The whole of a packet's frame.
    pub fn whole(packet: PacketId, frame: &[u8]) -> Part {
        Part { at: 0, len: frame.len() as u32, packet, frame_at: 0, copy: false, leader: packet }
    }

    /// What of it lies in a range of the datagram.
    pub fn within(&self, range: &Range<u32>) -> Option<Part> {
        let (from, to) = (self.at.max(range.start), (self.at + self.len).min(range.end));
        let len = to.checked_sub(from).filter(|&len| len > 0)?;
        Some(Part { at: from, len, frame_at: self.frame_at + (from - self.at), ..*self })
    }

    /// Where it stands in its packet's frame.
    pub fn in_frame(&self) -> Range<u32> {
        self.frame_at..self.frame_at + self.len
    }

    fn moved(self, from: u32, to: u32) -> Part {
        Part { at: self.at - from + to, ..self }
    }
}

/// Fragments put together.
#[derive(Debug)]
pub struct Datagram {
    /// Tells datagrams apart. One that was whole comes again with its number, when copies of its fragments come late.
    pub number: u64,
    /// The IP header, as if nothing had been cut, and the payload; zeros where bytes are missing.
    pub frame: Vec<u8>,
    /// How long the header is. Its parts are those of the first fragment.
    pub header: usize,
    /// Before this offset no byte is missing.
    pub whole_to: usize,
    /// Originals in order, copies behind them.
    pub parts: Vec<Part>,
}

impl Datagram {
    /// The packet that cannot leave before all of the datagram is decided.
    pub fn leader(&self) -> Option<PacketId> {
        self.parts.iter().map(|part| part.leader).min()
    }

    /// The parts of a range, originals in order, then copies.
    pub fn parts_of(&self, range: Range<u32>) -> impl Iterator<Item = Part> {
        self.parts.iter().filter_map(move |part| part.within(&range))
    }
}

/// What became of a fragment.
#[derive(Debug)]
pub enum Gathered {
    /// Others are missing. It waits with the datagram of this number.
    Waits(u64),
    /// It was the last one; or it is a late copy, and those parts alone are told that hold it.
    Whole(Datagram),
    /// It fits nowhere: too long, or one of too many.
    Refused,
}

/// The datagrams of which fragments are missing, and those that were whole not long ago.
#[derive(Default)]
pub struct Fragments {
    /// By age.
    open: VecDeque<Gathering>,
    /// Their parts are forgotten.
    done: VecDeque<(DatagramId, Datagram)>,
    begun: u64,
    bytes: usize,
}

struct Gathering {
    number: u64,
    id: DatagramId,
    /// IP header of the first fragment.
    header: Option<(Vec<u8>, Vec<Part>)>,
    /// Payload as far as it is known.
    payload: Vec<u8>,
    /// Where the packets hold it.
    parts: Vec<Part>,
    /// Captured.
    held: Ranges,
    /// On the wire: captured, or cut off by the snaplen.
    seen: Ranges,
    /// Length of the payload, when the last fragment is there.
    end: Option<u32>,
}

impl Fragments {
    /// Is there no room for another datagram, or another fragment?
    pub fn full(&self) -> bool {
        self.open.len() >= limits::DATAGRAMS_MAX || self.bytes > limits::DATAGRAM_BYTES_MAX
    }

    /// The datagram that began first.
    pub fn oldest(&self) -> Option<u64> {
        self.open.front().map(|gathering| gathering.number)
    }

    /// Takes a fragment in `frame`, which the packets of `parts` hold. Bytes of it that others hold already, and that
    /// differ, are left out: they are put to `clashes`.
    pub fn add(&mut self, fragment: &Fragment, frame: &[u8], parts: &[Part], clashes: &mut Vec<Part>) -> Gathered {
        if let Some(datagram) = self.late(fragment, frame, parts) {
            return Gathered::Whole(datagram);
        }
        let index = match self.open.iter().rposition(|gathering| gathering.id == fragment.datagram) {
            Some(index) => index,
            None => self.begin(fragment.datagram),
        };
        let Some(gathering) = self.open.get_mut(index) else { return Gathered::Refused };
        let before = gathering.payload.len();
        let taken = gathering.take(fragment, frame, parts, clashes);
        self.bytes += gathering.payload.len() - before;
        if !taken {
            return Gathered::Refused;
        }
        if !gathering.is_whole() {
            return Gathered::Waits(gathering.number);
        }
        let Some(datagram) = self.remove(index).and_then(Gathering::finish) else { return Gathered::Refused };
        self.remember(fragment.datagram, &datagram);
        Gathered::Whole(datagram)
    }

    /// The datagram of which this fragment is a late copy. Other bytes are those of another datagram.
    fn late(&mut self, fragment: &Fragment, frame: &[u8], parts: &[Part]) -> Option<Datagram> {
        let index = self.done.iter().rposition(|(id, _)| *id == fragment.datagram)?;
        let (_, done) = self.done.get(index)?;
        let at = done.header + fragment.at as usize;
        let bytes = frame.get(fragment.payload.clone())?;
        if done.frame.get(at..at + bytes.len()) != Some(bytes) {
            self.done.remove(index);
            return None;
        }
        let copies = moved(parts, &fragment.payload, at as u32).map(|part| Part { copy: true, ..part });
        Some(Datagram { frame: done.frame.clone(), parts: copies.collect(), ..*done })
    }

    fn remember(&mut self, id: DatagramId, datagram: &Datagram) {
        if self.done.len() >= limits::DATAGRAMS_REMEMBERED {
            self.done.pop_front();
        }
        self.done.push_back((id, Datagram { frame: datagram.frame.clone(), parts: Vec::new(), ..*datagram }));
    }

    /// Gives a datagram up: what there is of it, if its beginning is; else the parts that wait.
    pub fn give_up(&mut self, number: u64) -> Option<Result<Datagram, Vec<Part>>> {
        let index = self.open.iter().position(|gathering| gathering.number == number)?;
        let gathering = self.remove(index)?;
        match gathering.header {
            Some(_) => gathering.finish().map(Ok),
            None => Some(Err(gathering.parts)),
        }
    }

    fn begin(&mut self, id: DatagramId) -> usize {
        let number = self.begun;
        self.begun += 1;
        self.open.push_back(Gathering {
            number,
            id,
            header: None,
            payload: Vec::new(),
            parts: Vec::new(),
            held: Ranges::default(),
            seen: Ranges::default(),
            end: None,
        });
        self.open.len() - 1
    }

    fn remove(&mut self, index: usize) -> Option<Gathering> {
        let gathering = self.open.remove(index)?;
        self.bytes -= gathering.payload.len();
        Some(gathering)
    }
}

impl Gathering {
    /// False if the fragment is too long, or one of too many.
    fn take(&mut self, fragment: &Fragment, frame: &[u8], parts: &[Part], clashes: &mut Vec<Part>) -> bool {
        let on_wire = fragment.at..fragment.at.saturating_add(fragment.len);
        let beyond = self.end.is_some_and(|end| on_wire.end > end);
        if on_wire.end > u32::from(u16::MAX) || beyond || self.parts.len() >= limits::FRAGMENTS_MAX {
            return false;
        }
        if fragment.at == 0 && self.header.is_none() {
            let header = frame.get(fragment.header.clone()).unwrap_or_default().to_vec();
            self.header = Some((header, moved(parts, &fragment.header, 0).collect()));
        }
        if !fragment.more && self.end.is_none() {
            self.end = Some(on_wire.end);
        }
        for part in moved(parts, &fragment.payload, fragment.at) {
            let from = fragment.payload.start + (part.at - fragment.at) as usize;
            let bytes = frame.get(from..from + part.len as usize).unwrap_or_default();
            self.hold(part, bytes, clashes);
        }
        self.seen.insert(on_wire);
        true
    }

    /// Takes captured bytes: new ones, and copies of those that are known.
    fn hold(&mut self, part: Part, bytes: &[u8], clashes: &mut Vec<Part>) {
        let range = part.at..part.at + part.len;
        if self.payload.len() < range.end as usize {
            self.payload.resize(range.end as usize, 0);
        }
        let missing = self.held.missing(&range);
        let mut done = range.start;
        for gap in missing.into_iter().chain(std::iter::once(range.end..range.end)) {
            let slice = |range: &Range<u32>| {
                bytes.get((range.start - part.at) as usize..(range.end - part.at) as usize).unwrap_or_default()
            };
            let (known, new) = (done..gap.start, gap.start..gap.end);
            if let Some(copy) = part.within(&known) {
                let same = self.payload.get(known.start as usize..known.end as usize) == Some(slice(&known));
                let kept = if same { &mut self.parts } else { &mut *clashes };
                kept.push(Part { copy: true, ..copy });
            }
            if let Some(original) = part.within(&new) {
                self.payload[new.start as usize..new.end as usize].copy_from_slice(slice(&new));
                self.parts.push(Part { copy: false, ..original });
            }
            done = gap.end;
        }
        self.held.insert(range);
    }

    fn is_whole(&self) -> bool {
        self.header.is_some() && self.end.is_some_and(|end| self.seen.reaches() >= end)
    }

    fn finish(self) -> Option<Datagram> {
        let (mut frame, mut parts) = self.header?;
        let header = frame.len();
        let len = self.end.unwrap_or(0).max(self.payload.len() as u32);
        unfragment(&mut frame, len as usize);
        let whole_to = header + self.held.reaches() as usize;
        frame.extend_from_slice(&self.payload);
        frame.resize(header + len as usize, 0);
        // A datagram that was given up lacks its end, however well its beginning fits.
        let whole_to = if self.end.is_none() { whole_to.min(frame.len().saturating_sub(1)) } else { whole_to };
        parts.extend(self.parts.into_iter().map(|part| part.moved(0, header as u32)));
        parts.sort_by_key(|part| (part.copy, part.at));
        let leader = parts.iter().map(|part| part.leader).min()?;
        parts.iter_mut().for_each(|part| part.leader = leader);
        Some(Datagram { number: self.number, frame, header, whole_to, parts })
    }
}

/// The parts of a range, as parts of something in which that range begins at `to`.
fn moved(parts: &[Part], range: &Range<usize>, to: u32) -> impl Iterator<Item = Part> {
    let range = range.start as u32..range.end as u32;
    let from = range.start;
    parts.iter().filter_map(move |part| part.within(&range)).map(move |part| part.moved(from, to))
}

/// Disjoint ranges in order, which do not touch.
#[derive(Default)]
struct Ranges(Vec<Range<u32>>);

impl Ranges {
    /// Everything before is there.
    fn reaches(&self) -> u32 {
        self.0.first().filter(|first| first.start == 0).map_or(0, |first| first.end)
    }

    /// What of a range is not there.
    fn missing(&self, range: &Range<u32>) -> Vec<Range<u32>> {
        let mut from = range.start;
        let mut missing = Vec::new();
        for known in self.0.iter().filter(|known| known.end > range.start && known.start < range.end) {
            if from < known.start {
                missing.push(from..known.start);
            }
            from = known.end;
        }
        if from < range.end {
            missing.push(from..range.end);
        }
        missing
    }

    fn insert(&mut self, mut range: Range<u32>) {
        let first = self.0.partition_point(|known| known.end < range.start);
        let behind = self.0.partition_point(|known| known.start <= range.end);
        if let Some(touched) = self.0.get(first..behind).filter(|touched| !touched.is_empty()) {
            range.start = range.start.min(touched[0].start);
            range.end = range.end.max(touched[touched.len() - 1].end);
        }
        self.0.splice(first..behind.max(first), [range]);
    }
}
