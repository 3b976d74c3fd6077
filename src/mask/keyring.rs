//! All that a pseudonym depends on: a subkey per canonical alphabet, and the words that stay.
//!
//! Pure functions of key and text; [`super::Masker`] adds the caches.

use super::address::Addresses;
use super::key::{Key, Stream, Subkey};
use super::permutation::{DOMAIN_MAX, Permutation};
use super::run::{self, Class};
use super::slots::{self, Alphabet, Slot};
use super::{Part, uuid};

/// Draws of a hashed replacement before a clash is put up with; each fails with a probability of about a half at most.
const DRAWS_MAX: usize = 256;

/// Words are not longer than this, as a rule; longer ones are asked for as they are.
const LONGEST_KEPT: usize = 64;

/// Tells whether a text is kept as it is elsewhere: then no pseudonym may look like it. A word that is kept Capitalised or
/// in UPPER case must be kept in lower case too.
pub type Kept = Box<dyn Fn(&[u8]) -> bool + Send>;
/// Finds sensitive parts in a text that a method took out of another (a query value, a claim of a token).
pub type Finder = Box<dyn Fn(&[u8], &mut Vec<Part>) + Send>;

/// See the module.
pub struct Keyring {
    pub(super) addresses: Addresses,
    pub(super) emails: Subkey,
    pub(super) domains: Subkey,
    pub(super) labels: Table,
    pub(super) uuids: Subkey,
    pub(super) cards: Subkey,
    pub(super) ibans: Subkey,
    pub(super) dates: Subkey,
    pub(super) tags: Subkey,
    numbers: Table,
    zero_led: Table,
    words: Table,
    hex: Table,
    tokens: Table,
    shapes: Subkey,
    prose: Subkey,
    kept: Kept,
    pub(super) finder: Finder,
}

/// A subkey with its permutations for texts of every length that can be permuted.
pub(super) struct Table {
    subkey: Subkey,
    permutations: Vec<Permutation>,
}

impl Table {
    fn new(key: &Key, purpose: &str, first: Alphabet, others: Alphabet) -> Table {
        let subkey = key.subkey(purpose);
        let (first, others) = (u128::from(first.len()), u128::from(others.len()));
        let mut permutations = vec![Permutation::new(&subkey, 0, 1)];
        let mut n = first;
        while n <= DOMAIN_MAX {
            let length = permutations.len();
            permutations.push(Permutation::new(&subkey, length as u64, n));
            n *= others;
        }
        Table { subkey, permutations }
    }
}

impl Keyring {
    pub(super) fn new(key: &Key, kept: Kept, finder: Finder) -> Keyring {
        let table = |purpose, alphabet| Table::new(key, purpose, alphabet, alphabet);
        Keyring {
            addresses: Addresses::new(key),
            emails: key.subkey("e-mail"),
            domains: key.subkey("e-mail domain"),
            labels: table("host label", Alphabet::AlphanumericLower),
            uuids: key.subkey("uuid"),
            cards: key.subkey("card"),
            ibans: key.subkey("iban"),
            dates: key.subkey("date"),
            tags: key.subkey("tag"),
            numbers: Table::new(key, "number", Alphabet::NonZero, Alphabet::Digit),
            zero_led: table("number led by zero", Alphabet::Digit),
            words: table("word", Alphabet::Lower),
            hex: table("hex", Alphabet::HexLower),
            tokens: table("token", Alphabet::Alphanumeric),
            shapes: key.subkey("shape"),
            prose: key.subkey("prose"),
            kept,
            finder,
        }
    }

    /// Whether this very text is kept elsewhere.
    pub fn is_kept(&self, text: &[u8]) -> bool {
        (self.kept)(text)
    }

    /// Whether a text is kept elsewhere in any case pattern, so that folding the case stays consistent. What is kept
    /// Capitalised or in UPPER case is kept in lower case too: see [`Kept`].
    fn is_kept_folded(&self, text: &[u8]) -> bool {
        let mut folded = [0; LONGEST_KEPT];
        let Some(folded) = folded.get_mut(..text.len()) else { return (self.kept)(text) };
        folded.copy_from_slice(text);
        folded.make_ascii_lowercase();
        (self.kept)(folded)
    }

    /// Appends the pseudonym of one run: a function of the run alone, one to one within its class.
    pub fn run(&self, run: &[u8], out: &mut Vec<u8>) {
        let class = Class::of(run);
        if let (Class::Hex(case), Some(mut hex)) = (class, uuid::slots_of(run)) {
            let start = out.len();
            uuid::map(self, &mut hex);
            slots::write(&hex, out);
            return case.put_back(&mut out[start..]);
        }
        let mut slots = Vec::with_capacity(run.len());
        run::slots_of(run, class, &mut slots);
        let table = match class {
            Class::Number if slots.len() < run.len() => &self.zero_led,
            Class::Number => &self.numbers,
            Class::Word(_) => &self.words,
            Class::Hex(_) => &self.hex,
            Class::Token => &self.tokens,
            Class::Wide => return self.shape(&self.shapes, run, out),
        };
        let start = out.len();
        self.through(table, &mut slots, |slots| {
            out.truncate(start);
            run::write(run, class, slots, out);
            self.fits(&out[start..], class)
        });
        out.truncate(start);
        run::write(run, class, &slots, out);
    }

    /// Whether a candidate may stand for a run of this class.
    fn fits(&self, candidate: &[u8], class: Class) -> bool {
        match class {
            Class::Number | Class::Wide => !self.is_kept(candidate),
            Class::Token => Class::of(candidate) == class && !self.is_kept(candidate),
            Class::Word(_) => !self.is_kept_folded(candidate),
            // The case that a hex run shows does not depend on which digits it has.
            Class::Hex(_) => Class::of(candidate) == class && !self.is_kept_folded(candidate),
        }
    }

    /// Sets the slots to the first image that `accept` takes; what is too long for the table goes through its hash.
    pub(super) fn through(&self, table: &Table, slots: &mut [Slot], mut accept: impl FnMut(&[Slot]) -> bool) {
        if let Some(permutation) = table.permutations.get(slots.len()) {
            let image = permutation.walk(&table.subkey, slots::rank(slots), |y| {
                slots::unrank(y, slots);
                accept(slots)
            });
            return slots::unrank(image, slots);
        }
        let mut text = Vec::with_capacity(slots.len());
        slots::write(slots, &mut text);
        redraw(slots, &mut table.subkey.stream(&text), accept);
    }

    /// Appends a text of the same shape, one to one as far as its domain allows: separators stay, letters stay letters
    /// of their case and script, digits digits. The case of ASCII letters is taken off and put back by position.
    pub(super) fn shape(&self, subkey: &Subkey, text: &[u8], out: &mut Vec<u8>) {
        let mut slots = Vec::with_capacity(text.len());
        slots.extend(places(text).filter_map(|(_, slot)| slot));
        permute(subkey, 0, &mut slots, |_| true);
        write_places(text, &slots, out);
    }

    /// Numbers for the free text `whole`.
    pub(super) fn prose(&self, whole: &[u8]) -> Stream {
        self.prose.stream(whole)
    }

    /// Appends a run of the class of `run`, drawn from `stream`.
    pub(super) fn drawn(&self, run: &[u8], stream: &mut Stream, out: &mut Vec<u8>) {
        let class = Class::of(run);
        let start = out.len();
        let mut slots = Vec::with_capacity(run.len());
        run::slots_of(run, class, &mut slots);
        redraw(&mut slots, stream, |slots| {
            out.truncate(start);
            run::write(run, class, slots, out);
            self.fits(&out[start..], class)
        });
        out.truncate(start);
        run::write(run, class, &slots, out);
    }

    /// Appends the digits of `text` mapped as one number, everything else where it was.
    pub(super) fn digits(&self, text: &[u8], out: &mut Vec<u8>) {
        let joined: Vec<u8> = text.iter().copied().filter(u8::is_ascii_digit).collect();
        let mut mapped = Vec::with_capacity(joined.len());
        if !joined.is_empty() {
            self.run(&joined, &mut mapped);
        }
        put_back(text, u8::is_ascii_digit, &mapped, out);
    }
}

/// Appends `text` with the bytes that `belongs` names replaced by those of `mapped`, in order.
pub(super) fn put_back(text: &[u8], belongs: impl Fn(&u8) -> bool, mapped: &[u8], out: &mut Vec<u8>) {
    let mut mapped = mapped.iter();
    out.extend(text.iter().map(|byte| match belongs(byte) {
        true => *mapped.next().unwrap_or(byte),
        false => *byte,
    }));
}

/// Sets the slots to the first image that `accept` takes, under a permutation of their own domain, or by hash where
/// that is too large.
pub(super) fn permute(subkey: &Subkey, tweak: u64, slots: &mut [Slot], mut accept: impl FnMut(&[Slot]) -> bool) {
    if let Some(n) = slots::domain(slots) {
        let permutation = Permutation::new(subkey, tweak, n);
        let image = permutation.walk(subkey, slots::rank(slots), |y| {
            slots::unrank(y, slots);
            accept(slots)
        });
        return slots::unrank(image, slots);
    }
    let mut text = tweak.to_le_bytes().to_vec();
    slots::write(slots, &mut text);
    redraw(slots, &mut subkey.stream(&text), accept);
}

fn redraw(slots: &mut [Slot], stream: &mut Stream, mut accept: impl FnMut(&[Slot]) -> bool) {
    if slots.is_empty() {
        return;
    }
    let original = slots.to_vec();
    for _ in 0..DRAWS_MAX {
        slots::draw(slots, stream);
        if *slots != *original && accept(slots) {
            return;
        }
    }
}

/// The characters of a text: their bytes, and their slots unless they are separators.
fn places(text: &[u8]) -> impl Iterator<Item = (&[u8], Option<Slot>)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (length, slot) = slots::first(rest);
        let (character, behind) = rest.split_at_checked(length).filter(|_| length > 0)?;
        rest = behind;
        Some((character, slot))
    })
}

fn write_places(text: &[u8], mapped: &[Slot], out: &mut Vec<u8>) {
    let mut mapped = mapped.iter();
    for (character, slot) in places(text) {
        match slot.and_then(|_| mapped.next()) {
            Some(slot) => slots::write(std::slice::from_ref(slot), out),
            None => out.extend_from_slice(character),
        }
    }
}
