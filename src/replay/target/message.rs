//! Requests and replies of the shop, apart from the library that carries them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value, json};

/// Smaller bodies are not worth compressing.
const GZIP_MIN: usize = 256;

/// A request, its body read.
pub struct Request {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    /// A header as text; "" when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }

    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.header("cookie")
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value)
    }

    /// A query parameter, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        form(self.query.as_bytes()).remove(name)?.as_str().map(String::from)
    }

    /// The body as an object, whether it came as JSON or as a form.
    pub fn object(&self) -> Result<Map<String, Value>, Reply> {
        match self.media_type() {
            "application/x-www-form-urlencoded" => Ok(form(&self.body)),
            _ => match serde_json::from_slice(&self.body) {
                Ok(Value::Object(map)) => Ok(map),
                _ => Err(Reply::error(StatusCode::BAD_REQUEST, "bad_json")),
            },
        }
    }

    /// The content type without parameters.
    pub fn media_type(&self) -> &str {
        self.header("content-type").split(';').next().unwrap_or("").trim()
    }

    /// Number of parts of a multipart body, none when it is no such body.
    pub fn parts(&self) -> Option<usize> {
        let parameters = self.header("content-type").strip_prefix("multipart/form-data")?;
        let boundary = parameters.split(';').find_map(|p| p.trim().strip_prefix("boundary="))?.trim_matches('"');
        let delimiter = format!("--{boundary}\r\n");
        Some(memchr::memmem::find_iter(&self.body, delimiter.as_bytes()).count())
    }
}

/// What stands in a form or query, decoded.
fn form(bytes: &[u8]) -> Map<String, Value> {
    let decode = |s: &[u8]| String::from_utf8_lossy(&percent_decoded(s)).into_owned();
    bytes
        .split(|&b| b == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_at(pair.iter().position(|&b| b == b'=').unwrap_or(pair.len()));
            (decode(name), Value::String(decode(value.get(1..).unwrap_or_default())))
        })
        .collect()
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        let hex = |b: u8| char::from(b).to_digit(16);
        rest = match (first, tail) {
            (b'%', [high, low, behind @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                out.push((hex(*high).unwrap_or(0) * 16 + hex(*low).unwrap_or(0)) as u8);
                behind
            }
            (b'+', _) => {
                out.push(b' ');
                tail
            }
            _ => {
                out.push(*first);
                tail
            }
        };
    }
    out
}

/// An answer.
pub struct Reply {
    pub status: StatusCode,
    pub headers: Vec<(&'static str, String)>,
    pub body: ReplyBody,
}

/// What follows a reply's head: the pieces in the order they are sent.
pub struct ReplyBody {
    pieces: VecDeque<Bytes>,
    /// Sent chunked, a chunk a piece; otherwise with a `Content-Length`.
    chunked: bool,
}

impl Reply {
    /// No body, no type.
    pub fn empty(status: StatusCode) -> Reply {
        Reply { status, headers: Vec::new(), body: ReplyBody { pieces: VecDeque::new(), chunked: false } }
    }

    /// A body of a media type.
    pub fn text(status: StatusCode, media_type: &str, body: impl Into<Bytes>) -> Reply {
        let body = ReplyBody { pieces: VecDeque::from([body.into()]), chunked: false };
        Reply { status, headers: vec![("content-type", media_type.into())], body }
    }

    /// A JSON body.
    pub fn json(status: StatusCode, value: &Value) -> Reply {
        Reply::text(status, "application/json", value.to_string())
    }

    /// A web page.
    pub fn html(status: StatusCode, title: &str, body: &str) -> Reply {
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n<body>\n{body}\n</body>\n</html>\n"
        );
        Reply::text(status, "text/html; charset=utf-8", page)
    }

    /// A JSON body in chunks.
    pub fn chunks(pieces: VecDeque<Bytes>) -> Reply {
        let mut reply = Reply::empty(StatusCode::OK).with("content-type", "application/json");
        reply.body = ReplyBody { pieces, chunked: true };
        reply
    }

    /// `{"error": code}`.
    pub fn error(status: StatusCode, code: &str) -> Reply {
        Reply::json(status, &json!({ "error": code }))
    }

    /// 422, naming the fields.
    pub fn invalid(fields: &[&str]) -> Reply {
        Reply::json(StatusCode::UNPROCESSABLE_ENTITY, &json!({"error": "invalid", "fields": fields}))
    }

    /// The same with one more header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    /// The same for who wants no more than its head.
    pub fn without_content(mut self) -> Reply {
        if let Some(length) = self.body.size_hint().exact() {
            self.headers.push(("content-length", length.to_string()));
        }
        self.body.pieces.clear();
        self
    }

    /// The same as the request wants it: 304 when it has it, compressed when it can.
    pub fn negotiated(self, request: &Request) -> Reply {
        let etag = self.headers.iter().find(|(name, _)| *name == "etag").map(|(_, value)| value.clone());
        match etag {
            Some(etag) if request.header("if-none-match") == etag => {
                Reply::empty(StatusCode::NOT_MODIFIED).with("etag", etag)
            }
            _ if accepts_gzip(request) => self.gzipped(),
            _ => self,
        }
    }

    fn gzipped(mut self) -> Reply {
        let plain: usize = self.body.pieces.iter().map(Bytes::len).sum();
        if self.body.chunked || plain <= GZIP_MIN {
            return self;
        }
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let written = self.body.pieces.iter().try_for_each(|piece| encoder.write_all(piece));
        let Some(packed) = written.ok().and_then(|()| encoder.finish().ok()) else { return self };
        self.body.pieces = VecDeque::from([Bytes::from(packed)]);
        self.with("content-encoding", "gzip").with("vary", "Accept-Encoding")
    }
}

fn accepts_gzip(request: &Request) -> bool {
    request.header("accept-encoding").split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) == Some(0.0);
        name.trim() == "gzip" && !refused
    })
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.chunked {
            true => SizeHint::default(),
            false => SizeHint::with_exact(self.pieces.iter().map(|p| p.len() as u64).sum()),
        }
    }
}
