//! A capture of plain requests at given instants, over some connections in turn.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

const SYN: u8 = 2;
const PUSH: u8 = 8;
const ACK: u8 = 16;
const SERVER: ([u8; 4], u16) = ([192, 0, 2, 80], 80);
const SECOND: u64 = 1_000_000_000;
/// From a connection to its first request.
const OPEN_NS: u64 = 20_000_000;
/// From a request to its response.
pub const ANSWER_NS: u64 = 100_000;

/// The `n`th request: its number stands in a place and width of its own.
pub fn request(n: usize) -> Vec<u8> {
    super::pathology::request(n as u64)
}

/// Writes a capture in which each connection is opened a little before its first request, and request `n` is sent at the `n`th instant (nanoseconds) on
/// connection `n` modulo their number.
pub fn write(path: &Path, connections: usize, instants: &[u64], response: &[u8]) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for word in [0xA1B2_3C4D_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        out.write_all(&word.to_le_bytes())?;
    }
    let mut events: Vec<(u64, usize, Option<usize>)> = Vec::new();
    for (n, &at) in instants.iter().enumerate() {
        events.push((at, n % connections, Some(n)));
        events.push((at + ANSWER_NS, n % connections, None));
    }
    events.sort_unstable();
    let mut sent = vec![[1_u32, 1_u32]; connections];
    let mut opened = 0;
    for (at, connection, what) in events {
        // All at once would be more than a listener's backlog holds.
        while opened < connections && instants.get(opened).is_none_or(|first| *first < at + OPEN_NS) {
            let at = instants.get(opened).map_or(at, |first| first.saturating_sub(OPEN_NS));
            packet(&mut out, at, opened, 0, [0, 0], SYN, &[])?;
            packet(&mut out, at, opened, 1, [0, 1], SYN | ACK, &[])?;
            opened += 1;
        }
        let [client, server] = sent[connection];
        match what {
            Some(n) => {
                let bytes = request(n);
                packet(&mut out, at, connection, 0, [client, server], ACK | PUSH, &bytes)?;
                sent[connection][0] += bytes.len() as u32;
            }
            None => {
                packet(&mut out, at, connection, 1, [server, client], ACK | PUSH, response)?;
                sent[connection][1] += response.len() as u32;
            }
        }
    }
    out.flush()
}

/// A frame of one side (0: the client) of a connection; checksums are left out, as offloading does.
fn packet(
    out: &mut impl Write,
    at: u64,
    connection: usize,
    side: usize,
    numbers: [u32; 2],
    flags: u8,
    payload: &[u8],
) -> io::Result<()> {
    let client = ([10, 0, (connection >> 8) as u8, connection as u8], 40_000 + (connection % 20_000) as u16);
    let (from, to) = if side == 0 { (client, SERVER) } else { (SERVER, client) };
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    frame.extend_from_slice(&(40 + payload.len() as u16).to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend_from_slice(&from.0);
    frame.extend_from_slice(&to.0);
    frame.extend_from_slice(&from.1.to_be_bytes());
    frame.extend_from_slice(&to.1.to_be_bytes());
    frame.extend_from_slice(&numbers[0].to_be_bytes());
    frame.extend_from_slice(&numbers[1].to_be_bytes());
    frame.extend_from_slice(&[5 << 4, flags, 0xFF, 0xFF, 0, 0, 0, 0]);
    frame.extend_from_slice(payload);
    let time = 1_700_000_000 * SECOND + at;
    let len = frame.len() as u32;
    for word in [(time / SECOND) as u32, (time % SECOND) as u32, len, len] {
        out.write_all(&word.to_le_bytes())?;
    }
    out.write_all(&frame)
}
