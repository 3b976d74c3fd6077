//! PNG and JPEG: the frame of their parts is kept, what is in them is opaque. So readers find an image, a blank one.

use crate::protocol::emit::Emit;

/// A format whose parts are found one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Chunks (ISO/IEC 15948 §5.3).
    Png,
    /// Marker segments (ITU T.81 §B.1).
    Jpeg,
}

/// Where in an image its reader is, behind the signature.
pub struct Parts {
    format: Format,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a part.
    Header,
    /// In a part's data; so many bytes are left.
    Data(usize),
    /// In the data of a scan, which goes to the next marker; before it, so many bytes of the scan's header.
    Scan(usize),
    /// Behind the last part, or out of step.
    Over,
}

/// What the data of an application segment begin with; readers know the format by it.
const IDENTIFIERS: &[&[u8]] = &[b"JFIF\0", b"JFXX\0", b"Exif\0\0", b"Adobe\0"];
/// The longest of them.
const IDENTIFIER_MAX: usize = 6;
/// Chunks that are registered.
const CHUNKS: &[&[u8; 4]] = &[
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"tEXt", b"zTXt",
    b"iTXt", b"bKGD", b"hIST", b"pHYs", b"sPLT", b"tIME", b"eXIf", b"acTL", b"fcTL", b"fdAT",
];

impl Parts {
    /// Of an image whose signature was read.
    pub fn new(format: Format) -> Self {
        Parts { format, state: State::Header }
    }

    /// Reports what it can; may leave a part's header that is cut.
    pub fn read(&mut self, emit: &mut Emit<'_>, what: &'static str) {
        while !emit.rest().is_empty() {
            let next = match self.state {
                State::Header if self.format == Format::Png => chunk(emit),
                State::Header => segment(emit),
                State::Data(left) => Some(skip(emit, left, what, State::Header, State::Data)),
                State::Scan(0) => scan(emit, what),
                State::Scan(left) => Some(skip(emit, left, what, State::Scan(0), State::Scan)),
                State::Over => {
                    emit.opaque_to(emit.bytes().len(), what);
                    Some(State::Over)
                }
            };
            match next {
                Some(next) => self.state = next,
                None => return,
            }
        }
    }
}

fn skip(emit: &mut Emit<'_>, left: usize, what: &'static str, then: State, within: fn(usize) -> State) -> State {
    let len = left.min(emit.rest().len());
    emit.skip(len, what);
    if len == left { then } else { within(left - len) }
}

/// Length and type of a chunk; its CRC is opaque as its data are, since it tells about them.
fn chunk(emit: &mut Emit<'_>) -> Option<State> {
    let (length, rest) = emit.rest().split_first_chunk::<4>()?;
    let kind = rest.first_chunk::<4>()?;
    if !CHUNKS.contains(&kind) {
        return Some(State::Over);
    }
    emit.keep(8);
    if kind == b"IEND" {
        return Some(State::Over);
    }
    Some(State::Data((u32::from_be_bytes(*length) as usize).saturating_add(4)))
}

/// A marker, and the length of its segment if it has one.
fn segment(emit: &mut Emit<'_>) -> Option<State> {
    match *emit.rest() {
        [0xff] => None,
        [0xff, 0xff, ..] => emit.keep(1).map(|_| State::Header),
        [0xff, 0xd9, ..] => emit.keep(2).map(|_| State::Over),
        [0xff, 0x01 | 0xd0..=0xd8, ..] => emit.keep(2).map(|_| State::Header),
        [0xff, 0xe0..=0xef, high, low, ref data @ ..] => {
            let length = usize::from(u16::from_be_bytes([high, low])).saturating_sub(2);
            if data.len() < length.min(IDENTIFIER_MAX) {
                return None;
            }
            let known = IDENTIFIERS.iter().find(|known| data.starts_with(known) && known.len() <= length);
            let kept = known.map_or(0, |known| known.len());
            emit.keep(4 + kept)?;
            Some(State::Data(length - kept))
        }
        [0xff, 0xc0..=0xfe, high, low, ..] => {
            let length = usize::from(u16::from_be_bytes([high, low])).saturating_sub(2);
            let marker = emit.keep(4)?[1];
            Some(if marker == 0xda { State::Scan(length) } else { State::Data(length) })
        }
        [0xff, 0xc0..=0xfe, ..] => None,
        _ => Some(State::Over),
    }
}

/// Entropy-coded data: a marker ends them that is neither a stuffed byte nor a restart (§B.1.1.5).
fn scan(emit: &mut Emit<'_>, what: &'static str) -> Option<State> {
    let (start, bytes) = (emit.done(), emit.rest());
    for at in memchr::memchr_iter(0xff, bytes) {
        match bytes.get(at + 1) {
            None => {
                emit.opaque_to(start + at, what);
                return None;
            }
            Some(0x00 | 0xd0..=0xd7) => {}
            Some(_) => {
                emit.opaque_to(start + at, what);
                return Some(State::Header);
            }
        }
    }
    emit.opaque_to(start + bytes.len(), what);
    Some(State::Scan(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::emit::Written;
    use crate::protocol::{Part, PartKind};

    /// The image as it would be with everything opaque blanked, read in pieces of `len`.
    fn blanked(format: Format, image: &[u8], len: usize) -> Vec<u8> {
        let mut parts = Parts::new(format);
        let (mut out, mut shown) = (Vec::new(), Vec::new());
        for piece in image.chunks(len) {
            shown.extend_from_slice(piece);
            let mut found: Vec<Part> = Vec::new();
            let mut written = Written { parts: &mut found, room: usize::MAX };
            let mut emit = Emit::new(&shown, &mut written);
            parts.read(&mut emit, "image");
            let done = emit.done();
            for part in &found {
                match part.what {
                    PartKind::Keep => out.extend_from_slice(&shown[part.at.clone()]),
                    _ => out.extend(part.at.clone().map(|_| 0)),
                }
            }
            shown.drain(..done);
        }
        out
    }

    #[test]
    fn frames_stay_and_data_go() {
        let png = b"\0\0\0\x03IHDRabcCRC!\0\0\0\x04tEXtAnnaCRC!\0\0\0\0IENDCRC!secret";
        let bare = b"\0\0\0\x03IHDR\0\0\0\0\0\0\0\0\0\0\x04tEXt\0\0\0\0\0\0\0\0\0\0\0\0IEND\0\0\0\0\0\0\0\0\0\0";
        let jpeg = b"\xff\xe0\0\x0aJFIF\0abc\xff\xe1\0\x04ab\xff\xfe\0\x06Anna\xff\xda\0\x03cscan\xff\x00\xff\xd1more\xff\xd9secret";
        let plain =
            b"\xff\xe0\0\x0aJFIF\0\0\0\0\xff\xe1\0\x04\0\0\xff\xfe\0\x06\0\0\0\0\xff\xda\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xd9\0\0\0\0\0\0";
        for len in 1..=png.len() {
            assert_eq!(blanked(Format::Png, png, len), bare, "pieces of {len}");
        }
        for len in 1..=jpeg.len() {
            assert_eq!(blanked(Format::Jpeg, jpeg, len), plain, "pieces of {len}");
        }
    }
}
