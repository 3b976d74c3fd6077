//! G7 for rotated captures: masked as a sequence, the files' records are those of the whole.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use standin::capture::{Batch, Reader};
use standin::mask::Key;
use standin::rules::Policy;
use standin::sanitize::{self, Container, Manifest, Masking, Options, Target};

static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| Arc::new(Policy::load(&[]).unwrap()));

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap()
}

fn key() -> Key {
    Key::from_bytes([7; 32])
}

/// Where a capture's header lies (all that comes before its first packet), and each record behind it.
fn records(file: &[u8]) -> (Range<usize>, Vec<Range<usize>>) {
    let mut reader = Reader::open(Box::new(Cursor::new(file.to_vec()))).unwrap();
    let (mut batch, mut at, mut header, mut records) = (Batch::default(), 0, 0, Vec::new());
    while reader.next_batch(&mut batch).unwrap() {
        for record in &batch.records {
            match (record.packet.is_none(), records.is_empty()) {
                (true, true) => header = at + record.len,
                _ => records.push(at..at + record.len),
            }
            at += record.len;
        }
    }
    (0..header, records)
}

/// The capture as a rotating writer leaves it: cut before the records with these numbers, each file with the header.
fn rotated(file: &[u8], cuts: &BTreeSet<usize>) -> Vec<Vec<u8>> {
    let (header, records) = records(file);
    let mut files = vec![file[header.clone()].to_vec()];
    for (n, record) in records.into_iter().enumerate() {
        if n > 0 && cuts.contains(&n) {
            files.push(file[header.clone()].to_vec());
        }
        files.last_mut().unwrap().extend_from_slice(&file[record]);
    }
    files
}

fn mask_whole(file: &[u8], format: Option<Container>) -> (Vec<u8>, Manifest) {
    let reader = Reader::open(Box::new(Cursor::new(file.to_vec()))).unwrap();
    let mut out = Vec::new();
    let options = Options { policy: POLICY.clone(), key: &key(), ledger: None, format };
    let manifest = sanitize::mask(reader, &mut out, options, &|| false).unwrap();
    (out, manifest)
}

/// Outputs and manifests, and how many files were complete before the last one was read.
fn mask_sequence(files: &[Vec<u8>], format: Option<Container>) -> (Vec<Vec<u8>>, Vec<Manifest>, usize) {
    let mut outputs = vec![Vec::new(); files.len()];
    let mut masking = Masking::new(POLICY.clone(), &key());
    let mut manifests = Vec::new();
    for (file, output) in files.iter().zip(&mut outputs) {
        let reader = Reader::open(Box::new(Cursor::new(file.clone()))).unwrap();
        masking.file(reader, Target { sink: Box::new(output), ledger: None, format }, &|| false).unwrap();
        while let Some(manifest) = masking.complete().unwrap() {
            manifests.push(manifest);
        }
    }
    let early = manifests.len();
    manifests.extend(masking.finish().unwrap());
    (outputs, manifests, early)
}

/// The records of all files, behind the first one's header.
fn joined(files: &[Vec<u8>]) -> Vec<u8> {
    let mut joined = files[0][records(&files[0]).0].to_vec();
    for file in files {
        joined.extend_from_slice(&file[records(file).0.end..]);
    }
    joined
}

fn assert_same(name: &str, file: &[u8], cuts: &BTreeSet<usize>) {
    let files = rotated(file, cuts);
    assert_eq!(joined(&files), file, "the test's own cutting");
    for format in [None, Some(Container::Pcap), Some(Container::PcapNg)] {
        let (whole, manifest) = mask_whole(file, format);
        let (outputs, manifests, _) = mask_sequence(&files, format);
        assert!(joined(&outputs) == whole, "{name} cut before {cuts:?}, as {format:?}");
        let sum = |count: fn(&Manifest) -> u64| manifests.iter().map(count).sum::<u64>();
        assert_eq!(manifests.len(), files.len());
        assert_eq!(sum(|m| m.output.packets), manifest.output.packets);
        let values = |manifest: &Manifest| manifest.kinds.values().map(|kind| kind.values).sum::<u64>();
        assert_eq!(manifests.iter().map(values).sum::<u64>(), values(&manifest));
        assert_eq!(sum(|m| m.late_copy), manifest.late_copy);
        for (m, output) in manifests.iter().zip(&outputs) {
            let labels = &m.ledger;
            let total = labels.structural + labels.kept + labels.pseudonym + labels.recomputed + labels.blanked;
            assert_eq!((total, m.output.bytes), (output.len() as u64, output.len() as u64));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]
    #[test]
    fn rotated_files_are_the_whole(cuts in prop::collection::btree_set(1usize..600, 1..6), which in 0usize..3) {
        let name = ["shop-lossy.pcap", "shop-ipv6.pcapng", "shop-ns.pcap"][which];
        assert_same(name, &fixture(name), &cuts);
    }
}

/// Files of one packet: every packet that waits, waits for another file.
#[test]
fn a_file_for_each_packet() {
    let file = fixture("shop-lossy.pcap");
    let end = records(&file).1[120].end;
    assert_same("shop-lossy.pcap", &file[..end], &(1..120).collect());
}

/// A writer that rotates by time leaves files without a packet.
#[test]
fn files_without_packets() {
    for name in ["shop-lossy.pcap", "shop-ipv6.pcapng"] {
        let file = fixture(name);
        let header = file[records(&file).0].to_vec();
        let mut files = rotated(&file, &BTreeSet::from([30, 60]));
        files.insert(1, header.clone());
        files.insert(1, header.clone());
        files.push(header);
        let (outputs, manifests, _) = mask_sequence(&files, None);
        assert!(joined(&outputs) == mask_whole(&file, None).0, "{name}");
        let lengths = |files: &[Vec<u8>]| files.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(&outputs), lengths(&files));
        assert_eq!(manifests.iter().map(|m| m.input.packets).filter(|packets| *packets == 0).count(), 3);
    }
}

#[test]
fn files_are_complete_as_soon_as_they_are_decided() {
    let file = fixture("shop-lossy.pcap");
    let cuts: BTreeSet<usize> = (1..10).map(|n| n * records(&file).1.len() / 10).collect();
    let (_, manifests, early) = mask_sequence(&rotated(&file, &cuts), None);
    assert_eq!(manifests.len(), 10);
    assert!(early >= 7, "only {early} files were complete before the end");
}

/// Alone, the files of the same sequence come out otherwise: the test above would see a state that is not carried over.
#[test]
fn one_by_one_they_are_not_the_whole() {
    let file = fixture("shop-lossy.pcap");
    let files = rotated(&file, &BTreeSet::from([100, 200]));
    let alone: Vec<Vec<u8>> = files.iter().map(|file| mask_whole(file, None).0).collect();
    assert!(joined(&alone) != mask_whole(&file, None).0);
}

#[test]
fn the_program_takes_a_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let file = fixture("shop-ns.pcap");
    let files = rotated(&file, &BTreeSet::from([40, 90]));
    let names: Vec<String> = (0..files.len()).map(|n| format!("cap{n}.pcap")).collect();
    for (name, bytes) in names.iter().zip(&files) {
        fs::write(path(name), bytes).unwrap();
    }
    fs::write(path("whole.pcap"), &file).unwrap();
    let standin = |arguments: &[&str]| {
        let program = Command::new(env!("CARGO_BIN_EXE_standin")).args(arguments).current_dir(folder.path()).output();
        program.unwrap()
    };
    assert!(standin(&["key", "new", "-o", "key"]).status.success());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let masked = standin(&[&["mask", "-q", "-o", "out", "--key", "key", "--sequence"], &names[..]].concat());
    assert!(masked.status.success(), "{masked:?}");
    assert!(standin(&["mask", "-q", "whole.pcap", "-o", "masked.pcap", "--key", "key"]).status.success());
    let outputs: Vec<Vec<u8>> = names.iter().map(|name| fs::read(path("out").join(name)).unwrap()).collect();
    assert!(joined(&outputs) == fs::read(path("masked.pcap")).unwrap());
    for name in &names {
        let text = fs::read(path("out").join(format!("{name}.manifest.json"))).unwrap();
        let manifest: Manifest = serde_json::from_slice(&text).unwrap();
        assert_eq!(
            manifest.output_blake3,
            blake3::hash(&fs::read(path("out").join(name)).unwrap()).to_hex().to_string()
        );
    }
    // One is missing: it is reported, the others are there.
    let masked =
        standin(&["mask", "-q", "-o", "rest", "--key", "key", "--sequence", "cap0.pcap", "none.pcap", "cap2.pcap"]);
    assert_eq!(masked.status.code(), Some(3));
    assert_eq!(fs::read_dir(path("rest")).unwrap().count(), 4);
}
