//! What must hold of any masked capture, whatever came in. Apart from the tests' harness: the fuzz targets and the runner of damaged
//! captures ask it too.

use std::io::{Cursor, Read};
use std::sync::{Arc, LazyLock};

use standin::capture::{Batch, Reader};
use standin::mask::Key;
use standin::rules::Policy;
use standin::sanitize::{self, Container, Manifest, Options};

/// The rules that come with the program.
pub const PACKS: [&str; 4] = ["default", "blank", "headers-only", "addresses-only"];

static POLICIES: LazyLock<Vec<Arc<Policy>>> = LazyLock::new(|| {
    PACKS.iter().map(|name| Arc::new(Policy::load(&[String::from(*name)]).expect("a pack"))).collect()
});

/// A masked capture.
pub struct Masked {
    pub bytes: Vec<u8>,
    pub ledger: Vec<u8>,
    pub manifest: Manifest,
}

/// Masks with the rules of this place in [`PACKS`]. Nothing if no capture could be read.
pub fn mask(input: impl Read + Send + 'static, pack: usize, format: Option<Container>) -> Option<Masked> {
    let reader = Reader::open(Box::new(input)).ok()?;
    let (mut bytes, mut ledger) = (Vec::new(), Vec::new());
    let key = Key::from_bytes([7; 32]);
    let policy = POLICIES[pack % PACKS.len()].clone();
    let options = Options { policy, key: &key, ledger: Some(Box::new(&mut ledger)), format };
    let manifest = sanitize::mask(reader, &mut bytes, options, &|| false).ok()?;
    Some(Masked { bytes, ledger, manifest })
}

/// Masks, and says what does not hold.
pub fn check(input: &[u8], pack: usize, format: Option<Container>) -> Result<(), String> {
    match mask(Cursor::new(input.to_vec()), pack, format) {
        Some(masked) => judge(input, &masked, format.is_some()),
        None => Ok(()),
    }
}

/// Says what does not hold of a masked capture.
pub fn judge(input: &[u8], masked: &Masked, converted: bool) -> Result<(), String> {
    labels(input, masked, converted)?;
    let read = usize::try_from(masked.manifest.input.bytes).unwrap_or(usize::MAX);
    let before = packets(input.get(..read).ok_or("more was read than there is")?);
    let after = packets(&masked.bytes);
    if !converted && before != after {
        let at = before.iter().zip(&after).position(|(a, b)| a != b);
        return Err(format!("{} packets before, {} after; first that differs: {at:?}", before.len(), after.len()));
    }
    if before.len() != after.len() || masked.manifest.output.packets != before.len() as u64 {
        return Err(format!("{} packets before, {} after", before.len(), after.len()));
    }
    Ok(())
}

/// The ledger's runs cover the output, and are true of it.
fn labels(input: &[u8], masked: &Masked, converted: bool) -> Result<(), String> {
    let mut at = 0;
    let mut totals = [0; 5];
    let text = std::str::from_utf8(&masked.ledger).map_err(|_| "the ledger is no text")?;
    for line in text.lines() {
        let mut columns = line.split('\t');
        let mut number = || columns.next().and_then(|column| column.parse::<usize>().ok());
        let (Some(offset), Some(length)) = (number(), number()) else { return Err(format!("no run: {line}")) };
        let label = columns.next().unwrap_or_default();
        if offset != at || length == 0 {
            return Err(format!("a gap, an overlap or nothing: {line}"));
        }
        at += length;
        let new = masked.bytes.get(offset..at).ok_or("the ledger goes on behind the output")?;
        let old = input.get(offset..at);
        let index = match label {
            "structural" | "kept" if !converted && old != Some(new) => return Err(format!("not the input's: {line}")),
            "blanked" if !new.iter().all(|byte| b"\0x10 ".contains(byte)) => return Err(format!("not blank: {line}")),
            "structural" => 0,
            "kept" => 1,
            "pseudonym" => 2,
            "recomputed" => 3,
            "blanked" => 4,
            _ => return Err(format!("no label: {line}")),
        };
        totals[index] += length as u64;
    }
    let told = &masked.manifest.ledger;
    if totals != [told.structural, told.kept, told.pseudonym, told.recomputed, told.blanked] {
        return Err("the manifest counts other labels".to_owned());
    }
    if at != masked.bytes.len() || masked.manifest.output.bytes != at as u64 {
        return Err(format!("the ledger ends at {at} of {}", masked.bytes.len()));
    }
    Ok(())
}

/// Time, link type, interface, wire length and captured length of each packet.
fn packets(file: &[u8]) -> Vec<(i128, u32, u32, u32, usize)> {
    let mut packets = Vec::new();
    let Ok(mut reader) = Reader::open(Box::new(Cursor::new(file.to_vec()))) else { return packets };
    let mut batch = Batch::default();
    while reader.next_batch(&mut batch).is_ok_and(|more| more) {
        let seen = batch.records.iter().filter_map(|record| record.packet.as_ref());
        packets.extend(seen.map(|p| (p.time_ns, p.link, p.interface, p.wire_len, p.data.len())));
    }
    packets
}
