//! Who sends a request, as far as counting people needs it: hashes, keyed afresh in each process, and no names.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use super::shape::{Shape, names_follow, shape};
use crate::limits::{LEARN_CLIENTS_MAX, LEARN_CREDENTIALS_MAX};
use crate::protocol::{Field, Role};

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who {
    /// By what it showed to prove who it is.
    pub(super) authenticated: Option<u64>,
    /// Where it is: the first `X-Forwarded-For`, else its address.
    pub(super) place: u64,
}

/// All clients of a capture.
#[derive(Default)]
pub(super) struct Clients {
    identities: HashSet<u64>,
    /// Places that somebody known speaks from, and those that somebody unknown does.
    known: HashSet<u64>,
    unknown: HashSet<u64>,
}

impl Clients {
    pub(super) fn add(&mut self, who: Who) {
        if self.identities.len() + self.unknown.len() >= LEARN_CLIENTS_MAX {
            return;
        }
        match who.authenticated {
            Some(identity) => {
                self.identities.insert(identity);
                self.known.insert(who.place);
            }
            None => {
                self.unknown.insert(who.place);
            }
        }
    }

    /// Somebody unknown is nobody else than a known client of the same place.
    pub(super) fn count(&self) -> usize {
        self.identities.len() + self.unknown.difference(&self.known).count()
    }
}

/// Names of fields by which people say who they are when they sign in.
const LOGIN_NAMES: &[&str] =
    &["email", "e-mail", "mail", "user", "username", "user_name", "login", "userid", "user_id", "account", "uid"];
/// Parts of the names of fields and cookies that hold what proves an identity.
const CREDENTIAL_NAMES: &[&str] = &["token", "sess", "sid", "auth", "jwt", "login", "remember", "api_key", "apikey"];
/// Shorter values prove nothing.
const CREDENTIAL_MIN: usize = 8;

/// How well something says who sends; the best of a request counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Proof {
    /// A session cookie that nobody was seen to be given.
    Cookie,
    /// A token likewise.
    Token,
    /// The name that somebody signs in with.
    Login,
    /// A credential that a known client was given.
    Resolved,
    /// A user name beside a password in each request.
    User,
}

/// Which credential was given to whom, the latest ones.
#[derive(Default)]
pub(super) struct Credentials {
    young: HashMap<u64, u64>,
    old: HashMap<u64, u64>,
}

impl Credentials {
    fn holder(&self, credential: u64) -> Option<u64> {
        self.young.get(&credential).or_else(|| self.old.get(&credential)).copied()
    }

    /// A response tells its client a value: a token or cookie proves the same identity from now on.
    pub(super) fn hand_out(&mut self, field: &Field<'_>, text: &[u8], who: Who, hasher: &RandomState) {
        let Some(identity) = who.authenticated else { return };
        let cookie = field.path.contains(".set-cookie.");
        if text.len() < CREDENTIAL_MIN || !(cookie || is_credential(field.name)) {
            return;
        }
        if self.young.len() >= LEARN_CREDENTIALS_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(credential(text, hasher), identity);
    }
}

/// The same for a value in a cookie, a header and a body.
fn credential(text: &[u8], hasher: &RandomState) -> u64 {
    hasher.hash_one(("credential", text))
}

fn is_credential(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    CREDENTIAL_NAMES.iter().any(|part| lower.contains(part))
}

/// A request while it is read.
pub(super) struct Asking {
    best: Option<(Proof, u64)>,
    forwarded: Option<u64>,
    /// The path segment before the current one; none behind an id.
    before: Option<Box<str>>,
    last: Option<Box<str>>,
    notes: Vec<Note>,
    room: usize,
}

struct Note {
    path: Box<str>,
    name: Box<str>,
    behind: Option<Box<str>>,
    text: Box<[u8]>,
    personal: bool,
}

/// A value that a request says.
pub(super) struct Said<'a> {
    pub(super) path: &'a str,
    pub(super) name: &'a str,
    /// Of a path segment, the one before it.
    pub(super) behind: Option<&'a str>,
    pub(super) text: &'a [u8],
    /// It may be somebody's.
    pub(super) personal: bool,
}

impl Asking {
    /// Keeps up to so many bytes of its values.
    pub(super) fn new(room: usize) -> Asking {
        Asking { best: None, forwarded: None, before: None, last: None, notes: Vec::new(), room }
    }

    /// What a field says about the sender.
    pub(super) fn identify(&mut self, field: &Field<'_>, text: &[u8], hasher: &RandomState, known: &Credentials) {
        if text.is_empty() {
            return;
        }
        if let Some(header) = field.path.strip_prefix("http.request.header.") {
            match header {
                "x-forwarded-for" | "forwarded.for" => {
                    self.forwarded.get_or_insert_with(|| hasher.hash_one(("forwarded", text)));
                }
                "authorization.basic" => {
                    let user = text.split(|&b| b == b':').next().unwrap_or_default();
                    self.proves(Proof::User, hasher.hash_one(("login", user.to_ascii_lowercase())));
                }
                _ if header.starts_with("authorization") || is_credential(field.name) => {
                    self.shows(Proof::Token, text, hasher, known);
                }
                _ => {}
            }
        } else if field.path.starts_with("http.request.cookie.") {
            let proof = if is_credential(field.name) { Some(Proof::Cookie) } else { None };
            self.shows_perhaps(proof, text, hasher, known);
        } else if field.path.starts_with("http.request.body.") || field.path.starts_with("http.request.query.") {
            let lower = field.name.to_ascii_lowercase();
            if LOGIN_NAMES.contains(&lower.as_str()) {
                self.proves(Proof::Login, hasher.hash_one(("login", text.to_ascii_lowercase())));
            }
            self.shows_perhaps(None, text, hasher, known);
        }
    }

    fn shows(&mut self, proof: Proof, text: &[u8], hasher: &RandomState, known: &Credentials) {
        self.shows_perhaps(Some(proof), text, hasher, known);
    }

    /// A credential: its holder, when it was seen to be given to one; else it stands for itself, if it may.
    fn shows_perhaps(&mut self, proof: Option<Proof>, text: &[u8], hasher: &RandomState, known: &Credentials) {
        if text.len() < CREDENTIAL_MIN {
            return;
        }
        let credential = credential(text, hasher);
        match (known.holder(credential), proof) {
            (Some(holder), _) => self.proves(Proof::Resolved, holder),
            (None, Some(proof)) => self.proves(proof, credential),
            (None, None) => {}
        }
    }

    fn proves(&mut self, proof: Proof, identity: u64) {
        if self.best.is_none_or(|(best, _)| best < proof) {
            self.best = Some((proof, identity));
        }
    }

    /// The next segment of the target's path.
    pub(super) fn segment(&mut self, text: &[u8]) {
        let is_word = shape(text, Role::Segment) == Shape::Word;
        let next = std::str::from_utf8(text).ok().filter(|_| is_word).map(Into::into);
        self.before = std::mem::replace(&mut self.last, next);
    }

    /// The segment before this one is the name of a kind of people: `/users/…`.
    pub(super) fn is_behind_a_person(&self, field: &Field<'_>) -> bool {
        let behind = self.before.as_deref().filter(|_| field.role == Role::Segment);
        behind.is_some_and(names_follow)
    }

    /// Remembers a value until it is known who sends it. False when there is no more room.
    pub(super) fn note(&mut self, field: &Field<'_>, text: &[u8], personal: bool) -> bool {
        if shape(text, field.role) == Shape::Other {
            return true;
        }
        let bytes = field.path.len() + field.name.len() + text.len() + size_of::<Note>();
        let Some(room) = self.room.checked_sub(bytes) else { return false };
        self.room = room;
        let behind = self.before.clone().filter(|_| field.role == Role::Segment);
        let (path, name) = (field.path.into(), field.name.into());
        self.notes.push(Note { path, name, behind, text: text.into(), personal });
        true
    }

    /// Who sent it, from this address.
    pub(super) fn who(&self, address: u64) -> Who {
        Who { authenticated: self.best.map(|(_, identity)| identity), place: self.forwarded.unwrap_or(address) }
    }

    /// The values that it says.
    pub(super) fn notes(&self) -> impl Iterator<Item = Said<'_>> {
        self.notes.iter().map(|note| Said {
            path: &note.path,
            name: &note.name,
            behind: note.behind.as_deref(),
            text: &note.text,
            personal: note.personal,
        })
    }
}
