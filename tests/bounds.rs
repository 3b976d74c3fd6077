//! G7 where a bound is hit: the capture decides what is given up, not how it arrives, in how many files, or who works on it.

use std::fs;
use std::io::{Cursor, Read};
use std::process::Command;
use std::sync::Arc;

use standin::capture::Reader;
use standin::mask::Key;
use standin::rules::Policy;
use standin::sanitize::{self, Masking, Options, Target};

const HEADER_BYTES: usize = 24;

/// A pcap of frames, all of the same instant.
fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let words = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    let mut file = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 1]);
    for frame in frames {
        file.extend(words(&[1_700_000_000, 0, frame.len() as u32, frame.len() as u32]));
        file.extend(frame);
    }
    file
}

fn frame(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = (20 + payload.len() as u16).to_be_bytes();
    let ip = [0x45, 0, total[0], total[1], 0, 1, 0x40, 0, 64, protocol, 0, 0, 10, 1, 1, 1, 10, 2, 2, 2];
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0][..], &ip, payload].concat()
}

fn tcp(port: u16, seq: u32, payload: &[u8]) -> Vec<u8> {
    let mut head = [port.to_be_bytes(), 80u16.to_be_bytes()].concat();
    head.extend(seq.to_be_bytes());
    head.extend([0, 0, 0, 0, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0]);
    frame(6, &[&head, payload].concat())
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16 + 8).to_be_bytes();
    frame(17, &[&[0, 9, 0, 9][..], &length, &[0, 0], payload].concat())
}

/// The beginning of a request that never goes on, and more than may wait behind it; then another one.
fn held() -> Vec<Vec<u8>> {
    let mut frames = vec![tcp(40_001, 1, b"GET /x?name=Zelda HTTP/1.1\r\nHost: sh")];
    frames.extend(vec![udp(&[7; 60_000]); 300]);
    frames.push(tcp(40_002, 1, b"GET /y?name=Zelda HTTP/1.1\r\nHost: shop.example\r\n\r\n"));
    frames.push(tcp(40_001, 37, b"op.example\r\n\r\n"));
    frames
}

/// A hole in a stream, and more behind it than may wait for it to be filled.
fn out_of_order() -> Vec<Vec<u8>> {
    let mut frames = vec![tcp(40_001, 1, b"GET /x?name=Zelda HTTP/1.1\r\n\r\n")];
    frames.extend((0..90).map(|n| tcp(40_001, 200 + n * 14_000, &[b'z'; 14_000])));
    frames.push(tcp(40_001, 31, &[b'q'; 169]));
    frames
}

/// Frames that hit a bound.
struct Traffic {
    limit: &'static str,
    frames: fn() -> Vec<Vec<u8>>,
}

const TRAFFIC: [Traffic; 2] =
    [Traffic { limit: "held_bytes", frames: held }, Traffic { limit: "out_of_order", frames: out_of_order }];

/// Gives a file away in pieces of this size.
struct Pieces(Cursor<Vec<u8>>, usize);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.1.min(buffer.len());
        self.0.read(&mut buffer[..size])
    }
}

fn policy() -> Arc<Policy> {
    Arc::new(Policy::load(&[]).unwrap())
}

fn key() -> Key {
    Key::from_bytes([7; 32])
}

/// The masked file and the bounds that were hit.
fn mask(input: impl Read + Send + 'static) -> (Vec<u8>, Vec<String>) {
    let reader = Reader::open(Box::new(input)).unwrap();
    let mut out = Vec::new();
    let options = Options { policy: policy(), key: &key(), ledger: None, format: None };
    let manifest = sanitize::mask(reader, &mut out, options, &|| false).unwrap();
    (out, manifest.limits_hit.into_iter().map(|hit| hit.limit).collect())
}

#[test]
fn any_chunking_gives_the_same_bytes() {
    for Traffic { limit, frames } in TRAFFIC {
        let file = pcap(&frames());
        let (whole, limits) = mask(Cursor::new(file.clone()));
        assert!(limits.iter().any(|hit| hit == limit), "{limit} is not hit: {limits:?}");
        for size in [1_000, 65_536, 3_000_000] {
            assert!(mask(Pieces(Cursor::new(file.clone()), size)).0 == whole, "{limit} in pieces of {size}");
        }
    }
}

#[test]
fn any_rotation_gives_the_same_bytes() {
    for Traffic { limit, frames } in TRAFFIC {
        let frames = frames();
        let (whole, _) = mask(Cursor::new(pcap(&frames)));
        let files: Vec<Vec<u8>> = frames.chunks(37).map(pcap).collect();
        let mut outputs = vec![Vec::new(); files.len()];
        let mut masking = Masking::new(policy(), &key());
        for (file, output) in files.into_iter().zip(&mut outputs) {
            let reader = Reader::open(Box::new(Cursor::new(file))).unwrap();
            let target = Target { sink: Box::new(output), ledger: None, format: None };
            masking.file(reader, target, &|| false).unwrap();
        }
        masking.finish().unwrap();
        let joined: Vec<u8> = outputs.iter().flat_map(|output| &output[HEADER_BYTES..]).copied().collect();
        assert!(joined == whole[HEADER_BYTES..], "{limit}");
    }
}

#[test]
fn any_number_of_workers_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let standin = |arguments: &[&str]| {
        let said = Command::new(env!("CARGO_BIN_EXE_standin")).args(arguments).current_dir(folder.path()).output();
        let said = said.unwrap();
        assert!(said.status.success(), "{said:?}");
    };
    standin(&["key", "new", "-o", "key"]);
    for Traffic { limit, frames } in TRAFFIC {
        fs::write(folder.path().join("in.pcap"), pcap(&frames())).unwrap();
        let outputs = ["1", "2", "8"].map(|jobs| {
            standin(&["mask", "-q", "in.pcap", "-o", "out.pcap", "--key", "key", "--jobs", jobs]);
            let manifest = fs::read_to_string(folder.path().join("out.pcap.manifest.json")).unwrap();
            assert!(manifest.contains(limit), "{limit} is not hit");
            fs::read(folder.path().join("out.pcap")).unwrap()
        });
        assert!(outputs[0] == outputs[1] && outputs[0] == outputs[2], "{limit}");
    }
}
