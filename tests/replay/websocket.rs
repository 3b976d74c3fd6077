//! WebSocket sessions against targets that behave and targets that do not.

mod misbehaving;
mod sessions;
mod values;

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
use standin::replay::{Mode, Options, Profile, RunResult, run};
use standin::run::WebSocket;
use standin::workload::{Collector, Workload, correlate};

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
