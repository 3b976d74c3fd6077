//! Was this capture masked? Only then it is replayed without being told to.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Bytes at either end of the file that the probe hashes.
const PROBE_BYTES: usize = 1 << 20;
/// A mask run leaves this in the section header's application option (`shb_userappl`).
pub const MASK_MARK: &[u8] = b"standin masked";
/// The option's code.
const SHB_USERAPPL: u16 = 4;

#[derive(Deserialize)]
struct Manifest {
    output_probe: Probe,
    #[serde(default)]
    key_id: Option<String>,
    #[serde(default)]
    rules_digest: Option<String>,
    /// A file that was exported tells where from.
    #[serde(default)]
    exported_from: Option<Provenance>,
}

/// What is known of how a file was masked. None of its fields is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Public name of the key, when a manifest tells.
    pub key_id: Option<String>,
    /// Digest of the rules, likewise.
    pub rules_digest: Option<String>,
}

impl Provenance {
    /// `, key 0123…` or nothing.
    pub fn key(&self) -> String {
        self.key_id.as_ref().map_or_else(String::new, |id| format!(", key {id}"))
    }
}

/// What a manifest says about the file that it was written for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Length, uncompressed.
    pub bytes: u64,
    /// BLAKE3 of the first MiB, hex.
    pub head_blake3: String,
    /// BLAKE3 of the last MiB, hex.
    pub tail_blake3: String,
}

/// Where the manifest of a masked capture is looked for.
pub fn manifest_path(capture: &Path) -> PathBuf {
    let mut name = capture.as_os_str().to_owned();
    name.push(".manifest.json");
    name.into()
}

/// How a file was masked: its manifest lies beside it and speaks of these bytes, or it is marked. None when it was not.
pub fn of(file: &Path) -> io::Result<Option<Provenance>> {
    let mut input = opened(file)?;
    let manifest = std::fs::read(manifest_path(file)).ok();
    if let Some(manifest) = manifest.and_then(|text| serde_json::from_slice::<Manifest>(&text).ok())
        && probe(&mut input)? == manifest.output_probe
    {
        let Manifest { key_id, rules_digest, exported_from, .. } = manifest;
        return Ok(Some(exported_from.unwrap_or(Provenance { key_id, rules_digest })));
    }
    let marked = is_marked(&mut opened(file)?)?;
    Ok(marked.then_some(Provenance { key_id: None, rules_digest: None }))
}

/// Whether a capture, or what was exported from it, is masked.
pub fn is_masked(file: &Path) -> io::Result<bool> {
    Ok(of(file)?.is_some())
}

/// The uncompressed bytes of a capture, whatever its name.
fn opened(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut file = BufReader::new(File::open(path)?);
    let magic = io::BufRead::fill_buf(&mut file)?;
    Ok(match magic {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(file)?),
        _ => Box::new(file),
    })
}

/// Length and hashes of both ends.
pub fn probe(reader: &mut dyn Read) -> io::Result<Probe> {
    let mut prober = Prober::new();
    let mut piece = vec![0; PROBE_BYTES];
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok(prober.finish()),
            read => prober.add(&piece[..read]),
        }
    }
}

/// Takes the marks of what goes by.
#[derive(Default)]
pub struct Prober {
    bytes: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Prober {
    /// Nothing went by yet.
    pub fn new() -> Prober {
        Prober::default()
    }

    /// These bytes go by.
    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let room = PROBE_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(PROBE_BYTES)..]);
        // Moved together now and then, not for every few bytes.
        if self.tail.len() > 4 * PROBE_BYTES {
            self.tail.drain(..self.tail.len() - PROBE_BYTES);
        }
    }

    /// The marks.
    pub fn finish(self) -> Probe {
        let hex = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
        let tail = &self.tail[self.tail.len().saturating_sub(PROBE_BYTES)..];
        Probe { bytes: self.bytes, head_blake3: hex(&self.head), tail_blake3: hex(tail) }
    }
}

/// Whether the first pcapng section header carries the mark.
fn is_marked(reader: &mut dyn Read) -> io::Result<bool> {
    let mut header = Vec::new();
    reader.take(64 << 10).read_to_end(&mut header)?;
    Ok(marked(&header).unwrap_or(false))
}

fn marked(section: &[u8]) -> Option<bool> {
    let little = match section.get(8..12)? {
        [0x4d, 0x3c, 0x2b, 0x1a] => true,
        [0x1a, 0x2b, 0x3c, 0x4d] => false,
        _ => return None,
    };
    let number = |at: usize, len: usize| {
        let bytes = section.get(at..at.checked_add(len)?)?;
        let fold = |n: usize, b: &u8| n << 8 | usize::from(*b);
        Some(if little { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) })
    };
    let end = number(4, 4)?.checked_sub(4)?;
    let mut at = 24;
    while at < end {
        let (code, len) = (number(at, 2)?, number(at + 2, 2)?);
        if code == usize::from(SHB_USERAPPL) && section.get(at + 4..at + 4 + len)?.starts_with(MASK_MARK) {
            return Some(true);
        }
        if code == 0 {
            break;
        }
        at += 4 + len.next_multiple_of(4);
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn manifest(for_bytes: &[u8]) -> String {
        let probe = probe(&mut &*for_bytes).unwrap();
        serde_json::json!({"output_probe": {"bytes": probe.bytes, "packets": 1, "head_blake3": probe.head_blake3, "tail_blake3": probe.tail_blake3}}).to_string()
    }

    #[test]
    fn a_manifest_speaks_of_its_own_bytes_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.pcap.gz");
        let plain: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7) as u8).collect();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&plain).unwrap();
        std::fs::write(&path, packed.finish().unwrap()).unwrap();
        assert!(!is_masked(&path).unwrap());
        std::fs::write(manifest_path(&path), manifest(&plain)).unwrap();
        assert!(is_masked(&path).unwrap());
        std::fs::write(manifest_path(&path), manifest(&plain[1..])).unwrap();
        assert!(!is_masked(&path).unwrap());
        assert!(is_masked(&dir.path().join("none")).is_err());
    }

    #[test]
    fn the_mark_is_read_in_both_byte_orders() {
        for little in [true, false] {
            let u16 = |n: u16| if little { n.to_le_bytes() } else { n.to_be_bytes() };
            let u32 = |n: u32| if little { n.to_le_bytes() } else { n.to_be_bytes() };
            let mut options = [u16(3), u16(5)].concat();
            options.extend(b"Linux\0\0\0");
            options.extend([u16(4), u16(18)].concat());
            options.extend(b"standin masked 0.1\0\0");
            options.extend([0; 4]);
            let len = 28 + options.len() as u32;
            let block = [
                &u32(0x0a0d_0d0a)[..],
                &u32(len),
                &u32(0x1a2b_3c4d),
                &u16(1),
                &u16(0),
                &[0xff; 8],
                &options,
                &u32(len),
            ]
            .concat();
            assert_eq!(marked(&block), Some(true));
            assert_eq!(marked(&block[..30]), None);
            let other = String::from_utf8_lossy(&block).replace("standin masked", "dumpcap ......");
            assert_ne!(marked(other.as_bytes()), Some(true));
        }
    }
}
