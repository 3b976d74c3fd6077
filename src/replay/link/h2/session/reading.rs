//! What a target's frames mean: bounded, whatever it sends.

use super::super::super::Failure;
use super::super::call::{Call, Stop};
use super::super::frame::{self, ACK, Code, HEAD, Head, kind};
use super::{Block, CONNECTION_WINDOW, FRAME_BYTES, IDLE_BYTES, MOST, STREAM_WINDOW, Session, setting};
use crate::limits::HEAD_BYTES_MAX;

impl Session {
    /// Takes bytes that came at some instant. An error ends the connection.
    pub fn read(&mut self, mut bytes: &[u8], at: u64) -> Result<(), Code> {
        while !bytes.is_empty() {
            if self.part.is_empty() {
                let whole = Head::read(bytes).map(|head| self.bounded(head)).transpose()?;
                match whole.filter(|head| HEAD + head.len <= bytes.len()) {
                    Some(head) => {
                        let (frame, rest) = bytes.split_at(HEAD + head.len);
                        self.frame(head, &frame[HEAD..], (at, at))?;
                        bytes = rest;
                    }
                    None => {
                        self.part.extend_from_slice(bytes);
                        self.part_at = at;
                        return Ok(());
                    }
                }
                continue;
            }
            let head = Head::read(&self.part);
            let wanted = HEAD + head.map_or(0, |head| head.len);
            let (more, rest) = bytes.split_at((wanted - self.part.len()).min(bytes.len()));
            self.part.extend_from_slice(more);
            bytes = rest;
            let Some(head) = Head::read(&self.part).map(|head| self.bounded(head)).transpose()? else { continue };
            if self.part.len() == HEAD + head.len {
                let part = std::mem::take(&mut self.part);
                self.frame(head, &part[HEAD..], (self.part_at, at))?;
                self.part = part;
                self.part.clear();
                self.part.shrink_to(IDLE_BYTES);
            }
        }
        Ok(())
    }

    /// Refuses what no frame of this connection may be.
    fn bounded(&self, head: Head) -> Result<Head, Code> {
        let first = self.allowed.is_some() || head.kind == kind::SETTINGS && head.flags & ACK == 0;
        let follows = match &self.block {
            Some(block) => head.kind == kind::CONTINUATION && head.stream == block.stream,
            None => head.kind != kind::CONTINUATION,
        };
        match first && follows {
            false => Err(Code::Protocol),
            true if head.len > FRAME_BYTES => Err(Code::FrameSize),
            true => Ok(head),
        }
    }

    /// A whole frame; when its first byte came, and its last one.
    fn frame(&mut self, head: Head, payload: &[u8], when: (u64, u64)) -> Result<(), Code> {
        let dead = self.calls.get(&head.stream).is_none_or(|call| call.end.is_some());
        if !self.patience.bears(&head, dead && head.stream != 0, self.calls.len()) {
            return Err(Code::EnhanceYourCalm);
        }
        match head.kind {
            kind::DATA => self.data(head, payload, when.1),
            kind::HEADERS => {
                self.known(head.stream)?;
                self.headers(head, head.content(payload)?, when)
            }
            kind::CONTINUATION => self.continuation(head, payload, when.1),
            kind::PRIORITY if payload.len() != 5 => Err(Code::FrameSize),
            kind::PRIORITY if head.stream == 0 => Err(Code::Protocol),
            kind::RST_STREAM => self.reset(head.stream, four(payload)?),
            kind::SETTINGS => self.settings(head, payload),
            kind::PUSH_PROMISE => Err(Code::Protocol),
            kind::PING => self.ping(head, payload),
            kind::GOAWAY => self.goaway(head, payload),
            kind::WINDOW_UPDATE => self.window_update(head.stream, four(payload)? & MOST as u32),
            // Others are to be ignored.
            _ => Ok(()),
        }
    }

    /// A stream that we have opened: its request has gone out, at least in part.
    fn known(&self, stream: u32) -> Result<(), Code> {
        let unwritten = self.begins.front().map_or(self.next, |(_, first)| *first);
        if stream % 2 == 1 && stream < unwritten { Ok(()) } else { Err(Code::Protocol) }
    }

    /// A stream that is not over; those that are may have frames on their way.
    fn open(&mut self, stream: u32) -> Result<Option<&mut Call>, Code> {
        self.known(stream)?;
        Ok(self.calls.get_mut(&stream).filter(|call| call.end.is_none()))
    }

    /// What the target says on a stream means nothing: it is over.
    fn refuse(&mut self, stream: u32, code: Code) -> Result<(), Code> {
        if let Some(call) = self.calls.get_mut(&stream) {
            call.stop(Stop::Failed(Failure::Protocol));
        }
        self.owe(|out| frame::number(out, kind::RST_STREAM, stream, code as u32))
    }

    fn data(&mut self, head: Head, payload: &[u8], at: u64) -> Result<(), Code> {
        let (content, ends) = (head.content(payload)?, head.ends_stream());
        self.room -= payload.len() as i64;
        if self.room < 0 {
            return Err(Code::FlowControl);
        }
        if self.room < CONNECTION_WINDOW / 2 {
            let more = (CONNECTION_WINDOW - self.room) as u32;
            self.room = CONNECTION_WINDOW;
            self.owe(|out| frame::number(out, kind::WINDOW_UPDATE, 0, more))?;
        }
        let Some(call) = self.open(head.stream)? else { return Ok(()) };
        call.room -= payload.len() as i64;
        if call.room < 0 {
            return self.refuse(head.stream, Code::FlowControl);
        }
        if let Err(code) = call.content(content, ends, at) {
            return self.refuse(head.stream, code);
        }
        if call.end.is_none() && call.room < STREAM_WINDOW / 2 {
            let more = (STREAM_WINDOW - call.room) as u32;
            call.room = STREAM_WINDOW;
            return self.owe(|out| frame::number(out, kind::WINDOW_UPDATE, head.stream, more));
        }
        Ok(())
    }

    fn headers(&mut self, head: Head, fragment: &[u8], (began, at): (u64, u64)) -> Result<(), Code> {
        if head.ends_block() {
            return self.headed(head.stream, head.ends_stream(), fragment, (began, at));
        }
        let (stream, ends, bytes) = (head.stream, head.ends_stream(), fragment.to_vec());
        self.block = Some(Block { stream, ends, began, bytes });
        Ok(())
    }

    fn continuation(&mut self, head: Head, fragment: &[u8], at: u64) -> Result<(), Code> {
        let Some(mut block) = self.block.take() else { return Err(Code::Protocol) };
        block.bytes.extend_from_slice(fragment);
        if block.bytes.len() > HEAD_BYTES_MAX {
            return Err(Code::EnhanceYourCalm);
        }
        if head.ends_block() {
            return self.headed(block.stream, block.ends, &block.bytes, (block.began, at));
        }
        self.block = Some(block);
        Ok(())
    }

    /// A whole header block. It is read in any case: later ones refer to it.
    fn headed(&mut self, stream: u32, ends: bool, block: &[u8], when: (u64, u64)) -> Result<(), Code> {
        let headers = self.decoder.read(block).map_err(|_| Code::Compression)?;
        let Some(call) = self.open(stream)? else { return Ok(()) };
        match call.block(&headers, ends, when) {
            Ok(()) => Ok(()),
            Err(code) => self.refuse(stream, code),
        }
    }

    fn reset(&mut self, stream: u32, code: u32) -> Result<(), Code> {
        if let Some(call) = self.open(stream)? {
            let refused = code == Code::Refused as u32;
            call.stop(if refused { Stop::Unprocessed } else { Stop::Reset(code) });
        } else if let Some(call) = self.calls.get_mut(&stream) {
            // It has answered, and does not want the rest of what was asked.
            call.upload = None;
        }
        Ok(())
    }

    fn settings(&mut self, head: Head, payload: &[u8]) -> Result<(), Code> {
        let acknowledges = head.flags & ACK != 0;
        if head.stream != 0 {
            return Err(Code::Protocol);
        }
        let (settings, []) = payload.as_chunks::<6>() else { return Err(Code::FrameSize) };
        if acknowledges {
            return if settings.is_empty() { Ok(()) } else { Err(Code::FrameSize) };
        }
        // Who names no number of streams has none in mind.
        self.allowed = self.allowed.or(Some(usize::MAX));
        for &[a, b, c, d, e, f] in settings {
            self.set(u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]))?;
        }
        self.owe(|out| frame::frame(out, kind::SETTINGS, ACK, 0, &[]))
    }

    fn set(&mut self, identifier: u16, value: u32) -> Result<(), Code> {
        match identifier {
            setting::HEADER_TABLE_SIZE => self.packer.allow(value as usize),
            setting::ENABLE_PUSH if value != 0 => return Err(Code::Protocol),
            setting::MAX_CONCURRENT_STREAMS => self.allowed = Some(value as usize),
            setting::INITIAL_WINDOW_SIZE if i64::from(value) > MOST => return Err(Code::FlowControl),
            setting::INITIAL_WINDOW_SIZE => {
                let more = i64::from(value) - self.first_window;
                self.first_window = i64::from(value);
                for call in self.calls.values_mut() {
                    call.window += more;
                    if call.window > MOST {
                        return Err(Code::FlowControl);
                    }
                }
            }
            setting::MAX_FRAME_SIZE if !(1 << 14..1 << 24).contains(&value) => return Err(Code::Protocol),
            setting::MAX_FRAME_SIZE => self.longest = value as usize,
            _ => {}
        }
        Ok(())
    }

    fn ping(&mut self, head: Head, payload: &[u8]) -> Result<(), Code> {
        match payload.len() {
            _ if head.stream != 0 => Err(Code::Protocol),
            8 if head.flags & ACK != 0 => Ok(()),
            8 => self.owe(|out| frame::frame(out, kind::PING, ACK, 0, payload)),
            _ => Err(Code::FrameSize),
        }
    }

    /// The target answers streams up to some number; with the others it did nothing.
    fn goaway(&mut self, head: Head, payload: &[u8]) -> Result<(), Code> {
        let Some((last, _)) = payload.split_first_chunk::<4>().filter(|(_, rest)| rest.len() >= 4) else {
            return Err(Code::FrameSize);
        };
        if head.stream != 0 {
            return Err(Code::Protocol);
        }
        self.going = true;
        let last = u32::from_be_bytes(*last) & MOST as u32;
        let lost = self.calls.iter_mut().filter(|(stream, _)| **stream > last);
        lost.for_each(|(_, call)| call.stop(Stop::Unprocessed));
        Ok(())
    }

    fn window_update(&mut self, stream: u32, more: u32) -> Result<(), Code> {
        if stream == 0 {
            self.window += i64::from(more);
            return match more {
                0 => Err(Code::Protocol),
                _ if self.window > MOST => Err(Code::FlowControl),
                _ => Ok(()),
            };
        }
        let Some(call) = self.open(stream)? else { return Ok(()) };
        call.window += i64::from(more);
        match more {
            0 => self.refuse(stream, Code::Protocol),
            _ if call.window > MOST => self.refuse(stream, Code::FlowControl),
            _ => Ok(()),
        }
    }
}

/// A payload that is a number.
fn four(payload: &[u8]) -> Result<u32, Code> {
    payload.try_into().map(u32::from_be_bytes).map_err(|_| Code::FrameSize)
}
