//! The YAML of rules as it is written, and files that extend others.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

use super::pack::PACKS;
use crate::limits;
use crate::yaml::{self, Step, YamlError};

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// A file that cannot be read, or no built-in name.
    #[error("rules {name}: {source}\nhint: {hint}")]
    Read {
        /// As the user gave it.
        name: String,
        /// Why.
        source: io::Error,
        /// Built-in names that it may have meant.
        hint: String,
    },
    /// What it holds is wrong.
    #[error(transparent)]
    Yaml(#[from] Box<YamlError>),
}

/// What happens to IP and MAC addresses in packet headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Addresses {
    /// They become others of the same class.
    Pseudonym,
    /// They stay.
    Keep,
    /// They become zeros.
    Blank,
}

/// What happens to a part of addresses by which networks or vendors could be known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AddressPart {
    /// It is masked with the rest.
    Pseudonym,
    /// It stays (vendors), or stays common (prefixes).
    Keep,
}

/// What happens to bytes behind the transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    /// They are read as fields, each of which is decided; what is not understood is blanked.
    Dissect,
    /// They become zeros.
    Blank,
    /// They stay.
    Keep,
}

/// What happens to a value that no rule names and that is no public word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Values {
    /// It becomes a pseudonym.
    Pseudonym,
    /// It is blanked; public words too, so that nothing depends on what stood there.
    Blank,
}

/// The document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    #[serde(rename = "version")]
    _version: Version,
    pub(super) extends: Option<String>,
    pub(super) addresses: Option<Addresses>,
    pub(super) prefixes: Option<AddressPart>,
    pub(super) vendors: Option<AddressPart>,
    pub(super) payload: Option<Payload>,
    pub(super) values: Option<Values>,
    #[serde(default)]
    pub(super) vocabulary: Vec<String>,
    #[serde(default)]
    pub(super) detectors: Detectors,
    #[serde(default)]
    pub(super) patterns: Vec<PatternEntry>,
    #[serde(default)]
    pub(super) rules: Vec<RuleEntry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Detectors {
    #[serde(default)]
    pub(super) disable: Vec<String>,
}

/// A kind of value that the user describes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PatternEntry {
    pub(super) id: String,
    pub(super) regex: String,
    pub(super) method: Option<String>,
    #[serde(default)]
    pub(super) why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleEntry {
    pub(super) id: String,
    pub(super) fields: Option<Vec<String>>,
    pub(super) detect: Option<Vec<String>>,
    pub(super) matches: Option<String>,
    pub(super) equals: Option<Vec<String>>,
    pub(super) method: String,
    #[serde(default)]
    pub(super) why: String,
}

/// The only version there is.
#[derive(Debug, Deserialize)]
#[serde(try_from = "u64")]
struct Version;

impl TryFrom<u64> for Version {
    type Error = String;

    fn try_from(version: u64) -> Result<Self, String> {
        match version {
            1 => Ok(Self),
            other => Err(format!("version {other} is not known; this standin reads version 1")),
        }
    }
}

/// A file that was read: its label in errors and manifests, its text (errors find their place in it), what it says.
pub(super) struct Source {
    pub(super) label: String,
    text: String,
    pub(super) document: Document,
}

impl Source {
    /// An error about what stands at `path`.
    pub(super) fn error(&self, path: &[Step], what: impl Into<String>, hint: impl Into<String>) -> RulesError {
        Box::new(yaml::error_at(&self.label, &self.text, path, what.into(), hint.into())).into()
    }

    fn read(place: &Place) -> Result<Self, RulesError> {
        let (label, text) = match place {
            Place::Pack(index) => (PACKS[*index].name.to_owned(), PACKS[*index].yaml.to_owned()),
            Place::File(path) => (path.display().to_string(), read_capped(path)?),
        };
        let document = yaml::parse(&label, &text).map_err(Box::new)?;
        Ok(Self { label, text, document })
    }
}

/// Where a rules file is found.
#[derive(Clone, PartialEq)]
enum Place {
    /// Index in [`PACKS`].
    Pack(usize),
    File(PathBuf),
}

impl Place {
    /// A built-in name, or a path from `folder`.
    fn of(name: &str, folder: &Path) -> Self {
        match PACKS.iter().position(|pack| pack.name == name) {
            Some(index) => Place::Pack(index),
            None => Place::File(folder.join(name)),
        }
    }

    fn folder(&self) -> &Path {
        match self {
            Place::Pack(_) => Path::new(""),
            Place::File(path) => path.parent().unwrap_or(Path::new("")),
        }
    }
}

/// Reads the named files and what they extend, in order of precedence: the last name first, each before what it extends.
pub(super) fn read_all(names: &[String]) -> Result<Vec<Source>, RulesError> {
    let mut sources = Vec::new();
    for name in names.iter().rev() {
        let mut next = Some(Place::of(name, Path::new("")));
        let mut chain = Vec::new();
        while let Some(place) = next {
            let source = Source::read(&place)?;
            next = source.document.extends.as_ref().map(|base| Place::of(base, place.folder()));
            chain.push(place);
            if next.as_ref().is_some_and(|next| chain.contains(next)) {
                return Err(source.error(&["extends".into()], "this file extends itself, over others or directly", ""));
            }
            sources.push(source);
        }
    }
    Ok(sources)
}

fn read_capped(path: &Path) -> Result<String, RulesError> {
    let fail = |source| {
        let name = path.display().to_string();
        let hint = yaml::did_you_mean(&name, PACKS.iter().map(|pack| pack.name));
        RulesError::Read { hint: hint.replace("known here", "a file's path, or a built-in name"), name, source }
    };
    let mut text = String::new();
    // One byte more than allowed, so that the parser sees that it is too much.
    let cap = limits::YAML_BYTES_MAX as u64 + 1;
    let file = fs::File::open(path).map_err(fail)?;
    io::Read::read_to_string(&mut io::Read::take(file, cap), &mut text).map_err(fail)?;
    Ok(text)
}
