//! Masking, seen from outside: bytes in, bytes, ledger and manifest out.

mod beside;
mod canaries;
mod chats;
mod consistency;
mod determinism;
mod fidelity;
mod fragments;
mod grpc;
mod http2;
mod ledger;
mod limits;
mod odd;
mod packed;
mod quotes;
mod reassembly;
mod sctp;
mod twins;
mod websocket;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use standin::capture::{Batch, Format, Reader};
use standin::mask::Key;
use standin::rules::Policy;
use standin::sanitize::{self, Container, Manifest, Options};

/// The captures with people in them.
const CAPTURES: [&str; 6] =
    ["shop-demo.pcap", "shop-ipv6.pcapng", "shop-keepalive.pcap", "shop-lossy.pcap", "shop-ns.pcap", "shop-http2.pcap"];

/// Packs, compiled once.
static POLICIES: LazyLock<Vec<(&str, Arc<Policy>)>> = LazyLock::new(|| {
    let load = |name| (name, Arc::new(Policy::load(&[String::from(name)]).unwrap()));
    ["default", "blank", "headers-only", "addresses-only"].map(load).into()
});

fn policy(name: &str) -> Arc<Policy> {
    POLICIES.iter().find(|(other, _)| *other == name).unwrap().1.clone()
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap()
}

/// Lines of `planted.tsv`: kind, value, captures.
fn planted() -> Vec<[String; 3]> {
    let text = String::from_utf8(fixture("planted.tsv")).unwrap();
    let columns = |line: &str| line.split('\t').map(String::from).collect::<Vec<_>>().try_into().unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(columns).collect()
}

/// What masking gave.
struct Masked {
    bytes: Vec<u8>,
    manifest: Manifest,
    ledger: String,
}

/// How to mask; the default is the default rules with a fixed key.
struct How {
    rules: &'static str,
    key: u8,
    format: Option<Container>,
}

impl Default for How {
    fn default() -> How {
        How { rules: "default", key: 7, format: None }
    }
}

impl How {
    fn rules(rules: &'static str) -> How {
        How { rules, ..How::default() }
    }

    fn read(&self, input: impl Read + Send + 'static) -> Result<Masked, String> {
        let reader = Reader::open(Box::new(input)).map_err(|error| error.to_string())?;
        let (mut bytes, mut ledger) = (Vec::new(), Vec::new());
        let key = Key::from_bytes([self.key; 32]);
        let options =
            Options { policy: policy(self.rules), key: &key, ledger: Some(Box::new(&mut ledger)), format: self.format };
        let manifest = sanitize::mask(reader, &mut bytes, options, &|| false).map_err(|error| error.to_string())?;
        Ok(Masked { bytes, manifest, ledger: String::from_utf8(ledger).unwrap() })
    }

    fn mask(&self, input: &[u8]) -> Masked {
        self.read(Cursor::new(input.to_vec())).unwrap()
    }
}

/// A fixture masked with these rules and the fixed key; many tests look at the same ones.
fn masked_fixture(name: &'static str, rules: &'static str) -> Arc<Masked> {
    type Masks = Mutex<BTreeMap<(&'static str, &'static str), Arc<Masked>>>;
    static MASKS: Masks = Mutex::new(BTreeMap::new());
    let mut masks = MASKS.lock().unwrap();
    masks.entry((name, rules)).or_insert_with(|| Arc::new(How::rules(rules).mask(&fixture(name)))).clone()
}

/// With the default rules.
fn mask(input: &[u8]) -> Masked {
    How::default().mask(input)
}

/// A packet as the container has it.
#[derive(Clone, Debug, PartialEq)]
struct Packet {
    time_ns: i128,
    link: u32,
    interface: u32,
    wire_len: u32,
    frame: Vec<u8>,
}

fn packets(file: &[u8]) -> Vec<Packet> {
    let mut reader = Reader::open(Box::new(Cursor::new(file.to_vec()))).unwrap();
    let mut batch = Batch::default();
    let mut packets = Vec::new();
    while reader.next_batch(&mut batch).unwrap() {
        for record in &batch.records {
            let Some(packet) = &record.packet else { continue };
            packets.push(Packet {
                time_ns: packet.time_ns,
                link: packet.link,
                interface: packet.interface,
                wire_len: packet.wire_len,
                frame: batch.bytes[record.start..][packet.data.clone()].to_vec(),
            });
        }
    }
    packets
}

fn format(file: &[u8]) -> Format {
    Reader::open(Box::new(Cursor::new(file.to_vec()))).unwrap().format()
}

/// Every run of the ledger is true of the bytes, and all of them cover the output.
fn assert_ledger(input: &[u8], masked: &Masked) {
    let mut at = 0;
    let mut totals = [0; 5];
    const LABELS: [&str; 5] = ["structural", "kept", "pseudonym", "recomputed", "blanked"];
    for line in masked.ledger.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [offset, length, label, rule] = columns[..] else { panic!("{line}") };
        let (offset, length): (usize, usize) = (offset.parse().unwrap(), length.parse().unwrap());
        assert_eq!(offset, at, "a gap or an overlap: {line}");
        assert!(length > 0 && !rule.is_empty(), "{line}");
        let range = offset..offset + length;
        let new = &masked.bytes[range.clone()];
        match label {
            "structural" | "kept" => assert!(new == &input[range], "not the input's: {line}"),
            "blanked" => {
                assert!(new.iter().all(|byte| b"\0x10 \x84\x80\x01\x02\x03".contains(byte)), "not blank: {line}")
            }
            _ => {}
        }
        totals[LABELS.iter().position(|known| *known == label).unwrap()] += length as u64;
        at += length;
    }
    assert_eq!(at, masked.bytes.len(), "the ledger ends before the output");
    let told = &masked.manifest.ledger;
    assert_eq!(totals, [told.structural, told.kept, told.pseudonym, told.recomputed, told.blanked]);
    assert_eq!(masked.manifest.output.bytes, masked.bytes.len() as u64);
    assert_eq!(masked.manifest.input.packets, masked.manifest.output.packets);
}
