//! HAR 1.2: what browsers and proxies export. Exchanges with decoded bodies and times in milliseconds.
//!
//! Beyond the format: dates with nanoseconds, `_client` and `_connections` (who, when opened), and `_bytes` beside a
//! request that its fields cannot say exactly. Names that begin with `_` are the format's own way to extend it.

mod entry;

use std::collections::HashMap;
use std::io::{self, BufRead, Write};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::entry::Instant;
use super::gather::{Exchange, Gathering};
use super::json::{Bounded, Budget, broken};
use super::{Format, FormatError, Keeps, Manner, Reading, Written};
use crate::workload::{TooLarge, Workload};

/// The format.
pub const KIND: Format = Format {
    id: "har",
    about: "HAR 1.2, as browsers and proxies export it",
    endings: &["har"],
    keeps: Keeps { bytes: true, times: true, connections: true, opened: true, status: true, answers: true },
    read: Some(Reading { is, from }),
    write: Some(write),
};

/// A connection, in `log._connections`.
#[derive(Serialize, Deserialize)]
struct Connection {
    /// As `connection` of entries.
    connection: String,
    /// As `_client` of entries.
    #[serde(default)]
    client: String,
    opened: Instant,
}

fn is(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let inside = text.strip_prefix(b"{").map(<[u8]>::trim_ascii_start).unwrap_or_default();
    inside.starts_with(b"\"log\"")
}

fn from(input: &mut dyn BufRead) -> Result<Workload, FormatError> {
    skip_mark(input)?;
    let budget = Budget::new();
    let mut file = File { budget: budget.clone(), ..File::default() };
    let bounded = io::BufReader::new(Bounded { input, budget: budget.clone() });
    let mut json = serde_json::Deserializer::from_reader(bounded);
    let read = Root(&mut file).deserialize(&mut json).and_then(|()| json.end());
    if let Some(error) = file.error {
        return Err(error);
    }
    read.map_err(|error| match broken(&error, "not what stands here in a HAR file") {
        _ if budget.is_spent() => FormatError::RecordTooLong { line: error.line() as u64 },
        other => other,
    })?;
    let mut gathering = file.gathering;
    match file.connections {
        Some(connections) => connections.iter().for_each(|c| gathering.opened(&c.client, &c.connection, c.opened.0)),
        None => spread(gathering.exchanges()),
    }
    Ok(gathering.finish())
}

/// The byte order mark that some programs begin with.
fn skip_mark(input: &mut dyn BufRead) -> io::Result<()> {
    let mark = input.fill_buf()?.starts_with(b"\xef\xbb\xbf");
    input.consume(if mark { 3 } else { 0 });
    Ok(())
}

/// Exchanges of one connection that overlap (HTTP/2 streams, connections that the file does not name) get one each: on
/// one HTTP/1 connection they would wait for each other.
fn spread(exchanges: &mut [Exchange]) {
    exchanges.sort_by_key(|exchange| exchange.at);
    let mut lanes: HashMap<Box<str>, Vec<i128>> = HashMap::new();
    for exchange in exchanges {
        let lanes = lanes.entry(exchange.connection.clone()).or_default();
        let end = exchange.answer.as_ref().map_or(exchange.at, |answer| answer.last_byte);
        let lane = lanes.iter().position(|free| *free <= exchange.at).unwrap_or(lanes.len());
        match lanes.get_mut(lane) {
            Some(free) => *free = end,
            None => lanes.push(end),
        }
        exchange.connection = format!("{} {lane}", exchange.connection).into();
    }
}

/// A file while it is read.
struct File {
    gathering: Gathering,
    connections: Option<Vec<Connection>>,
    budget: Budget,
    entries: u64,
    /// Why reading was given up, when the JSON is not to blame.
    error: Option<FormatError>,
}

impl Default for File {
    fn default() -> File {
        File { gathering: Gathering::default(), connections: None, budget: Budget::new(), entries: 0, error: None }
    }
}

impl File {
    /// Takes an entry; false when it is one too many.
    fn entry(&mut self, entry: &serde_json::Value) -> bool {
        self.budget.renew();
        self.entries += 1;
        match entry::exchange(entry) {
            entry::Read::Exchange(exchange) => match self.gathering.add(*exchange) {
                Ok(()) => {}
                Err(too_large @ TooLarge) => {
                    self.error = Some(too_large.into());
                    return false;
                }
            },
            entry::Read::NeverSent => {}
            entry::Read::Unreadable => self.gathering.left_out.unreadable += 1,
        }
        true
    }
}

/// `{"log": …}`
struct Root<'a>(&'a mut File);
/// `{"entries": […]}`
struct Log<'a>(&'a mut File);
/// `[…]`
struct Entries<'a>(&'a mut File);

macro_rules! seed {
    ($name:ident, $how:ident) => {
        impl<'de> DeserializeSeed<'de> for $name<'_> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.$how(self)
            }
        }
    };
}

seed!(Root, deserialize_map);
seed!(Log, deserialize_map);
seed!(Entries, deserialize_seq);

impl<'de> Visitor<'de> for Root<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a HAR file")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match &*key {
                "log" => map.next_value_seed(Log(self.0))?,
                _ => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Log<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a log")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match &*key {
                "entries" => map.next_value_seed(Entries(self.0))?,
                "_connections" => self.0.connections = map.next_value()?,
                _ => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(entry) = entries.next_element::<serde_json::Value>()? {
            if !self.0.entry(&entry) {
                return Err(serde::de::Error::custom("too large"));
            }
        }
        Ok(())
    }
}

fn write(workload: &Workload, manner: &Manner, out: &mut dyn Write) -> io::Result<Written> {
    let start = workload.started_ns;
    let mut head = json!({
        "version": "1.2",
        "creator": {"name": "standin", "version": env!("CARGO_PKG_VERSION"), "comment": manner.comment},
        "pages": [],
    });
    let (mut first, mut connections) = (0, Vec::new());
    let mut entries = Vec::new();
    for session in &workload.sessions {
        for (n, connection) in (first..).zip(&session.connections) {
            let (connection, opened) = (n.to_string(), Instant(start + i128::from(connection.opened)));
            connections.push(Connection { connection, client: session.client.to_string(), opened });
        }
        for step in session.steps.iter().filter(|step| step.request.message.is_none()) {
            entries.push((step.at, first + u64::from(step.connection), session.client, step));
        }
        first += session.connections.len() as u64;
    }
    entries.sort_by_key(|(at, connection, ..)| (*at, *connection));
    head["_connections"] = serde_json::to_value(connections)?;
    // `{"log":{…` stays open for the entries, which come one by one.
    let head = serde_json::to_string(&head)?;
    write!(out, "{{\"log\":{},\"entries\":[", head.trim_end_matches('}'))?;
    let mut written = Written::default();
    for (_, connection, client, step) in entries {
        let separator = if written.requests == 0 { "\n" } else { ",\n" };
        out.write_all(separator.as_bytes())?;
        serde_json::to_writer(&mut *out, &entry::entry(step, start, connection, client))?;
        written.requests += 1;
    }
    out.write_all(b"\n]}}\n")?;
    Ok(written)
}
