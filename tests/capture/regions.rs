//! What blocks say beside their packets: every such byte is a region with a name, or framing.

use std::io::Cursor;

use standin::capture::{Batch, Meta, Reader};

use super::build::{Bytes, Order, one_of_everything};

/// All regions of a capture: what they are and the bytes that stand there.
fn regions(bytes: &[u8]) -> Vec<(Meta, Vec<u8>)> {
    let mut reader = Reader::open(Box::new(Cursor::new(bytes.to_vec()))).unwrap();
    let mut batch = Batch::default();
    let mut found = Vec::new();
    while reader.next_batch(&mut batch).unwrap() {
        for record in &batch.records {
            let bytes = &batch.bytes[record.start..record.start + record.len];
            let regions = &batch.regions[record.regions.clone()];
            found.extend(regions.iter().map(|region| (region.what, bytes[region.at.clone()].to_vec())));
        }
    }
    found
}

#[test]
fn each_block_type_has_its_own() {
    use Meta::{Host, Ipv4, Mac, Opaque, Text};
    let interface = |name: &'static [u8]| {
        [
            (Opaque("reserved"), &[0, 0][..]),
            (Opaque("padding"), b"PAD"),
            (Text("if_name"), name),
            (Ipv4, &[10, 0, 0, 1]),
            (Mac, &[2; 6]),
            (Opaque("padding"), b"PA"),
        ]
    };
    let mut expected = vec![
        (Text("comment"), &b"a comment"[..]),
        (Opaque("padding"), b"PAD"),
        (Text("userappl"), b"writer 1.0"),
        (Opaque("padding"), b"PA"),
    ];
    // The first interface has no tsresol, thus no padding behind it.
    expected.extend(interface(b"eth0").into_iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, region)| region));
    expected.extend(interface(b"eth0"));
    expected.extend([
        (Text("comment"), &b"why"[..]),
        (Opaque("padding"), b"P"),
        (Ipv4, &[10, 0, 0, 1]),
        (Host, b"host"),
        (Opaque("padding"), b"PAD"),
        (Host, b"resolver"),
        (Opaque("padding"), b"PA"), // of the simple packet
        (Opaque("decryption secrets"), b"SECRETS"),
        (Opaque("padding"), b"P"),
        (Text("comment"), b"keys"),
        (Opaque("padding"), b"P"),     // of the obsolete packet
        (Opaque("custom block"), b""), // of either byte order, below
        (Opaque("systemd journal"), b"MESSAGE=journal\n"),
        (Opaque("unknown block"), b"who knows..."),
    ]);
    let expected: Vec<_> = expected.into_iter().map(|(what, bytes)| (what, bytes.to_vec())).collect();
    for order in [Order::Little, Order::Big] {
        let mut custom = Bytes::new(order);
        custom.n32(32_473).raw(b"opaque!!");
        let mut expected = expected.clone();
        expected.iter_mut().filter(|(what, _)| *what == Opaque("custom block")).for_each(|(_, bytes)| {
            bytes.clone_from(&custom.bytes);
        });
        assert_eq!(regions(&one_of_everything(order).0), expected);
    }
}

/// Regions of one block after a section header without any.
fn of_block(kind: u32, build: fn(&mut Bytes)) -> Vec<(Meta, Vec<u8>)> {
    let mut file = Bytes::new(Order::Little);
    let mut body = Bytes::new(Order::Little);
    body.n32(0x1a2b_3c4d).n16(1).n16(0).n64(u64::MAX);
    file.block(0x0a0d_0d0a, &body.bytes);
    body.bytes.clear();
    build(&mut body);
    regions(&file.block(kind, &body.bytes).bytes)
}

#[test]
fn nothing_hides_behind_malformed_framing() {
    let opaque = |what, bytes: &[u8]| (Meta::Opaque(what), bytes.to_vec());
    let reserved = opaque("reserved", &[0, 0]);
    // An option that claims more than there is.
    let found = of_block(1, |body| {
        body.n64(1).n16(2).n16(200).raw(b"name");
    });
    assert_eq!(found, [reserved.clone(), opaque("malformed options", b"\x02\0\xc8\0name")]);
    // Bytes behind the end of the options.
    let found = of_block(1, |body| {
        body.n64(1).n32(0).raw(b"smuggled");
    });
    assert_eq!(found, [reserved.clone(), opaque("after the options", b"smuggled")]);
    // A number that is too long to be one; a short address.
    let found = of_block(1, |body| {
        body.n64(1).option(8, &[1; 12]).option(4, &[1; 4]);
    });
    let wrong = |len| opaque("option of a wrong length", &vec![1; len]);
    assert_eq!(found, [reserved, wrong(12), wrong(4)]);
    // Names: a record too long, too short, of an unknown kind.
    let found = of_block(4, |body| {
        body.n16(1).n16(99).raw(b"\x01\x02\x03\x04");
    });
    assert_eq!(found, [opaque("malformed names", b"\x01\0\x63\0\x01\x02\x03\x04")]);
    let found = of_block(4, |body| {
        body.n16(2).n16(4).raw(b"1234").n16(9).n16(4).raw(b"5678");
    });
    assert_eq!(found, [opaque("malformed names", b"1234"), opaque("unknown name record", b"5678")]);
    // Secrets that claim more than there is.
    let found = of_block(10, |body| {
        body.n32(1).n32(100).raw(b"keys");
    });
    assert_eq!(found, [opaque("decryption secrets", b"keys")]);
}

#[test]
fn names_may_be_several_and_lack_their_end() {
    let found = of_block(4, |body| {
        body.n16(2).n16(24).raw(&[0xfe; 16]).raw(b"one\0two\0").n16(3).n16(8).raw(&[4; 6]).raw(b"ab");
    });
    let host = |name: &[u8]| (Meta::Host, name.to_vec());
    let expected = [(Meta::Ipv6, vec![0xfe; 16]), host(b"one"), host(b"two"), (Meta::Mac, vec![4; 6]), host(b"ab")];
    assert_eq!(found, expected);
}
