//! protocol: conversations as events, every byte once, however they are split.

mod bodies;
mod framed;
mod headers;
mod heard;
mod hellos;
mod http2;

use proptest::prelude::*;
use standin::protocol::{self, Probe, Protocol, Side};

use heard::{Seen, Talk, read};
use hellos::{client_hello, server_hello};

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
