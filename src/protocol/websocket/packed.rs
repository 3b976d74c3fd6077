//! Compressed messages (RFC 7692) as [`Window`]s: gathered, unpacked, read. No more than one window is held, and between
//! messages no more than the text that the next one may refer to.

use flate2::{Decompress, FlushDecompress, Status};

use super::deflate::{Packing, TAIL};
use super::reading::{Held, Known, Piece};
use crate::limits::{INFLATING_BYTES, WINDOW_BYTES, WINDOW_PARTS_BYTES_MAX, WINDOW_PLAIN_MAX};
use crate::protocol::content::{self, Content, Until};
use crate::protocol::emit::{Emit, Gathered, Written};
use crate::protocol::{Codec, Sink, Window};

const DAMAGED: &str = "websocket message damaged";
const TOO_LARGE: &str = "websocket message too large when inflated";
const UNREAD: &str = "websocket message not unpacked";

/// Unpacks the messages of one direction.
pub(super) struct Unpacking {
    /// What was agreed on; nothing is unpacked without.
    packing: Option<Packing>,
    /// The texts before, as far as a message may refer to them.
    history: Vec<u8>,
    /// While a message is being unpacked.
    inflate: Option<Box<Decompress>>,
    /// Packed bytes that are not reported.
    held: Held,
    /// Unpacked, not yet decided.
    plain: Vec<u8>,
    /// The number of the body that messages are parts of; 0 when the next one begins another.
    body: u64,
    /// Nothing more of the message is understood, for this reason.
    over: Option<&'static str>,
}

impl Unpacking {
    pub(super) fn new(packing: Option<Packing>) -> Unpacking {
        Unpacking {
            packing,
            history: Vec::new(),
            inflate: None,
            held: Held::default(),
            plain: Vec::new(),
            body: 0,
            over: None,
        }
    }

    /// A message begins. False when none can be unpacked.
    pub(super) fn begin(&mut self) -> bool {
        self.over = None;
        self.packing.is_some()
    }

    /// Bytes that are taken and not reported.
    pub(super) fn pending(&self) -> usize {
        self.held.len()
    }

    /// Memory that it keeps, about. As much as the history takes what masking keeps, thrice: the masked texts, against which
    /// messages are packed again, and both texts side by side for what they repeat.
    pub(super) fn memory(&self) -> usize {
        let unpacks = if self.inflate.is_some() { INFLATING_BYTES } else { 0 };
        4 * self.history.capacity() + 2 * self.held.len() + self.plain.capacity() + unpacks
    }

    /// Bytes are missing: nothing that refers to what was before can be unpacked.
    pub(super) fn lose(&mut self) {
        *self = Unpacking::new(self.packing);
    }

    /// Takes a piece of a message's payload.
    pub(super) fn take(
        &mut self,
        piece: &Piece<'_>,
        content: &mut dyn Content,
        known: &mut Known,
        sink: &mut dyn Sink,
    ) {
        let Piece { at, bytes, key, phase } = *piece;
        let mut done = 0;
        while done < bytes.len() {
            if let Some(why) = self.over {
                return sink.opaque(at + done as u64..at + bytes.len() as u64, why);
            }
            // Not before another byte is there: what ends a message must stand in its last window.
            if self.held.len() >= WINDOW_BYTES {
                self.window(Until::More, content, known, sink);
                continue;
            }
            let take = (WINDOW_BYTES - self.held.len()).min(bytes.len() - done);
            let bytes = &bytes[done..done + take];
            self.held.take(&Piece { at: at + done as u64, bytes, key, phase: phase + done as u64 });
            done += take;
        }
    }

    /// Reports what is gathered; with [`Until::More`] it may wait.
    pub(super) fn read(&mut self, until: Until, content: &mut dyn Content, known: &mut Known, sink: &mut dyn Sink) {
        if until != Until::More && self.over.is_none() && self.held.len() > 0 {
            self.window(until, content, known, sink);
        }
        if until == Until::End {
            (self.inflate, self.plain, self.over) = (None, Vec::new(), None);
        }
    }

    /// Reports one window: all that is gathered.
    fn window(&mut self, until: Until, content: &mut dyn Content, known: &mut Known, sink: &mut dyn Sink) {
        let Some(packing) = self.packing else { return self.give_up(UNREAD, sink) };
        let ends = until == Until::End;
        if let Err(why) = self.unpack(packing, ends) {
            return self.give_up(why, sink);
        }
        if self.body == 0 {
            self.body = known.body();
        }
        let mut parts = Vec::new();
        let mut written = Written { parts: &mut parts, room: WINDOW_PARTS_BYTES_MAX };
        let mut emit = Emit::new(&self.plain, &mut written);
        content::read(content, &mut emit, until);
        let decided = emit.done();
        let (data, goes_on) = (&self.held.bytes.data, packing.takeover || !ends);
        let window = Window {
            body: self.body,
            codec: Codec::Message { bits: packing.bits, ends },
            packed: data,
            veil: self.held.veil(data.len()),
            header: 0,
            trailer: 0,
            plain: &self.plain[..decided],
            parts: &parts,
            last: !goes_on,
        };
        Gathered::new(&self.held.bytes.ranges, sink).window(&window);
        self.held = Held::default();
        self.plain.drain(..decided);
        if !goes_on {
            (self.history, self.body) = (Vec::new(), 0);
        }
    }

    /// Unpacks what is gathered behind what is undecided.
    fn unpack(&mut self, packing: Packing, ends: bool) -> Result<(), &'static str> {
        let most = self.plain.len() + WINDOW_PLAIN_MAX;
        let Unpacking { history, inflate, plain, .. } = self;
        let fresh = |history: &[u8]| {
            let mut fresh = Decompress::new(false);
            let known = history.is_empty() || fresh.set_dictionary(history).is_ok();
            known.then_some(Box::new(fresh)).ok_or(UNREAD)
        };
        let mut window = match inflate.take() {
            Some(window) => window,
            None => fresh(history)?,
        };
        let tail: &[u8] = if ends { &TAIL } else { &[] };
        for mut bytes in [&self.held.bytes.data[..], tail] {
            loop {
                let (before, from) = (window.total_in(), plain.len());
                plain.reserve(bytes.len().max(1024));
                let status = window.decompress_vec(bytes, plain, FlushDecompress::Sync);
                remember(history, &plain[from..], packing.bits);
                let used = usize::try_from(window.total_in() - before).unwrap_or(0);
                bytes = bytes.get(used..).unwrap_or_default();
                match status {
                    Err(_) => return Err(DAMAGED),
                    Ok(_) if plain.len() > most => return Err(TOO_LARGE),
                    // A last block (§7.2.3.4): what follows is another stream, and may refer to this one.
                    Ok(Status::StreamEnd) => {
                        window = fresh(history)?;
                        if bytes.is_empty() {
                            break;
                        }
                    }
                    Ok(_) if bytes.is_empty() && plain.len() < plain.capacity() => break,
                    Ok(_) if used == 0 && plain.len() == from && plain.len() < plain.capacity() => return Err(DAMAGED),
                    Ok(_) => {}
                }
            }
        }
        *inflate = Some(window);
        Ok(())
    }

    fn give_up(&mut self, why: &'static str, sink: &mut dyn Sink) {
        self.held.opaque(why, sink);
        *self = Unpacking { over: Some(why), ..Unpacking::new(self.packing) };
    }
}

/// Adds a text to those before, and forgets what is too far back.
fn remember(history: &mut Vec<u8>, text: &[u8], bits: u8) {
    let most = 1usize << bits;
    let text = &text[text.len().saturating_sub(most)..];
    let excess = (history.len() + text.len()).saturating_sub(most);
    history.drain(..excess.min(history.len()));
    history.extend_from_slice(text);
}
