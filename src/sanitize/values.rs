//! One value and its replacement: rules, vocabulary, detectors, pseudonym, and back into its encoding.

mod binary;

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashSet};

use super::ledger::{Because, Label};
use super::manifest::{Kind, Matched};
use crate::detect::{Finding, Scanner};
use crate::limits;
use crate::mask::memory::Memory;
use crate::mask::{self, Key, Masker, MethodId, Part};
use crate::protocol::encoding::{self, Decoded};
use crate::protocol::http1::words::is_known as is_header_word;
use crate::protocol::http2::huffman;
use crate::protocol::{Field, Role};
use crate::rules::{Action, Decider, Policy, RuleId, Values as Unnamed};

/// How much of a pseudonym a value gets; less where room is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Full,
    Tag,
    Filler,
    Blank,
}

/// What kind of value degrades when, the first ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Words.
    Prose,
    /// Numbers and what no detector knows.
    Plain,
    /// What a detector knows and no later message refers to: dates, e-mail, telephone numbers.
    Known,
    /// Ids, tokens, links: later messages refer to them, and a replay follows them as long as they are distinct.
    Identifier,
}

/// Names behind [`Because`] that are no rules of the policy; those follow.
const NAMES: [&str; 12] = [
    "not-understood",
    "framing",
    "checksum",
    "grammar",
    "vocabulary",
    "default",
    "no-text",
    "address",
    "packed",
    "payload-kept",
    "special-use",
    "proof",
];
pub(super) const GRAMMAR: Because = Because(3);
const VOCABULARY: Because = Because(4);
const DEFAULT: Because = Because(5);
const NO_TEXT: Because = Because(6);
pub(super) const ADDRESS: Because = Because(7);
pub(super) const PACKED: Because = Because(8);
pub(super) const KEPT_PAYLOAD: Because = Because(9);
pub(super) const SPECIAL_USE: Because = Because(10);
pub(super) const PROOF: Because = Because(11);

/// Masks values; remembers short ones and counts kinds.
pub(super) struct Values {
    decider: Decider,
    pub(super) masker: Masker,
    scanner: Scanner,
    findings: Vec<Finding>,
    parts: Vec<Part>,
    decoded: Decoded,
    text: Vec<u8>,
    kinds: Vec<(&'static str, Count)>,
    vocabulary: u64,
    degraded: BTreeMap<&'static str, u64>,
    matched: Vec<u64>,
    /// Values seen before in the same setting, with what they became.
    known: Memory<Outcome>,
    /// The value at hand in its setting: all that its replacement depends on, as a key of `known`.
    seen: Vec<u8>,
    /// The value at hand was remembered, and so was counted before.
    remembered: bool,
    /// Pseudonyms are to take as many bits as their values, where there are such, in the code of HTTP/2's headers.
    pub(super) even: bool,
    /// Of this run only: tells distinct values apart.
    hasher: DefaultHashBuilder,
    /// Values counted, of all kinds, each as a hash with its kind.
    counted: HashSet<u64>,
    /// Values that were not counted as distinct, since there were too many.
    uncounted: u64,
}

#[derive(Default)]
struct Count {
    distinct: u64,
    occurrences: u64,
}

/// Steps of a walk to an even pseudonym: of a token of 43 characters every twelfth is.
const WALK_MAX: usize = 128;

/// What became of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) label: Label,
    pub(super) because: Because,
    kind: Option<&'static str>,
    class: Class,
}

impl Outcome {
    /// When it degrades.
    pub(super) fn class(&self) -> Class {
        self.class
    }
}

/// How one value is to be masked.
#[derive(Clone, Copy)]
struct How {
    /// It stands where names stand.
    name_like: bool,
    /// What the rules say whatever the value is.
    ruling: Option<(Action, RuleId)>,
    level: Level,
}

impl Values {
    pub(super) fn new(policy: Arc<Policy>, key: &Key) -> Self {
        let scanner = policy.scanner();
        let masker = masker(&policy, key, scanner.clone());
        let matched = vec![0; policy.rules().len()];
        Values {
            decider: Decider::new(policy),
            masker,
            scanner,
            findings: Vec::new(),
            parts: Vec::new(),
            decoded: Decoded::default(),
            text: Vec::new(),
            kinds: Vec::new(),
            vocabulary: 0,
            degraded: BTreeMap::new(),
            matched,
            known: Memory::new(limits::KNOWN_VALUES_BYTES_MAX),
            seen: Vec::new(),
            remembered: false,
            even: false,
            hasher: DefaultHashBuilder::default(),
            counted: HashSet::new(),
            uncounted: 0,
        }
    }

    /// What [`Because`] values mean, in order.
    pub(super) fn names(policy: &Policy) -> Vec<String> {
        let rules = policy.rules().iter().map(|rule| rule.id.clone());
        NAMES.iter().map(|&name| name.to_owned()).chain(rules).collect()
    }

    /// Appends what stands instead of `field.raw`, of the same length.
    pub(super) fn replace(&mut self, field: &Field<'_>, out: &mut Vec<u8>) -> Outcome {
        let outcome = self.decide(field, Level::Full, out);
        self.count(field, &outcome);
        outcome
    }

    /// The same, without counting it.
    pub(super) fn stand_in(&mut self, field: &Field<'_>, out: &mut Vec<u8>) {
        self.decide(field, Level::Full, out);
    }

    /// With so many bytes of memory for values seen before.
    pub(super) fn remembering(mut self, bytes: usize) -> Self {
        self.known = Memory::new(bytes / 2);
        self.masker.remember(bytes / 2);
        self
    }

    /// Whether a rule is about this value as a whole.
    pub(super) fn is_ruled(&mut self, path: &str, value: &[u8]) -> bool {
        self.decider.ruling(path, value).is_some()
    }

    /// Appends what stands instead of a value that degrades, of the same length. The value was counted in full.
    pub(super) fn degrade(&mut self, field: &Field<'_>, level: Level, out: &mut Vec<u8>) {
        self.decide(field, level, out);
    }

    /// Counts a value that stayed below its full pseudonym.
    pub(super) fn count_degraded(&mut self, outcome: &Outcome) {
        *self.degraded.entry(outcome.kind.unwrap_or("text")).or_default() += 1;
    }

    /// Kinds, degraded values and rule matches, for the manifest.
    pub(super) fn tell(&self) -> (BTreeMap<String, Kind>, BTreeMap<String, u64>, Vec<Matched>) {
        let kinds = self
            .kinds
            .iter()
            .map(|(name, count)| ((*name).to_owned(), Kind { values: count.distinct, occurrences: count.occurrences }));
        let degraded = self.degraded.iter().map(|(&name, &n)| (name.to_owned(), n));
        let infos = self.decider.policy().rules().iter().zip(&self.matched);
        let vocabulary = Matched { id: "vocabulary".to_owned(), matched: self.vocabulary };
        let rules = infos.map(|(info, &matched)| Matched { id: info.id.clone(), matched }).chain([vocabulary]);
        (kinds.collect(), degraded.collect(), rules.collect())
    }

    /// Occurrences of values that were not looked at for being distinct, since too many had been.
    pub(super) fn uncounted(&self) -> u64 {
        self.uncounted
    }

    fn decide(&mut self, field: &Field<'_>, level: Level, out: &mut Vec<u8>) -> Outcome {
        self.remembered = false;
        let decision = self.decider.decide(field.path, field.name);
        let name_like = decision.name_like();
        let conditional = !decision.is_empty();
        let decision = if conditional { Some(decision.clone()) } else { None };
        let certain = decision.and_then(|decision| decision.unconditional(self.decider.policy()));
        if conditional || field.raw.len() > limits::CACHED_VALUE_BYTES_MAX {
            let ruling = certain.map(|ruling| (ruling.action, ruling.rule));
            return self.compute_as_it_stands(field, How { name_like, ruling, level }, out);
        }
        self.seen.clear();
        self.seen.extend_from_slice(field.raw);
        let flags = u8::from(name_like) | u8::from(self.even) << 1;
        let setting = [field.encoding as u8, field.role as u8, flags, level as u8];
        self.seen.extend_from_slice(&setting);
        if let Some((masked, outcome)) = self.known.get(&self.seen) {
            out.extend_from_slice(masked);
            self.remembered = true;
            return outcome;
        }
        let start = out.len();
        let outcome = self.compute_as_it_stands(field, How { name_like, ruling: None, level }, out);
        self.known.insert(&self.seen, &out[start..], outcome);
        outcome
    }

    /// As [`Values::compute`]. To be even, a pseudonym is masked again and again, until it is: what is told apart stays so,
    /// for masking is a permutation, and so is going along it from one even value to the next.
    fn compute_evenly(&mut self, field: &Field<'_>, how: How, out: &mut Vec<u8>) -> Outcome {
        let start = out.len();
        let outcome = self.compute(field, how, out);
        if !self.even || outcome.label != Label::Pseudonym {
            return outcome;
        }
        let bits = |text: &[u8]| text.iter().map(|byte| huffman::bits(*byte)).sum::<usize>();
        let mut walked = out[start..].to_vec();
        for _ in 0..WALK_MAX {
            if bits(&walked) == bits(field.raw) {
                out[start..].copy_from_slice(&walked);
                break;
            }
            let mut next = Vec::with_capacity(walked.len());
            let again = self.compute(&Field { raw: &walked, ..*field }, how, &mut next);
            if again.label != Label::Pseudonym || next == field.raw {
                break;
            }
            walked = next;
        }
        outcome
    }

    fn compute(&mut self, field: &Field<'_>, How { name_like, ruling, level }: How, out: &mut Vec<u8>) -> Outcome {
        let unnamed = match self.decider.policy().values {
            Unnamed::Pseudonym => Action::Pseudonym,
            Unnamed::Blank => Action::Blank,
        };
        let text = encoding::decode(field.raw, field.encoding, &mut self.decoded);
        let ruling = ruling.or_else(|| {
            let decision = self.decider.decide(field.path, field.name).clone();
            let ruling = decision.ruling(self.decider.policy(), text, None)?;
            Some((ruling.action, ruling.rule))
        });
        let (action, because) = match ruling {
            Some((action, rule)) => (action, Because(NAMES.len() as u16 + rule.0)),
            None if !name_like && field.role != Role::Name && self.decider.policy().is_vocabulary(text) => {
                (Action::Keep, VOCABULARY)
            }
            None => (unnamed, DEFAULT),
        };
        let plain = Outcome { label: Label::Kept, because, kind: None, class: Class::Plain };
        if action == Action::Keep {
            out.extend_from_slice(field.raw);
            return plain;
        }
        if action == Action::Blank || level == Level::Blank {
            blank(field, out);
            return Outcome { label: Label::Blanked, ..plain };
        }
        self.findings.clear();
        self.scanner.scan(text, &mut self.findings);
        self.parts.clear();
        let mut part = |at, id| self.parts.extend(MethodId::named(id).map(|method| Part { at, method }));
        match action {
            Action::Method(id) => part(0..text.len(), id),
            Action::Token => part(0..text.len(), "token"),
            _ if self.findings.is_empty() && field.role == Role::Number => each_number(text, |at| part(at, "number")),
            _ if self.findings.is_empty() => {}
            _ => {
                let decision = self.decider.decide(field.path, field.name).clone();
                for found in &self.findings {
                    let found_text = &text[found.at.clone()];
                    let kind = Some(self.scanner.kind(found));
                    let ruling = decision.ruling(self.decider.policy(), found_text, kind);
                    match ruling.map(|ruling| ruling.action) {
                        None | Some(Action::Pseudonym) => part(found.at.clone(), self.scanner.method(found)),
                        Some(action) => part(found.at.clone(), action.id()),
                    }
                }
            }
        }
        self.text.clear();
        match level {
            Level::Full => self.masker.text(text, &self.parts, &mut self.text),
            Level::Tag => self.masker.degraded(text, &self.parts, mask::Level::Tag, &mut self.text),
            _ => self.masker.degraded(text, &self.parts, mask::Level::Filler, &mut self.text),
        }
        if level != Level::Full && self.text == text {
            other_filler(&mut self.text);
        }
        let mut kinds = self.findings.iter().map(|found| self.scanner.static_kind(found));
        let class = match () {
            () if names_an_identifier(field.name) || kinds.clone().any(|kind| REFERRED_TO.contains(&kind)) => {
                Class::Identifier
            }
            () if kinds.next().is_some() => Class::Known,
            () => class_of(text),
        };
        let kind = self.findings.first().map(|found| self.scanner.static_kind(found));
        let unchanged = self.text == text;
        let start = out.len();
        if !encoding::encode(&self.text, field.encoding, &mut self.decoded, field.raw, out) {
            out.truncate(start);
            blank(field, out);
            return Outcome { label: Label::Blanked, because, kind, class };
        }
        if unchanged {
            // Punctuation alone tells nothing that its length does not; else all its parts are public words.
            let because = if has_text(&self.text) { VOCABULARY } else { NO_TEXT };
            return Outcome { label: Label::Kept, because, kind: None, class };
        }
        Outcome { label: Label::Pseudonym, because, kind, class }
    }

    fn count(&mut self, field: &Field<'_>, outcome: &Outcome) {
        if let Some(rule) = usize::from(outcome.because.0).checked_sub(NAMES.len()) {
            if let Some(matched) = self.matched.get_mut(rule) {
                *matched += 1;
            }
        } else if outcome.because == VOCABULARY {
            self.vocabulary += 1;
        }
        if outcome.label != Label::Pseudonym {
            return;
        }
        let kind = outcome.kind.unwrap_or("text");
        let place = self.kinds.iter().position(|(name, _)| *name == kind).unwrap_or_else(|| {
            self.kinds.push((kind, Count::default()));
            self.kinds.len() - 1
        });
        let count = &mut self.kinds[place].1;
        count.occurrences += 1;
        if self.remembered {
            return;
        }
        if self.counted.len() >= limits::COUNTED_VALUES_MAX {
            self.uncounted += 1;
        } else if self.counted.insert(self.hasher.hash_one((kind, field.raw))) {
            count.distinct += 1;
        }
    }
}

/// A masker that knows which words stay, by rule or because headers are made of them, and what is sensitive inside a text.
fn masker(policy: &Arc<Policy>, key: &Key, scanner: Scanner) -> Masker {
    let kept = policy.clone();
    let find = move |text: &[u8], parts: &mut Vec<Part>| {
        let mut findings = Vec::new();
        scanner.scan(text, &mut findings);
        let part = |found: Finding| MethodId::named(scanner.method(&found)).map(|method| Part { at: found.at, method });
        parts.extend(findings.into_iter().filter_map(part));
    };
    let recognisable = policy.recognisable;
    let kept = move |text: &[u8]| kept.is_vocabulary(text) || is_header_word(text);
    Masker::with_finder(key, Box::new(kept), Box::new(find)).recognisable(recognisable)
}

/// Text that still parses where the value stood, the same for all values of its length.
fn blank(field: &Field<'_>, out: &mut Vec<u8>) {
    if field.encoding.is_binary() {
        binary::blank(field, out);
    } else if field.role == Role::Number && !field.raw.is_empty() {
        out.push(b'1');
        out.resize(out.len() + field.raw.len() - 1, b'0');
    } else {
        out.resize(out.len() + field.raw.len(), b'x');
    }
}

/// Where the numbers of a list are; mostly it is one.
fn each_number(text: &[u8], mut found: impl FnMut(std::ops::Range<usize>)) {
    let mut at = 0;
    for number in text.split(|b| *b == b' ') {
        found(at..at + number.len());
        at += number.len() + 1;
    }
}

/// Changes the first letter or digit of a stand-in that came out as the text itself.
fn other_filler(text: &mut [u8]) {
    let Some(byte) = text.iter_mut().find(|byte| byte.is_ascii_alphanumeric()) else { return };
    *byte = match *byte {
        digit @ b'0'..=b'8' => digit + 1,
        b'9' => b'1',
        b'z' => b'a',
        b'Z' => b'A',
        letter => letter + 1,
    };
}

fn has_text(text: &[u8]) -> bool {
    text.iter().any(|&byte| byte.is_ascii_alphanumeric() || byte >= 0x80)
}

/// Kinds of values that other messages refer to.
const REFERRED_TO: &[&str] = &["token", "uuid", "jwt", "api_key", "url"];

/// Names of values that other messages refer to: a replay can follow them only as long as they are distinct.
fn names_an_identifier(name: &str) -> bool {
    let ends = ["id", "Id", "ID"]
        .iter()
        .any(|end| name.strip_suffix(end).is_some_and(|rest| !rest.ends_with(char::is_lowercase) || *end != "id"));
    let parts = ["token", "csrf", "session", "uuid", "etag", "next", "href", "cursor", "code", "slot", "self", "slug"];
    ends || parts.iter().any(|part| name.contains(part))
}

/// Digits of a number that is no count, price or year.
const NUMBER_MIN: usize = 7;
/// Bytes of a code of letters and digits.
const CODE_MIN: usize = 6;

/// The class of a text in which no detector found anything.
fn class_of(text: &[u8]) -> Class {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = text.iter().any(u8::is_ascii_alphabetic);
    let is_code = !text.contains(&b' ') && letters && text.len() >= CODE_MIN;
    match digits {
        0 => Class::Prose,
        n if n == text.len() && n >= NUMBER_MIN => Class::Identifier,
        _ if is_code => Class::Identifier,
        _ => Class::Plain,
    }
}
