//! protocol: conversations as events, every byte once, however they are split.

mod framed;
mod http2;

use std::ops::Range;

use proptest::prelude::*;
use standin::protocol::{self, Conversation, Field, Mark, PartKind, Probe, Protocol, Role, Side, Sink, Window};

/// What a sink was told, with neighbours of the same kind merged: the same for any split.
#[derive(Default)]
struct Seen {
    /// Per side: what was told of each range, in the order told.
    events: [Vec<(Range<u64>, String)>; 2],
    marks: Vec<String>,
    /// Fields as `path=raw`, in order.
    fields: Vec<String>,
    plain: Vec<u8>,
    side: usize,
    lanes: [u32; 2],
    /// What was told of messages in lanes, in the form that HTTP/1 gives them.
    texts: std::collections::BTreeMap<(usize, u32), Vec<u8>>,
}

impl Seen {
    fn put(&mut self, at: Range<u64>, what: String) {
        assert!(at.start < at.end, "an empty range");
        self.events[self.side].push((at, what));
    }

    /// Each byte of each side once.
    fn check_covered(&self, lens: [usize; 2]) {
        for (events, len) in self.events.iter().zip(lens) {
            let mut ranges: Vec<_> = events.iter().map(|(at, _)| at.clone()).collect();
            ranges.sort_by_key(|at| at.start);
            let mut next = 0;
            for at in ranges {
                assert_eq!(at.start, next, "a byte left out or told twice");
                next = at.end;
            }
            assert_eq!(next, len as u64, "bytes left out at the end");
        }
    }

    /// Kept and opaque runs merged, in stream order.
    fn story(&self) -> Vec<(Range<u64>, String)> {
        let mut story: Vec<(Range<u64>, String)> = Vec::new();
        for events in &self.events {
            let mut events = events.clone();
            events.sort_by_key(|(at, _)| at.start);
            let first = story.len();
            for (at, what) in events {
                let merged = what == "keep" || what.starts_with("opaque");
                match story[first..].last_mut() {
                    Some((last, same)) if merged && *same == what => last.end = at.end,
                    _ => story.push((at, what)),
                }
            }
        }
        story
    }
}

impl Sink for Seen {
    fn keep(&mut self, at: Range<u64>) {
        self.put(at, "keep".into());
    }

    fn field(&mut self, at: &[Range<u64>], field: &Field<'_>) {
        // What stands nowhere is said again.
        let len = at.iter().map(|at| at.end - at.start).sum::<u64>();
        assert!(at.is_empty() || len == field.raw.len() as u64);
        assert!(field.path.contains(field.name), "{} {}", field.path, field.name);
        let told = format!("{}={}", field.path, field.raw.escape_ascii());
        for at in at {
            let short = told.get(..200).unwrap_or(&told);
            self.put(at.clone(), format!("{:?} {:?} {short}", field.role, field.encoding));
        }
        self.fields.push(told);
    }

    fn opaque(&mut self, at: Range<u64>, what: &'static str) {
        self.put(at, format!("opaque {what}"));
    }

    fn window(&mut self, at: &[Range<u64>], window: &Window<'_>) {
        assert_eq!(at.iter().map(|at| at.end - at.start).sum::<u64>(), window.packed.len() as u64);
        assert!(window.header + window.trailer <= window.packed.len());
        for at in at {
            self.put(at.clone(), "window".into());
        }
        let mut next = 0;
        for part in window.parts {
            assert_eq!(part.at.start, next, "parts cover the plain bytes");
            next = part.at.end;
            if let PartKind::Field { path, .. } = &part.what {
                self.fields.push(format!("{path}={}", window.plain[part.at.clone()].escape_ascii()));
            }
        }
        assert_eq!(next, window.plain.len());
        self.plain.extend_from_slice(window.plain);
    }

    fn mark(&mut self, side: Side, mark: Mark<'_>) {
        self.marks.push(match mark {
            Mark::Request { method, target, at } => {
                format!("{side:?} {} {} at {at}", method.escape_ascii(), target.escape_ascii())
            }
            Mark::Response { status, at } => format!("{side:?} {status} at {at}"),
            Mark::End { end } => format!("{side:?} end {end}"),
            Mark::Cut => format!("{side:?} cut"),
            Mark::Lane(lane) => return self.lanes[index(side)] = lane,
            Mark::Text(text) => {
                let lane = self.lanes[index(side)];
                return self.texts.entry((index(side), lane)).or_default().extend_from_slice(text);
            }
        });
    }
}

fn index(side: Side) -> usize {
    usize::from(side == Side::Server)
}

/// A conversation, in turns.
struct Talk(Vec<(Side, Vec<u8>)>);

impl Talk {
    fn new(turns: &[(Side, &[u8])]) -> Self {
        Talk(turns.iter().map(|(side, bytes)| (*side, bytes.to_vec())).collect())
    }

    fn lens(&self) -> [usize; 2] {
        let len = |side| self.0.iter().filter(|(s, _)| *s == side).map(|(_, bytes)| bytes.len()).sum();
        [len(Side::Client), len(Side::Server)]
    }

    /// Feeds every turn in segments of the lengths that `next_len` gives.
    fn hear(&self, mut next_len: impl FnMut() -> usize) -> Seen {
        let mut seen = Seen::default();
        let first = self.0.first().map_or(&[][..], |(_, bytes)| bytes);
        let mut conversation = match protocol::recognise(first) {
            protocol::Recognised::As(protocol, _) => protocol.open(0),
            _ => protocol::http1::Http1.open(0),
        };
        let mut waiting: [(u64, Vec<u8>); 2] = Default::default();
        for (side, bytes) in &self.0 {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (segment, behind) = rest.split_at(next_len().clamp(1, rest.len()));
                rest = behind;
                waiting[*side as usize].1.extend_from_slice(segment);
                read(&mut *conversation, *side, &mut waiting[*side as usize], false, &mut seen);
            }
        }
        for side in [Side::Client, Side::Server] {
            read(&mut *conversation, side, &mut waiting[side as usize], true, &mut seen);
            // Data of a chunk may wait for the next one.
            conversation.flush(side, &mut seen);
            assert_eq!(conversation.pending(side), 0);
        }
        seen.check_covered(self.lens());
        seen
    }

    fn whole(&self) -> Seen {
        self.hear(|| usize::MAX)
    }
}

fn read(conversation: &mut dyn Conversation, side: Side, waiting: &mut (u64, Vec<u8>), end: bool, seen: &mut Seen) {
    seen.side = side as usize;
    let used = conversation.read(side, waiting.0, &waiting.1, end, seen);
    assert!(used <= waiting.1.len() && (!end || used == waiting.1.len()));
    waiting.0 += used as u64;
    waiting.1.drain(..used);
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn chunked(body: &[u8], len: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(len) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

use Side::{Client as C, Server as S};

const JSON: &[u8] =
    br#"{"user":{"email":"anna@example.com","tags":["a b","\u00e9"],"n":-1.5e3,"ok":true},"anna@example.com":null}"#;

const HTML: &[u8] = b"<!DOCTYPE html><html><!-- by anna --><body class=\"a b\"><a href='/orders/42?x=1'>My &eacute;  order</a><input name=csrf value=tok-1 disabled><script>let t = 'secret';</script><p title=\"a > b\">1 < 2</p></body></html>";
const XML: &[u8] = b"<?xml version=\"1.0\"?><o xmlns=\"http://www.w3.org/2005/Atom\" id=\"anna\"><e-mail>a@b.example</e-mail><![CDATA[x <y>]]></o>";
const MULTIPART: &[u8] = b"--xyz\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nanna\r\n--xyz\r\nContent-Disposition: form-data; name=\"doc\"; filename=\"cv.json\"\r\nContent-Type: application/json\r\n\r\n{\"a\":\"b\"}\r\n--xyz\r\nContent-Disposition: form-data; name=\"raw\"; filename=\"x\"\r\n\r\n\x00\x01--xyz\r\n--xyz--\r\nend";

/// A body of a type, sent with a length and, chunk by chunk, back.
fn content(media: &str, body: &[u8]) -> Talk {
    let head = |start: &str| format!("{start}\r\nContent-Type: {media}\r\n");
    let post = [format!("{}Content-Length: {}\r\n\r\n", head("PUT / HTTP/1.1"), body.len()).as_bytes(), body].concat();
    let chunks = format!("{}Transfer-Encoding: chunked\r\n\r\n", head("HTTP/1.1 200 OK"));
    Talk::new(&[(C, &post), (S, &[chunks.as_bytes(), &chunked(body, 5)].concat())])
}

fn talks() -> Vec<(&'static str, Talk)> {
    let post = [b"POST /api/orders/42?x=1&y=a+b HTTP/1.1\r\nHost: shop.example.com:8080\r\nContent-Type: application/json\r\nContent-Length: ".to_vec(), format!("{}\r\n\r\n", JSON.len()).into_bytes(), JSON.to_vec()].concat();
    let chunks = [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        chunked(JSON, 7),
    ]
    .concat();
    let packed = gzip(&JSON.repeat(3));
    let gz = [
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            packed.len()
        )
        .into_bytes(),
        packed,
    ]
    .concat();
    vec![
        ("json post, chunked answer", Talk::new(&[(C, &post), (S, &chunks)])),
        ("json post, gzip answer", Talk::new(&[(C, &post), (S, &gz)])),
        (
            "pipelining, HEAD, 304, 100",
            Talk::new(&[
                (C, b"HEAD /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n\r\nPOST /c HTTP/1.1\r\nContent-Length: 7\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\na=b&c=d"),
                (S, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200\r\nContent-Type: text/plain\r\n\r\nhello anna\nbye"),
            ]),
        ),
        (
            "upgrade",
            Talk::new(&[
                (C, b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
                (S, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"),
                (C, b"\x81\x85abcdhello"),
            ]),
        ),
        (
            "odd lines",
            Talk::new(&[
                (C, b"\r\nFOO  http://u:p@h.example/x;k=v/y?z#f HTTP/1.1\nHost:  a \n  folded\nNo colon\nX-1234567: v\n\n"),
                (S, b"HTTP/1.1 200 Anna says hi\nContent-Length: 3, 3\nTransfer-Encoding: chunked\n\n3;e=x\nabc\n0\nTrailer-One: t\n\nHTTP/1.1 204\n\n"),
            ]),
        ),
        ("html", content("text/html", HTML)),
        ("xml", content("application/xml", XML)),
        ("multipart", content("multipart/form-data; boundary=xyz", MULTIPART)),
        ("csv", content("text/csv", b"name,mail\r\n\"Baker, Anna\",a@b.example\r\nBob,\"c\nd\"")),
        ("events", content("text/event-stream", b"event: order\ndata: {\"id\":42}\nid: 7\n\ndata: hi anna\nretry: 10\n: x\n")),
        ("no json", content("application/json", b"{\"a\":1}\n[2]\nnothing {\"b\":3}\n")),
        ("image", content("image/png", b"\x89PNG\r\n\x1a\nrest of it")),
        ("no type", content("", b"  [1,\"a\"]")),
        ("tls", Talk::new(&[(C, &client_hello()), (S, &server_hello()), (C, b"\x14\x03\x03\x00\x01\x01\x16\x03\x03\x00\x04\x14\x00\x00\x0c\x17\x03\x03\x00\x05hello"), (S, b"\x15\x03\x03\x00\x02\x01\x00")])),
        (
            "tls through a proxy",
            Talk::new(&[
                (C, b"CONNECT shop.example.com:443 HTTP/1.1\r\n\r\n"),
                (S, b"HTTP/1.1 200 OK\r\n\r\n"),
                (C, &client_hello()),
                (S, &server_hello()),
            ]),
        ),
        (
            "socks 4a",
            Talk::new(&[
                (C, b"\x04\x01\x00\x50\x00\x00\x00\x01anna\x00shop.example.com\x00"),
                (S, b"\x00\x5a\x00\x50\xc0\x00\x02\x07"),
                (C, b"GET /a HTTP/1.1\r\n\r\n"),
                (S, b"HTTP/1.1 204 No Content\r\n\r\n"),
            ]),
        ),
        (
            "socks 5",
            Talk::new(&[
                (C, b"\x05\x02\x00\x02"),
                (S, b"\x05\x02"),
                (C, b"\x01\x04anna\x05horse"),
                (S, b"\x01\x00"),
                (C, b"\x05\x01\x00\x03\x10shop.example.com\x00\x50"),
                (S, b"\x05\x00\x00\x01\xc0\x00\x02\x07\x00\x50"),
                (C, b"GET /a HTTP/1.1\r\n\r\n"),
                (S, b"HTTP/1.1 204 No Content\r\n\r\n"),
            ]),
        ),
        ("jpeg", content("image/jpeg", b"\xff\xd8\xff\xe0\x00\x05abc\xff\xda\x00\x02scan\xff\x00\xff\xd9")),
        ("no http", Talk::new(&[(C, b"hello there\nGET / HTTP/1.1\r\n\r\n"), (S, b"\x00\x01\x02")])),
    ]
    .into_iter()
    .chain(framed::talks())
    .chain(http2::talks())
    .collect()
}

/// A length of `width` bytes before `bytes`.
fn vector(width: usize, bytes: &[u8]) -> Vec<u8> {
    [&bytes.len().to_be_bytes()[8 - width..], bytes].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector(2, data)].concat()
}

fn hello(kind: u8, suites: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    let random = *b"0123456789abcdef0123456789abcdef";
    let body =
        [&[3, 3][..], &random, &vector(1, b"a session of anna"), suites, &vector(2, &extensions.concat())].concat();
    [&[22, 3, 1][..], &vector(2, &[&[kind][..], &vector(3, &body)].concat())].concat()
}

fn client_hello() -> Vec<u8> {
    let names = vector(2, &[&[0][..], &vector(2, b"shop.example.com")].concat());
    let protocols = vector(2, &[vector(1, b"h2"), vector(1, b"anna/1")].concat());
    let shares = vector(2, &[&[0, 29][..], &vector(2, b"a public key")].concat());
    let extensions = [
        extension(0, &names),
        extension(16, &protocols),
        extension(51, &shares),
        extension(43, &[2, 3, 4]),
        extension(0x1234, b"unknown"),
    ];
    hello(1, &[&vector(2, &[0x13, 1, 0xc0, 0x2f])[..], &[1, 0]].concat(), &extensions)
}

/// With a certificate behind it that goes on in the next record.
fn server_hello() -> Vec<u8> {
    let hello = hello(2, &[0x13, 1, 0], &[extension(51, &[&[0, 29][..], &vector(2, b"a public key")].concat())]);
    [hello, b"\x16\x03\x03\x00\x08\x0b\x00\x00\x08cert\x16\x03\x03\x00\x08more\x0e\x00\x00\x00".to_vec()].concat()
}

#[test]
fn a_hello_tells_its_versions_and_hides_the_rest() {
    let talk = talks().into_iter().find(|(name, _)| *name == "tls").unwrap().1;
    let seen = talk.whole();
    assert_eq!(seen.fields, ["tls.server-name=shop.example.com", "tls.alpn=anna/1"]);
    let mut blank = [client_hello(), server_hello()];
    for (side, bytes) in blank.iter_mut().enumerate() {
        for (at, what) in &seen.events[side] {
            let at = at.start as usize..(at.end as usize).min(bytes.len());
            if what != "keep" && !at.is_empty() && at.start < bytes.len() {
                bytes[at].fill(b'_');
            }
        }
        for secret in [&b"0123456789"[..], b"session", b"public", b"unknown", b"shop", b"anna", b"cert", b"more"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", secret.escape_ascii());
        }
        for kept in [&b"\x13\x01"[..], b"\x00\x33\x00", b"\x03\x03"] {
            assert!(bytes.windows(kept.len()).any(|window| window == kept), "{}", kept.escape_ascii());
        }
    }
    assert!(blank[1].ends_with(b"\x0b\x00\x00\x08____\x16\x03\x03\x00\x08____\x0e\x00\x00\x00"));
}

#[test]
fn what_goes_through_a_proxy_is_read() {
    let talk = |wanted| talks().into_iter().find(|(name, _)| *name == wanted).unwrap().1.whole();
    let seen = talk("socks 5");
    assert_eq!(seen.fields[..3], ["socks.user=anna", "socks.password=horse", "socks.host=shop.example.com"]);
    assert_eq!(seen.marks[0], "Client GET /a at 39");
    let seen = talk("socks 4a");
    assert_eq!(seen.fields[..2], ["socks.user=anna", "socks.host=shop.example.com"]);
    assert_eq!(seen.marks[0], "Client GET /a at 30");
    let seen = talk("tls through a proxy");
    assert!(seen.fields.contains(&"tls.server-name=shop.example.com".to_string()), "{:?}", seen.fields);
}

#[test]
fn proxies_in_proxies_end_somewhere() {
    let connect = b"CONNECT a:1 HTTP/1.1\r\n\r\n";
    let ok = b"HTTP/1.1 200 OK\r\n\r\n";
    let turns: Vec<_> = (0..200).flat_map(|_| [(C, &connect[..]), (S, &ok[..])]).collect();
    let seen = Talk::new(&turns).whole();
    let asked = seen.marks.iter().filter(|mark| mark.contains("CONNECT")).count();
    assert_eq!(asked, 1 + standin::limits::TUNNELS_MAX as usize);
}

#[test]
fn any_split_tells_the_same_story() {
    for (name, talk) in talks() {
        let whole = talk.whole();
        let longest = talk.0.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
        if name == "no http" {
            // A start line at a segment's beginning is an anchor there: the split matters.
            continue;
        }
        for cut in 1..longest {
            let mut lens = [cut, usize::MAX].into_iter().cycle();
            let split = talk.hear(|| lens.next().unwrap_or(1));
            assert_eq!(split.story(), whole.story(), "{name}, cut at {cut}");
            assert_eq!((&split.marks, &split.fields), (&whole.marks, &whole.fields), "{name}, cut at {cut}");
            assert_eq!(split.plain, whole.plain, "{name}");
        }
        let bytewise = talk.hear(|| 1);
        assert_eq!(bytewise.story(), whole.story(), "{name}, byte by byte");
    }
}

#[test]
fn fields_of_a_request() {
    let seen = talks().swap_remove(0).1.whole();
    let expected = [
        "http.request.path=api",
        "http.request.path=orders",
        "http.request.path=42",
        "http.request.query.x=1",
        "http.request.query.y=a+b",
        "http.request.header.host=shop.example.com",
        "http.request.body.json.user.email=anna@example.com",
        "http.request.body.json.user.tags[]=a b",
        r"http.request.body.json.user.tags[]=\\u00e9",
        "http.request.body.json.user.n=-1.5e3",
        "http.request.body.json.{}=anna@example.com",
        "http.response.body.json.user.email=anna@example.com",
    ];
    assert_eq!(seen.fields[..expected.len()], expected);
    assert_eq!(seen.marks.len(), 4);
}

/// The fields of a body of a type, without their common root.
fn body_fields(media: &str, body: &[u8]) -> Vec<String> {
    let seen = content(media, body).whole();
    let told = |root: &'static str| {
        let fields = seen.fields.iter().filter_map(move |field| field.strip_prefix(root));
        fields.map(str::to_string).collect::<Vec<_>>()
    };
    let (sent, received) = (told("http.request.body."), told("http.response.body."));
    assert_eq!(sent, received, "chunks change nothing");
    sent
}

#[test]
fn fields_of_contents() {
    assert_eq!(
        body_fields("text/html", HTML),
        [
            "html.html=by anna",
            "html.a.href.path=orders",
            "html.a.href.path=42",
            "html.a.href.query.x=1",
            "html.a=My &eacute;  order",
            "html.input.value=tok-1",
            r"html.script=let t = \'secret\';",
            "html.p.title=a > b",
            "html.p=1",
            "html.p=<",
            "html.p=2",
        ]
    );
    assert_eq!(body_fields("application/xml", XML), ["xml.o.id=anna", "xml.e-mail=a@b.example", "xml=x <y>"]);
    assert_eq!(
        body_fields("multipart/form-data; boundary=xyz", MULTIPART),
        [
            "multipart.user=anna",
            "multipart.header.content-disposition.filename=cv.json",
            "multipart.doc.json.a=b",
            "multipart.header.content-disposition.filename=x",
            "multipart=end",
        ]
    );
    let seen = content("multipart/form-data; boundary=xyz", MULTIPART).whole();
    assert_eq!(seen.fields.iter().filter(|field| *field == "http.request.header.content-type.boundary=xyz").count(), 5);
    assert_eq!(
        body_fields("text/csv", b"name,mail\r\n\"Baker, Anna\",a@b.example\r\nBob,c"),
        [
            "csv.name=name",
            "csv.mail=mail",
            "csv.name=Baker, Anna",
            "csv.mail=a@b.example",
            "csv.name=Bob",
            "csv.mail=c"
        ]
    );
    assert_eq!(
        body_fields("text/event-stream", b"event: order\ndata: {\"id\":42}\nid: 7\n\ndata: hi anna\nretry: 10\n"),
        ["events.data.id=42", "events.id=7", "events.data=hi anna"]
    );
    assert_eq!(
        body_fields("application/json", b"{\"a\":1}\n[2]\nnothing {\"b\":3}\n"),
        ["json.a=1", "json[]=2", r#"json=nothing {\"b\":3}"#]
    );
    assert_eq!(body_fields("image/png", b"\x89PNG\r\n\x1a\nrest of it").len(), 0);
    assert_eq!(body_fields("", b"  [1,\"a\"]"), ["json[]=1", "json[]=a"]);
}

/// Nothing is left for more than a value's length, however long it is.
#[test]
fn long_values_come_in_parts() {
    let long = "x".repeat(3 * standin::limits::VALUE_BYTES_MAX);
    for (media, body) in [
        ("application/json", format!("{{\"a\":\"{long}\",\"b\":\"c\"}}")),
        ("application/x-www-form-urlencoded", format!("a={long}&b=c")),
        ("text/plain", format!("{long}\nc")),
        ("text/html", format!("<p title='{long}'>{long}</p>")),
        ("text/csv", format!("a,b\n1,\"{long}\"\n")),
        ("text/event-stream", format!("data: {long}\n")),
        ("multipart/form-data; boundary=xyz", format!("--xyz\r\n\r\n{long}\r\n--xyz--\r\n")),
    ] {
        let seen = content(media, body.as_bytes()).hear(|| 1448);
        let masked: usize = seen.fields.iter().map(|field| field.matches('x').count()).sum();
        assert!(masked >= 2 * long.len(), "{media}");
    }
}

#[test]
fn long_values_are_parted_alike_however_they_arrive() {
    let long = "Anna & Bob \\u00e9 %41 <b> were here; ".repeat(6_000);
    let plain = long.replace(['\\', '%', '<', '&'], "_");
    for (media, body) in [
        ("application/json", format!("[1,{{\"a\":\"{long}\"}},\"{long}\",{}]", "7".repeat(100_000))),
        ("text/plain", format!("short\n{long}\nshort\n{long}")),
        ("application/x-www-form-urlencoded", format!("a=b&c={plain}&{plain}=d&e=f")),
        ("text/html", format!("<p>{plain}</p><p title=\"{plain}\">x</p><script>{long}</script><!-- {plain} -->")),
        ("text/csv", format!("a,b\n\"{plain}\",c\nd,e\n")),
        ("text/event-stream", format!("data: {plain}\ndata: {plain}\n\n")),
        (
            "multipart/form-data; boundary=xyz",
            format!("--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{long}\r\n--xyz--\r\n"),
        ),
    ] {
        let head = format!("PUT / HTTP/1.1\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n", body.len());
        let talk = Talk::new(&[(C, &[head.as_bytes(), body.as_bytes()].concat())]);
        let whole = talk.whole();
        assert!(whole.fields.len() > 3, "{media}");
        for len in [1460, 9_000, 65_536, 70_001] {
            let parted = talk.hear(|| len);
            assert!(parted.fields == whole.fields, "{media} in segments of {len}");
            assert!(parted.story() == whole.story(), "{media} in segments of {len}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_told_once(
        turns in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 0..6),
        lens in prop::collection::vec(1usize..50, 1..8),
    ) {
        let talk = Talk(turns.into_iter().map(|(c, bytes)| (if c { C } else { S }, bytes)).collect());
        let mut lens = lens.into_iter().cycle();
        talk.hear(|| lens.next().unwrap_or(1));
    }

    #[test]
    fn damaged_http_is_told_once(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0usize..3), 0..6),
        lens in prop::collection::vec(1usize..300, 1..8),
    ) {
        let mut talks = talks();
        let index = which.index(talks.len());
        let mut talk = talks.swap_remove(index).1;
        for (turn, at, byte, how) in edits {
            let turn = turn.index(talk.0.len());
            let bytes = &mut talk.0[turn].1;
            if bytes.is_empty() {
                continue;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        let mut lens = lens.into_iter().cycle();
        talk.hear(|| lens.next().unwrap_or(1));
    }
}

#[test]
fn windows_hold_the_inflated_body() {
    let mut state = 1u64;
    let mut body = b"[".to_vec();
    for i in 0..20_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        body.extend_from_slice(format!("{}{{\"id\":\"{:x}\"}}", if i == 0 { "" } else { "," }, state).as_bytes());
    }
    body.push(b']');
    let packed = gzip(&body);
    assert!(packed.len() > 3 * standin::limits::WINDOW_BYTES);
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n";
    let plain = [&head[..], format!("Content-Length: {}\r\n\r\n", packed.len()).as_bytes(), &packed].concat();
    let chunks = [&head[..], b"Transfer-Encoding: chunked\r\n\r\n", &chunked(&packed, 1000)].concat();
    for response in [plain, chunks] {
        let mut seen = Talk::new(&[(S, &response)]).hear(|| 1448);
        assert!(seen.plain == body, "the plain bytes are the body");
        assert_eq!(seen.fields.len(), 20_000);
        assert!(seen.fields.pop().is_some_and(|field| field.starts_with("http.response.body.json[].id=")));
    }
}

#[test]
fn a_bomb_is_opaque() {
    let packed = gzip(&vec![b' '; 4 << 20]);
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\r\n";
    let seen = Talk::new(&[(S, &[&head[..], &packed].concat())]).whole();
    assert!(seen.story().iter().any(|(_, what)| what.contains("too large")));
    assert!(seen.plain.is_empty());
}

#[test]
fn a_body_goes_on_behind_a_gap() {
    let mut seen = Seen { side: 1, ..Seen::default() };
    let mut conversation = protocol::http1::Http1.open(0);
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nabc";
    let at = head.len() as u64;
    assert_eq!(conversation.read(S, 0, head, true, &mut seen), head.len());
    conversation.gap(S, 4);
    let rest = b"hijHTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(conversation.read(S, at + 4, rest, false, &mut seen), rest.len());
    assert_eq!(seen.marks, ["Server 200 at 0", "Server end 75", "Server 204 at 75", "Server end 102"]);
    conversation.gap(S, 1);
    let rest = b"x: z\r\n";
    assert_eq!(conversation.read(S, 197, rest, false, &mut seen), 6);
    let rest = b"HTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(conversation.read(S, 203, rest, false, &mut seen), rest.len());
    assert_eq!(seen.marks[4..], ["Server 204 at 203", "Server end 230"]);
}

#[test]
fn probes_go_by_bytes() {
    let probe = |bytes: &[u8]| {
        let said = protocol::ALL.iter().map(|p| (p.id(), p.probe(bytes)));
        said.filter(|(_, probe)| *probe != Probe::Decline).collect::<Vec<_>>()
    };
    assert_eq!(probe(b"GET / HTTP/1.1\r\n"), [("http1", Probe::Certain(Side::Client))]);
    assert_eq!(probe(b"HTTP/1.1 200"), [("http1", Probe::Certain(Side::Server))]);
    assert_eq!(probe(b"GE"), [("http1", Probe::Undecided)]);
    assert_eq!(probe(b"USER anna\r\n"), []);
    assert_eq!(probe(http2::PREFACE), [("http2", Probe::Certain(Side::Client))]);
    assert_eq!(probe(&http2::PREFACE[..20]), [("http2", Probe::Undecided)]);
    assert_eq!(probe(b"PRI * HTTP/2.0\r\n\r\nSN"), []);
    assert_eq!(probe(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"), [("http2", Probe::Certain(Side::Server))]);
    assert_eq!(probe(b"\0\0\x06\x04\0\0\0\0\0\0\x7f\0\0\0\x64"), []);
    assert_eq!(probe(b"\0\0\x07\x04\0\0\0\0\0\0\x03\0\0\0\x64"), []);
    assert_eq!(probe(&client_hello()), [("tls", Probe::Certain(Side::Client))]);
    assert_eq!(probe(&server_hello()), [("tls", Probe::Certain(Side::Server))]);
    assert_eq!(probe(b"\x16\x03"), [("tls", Probe::Undecided)]);
    assert_eq!(probe(b"\x17\x03\x03\x00\x05"), [("tls", Probe::Certain(Side::Client))]);
    assert_eq!(probe(b"\x17\x03\x03\xff\xff"), []);
    assert_eq!(probe(b"\x05\x01\x00"), [("socks", Probe::Certain(Side::Client))]);
    assert_eq!(probe(b"\x05\x02\x00"), [("socks", Probe::Undecided)]);
    assert_eq!(probe(b"\x05\x01\x00\x00"), []);
}

/// One header line's events: kept text as it is, fields as `<role path last-part>`.
fn header(line: &str) -> String {
    let side = if line.starts_with("Set-") || line.starts_with("WWW") || line.starts_with("Location") { S } else { C };
    let start = if side == C { "GET / HTTP/1.1\r\n" } else { "HTTP/1.1 200 OK\r\n" };
    let bytes = format!("{start}{line}\r\n\r\n");
    let seen = Talk::new(&[(side, bytes.as_bytes())]).whole();
    let mut out = String::new();
    for (at, what) in seen.story() {
        let raw = &bytes[at.start as usize..at.end as usize];
        match what.split_once(' ') {
            None => out.push_str(raw),
            Some((role, rest)) => {
                let path = rest.split_once(' ').map_or("", |(_, told)| told.split('=').next().unwrap_or(""));
                let short = path.trim_start_matches("http.request.").trim_start_matches("http.response.");
                let role = if role == format!("{:?}", Role::Value) { "" } else { role };
                out.push_str(&format!("<{short}{}{role}>", if role.is_empty() { "" } else { " " }));
            }
        }
    }
    out.trim_start_matches(start).trim_end().to_string()
}

#[test]
fn header_values_by_their_table() {
    let cases = [
        ("Host: shop.example.com:8080", "Host: <header.host Host>:8080"),
        ("Host: [2001:db8::1]:80", "Host: [<header.host Host>]:80"),
        (
            "Accept: text/html, application/x-secret;q=0.9, */*",
            "Accept: text/html, application/<header.accept>;q=0.9, */*",
        ),
        ("Accept-Language: de-CH, de;q=0.8", "Accept-Language: de-CH, de;q=0.8"),
        ("Authorization: Basic YTpi", "Authorization: Basic <header.authorization.basic>"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer <header.authorization.bearer>"),
        ("Authorization: secret", "Authorization: <header.authorization>"),
        (
            "Authorization: Digest username=\"a\", uri=\"/x/y\", qop=auth, nc=00000001",
            "Authorization: Digest username=\"<header.authorization.digest.username>\", uri=\"/<header.authorization.digest.uri.path Segment>/<header.authorization.digest.uri.path Segment>\", qop=auth, nc=00000001",
        ),
        ("Cookie: sid=\"a b\"; 2024=x; flag", "Cookie: sid=\"<cookie.sid>\"; <cookie.{} Name>=<cookie.{}>; <cookie>"),
        (
            "Referer: https://h.example/a?b=c#d",
            "Referer: https://<header.referer.host Host>/<header.referer.path Segment>?b=<header.referer.query.b>#<header.referer.fragment>",
        ),
        (
            "X-Forwarded-For: 10.0.0.1, 2001:db8::1",
            "X-Forwarded-For: <header.x-forwarded-for Host>, <header.x-forwarded-for Host>",
        ),
        ("Forwarded: for=\"[::1]:80\";proto=https", "Forwarded: for=\"[<header.forwarded.for Host>]:80\";proto=https"),
        ("Via: 1.1 proxy.example (squid)", "Via: 1.1 <header.via Host> <header.via>"),
        ("If-None-Match: W/\"abc\", \"d\"", "If-None-Match: W/\"<header.if-none-match>\", \"<header.if-none-match>\""),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"),
        ("If-Modified-Since: Sun, 06 Nov 1994", "If-Modified-Since: <header.if-modified-since>"),
        ("User-Agent: curl/8.0", "User-Agent: <header.user-agent>"),
        ("X-Order-20240131: a", "<header.{} Name>: <header.{}>"),
        (
            "Content-Type: multipart/form-data; boundary=\"xyz\"",
            "Content-Type: multipart/form-data; boundary=\"<header.content-type.boundary>\"",
        ),
        ("Content-Type: text/html; charset=UTF-8", "Content-Type: text/html; charset=UTF-8"),
        (
            "Content-Disposition: form-data; name=\"photo\"; filename=\"me.jpg\"",
            "Content-Disposition: form-data; name=\"photo\"; filename=\"<header.content-disposition.filename>\"",
        ),
        ("Cache-Control: max-age=3600, no-cache", "Cache-Control: max-age=3600, no-cache"),
        ("Connection: keep-alive, Upgrade", "Connection: keep-alive, Upgrade"),
        ("Range: bytes=0-1023", "Range: bytes=0-1023"),
        ("Link: </p?x=1>; rel=\"next\"", "Link: </<header.link.path Segment>?x=<header.link.query.x>>; rel=\"next\""),
        ("Location: javascript:0open(1)", "Location: javascript:<header.location.path>"),
        ("Location: shop:8080/a", "Location: <header.location.path Segment>/<header.location.path Segment>"),
        ("Location: /orders/42", "Location: /<header.location.path Segment>/<header.location.path Segment>"),
        (
            "WWW-Authenticate: Basic realm=\"shop\"",
            "WWW-Authenticate: Basic realm=\"<header.www-authenticate.basic.realm>\"",
        ),
        (
            "Set-Cookie: sid=abc%20d; Path=/a; Domain=.example.com; Expires=Wed, 21-Oct-2015 07:28:00 GMT; Max-Age=60; HttpOnly; SameSite=Lax",
            "Set-Cookie: sid=<set-cookie.sid>; Path=/<set-cookie.path.path Segment>; Domain=.<set-cookie.domain Host>; Expires=Wed, 21-Oct-2015 07:28:00 GMT; Max-Age=60; HttpOnly; SameSite=Lax",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(header(line), expected);
    }
}
