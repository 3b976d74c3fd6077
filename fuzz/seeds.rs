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
    }
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    for (number, entry) in fs::read_dir(rules)?.flatten().filter(|entry| entry.path().is_file()).enumerate() {
        put(folder, "rules", number as u64, &fs::read(entry.path())?)?;
    }
    Ok(())
}

fn put(folder: &Path, target: &str, number: u64, bytes: &[u8]) -> io::Result<()> {
    let folder = folder.join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("seed-{number}")), bytes)
}
