//! Which request values did an earlier response hand out? No rules: provenance is in the capture.
//!
//! Per client, requests and responses are gone through in the order they happened. A value that a response told first is
//! remembered with its place; when a later request sends it, that is an edge. A value that the client sent first is its
//! own, whoever repeats it.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::limits::ORIGINS_PER_VALUE;
use crate::protocol::{Role, Side};

use super::values::{Value, read, tokens};
use super::{Edge, Request, Session, Source, Step, Workload};

/// Finds the edges of a workload and joins sessions that they cross. Drops the bytes of responses: nothing else needs
/// them.
pub fn correlate(workload: &mut Workload) {
    let sessions = std::mem::take(&mut workload.sessions);
    let mut clients: BTreeMap<u32, Vec<Session>> = BTreeMap::new();
    for session in sessions {
        clients.entry(session.client).or_default().push(session);
    }
    workload.sessions = clients.into_values().flat_map(|sessions| Client::new(sessions).joined()).collect();
    workload.sessions.sort_by_key(|session| session.steps.first().map(|step| step.at));
}

/// A step of one of a client's sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct StepRef {
    session: usize,
    step: usize,
}

/// Where a value was told.
struct Origin {
    by: StepRef,
    path: Box<str>,
    name: Box<str>,
    ordinal: u32,
    token: Option<u32>,
}

/// Where a request's value comes from.
struct Link {
    edge: Edge,
    of: StepRef,
    from: StepRef,
    source: Source,
}

/// One client while its values are followed.
struct Client {
    sessions: Vec<Session>,
    told: HashMap<Box<[u8]>, Vec<Origin>>,
    /// Values that the client said first, and under which names it said others.
    own: HashSet<Box<[u8]>>,
    links: Vec<Link>,
}

/// Requests come before responses of the same instant: a request cannot hold what arrives with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Asks,
    Answers,
}

impl Client {
    fn new(sessions: Vec<Session>) -> Client {
        let mut client = Client { sessions, told: HashMap::new(), own: HashSet::new(), links: Vec::new() };
        let mut events = Vec::new();
        for (n, session) in client.sessions.iter().enumerate() {
            for (m, step) in session.steps.iter().enumerate() {
                let at = StepRef { session: n, step: m };
                events.push((step.at, Event::Asks, at));
                events.extend(step.expect.as_ref().map(|response| (response.last_byte, Event::Answers, at)));
            }
        }
        events.sort_unstable();
        for (_, event, at) in events {
            match event {
                Event::Asks => client.asks(at),
                Event::Answers => client.answers(at),
            }
        }
        client
    }

    /// Looks for a request's values among those told, and remembers the others as the client's own.
    fn asks(&mut self, at: StepRef) {
        let request = &self.sessions[at.session].steps[at.step].request;
        let (told, sessions, own, links) = (&self.told, &self.sessions, &mut self.own, &mut self.links);
        let mut take = |value: &Value<'_>, text: &[u8], position: Option<(usize, usize)>| {
            let weight = weight(text, value);
            if weight == Weight::Light {
                return false;
            }
            let origins = told.get(text).map(Vec::as_slice).unwrap_or_default();
            let asked = Asked::new(at.session, request, value);
            let Some((origin, (start, end))) = asked.best(text, weight, origins, sessions).zip(position) else {
                // Told before, and by nothing like this: a field of this name tells it only as an echo.
                own.insert(if origins.is_empty() { text.into() } else { named(value.name, text) });
                return false;
            };
            let edge = Edge { at: start..end, encoding: value.encoding, source: 0 };
            let source = Source { step: 0, path: origin.path.clone(), ordinal: origin.ordinal, token: origin.token };
            links.push(Link { edge, of: at, from: origin.by, source });
            true
        };
        read(&request.bytes, &[], &mut |side, value| {
            if side == Side::Server || !travels(value) || take(value, value.text, value.at) {
                return;
            }
            for word in tokens(value.text).filter(|word| word.len() < value.text.len()) {
                let position =
                    value.at.filter(|_| value.plain).map(|(start, _)| (start + word.start, start + word.end));
                take(value, &value.text[word], position);
            }
        });
    }

    /// Remembers what a response told.
    fn answers(&mut self, at: StepRef) {
        let step = &mut self.sessions[at.session].steps[at.step];
        let bytes = step.expect.as_mut().map(|response| std::mem::take(&mut response.bytes)).unwrap_or_default();
        let (told, own) = (&mut self.told, &self.own);
        let mut tell = |value: &Value<'_>, text: &[u8], token: Option<u32>| {
            let is_echo = || own.contains(text) || own.contains(&named(value.name, text));
            if weight(text, value) == Weight::Light || is_echo() {
                return;
            }
            let origin =
                || Origin { by: at, path: value.path.into(), name: value.name.into(), ordinal: value.ordinal, token };
            match told.get_mut(text) {
                Some(origins) => {
                    if origins.len() >= ORIGINS_PER_VALUE {
                        origins.remove(1);
                    }
                    origins.push(origin());
                }
                None => {
                    told.insert(text.into(), vec![origin()]);
                }
            }
        };
        read(&step.request.bytes, &bytes, &mut |side, value| {
            if side == Side::Client || !travels(value) {
                return;
            }
            tell(value, value.text, None);
            for (n, word) in (0..).zip(tokens(value.text)).filter(|(_, word)| word.len() < value.text.len()) {
                tell(value, &value.text[word], Some(n));
            }
        });
    }

    /// The sessions with their edges; those between which values went are one.
    fn joined(self) -> Vec<Session> {
        let mut groups = Groups::new(self.sessions.len());
        self.links.iter().for_each(|link| groups.join(link.of.session, link.from.session));
        let mut links = self.links;
        links.sort_by_key(|link| link.of);
        let mut links = links.into_iter().peekable();

        // Steps find their place in the joined session by time, so all of a group are gathered before any is numbered.
        let mut joined: BTreeMap<usize, Joined> = BTreeMap::new();
        for (n, session) in self.sessions.into_iter().enumerate() {
            let into =
                joined.entry(groups.of(n)).or_insert_with(|| Joined { client: session.client, ..Joined::default() });
            let first = into.connections.len() as u32;
            into.connections.extend(session.connections);
            for (m, mut step) in session.steps.into_iter().enumerate() {
                let at = StepRef { session: n, step: m };
                step.connection += first;
                let mut mine = Vec::new();
                while let Some(link) = links.next_if(|link| link.of == at) {
                    mine.push(link);
                }
                into.steps.push((at, step, mine));
            }
        }
        joined.into_values().map(Joined::session).collect()
    }
}

/// Sessions put together.
#[derive(Default)]
struct Joined {
    client: u32,
    connections: Vec<super::Connection>,
    steps: Vec<(StepRef, Step, Vec<Link>)>,
}

impl Joined {
    fn session(mut self) -> Session {
        self.steps.sort_by_key(|(at, step, _)| (step.at, *at));
        let places: HashMap<StepRef, u32> = (0..).zip(&self.steps).map(|(n, (at, ..))| (*at, n)).collect();
        let mut session = Session { client: self.client, connections: self.connections, ..Session::default() };
        let mut sources: HashMap<Source, u32> = HashMap::new();
        for (_, mut step, links) in self.steps {
            for link in links {
                let source = Source { step: places[&link.from], ..link.source };
                let number = *sources.entry(source.clone()).or_insert_with(|| {
                    session.sources.push(source);
                    session.sources.len() as u32 - 1
                });
                step.edges.push(Edge { source: number, ..link.edge });
            }
            step.edges.sort_by_key(|edge| edge.at.start);
            step.edges.dedup_by(|later, earlier| later.at.start < earlier.at.end);
            session.steps.push(step);
        }
        session.pace();
        session
    }
}

/// Sets that are joined (union-find; the smallest member stands for its set).
struct Groups(Vec<usize>);

impl Groups {
    fn new(len: usize) -> Groups {
        Groups((0..len).collect())
    }

    fn of(&mut self, mut member: usize) -> usize {
        while self.0[member] != member {
            self.0[member] = self.0[self.0[member]];
            member = self.0[member];
        }
        member
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.of(a), self.of(b));
        self.0[a.max(b)] = a.min(b);
    }
}

/// What is known about the place of a request's value.
struct Asked<'a> {
    session: usize,
    name: &'a str,
    /// What the value is an id of, as far as its place says: `product` for `product_id` and `/products/…`.
    stem: String,
}

impl<'a> Asked<'a> {
    fn new(session: usize, request: &Request, value: &Value<'a>) -> Asked<'a> {
        let stem = match (value.role, value.at) {
            (Role::Segment, Some((start, _))) => segment_before(&request.bytes, start).trim_end_matches('s').to_owned(),
            _ => stem(value.name),
        };
        Asked { session, name: value.name, stem }
    }

    /// The origin that fits best: by name, then one on the same connection, then the earliest. Short numbers and words are
    /// everywhere: they need a likeness of names.
    fn best<'o>(&self, text: &[u8], weight: Weight, origins: &'o [Origin], sessions: &[Session]) -> Option<&'o Origin> {
        let least = match weight {
            Weight::Named => 2,
            _ if text.len() < NUMBER_MIN && is_number(text) => 1,
            _ => 0,
        };
        let likeness = |origin: &Origin| {
            let target = sessions[origin.by.session].steps[origin.by.step].request.target();
            let target =
                String::from_utf8_lossy(target.split(|&b| b == b'?').next().unwrap_or_default()).to_ascii_lowercase();
            // `id` in an answer of `/products` is a product's; `user_id` there is not.
            let is_stem = origin.path.to_ascii_lowercase().contains(&self.stem)
                || (stem(&origin.name).is_empty() && target.contains(&self.stem));
            u8::from(!self.name.is_empty() && *self.name == *origin.name) * 2
                + u8::from(!self.stem.is_empty() && is_stem)
        };
        let rank = |origin: &Origin| (likeness(origin), origin.by.session == self.session);
        let ranked = origins.iter().map(|origin| (rank(origin), origin)).rev();
        let (_, best) = ranked.max_by_key(|(rank, _)| *rank).filter(|((likeness, _), _)| *likeness >= least)?;
        Some(best)
    }
}

/// A value under a field's name.
fn named(name: &str, text: &[u8]) -> Box<[u8]> {
    [name.as_bytes(), b"=", text].concat().into()
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

/// How sure it is that a value which stands in two places came from one to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    let word = text.len() < WORD_MAX
        && text.iter().all(u8::is_ascii_alphabetic)
        && (text.iter().skip(1).all(u8::is_ascii_lowercase) || text.iter().all(u8::is_ascii_uppercase));
    match text.len() {
        0..4 => Weight::Light,
        _ if fraction => Weight::Light,
        _ if word => Weight::Named,
        _ => Weight::Heavy,
    }
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
