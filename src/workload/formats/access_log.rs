//! Access logs in the common or combined format of Apache and nginx, with or without the virtual host in front:
//! `[HOST:PORT] CLIENT - USER [DAY/MONTH/YEAR:H:M:S ZONE] "REQUEST" STATUS BYTES ["REFERER" "AGENT"]`.
//!
//! A log holds no bodies and no headers but two, and its times are whole seconds: requests with a body are left out, and
//! the lines of one second are spread evenly over it.

use std::io::BufRead;

use jiff::fmt::strtime;

use super::gather::{Answered, Exchange, Gathering};
use super::message::Draft;
use super::url::{NOWHERE, split};
use super::{Format, FormatError, Keeps, Lines, Reading};
use crate::workload::{Request, Workload};

/// The format.
pub const KIND: Format = Format {
    id: "access-log",
    about: "access logs in the common or combined format",
    endings: &["log"],
    keeps: Keeps { bytes: false, times: false, connections: false, opened: false, status: true, answers: false },
    read: Some(Reading { is, from }),
    write: None,
};

const SECOND: i128 = 1_000_000_000;
/// Methods of which the log tells the whole request.
const BODILESS: &[&str] = &["GET", "HEAD", "OPTIONS", "DELETE", "TRACE"];

/// A line of a log.
struct Line<'a> {
    host: Option<&'a str>,
    client: &'a str,
    /// Seconds since 1970.
    second: i128,
    request: String,
    status: u16,
    referer: Option<String>,
    agent: Option<String>,
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Option<Line<'a>> {
        let open = line.find(" [")?;
        let words: Vec<&str> = line[..open].split(' ').filter(|word| !word.is_empty()).take(4).collect();
        // The user's name may hold spaces; what comes before it not.
        let (host, client) = match words.as_slice() {
            [host, client, ident, _, ..] if is_host_and_port(host) && *ident == "-" => (Some(*host), *client),
            [client, _, _, ..] => (None, *client),
            _ => return None,
        };
        let (date, rest) = line[open + 2..].split_once("] ")?;
        let second = strtime::parse("%d/%b/%Y:%H:%M:%S %z", date).ok()?.to_timestamp().ok()?.as_second().into();
        let (request, rest) = quoted(rest)?;
        let mut numbers = rest.trim_start().splitn(3, ' ');
        let status = numbers.next()?.trim().parse().ok()?;
        let bytes = numbers.next()?.trim();
        if bytes != "-" && bytes.parse::<u64>().is_err() {
            return None;
        }
        let more = numbers.next().unwrap_or_default();
        let said = |text: String| Some(text).filter(|text| text != "-" && !text.is_empty());
        let (referer, more) = quoted(more).map_or((None, ""), |(text, more)| (said(text), more));
        let agent = quoted(more.trim_start()).and_then(|(text, _)| said(text));
        Some(Line { host, client, second, request, status, referer, agent })
    }

    /// The request; none when the log does not hold all of it, or the line is none of HTTP.
    fn request(&self) -> Result<Request, Missing> {
        let mut words = self.request.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(Missing::Request) };
        let version = match words.next() {
            Some("HTTP/1.0") => "HTTP/1.0",
            Some(version) if version.starts_with("HTTP/") => "HTTP/1.1",
            _ => return Err(Missing::Request),
        };
        if !BODILESS.contains(&method) {
            return Err(Missing::Body);
        }
        let asked = split(target);
        let host = self.host.or(asked.as_ref().map(|(host, _)| *host)).unwrap_or(NOWHERE);
        let target = asked.as_ref().map_or(target, |(_, path)| path);
        let mut headers = vec![("Host", host)];
        headers.extend(self.agent.as_deref().map(|agent| ("User-Agent", agent)));
        headers.extend(self.referer.as_deref().map(|referer| ("Referer", referer)));
        Draft { method, target, version, headers, body: &[] }.request().ok_or(Missing::Request)
    }
}

/// What a line lacks.
enum Missing {
    /// It is no request.
    Request,
    /// It had a body.
    Body,
}

/// `shop.example:443`
fn is_host_and_port(word: &str) -> bool {
    let name = |host: &str| host.contains('.') && host.bytes().any(|b| b.is_ascii_alphabetic());
    word.rsplit_once(':').is_some_and(|(host, port)| name(host) && port.parse::<u16>().is_ok())
}

/// The text in the quotes that `rest` begins with, its escapes (`\"`, `\\`, `\xHH`) undone, and what follows. Bytes
/// that are no text end the line's usefulness: they are left as they are.
fn quoted(rest: &str) -> Option<(String, &str)> {
    let inside = rest.strip_prefix('"')?;
    let (mut bytes, mut at) = (Vec::new(), 0);
    let raw = inside.as_bytes();
    loop {
        match *raw.get(at)? {
            b'"' => break,
            b'\\' => {
                let hex = || u8::from_str_radix(inside.get(at + 2..at + 4)?, 16).ok();
                match raw.get(at + 1)? {
                    b'x' => {
                        bytes.push(hex()?);
                        at += 2;
                    }
                    b'n' => bytes.push(b'\n'),
                    b'r' => bytes.push(b'\r'),
                    b't' => bytes.push(b'\t'),
                    other => bytes.push(*other),
                }
                at += 2;
            }
            other => {
                bytes.push(other);
                at += 1;
            }
        }
    }
    Some((String::from_utf8_lossy(&bytes).into_owned(), inside.get(at + 1..)?.trim_start()))
}

fn is(head: &[u8]) -> bool {
    let lines = head.split(|&b| b == b'\n').take(3);
    let mut texts =
        lines.filter_map(|line| std::str::from_utf8(line.trim_ascii()).ok()).filter(|line| !line.is_empty());
    texts.any(|line| Line::of(line).is_some())
}

fn from(input: &mut dyn BufRead) -> Result<Workload, FormatError> {
    let mut lines = Lines::new(input);
    let mut gathering = Gathering::default();
    let mut bytes = Vec::new();
    while {
        bytes.clear();
        lines.next(&mut bytes)?
    } {
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let read = Line::of(text).ok_or(Missing::Request).and_then(|line| Ok((line.request()?, line)));
        match read {
            Ok((request, line)) => gathering.add(exchange(&line, request))?,
            Err(Missing::Request) => gathering.left_out.unreadable += 1,
            Err(Missing::Body) => gathering.left_out.incomplete_requests += 1,
        }
    }
    spread(gathering.exchanges());
    Ok(gathering.finish())
}

fn exchange(line: &Line<'_>, request: Request) -> Exchange {
    let at = line.second * SECOND;
    let answer = (line.status >= 200).then(|| Answered {
        status: line.status,
        first_byte: at,
        last_byte: at,
        bytes: Vec::new(),
    });
    Exchange { client: line.client.into(), connection: "".into(), at, request, answer }
}

/// Gives the requests of each second their places in it, in the order of the lines.
fn spread(exchanges: &mut [Exchange]) {
    exchanges.sort_by_key(|exchange| exchange.at);
    for second in exchanges.chunk_by_mut(|a, b| a.at == b.at) {
        let many = second.len() as i128;
        for (n, exchange) in (0..).zip(second) {
            exchange.at += n * SECOND / many;
            if let Some(answer) = &mut exchange.answer {
                (answer.first_byte, answer.last_byte) = (exchange.at, exchange.at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        let line = Line::of(text).unwrap();
        let request = line.request().ok().map(|request| String::from_utf8(request.bytes).unwrap());
        format!("{} {} {} {request:?}", line.client, line.second, line.status)
    }

    #[test]
    fn lines_of_apache_and_nginx() {
        assert_eq!(
            line(r#"192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "GET /a%20b?c=1 HTTP/1.0" 200 2326"#),
            r#"192.0.2.7 971211336 200 Some("GET /a%20b?c=1 HTTP/1.0\r\nHost: unknown.invalid\r\n\r\n")"#
        );
        assert_eq!(
            line(
                r#"2001:db8::1 - anna b [01/Jan/2024:00:00:00 +0000] "HEAD / HTTP/2.0" 304 - "https://a/?\"q\\" "M\x22 (X)" 0.012 x"#
            ),
            r#"2001:db8::1 1704067200 304 Some("HEAD / HTTP/1.1\r\nHost: unknown.invalid\r\nUser-Agent: M\" (X)\r\nReferer: https://a/?\"q\\\r\n\r\n")"#
        );
        assert_eq!(
            line(
                r#"shop.example:443 10.0.0.1 - - [01/Jan/2024:00:00:00 +0000] "GET http://other.example/x HTTP/1.1" 200 0 "-" "-""#
            ),
            r#"10.0.0.1 1704067200 200 Some("GET /x HTTP/1.1\r\nHost: shop.example:443\r\n\r\n")"#
        );
    }

    #[test]
    fn what_is_no_whole_request_is_left_out() {
        let log = concat!(
            "10.0.0.1 - - [01/Jan/2024:00:00:00 +0000] \"GET /1 HTTP/1.1\" 200 0\n",
            "10.0.0.2 - - [01/Jan/2024:00:00:00 +0000] \"POST /2 HTTP/1.1\" 201 0\n",
            "10.0.0.3 - - [01/Jan/2024:00:00:00 +0000] \"\\x16\\x03\\x01\" 400 0\n",
            "10.0.0.3 - - [01/Jan/2024:00:00:00 +0000] \"GET /a\\r\\nX: HTTP/1.1\" 400 0\n",
            "nonsense\n\n",
            "10.0.0.2 - - [01/Jan/2024:00:00:00 +0000] \"GET /3 HTTP/1.1\" 404 0\n",
            "10.0.0.1 - - [01/Jan/2024:00:00:02 +0000] \"GET /4 HTTP/1.1\" 200 0",
        );
        assert!(is(log.as_bytes()));
        let workload = from(&mut log.as_bytes()).unwrap();
        let at: Vec<Vec<u64>> =
            workload.sessions.iter().map(|session| session.steps.iter().map(|step| step.at).collect()).collect();
        assert_eq!(at, [vec![0, 2_000_000_000], vec![500_000_000]]);
        assert_eq!((workload.left_out.unreadable, workload.left_out.incomplete_requests), (3, 1));
        assert_eq!(workload.sessions[1].steps[0].expect.as_ref().unwrap().status, 404);
    }
}
