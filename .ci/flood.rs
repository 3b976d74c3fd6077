//! Captures that ask for memory, written to standard output as fast as a pipe takes them.
//!
//! `flood CASE N [SEED]`: N is what the case counts (bytes, flows, fragments, values). The same arguments give the same bytes.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use flate2::{Compression, write::GzEncoder};

/// Name, what N counts, and how the capture is made.
struct Case(&'static str, &'static str, fn(&mut Wire, u64) -> io::Result<()>);

const CASES: &[Case] = &[
    Case("stream", "bytes: keep-alive connections that come and go, one in eight never ends", stream),
    Case("flows", "flows: each with part of a request, none ever closed", flows),
    Case("hole", "bytes: behind a hole in one connection that is never filled", hole),
    Case("holes", "flows: each with a hole and a segment behind it", holes),
    Case("fragments", "IPv4 datagrams: of each only the first fragment", fragments),
    Case("heads", "flows: each with 16 KiB of a request head that does not end", heads),
    Case("bodies", "flows: each with a gzip body that stops in the middle", bodies),
    Case("values", "values: all distinct, over one connection", values),
    Case("shreds", "bytes: a response whose segments hold one byte each", shreds),
    Case("copies", "bytes: one connection, each of whose segments comes a hundred times", copies),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let case = arguments.first().and_then(|name| CASES.iter().find(|case| case.0 == name));
    let count = arguments.get(1).and_then(|n| n.parse().ok());
    let seed = arguments.get(2).map_or(Some(1), |seed| seed.parse().ok());
    let (Some(Case(_, _, make)), Some(count), Some(seed)) = (case, count, seed) else {
        let _ = writeln!(io::stderr(), "usage: flood CASE N [SEED]");
        for Case(name, what, _) in CASES {
            let _ = writeln!(io::stderr(), "  {name:10} N {what}");
        }
        return ExitCode::from(2);
    };
    let mut wire = Wire::new(seed);
    let done = wire.begin().and_then(|()| make(&mut wire, count)).and_then(|()| wire.out.flush());
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(3) }
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const PUSH: u8 = 8;
const ACK: u8 = 16;
const SERVER: End = End { address: [192, 0, 2, 80], port: 80 };
/// Payload of a full segment.
const SEGMENT: usize = 1448;

#[derive(Clone, Copy)]
struct End {
    address: [u8; 4],
    port: u16,
}

/// The capture being written: microseconds, Ethernet.
struct Wire {
    out: BufWriter<io::Stdout>,
    frame: Vec<u8>,
    written: u64,
    micros: u64,
    /// Between packets.
    step: u64,
    random: u64,
}

impl Wire {
    fn new(seed: u64) -> Wire {
        let out = BufWriter::with_capacity(256 << 10, io::stdout());
        let random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Wire { out, frame: Vec::new(), written: 0, micros: 1_700_000_000_000_000, step: 20, random }
    }

    fn begin(&mut self) -> io::Result<()> {
        for word in [0xA1B2_C3D4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            self.out.write_all(&word.to_le_bytes())?;
        }
        Ok(())
    }

    /// xorshift64.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn tcp(&mut self, from: End, to: End, seq: u32, flags: u8, payload: &[u8]) -> io::Result<()> {
        let mut header = [0; 20];
        header[..2].copy_from_slice(&from.port.to_be_bytes());
        header[2..4].copy_from_slice(&to.port.to_be_bytes());
        header[4..8].copy_from_slice(&seq.to_be_bytes());
        header[12] = 5 << 4;
        header[13] = flags;
        header[14..16].copy_from_slice(&[0xFF, 0xFF]);
        let mut sum = Sum::default();
        sum.add(&from.address);
        sum.add(&to.address);
        sum.add(&(6 + header.len() as u32 + payload.len() as u32).to_be_bytes());
        sum.add(&header);
        sum.add(payload);
        header[16..18].copy_from_slice(&sum.finish());
        self.ipv4(from, to, 6, [0, 0, 0x40, 0], &[&header, payload])
    }

    /// An IPv4 packet; `id_and_offset` are bytes 4 to 8 of its header.
    fn ipv4(&mut self, from: End, to: End, protocol: u8, id_and_offset: [u8; 4], parts: &[&[u8]]) -> io::Result<()> {
        let length = 20 + parts.iter().map(|part| part.len()).sum::<usize>();
        let mut header = [0; 20];
        header[0] = 0x45;
        header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        header[4..8].copy_from_slice(&id_and_offset);
        header[8] = 64;
        header[9] = protocol;
        header[12..16].copy_from_slice(&from.address);
        header[16..20].copy_from_slice(&to.address);
        let mut sum = Sum::default();
        sum.add(&header);
        header[10..12].copy_from_slice(&sum.finish());
        self.frame.clear();
        let [.., a, b] = from.address;
        self.frame.extend_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 1, a, b, 8, 0]);
        self.frame.extend_from_slice(&header);
        parts.iter().for_each(|part| self.frame.extend_from_slice(part));
        self.packet()
    }

    fn packet(&mut self) -> io::Result<()> {
        let len = self.frame.len() as u32;
        for word in [(self.micros / 1_000_000) as u32, (self.micros % 1_000_000) as u32, len, len] {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.out.write_all(&self.frame)?;
        self.micros += self.step;
        self.written += 16 + u64::from(len);
        Ok(())
    }
}

/// The internet checksum (RFC 1071) of pieces of even length, but for the last.
#[derive(Default)]
struct Sum(u64);

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(2);
        self.0 += words.by_ref().map(|word| u64::from(word[0]) << 8 | u64::from(word[1])).sum::<u64>();
        self.0 += words.remainder().first().map_or(0, |last| u64::from(*last) << 8);
    }

    fn finish(self) -> [u8; 2] {
        let mut sum = self.0;
        while sum >> 16 != 0 {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        (!(sum as u16)).to_be_bytes()
    }
}

/// Client number `n` of a capture: addresses of 10/8, ports from 1024 on.
fn client(n: u64) -> End {
    let [.., a, b, c] = (n / 60_000).to_be_bytes();
    End { address: [10, a, b, c.wrapping_add(1)], port: 1024 + (n % 60_000) as u16 }
}

/// A connection, and where both its streams are.
#[derive(Clone, Copy)]
struct Talk {
    client: End,
    sent: [u32; 2],
}

impl Talk {
    fn open(wire: &mut Wire, client: End) -> io::Result<Talk> {
        let sent = [wire.random() as u32, wire.random() as u32];
        wire.tcp(client, SERVER, sent[0].wrapping_sub(1), SYN, &[])?;
        wire.tcp(SERVER, client, sent[1].wrapping_sub(1), SYN | ACK, &[])?;
        Ok(Talk { client, sent })
    }

    /// Sends from the client (0) or the server (1), in full segments.
    fn say(&mut self, wire: &mut Wire, side: usize, bytes: &[u8]) -> io::Result<()> {
        let (from, to) = if side == 0 { (self.client, SERVER) } else { (SERVER, self.client) };
        for segment in bytes.chunks(SEGMENT) {
            wire.tcp(from, to, self.sent[side], ACK | PUSH, segment)?;
            self.sent[side] = self.sent[side].wrapping_add(segment.len() as u32);
        }
        Ok(())
    }

    fn close(self, wire: &mut Wire) -> io::Result<()> {
        wire.tcp(self.client, SERVER, self.sent[0], FIN | ACK, &[])?;
        wire.tcp(SERVER, self.client, self.sent[1], FIN | ACK, &[])
    }
}

/// One exchange: its ids never come again, its goods do.
fn exchange(wire: &mut Wire, talk: &mut Talk) -> io::Result<()> {
    let (id, token) = (wire.random(), wire.random());
    let request = format!(
        "GET /api/v1/orders/{id} HTTP/1.1\r\nHost: shop.example.net\r\nUser-Agent: flood/1.0\r\nAccept: application/json\r\n\
         Authorization: Bearer {token:016x}{id:016x}\r\nX-Request-Id: {id:x}\r\n\r\n"
    );
    talk.say(wire, 0, request.as_bytes())?;
    let mut body = format!("{{\"id\":{id},\"email\":\"user.{token:x}@mail.example.net\",\"items\":[");
    for item in 0..token % 64 {
        body += &format!(
            "{{\"sku\":\"SKU-{:04}\",\"qty\":{item},\"note\":\"leave it at the door\"}},",
            wire.random() % 1000
        );
    }
    body += "null]}";
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    talk.say(wire, 1, &[head.as_bytes(), body.as_bytes()].concat())
}

fn stream(wire: &mut Wire, bytes: u64) -> io::Result<()> {
    const AT_ONCE: u64 = 64;
    let mut opened = AT_ONCE;
    let mut talks = Vec::new();
    for n in 0..AT_ONCE {
        talks.push(Talk::open(wire, client(n))?);
    }
    while wire.written < bytes {
        let which = (wire.random() % AT_ONCE) as usize;
        exchange(wire, &mut talks[which])?;
        let end = wire.random() % 32;
        if end < 4 {
            if end > 0 || wire.random().is_multiple_of(2) {
                talks[which].close(wire)?;
            }
            talks[which] = Talk::open(wire, client(opened))?;
            opened += 1;
        }
    }
    Ok(())
}

fn flows(wire: &mut Wire, flows: u64) -> io::Result<()> {
    (0..flows).try_for_each(|n| {
        let mut talk = Talk::open(wire, client(n))?;
        talk.say(wire, 0, format!("GET /api/v1/orders/{n} HTTP/1.1\r\nHost: shop.exa").as_bytes())
    })
}

fn hole(wire: &mut Wire, bytes: u64) -> io::Result<()> {
    let mut talk = Talk::open(wire, client(0))?;
    talk.say(wire, 0, b"GET /api/v1/orders HTTP/1.1\r\nHost: shop.example.net\r\n\r\n")?;
    talk.sent[1] = talk.sent[1].wrapping_add(SEGMENT as u32);
    while wire.written < bytes {
        let body = format!("{{\"id\":{}}}", wire.random()).repeat(400);
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        talk.say(wire, 1, &[head.as_bytes(), body.as_bytes()].concat())?;
    }
    Ok(())
}

fn holes(wire: &mut Wire, flows: u64) -> io::Result<()> {
    (0..flows).try_for_each(|n| {
        let mut talk = Talk::open(wire, client(n))?;
        talk.sent[0] = talk.sent[0].wrapping_add(1);
        talk.say(wire, 0, &[b'x'; SEGMENT])
    })
}

fn fragments(wire: &mut Wire, datagrams: u64) -> io::Result<()> {
    const MORE: u8 = 0x20;
    (0..datagrams).try_for_each(|n| {
        let [high, low] = (n as u16).to_be_bytes();
        let mut payload = [0x41; 1480];
        payload[..8].copy_from_slice(&[0x30, 0x39, 0, 53, 0x20, 0, 0, 0]);
        wire.ipv4(client(n), SERVER, 17, [high, low, MORE, 0], &[&payload])
    })
}

fn heads(wire: &mut Wire, flows: u64) -> io::Result<()> {
    let lines: String = (0..500).map(|n| format!("X-Header-{n}: {:x}\r\n", wire.random())).collect();
    (0..flows).try_for_each(|n| {
        let mut talk = Talk::open(wire, client(n))?;
        talk.say(wire, 0, format!("GET /api/v1/orders/{n} HTTP/1.1\r\n{lines}").as_bytes())
    })
}

fn bodies(wire: &mut Wire, flows: u64) -> io::Result<()> {
    let text: String =
        (0..40_000).map(|n| format!("{{\"id\":{n},\"name\":\"{:x}\"}}\n", wire.random() as u32)).collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    let packed = encoder.finish()?;
    // Enough that several windows have passed: the inflater and the dictionary have grown to their size.
    let part = &packed[..(48 << 10).min(packed.len())];
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        packed.len()
    );
    (0..flows).try_for_each(|n| {
        let mut talk = Talk::open(wire, client(n))?;
        talk.say(wire, 0, b"GET /api/v1/orders HTTP/1.1\r\nHost: shop.example.net\r\n\r\n")?;
        talk.say(wire, 1, &[head.as_bytes(), part].concat())
    })
}

fn values(wire: &mut Wire, values: u64) -> io::Result<()> {
    const IN_ONE: u64 = 100;
    let mut talk = Talk::open(wire, client(0))?;
    for _ in 0..values.div_ceil(IN_ONE) {
        talk.say(wire, 0, b"GET /api/v1/orders HTTP/1.1\r\nHost: shop.example.net\r\n\r\n")?;
        let body: String = (0..IN_ONE).map(|_| format!("user.{:x}@mail.example.net\n", wire.random())).collect();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
        talk.say(wire, 1, &[head.as_bytes(), body.as_bytes()].concat())?;
    }
    Ok(())
}

fn shreds(wire: &mut Wire, bytes: u64) -> io::Result<()> {
    let mut talk = Talk::open(wire, client(0))?;
    talk.say(wire, 0, b"GET /api/v1/orders HTTP/1.1\r\nHost: shop.example.net\r\n\r\n")?;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    talk.say(wire, 1, head.as_bytes())?;
    while wire.written < bytes {
        let text = format!("\"{:x}\",", wire.random());
        for byte in format!("{:x}\r\n{text}\r\n", text.len()).bytes() {
            talk.say(wire, 1, &[byte])?;
        }
    }
    Ok(())
}

fn copies(wire: &mut Wire, bytes: u64) -> io::Result<()> {
    let mut talk = Talk::open(wire, client(0))?;
    while wire.written < bytes {
        let request = format!("GET /api/v1/orders/{} HTTP/1.1\r\nHost: shop.example.net\r\n\r\n", wire.random());
        let before = talk.sent;
        for _ in 0..100 {
            talk.sent = before;
            talk.say(wire, 0, request.as_bytes())?;
        }
    }
    Ok(())
}
