//! One exchange as a HAR entry, and back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::protocol::Encoding;
use crate::protocol::encoding::{Decoded, decode};
use crate::workload::formats::gather::{Answered, Exchange};
use crate::workload::formats::message::{Draft, Message, one_request, response, sent};
use crate::workload::formats::url::{NOWHERE, join, split};
use crate::workload::{Request, Response, Step};

/// Nanoseconds since 1970, written as a date.
pub(super) struct Instant(pub(super) i128);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&date(self.0))
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Instant, D::Error> {
        instant(&String::deserialize(deserializer)?).map(Instant).ok_or_else(|| serde::de::Error::custom("no date"))
    }
}

/// With nine decimals, whatever they are.
fn date(ns: i128) -> String {
    Timestamp::from_nanosecond(ns).map_or_else(|_| "1970-01-01T00:00:00Z".into(), |at| format!("{at:.9}"))
}

fn instant(text: &str) -> Option<i128> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_nanosecond)
}

/// What an entry is.
pub(super) enum Read {
    /// An exchange.
    Exchange(Box<Exchange>),
    /// Something that went to no HTTP server: an answer from the cache, a `data:` URL, a WebSocket.
    NeverSent,
    /// No request that can be sent.
    Unreadable,
}

/// Reads an entry, leniently: programs differ in what they leave out.
pub(super) fn exchange(entry: &Value) -> Read {
    let text = |value: &Value| value.as_str().map(Box::from).or_else(|| value.as_u64().map(|n| n.to_string().into()));
    let request = &entry["request"];
    let Some(url) = request["url"].as_str() else { return Read::Unreadable };
    if !entry["_fromCache"].is_null() || (split(url).is_none() && url.contains(':')) {
        return Read::NeverSent;
    }
    let Some(at) = entry["startedDateTime"].as_str().and_then(instant) else { return Read::Unreadable };
    let Some(request) = exact(request).or_else(|| drafted(request, url)) else { return Read::Unreadable };
    Read::Exchange(Box::new(Exchange {
        client: text(&entry["_client"]).unwrap_or_default(),
        connection: text(&entry["connection"]).unwrap_or_default(),
        at,
        request,
        answer: answered(entry, at),
    }))
}

/// The bytes that stand beside the fields.
fn exact(request: &Value) -> Option<Request> {
    one_request(STANDARD.decode(request["_bytes"].as_str()?).ok()?)
}

/// The request that the fields tell.
fn drafted(request: &Value, url: &str) -> Option<Request> {
    let (host, target) = split(url)?;
    let mut headers: Vec<(&str, &str)> = pairs(&request["headers"]);
    // HTTP/2 has its request line among the headers.
    headers.retain(|(name, _)| !name.starts_with(':'));
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) && host != NOWHERE {
        headers.insert(0, ("Host", host));
    }
    let version = match request["httpVersion"].as_str() {
        Some(old) if old.eq_ignore_ascii_case("HTTP/1.0") => "HTTP/1.0",
        _ => "HTTP/1.1",
    };
    let body = body(&request["postData"])?;
    Draft { method: request["method"].as_str()?, target: &target, version, headers, body: &body }.request()
}

/// What `postData` holds; none when it holds the parts of something that cannot be put together.
fn body(data: &Value) -> Option<Vec<u8>> {
    if let Some(text) = data["text"].as_str().filter(|text| !text.is_empty()) {
        let is_base64 =
            [&data["encoding"], &data["_encoding"]].iter().any(|encoding| encoding.as_str() == Some("base64"));
        return if is_base64 { STANDARD.decode(text).ok() } else { Some(text.into()) };
    }
    let params = pairs(&data["params"]);
    if params.is_empty() {
        return Some(Vec::new());
    }
    // Browsers tell parameters encoded or not; what must not stand in a form is encoded here.
    let is_form = data["mimeType"].as_str().is_some_and(|media| media.starts_with("application/x-www-form-urlencoded"));
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|b| match b {
                b' ' => "+".to_owned(),
                b'%' | b'+' | b'-' | b'.' | b'_' | b'~' | b'*' => (b as char).to_string(),
                _ if b.is_ascii_alphanumeric() => (b as char).to_string(),
                _ => format!("%{b:02X}"),
            })
            .collect()
    };
    let params: Vec<String> =
        params.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    is_form.then(|| params.join("&").into_bytes())
}

/// Names and values of a list.
fn pairs(list: &Value) -> Vec<(&str, &str)> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|item| item["name"].as_str().zip(item["value"].as_str())).collect()
}

fn answered(entry: &Value, at: i128) -> Option<Answered> {
    let response_of = &entry["response"];
    let status = response_of["status"].as_u64().and_then(|status| u16::try_from(status).ok()).filter(|s| *s >= 200)?;
    let content = &response_of["content"];
    let text = content["text"].as_str().unwrap_or_default();
    let body = match content["encoding"].as_str() {
        Some("base64") => STANDARD.decode(text).unwrap_or_default(),
        _ => text.into(),
    };
    let ms = |value: &Value| {
        value.as_f64().filter(|ms| ms.is_finite() && *ms >= 0.0).map(|ms| (ms.min(1e10) * 1e6).round() as i128)
    };
    let lasts = ms(&entry["time"]).unwrap_or(0);
    let receive = ms(&entry["timings"]["receive"]).unwrap_or(0).min(lasts);
    let reason = response_of["statusText"].as_str().unwrap_or_default();
    let bytes = response(status, reason, pairs(&response_of["headers"]).into_iter(), &body);
    Some(Answered { status, first_byte: at + lasts - receive, last_byte: at + lasts, bytes })
}

/// Writes an exchange. `start` is the workload's.
pub(super) fn entry(step: &Step, start: i128, connection: u64, client: u32) -> Value {
    let at = start + i128::from(step.at);
    let first = step.expect.as_ref().map_or(0, |answer| answer.first_byte - step.at);
    let last = step.expect.as_ref().map_or(0, |answer| answer.last_byte - step.at);
    let ms = |ns: u64| ns as f64 / 1e6;
    json!({
        "startedDateTime": date(at),
        "time": ms(last),
        "request": request(&step.request),
        "response": step.expect.as_ref().map_or_else(unanswered, answer),
        "cache": {},
        "timings": {"blocked": -1, "dns": -1, "connect": -1, "ssl": -1, "send": 0, "wait": ms(first), "receive": ms(last - first)},
        "connection": connection.to_string(),
        "_client": client.to_string(),
    })
}

fn request(request: &Request) -> Value {
    let message = Message::of(&request.bytes);
    let body = sent(&message);
    let url = join(request, None).unwrap_or_else(|| format!("http://{NOWHERE}/"));
    let mut value = json!({
        "method": lossy(request.method()),
        "url": url,
        "httpVersion": version(message.rest()),
        "cookies": cookies(&message, "cookie"),
        "headers": headers(&message),
        "queryString": query(&url),
        "headersSize": message.head_len,
        "bodySize": message.body.len(),
    });
    if !body.is_empty() {
        value["postData"] = match String::from_utf8(body) {
            Ok(text) => json!({"mimeType": media(&message), "text": text}),
            Err(binary) => {
                json!({"mimeType": media(&message), "text": STANDARD.encode(binary.as_bytes()), "_encoding": "base64"})
            }
        };
    }
    if drafted(&value, &url).is_none_or(|drafted| drafted.bytes != request.bytes) {
        value["_bytes"] = STANDARD.encode(&request.bytes).into();
    }
    value
}

/// The format has no way to say that there was no answer; browsers write this.
fn unanswered() -> Value {
    json!({
        "status": 0, "statusText": "", "httpVersion": "", "cookies": [], "headers": [], "redirectURL": "",
        "headersSize": -1, "bodySize": -1, "content": {"size": 0, "mimeType": ""},
    })
}

fn answer(answer: &Response) -> Value {
    let message = Message::of(&answer.bytes);
    let (content, comment) = match message.content() {
        Some(content) => (content, ""),
        None => (Vec::new(), "compressed in a way that is not read"),
    };
    let mut value = json!({
        "status": answer.status,
        "statusText": lossy(message.rest()),
        "httpVersion": version(message.word(0)),
        "cookies": cookies(&message, "set-cookie"),
        "headers": headers(&message),
        "content": {"size": content.len(), "mimeType": media(&message), "comment": comment},
        "redirectURL": message.header("location").map_or_else(String::new, lossy),
        "headersSize": message.head_len,
        "bodySize": message.body.len(),
    });
    match String::from_utf8(content) {
        Ok(text) => value["content"]["text"] = text.into(),
        Err(binary) => {
            value["content"]["text"] = STANDARD.encode(binary.as_bytes()).into();
            value["content"]["encoding"] = "base64".into();
        }
    }
    value
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn version(bytes: &[u8]) -> String {
    if bytes.is_empty() { "HTTP/1.1".into() } else { lossy(bytes) }
}

fn media(message: &Message<'_>) -> String {
    message.header("content-type").map_or_else(String::new, lossy)
}

fn headers(message: &Message<'_>) -> Vec<Value> {
    message.headers.iter().map(|(name, value)| json!({"name": lossy(name), "value": lossy(value)})).collect()
}

/// The cookies of all headers of this name; attributes are left out.
fn cookies(message: &Message<'_>, header: &str) -> Vec<Value> {
    let lines = message.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(header.as_bytes()));
    let of_line = |value: &[u8]| -> Vec<Value> {
        let line = lossy(value);
        let most = if header == "cookie" { usize::MAX } else { 1 };
        let cookies = line.split(';').take(most).filter_map(|cookie| cookie.trim().split_once('='));
        cookies.map(|(name, value)| json!({"name": name, "value": value})).collect()
    };
    lines.flat_map(|(_, value)| of_line(value)).collect()
}

fn query(url: &str) -> Vec<Value> {
    let Some((_, query)) = url.split_once('?') else { return Vec::new() };
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            json!({"name": decoded(name), "value": decoded(value)})
        })
        .collect()
}

fn decoded(text: &str) -> String {
    lossy(decode(text.as_bytes(), Encoding::Form, &mut Decoded::default()))
}
