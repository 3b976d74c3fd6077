//! A k6 script: each session is a virtual user that goes through its requests at their times (k6, HTTP and scenarios).
//! It needs nothing but k6; the target comes from the environment, `k6 run -e TARGET=http://127.0.0.1:8080 FILE`.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::message::{Message, sent};
use super::url::join;
use super::{Format, Keeps, Manner, Written};
use crate::workload::{Session, Step, Workload};

/// The format.
pub const KIND: Format = Format {
    id: "k6",
    about: "a k6 script, a virtual user for each session",
    endings: &["js"],
    keeps: Keeps { bytes: false, times: true, connections: false, opened: false, status: true, answers: false },
    read: None,
    write: Some(write),
};

/// Headers that k6 writes itself.
const ITS_OWN: &[&str] = &["content-length", "transfer-encoding", "connection", "host", "expect"];

/// The script around the sessions.
const BEGIN: &str = "\
import http from 'k6/http';
import { check, sleep } from 'k6';
import { b64decode } from 'k6/encoding';

const target = (__ENV.TARGET || 'BASE').replace(/\\/$/, '');

// Of each session its requests: milliseconds from the start, method, target, headers, body (base64), captured status.
const sessions = [
";
const END: &str = "\
];

export const options = {
  scenarios: {
    captured: {
      executor: 'per-vu-iterations',
      vus: sessions.length,
      iterations: 1,
      maxDuration: 'LASTs',
    },
  },
};

export function setup() {
  return { start: Date.now() + 1000 };
}

export default function (run) {
  for (const [at, method, path, headers, body, status] of sessions[(__VU - 1) % sessions.length]) {
    const wait = run.start + at - Date.now();
    if (wait > 0) {
      sleep(wait / 1000);
    }
    const answer = http.request(method, target + path, body ? b64decode(body) : null, { headers, redirects: 0 });
    if (status) {
      check(answer, { 'status as captured': (answer) => answer.status === status });
    }
  }
}
";
/// What a script waits for answers beyond the last captured one.
const PATIENCE_S: u64 = 60;

fn write(workload: &Workload, manner: &Manner, out: &mut dyn Write) -> io::Result<Written> {
    let mut written = Written::default();
    let comment = manner.comment.replace(['\n', '\r', '\u{2028}', '\u{2029}'], " ");
    let base = manner.base.as_deref().unwrap_or("http://127.0.0.1:8080");
    // As JSON, it is safe inside the quotes of a script.
    let base = json!(base).to_string().replace('\'', "\\'");
    write!(
        out,
        "// standin {}: {comment}\n{}",
        env!("CARGO_PKG_VERSION"),
        BEGIN.replace("BASE", base.trim_matches('"'))
    )?;
    for session in &workload.sessions {
        let requests = requests(session, &mut written);
        if !requests.is_empty() {
            let line = serde_json::to_string(&requests)?;
            // Line separators are no part of a string for old engines.
            let line = line.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
            writeln!(out, "  {line},")?;
        }
    }
    let last = workload.end() / 1_000_000_000 + PATIENCE_S;
    out.write_all(END.replace("LAST", &last.to_string()).as_bytes())?;
    Ok(written)
}

fn requests(session: &Session, written: &mut Written) -> Vec<Value> {
    let requests = session.steps.iter().filter(|step| step.request.message.is_none()).filter_map(|step| {
        let request = request(step);
        match &request {
            Some(_) => written.requests += 1,
            None => written.left_out += 1,
        }
        request
    });
    requests.collect()
}

fn request(step: &Step) -> Option<Value> {
    let message = Message::of(&step.request.bytes);
    let mut headers = serde_json::Map::new();
    for (name, value) in &message.headers {
        let (name, value) = (std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?);
        if ITS_OWN.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            continue;
        }
        // A script's headers have one value each.
        let joined = match headers.get(name).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.to_owned(),
        };
        headers.insert(name.to_owned(), joined.into());
    }
    let path = join(&step.request, Some(""))?;
    let body = sent(&message);
    Some(json!([
        step.at as f64 / 1e6,
        std::str::from_utf8(step.request.method()).ok()?,
        path,
        headers,
        if body.is_empty() { None } else { Some(STANDARD.encode(body)) },
        step.expect.as_ref().map(|answer| answer.status),
    ]))
}
