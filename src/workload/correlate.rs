//! Which request values did an earlier response hand out? No rules: provenance is in the capture.
//!
//! Per client, requests and responses are gone through in the order they happened. A value that a response told first is
//! remembered with its place; when a later request sends it, that is an edge. A value that the client sent first is its
//! own, whoever repeats it.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::protocol::{Role, Side};

use super::following::{Following, Latest};
use super::known::{Field, Known, Origin};
use super::line::{Line, Place, Telling};
use super::stream::HEARD;
use super::turn::Follows;
use super::values::{Value, read, tokens};
use super::{Edge, Request, Session, Source, Step, Workload};

/// Finds the edges of a workload and joins sessions that they cross. Drops the bytes of responses: nothing else needs
/// them.
pub fn correlate(workload: &mut Workload) {
    correlate_by(workload, &Following::default());
}

/// As [`correlate`], with a user's overrides.
pub fn correlate_by(workload: &mut Workload, following: &Following) {
    let sessions = std::mem::take(&mut workload.sessions);
    workload.sessions = Whole::new(sessions, Correlator::new(following.clone())).joined();
    if workload.untimed {
        workload.in_sequence();
    }
}

/// Follows values through a capture's exchanges, in the order they happen.
#[derive(Default)]
pub(super) struct Correlator {
    known: Known,
    following: Following,
    latest: Latest,
}

/// Who asks.
pub(super) struct Asker<'a> {
    pub(super) client: u64,
    pub(super) line: &'a Rc<Line>,
    /// When, nanoseconds from the capture's start.
    pub(super) at: u64,
}

impl Correlator {
    /// With a user's overrides.
    pub(super) fn new(following: Following) -> Correlator {
        Correlator { following, ..Correlator::default() }
    }

    /// Looks for a request's values among those told, and remembers the others as the client's own. The connections
    /// that values come from are joined to the asker's.
    pub(super) fn asks(&mut self, asker: &Asker<'_>, request: &Request) -> Vec<Follows> {
        let Correlator { known, following, latest } = self;
        if following.off {
            return Vec::new();
        }
        let mut edges: Vec<Follows> = Vec::new();
        let follow = |origin: &Origin, value: &Value<'_>, (start, end): (usize, usize)| {
            let place = Place { path: origin.field.path.clone(), ordinal: origin.ordinal, token: origin.token };
            asker.line.join(&origin.by.line);
            let number = origin.by.told.number(&place);
            let (from, connection) = (origin.by.number, origin.by.line.connection());
            Follows { at: start..end, encoding: value.encoding, from, connection, value: number }
        };
        let mut take = |value: &Value<'_>, text: &[u8], position: Option<(usize, usize)>| {
            let weight = weight(text, value);
            if weight == Weight::Light {
                return false;
            }
            let origins = known.get(asker.client, text).map(super::known::Heard::origins).unwrap_or_default();
            let best = || Asked::new(asker, request, value).best(text, weight, origins);
            let best = if origins.is_empty() { None } else { best() };
            let Some((origin, place)) = best.zip(position) else {
                match origins.is_empty() {
                    true => known.says(asker.client, text),
                    false => known.echoes(asker.client, value.name, text),
                }
                return false;
            };
            edges.push(follow(origin, value, place));
            true
        };
        let mut forced: Vec<Follows> = Vec::new();
        read(&request.bytes, b"", &mut |side, value| {
            if side == Side::Server || following.ignores(value.path) {
                return;
            }
            if let Some((origin, place)) = latest.of(following, asker.client, value.path).zip(value.at) {
                forced.push(follow(origin, value, place));
                return;
            }
            if !travels(value) || take(value, value.text, value.at) {
                return;
            }
            for word in tokens(value.text).filter(|word| word.len() < value.text.len()) {
                let position =
                    value.at.filter(|_| value.plain).map(|(start, _)| (start + word.start, start + word.end));
                take(value, &value.text[word], position);
            }
        });
        edges.append(&mut forced);
        edges.sort_by_key(|edge| edge.at.start);
        edges.dedup_by(|later, earlier| later.at.start < earlier.at.end);
        edges
    }

    /// Remembers what a response told. `method`: of its request.
    pub(super) fn answers(&mut self, client: u64, by: &Rc<Telling>, method: &[u8], response: &[u8], last_byte: u64) {
        by.at.set(last_byte);
        by.line.ended(last_byte, by.number);
        let Correlator { known, following, latest } = self;
        if following.off {
            return;
        }
        // `least`: what is lighter is not worth to be remembered.
        let mut tell =
            |value: &Value<'_>, (text, token): (&[u8], Option<u32>), least: Weight, field: &mut Option<Rc<Field>>| {
                if weight(text, value) >= least && !known.is_echo(client, value.name, text) {
                    let field = field.get_or_insert_with(|| known.field(value.path, value.name)).clone();
                    known.tells(client, text, Origin { by: by.clone(), field, ordinal: value.ordinal, token });
                }
            };
        let mut pairs = Vec::new();
        read(&super::values::question(method), response, &mut |side, value| {
            if side == Side::Client || following.ignores(value.path) {
                return;
            }
            if following.takes(value.path) {
                pairs.push((value.path.to_owned(), value.name.to_owned(), value.ordinal));
            }
            if !travels(value) {
                return;
            }
            // The same for all words of a text.
            let mut field = None;
            tell(value, (value.text, None), Weight::Named, &mut field);
            let is_prose = tokens(value.text).nth(PROSE_WORDS).is_some();
            let least = if is_prose { Weight::Heavy } else { Weight::Named };
            for (n, word) in (0..).zip(tokens(value.text)).filter(|(_, word)| word.len() < value.text.len()) {
                tell(value, (&value.text[word], Some(n)), least, &mut field);
            }
        });
        for (path, name, ordinal) in pairs {
            let origin = Origin { by: by.clone(), field: known.field(&path, &name), ordinal, token: None };
            latest.tells(following, client, &origin);
        }
    }
}

/// The path that a request asks for, lower case: says what the ids in its answer are ids of.
pub(super) fn target(request: &Request) -> String {
    let path = request.target().split(|&b| b == b'?').next().unwrap_or_default();
    String::from_utf8_lossy(path).to_ascii_lowercase()
}

/// A step of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct StepRef {
    session: usize,
    step: usize,
}

/// Requests come before responses of the same instant: a request cannot hold what arrives with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Asks,
    Answers,
}

/// A workload while its values are followed.
struct Whole {
    sessions: Vec<Session>,
    /// One for each connection of each session.
    lines: Vec<Vec<Rc<Line>>>,
    /// By number: in order of time.
    steps: Vec<StepRef>,
    found: HashMap<StepRef, Found>,
}

/// What is found out about a step.
struct Found {
    number: u64,
    telling: Rc<Telling>,
    edges: Vec<Follows>,
    seen: Option<(u64, u64)>,
}

impl Whole {
    fn new(sessions: Vec<Session>, mut correlator: Correlator) -> Whole {
        let mut connections = 0..;
        let mut line = || Line::new(connections.next().unwrap_or(u32::MAX));
        let lines = sessions.iter().map(|session| session.connections.iter().map(|_| line()).collect()).collect();
        let mut whole = Whole { sessions, lines, steps: Vec::new(), found: HashMap::new() };
        let mut events = Vec::new();
        for (n, session) in whole.sessions.iter().enumerate() {
            for (m, step) in session.steps.iter().enumerate() {
                let at = StepRef { session: n, step: m };
                // What a server says unasked has its number, too.
                events.push((step.at, Event::Asks, at));
                events.extend(step.heard_at().map(|end| (end, Event::Answers, at)));
            }
        }
        events.sort_unstable();
        for (_, event, at) in events {
            match event {
                Event::Asks => whole.asks(at, &mut correlator),
                Event::Answers => whole.answers(at, &mut correlator),
            }
        }
        whole
    }

    fn asks(&mut self, at: StepRef, correlator: &mut Correlator) {
        let session = &self.sessions[at.session];
        let step = &session.steps[at.step];
        let line = &self.lines[at.session][step.connection as usize];
        let number = self.steps.len() as u64;
        let is_heard = step.request.message.as_ref().is_some_and(|message| message.is_heard());
        let (mut edges, mut seen) = (Vec::new(), None);
        if !is_heard {
            edges = correlator.asks(&Asker { client: session.client.into(), line, at: step.at }, &step.request);
            seen = line.seen(step.at, number);
        }
        let telling = Rc::new(Telling::new(number, line.clone(), &target(&step.request)));
        self.steps.push(at);
        self.found.insert(at, Found { number, telling, edges, seen });
    }

    fn answers(&mut self, at: StepRef, correlator: &mut Correlator) {
        let session = &mut self.sessions[at.session];
        let client = session.client.into();
        let step = &mut session.steps[at.step];
        if let (Some(message), Some(found)) = (&step.request.message, self.found.get(&at)) {
            let (answer, last_byte) = (step.request.as_answer(), message.last_byte);
            correlator.answers(client, &found.telling, HEARD, &answer, last_byte);
            return step.request.forget_payload();
        }
        let Some((response, found)) = step.expect.as_mut().zip(self.found.get(&at)) else { return };
        let bytes = std::mem::take(&mut response.bytes);
        correlator.answers(client, &found.telling, step.request.method(), &bytes, response.last_byte);
    }

    /// The sessions with their edges; those between which values went are one.
    fn joined(self) -> Vec<Session> {
        let mut joined: BTreeMap<u32, Joined> = BTreeMap::new();
        let mut places = HashMap::new();
        // Connections first, in their order; then steps in theirs, so that all get their numbers in the joined session.
        for (session, lines) in self.sessions.iter().zip(&self.lines) {
            // A session that was one before stays one.
            lines.iter().skip(1).for_each(|line| line.join(&lines[0]));
            for (connection, line) in session.connections.iter().zip(lines) {
                let into = joined.entry(line.first().connection()).or_default();
                into.session.client = session.client;
                places.insert(line.connection(), into.session.connections.len() as u32);
                into.session.connections.push(*connection);
            }
        }
        let mut sessions: Vec<Vec<Option<Step>>> =
            self.sessions.into_iter().map(|session| session.steps.into_iter().map(Some).collect()).collect();
        let mut found = self.found;
        let mut numbers: Vec<u32> = Vec::with_capacity(self.steps.len());
        let mut tellings: Vec<Rc<Telling>> = Vec::with_capacity(self.steps.len());
        for at in self.steps {
            let (Some(mut step), Some(found)) = (sessions[at.session][at.step].take(), found.remove(&at)) else {
                continue;
            };
            let line = &self.lines[at.session][step.connection as usize];
            let into = joined.entry(line.first().connection()).or_default();
            let opened =
                into.session.connections.get(places[&line.connection()] as usize).map_or(step.at, |c| c.opened);
            step.connection = places[&line.connection()];
            step.after = found.seen.map(|(_, by)| numbers[by as usize]);
            step.think = step.at.saturating_sub(found.seen.map_or(opened, |(end, _)| end));
            step.edges = found.edges.into_iter().map(|edge| into.edge(edge, &numbers, &tellings)).collect();
            debug_assert_eq!(found.number, numbers.len() as u64);
            numbers.push(into.session.steps.len() as u32);
            tellings.push(found.telling);
            into.session.steps.push(step);
        }
        let mut sessions: Vec<Session> = joined.into_values().map(|joined| joined.session).collect();
        sessions.sort_by_key(|session| session.steps.first().map(|step| step.at));
        sessions
    }
}

/// Sessions put together.
#[derive(Default)]
struct Joined {
    session: Session,
    sources: HashMap<Source, u32>,
}

impl Joined {
    /// An edge with its source as one of the session's. `numbers`: those that steps have in their sessions.
    fn edge(&mut self, edge: Follows, numbers: &[u32], tellings: &[Rc<Telling>]) -> Edge {
        let from = edge.from as usize;
        let Place { path, ordinal, token } = tellings[from].told.with(|places| places[edge.value as usize].clone());
        let source = Source { step: numbers[from], path, ordinal, token };
        let sources = &mut self.session.sources;
        let number = *self.sources.entry(source.clone()).or_insert_with(|| {
            sources.push(source);
            sources.len() as u32 - 1
        });
        Edge { at: edge.at, encoding: edge.encoding, source: number }
    }
}

/// What is known about the place of a request's value.
struct Asked<'a> {
    connection: u32,
    at: u64,
    name: &'a str,
    /// What the value is an id of, as far as its place says: `product` for `product_id` and `/products/…`.
    stem: String,
}

impl<'a> Asked<'a> {
    fn new(asker: &Asker<'_>, request: &Request, value: &Value<'a>) -> Asked<'a> {
        let stem = match (value.role, value.at) {
            (Role::Segment, Some((start, _))) => segment_before(&request.bytes, start).trim_end_matches('s').to_owned(),
            _ => stem(value.name),
        };
        Asked { connection: asker.line.connection(), at: asker.at, name: value.name, stem }
    }

    /// The origin that fits best: by name, then one on the same connection, then the earliest. Short numbers and words are
    /// everywhere: they need a likeness of names. What was told while the request was being sent is no origin of it.
    fn best<'o>(&self, text: &[u8], weight: Weight, origins: &'o [Origin]) -> Option<&'o Origin> {
        let least = match weight {
            Weight::Named => 2,
            _ if text.len() < NUMBER_MIN && is_number(text) => 1,
            _ => 0,
        };
        let likeness = |origin: &Origin| {
            // `id` in an answer of `/products` is a product's; `user_id` there is not.
            let is_stem = origin.field.path.to_ascii_lowercase().contains(&self.stem)
                || (stem(&origin.field.name).is_empty() && origin.by.target.contains(&self.stem));
            u8::from(!self.name.is_empty() && *self.name == *origin.field.name) * 2
                + u8::from(!self.stem.is_empty() && is_stem)
        };
        let rank = |origin: &Origin| (likeness(origin), origin.by.line.connection() == self.connection);
        let before = origins.iter().filter(|origin| origin.by.at.get() <= self.at);
        let ranked = before.map(|origin| (rank(origin), origin)).rev();
        let (_, best) = ranked.max_by_key(|(rank, _)| *rank).filter(|((likeness, _), _)| *likeness >= least)?;
        Some(best)
    }
}

/// The path segment that ends before `at`.
fn segment_before(bytes: &[u8], at: usize) -> String {
    let before = bytes.get(..at.saturating_sub(1)).unwrap_or_default();
    let segment = before.rsplit(|b| matches!(b, b'/' | b' ')).next().unwrap_or_default();
    String::from_utf8_lossy(segment).to_ascii_lowercase()
}

/// `product_id`, `productId`, `product-id` -> `product`.
fn stem(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    lower.strip_suffix("id").map(|rest| rest.trim_end_matches(['_', '-']).to_owned()).unwrap_or_default()
}

/// Digits of a number that is no count, page or year.
const NUMBER_MIN: usize = 5;

/// Letters of a code in capitals.
const CODE_MIN: usize = 8;

/// A text of more words than this is meant to be read: a plain word in it is no code.
const PROSE_WORDS: usize = 8;

/// How sure it is that a value which stands in two places came from one to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// It may be there by chance: a count, a short word.
    Light,
    /// A word, or a short number, may be a code as well: it goes from a field to one of the same name.
    Named,
    /// Long enough, and unlike a word.
    Heavy,
}

fn weight(text: &[u8], value: &Value<'_>) -> Weight {
    const WORD_MAX: usize = 16;
    if is_number(text) {
        return match text.len() {
            NUMBER_MIN..=20 => Weight::Heavy,
            1..NUMBER_MIN if is_id_name(value.name) || value.role == Role::Segment => Weight::Heavy,
            3..NUMBER_MIN => Weight::Named,
            _ => Weight::Light,
        };
    }
    let fraction = text.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
    let letter = |b: &u8| b.is_ascii_alphabetic() || *b >= 0x80;
    let cased = |part: &[u8]| {
        part.iter().all(letter)
            && (part.iter().skip(1).all(|b| !b.is_ascii_uppercase()) || part.iter().all(|b| !b.is_ascii_lowercase()))
    };
    // `Zoë`, `Okonjo-Vale`, `O'Hara`.
    let word = text.len() < WORD_MAX && text.split(|b| matches!(b, b'-' | b'\'')).all(cased);
    // Where fields have no names there can be no likeness of them; what nobody writes is no word of a language.
    let capitals = text.len() >= CODE_MIN && !text.iter().any(u8::is_ascii_lowercase);
    let word = word && !(capitals && is_nameless(value));
    match text.len() {
        0..4 => Weight::Light,
        _ if fraction => Weight::Light,
        _ if word => Weight::Named,
        _ => Weight::Heavy,
    }
}

/// It stands in a message whose fields have numbers only.
fn is_nameless(value: &Value<'_>) -> bool {
    value.name.is_empty() && value.path.contains(".body.protobuf.")
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

fn is_id_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["id", "ids", "key", "number", "ref", "location"].iter().any(|ending| lower.ends_with(ending))
}

/// Headers that carry no values from one message to another, but describe the message or the speaker.
const DESCRIBING: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "age",
    "allow",
    "alt-svc",
    "cache-control",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "pragma",
    "server",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-powered-by",
];

/// The header that a field belongs to.
fn header(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("http.request.header.").or_else(|| path.strip_prefix("http.response.header."))?;
    rest.split(['.', '[']).next()
}

/// Whether a value may go from a response to a later request.
fn travels(value: &Value<'_>) -> bool {
    !matches!(value.role, Role::Name | Role::Host) && header(value.path).is_none_or(|name| !DESCRIBING.contains(&name))
}
