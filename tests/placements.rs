//! G3 below HTTP: a canary planted in each place of a capture that is not a stream's text, and looked for afterwards.
//!
//! A placement is a small capture with one canary in one named place. The search knows the canary as it stands, reversed,
//! in hexadecimal, base64, decimal and as an address, and must find it in the capture before masking: a placement in
//! which it is not found is a mistake of the generator.

mod container;
mod frame;
mod link;
mod network;
mod transport;
mod tunnel;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Read};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use standin::capture::Reader;
use standin::mask::Key;
use standin::rules::Policy;
use standin::sanitize::{self, Options};

/// Somebody's words, key or password.
const TEXT: &[u8] = b"Qx7vKz2mWp9s";
/// A number or a short secret.
const WORD: [u8; 4] = [0xb7, 0xd3, 0x9e, 0x65];
/// Somebody's addresses: public, and with the vendor of a card.
const IPV4: [u8; 4] = [93, 184, 177, 201];
const IPV6: [u8; 16] = [0x2a, 0x02, 0x26, 0xf0, 0xb3, 0x7d, 0xc1, 0x9e, 0x8d, 0x4f, 0xa6, 0x17, 0xe9, 0x52, 0xbc, 0x71];
const MAC: [u8; 6] = [0x9c, 0x4e, 0x36, 0xb7, 0xa1, 0x5d];

/// A capture with a canary.
struct Placement {
    name: &'static str,
    canary: Vec<u8>,
    file: Vec<u8>,
}

fn placements() -> Vec<Placement> {
    let themes = [link::all(), network::all(), tunnel::all(), transport::all(), container::all()];
    themes.into_iter().flatten().collect()
}

/// How a canary may be written.
fn disguises(canary: &[u8]) -> Vec<Vec<u8>> {
    let joined =
        |separator: &str, octet: fn(&u8) -> String| canary.iter().map(octet).collect::<Vec<_>>().join(separator);
    let hex: fn(&u8) -> String = |octet| format!("{octet:02x}");
    let mut all = vec![canary.to_vec(), canary.iter().rev().copied().collect()];
    let mut texts = vec![joined("", hex), joined(":", hex), joined("-", hex), joined(" ", hex)];
    texts.push(joined(".", |octet| octet.to_string()));
    texts.push(joined(",", |octet| octet.to_string()));
    if let Ok(word) = <[u8; 4]>::try_from(canary) {
        texts.extend([u32::from_be_bytes(word), u32::from_le_bytes(word)].map(|number| number.to_string()));
        texts.push(Ipv4Addr::from(word).to_string());
    }
    if let Ok(address) = <[u8; 16]>::try_from(canary) {
        texts.push(Ipv6Addr::from(address).to_string());
    }
    for phase in 0..3 {
        let encoded = STANDARD_NO_PAD.encode([&b"???"[..phase], canary].concat());
        // The characters that depend on the canary alone.
        let end = (phase + canary.len()) * 8 / 6;
        texts.push(encoded[(phase * 8).div_ceil(6)..end].to_owned());
    }
    // Shorter ones stand in any text by chance.
    texts.retain(|text| text.len() >= 4);
    all.extend(texts.iter().map(|text| text.to_uppercase().into_bytes()));
    all.extend(texts.into_iter().map(String::into_bytes));
    all
}

fn holds(haystack: &[u8], canary: &[u8]) -> bool {
    disguises(canary).iter().any(|disguise| memchr::memmem::find(haystack, disguise).is_some())
}

/// A capture as it is stored, and unpacked.
fn unpacked(file: &[u8]) -> Vec<u8> {
    let mut all = file.to_vec();
    if file.starts_with(b"\x1f\x8b") {
        // Garbage behind it is an error, which is nothing to worry about here.
        let _ = flate2::read::MultiGzDecoder::new(file).read_to_end(&mut all);
    }
    all
}

/// Output, manifest and ledger of masking in memory.
fn mask(file: &[u8]) -> Vec<u8> {
    static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| Arc::new(Policy::load(&[]).unwrap()));
    let reader = Reader::open(Box::new(Cursor::new(file.to_vec()))).unwrap();
    let (mut output, mut ledger) = (Vec::new(), Vec::new());
    let key = Key::from_bytes([7; 32]);
    let options = Options { policy: POLICY.clone(), key: &key, ledger: Some(Box::new(&mut ledger)), format: None };
    let manifest = sanitize::mask(reader, &mut output, options, &|| false).unwrap();
    [output, ledger, serde_json::to_vec(&manifest).unwrap()].concat()
}

#[test]
fn there_are_many_places_each_with_a_name_of_its_own() {
    let placements = placements();
    let names: BTreeSet<&str> = placements.iter().map(|placement| placement.name).collect();
    assert_eq!(names.len(), placements.len(), "a name stands twice");
    assert!(names.len() >= 120, "only {} places", names.len());
}

#[test]
fn every_canary_is_found_before_masking() {
    let is_blind = |placement: &Placement| !holds(&unpacked(&placement.file), &placement.canary);
    let blind: Vec<&str> =
        placements().iter().filter(|placement| is_blind(placement)).map(|placement| placement.name).collect();
    assert!(blind.is_empty(), "not found before masking: {blind:#?}");
}

#[test]
fn no_canary_survives() {
    let survives = |placement: &Placement| holds(&mask(&placement.file), &placement.canary);
    let survivors: Vec<&str> =
        placements().iter().filter(|placement| survives(placement)).map(|placement| placement.name).collect();
    assert!(survivors.is_empty(), "{} canaries survive: {survivors:#?}", survivors.len());
}

/// What the program writes anywhere: captures, manifests, what it says, what it leaves in folders for temporary files.
#[test]
fn the_program_writes_no_canary_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    let (captures, outputs, temporary) = (place("captures"), place("outputs"), place("temporary"));
    let placements = placements();
    let mut program = Command::new(env!("CARGO_BIN_EXE_standin"));
    program.args(["-v", "mask", "-o"]).arg(&outputs).env("TMPDIR", &temporary).current_dir(&temporary);
    for (index, placement) in placements.iter().enumerate() {
        let path = captures.join(format!("{index}.cap"));
        fs::write(&path, &placement.file).unwrap();
        program.arg(path);
    }
    let said = program.output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let mut written = files(&outputs);
    assert_eq!(written.len(), 2 * placements.len());
    written.extend(files(&temporary));
    written.extend([said.stdout, said.stderr]);
    for (index, Placement { name, canary, .. }) in placements.iter().enumerate() {
        let own = [outputs.join(format!("{index}.cap")), outputs.join(format!("{index}.cap.manifest.json"))];
        assert!(own.iter().all(|path| !holds(&unpacked(&fs::read(path).unwrap()), canary)), "{name} in its output");
        assert!(!holds(&written[written.len() - 1], canary), "{name} on stderr");
        assert!(!holds(&written[written.len() - 2], canary), "{name} on stdout");
    }
    assert_eq!(files(&temporary).len(), 0, "temporary files stay");
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}
