//! Damaged captures by number: the same number gives the same bytes.

use std::time::{Duration, Instant};

use standin::sanitize::Container;

use super::oracle;
use super::random::Random;
use super::seeds::{self, Packet};

/// Masking one small capture takes no longer, however it is damaged.
const LONGEST: Duration = Duration::from_secs(10);

/// Numbers that lengths and counts lie with.
const LIES: [u32; 12] = [0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF];

/// Places in an IP packet that steer what is read behind them, for IPv4: version and length, total length, id, fragment, protocol, then those
/// of a TCP header behind it: ports, sequence, offset, flags, checksum, urgent pointer.
const STEERING: [usize; 14] = [0, 2, 3, 4, 6, 7, 9, 20, 22, 24, 32, 33, 36, 38];

/// Texts that steer HTTP, and what may stand there instead.
const WORDS: [(&[u8], &[u8]); 10] = [
    (b"Content-Length: ", b"Content-Length: 9999999999999999999999"),
    (b"Content-Length: ", b"Content-Length: -1"),
    (b"Content-Length: ", b"Transfer-Encoding: chunked\r\nX: "),
    (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chonked"),
    (b"Content-Encoding: gzip", b"Content-Encoding: zlib"),
    (b"\r\n\r\n", b"\r\n \r"),
    (b"HTTP/1.1", b"HTTP/1.0"),
    (b"application/json", b"multipart/form-d"),
    (b"{\"", b"[[[[[[[[[[[[[["),
    (b"GET ", b"HEAD"),
];

/// The damaged capture of this number.
pub fn capture(number: u64) -> Vec<u8> {
    let mut random = Random(number);
    let (link, mut packets, ip_at) = seeds::traffic(&mut random);
    for _ in 0..random.below(6) {
        damage_packets(&mut packets, ip_at, &mut random);
    }
    let link = if random.below(20) == 0 { random.below(300) as u32 } else { link };
    let mut file = match random.below(3) {
        0 => seeds::pcapng(link, &packets, &mut random),
        n => seeds::pcap(link, &packets, n == 1 && random.below(4) == 0),
    };
    if random.below(2) == 0 {
        for _ in 0..1 + random.below(6) {
            damage_file(&mut file, &mut random);
        }
    }
    file
}

/// Masks the damaged capture of this number, with rules and container that the number chooses, and says what does not hold.
pub fn check(number: u64) -> Result<(), String> {
    let file = capture(number);
    let mut random = Random(!number);
    let pack = if random.below(3) == 0 { random.below(oracle::PACKS.len()) } else { 0 };
    let format = match random.below(12) {
        0 => Some(Container::Pcap),
        1 => Some(Container::PcapNg),
        _ => None,
    };
    let begun = Instant::now();
    oracle::check(&file, pack, format)?;
    if begun.elapsed() > LONGEST { Err(format!("took {:?}", begun.elapsed())) } else { Ok(()) }
}

/// What happens to captures, and what an attacker does to packets.
fn damage_packets(packets: &mut Vec<Packet>, ip_at: usize, random: &mut Random) {
    if packets.is_empty() {
        return;
    }
    let (one, other) = (random.below(packets.len()), random.below(packets.len()));
    match random.below(10) {
        0 => packets.swap(one, other),
        1 => packets.insert(other, packets[one].clone()),
        2 => drop(packets.remove(one)),
        3 => packets[one].micros = random.next() >> random.below(64),
        4 => {
            let Packet { frame, beyond, .. } = &mut packets[one];
            let before = frame.len();
            frame.truncate(random.below(before + 1));
            *beyond = (before - frame.len()) as u32;
        }
        5 => {
            let tail: Vec<u8> = (0..random.below(40)).map(|_| random.next() as u8).collect();
            packets[one].frame.extend(tail);
        }
        6 => {
            // Where a segment begins, by less than its length: overlaps and holes.
            if let Some(seq) = packets[one].frame.get_mut(ip_at + 26..ip_at + 28) {
                let by = random.next() as u16 % 2000;
                let old = u16::from_be_bytes([seq[0], seq[1]]);
                seq.copy_from_slice(&old.wrapping_add(by).wrapping_sub(700).to_be_bytes());
            }
        }
        7 => {
            let (word, other) = random.pick(&WORDS);
            let frame = &mut packets[one].frame;
            if let Some(at) = memchr::memmem::find(frame, word) {
                let end = (at + other.len()).min(frame.len());
                frame[at..end].copy_from_slice(&other[..end - at]);
            }
        }
        _ => {
            let at = ip_at + random.pick(&STEERING);
            let value = if random.below(2) == 0 { random.pick(&LIES) as u8 } else { random.next() as u8 };
            if let Some(byte) = packets[one].frame.get_mut(at) {
                *byte = value;
            }
        }
    }
}

/// What happens to files.
fn damage_file(file: &mut Vec<u8>, random: &mut Random) {
    if file.is_empty() {
        return;
    }
    let (one, other) = (random.below(file.len()), random.below(file.len()));
    match random.below(8) {
        0 => file[one] ^= 1 << random.below(8),
        1 => file[one] = random.next() as u8,
        2 => file.truncate(one.max(4)),
        3 => {
            // Word by word is where headers keep their lengths.
            let at = one & !3;
            if let Some(word) = file.get_mut(at..at + 4) {
                word.copy_from_slice(&random.pick(&LIES).to_le_bytes());
            }
        }
        4 => {
            let end = (one + random.below(200)).min(file.len());
            let piece = file[one..end].to_vec();
            file.splice(other..other, piece);
        }
        5 => drop(file.drain(one..(one + random.below(64)).min(file.len()))),
        6 => {
            let end = (one + random.below(64)).min(file.len());
            file[one..end].fill(random.pick(&LIES) as u8);
        }
        _ => {
            let behind = 24.min(file.len());
            let at = behind + (one - behind.min(one)) / 4 * 4;
            if let Some(byte) = file.get_mut(at) {
                *byte = byte.wrapping_add(random.pick(&[1, 4, 0xFF]));
            }
        }
    }
}
