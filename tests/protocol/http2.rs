//! HTTP/2: interleaved streams, compressed headers, what is lost with a block, and what a connection says in HTTP/1's form.

use standin::protocol::http2::{Http2, huffman};
use standin::protocol::{Protocol, Side};

use super::{C, S, Seen, Talk, gzip, read};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn settings() -> Vec<u8> {
    frame(4, 0, 0, &[0, 3, 0, 0, 0, 100, 0x7a, 0x7a, 1, 2, 3, 4])
}

fn string(text: &str, packed: bool) -> Vec<u8> {
    let mut raw = text.as_bytes().to_vec();
    if packed {
        raw.clear();
        huffman::encode(text.as_bytes(), &mut raw);
    }
    assert!(raw.len() < 127);
    [&[raw.len() as u8 | if packed { 0x80 } else { 0 }], &raw[..]].concat()
}

/// With incremental indexing: the name spelled out, or of the static table.
fn literal(name: &str, value: &str, packed: bool) -> Vec<u8> {
    [&[0x40][..], &string(name, packed), &string(value, packed)].concat()
}

fn named(index: u8, value: &str, packed: bool) -> Vec<u8> {
    [&[0x40 | index][..], &string(value, packed)].concat()
}

/// `GET` (2) or `POST` (3), `http` and a path.
fn ask(method: u8, path: &str) -> Vec<u8> {
    [&[0x80 | method, 0x86][..], &named(4, path, true)].concat()
}

fn headers(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(1, flags | END_HEADERS, stream, block)
}

fn data(flags: u8, stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(0, flags, stream, bytes)
}

/// Two requests at once, answered in the other order; the second one repeats a header by its index.
fn shop() -> Talk {
    let first = [
        ask(2, "/orders/42?mail=anna%40example.com"),
        named(1, "shop.example.com:81", true),
        literal("x-session", "tok-anna-1", false),
    ];
    // Behind the new path: 63 is the session, 64 the authority.
    let second = [ask(3, "/carts"), vec![0xc0, 0xbf], literal("content-type", "application/json", true)];
    let padded =
        frame(1, END_HEADERS | PADDED | 0x20, 3, &[&[3][..], &[0, 0, 0, 0, 9], &second.concat(), &[0; 3]].concat());
    let packed = gzip(br#"{"email":"anna@example.com"}"#);
    let (front, back) = packed.split_at(9);
    let answer =
        [&[0x88][..], &literal("content-type", "application/json", true), &literal("content-encoding", "gzip", true)]
            .concat();
    Talk::new(&[
        (C, &[PREFACE, &settings(), &headers(END_STREAM, 1, &first.concat()), &padded].concat()),
        (S, &[settings(), frame(4, 1, 0, b""), frame(8, 0, 0, &[0, 1, 0, 0])].concat()),
        (
            C,
            &[
                data(0, 3, br#"{"user":"an"#),
                frame(6, 0, 0, b"pinganna"),
                frame(0, END_STREAM | PADDED, 3, b"\x04na\"}anna"),
            ]
            .concat(),
        ),
        (
            S,
            &[
                headers(0, 3, &[&[0x8b][..], &literal("content-type", "text/plain", true)].concat()),
                headers(0, 1, &answer),
                data(0, 1, front),
                data(0, 3, b"hello "),
                data(END_STREAM, 1, back),
                data(0, 3, b"anna"),
                headers(END_STREAM, 3, &literal("grpc-status", "0", true)),
                frame(7, 0, 0, b"\0\0\0\x03\0\0\0\0bye anna"),
            ]
            .concat(),
        ),
    ])
}

pub(super) fn talks() -> Vec<(&'static str, Talk)> {
    let split = ask(2, "/tata");
    let (one, two) = split.split_at(4);
    let pushed = [&[0, 0, 0, 2][..], &ask(2, "/style.css")].concat();
    vec![
        ("http/2", shop()),
        (
            "http/2, headers over frames, a push, a reset",
            Talk::new(&[
                (C, &[PREFACE, &frame(4, 0, 0, b""), &frame(1, END_STREAM, 1, one), &frame(9, 0, 1, b""), &frame(9, END_HEADERS, 1, two)].concat()),
                (S, &[
                    frame(4, 0, 0, b""),
                    frame(5, END_HEADERS, 1, &pushed),
                    headers(0, 1, b"\x88"),
                    headers(0, 2, b"\x88"),
                    data(0, 1, b"a,b\n1,anna"),
                    data(END_STREAM, 2, b"x"),
                    frame(3, 0, 1, &[0, 0, 0, 8]),
                    data(END_STREAM, 1, b"late"),
                    frame(0x0b, 0, 0, b"anna"),
                ].concat()),
            ]),
        ),
        (
            "http/2 behind an upgrade",
            Talk::new(&[
                (C, b"GET /a HTTP/1.1\r\nHost: shop.example.com\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"),
                (S, &[&b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"[..], &settings(), &headers(0, 1, b"\x88"), &data(END_STREAM, 1, b"anna")].concat()),
                (C, &[PREFACE, &frame(4, 0, 0, b""), &headers(END_STREAM, 3, &ask(2, "/b"))].concat()),
                (S, &headers(END_STREAM, 3, b"\x89")),
            ]),
        ),
        ("http/2, a server alone", Talk::new(&[(S, &[frame(4, 0, 0, b"\0\x03\0\0\0\x64"), headers(END_STREAM, 1, b"\x88")].concat())])),
    ]
}

fn text(seen: &Seen, side: Side, lane: u32) -> String {
    seen.texts
        .get(&(side as usize, lane))
        .map_or_else(String::new, |text| text.escape_ascii().to_string().replace("\\r\\n", "|"))
}

#[test]
fn streams_at_once_are_told_apart() {
    let seen = shop().whole();
    let marks: Vec<String> =
        seen.marks.iter().map(|mark| mark.rsplit_once(" at ").map_or(&mark[..], |(mark, _)| mark).to_owned()).collect();
    let ends = |mark: &str| mark.contains(" end ");
    let told: Vec<&str> = marks.iter().map(|mark| if ends(mark) { &mark[..10] } else { mark }).collect();
    assert_eq!(
        told,
        [
            "Client GET /orders/42?mail=anna%40example.com",
            "Client end",
            "Client POST /carts",
            "Client end",
            "Server 304",
            "Server 200",
            "Server end",
            "Server end",
        ]
    );
    let expected = [
        "http.request.path=orders",
        "http.request.path=42",
        "http.request.query.mail=anna%40example.com",
        "http.request.header.host=shop.example.com",
        "http.request.header.x-session=tok-anna-1",
        "http.request.path=carts",
        // Said again by index.
        "http.request.header.host=shop.example.com",
        "http.request.header.x-session=tok-anna-1",
        "http.request.body.json.user=anna",
        "http.response.body.json.email=anna@example.com",
    ];
    for field in expected {
        assert!(seen.fields.iter().any(|seen| seen == field), "{field} of {:?}", seen.fields);
    }
    assert_eq!(
        text(&seen, C, 1),
        "GET /orders/42?mail=anna%40example.com HTTP/1.1|host: shop.example.com:81|x-session: tok-anna-1||"
    );
    let post = text(&seen, C, 3);
    assert!(post.starts_with("POST /carts HTTP/1.1|host: shop.example.com:81|"), "{post}");
    assert!(post.contains("|content-type: application/json|transfer-encoding: chunked||"), "{post}");
    assert!(post.ends_with("|4|na\\\"}|0||") || post.ends_with("na\\\"}|0||"), "{post}");
    let answer = text(&seen, S, 3);
    assert!(answer.ends_with("|6|hello |4|anna|0|grpc-status: 0||"), "{answer}");
}

/// Feeds both sides whole, with a hole of `missing` bytes in the server's, which begin again with `behind`.
fn with_hole(talk: &Talk, before: &[u8], missing: u64, behind: &[u8]) -> Seen {
    let mut seen = Seen::default();
    let mut conversation = Http2.open(0);
    read(&mut *conversation, C, &mut (0, talk.0[0].1.clone()), false, &mut seen);
    read(&mut *conversation, S, &mut (0, before.to_vec()), true, &mut seen);
    conversation.flush(S, &mut seen);
    conversation.gap(S, missing);
    read(&mut *conversation, S, &mut (before.len() as u64 + missing, behind.to_vec()), true, &mut seen);
    conversation.flush(S, &mut seen);
    seen
}

#[test]
fn a_hole_in_data_costs_that_message_alone() {
    let body = data(END_STREAM, 1, b"hello anna");
    let before = [frame(4, 0, 0, b""), headers(0, 1, b"\x88"), body[..12].to_vec()].concat();
    let behind = [&body[15..], &headers(END_STREAM, 3, b"\x8d")].concat();
    let seen = with_hole(&shop(), &before, 3, &behind);
    assert_eq!(
        seen.marks.iter().filter(|mark| mark.starts_with("Server")).map(|mark| &mark[..10]).collect::<Vec<_>>(),
        ["Server 200", "Server cut", "Server 404", "Server end"]
    );
}

#[test]
fn behind_a_hole_in_headers_nothing_is_guessed() {
    let before = [frame(4, 0, 0, b""), headers(0, 1, b"\x88")].concat();
    let behind = [headers(END_STREAM, 3, b"\x8d"), data(END_STREAM, 1, b"anna")].concat();
    let seen = with_hole(&shop(), &before, 20, &behind);
    assert_eq!(seen.marks.iter().filter(|mark| mark.starts_with("Server")).count(), 1);
    assert!(
        seen.story()
            .iter()
            .any(|(at, what)| what == "opaque http2 behind a gap" && at.end - at.start == behind.len() as u64)
    );
}

#[test]
fn a_block_that_is_none_leaves_frames_and_no_headers() {
    let first = headers(END_STREAM, 1, &ask(2, "/a"));
    let broken = headers(END_STREAM, 3, b"\xff\xff\xff\xff\xff\xff");
    let last = headers(END_STREAM, 5, &ask(2, "/b"));
    let seen = Talk::new(&[(C, &[PREFACE, &first, &broken, &last].concat())]).whole();
    assert_eq!(seen.marks.iter().filter(|mark| mark.starts_with("Client GET")).count(), 1);
    let what = "opaque http2 headers of an unknown table";
    assert_eq!(seen.story().iter().filter(|(_, story)| story == what).count(), 2);
}

/// What cannot be said in HTTP/1, or would say something else there, is no exchange; its fields are fields.
#[test]
fn what_http_1_cannot_say_is_no_request() {
    for (why, block) in [
        ("a line end in a value", [ask(2, "/a"), literal("x-a", "1\r\nx-b: 2", false)].concat()),
        ("a name that is none", [ask(2, "/a"), literal("x a", "1", false)].concat()),
        ("a space in the target", ask(2, "/a b")),
        ("no target", vec![0x82, 0x86]),
        ("a body that is promised and not sent", [ask(3, "/a"), named(28, "5", false)].concat()),
        ("a tunnel", [named(2, "CONNECT", false), named(1, "a.example:443", false)].concat()),
    ] {
        let seen = Talk::new(&[(C, &[PREFACE, &headers(END_STREAM, 1, &block)].concat())]).whole();
        assert!(seen.marks.is_empty() && seen.texts.is_empty(), "{why}: {:?}", seen.marks);
    }
}

#[test]
fn crumbs_of_a_cookie_are_one_header_again() {
    let block = [ask(2, "/"), named(32, "a=1", true), literal("x-b", "2", true), named(32, "c=3", true)].concat();
    let seen = Talk::new(&[(C, &[PREFACE, &headers(END_STREAM, 1, &block)].concat())]).whole();
    assert_eq!(text(&seen, C, 1), "GET / HTTP/1.1|cookie: a=1; c=3|x-b: 2||");
}
