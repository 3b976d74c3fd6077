//! A value's text -> which kinds of sensitive data it holds, and where. One file per detector.
//!
//! A detector refines: it names a kind, so that a method that knows the kind's form can mask it. It never decides
//! whether something is masked at all; where none finds anything, the text is masked as words and numbers.

mod api_key;
mod card;
mod date;
mod email;
mod host;
mod iban;
mod ipv4;
mod ipv6;
mod jwt;
mod mac;
mod national_id;
mod phone;
mod private_key;
mod scanner;
mod signs;
mod ssn;
mod text;
mod token;
mod url;
mod uuid;

use std::ops::Range;

pub use scanner::Scanner;

use regex::bytes::Regex;
pub use signs::Signs;

/// Recognises one kind of sensitive value inside a text. Knows nothing of packets, paths or rules.
pub trait Detector: Sync {
    /// The kind's name in rules, manifests and reports: "email", "card".
    fn id(&self) -> &'static str;
    /// One line for `standin rules list`.
    fn about(&self) -> &'static str;
    /// The name of the mask method that fits the kind, unless rules name another.
    fn method(&self) -> &'static str;
    /// What a text must show at least, in one pass over its bytes, for a search to be worth its time: any one of these.
    fn needs(&self) -> &'static [Signs];
    /// Texts that must and must not be found; generic tests run them.
    fn examples(&self) -> Examples;
    /// Appends the ranges of `text` that hold such a value.
    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>);
}

/// Hits (the part that must be found inside the text) and misses.
pub struct Examples {
    /// (text, the value in it)
    pub hits: &'static [(&'static str, &'static str)],
    /// Texts in which nothing must be found.
    pub misses: &'static [&'static str],
}

/// Every detector; where findings overlap, the earlier one wins. A new one is a file and two lines here.
pub const ALL: &[&dyn Detector] = &[
    &private_key::PrivateKey,
    &jwt::Jwt,
    &url::Url,
    &email::Email,
    &api_key::ApiKey,
    &uuid::Uuid,
    &iban::Iban,
    &card::Card,
    &mac::Mac,
    &ipv6::Ipv6,
    &ipv4::Ipv4,
    &date::Date,
    &ssn::Ssn,
    &national_id::NationalId,
    &phone::Phone,
    &host::Host,
    &token::Token,
];

/// A built-in detector by its place in [`ALL`], or one of the user's behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DetectorId(u16);

impl DetectorId {
    /// The built-in detector of this name.
    pub fn named(id: &str) -> Option<DetectorId> {
        let place = ALL.iter().position(|detector| detector.id() == id)?;
        u16::try_from(place).ok().map(DetectorId)
    }

    /// The user's detector of this place in the slice given to [`scan`].
    pub fn user(place: usize) -> DetectorId {
        DetectorId(u16::try_from(ALL.len() + place).unwrap_or(u16::MAX))
    }

    /// The detector, when it is a built-in one.
    pub fn detector(self) -> Option<&'static dyn Detector> {
        ALL.get(usize::from(self.0)).copied()
    }

    /// The place among the user's detectors, when it is one of them.
    pub fn user_place(self) -> Option<usize> {
        usize::from(self.0).checked_sub(ALL.len())
    }
}

/// A set of built-in detectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enabled(u64);

impl Enabled {
    /// Every detector.
    pub const ALL: Enabled = Enabled(u64::MAX);
    /// None.
    pub const NONE: Enabled = Enabled(0);

    /// This set and one more.
    pub fn with(self, id: DetectorId) -> Enabled {
        Enabled(self.0 | bit(id.0))
    }

    /// This set but one.
    pub fn without(self, id: DetectorId) -> Enabled {
        Enabled(self.0 & !bit(id.0))
    }

    /// Whether it is in the set.
    pub fn contains(self, id: DetectorId) -> bool {
        self.0 & bit(id.0) != 0
    }
}

fn bit(place: u16) -> u64 {
    1u64.checked_shl(place.into()).unwrap_or(0)
}

/// A detector of the user's: a name and a regular expression, compiled by the rules.
#[derive(Clone, Debug)]
pub struct UserDetector {
    /// The kind's name.
    pub id: Box<str>,
    /// What it looks like. When it has a group named `value`, the group is the finding.
    pub regex: Regex,
}

/// A sensitive value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// By whom.
    pub detector: DetectorId,
    /// Where, in bytes of the text.
    pub at: Range<usize>,
}

/// Appends what `enabled` and `users` find in `text`: in order, apart. The user's detectors come first, then those of
/// [`ALL`] in their order; among findings of one detector, the leftmost.
pub fn scan(text: &[u8], enabled: Enabled, users: &[UserDetector], out: &mut Vec<Finding>) {
    let start = out.len();
    let mut found = Vec::new();
    for (place, user) in users.iter().enumerate() {
        user.find(text, &mut found);
        add(DetectorId::user(place), &mut found, start, out);
    }
    let signs = Signs::of(text);
    for id in signs::candidates(signs) {
        if enabled.contains(id)
            && let Some(detector) = id.detector()
        {
            detector.find(text, &mut found);
            add(id, &mut found, start, out);
        }
        // What holds the whole text leaves nothing to those that follow.
        if out.get(start).is_some_and(|first| first.at == (0..text.len())) {
            break;
        }
    }
    out[start..].sort_unstable_by_key(|finding| finding.at.start);
}

impl UserDetector {
    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        found.extend(self.regex.captures_iter(text).filter_map(|captures| {
            let hit = captures.name("value").or_else(|| captures.get(0))?;
            Some(hit.range()).filter(|range| !range.is_empty())
        }));
    }
}

/// Takes over the findings that overlap no earlier one.
fn add(detector: DetectorId, found: &mut Vec<Range<usize>>, start: usize, out: &mut Vec<Finding>) {
    for at in found.drain(..) {
        let apart = |other: &Finding| other.at.end <= at.start || at.end <= other.at.start;
        if out[start..].iter().all(apart) {
            out.push(Finding { detector, at });
        }
    }
}
