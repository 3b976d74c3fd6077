//! Windows of compressed bodies: masked, and deflated again to their exact old length.
//!
//! Pseudonyms carry more entropy than the words they replace, so a window may not fit. Then values *degrade*, words
//! and prose first, values without a detector's kind next, then those of a kind, and last tokens and ids, to which later
//! messages refer: full pseudonym, 12-bit tag, filler. Before a token or id degrades, a small window is [squeezed](squeeze_to).
//! The step depends on the masked text and the room only.
//!
//! Messages refer to those before. Their values degrade to their [echoes](super::echo), and one that fits in no way becomes a
//! message of its size that says nothing: what comes behind is packed against what stands there, not against what stood there.

mod masked;
mod steps;

use hashbrown::HashMap;

use self::masked::Masked;
use self::steps::{ALL_FADING, ALL_IDENTIFIERS, STEPS, STEPS_OF_MESSAGES};
use super::deflate::{Deflaters, Fit, WINDOW_BITS, adler32, deflate_to};
use super::echo::Echo;
use super::literals;
use super::squeeze::squeeze_to;
use super::values::Values;
use crate::dissect::Stream;
use crate::protocol::websocket::deflate::TAIL;
use crate::protocol::{Codec, Field, Part, PartKind, Window};

const DICTIONARY_BYTES: usize = 32 << 10;

/// Letters that take the places of fillers, one after another, where a text is a few bytes too short to be padded.
const OTHER_FILLERS: &[u8] = b"qjzkvwg";
/// How many of them are tried.
const VARIANTS_MAX: usize = 24;
/// Texts that are squeezed before their fillers are varied: it takes less time.
const SQUEEZED_AT_ONCE: usize = 1 << 10;

/// The number, among the bodies of a stream, of the one that its messages make: there is one at a time.
const MESSAGES: u64 = u64::MAX;

/// The compressed bodies that have begun and not ended: at most one in each stream, for one follows another; several where
/// a stream tells several messages at once.
#[derive(Default)]
pub(super) struct Bodies {
    open: HashMap<(Stream, u64), Body>,
    plain: Vec<u8>,
    deflaters: Deflaters,
}

/// What stands instead of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instead {
    /// The masked text, packed.
    Masked,
    /// A text that says nothing, packed: the masked one did not fit.
    Filled,
    /// Nothing that can be unpacked.
    Blank,
}

struct Body {
    /// As [`Window::body`].
    number: u64,
    /// The last masked plain bytes.
    dictionary: Vec<u8>,
    /// Of messages, what they repeat.
    echo: Echo,
    crc: flate2::Crc,
    adler: u32,
    /// The step that the last window needed: the next begins there, for bodies are alike from end to end. But no token
    /// degrades because one before it did.
    step: usize,
    /// A window could not be deflated: the rest of the body is blank.
    broken: bool,
    /// A message has begun, of which this is not the first window.
    amid: bool,
}

impl Default for Body {
    fn default() -> Self {
        Body {
            number: 0,
            dictionary: Vec::new(),
            echo: Echo::default(),
            crc: flate2::Crc::new(),
            adler: 1,
            step: 0,
            broken: false,
            amid: false,
        }
    }
}

impl Bodies {
    /// The flow is over.
    pub(super) fn close(&mut self, flow: u64) {
        self.open.retain(|(stream, _), _| stream.flow != flow);
    }

    /// Appends to `out` what stands instead of `window.packed`, of the same length; nothing if it must be blanked.
    pub(super) fn mask(
        &mut self,
        stream: Stream,
        window: &Window<'_>,
        values: &mut Values,
        out: &mut Vec<u8>,
    ) -> Instead {
        if window.codec == Codec::Huffman {
            return if literals::mask(window, values, out) { Instead::Masked } else { Instead::Blank };
        }
        let (number, of_messages) = (window.body, matches!(window.codec, Codec::Message { .. }));
        let key = (stream, if of_messages { MESSAGES } else { number });
        let open = self.open.remove(&key).filter(|body| body.number == number);
        let mut body = open.unwrap_or_else(|| Body { number, ..Body::default() });
        let instead = match body.broken {
            true => Instead::Blank,
            false => body.mask(window, values, &mut self.plain, &mut self.deflaters, out),
        };
        let (done, ends) = (instead != Instead::Blank, matches!(window.codec, Codec::Message { ends: true, .. }));
        (body.broken, body.amid) = (!done, of_messages && !ends);
        // Behind a message that cannot be unpacked, the next refers to nothing.
        let is_lost = !done && ends;
        if !window.last && !is_lost {
            self.open.insert(key, body);
        }
        instead
    }
}

/// What a text is to be packed into.
#[derive(Clone, Copy)]
struct Target {
    room: usize,
    /// It ends the deflate stream.
    last: bool,
}

impl Body {
    fn mask(
        &mut self,
        window: &Window<'_>,
        values: &mut Values,
        plain: &mut Vec<u8>,
        deflaters: &mut Deflaters,
        out: &mut Vec<u8>,
    ) -> Instead {
        let start = out.len();
        let Some(room) = window.packed.len().checked_sub(window.header + window.trailer) else {
            return Instead::Blank;
        };
        write_header(window, out);
        // What a message's sender leaves out at its end is written, and taken away again.
        let (bits, left_out) = match window.codec {
            Codec::Message { bits, ends } => (bits, if ends { TAIL.len() } else { 0 }),
            _ => (WINDOW_BITS, 0),
        };
        let of_messages = matches!(window.codec, Codec::Message { .. });
        let (room, last) = (room + left_out, window.last && !of_messages);
        deflaters.within(bits);
        let mut masked = Masked::new(window, values, std::mem::take(plain));
        let target = Target { room, last };
        let mut echoed = None;
        let mut instead = match self.fit(window, &mut masked, target, values, deflaters, out) {
            true => Instead::Masked,
            false if of_messages => {
                // Those that repeat what does not stand here repeat what would, from where that stood before.
                let repeats = self.echo.repeats(window.plain, deflaters.reach_max());
                masked.degrade(window, &ALL_FADING, repeats.as_ref(), values);
                echoed = Some(masked.of_values(window.plain.len()));
                match self.fill(window, &mut masked, target, deflaters, out) {
                    true => Instead::Filled,
                    false => Instead::Blank,
                }
            }
            false => Instead::Blank,
        };
        if instead != Instead::Blank {
            masked.count(values);
            out.truncate(out.len() - if out.ends_with(&TAIL) { left_out } else { 0 });
            self.advance(&masked.plain);
            if of_messages {
                let echoed = echoed.unwrap_or_else(|| masked.of_values(window.plain.len()));
                self.echo.advance(window.plain, &echoed);
            }
            self.write_trailer(window, out);
        }
        if instead == Instead::Blank || out.len() - start != window.packed.len() {
            (instead, self.step) = (Instead::Blank, 0);
            out.truncate(start);
        }
        *plain = masked.plain;
        instead
    }

    /// Degrades values until what is masked fits; whether it does.
    fn fit(
        &mut self,
        window: &Window<'_>,
        masked: &mut Masked,
        target: Target,
        values: &mut Values,
        deflaters: &mut Deflaters,
        out: &mut Vec<u8>,
    ) -> bool {
        let before = std::mem::take(&mut self.step).min(ALL_IDENTIFIERS);
        // Messages are less alike than what stands in one body.
        let of_messages = matches!(window.codec, Codec::Message { .. });
        let first = if of_messages { 0 } else { before };
        let mut repeats = None;
        for step in first..STEPS.len() {
            if of_messages && step == first + 1 {
                repeats = self.echo.repeats(window.plain, deflaters.reach_max());
            }
            let degrees = if repeats.is_some() { &STEPS_OF_MESSAGES[step] } else { &STEPS[step] };
            let changed = masked.degrade(window, degrees, repeats.as_ref(), values);
            let squeeze = step >= ALL_IDENTIFIERS || repeats.is_some();
            if !changed && step != first && step != ALL_IDENTIFIERS {
                continue;
            }
            if self.deflate(masked, window.plain, target, squeeze, deflaters, out) {
                self.step = step;
                return true;
            }
        }
        // Nothing had to be changed, and in so little room there is no other way to say it.
        let stays = self.is_all(window) && masked.plain == window.plain;
        if stays {
            out.extend_from_slice(&window.packed[window.header..window.header + target.room]);
        }
        stays
    }

    /// Appends a text that says nothing, in as many letters where that can be: so what follows stands where it stood. A
    /// message that was JSON stays so. False if there is none; it is what is masked, if there is.
    fn fill(
        &mut self,
        window: &Window<'_>,
        masked: &mut Masked,
        target: Target,
        deflaters: &mut Deflaters,
        out: &mut Vec<u8>,
    ) -> bool {
        let len = window.plain.len();
        let front: &[u8] = match window.plain.first() {
            Some(b'{') if !self.amid => b"{}",
            Some(b'[') if !self.amid => b"[]",
            _ => b"",
        };
        let filled = |len: usize, filler: u8| {
            let mut text = front[..len.min(front.len())].to_vec();
            text.resize(len, if front.is_empty() { filler } else { b' ' });
            text
        };
        masked.clear();
        let letters = OTHER_FILLERS[..2].iter().flat_map(|other| [(len, *other), (2, *other), (1, *other)]);
        for (len, filler) in [(len, b'x')].into_iter().chain(letters).chain([(0, b'x')]) {
            masked.plain = filled(len, filler);
            if masked.plain != window.plain && self.deflate(masked, window.plain, target, true, deflaters, out) {
                return true;
            }
        }
        false
    }

    /// The window is the whole body.
    fn is_all(&self, window: &Window<'_>) -> bool {
        window.last && self.crc.amount() == 0 && self.dictionary.is_empty()
    }

    /// Compresses what is masked into exactly the room that there is. What is too short for that by a few bytes is varied in
    /// its fillers, which stand for `captured`; with `squeeze`, nothing that could be made to fit is given up.
    fn deflate(
        &self,
        masked: &mut Masked,
        captured: &[u8],
        Target { room, last }: Target,
        squeeze: bool,
        deflaters: &mut Deflaters,
        out: &mut Vec<u8>,
    ) -> bool {
        let near = deflaters.reach(&self.dictionary, &masked.plain);
        let mut fit = deflate_to(&masked.plain, &self.dictionary, room, last, deflaters, out);
        // Where fillers are few their letters change little, and what is small is squeezed sooner than varied.
        let squeeze = squeeze || (fit == Fit::NotQuite && masked.plain.len() <= SQUEEZED_AT_ONCE);
        if let Some(near) = near.filter(|_| fit != Fit::Exactly && squeeze)
            && squeeze_to(&masked.plain, near, room, last, out)
        {
            return true;
        }
        let mut fillers = masked.fillers().into_iter().zip(OTHER_FILLERS.iter().cycle()).take(VARIANTS_MAX);
        while fit == Fit::NotQuite
            && let Some((at, other)) = fillers.next()
        {
            if captured.get(at) == Some(other) {
                // What was captured does not come back by chance.
                continue;
            }
            masked.plain[at] = *other;
            fit = deflate_to(&masked.plain, &self.dictionary, room, last, deflaters, out);
        }
        fit == Fit::Exactly
    }

    fn advance(&mut self, plain: &[u8]) {
        self.crc.update(plain);
        self.adler = adler32(self.adler, plain);
        self.dictionary.extend_from_slice(plain);
        let excess = self.dictionary.len().saturating_sub(DICTIONARY_BYTES);
        self.dictionary.drain(..excess);
    }

    fn write_trailer(&self, window: &Window<'_>, out: &mut Vec<u8>) {
        let trailer = match window.codec {
            Codec::Gzip => [self.crc.sum().to_le_bytes(), self.crc.amount().to_le_bytes()].concat(),
            Codec::Zlib => self.adler.to_be_bytes().to_vec(),
            Codec::Deflate | Codec::Message { .. } | Codec::Huffman | Codec::Plain => Vec::new(),
        };
        // A trailer that the capture cut off is cut off here too.
        out.extend_from_slice(&trailer[..window.trailer.min(trailer.len())]);
    }
}

/// The codec's header, without what it may say about the file (RFC 1952 §2.3: extra field, name, comment, time).
fn write_header(window: &Window<'_>, out: &mut Vec<u8>) {
    let header = &window.packed[..window.header.min(window.packed.len())];
    let start = out.len();
    out.extend_from_slice(header);
    if window.codec != Codec::Gzip || header.len() < 10 {
        return;
    }
    let header = &mut out[start..];
    let flags = header[3];
    header[4..8].fill(0);
    let mut at = 10;
    if flags & 4 != 0 && header.len() >= 12 {
        let extra = usize::from(u16::from_le_bytes([header[10], header[11]]));
        let end = (12 + extra).min(header.len());
        header[12..end].fill(0);
        at = end;
    }
    // Name and comment end with a zero byte each; what is between is blanked with a letter.
    for byte in header.iter_mut().skip(at).filter(|byte| **byte != 0) {
        *byte = b'x';
    }
    if flags & 2 != 0 && header.len() >= at + 2 {
        let end = header.len() - 2;
        let mut crc = flate2::Crc::new();
        crc.update(&header[..end]);
        let sum = (crc.sum() as u16).to_le_bytes();
        header[end..].copy_from_slice(&sum);
    }
}

/// A part as the field that it is.
pub(super) fn field<'a>(part: &'a Part, raw: &'a [u8]) -> Option<Field<'a>> {
    match &part.what {
        PartKind::Field { path, name, encoding, role } => {
            Some(Field { path, name, raw, encoding: *encoding, role: *role })
        }
        PartKind::Keep | PartKind::Opaque(_) => None,
    }
}
