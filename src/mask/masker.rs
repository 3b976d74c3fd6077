//! Texts and addresses -> pseudonyms, remembered. What is remembered never changes what comes out.

use hashbrown::HashMap;
use std::hash::Hash;
use std::ops::Range;

use super::key::Key;
use super::keyring::{Finder, Kept, Keyring};
use super::memory::Memory;
use super::{MethodId, Part, Recognisable, degrade, run};
use crate::limits;

/// Texts with more runs than this are free text: keyed by the whole, since a cipher of words falls to counting them.
const RUNS_MAX: usize = 4;
/// Longest text whose pseudonym is remembered.
const CACHED_BYTES_MAX: usize = 256;
/// Times a whole text is mapped again because its image is kept elsewhere.
const AGAIN_MAX: usize = 64;

/// Masks texts and addresses under one key.
pub struct Masker {
    keyring: Keyring,
    texts: Memory<()>,
    ipv4: HashMap<[u8; 4], [u8; 4]>,
    ipv6: HashMap<[u8; 16], [u8; 16]>,
    mac: HashMap<[u8; 6], [u8; 6]>,
    /// The key of the text at hand in `texts`.
    lookup: Vec<u8>,
}

impl Masker {
    /// A masker whose pseudonyms never equal a text that `kept` says is kept.
    pub fn new(key: &Key, kept: Kept) -> Masker {
        Masker::with_finder(key, kept, Box::new(|_, _| {}))
    }

    /// The same; `finder` finds the parts of texts that stand inside other texts (a query value, a token's claim), so
    /// that they are masked as they are elsewhere.
    pub fn with_finder(key: &Key, kept: Kept, finder: Finder) -> Masker {
        Masker {
            keyring: Keyring::new(key, kept, finder),
            texts: Memory::new(limits::CACHED_TEXTS_BYTES_MAX),
            ipv4: HashMap::new(),
            ipv6: HashMap::new(),
            mac: HashMap::new(),
            lookup: Vec::new(),
        }
    }

    /// Remembers texts within so many bytes.
    pub fn remember(&mut self, bytes: usize) {
        self.texts = Memory::new(bytes);
    }

    /// The same, for addresses of which more stays recognisable.
    pub fn recognisable(mut self, recognisable: Recognisable) -> Masker {
        self.keyring.addresses.recognisable = recognisable;
        self
    }

    /// Appends the pseudonym of `text`: same length, every character of the same encoded length, separators in place.
    /// `parts` (in order, apart) are masked by their methods.
    pub fn text(&mut self, text: &[u8], parts: &[Part], out: &mut Vec<u8>) {
        if text.len() > CACHED_BYTES_MAX {
            return self.keyring.text(text, parts, out);
        }
        self.lookup.clear();
        self.lookup.extend_from_slice(text);
        for Part { at, method } in parts {
            self.lookup.push(method.0);
            self.lookup.extend_from_slice(&(at.start as u16).to_le_bytes());
            self.lookup.extend_from_slice(&(at.end as u16).to_le_bytes());
        }
        self.lookup.push(parts.len().min(255) as u8);
        if let Some((known, ())) = self.texts.get(&self.lookup) {
            return out.extend_from_slice(known);
        }
        let start = out.len();
        self.keyring.text(text, parts, out);
        self.texts.insert(&self.lookup, &out[start..], ());
    }

    /// Appends what one method makes of the whole text; what it does not understand is masked as a text.
    pub fn whole(&mut self, text: &[u8], method: MethodId, out: &mut Vec<u8>) {
        let part = Part { at: 0..text.len(), method };
        self.text(text, &[part], out);
    }

    /// Appends a stand-in of the same shape that takes less room once compressed. See [`degrade::Level`].
    pub fn degraded(&mut self, text: &[u8], parts: &[Part], level: degrade::Level, out: &mut Vec<u8>) {
        match level {
            degrade::Level::Full => self.text(text, parts, out),
            degrade::Level::Tag => degrade::write(text, parts, &degrade::tag(&self.keyring, text), out),
            degrade::Level::Filler => degrade::write(text, parts, &[], out),
        }
    }

    /// The pseudonym of an IPv4 address: in its class, with as many digits in every octet.
    pub fn ipv4(&mut self, address: [u8; 4]) -> [u8; 4] {
        let keyring = &self.keyring;
        recall(&mut self.ipv4, address, |address| keyring.addresses.ipv4(address))
    }

    /// The pseudonym of an IPv6 address: in its class, with the leading zero nibbles of every group.
    pub fn ipv6(&mut self, address: [u8; 16]) -> [u8; 16] {
        let keyring = &self.keyring;
        recall(&mut self.ipv6, address, |address| keyring.addresses.ipv6(address))
    }

    /// The pseudonym of a MAC address: group and locally-administered bits stay.
    pub fn mac(&mut self, address: [u8; 6]) -> [u8; 6] {
        let keyring = &self.keyring;
        recall(&mut self.mac, address, |address| keyring.addresses.mac(address))
    }

    /// Puts the pseudonym of a tunnel's identifier (3 or 4 bytes) in its place. Zero stays.
    pub fn tunnel_id(&self, id: &mut [u8]) {
        self.keyring.addresses.tunnel_id(id);
    }

    /// What pseudonyms are made with, for calls that need no memory.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }
}

fn recall<A: Copy + Eq + Hash>(known: &mut HashMap<A, A>, address: A, map: impl Fn(A) -> A) -> A {
    if let Some(image) = known.get(&address) {
        return *image;
    }
    let image = map(address);
    remember(known, address, image);
    image
}

/// A full cache is emptied: simpler than choosing, and rare.
fn remember<K: Eq + Hash, V>(known: &mut HashMap<K, V>, key: K, value: V) {
    if known.len() >= limits::CACHE_ENTRIES_MAX {
        known.clear();
    }
    known.insert(key, value);
}

impl Keyring {
    /// [`Masker::text`] without memory. A result that is kept elsewhere is mapped again, so that it never looks like
    /// a text which somebody has a reason to trust; the map stays one to one.
    pub fn text(&self, text: &[u8], parts: &[Part], out: &mut Vec<u8>) {
        let start = out.len();
        self.once(text, parts, out);
        for _ in 0..AGAIN_MAX {
            if !self.is_kept(&out[start..]) || out[start..] == *text {
                return;
            }
            let again = out.split_off(start);
            self.once(&again, parts, out);
        }
    }

    /// A text that a method took out of another.
    pub(super) fn inner(&self, text: &[u8], out: &mut Vec<u8>) {
        let mut parts = Vec::new();
        (self.finder)(text, &mut parts);
        self.text(text, &parts, out);
    }

    fn once(&self, text: &[u8], parts: &[Part], out: &mut Vec<u8>) {
        let count = rests(text, parts).map(|rest| runs(rest).count()).sum();
        let mut stream = (RUNS_MAX < count).then(|| self.prose(text));
        let mut put = |rest: &[u8], out: &mut Vec<u8>| {
            let mut at = 0;
            for run in runs(rest) {
                out.extend_from_slice(&rest[at..run.start]);
                at = run.end;
                match &mut stream {
                    Some(stream) => self.drawn(&rest[run], stream, out),
                    None => self.run(&rest[run], out),
                }
            }
            out.extend_from_slice(&rest[at..]);
        };
        let mut at = 0;
        for Part { at: range, method } in in_order(text, parts) {
            put(&text[at..range.start], out);
            let (part, start) = (&text[range.clone()], out.len());
            let done = method.method().mask(part, self, out);
            if !done || out.len() - start != part.len() {
                out.truncate(start);
                put(part, out);
            }
            at = range.end;
        }
        put(&text[at..], out);
    }
}

fn runs(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let run = run::next(text, at)?;
        at = run.end;
        Some(run)
    })
}

/// The parts that lie in the text, behind each other.
pub(super) fn in_order<'a>(text: &[u8], parts: &'a [Part]) -> impl Iterator<Item = &'a Part> {
    let (mut behind, end) = (0, text.len());
    parts.iter().filter(move |Part { at, .. }| {
        let fits = behind <= at.start && at.start < at.end && at.end <= end;
        if fits {
            behind = at.end;
        }
        fits
    })
}

/// What lies between and around the parts.
fn rests<'a>(text: &'a [u8], parts: &'a [Part]) -> impl Iterator<Item = &'a [u8]> {
    let ends = std::iter::once(text.len()..text.len());
    let mut at = 0;
    in_order(text, parts).map(|part| part.at.clone()).chain(ends).map(move |range| {
        let rest = &text[at..range.start];
        at = range.end;
        rest
    })
}
