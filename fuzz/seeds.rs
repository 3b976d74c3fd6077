//! Writes the first corpus of each target, made of the fixtures' traffic; see `.ci/damaged.rs`.

use std::path::Path;
use std::{fs, io};

use super::random::Random;
use super::{damage, seeds};

/// Captures, frames and conversations to begin with.
const COUNT: u64 = 60;

/// Writes them into a folder per target.
pub fn write(folder: &Path) -> io::Result<()> {
    for number in 0..COUNT {
        let mut random = Random(number);
        let (link, packets, ip_at) = seeds::traffic(&mut random);
        let packets = &packets[..packets.len().min(6)];
        let pcap = seeds::pcap(link, packets, false);
        let pcapng = seeds::pcapng(link, packets, &mut random);
        put(folder, "pcap", number, &[&[0], &pcap[4..]].concat())?;
        put(folder, "pcapng", number, &pcapng[4..])?;
        put(folder, "pipeline", number, &[&pcap[..], &[0]].concat())?;
        put(folder, "pipeline", 100 + number, &[&pcapng[..], &[number as u8]].concat())?;
        put(folder, "pipeline", 200 + number, &damage::capture(number))?;
        let link = link.min(255) as u8;
        let mut talk = Vec::new();
        for packet in packets {
            put(folder, "decode", number, &[&[link, 0], &packet.frame[..]].concat())?;
            let Some(text) = packet.frame.get(ip_at + 40..).filter(|text| text.len() > 30) else { continue };
            talk.extend([u8::from(text.starts_with(b"HTTP")), text.len().min(255) as u8]);
            talk.extend(&text[..text.len().min(255)]);
            let body = memchr::memmem::find(text, b"\r\n\r\n").map_or(text, |at| &text[at + 4..]);
            put(folder, "contents", number, &[&[number as u8, 200], body].concat())?;
        }
        put(folder, "http1", number, &talk)?;
        let segments: Vec<u8> = (0..10 * 5).map(|_| random.next() as u8).collect();
        put(folder, "reassembly", number, &segments)?;
        put(folder, "contents", 100 + number, &[&[8, 1 + number as u8][..], &protobuf(number)].concat())?;
        put(folder, "websocket", number, &messages(number))?;
        put(folder, "http2_client", number, &[&[number as u8, (number * 9) as u8][..], &answers(number)].concat())?;
    }
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    for (number, entry) in fs::read_dir(rules)?.flatten().filter(|entry| entry.path().is_file()).enumerate() {
        put(folder, "rules", number as u64, &fs::read(entry.path())?)?;
    }
    Ok(())
}

/// A message of protocol buffers: numbers, text, a message in it, fixed fields, packed numbers.
fn protobuf(number: u64) -> Vec<u8> {
    let inner = [&[0x0a, 4][..], b"Anna", &[0x10, number as u8 & 0x7f]].concat();
    let mut message = [&[0x08, 0x96, 0x01, 0x12, 12][..], b"a@example.cc", &[0x1a, inner.len() as u8], &inner].concat();
    message.extend([0x25, 1, 2, 3, 4, 0x29, 1, 2, 3, 4, 5, 6, 7, 8, 0x32, 3, 3, 0x8e, 2]);
    // As gRPC sends it, every other time.
    let framed = [&[0, 0, 0, 0, message.len() as u8][..], &message].concat();
    if number.is_multiple_of(2) { framed } else { message }
}

/// Messages of WebSocket, whole and in fragments, plain and compressed, with what controls the connection between them.
fn messages(number: u64) -> Vec<u8> {
    const FRAMES: [(u8, &[u8]); 8] = [
        (0x81, b"{\"id\": 4711, \"name\": \"Anna\"}"),
        (0x01, b"{\"id\": 47"),
        (0x80, b"11}"),
        (0x89, b"ping"),
        (0xc1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
        (0x82, &[0, 1, 2, 3, 4]),
        (0x81, b"42[\"said\",{\"text\":\"hello\"}]"),
        (0x88, &[0x03, 0xe8]),
    ];
    let mut talk = vec![number as u8];
    for turn in 0..6 {
        let (head, text) = FRAMES[(number as usize * 3 + turn * (1 + number as usize % 5)) % FRAMES.len()];
        let side = turn as u8 & 1;
        let len = text.len() as u8;
        let frame = match side {
            // With a mask of zeros, which changes nothing.
            0 => [&[head, 0x80 | len, 0, 0, 0, 0][..], text].concat(),
            _ => [&[head, len][..], text].concat(),
        };
        talk.extend([side, frame.len() as u8]);
        talk.extend(frame);
    }
    talk
}

/// Frames of an HTTP/2 server: what it allows, heads, content, resets, a farewell.
fn answers(number: u64) -> Vec<u8> {
    const FRAMES: [(u8, u8, u32, &[u8]); 12] = [
        (4, 0, 0, &[0, 4, 0, 0, 0, 100, 0, 3, 0, 0, 0, 9]),
        (8, 0, 0, &[0, 1, 0, 0]),
        (8, 0, 3, &[0, 1, 0, 0]),
        (1, 4, 1, b"\x88\x40\x01a\x01b\x0f\x0d\x015"),
        (0, 0, 1, b"hello"),
        (0, 9, 1, b"\x02abc\0\0"),
        (1, 0, 3, b"\x88\x40\x01c"),
        (9, 4, 3, b"\x01d"),
        (1, 5, 3, b"\x40\x0bgrpc-status\x010"),
        (3, 0, 5, &[0, 0, 0, 7]),
        (6, 0, 0, b"standin!"),
        (7, 0, 0, &[0, 0, 0, 5, 0, 0, 0, 0]),
    ];
    let mut said = Vec::new();
    for turn in 0..8 {
        let (kind, flags, stream, payload) = FRAMES[(turn + number as usize * turn) % FRAMES.len()];
        said.extend([0, 0, payload.len() as u8, kind, flags]);
        said.extend(stream.to_be_bytes());
        said.extend(payload);
    }
    said
}

fn put(folder: &Path, target: &str, number: u64, bytes: &[u8]) -> io::Result<()> {
    let folder = folder.join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("seed-{number}")), bytes)
}
