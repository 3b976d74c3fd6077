//! Records of a capture that wait until it is decided what of them is to be searched.

use std::collections::VecDeque;
use std::ops::Range;

use crate::capture::PacketId;
use crate::flow::Span;

/// One record.
pub struct Frame {
    /// The packet's number, from 1; 0 for other records.
    pub number: u64,
    /// The record, with zeros for what is not to be searched.
    pub shown: Vec<u8>,
    bytes: Vec<u8>,
    /// Where the packet's data begin.
    data: usize,
}

/// Those that wait, in capture order.
#[derive(Default)]
pub struct Frames {
    open: VecDeque<Frame>,
    /// Number of the first packet that waits.
    first: u64,
    /// Memory to use again.
    spare: Vec<Frame>,
}

impl Frames {
    /// Takes a packet's record, whose data begin at `data`. Packets come in order.
    pub fn push(&mut self, id: PacketId, record: &[u8], data: usize, show: bool) {
        let empty = Frame { number: 0, shown: Vec::new(), bytes: Vec::new(), data: 0 };
        let mut frame = self.spare.pop().unwrap_or(empty);
        (frame.number, frame.data) = (id.0 + 1, data);
        frame.bytes.clear();
        frame.bytes.extend_from_slice(record);
        frame.shown.clear();
        frame.shown.extend_from_slice(if show { record } else { &[] });
        frame.shown.resize(record.len(), 0);
        if self.open.is_empty() {
            self.first = id.0;
        }
        self.open.push_back(frame);
    }

    /// Shows a range of the newest record, or not.
    pub fn newest(&mut self, at: Range<usize>, show: bool) {
        if let Some(frame) = self.open.back_mut() {
            frame.decide(at, show);
        }
    }

    /// Shows a range of a packet's data, or not.
    pub fn decide(&mut self, id: PacketId, at: Range<usize>, show: bool) {
        let index = id.0.checked_sub(self.first).and_then(|n| usize::try_from(n).ok());
        if let Some(frame) = index.and_then(|n| self.open.get_mut(n)) {
            frame.decide(frame.data + at.start..frame.data + at.end, show);
        }
    }

    /// Shows the stream bytes `raw` wherever they stand, or not. A copy that says something else stays as it is.
    pub fn spans(&mut self, spans: &[Span], raw: &[u8], show: bool) {
        for span in spans {
            let at = span.at.start as usize..span.at.end as usize;
            let offset = span.offset as usize;
            let like = raw.get(offset..offset + at.len());
            if !span.copy || self.data(span.packet, &at).is_some_and(|data| Some(data) == like) {
                self.decide(span.packet, at, show);
            }
        }
    }

    /// Shows of a copy, which brings `bytes`, what is shown of the original, which brought `raw`.
    pub fn copy(&mut self, span: &Span, bytes: &[u8], raw: &[u8], shown: &[u8]) {
        for (n, ((here, there), shown)) in bytes.iter().zip(raw).zip(shown).enumerate() {
            if here == there {
                let at = span.at.start as usize + n;
                self.decide(span.packet, at..at + 1, shown == there);
            }
        }
    }

    fn data(&self, id: PacketId, at: &Range<usize>) -> Option<&[u8]> {
        let index = usize::try_from(id.0.checked_sub(self.first)?).ok()?;
        let frame = self.open.get(index)?;
        frame.bytes.get(frame.data + at.start..frame.data + at.end)
    }

    /// Calls `search` with the packets up to `last`, which leave.
    pub fn settle(&mut self, last: PacketId, search: &mut dyn FnMut(&Frame)) {
        while self.first <= last.0 {
            let Some(frame) = self.open.pop_front() else { return };
            self.first += 1;
            search(&frame);
            self.spare.push(frame);
        }
    }
}

impl Frame {
    fn decide(&mut self, at: Range<usize>, show: bool) {
        if let (Some(shown), Some(bytes)) = (self.shown.get_mut(at.clone()), self.bytes.get(at)) {
            match show {
                true => shown.copy_from_slice(bytes),
                false => shown.fill(0),
            }
        }
    }
}
