//! Settings and rules of all files, compiled in order of precedence.

use std::collections::HashSet;

use regex::bytes::{Regex, RegexBuilder};

use super::catalogue;
use super::decision::Decision;
use super::file::{self, AddressPart, Addresses, PatternEntry, Payload, RuleEntry, RulesError, Source, Values};
use super::glob::{self, Glob};
use super::names;
use super::vocabulary::{Vocabulary, WORD_BYTES_MAX};
use crate::detect::{Scanner, UserDetector};
use crate::limits;
use crate::mask::Recognisable;
use crate::yaml::{Step, did_you_mean};

/// What is done to a value, or to a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It stays.
    Keep,
    /// It gets a pseudonym of the kind that is found in it.
    Pseudonym,
    /// It is overwritten.
    Blank,
    /// It becomes a keyed token of its length and alphabet.
    Token,
    /// The mask method with this id.
    Method(&'static str),
}

impl Action {
    fn of(id: &str) -> Result<Self, String> {
        match catalogue::methods().map(|(known, _)| known).find(|known| *known == id) {
            Some("keep") => Ok(Action::Keep),
            Some("pseudonym") => Ok(Action::Pseudonym),
            Some("blank") => Ok(Action::Blank),
            Some("token") => Ok(Action::Token),
            Some(method) => Ok(Action::Method(method)),
            None => Err(did_you_mean(id, catalogue::methods().map(|(known, _)| known))),
        }
    }

    /// The id that rules give it.
    pub fn id(self) -> &'static str {
        match self {
            Action::Keep => "keep",
            Action::Pseudonym => "pseudonym",
            Action::Blank => "blank",
            Action::Token => "token",
            Action::Method(id) => id,
        }
    }
}

/// A rule's index in [`Policy::rules`], which is its rank in precedence too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u16);

/// A rule as the manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its id; no other rule of the policy has it.
    pub id: String,
    /// The file or pack that it stands in.
    pub file: String,
    /// What its author says about it; "" when nothing.
    pub why: String,
}

/// A kind of value that the user describes by a regex; it stands beside the detectors.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The kind's name.
    pub id: String,
    /// Finds it inside a text.
    pub regex: Regex,
}

/// Which values of a field a rule is about.
#[derive(Clone, Debug)]
pub(super) enum When {
    Always,
    /// Only the parts that these detectors or patterns find.
    Detected(Vec<String>),
    /// Whole values that match.
    Matches(Regex),
    /// Whole values that are one of these.
    Equals(HashSet<Vec<u8>>),
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) fields: Vec<Glob>,
    pub(super) when: When,
    pub(super) action: Action,
}

/// Compiled rules. Cannot be changed, and so be shared by any number of threads.
#[derive(Clone, Debug)]
pub struct Policy {
    /// IP and MAC addresses in packet headers.
    pub addresses: Addresses,
    /// What their pseudonyms keep.
    pub recognisable: Recognisable,
    /// Bytes behind the transport header.
    pub payload: Payload,
    /// Values that no rule names.
    pub values: Values,
    /// The user's kinds.
    pub patterns: Vec<Pattern>,
    pub(super) rules: Vec<Rule>,
    infos: Vec<RuleInfo>,
    disabled: HashSet<String>,
    vocabulary: Vocabulary,
    digest: String,
}

impl Policy {
    /// Reads and compiles built-in names and files; a later one overrides an earlier. None at all: `default`.
    pub fn load(names: &[String]) -> Result<Self, RulesError> {
        let default = ["default".to_owned()];
        let sources = file::read_all(if names.is_empty() { &default } else { names })?;
        let setting = |rank: usize| &sources[rank].document;
        let ranks = || 0..sources.len();
        let mut policy = Self {
            addresses: ranks().find_map(|rank| setting(rank).addresses).unwrap_or(Addresses::Pseudonym),
            recognisable: Recognisable {
                prefixes: ranks().find_map(|rank| setting(rank).prefixes) == Some(AddressPart::Keep),
                vendors: ranks().find_map(|rank| setting(rank).vendors) == Some(AddressPart::Keep),
            },
            payload: ranks().find_map(|rank| setting(rank).payload).unwrap_or(Payload::Dissect),
            values: ranks().find_map(|rank| setting(rank).values).unwrap_or(Values::Pseudonym),
            patterns: Vec::new(),
            rules: Vec::new(),
            infos: Vec::new(),
            disabled: HashSet::new(),
            vocabulary: Vocabulary::public(),
            digest: String::new(),
        };
        // Patterns first: a rule may name one of a file that comes later.
        for source in &sources {
            policy.add_patterns(source)?;
        }
        for source in &sources {
            policy.add_words(source)?;
            policy.add_disabled(source)?;
            policy.add_rules(source)?;
        }
        policy.digest = policy.compute_digest(&sources);
        Ok(policy)
    }

    /// What the policy says about a field. Looks at every rule: use a [`super::Decider`] on the way of many fields.
    pub fn decide(&self, path: &str, name: &str) -> Decision {
        let levels: Vec<&str> = glob::levels(path).collect();
        let matching =
            self.rules.iter().enumerate().filter(|(_, rule)| rule.fields.iter().any(|glob| glob.matches(&levels)));
        let mut rules = Vec::new();
        for (index, rule) in matching {
            rules.push(RuleId(index as u16));
            if matches!(rule.when, When::Always) {
                break;
            }
        }
        Decision::new(rules, names::is_personal(name))
    }

    /// Whether the whole value is a public word. Never, when [`Values::Blank`] asks for every value.
    pub fn is_vocabulary(&self, text: &[u8]) -> bool {
        self.values == Values::Pseudonym && self.vocabulary.contains(text)
    }

    /// Whether a field of this name may hold a person's data, so that no word counts as public there.
    pub fn name_like(&self, name: &str) -> bool {
        names::is_personal(name)
    }

    /// Whether a field's *name* may stay: a public word, or what looks like a programmer's identifier. The caller also
    /// asks the detectors: a map keyed by e-mail address has values for names.
    pub fn keeps_name(&self, name: &[u8]) -> bool {
        self.vocabulary.contains(name) || names::is_identifier(name)
    }

    /// Every rule, in order of precedence; [`RuleId`] is the index.
    pub fn rules(&self) -> &[RuleInfo] {
        &self.infos
    }

    /// Whether the detector with this id is to be asked.
    pub fn enables(&self, detector: &str) -> bool {
        !self.disabled.contains(detector)
    }

    /// The detectors to ask: the built-in ones that are not disabled, and the user's patterns.
    pub fn scanner(&self) -> Scanner {
        let user = |pattern: &Pattern| UserDetector { id: pattern.id.as_str().into(), regex: pattern.regex.clone() };
        Scanner::new(self.enabled_detectors(), self.patterns.iter().map(user))
    }

    /// The ids of the detectors that are to be asked, in the catalogue's order.
    pub fn enabled_detectors(&self) -> impl Iterator<Item = &'static str> {
        catalogue::detectors().map(|(id, _)| id).filter(|id| self.enables(id))
    }

    /// Stands for all that the policy says, public words included (BLAKE3, hexadecimal).
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn add_patterns(&mut self, source: &Source) -> Result<(), RulesError> {
        let mut here = HashSet::new();
        for (index, entry) in source.document.patterns.iter().enumerate() {
            let at = |key: &str| ["patterns".into(), index.into(), key.into()];
            if !here.insert(&entry.id) {
                return Err(source.error(
                    &at("id"),
                    format!("pattern `{}` stands twice", entry.id),
                    "give it another id",
                ));
            }
            if catalogue::detectors().any(|(id, _)| id == entry.id) {
                let what = format!("`{}` is a detector's id", entry.id);
                return Err(source.error(&at("id"), what, "give the pattern another id"));
            }
            check_id(&entry.id).map_err(|what| source.error(&at("id"), what, ""))?;
            let regex = compile(&entry.regex).map_err(|what| source.error(&at("regex"), what, ""))?;
            if regex.is_match(b"") {
                let hint = "a pattern must find at least one byte: use `+` for `*`";
                return Err(source.error(&at("regex"), "the regex matches the empty text", hint));
            }
            if !self.patterns.iter().any(|pattern| pattern.id == entry.id) {
                self.patterns.push(Pattern { id: entry.id.clone(), regex });
            }
        }
        Ok(())
    }

    fn add_words(&mut self, source: &Source) -> Result<(), RulesError> {
        for (index, word) in source.document.vocabulary.iter().enumerate() {
            if word.trim().is_empty() || word.len() > WORD_BYTES_MAX {
                let at = ["vocabulary".into(), index.into()];
                return Err(source.error(&at, format!("a word has 1 to {WORD_BYTES_MAX} bytes"), ""));
            }
            self.vocabulary.insert(word);
        }
        Ok(())
    }

    fn add_disabled(&mut self, source: &Source) -> Result<(), RulesError> {
        for (index, id) in source.document.detectors.disable.iter().enumerate() {
            let at = ["detectors".into(), "disable".into(), index.into()];
            if !catalogue::detectors().any(|(known, _)| known == id) {
                let hint = did_you_mean(id, catalogue::detectors().map(|(known, _)| known));
                return Err(source.error(&at, format!("unknown detector `{id}`"), hint));
            }
            self.disabled.insert(id.clone());
        }
        Ok(())
    }

    /// A file's rules, then those that its patterns imply.
    fn add_rules(&mut self, source: &Source) -> Result<(), RulesError> {
        let mut here = HashSet::new();
        for (index, entry) in source.document.rules.iter().enumerate() {
            let at = [Step::from("rules"), index.into()];
            if !here.insert(&entry.id) {
                let what = format!("rule `{}` stands twice", entry.id);
                return Err(source.error(&[&at[..], &["id".into()]].concat(), what, "give it another id"));
            }
            let rule = self.compile_rule(source, &at, entry)?;
            self.add_rule(source, &at, &entry.id, &entry.why, rule)?;
        }
        for (index, entry) in source.document.patterns.iter().enumerate() {
            let PatternEntry { id, method: Some(method), why, .. } = entry else { continue };
            let at = [Step::from("patterns"), index.into()];
            let rule = Rule {
                fields: everywhere(),
                when: When::Detected(vec![id.clone()]),
                action: action(source, &at, method)?,
            };
            self.add_rule(source, &at, &format!("pattern:{id}"), why, rule)?;
        }
        Ok(())
    }

    fn add_rule(&mut self, source: &Source, at: &[Step], id: &str, why: &str, rule: Rule) -> Result<(), RulesError> {
        if self.infos.iter().any(|info| info.id == id) {
            return Ok(()); // overridden by a file of higher precedence
        }
        if self.rules.len() == limits::RULES_MAX {
            return Err(source.error(
                at,
                format!("more than {} rules", limits::RULES_MAX),
                "join some: `fields` and `equals` are lists",
            ));
        }
        self.rules.push(rule);
        self.infos.push(RuleInfo { id: id.to_owned(), file: source.label.clone(), why: why.trim().to_owned() });
        Ok(())
    }

    fn compile_rule(&self, source: &Source, at: &[Step], entry: &RuleEntry) -> Result<Rule, RulesError> {
        let inside = |key: &str| [at, &[key.into()]].concat();
        if entry.id.starts_with("pattern:") {
            return Err(source.error(
                &inside("id"),
                "`pattern:` begins the ids of patterns' own rules",
                "give it another id",
            ));
        }
        check_id(&entry.id).map_err(|what| source.error(&inside("id"), what, ""))?;
        let when = self.compile_condition(source, at, entry)?;
        let fields = match &entry.fields {
            None if matches!(when, When::Always) => {
                return Err(source.error(
                    at,
                    "the rule is about everything",
                    "give it `fields`, `detect`, `matches` or `equals`",
                ));
            }
            None => everywhere(),
            Some(fields) => {
                let glob = |(index, text): (usize, &String)| {
                    let place = [at, &["fields".into(), index.into()]].concat();
                    Glob::new(text).map_err(|what| source.error(&place, what, ""))
                };
                fields.iter().enumerate().map(glob).collect::<Result<_, _>>()?
            }
        };
        Ok(Rule { fields, when, action: action(source, at, &entry.method)? })
    }

    fn compile_condition(&self, source: &Source, at: &[Step], entry: &RuleEntry) -> Result<When, RulesError> {
        match (&entry.detect, &entry.matches, &entry.equals) {
            (None, None, None) => Ok(When::Always),
            (Some(kinds), None, None) => {
                for (index, kind) in kinds.iter().enumerate() {
                    if !self.kinds().any(|known| known == kind) {
                        let place = [at, &["detect".into(), index.into()]].concat();
                        let hint = did_you_mean(kind, self.kinds());
                        return Err(source.error(&place, format!("unknown detector `{kind}`"), hint));
                    }
                }
                Ok(When::Detected(kinds.clone()))
            }
            (None, Some(text), None) => {
                let place = [at, &["matches".into()]].concat();
                compile(text).map_err(|what| source.error(&place, what, ""))?;
                let whole = compile(&format!(r"\A(?:{text})\z")).map_err(|what| source.error(&place, what, ""))?;
                Ok(When::Matches(whole))
            }
            (None, None, Some(texts)) => Ok(When::Equals(texts.iter().map(|text| text.clone().into_bytes()).collect())),
            _ => {
                Err(source.error(at, "`detect`, `matches` and `equals` exclude each other", "make several rules of it"))
            }
        }
    }

    /// Detectors and patterns that a rule may name.
    fn kinds(&self) -> impl Iterator<Item = &str> {
        catalogue::detectors().map(|(id, _)| id).chain(self.patterns.iter().map(|pattern| &*pattern.id))
    }

    /// Two policies that act alike may have two digests; two that act differently never have one.
    fn compute_digest(&self, sources: &[Source]) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(env!("CARGO_PKG_VERSION").as_bytes());
        for source in sources {
            part(format!("{:?}", source.document).as_bytes());
        }
        self.vocabulary.sorted().into_iter().for_each(&mut part);
        hasher.finalize().to_hex().to_string()
    }
}

fn everywhere() -> Vec<Glob> {
    Glob::new("**").into_iter().collect()
}

fn action(source: &Source, at: &[Step], id: &str) -> Result<Action, RulesError> {
    let place = [at, &["method".into()]].concat();
    Action::of(id).map_err(|hint| source.error(&place, format!("unknown method `{id}`"), hint))
}

/// Ids stand in manifests, ledgers and on command lines.
fn check_id(id: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    match !id.is_empty() && id.len() <= 64 && id.chars().all(plain) {
        true => Ok(()),
        false => Err("an id is 1 to 64 letters, digits or - _ . :".to_owned()),
    }
}

fn compile(regex: &str) -> Result<Regex, String> {
    RegexBuilder::new(regex)
        .size_limit(limits::REGEX_BYTES_MAX)
        .dfa_size_limit(limits::REGEX_BYTES_MAX)
        .build()
        .map_err(|error| match error {
            // The message draws the regex with a pointer under it; its last line says what is wrong.
            regex::Error::Syntax(message) => {
                let reason = message.lines().last().unwrap_or_default();
                format!("bad regex: {}", reason.trim_start_matches("error: "))
            }
            regex::Error::CompiledTooBig(limit) => format!("the regex needs more than {limit} bytes"),
            other => format!("bad regex: {other}"),
        })
}
