//! WebSocket sessions against targets that behave and targets that do not.

use std::io::{Cursor, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use standin::mask::Key;
use standin::replay::feed::Feed;
use standin::replay::profile::Span;
use standin::replay::{Failure, Identities, Mode, Options, Profile, RunResult, dry_run, plan, run};
use standin::rules::Policy;
use standin::run::WebSocket;
use standin::sanitize;
use standin::workload::{Collector, Replacement, Request, Workload, correlate, pack};

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A capture of one connection, made by hand.
struct Wire {
    file: Vec<u8>,
    ms: u64,
    seq: [u32; 2],
    port: u16,
}

impl Wire {
    fn new() -> Wire {
        let head: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0xffff, 101];
        let file = head.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut wire = Wire { file, ms: 0, seq: [1000, 5000], port: 40_000 };
        wire.open();
        wire
    }

    fn open(&mut self) {
        self.port += 1;
        self.packet(0, 2, b"");
        self.packet(1, 0x12, b"");
        self.seq = self.seq.map(|seq| seq + 1);
    }

    fn packet(&mut self, side: usize, flags: u8, payload: &[u8]) {
        let (ends, ports) = ([[10, 0, 0, 1], [10, 0, 0, 2]], [self.port, 80]);
        let mut packet = vec![0x45, 0];
        packet.extend((40 + payload.len() as u16).to_be_bytes());
        packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        packet.extend(ends[side]);
        packet.extend(ends[1 - side]);
        packet.extend(ports[side].to_be_bytes());
        packet.extend(ports[1 - side].to_be_bytes());
        packet.extend(self.seq[side].to_be_bytes());
        packet.extend(self.seq[1 - side].to_be_bytes());
        packet.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(payload);
        let len = packet.len() as u32;
        let us = 1_700_000_000_000_000 + self.ms * 1000;
        for word in [(us / 1_000_000) as u32, (us % 1_000_000) as u32, len, len] {
            self.file.extend(word.to_le_bytes());
        }
        self.file.extend(packet);
        self.seq[side] += payload.len() as u32;
    }

    fn wait(mut self, ms: u64) -> Wire {
        self.ms += ms;
        self
    }

    fn client(mut self, bytes: impl AsRef<[u8]>) -> Wire {
        self.packet(0, 0x18, bytes.as_ref());
        self
    }

    fn server(mut self, bytes: impl AsRef<[u8]>) -> Wire {
        self.packet(1, 0x18, bytes.as_ref());
        self
    }

    fn upgraded(self, more: &str) -> Wire {
        let asked = format!(
            "GET /rooms/17?x=1 HTTP/1.1\r\nHost: chat.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n{more}Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        self.client(asked).wait(1).server(switching(KEY, more)).wait(1)
    }

    fn feed(&self) -> Feed {
        let file = self.file.clone();
        Feed::capture(Box::new(move || Ok(Box::new(Cursor::new(file.clone())))))
    }

    fn gathered(&self) -> Workload {
        let mut collector = Collector::new();
        standin::dissect::run(Box::new(Cursor::new(self.file.clone())), &mut collector).unwrap();
        let mut workload = collector.finish().unwrap();
        correlate(&mut workload);
        workload
    }
}

/// The response that upgrades; proves that the key was read.
fn switching(key: &str, more: &str) -> String {
    let proof = [key.as_bytes(), b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    let proof = base64::engine::general_purpose::STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &proof));
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{more}Sec-WebSocket-Accept: {proof}\r\n\r\n"
    )
}

/// A frame by its first byte.
fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if key.is_some() { 0x80 } else { 0 };
    let mut out = vec![first];
    match payload.len() {
        len @ 0..126 => out.push(masked | len as u8),
        len => {
            out.push(masked | 126);
            out.extend((len as u16).to_be_bytes());
        }
    }
    out.extend(key.iter().flatten());
    let key = key.unwrap_or_default();
    out.extend(payload.iter().enumerate().map(|(n, byte)| byte ^ key[n % 4]));
    out
}

fn asks(text: &str) -> Vec<u8> {
    frame(0x80 | TEXT, Some([1, 2, 3, 4]), text.as_bytes())
}

fn says(text: &str) -> Vec<u8> {
    frame(0x80 | TEXT, None, text.as_bytes())
}

/// A frame that a target heard.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    first: u8,
    key: [u8; 4],
    payload: Vec<u8>,
}

impl Frame {
    fn read(stream: &mut TcpStream) -> Option<Frame> {
        let mut two = [0; 2];
        stream.read_exact(&mut two).ok()?;
        assert!(two[1] & 0x80 != 0, "a client masks");
        let len = match two[1] & 0x7f {
            126 => {
                let mut long = [0; 2];
                stream.read_exact(&mut long).ok()?;
                u16::from_be_bytes(long).into()
            }
            127 => panic!("too long for these tests"),
            len => usize::from(len),
        };
        let mut key = [0; 4];
        stream.read_exact(&mut key).ok()?;
        let mut payload = vec![0; len];
        stream.read_exact(&mut payload).ok()?;
        payload.iter_mut().enumerate().for_each(|(n, byte)| *byte ^= key[n % 4]);
        Some(Frame { first: two[0], key, payload })
    }

    fn shown(&self) -> (u8, String) {
        (self.first, String::from_utf8_lossy(&self.payload).into_owned())
    }
}

/// Reads a head, up to and with its empty line.
fn head(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        text.push(byte[0]);
    }
    String::from_utf8(text).ok()
}

/// A target: `plain` answers requests that ask for no upgrade; after an upgrade (that says `more`), `each` frame is
/// answered with bytes. What it heard.
fn target(
    more: &'static str,
    plain: &'static str,
    each: impl Fn(usize, &Frame, &mut TcpStream) -> bool + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<Frame>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (heard, each) = (Arc::new(Mutex::new(Vec::new())), Arc::new(each));
    let kept = heard.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, heard, each) = (stream.unwrap(), kept.clone(), each.clone());
            thread::spawn(move || {
                let key = loop {
                    let Some(head) = head(&mut stream) else { return };
                    match head.split_once("Sec-WebSocket-Key: ") {
                        Some((_, rest)) => break rest.split("\r\n").next().unwrap().to_owned(),
                        None => stream.write_all(plain.as_bytes()).unwrap(),
                    }
                };
                stream.write_all(switching(&key, more).as_bytes()).unwrap();
                let mut n = 0;
                while let Some(frame) = Frame::read(&mut stream) {
                    heard.lock().unwrap().push(frame.clone());
                    if !each(n, &frame, &mut stream) {
                        return;
                    }
                    n += 1;
                }
            });
        }
    });
    (url, heard)
}

fn profile(mode: Mode) -> Profile {
    Profile {
        mode,
        abort_error_rate: 1.0,
        timeout: Span(Duration::from_secs(20)),
        max_lateness: Span(Duration::from_secs(20)),
        threads: 1,
        ..Profile::default()
    }
}

fn replayed(wire: &Wire, url: &str, profile: Profile) -> RunResult {
    run(wire.feed(), Options::new(url, profile)).unwrap()
}

/// What a target heard, once it has heard so many frames: it may be slower than the run.
fn frames(heard: &Mutex<Vec<Frame>>, count: usize) -> Vec<Frame> {
    for _ in 0..2000 {
        if heard.lock().unwrap().len() >= count {
            break;
        }
        thread::sleep(Duration::from_millis(5));
    }
    heard.lock().unwrap().clone()
}

fn shown(heard: &Mutex<Vec<Frame>>) -> Vec<(u8, String)> {
    heard.lock().unwrap().iter().map(Frame::shown).collect()
}

fn echo(_: usize, frame: &Frame, stream: &mut TcpStream) -> bool {
    match frame.first & 0x0f {
        TEXT | 0 if frame.first & 0x80 != 0 => stream.write_all(&frame_of(&frame.payload)).is_ok(),
        CLOSE => {
            let _ = stream.write_all(&self::frame(0x80 | CLOSE, None, &frame.payload));
            false
        }
        _ => true,
    }
}

fn frame_of(payload: &[u8]) -> Vec<u8> {
    frame(0x80 | TEXT, None, payload)
}

/// Three messages, the second one in two fragments with a ping between them, and a close.
fn conversation() -> Wire {
    let key = Some([9, 8, 7, 6]);
    Wire::new()
        .upgraded("")
        .client(asks("hello"))
        .wait(2)
        .server(says("hello"))
        .wait(2)
        .client(frame(TEXT, key, b"two "))
        .client(frame(0x80 | PING, key, b"alive?"))
        .client(frame(0x80, key, b"parts"))
        .wait(1)
        .server(frame(0x80 | PONG, None, b"alive?"))
        .server(says("parts"))
        .wait(2)
        .client(asks("unanswered"))
        .wait(1)
        .client(frame(0x80 | CLOSE, key, b"\x03\xe8bye"))
        .server(frame(0x80 | CLOSE, None, b"\x03\xe8bye"))
}

#[test]
fn messages_go_out_as_captured() {
    for mode in [Mode::Captured, Mode::Sessions] {
        let (url, heard) = target("", "", echo);
        let result = replayed(&conversation(), &url, profile(mode));
        let all = shown(&heard);
        let expected = [
            (0x80 | TEXT, "hello"),
            (TEXT, "two "),
            (0x80, "parts"),
            (0x80 | PING, "alive?"),
            (0x80 | TEXT, "unanswered"),
        ];
        let texts: Vec<(u8, &str)> = all.iter().map(|(first, text)| (*first, text.as_str())).collect();
        assert_eq!(texts[..5], expected, "{mode:?}");
        assert_eq!(heard.lock().unwrap()[5].payload, b"\x03\xe8bye", "{mode:?}");
        let keys: std::collections::BTreeSet<[u8; 4]> = heard.lock().unwrap().iter().map(|frame| frame.key).collect();
        assert_eq!(keys.len(), all.len(), "a key for each frame");
        assert!(result.valid, "{mode:?}: {:?}", result.invalid_because);
        assert_eq!((result.requests.planned, result.requests.answered), (3, 3), "{mode:?}: {:?}", result.requests);
        assert_eq!(result.status.iter().collect::<Vec<_>>(), [(&"101".to_owned(), &1)]);
        let messages = result.websocket.unwrap();
        assert_eq!((messages.connections, messages.messages_sent, messages.unheard, messages.unsent), (1, 3, 0, 0));
        let endpoints: Vec<(&str, u64)> = result.endpoints.iter().map(|e| (e.endpoint.as_str(), e.answered)).collect();
        assert_eq!(endpoints, [("GET /rooms/{}", 1), ("WS /rooms/{}", 2)]);
    }
}

#[test]
fn the_same_seed_gives_the_same_masks() {
    let masks = |seed| {
        let (url, heard) = target("", "", echo);
        replayed(&conversation(), &url, Profile { seed, ..profile(Mode::Sessions) });
        let heard = heard.lock().unwrap();
        heard.iter().map(|frame| frame.key).collect::<Vec<_>>()
    };
    assert_eq!(masks(7), masks(7));
    assert_ne!(masks(7), masks(8));
}

#[test]
fn a_stream_of_messages_is_what_is_gathered() {
    let wire = conversation();
    let workload = wire.gathered();
    assert_eq!(workload.requests(), 6);
    for mode in [Mode::Captured, Mode::Sessions] {
        let shown = |feed: Feed| {
            let plan = dry_run(feed, &profile(mode)).unwrap();
            plan.iter().map(|one| format!("{} {:?} {:?}", one.line, one.at_ms, one.after_ms)).collect::<Vec<_>>()
        };
        let streamed = shown(wire.feed());
        assert_eq!(streamed, shown(Feed::from(&workload)));
        assert_eq!(streamed.len(), 6);
        assert!(streamed[1].starts_with("WS /rooms/{} "), "{streamed:?}");
    }
}

/// In sessions, the next message is not sent before the target has said what came before it when it was captured.
#[test]
fn a_session_waits_for_the_messages_that_its_client_had_heard() {
    let wire = Wire::new()
        .upgraded("")
        .client(asks("first"))
        .wait(1)
        .server(says("a"))
        .server(says("b"))
        .wait(1)
        .client(asks("second"))
        .wait(1)
        .server(says("c"));
    let order = Arc::new(Mutex::new(Vec::new()));
    let told = order.clone();
    let (url, _) = target("", "", move |n, frame, stream| {
        told.lock().unwrap().push(frame.shown().1);
        for text in [&["a", "b"][..], &["c"]][n] {
            thread::sleep(Duration::from_millis(150));
            told.lock().unwrap().push((*text).to_owned());
            stream.write_all(&says(text)).unwrap();
        }
        true
    });
    let result = replayed(&wire, &url, profile(Mode::Sessions));
    assert_eq!(*order.lock().unwrap(), ["first", "a", "b", "second", "c"]);
    assert_eq!(result.requests.answered, 3);
    let response = result.endpoints.iter().find(|one| one.endpoint.starts_with("WS")).unwrap().response_time_us;
    assert!(response.max >= 150_000, "{response:?}");
    let expected = WebSocket { connections: 1, messages_sent: 2, messages_received: 3, ..WebSocket::default() };
    assert_eq!(result.websocket, Some(expected));
}

#[test]
fn values_go_from_answers_to_messages() {
    let login = "POST /login HTTP/1.1\r\nHost: chat.example\r\nContent-Length: 0\r\n\r\n";
    let told = |token: &str| {
        let body = format!("{{\"token\":\"{token}\"}}");
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let wire = Wire::new()
        .client(login)
        .wait(1)
        .server(told("tok-4f9a1c"))
        .wait(1)
        .upgraded("")
        .client(asks("{\"type\":\"auth\",\"token\":\"tok-4f9a1c\"}"))
        .wait(1)
        .server(says("{\"type\":\"ready\",\"room_id\":\"room-88121\"}"))
        .wait(1)
        .client(asks("{\"type\":\"join\",\"room_id\":\"room-88121\"}"))
        .wait(1)
        .server(says("{}"));
    let live = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n{\"token\":\"a much longer token\"}";
    let live: &'static str = live.replace("29", "31").leak();
    let (url, heard) = target("", live, |n, _, stream| {
        let room = "x".repeat(300);
        let text = format!("{{\"type\":\"ready\",\"room_id\":\"{room}\"}}");
        stream.write_all(&if n == 0 { says(&text) } else { says("{}") }).is_ok()
    });
    let result = replayed(&wire, &url, profile(Mode::Sessions));
    let texts: Vec<String> = shown(&heard).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts[0], "{\"type\":\"auth\",\"token\":\"a much longer token\"}");
    assert_eq!(texts[1], format!("{{\"type\":\"join\",\"room_id\":\"{}\"}}", "x".repeat(300)));
    assert_eq!((result.correlation.edges, result.correlation.substituted, result.correlation.missed), (2, 2, 0));
    let plan = dry_run(wire.feed(), &profile(Mode::Sessions)).unwrap();
    let made: Vec<_> = plan.iter().flat_map(|one| &one.replacements).filter(|made| made.from_step.is_some()).collect();
    let places: Vec<_> = made.iter().map(|made| (made.at, made.len, made.with.as_str())).collect();
    let message = |at, len, with| (at, len, with);
    assert_eq!(
        places,
        [message(24, 10, "http.response.body.json.token[0]"), message(26, 10, "http.response.body.json.room_id[0]")]
    );
}

#[test]
fn compressed_messages_are_compressed_where_the_target_agrees() {
    const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    const AGREED: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9\r\n";
    // `Hello` as RFC 7692 §7.2.3.1 packs it, and again within the same window.
    let packed = [&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..], &[0xf2, 0x00, 0x11, 0x00, 0x00]];
    let key = Some([5, 6, 7, 8]);
    let wire = Wire::new()
        .upgraded(OFFER)
        .client(frame(0xc0 | TEXT, key, packed[0]))
        .client(frame(0xc0 | TEXT, key, packed[1]))
        .server(frame(0xc0 | TEXT, None, packed[0]));
    for more in [AGREED, ""] {
        let (url, heard) = target(more, "", |_, frame, stream| {
            stream.write_all(&self::frame(frame.first, None, &frame.payload)).is_ok()
        });
        let result = replayed(&wire, &url, profile(Mode::Sessions));
        assert_eq!(result.requests.answered, 2, "{:?}", result.requests);
        let heard = frames(&heard, 2);
        for frame in &heard {
            let mut text = Vec::new();
            let packed = [frame.payload.as_slice(), &[0, 0, 0xff, 0xff]].concat();
            match more {
                "" => text.clone_from(&frame.payload),
                _ => drop(flate2::read::DeflateDecoder::new(packed.as_slice()).read_to_end(&mut text)),
            }
            let first = if more.is_empty() { 0x80 | TEXT } else { 0xc0 | TEXT };
            assert_eq!((frame.first, text.as_slice()), (first, b"Hello".as_slice()));
        }
        assert_eq!(heard.len(), 2);
    }
}

#[test]
fn a_target_that_answers_too_little_is_waited_for_once() {
    let mut wire = Wire::new().upgraded("");
    for n in 0..2 {
        wire = wire.client(asks(&format!("ask {n}"))).wait(1);
        for _ in 0..5 {
            wire = wire.server(says("told"));
        }
        wire = wire.wait(1);
    }
    let (url, heard) = target("", "", |n, _, stream| n > 0 || stream.write_all(&says("one")).is_ok());
    let profile = Profile { timeout: Span(Duration::from_millis(300)), ..profile(Mode::Sessions) };
    let result = replayed(&wire, &url, profile);
    assert_eq!(heard.lock().unwrap().len(), 2);
    assert_eq!(result.requests.failed.get(&Failure::Timeout), Some(&1), "{:?}", result.requests);
    assert_eq!((result.requests.answered, result.websocket.unwrap().unheard), (2, 9));
    assert!(result.seconds < 5.0, "not once for each: {}", result.seconds);
}

#[test]
fn a_target_that_closes_early_fails_what_is_left() {
    for close in [true, false] {
        let wire = Wire::new()
            .upgraded("")
            .client(asks("a"))
            .wait(1)
            .server(says("a"))
            .wait(1)
            .client(asks("b"))
            .wait(1)
            .server(says("b"))
            .wait(1)
            .client(asks("c"))
            .client(asks("d"));
        let (url, _) = target("", "", move |_, frame, stream| {
            stream.write_all(&frame_of(&frame.payload)).unwrap();
            if close {
                stream.write_all(&self::frame(0x80 | CLOSE, None, b"\x03\xe9")).unwrap();
                // The answer is read: a reset would take what was sent before with it.
                let _ = Frame::read(stream);
            }
            false
        });
        let result = replayed(&wire, &url, profile(Mode::Sessions));
        let failed: u64 = result.requests.failed.values().sum();
        assert_eq!((result.requests.answered, failed), (2, 1), "{:?}", result.requests);
        assert!(!result.requests.failed.contains_key(&Failure::Timeout));
        let messages = result.websocket.unwrap();
        assert!(messages.unsent >= 2, "{messages:?}");
    }
}

#[test]
fn endless_fragments_and_frames_that_are_none_are_failures_of_protocol() {
    let endless = [frame(TEXT, None, b"x"), frame(0, None, b"").repeat(1 << 17)].concat();
    let giant = [&[0x82, 127][..], &(1_u64 << 40).to_be_bytes()].concat();
    let masked = asks("a client's");
    let unasked = frame(0xc0 | TEXT, None, b"packed?");
    for hostile in [endless, giant, masked, unasked, vec![0x8f, 0x00], vec![0x80, 0x01, b'x']] {
        let hostile: &'static [u8] = hostile.leak();
        let wire = Wire::new().upgraded("").client(asks("a")).wait(1).server(says("a"));
        let (url, _) = target("", "", move |_, _, stream| {
            let _ = stream.write_all(hostile);
            thread::sleep(Duration::from_secs(1));
            true
        });
        let result = replayed(&wire, &url, profile(Mode::Captured));
        assert_eq!(result.requests.failed.get(&Failure::Protocol), Some(&1), "{:?}", result.requests);
    }
}

#[test]
fn pings_are_answered_and_floods_of_them_borne() {
    for pings in [1, 200_000] {
        let wire = Wire::new().upgraded("").client(asks("a")).wait(1).server(says("a")).wait(1).client(asks("b"));
        let (url, heard) = target("", "", move |n, frame, stream| {
            if n == 0 {
                stream.write_all(&self::frame(0x80 | PING, None, b"there?").repeat(pings)).unwrap();
                stream.write_all(&frame_of(&frame.payload)).unwrap();
            }
            true
        });
        let result = replayed(&wire, &url, profile(Mode::Sessions));
        let heard = frames(&heard, 3).into_iter().map(|frame| frame.shown());
        let pongs: Vec<_> = heard.filter(|(first, _)| *first == 0x80 | PONG).collect();
        assert!((1..=pings).contains(&pongs.len()) && pongs[0].1 == "there?", "{pongs:?}");
        assert_eq!(result.websocket.unwrap().pings, pings as u64);
        assert_eq!((result.requests.answered, result.websocket.unwrap().messages_sent), (2, 2));
    }
}

#[test]
fn what_the_server_says_unasked_is_no_answer() {
    let wire = Wire::new().upgraded("").client(asks("a")).wait(300).client(asks("b")).wait(1).server(says("b"));
    let (url, _) = target("", "", |n, frame, stream| {
        let told = if n == 0 { says("news").repeat(3) } else { frame_of(&frame.payload) };
        stream.write_all(&told).is_ok()
    });
    let result = replayed(&wire, &url, profile(Mode::Captured));
    let messages = result.websocket.unwrap();
    assert_eq!((messages.messages_received, messages.unsolicited, messages.unheard), (4, 3, 0));
    assert_eq!(result.requests.answered, 2);
}

#[test]
fn a_target_that_does_not_upgrade_gets_no_messages() {
    for (answer, failed) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_owned(), None),
        (switching("another key", ""), Some(&1)),
    ] {
        let url = format!("http://{}", super::server(move |_, _, stream| stream.write_all(answer.as_bytes()).is_ok()));
        let result = replayed(&conversation(), &url, profile(Mode::Sessions));
        assert_eq!(result.requests.failed.get(&Failure::Protocol), failed, "{:?}", result.requests);
        assert_eq!(result.requests.failed.get(&Failure::Connect), Some(&2), "{:?}", result.requests);
        let expected = WebSocket { unsent: 3, unheard: 2, ..WebSocket::default() };
        assert_eq!(result.websocket, Some(expected));
    }
}

/// Somebody logs in, says who they are and enters a room: as masked, whatever the key, each message takes what the target
/// said to this run, in frames as captured, compressed or not.
#[test]
fn a_masked_conversation_is_replayed_message_by_message() {
    const AGREED: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let told = |token: &str| {
        let body = format!("{{\"token\":\"{token}\"}}");
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    for (key, is_packed) in [(1, false), (2, false), (3, true)] {
        let text = |text: &str| if is_packed { pack(text.as_bytes(), 15) } else { text.as_bytes().to_vec() };
        let first = if is_packed { 0xc0 | TEXT } else { 0x80 | TEXT };
        let asks = |said: &str| frame(first, Some([1, 2, 3, 4]), &text(said));
        let says = |said: &str| frame(first, None, &text(said));
        let note = text("{\"type\":\"message\",\"text\":\"Marta Quellwasser waits\",\"room_id\":\"88121-wq7\"}");
        let (front, back) = note.split_at(20);
        let mut wire = Wire::new()
            .client("POST /api/v1/login HTTP/1.1\r\nHost: chat.example\r\nContent-Length: 0\r\n\r\n")
            .wait(1)
            .server(told("9f-4f2a1c0d"))
            .wait(1)
            .upgraded(if is_packed { AGREED } else { "" })
            .client(asks("{\"type\":\"auth\",\"token\":\"9f-4f2a1c0d\"}"))
            .wait(1)
            .server(says("{\"type\":\"ready\",\"room_id\":\"88121-wq7\"}"))
            .wait(1)
            .client(frame(first & 0x7f, Some([5, 6, 7, 8]), front))
            .client(frame(0x80 | PING, Some([5, 6, 7, 8]), b"alive?"))
            .client(frame(0x80, Some([9, 9, 9, 9]), back))
            .wait(1)
            .server(says("{\"type\":\"ready\"}"));
        let policy = Arc::new(Policy::load(&[]).unwrap());
        let options = sanitize::Options { policy, key: &Key::from_bytes([key; 32]), ledger: None, format: None };
        let reader = standin::capture::Reader::open(Box::new(Cursor::new(wire.file.clone()))).unwrap();
        let mut masked = Vec::new();
        let manifest = sanitize::mask(reader, &mut masked, options, &|| false).unwrap();
        assert!(manifest.not_understood.is_empty(), "{:?}", manifest.not_understood);
        wire.file = masked;
        let live: &'static str = told("a token of this run").leak();
        let (url, heard) = target("", live, |n, frame, stream| match frame.first & 0x0f {
            PING => true,
            _ if n == 0 => stream.write_all(&self::says("{\"type\":\"ready\",\"room_id\":\"this room\"}")).is_ok(),
            _ => frame.first & 0x80 == 0 || stream.write_all(&self::says("{}")).is_ok(),
        });
        let result = replayed(&wire, &url, profile(Mode::Sessions));
        let messages = result.websocket.unwrap();
        assert_eq!((messages.messages_sent, messages.unsent, messages.unheard), (2, 0, 0), "key {key}");
        assert_eq!((result.correlation.substituted, result.correlation.missed), (2, 0), "key {key}");
        let texts: Vec<(u8, String)> = shown(&heard).into_iter().filter(|(first, _)| first & 0x0f != PING).collect();
        assert_eq!(texts[0].1, "{\"type\":\"auth\",\"token\":\"a token of this run\"}", "key {key}");
        assert_eq!((texts[1].0, texts[2].0), (TEXT, 0x80), "two fragments");
        let note = format!("{}{}", texts[1].1, texts[2].1);
        let (begins, ends) = ("{\"type\":\"message\",\"text\":\"", "\",\"room_id\":\"this room\"}");
        assert!(note.starts_with(begins) && note.ends_with(ends), "key {key}: {note}");
        let said = &note[begins.len()..note.len() - ends.len()];
        assert!(said.len() == "Marta Quellwasser waits".len() && !said.contains("Quellwasser"), "key {key}: {said}");
    }
}

#[test]
fn a_closed_loop_says_how_many_messages_it_leaves_out() {
    let closed = profile(Mode::Closed);
    let (mut planned, mut messages) = (0, 0);
    let left_out = plan(conversation().feed(), &closed, None, &mut |one| {
        planned += 1;
        messages += u64::from(one.endpoint.starts_with("WS "));
        true
    });
    // Two that were answered, one that was not, a ping and a close.
    assert_eq!((left_out.unwrap(), planned, messages), (5, 1, 0));
    assert_eq!(plan(conversation().feed(), &profile(Mode::Sessions), None, &mut |_| true).unwrap(), 0);
}

/// Copies of the captured people say other things than they did, in messages as in requests.
#[test]
fn what_copies_say_in_messages_is_theirs() {
    let wire = Wire::new().upgraded("").client(asks("I am anna0")).wait(2).server(says("hello")).wait(2);
    let wire = wire.client(asks("{\"who\":\"anna0\"}")).wait(2).server(says("hello")).wait(2);
    let identities = Identities::new(|copy, request: &Request| {
        let at = memchr::memmem::find(&request.bytes, b"anna0").map(|at| at + 4);
        at.into_iter().map(|at| Replacement { at: at..at + 1, with: copy.to_string().into_bytes() }).collect()
    });
    for mode in [Mode::Sessions, Mode::Captured] {
        let (url, heard) = target("", "", echo);
        let profile = Profile { population: 3, ..profile(mode) };
        let options = Options { identities: Some(identities.clone()), ..Options::new(&url, profile) };
        let result = run(wire.feed(), options).unwrap();
        assert_eq!(result.websocket.unwrap().messages_sent, 6, "{:?}", result.requests);
        let mut texts: Vec<String> = shown(&heard).into_iter().map(|(_, text)| text).collect();
        texts.sort();
        let all = ["anna0", "anna1", "anna2"];
        let expected =
            all.map(|who| format!("I am {who}")).into_iter().chain(all.map(|who| format!("{{\"who\":\"{who}\"}}")));
        assert_eq!(texts, expected.collect::<Vec<_>>(), "{mode:?}");
    }
}

/// What members of the recorded chat say takes tokens, tickets and ids from what they were told, over HTTP and in messages.
#[test]
fn values_of_the_recorded_chat_are_followed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/chat.pcap");
    let feed = Feed::capture(Box::new(move || Ok(Box::new(std::fs::File::open(path)?))));
    let plan = dry_run(feed, &profile(Mode::Sessions)).unwrap();
    let messages: Vec<_> = plan.iter().filter(|one| one.endpoint == "WS /api/v1/rooms/{}/live").collect();
    let takes = |what: &str| {
        let from = format!("http.response.body.json.{what}[0]");
        messages.iter().filter(|one| one.replacements.iter().any(|made| made.with == from)).count()
    };
    // Of each of four members: one token; five messages with a ticket, two of them with an id; and a close.
    assert_eq!((plan.len(), messages.len()), (12 + 28, 28));
    assert_eq!((takes("token"), takes("ticket"), takes("message_id")), (4, 20, 8));
    assert!(messages.iter().all(|one| one.after_ms.is_some()));
}
