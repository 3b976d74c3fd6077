//! Frames (RFC 9113 §4 and §6) as they are written and read, and how many of them may bring nothing.

use crate::limits::{FRAMES_IDLE_MAX, RESPONSES_INFORMATIONAL_MAX};
pub use crate::protocol::http2::frame::{HEAD, kind};

pub const END_STREAM: u8 = 0x01;
pub const ACK: u8 = 0x01;
pub const END_HEADERS: u8 = 0x04;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;

/// What is said where a connection or a stream ends (RFC 9113 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
    Protocol = 1,
    FlowControl = 3,
    FrameSize = 6,
    Refused = 7,
    Cancel = 8,
    Compression = 9,
    EnhanceYourCalm = 11,
}

/// A frame's head.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Length of what is behind it.
    pub len: usize,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
}

impl Head {
    /// Of bytes that begin with one; none when it is not whole.
    pub fn read(bytes: &[u8]) -> Option<Head> {
        let &[a, b, c, kind, flags, d, e, f, g] = bytes.first_chunk::<HEAD>()?;
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        // The first bit means nothing.
        Some(Head { len, kind, flags, stream: u32::from_be_bytes([d & 0x7f, e, f, g]) })
    }

    /// The sender says nothing more on this stream.
    pub fn ends_stream(&self) -> bool {
        matches!(self.kind, kind::DATA | kind::HEADERS) && self.flags & END_STREAM != 0
    }

    /// No further frame belongs to the header block.
    pub fn ends_block(&self) -> bool {
        self.flags & END_HEADERS != 0
    }

    /// What a DATA or HEADERS frame is for, without padding and priority.
    pub fn content<'a>(&self, payload: &'a [u8]) -> Result<&'a [u8], Code> {
        let (mut content, mut padding) = (payload, 0);
        if self.flags & PADDED != 0 {
            let (first, rest) = content.split_first().ok_or(Code::FrameSize)?;
            (padding, content) = (usize::from(*first), rest);
        }
        if self.kind == kind::HEADERS && self.flags & PRIORITY != 0 {
            content = content.get(5..).ok_or(Code::FrameSize)?;
        }
        let end = content.len().checked_sub(padding).ok_or(Code::Protocol)?;
        Ok(&content[..end])
    }
}

/// Appends a frame's head.
pub fn head(out: &mut Vec<u8>, len: usize, kind: u8, flags: u8, stream: u32) {
    let [_, a, b, c] = (len as u32).to_be_bytes();
    let [d, e, f, g] = stream.to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags, d, e, f, g]);
}

/// Appends a frame.
pub fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    head(out, payload.len(), kind, flags, stream);
    out.extend_from_slice(payload);
}

/// Appends a frame whose payload is a number: RST_STREAM, WINDOW_UPDATE.
pub fn number(out: &mut Vec<u8>, kind: u8, stream: u32, number: u32) {
    frame(out, kind, 0, stream, &number.to_be_bytes());
}

/// Appends a header block that `pack` writes, in as many frames as the peer's longest one makes it.
pub fn block(out: &mut Vec<u8>, stream: u32, ends: bool, longest: usize, pack: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    head(out, 0, kind::HEADERS, 0, stream);
    pack(out);
    let end_stream = if ends { END_STREAM } else { 0 };
    let len = out.len() - at - HEAD;
    if len <= longest {
        let [_, a, b, c] = (len as u32).to_be_bytes();
        out[at..at + 3].copy_from_slice(&[a, b, c]);
        out[at + 4] = end_stream | END_HEADERS;
        return;
    }
    let block = out.split_off(at + HEAD);
    out.truncate(at);
    let count = block.len().div_ceil(longest);
    for (n, part) in block.chunks(longest).enumerate() {
        let last = if n + 1 == count { END_HEADERS } else { 0 };
        let (kind, first) = if n == 0 { (kind::HEADERS, end_stream) } else { (kind::CONTINUATION, 0) };
        frame(out, kind, last | first, stream, part);
    }
}

/// How much a peer has sent that brings nothing: one that sends nothing else is ended.
#[derive(Default)]
pub struct Patience {
    /// Frames since one that brought something.
    idle: u32,
    /// Heads since one that ended a stream or was followed by content.
    heads: u32,
}

impl Patience {
    /// A frame came, while so many streams are open; `dead`: on one that is over. False: there were too many.
    pub fn bears(&mut self, frame: &Head, dead: bool, streams: usize) -> bool {
        match frame.kind {
            kind::DATA if !dead && (frame.len > 0 || frame.ends_stream()) => (self.idle, self.heads) = (0, 0),
            kind::HEADERS if !dead => {
                self.idle = 0;
                self.heads = if frame.ends_stream() { 0 } else { self.heads + 1 };
            }
            // One that is open ends, and each has been asked for.
            kind::RST_STREAM if !dead => self.idle = 0,
            // Uploads need many; what a window may grow to bounds them.
            kind::WINDOW_UPDATE => {}
            _ => self.idle += 1,
        }
        let most = RESPONSES_INFORMATIONAL_MAX.saturating_mul(streams as u32 + 1);
        self.idle <= FRAMES_IDLE_MAX && self.heads <= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(kind: u8, flags: u8, len: usize) -> Head {
        Head { len, kind, flags, stream: 1 }
    }

    /// Whether all of them are borne.
    fn borne(frames: impl IntoIterator<Item = (Head, bool)>, streams: usize) -> bool {
        let mut patience = Patience::default();
        frames.into_iter().all(|(frame, dead)| patience.bears(&frame, dead, streams))
    }

    #[test]
    fn frames_that_bring_nothing_are_bounded() {
        for kind in [4, 6, 2, 9, 200, kind::DATA] {
            let most = [(came(kind, 0, 0), false)].repeat(FRAMES_IDLE_MAX as usize);
            let one = (came(kind, 0, 0), false);
            assert!(borne(most.clone(), 1), "{kind}");
            assert!(!borne([most.clone(), vec![one]].concat(), 1), "{kind}");
            for useful in [came(kind::DATA, 0, 20), came(kind::DATA, END_STREAM, 0), came(kind::HEADERS, 0, 5)] {
                assert!(borne([most.clone(), vec![(useful, false), one]].concat(), 1), "{kind}");
                assert!(!borne([most.clone(), vec![(useful, true), one]].concat(), 1), "on a dead stream");
            }
        }
    }

    #[test]
    fn a_reset_brings_something_to_a_stream_that_is_open() {
        let most = [(came(kind::RST_STREAM, 0, 4), false)].repeat(FRAMES_IDLE_MAX as usize * 2);
        assert!(borne(most.clone(), 1));
        assert!(!borne(most.into_iter().map(|(frame, _)| (frame, true)), 1), "those that are over have none");
    }

    #[test]
    fn heads_without_content_are_bounded_by_the_streams() {
        for streams in [0, 1, 5] {
            let most = [(came(kind::HEADERS, 0, 3), false)].repeat(100 * (streams + 1));
            let (end, one) = ((came(kind::HEADERS, END_STREAM, 3), false), most[0]);
            assert!(borne(most.clone(), streams));
            assert!(!borne([most.clone(), vec![one]].concat(), streams));
            assert!(borne([most, vec![end, one]].concat(), streams));
        }
    }

    #[test]
    fn padding_and_priority_are_left_out() {
        let read = |kind, flags, payload: &'static [u8]| came(kind, flags, payload.len()).content(payload);
        assert_eq!(read(kind::DATA, PADDED, b"\x02abc\0\0"), Ok(&b"abc"[..]));
        assert_eq!(read(kind::HEADERS, PADDED | PRIORITY, b"\x01\0\0\0\0\x10abc\0"), Ok(&b"abc"[..]));
        assert_eq!(read(kind::DATA, PRIORITY, b"abc"), Ok(&b"abc"[..]), "means nothing there");
        assert_eq!(read(kind::DATA, PADDED, b"\x03abc"), Ok(&b""[..]));
        assert_eq!(read(kind::DATA, PADDED, b"\x04abc"), Err(Code::Protocol));
        assert_eq!(read(kind::DATA, PADDED, b""), Err(Code::FrameSize));
        assert_eq!(read(kind::HEADERS, PRIORITY, b"abcd"), Err(Code::FrameSize));
    }

    #[test]
    fn long_blocks_go_on_in_continuations() {
        for len in [0, 4, 5, 8, 9] {
            let mut out = b"before".to_vec();
            block(&mut out, 7, true, 4, |out| out.extend((0..len as u8).collect::<Vec<_>>()));
            let (mut at, mut read, mut heads) = (6, Vec::new(), Vec::new());
            while let Some(head) = Head::read(&out[at..]) {
                read.extend_from_slice(&out[at + HEAD..at + HEAD + head.len]);
                at += HEAD + head.len;
                assert!(head.len <= 4 && head.stream == 7);
                heads.push(head);
            }
            assert_eq!((at, read), (out.len(), (0..len as u8).collect::<Vec<_>>()));
            assert!(heads[0].ends_stream() && heads.last().unwrap().ends_block());
            assert!(heads[1..].iter().all(|head| head.kind == kind::CONTINUATION));
            assert_eq!(heads.iter().filter(|head| head.ends_block()).count(), 1);
        }
    }
}
