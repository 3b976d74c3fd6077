//! GoReplay's files: records of raw messages, `TYPE ID TIME LATENCY`, a line with three monkeys between them
//! (goreplay, protocol.go, input_raw.go, internal/tcp/tcp_message.go).
//!
//! An id is 24 hex digits: ports and address of the connection in the first 16, of which the last 8 are the client's
//! address, and something that tells its requests apart. Older files have other ids: then each request is on its own.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};

use super::gather::{Answered, Exchange, Gathering};
use super::message::{Message, one_request};
use super::{Format, FormatError, Keeps, Lines, Manner, Reading, Written};
use crate::workload::{Step, Workload};

/// The format.
pub const KIND: Format = Format {
    id: "gor",
    about: "GoReplay: raw requests and responses",
    endings: &["gor"],
    keeps: Keeps { bytes: true, times: true, connections: true, opened: false, status: true, answers: true },
    read: Some(Reading { is, from }),
    write: Some(write),
};

/// The line between records.
const SEPARATOR: &[u8] = "🐵🙈🙉\n".as_bytes();
const REQUEST: &[u8] = b"1";
const RESPONSE: &[u8] = b"2";
const REPLAYED: &[u8] = b"3";

/// A record's first line.
struct Meta {
    /// One of `1`, `2`, `3`.
    kind: u8,
    id: Box<str>,
    /// Nanoseconds since 1970.
    at: i128,
    /// Nanoseconds from its first to its last byte.
    lasts: i128,
}

impl Meta {
    fn of(line: &[u8]) -> Option<Meta> {
        let mut words = line.trim_ascii_end().split(|&b| b == b' ');
        let kind = words.next().filter(|kind| [REQUEST, RESPONSE, REPLAYED].contains(kind))?;
        let id =
            words.next().filter(|id| !id.is_empty() && id.len() <= 64 && id.iter().all(u8::is_ascii_alphanumeric))?;
        let mut number = || std::str::from_utf8(words.next()?).ok()?.parse::<i64>().ok();
        let at = number()?.into();
        let lasts = number().unwrap_or(0).max(0).into();
        Some(Meta { kind: kind[0], id: std::str::from_utf8(id).ok()?.into(), at, lasts })
    }
}

fn is(head: &[u8]) -> bool {
    let line = head.split(|&b| b == b'\n').next().unwrap_or_default();
    line.len() < head.len() && Meta::of(line).is_some()
}

fn from(input: &mut dyn BufRead) -> Result<Workload, FormatError> {
    let mut lines = Lines::new(input);
    let mut gathering = Gathering::default();
    let mut open: HashMap<Box<str>, usize> = HashMap::new();
    let mut record = Vec::new();
    loop {
        let begins = lines.number + 1;
        record.clear();
        let more = next_record(&mut lines, &mut record)?;
        if !record.is_empty() {
            let end = memchr::memchr(b'\n', &record).unwrap_or(record.len());
            let meta = Meta::of(&record[..end])
                .ok_or(FormatError::Broken { line: begins, what: "not the first line of a GoReplay record" })?;
            let message = record.get(end + 1..).unwrap_or_default();
            take(&mut gathering, &mut open, meta, message)?;
        }
        if !more {
            break;
        }
    }
    Ok(gathering.finish())
}

/// Reads up to the next separator, which is left out; false when the file ends here.
fn next_record(lines: &mut Lines<'_>, record: &mut Vec<u8>) -> Result<bool, FormatError> {
    loop {
        let start = record.len();
        if !lines.next(record)? {
            return Ok(false);
        }
        if &record[start..] == SEPARATOR {
            // The line feed before it belongs to the separator.
            record.truncate(start.saturating_sub(1));
            return Ok(true);
        }
    }
}

fn take(
    gathering: &mut Gathering,
    open: &mut HashMap<Box<str>, usize>,
    meta: Meta,
    message: &[u8],
) -> Result<(), FormatError> {
    if meta.kind == REQUEST[0] {
        let Some(request) = one_request(message.to_vec()) else {
            gathering.left_out.incomplete_requests += 1;
            return Ok(());
        };
        let (client, connection) = parties(&meta.id);
        let (client, connection) = (client.into(), connection.into());
        open.insert(meta.id, gathering.exchanges().len());
        gathering.add(Exchange { client, connection, at: meta.at, request, answer: None })?;
        return Ok(());
    }
    let status = std::str::from_utf8(Message::of(message).word(1)).ok().and_then(|status| status.parse().ok());
    let asked = open.get(&meta.id).and_then(|n| gathering.exchanges().get(*n));
    let (Some(status), Some(asked)) = (status, asked) else {
        gathering.left_out.orphan_responses += 1;
        return Ok(());
    };
    // What was recorded counts more than what a replay got.
    if meta.kind == REPLAYED[0] && asked.answer.is_some() {
        return Ok(());
    }
    // Old files have the time that it took where newer ones have the instant.
    let first_byte = if meta.at < asked.at { asked.at + meta.at.max(0) } else { meta.at };
    let answer = Answered { status, first_byte, last_byte: first_byte + meta.lasts, bytes: message.to_vec() };
    gathering.answer(open[&meta.id], answer)?;
    Ok(())
}

/// Client and connection of an id.
fn parties(id: &str) -> (&str, &str) {
    match (id.len(), id.get(..16), id.get(8..16)) {
        (24, Some(connection), Some(client)) if id.bytes().all(|b| b.is_ascii_hexdigit()) => (client, connection),
        _ => ("", id),
    }
}

fn write(workload: &Workload, _manner: &Manner, out: &mut dyn Write) -> io::Result<Written> {
    let mut written = Written::default();
    let mut first = 0;
    let mut order = Vec::new();
    for (n, session) in workload.sessions.iter().enumerate() {
        let mut counts = vec![0_u64; session.connections.len()];
        for step in session.steps.iter().filter(|step| step.request.message.is_none()) {
            let connection = first + u64::from(step.connection);
            let count =
                counts.get_mut(step.connection as usize).map_or(0, |count| std::mem::replace(count, *count + 1));
            order.push((step.at, n, id(connection, session.client, count), step));
        }
        first += session.connections.len() as u64;
    }
    order.sort_by_key(|(at, n, ..)| (*at, *n));
    for (_, _, id, step) in order {
        match records(workload.started_ns, &id, step) {
            Some(records) => {
                out.write_all(&records)?;
                written.requests += 1;
            }
            None => written.left_out += 1,
        }
    }
    Ok(written)
}

/// 24 hex digits; the first 20 are one connection's own for its first 65,536 requests, as GoReplay takes them for a session.
fn id(connection: u64, client: u32, count: u64) -> String {
    format!("{:08x}{client:08x}{:08x}", connection as u32, count as u32)
}

/// The records of an exchange; none when a separator stands in it.
fn records(start: i128, id: &str, step: &Step) -> Option<Vec<u8>> {
    let mut bytes = record(b'1', id, start + i128::from(step.at), 0, &step.request.bytes)?;
    if let Some(answer) = step.expect.as_ref().filter(|answer| !answer.bytes.is_empty()) {
        let lasts = answer.last_byte - answer.first_byte;
        bytes.extend(record(b'2', id, start + i128::from(answer.first_byte), lasts, &answer.bytes)?);
    }
    Some(bytes)
}

fn record(kind: u8, id: &str, at: i128, lasts: u64, message: &[u8]) -> Option<Vec<u8>> {
    let mut record = format!("{} {id} {at} {lasts}\n", kind as char).into_bytes();
    record.extend_from_slice(message);
    record.push(b'\n');
    let is_cut = memchr::memmem::find(&record, &[b"\n", SEPARATOR].concat()).is_some();
    record.extend_from_slice(SEPARATOR);
    (!is_cut).then_some(record)
}
