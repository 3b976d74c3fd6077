//! vegeta's targets: a JSON object a line, `{"method":…,"url":…,"header":{NAME:[VALUE]},"body":BASE64}`
//! (vegeta, lib/targets.go, lib/target.schema.json). There are no times, connections or answers in it.

use std::fmt;
use std::io::{self, BufRead, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::gather::{Exchange, Gathering};
use super::json::broken;
use super::message::{Draft, Message};
use super::url::{join, split};
use super::{Format, FormatError, Keeps, Lines, Manner, Reading, Written};
use crate::limits::FORMAT_HEAD_BYTES;
use crate::workload::{Request, Step, Workload};

/// The format.
pub const KIND: Format = Format {
    id: "vegeta",
    about: "vegeta targets: a JSON object for each request",
    endings: &["jsonl", "ndjson", "vegeta"],
    keeps: Keeps { bytes: false, times: false, connections: false, opened: false, status: false, answers: false },
    read: Some(Reading { is, from }),
    write: Some(write),
};

/// Connections that the requests of a file are dealt to, for want of any said in it: enough for a rate, few enough that
/// they are used again.
const CONNECTIONS: u64 = 16;

/// A line.
#[derive(Serialize, Deserialize)]
struct Target {
    method: String,
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header: Option<Headers>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

/// Names and values in their order; a name's values are told together.
struct Headers(Vec<(String, Vec<String>)>);

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, values) in &self.0 {
            map.serialize_entry(name, values)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Headers, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("headers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Headers(pairs))
            }

            fn visit_unit<E>(self) -> Result<Headers, E> {
                Ok(Headers(Vec::new()))
            }
        }
        deserializer.deserialize_any(Pairs)
    }
}

fn is(head: &[u8]) -> bool {
    let mut lines = head.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let Some(line) = lines.next() else { return false };
    // Of a line longer than what is looked at, the beginning must do.
    let begins = || head.len() >= FORMAT_HEAD_BYTES && line.starts_with(b"{\"method\":\"");
    serde_json::from_slice::<Target>(line).is_ok() || begins()
}

fn from(input: &mut dyn BufRead) -> Result<Workload, FormatError> {
    let mut lines = Lines::new(input);
    let mut gathering = Gathering::default();
    let mut line = Vec::new();
    let mut count = 0;
    while {
        line.clear();
        lines.next(&mut line)?
    } {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let target: Target =
            serde_json::from_slice(&line).map_err(|error| match broken(&error, "no vegeta target") {
                FormatError::Broken { what, .. } => lines.broken(what),
                other => other,
            })?;
        let body = STANDARD
            .decode(target.body.as_deref().unwrap_or_default())
            .map_err(|_| lines.broken("the body is no base64"))?;
        let (host, path) = split(&target.url).ok_or_else(|| lines.broken("the URL is none of http or https"))?;
        match request(&target, host, &path, &body) {
            Some(request) => {
                let connection = (count % CONNECTIONS).to_string().into();
                gathering.add(Exchange { client: "".into(), connection, at: 0, request, answer: None })?;
                count += 1;
            }
            None => gathering.left_out.unreadable += 1,
        }
    }
    Ok(Workload { untimed: true, ..gathering.finish() })
}

fn request(target: &Target, host: &str, path: &str, body: &[u8]) -> Option<Request> {
    let given = target.header.as_ref().map(|headers| headers.0.as_slice()).unwrap_or_default();
    let pairs = given.iter().flat_map(|(name, values)| values.iter().map(move |value| (name.as_str(), value.as_str())));
    let mut headers: Vec<(&str, &str)> = pairs.collect();
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        headers.insert(0, ("Host", host));
    }
    Draft { method: &target.method, target: path, version: "HTTP/1.1", headers, body }.request()
}

fn write(workload: &Workload, manner: &Manner, out: &mut dyn Write) -> io::Result<Written> {
    let mut written = Written::default();
    for step in super::in_order(workload) {
        match target(step, manner) {
            Some(target) => {
                serde_json::to_writer(&mut *out, &target)?;
                out.write_all(b"\n")?;
                written.requests += 1;
            }
            None => written.left_out += 1,
        }
    }
    Ok(written)
}

/// A request as a target; none when it is no text or has a body that cannot be told.
fn target(step: &Step, manner: &Manner) -> Option<Target> {
    let message = Message::of(&step.request.bytes);
    let mut headers: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in &message.headers {
        let (name, value) = (std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?.to_owned());
        if ["content-length", "transfer-encoding"].iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
            continue;
        }
        // With another place to go to, the old one's name is not told.
        if manner.base.is_some() && name.eq_ignore_ascii_case("host") {
            continue;
        }
        match headers.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value),
            None => headers.push((name.to_owned(), vec![value])),
        }
    }
    let url = join(&step.request, manner.base.as_deref())?;
    let method = std::str::from_utf8(step.request.method()).ok()?.to_owned();
    let body = super::message::sent(&message);
    Some(Target {
        method,
        url,
        header: (!headers.is_empty()).then_some(Headers(headers)),
        body: (!body.is_empty()).then(|| STANDARD.encode(body)),
    })
}
