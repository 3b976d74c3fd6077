//! Frames put together to messages (RFC 6455 §5.4): one direction, bytes in pieces of any size. Bounded, whatever comes.

use super::frame::{HEAD_MAX, Head, Malformed, Opcode, mask};
use crate::limits::{SOCKET_FRAMES_MAX, SOCKET_MESSAGE_BYTES_MAX};

/// A complete message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    /// Its first bytes, unmasked: all of them, unless more were there than were asked for.
    pub payload: Vec<u8>,
    /// Length of its payload.
    pub len: u64,
    /// Payload bytes of each of its frames.
    pub fragments: Vec<u64>,
    /// Bytes that it took with all framing.
    pub framed: u64,
    /// Time of its first byte.
    pub begun: u64,
    /// Bytes of it are missing.
    pub torn: bool,
    /// Some of it was masked, as a client's messages are.
    pub masked: bool,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A message's first header is complete; its first byte came at `begun`.
    Begins {
        /// What it is.
        opcode: Opcode,
        /// When.
        begun: u64,
    },
    /// A message is complete.
    Ends {
        /// What it is.
        opcode: Opcode,
        /// It is compressed.
        packed: bool,
        /// The message.
        whole: Whole,
    },
}

/// Puts the frames of one direction together.
#[derive(Debug, Default)]
pub struct Messages {
    head: Vec<u8>,
    head_at: u64,
    frame: Option<Frame>,
    /// The message of which a frame was the last one.
    data: Option<Message>,
    control: Option<Message>,
}

/// A frame whose payload is being read.
#[derive(Debug)]
struct Frame {
    head: Head,
    done: u64,
}

#[derive(Debug)]
struct Message {
    opcode: Opcode,
    packed: bool,
    frames: u64,
    whole: Whole,
}

impl Messages {
    /// Bytes held.
    pub fn held(&self) -> usize {
        let of = |message: &Option<Message>| {
            message.as_ref().map_or(0, |message| message.whole.payload.len() + message.whole.fragments.len() * 8)
        };
        of(&self.data) + of(&self.control)
    }

    /// A data message is being read.
    pub fn is_amid(&self) -> bool {
        self.data.is_some()
    }

    /// Takes bytes that came at `now`. Of a message, no more than `most` payload bytes are kept.
    pub fn read(
        &mut self,
        mut bytes: &[u8],
        now: u64,
        most: usize,
        found: &mut dyn FnMut(Event),
    ) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            if self.frame.is_none() {
                if self.head.is_empty() {
                    self.head_at = now;
                }
                let had = self.head.len();
                self.head.extend_from_slice(&bytes[..bytes.len().min(HEAD_MAX - had)]);
                let Some((head, len)) = Head::read(&self.head)? else { return Ok(()) };
                bytes = &bytes[len - had..];
                self.head.clear();
                self.begin(head, len, found)?;
            }
            let Some(frame) = &mut self.frame else { continue };
            let take = bytes.len().min(usize::try_from(frame.head.len - frame.done).unwrap_or(usize::MAX));
            let (mine, rest) = bytes.split_at(take);
            let slot = if frame.head.opcode.is_control() { &mut self.control } else { &mut self.data };
            if let Some(Message { whole, .. }) = slot {
                let kept = mine.len().min(most.saturating_sub(whole.payload.len()));
                // What is behind a hole, or beyond what is kept, is not kept either.
                let kept = if whole.torn || (whole.payload.len() as u64) < whole.len { 0 } else { kept };
                let at = whole.payload.len();
                whole.payload.extend_from_slice(&mine[..kept]);
                if let Some(key) = frame.head.key {
                    mask(key, frame.done, &mut whole.payload[at..]);
                }
                whole.len += mine.len() as u64;
            }
            frame.done += take as u64;
            bytes = rest;
            self.end_if_done(found);
        }
        Ok(())
    }

    /// `missing` bytes were not captured. An error when it is not known where the next frame begins.
    pub fn gap(&mut self, missing: u64, found: &mut dyn FnMut(Event)) -> Result<(), Malformed> {
        let Some(frame) = self.frame.as_mut().filter(|frame| frame.head.len - frame.done >= missing) else {
            return Err(Malformed);
        };
        frame.done += missing;
        let slot = if frame.head.opcode.is_control() { &mut self.control } else { &mut self.data };
        if let Some(Message { whole, .. }) = slot {
            whole.len += missing;
            whole.torn = true;
        }
        self.end_if_done(found);
        Ok(())
    }

    fn begin(&mut self, head: Head, header: usize, found: &mut dyn FnMut(Event)) -> Result<(), Malformed> {
        let begun = self.head_at;
        let slot = if head.opcode.is_control() { &mut self.control } else { &mut self.data };
        let message = match (slot.as_mut(), head.opcode) {
            (Some(message), Opcode::Continuation) if !head.packed => message,
            (None, Opcode::Continuation) | (Some(_), _) => return Err(Malformed),
            (None, opcode) => {
                found(Event::Begins { opcode, begun });
                let whole = Whole { begun, ..Whole::default() };
                slot.insert(Message { opcode, packed: head.packed, frames: 0, whole })
            }
        };
        message.frames += 1;
        message.whole.framed += header as u64 + head.len;
        if message.frames > SOCKET_FRAMES_MAX || message.whole.framed > SOCKET_MESSAGE_BYTES_MAX {
            return Err(Malformed);
        }
        message.whole.fragments.push(head.len);
        message.whole.masked |= head.key.is_some();
        self.frame = Some(Frame { head, done: 0 });
        self.end_if_done(found);
        Ok(())
    }

    fn end_if_done(&mut self, found: &mut dyn FnMut(Event)) {
        let Some(Frame { head, .. }) = self.frame.take_if(|frame| frame.done == frame.head.len) else { return };
        let slot = if head.opcode.is_control() { &mut self.control } else { &mut self.data };
        if let Some(Message { opcode, packed, whole, .. }) = slot.take_if(|_| head.last) {
            found(Event::Ends { opcode, packed, whole });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(last: bool, opcode: Opcode, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Head { last, packed: false, opcode, key, len: payload.len() as u64 }.write(&mut out);
        let at = out.len();
        out.extend_from_slice(payload);
        if let Some(key) = key {
            mask(key, 0, &mut out[at..]);
        }
        out
    }

    fn read(pieces: &[&[u8]], most: usize) -> Result<Vec<(Opcode, Whole)>, Malformed> {
        let (mut messages, mut all) = (Messages::default(), Vec::new());
        for (now, piece) in (0..).zip(pieces) {
            messages.read(piece, now, most, &mut |event| {
                if let Event::Ends { opcode, whole, .. } = event {
                    all.push((opcode, whole));
                }
            })?;
        }
        Ok(all)
    }

    proptest! {
        /// However the stream is cut, the messages are the same; a control frame may stand between fragments.
        #[test]
        fn messages_survive_any_cut(texts in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..4), 1..5), key: Option<[u8; 4]>, cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            let mut stream = Vec::new();
            for parts in &texts {
                for (n, part) in parts.iter().enumerate() {
                    let opcode = if n == 0 { Opcode::Text } else { Opcode::Continuation };
                    stream.extend(frame(n + 1 == parts.len(), opcode, key, part));
                    stream.extend(frame(true, Opcode::Ping, key, b"p"));
                }
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).chain([0, stream.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            let all = read(&pieces, usize::MAX).unwrap();
            let (pings, data): (Vec<_>, Vec<_>) = all.into_iter().partition(|(opcode, _)| *opcode == Opcode::Ping);
            prop_assert_eq!(pings.len(), texts.iter().map(Vec::len).sum::<usize>());
            prop_assert_eq!(data.len(), texts.len());
            for ((_, whole), parts) in data.iter().zip(&texts) {
                prop_assert_eq!(&whole.payload, &parts.concat());
                prop_assert_eq!(whole.fragments.clone(), parts.iter().map(|part| part.len() as u64).collect::<Vec<_>>());
            }
        }

        #[test]
        fn anything_is_borne(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..8)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            if let Ok(all) = read(&pieces, 7) {
                prop_assert!(all.iter().all(|(_, whole)| whole.payload.len() <= 7));
            }
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_endless_fragments_are_refused() {
        let long = frame(true, Opcode::Binary, Some([1, 2, 3, 4]), &[7; 1000]);
        let all = read(&[&long[..500], &long[500..]], 10).unwrap();
        assert_eq!((all[0].1.payload.as_slice(), all[0].1.len), (&[7; 10][..], 1000));
        let begun = frame(false, Opcode::Text, None, b"");
        let endless = frame(false, Opcode::Continuation, None, b"").repeat(SOCKET_FRAMES_MAX as usize);
        assert_eq!(read(&[&begun, &endless], 10), Err(Malformed));
        let giant = [&[0x82, 127][..], &(SOCKET_MESSAGE_BYTES_MAX + 1).to_be_bytes()].concat();
        assert_eq!(read(&[&giant], 10), Err(Malformed));
    }

    #[test]
    fn what_is_out_of_order_is_refused() {
        assert_eq!(read(&[&frame(true, Opcode::Continuation, None, b"x")], 9), Err(Malformed));
        let twice = [frame(false, Opcode::Text, None, b"x"), frame(true, Opcode::Text, None, b"x")].concat();
        assert_eq!(read(&[&twice], 9), Err(Malformed));
    }

    #[test]
    fn a_hole_in_a_payload_tears_its_message_only() {
        let text = [frame(true, Opcode::Text, None, b"0123456789"), frame(true, Opcode::Text, None, b"next")].concat();
        let (mut messages, mut all) = (Messages::default(), Vec::new());
        let mut found = |event| all.push(event);
        messages.read(&text[..5], 0, 99, &mut found).unwrap();
        messages.gap(4, &mut found).unwrap();
        messages.read(&text[9..], 1, 99, &mut found).unwrap();
        assert_eq!(messages.gap(1, &mut found), Err(Malformed));
        let ended: Vec<_> = all
            .into_iter()
            .filter_map(|event| match event {
                Event::Ends { whole, .. } => Some((whole.payload, whole.len, whole.torn)),
                Event::Begins { .. } => None,
            })
            .collect();
        assert_eq!(ended, [(b"012".to_vec(), 10, true), (b"next".to_vec(), 4, false)]);
    }
}
