//! Canaries in what a capture file says beside its packets.

use std::io::Write;

use flate2::{Compression, GzBuilder};

use super::frame::{eth, ip, udp, words};
use super::{IPV4, IPV6, MAC, Placement, TEXT, WORD};

pub(super) fn all() -> Vec<Placement> {
    [sections(), interfaces(), packets(), names(), blocks(), pcap(), compressed()].into_iter().flatten().collect()
}

fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let mut option = [&code.to_le_bytes()[..], &(value.len() as u16).to_le_bytes(), value].concat();
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = body.len() as u32 + 12;
    [words(&[kind, length]), body, words(&[length])].concat()
}

fn section(options: &[u8]) -> Vec<u8> {
    block(0x0a0d_0d0a, &[&words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX])[..], options].concat())
}

fn interface(options: &[u8]) -> Vec<u8> {
    block(1, &[&words(&[1, 0])[..], options].concat())
}

fn frame() -> Vec<u8> {
    eth(0x0800, ip(17, udp(9, b"x")))
}

/// An enhanced packet with options.
fn packet(options: &[u8]) -> Vec<u8> {
    let mut frame = frame();
    let length = frame.len() as u32;
    frame.resize(frame.len().next_multiple_of(4), 0);
    block(6, &[&words(&[0, 0, 1_000, length, length])[..], &frame, options].concat())
}

/// A section with an interface, a packet, and blocks.
fn with(name: &'static str, canary: &[u8], blocks: &[u8]) -> Placement {
    let file = [&section(&[])[..], &interface(&[]), &packet(&[]), blocks, &packet(&[])].concat();
    Placement { name, canary: canary.to_vec(), file }
}

fn sections() -> Vec<Placement> {
    let one = |name, options: &[u8]| {
        let file = [section(options), interface(&[]), packet(&[])].concat();
        Placement { name, canary: TEXT.to_vec(), file }
    };
    vec![
        one("section's comment", &option(1, TEXT)),
        one("section's hardware", &option(2, TEXT)),
        one("section's system", &option(3, TEXT)),
        one("section's program", &option(4, TEXT)),
        one("section's unknown option", &option(77, TEXT)),
        one("section's custom text", &option(2988, &[&WORD[..], TEXT].concat())),
        one("section's custom bytes, not to be copied", &option(19_373, &[&WORD[..], TEXT].concat())),
        one("behind a section's options", &[&option(0, &[])[..], TEXT].concat()),
        one("padding of an option", &{
            let mut long = vec![7; 64];
            long[1..13].copy_from_slice(TEXT);
            [&[1, 0, 1, 0][..], &long].concat()
        }),
        with("second section's comment", TEXT, &[section(&option(1, TEXT)), interface(&[])].concat()),
    ]
}

fn interfaces() -> Vec<Placement> {
    let one = |name, canary: &[u8], options: &[u8]| {
        let file = [section(&[]), interface(options), packet(&[])].concat();
        Placement { name, canary: canary.to_vec(), file }
    };
    vec![
        one("interface's comment", TEXT, &option(1, TEXT)),
        one("interface's name", TEXT, &option(2, TEXT)),
        one("interface's description", TEXT, &option(3, TEXT)),
        one("interface's address", &IPV4, &option(4, &[&IPV4[..], &[255, 255, 255, 0]].concat())),
        one("interface's address of ipv6", &IPV6, &option(5, &[&IPV6[..], &[64]].concat())),
        one("interface's mac", &MAC, &option(6, &MAC)),
        one("interface's eui-64", &TEXT[..8], &option(7, &TEXT[..8])),
        one("interface's time zone", &WORD, &option(10, &WORD)),
        one("interface's filter", TEXT, &option(11, &[&[0][..], TEXT].concat())),
        one("interface's compiled filter", TEXT, &option(11, &[&[1][..], TEXT, &[0; 4]].concat())),
        one("interface's system", TEXT, &option(12, TEXT)),
        one("interface's hardware", TEXT, &option(15, TEXT)),
        one("interface's zone's name", TEXT, &option(18, TEXT)),
        one("interface's unknown option", TEXT, &option(999, TEXT)),
        one("interface's address of a wrong length", TEXT, &option(4, TEXT)),
        one("interface's speed of a wrong length", TEXT, &option(8, TEXT)),
        one("interface's resolution of a wrong length", TEXT, &option(9, TEXT)),
        one("behind an interface's options", TEXT, &[&option(0, &[])[..], TEXT].concat()),
    ]
}

fn packets() -> Vec<Placement> {
    let one = |name, canary: &[u8], options: &[u8]| with(name, canary, &packet(options));
    let mut padded = frame();
    padded.truncate(43);
    let length = padded.len() as u32;
    vec![
        one("packet's comment", TEXT, &option(1, TEXT)),
        one("packet's hash", TEXT, &option(3, &[&[2][..], TEXT].concat())),
        one("packet's id", &TEXT[..8], &option(5, &TEXT[..8])),
        one("packet's queue", &WORD, &option(6, &WORD)),
        one("packet's verdict", TEXT, &option(7, &[&[1][..], TEXT].concat())),
        one("packet's process", &WORD, &option(0x8001, &WORD)),
        one("packet's unknown option", TEXT, &option(99, TEXT)),
        one("packet's custom text", TEXT, &option(2988, &[&WORD[..], TEXT].concat())),
        one("packet's flags of a wrong length", TEXT, &option(2, TEXT)),
        one("behind a packet's options", TEXT, &[&option(0, &[])[..], TEXT].concat()),
        one("malformed option", TEXT, &[&[1, 0, 0xff, 0xff][..], TEXT].concat()),
        with("behind a simple packet", TEXT, &block(3, &[&words(&[length])[..], &padded, &[0], TEXT].concat())),
        with("obsolete packet's comment", TEXT, &{
            let body = [&words(&[0, 0, 1_000, length, length])[..], &padded, &[0], &option(1, TEXT)].concat();
            block(2, &body)
        }),
        with("obsolete packet's hash", TEXT, &{
            let body =
                [&words(&[0, 0, 1_000, length, length])[..], &padded, &[0], &option(3, &[&[2][..], TEXT].concat())]
                    .concat();
            block(2, &body)
        }),
    ]
}

fn names() -> Vec<Placement> {
    let host = b"host.example\0";
    let one = |name, canary: &[u8], records: &[u8]| with(name, canary, &block(4, records));
    let ended = |record: Vec<u8>, options: &[u8]| [&record[..], &[0; 4], options].concat();
    let none = || ended(option(1, &[&[10, 0, 0, 1][..], host].concat()), &[]);
    vec![
        one("resolved address", &IPV4, &ended(option(1, &[&IPV4[..], host].concat()), &[])),
        one("resolved address of ipv6", &IPV6, &ended(option(2, &[&IPV6[..], host].concat()), &[])),
        one("resolved name", TEXT, &ended(option(1, &[&[10, 0, 0, 1][..], TEXT, &[0]].concat()), &[])),
        one("second resolved name", TEXT, &ended(option(1, &[&[10, 0, 0, 1][..], host, TEXT, &[0]].concat()), &[])),
        one("resolved mac", &MAC, &ended(option(3, &[&MAC[..], host].concat()), &[])),
        one("resolved eui-64", &TEXT[..8], &ended(option(4, &[&TEXT[..8], host].concat()), &[])),
        one("record of an unknown kind", TEXT, &ended(option(55, TEXT), &[])),
        one("resolver's comment", TEXT, &[none(), option(1, TEXT)].concat()),
        one("resolver's name", TEXT, &[none(), option(2, TEXT)].concat()),
        one("resolver's address", &IPV4, &[none(), option(3, &IPV4)].concat()),
        one("resolver's address of ipv6", &IPV6, &[none(), option(4, &IPV6)].concat()),
        one("record that is too short", TEXT, &ended(option(2, TEXT), &[])),
        one("record without an end", TEXT, &[&[1, 0, 0xff, 0xff][..], TEXT].concat()),
    ]
}

fn blocks() -> Vec<Placement> {
    let statistics = |options: &[u8]| block(5, &[&words(&[0, 0, 5])[..], options].concat());
    let secrets =
        |kind: u32, options: &[u8]| block(10, &[&words(&[kind, TEXT.len() as u32])[..], TEXT, options].concat());
    let custom = |kind: u32| block(kind, &[&words(&[32_473])[..], TEXT].concat());
    let mut files = vec![
        with("statistics' comment", TEXT, &statistics(&option(1, TEXT))),
        with("statistics' unknown option", TEXT, &statistics(&option(88, TEXT))),
        with("key log", TEXT, &secrets(0x544c_534b, &[])),
        with("keys of a tunnel", TEXT, &secrets(0x5747_4b4c, &[])),
        with("keys of an unknown kind", TEXT, &secrets(9, &[])),
        with("comment on secrets", TEXT, &block(10, &[&words(&[9, 0])[..], &option(1, TEXT)].concat())),
        with("secrets of a wrong length", TEXT, &block(10, &[&words(&[9, 9_999])[..], TEXT].concat())),
        with("custom block", TEXT, &custom(0xbad)),
        with("custom block, not to be copied", TEXT, &custom(0x4000_0bad)),
        with("custom block's enterprise", &WORD, &block(0xbad, &[&WORD[..], &[0; 8]].concat())),
        with("journal", TEXT, &block(9, &[b"MESSAGE=".as_slice(), TEXT].concat())),
        with("process information", TEXT, &block(0x8000_0001, &[&words(&[4_711])[..], &option(2, TEXT)].concat())),
        with("system events", TEXT, &block(0x204, &[&[0; 24][..], TEXT].concat())),
        with("machine information", TEXT, &block(0x201, TEXT)),
        with("block of an unknown kind", TEXT, &block(0x7777, TEXT)),
    ];
    let mut cut = with("behind the last block", TEXT, &[]);
    cut.file.extend([&[6, 0, 0, 0, 0xff, 0xff][..], TEXT].concat());
    let mut partial = with("a block that is cut off", TEXT, &[]);
    partial.file.extend(&block(1, &[TEXT, TEXT].concat())[..20]);
    files.extend([cut, partial]);
    files
}

fn pcap() -> Vec<Placement> {
    let record =
        |frame: &[u8]| [words(&[1_700_000_000, 0, frame.len() as u32, frame.len() as u32]), frame.to_vec()].concat();
    let file = |zone: u32, figures: u32, link: u32| {
        [words(&[0xa1b2_c3d4, 0x0004_0002, zone, figures, 262_144, link]), record(&frame())].concat()
    };
    let word = u32::from_le_bytes(WORD);
    let one = |name, canary: &[u8], file: Vec<u8>| Placement { name, canary: canary.to_vec(), file };
    vec![
        one("file's time zone", &WORD, file(word, 0, 1)),
        one("file's accuracy", &WORD, file(0, word, 1)),
        one("behind the last packet", TEXT, [file(0, 0, 1), TEXT.to_vec()].concat()),
        one("a packet that is cut off", TEXT, {
            let mut file = [file(0, 0, 1), record(&[TEXT, TEXT].concat())].concat();
            file.truncate(file.len() - 3);
            file
        }),
    ]
}

fn compressed() -> Vec<Placement> {
    let pack = |builder: GzBuilder| {
        let mut packer = builder.write(Vec::new(), Compression::fast());
        packer.write_all(&with("", &[], &[]).file).unwrap();
        packer.finish().unwrap()
    };
    let one = |name, file: Vec<u8>| Placement { name, canary: TEXT.to_vec(), file };
    vec![
        one("gzip's name of the file", pack(GzBuilder::new().filename(TEXT))),
        one("gzip's comment", pack(GzBuilder::new().comment(TEXT))),
        one("gzip's extra field", pack(GzBuilder::new().extra([b"ab\x0c\0", TEXT].concat()))),
        one("behind gzip", [pack(GzBuilder::new()), TEXT.to_vec()].concat()),
        one("zstd's skippable frame", {
            let packed = zstd::encode_all(&with("", &[], &[]).file[..], 1).unwrap();
            [&[0x50, 0x2a, 0x4d, 0x18, 12, 0, 0, 0][..], TEXT, &packed].concat()
        }),
    ]
}
