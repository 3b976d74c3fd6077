//! gRPC: planted values do not survive in messages, whatever they are split over and however deep they stand; what is masked is a
//! message of the same form, and a value has one pseudonym in messages, JSON and headers.

use proptest::prelude::*;
use standin::protocol::content::protobuf::varint;

use super::wire::{From, Wire, answer, post, said};
use super::{How, assert_ledger, fixture, mask, masked_fixture};

const CANARIES: [&str; 6] = [
    "kestrel.haverbrook@mailbox.example",
    "9f8b31c7e0d44a5cb2710c6e5d93aa18",
    "Wilhelmina Thackerby",
    "4929417703628351",
    "Lindenhof 14 Altenbruch",
    "zq81-Umbrella-77",
];
/// Numbers that stand in varints and in eight bytes.
const NUMBERS: [u64; 2] = [718_293_004_651, 5_550_198_273_642];

fn number(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn field(id: u64, bytes: &[u8]) -> Vec<u8> {
    [number(id << 3 | 2), number(bytes.len() as u64), bytes.to_vec()].concat()
}

fn varint_field(id: u64, value: u64) -> Vec<u8> {
    [number(id << 3), number(value)].concat()
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn literal(name: &str, value: &str) -> Vec<u8> {
    [&[0x00, name.len() as u8][..], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
}

/// A message with everything that is planted, in messages in messages and beside bytes.
fn planted() -> Vec<u8> {
    let [mail, token, name, card, street, password] = CANARIES;
    let address = [field(1, name.as_bytes()), field(2, street.as_bytes())].concat();
    [
        field(1, mail.as_bytes()),
        field(4, &[field(1, &address), varint_field(2, 1), field(900, card.as_bytes())].concat()),
        varint_field(5, NUMBERS[0]),
        [number(6 << 3 | 1), NUMBERS[1].to_le_bytes().to_vec()].concat(),
        field(7, &[&[0xff, 0xfe, 0x00][..], token.as_bytes()].concat()),
        field(8, password.as_bytes()),
        field(9, &[number(NUMBERS[0]), number(3)].concat()),
    ]
    .concat()
}

/// A call whose body comes in these pieces, and its answer with the same message.
fn call(pieces: &[&[u8]], message: &[u8]) -> Vec<u8> {
    let head = [
        vec![0x83, 0x86],
        literal(":path", "/parcels.v1.Parcels/Create"),
        literal("content-type", "application/grpc"),
        literal("grpc-timeout", "1500m"),
        literal("authorization", &format!("Bearer {}", CANARIES[1])),
    ];
    let trailers = [literal("grpc-status", "5"), literal("grpc-message", "none of Wilhelmina%20Thackerby")];
    let mut wire = Wire::connected();
    wire.mss = 61;
    let data: Vec<u8> = pieces.iter().flat_map(|piece| frame(0, 0, 1, piece)).collect();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    wire.say(
        From::Client,
        [&preface[..], &frame(4, 0, 0, b""), &frame(1, 4, 1, &head.concat()), &data, &frame(0, 1, 1, b"")].concat(),
    );
    let answer = [vec![0x88], literal("content-type", "application/grpc")].concat();
    wire.say(
        From::Server,
        [
            frame(4, 0, 0, b""),
            frame(1, 4, 1, &answer),
            frame(0, 0, 1, &framed(message)),
            frame(1, 5, 1, &trailers.concat()),
        ]
        .concat(),
    );
    wire.file.clone()
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

/// Every form in which a canary stands in the message.
fn needles() -> Vec<Vec<u8>> {
    let texts = CANARIES.iter().map(|canary| canary.as_bytes().to_vec());
    texts.chain([number(NUMBERS[0]), NUMBERS[1].to_le_bytes().to_vec(), b"Wilhelmina%20Thackerby".to_vec()]).collect()
}

#[test]
fn no_canary_survives_in_messages() {
    let message = planted();
    let body = framed(&message);
    for cut in [1, 4, 5, 6, 40, body.len() - 1] {
        let (front, back) = body.split_at(cut);
        let original = call(&[front, back, &framed(b"\x08\x01")], &message);
        for side in [From::Client, From::Server] {
            let missing = needles().into_iter().filter(|needle| !holds(&said(&original, side), needle)).count();
            // What is cut in two, or stands on one side only, is not found in the original by this search.
            assert!(missing <= 2, "{missing} values are not planted");
        }
        for rules in ["default", "blank"] {
            let masked = How::rules(rules).mask(&original);
            assert_ledger(&original, &masked);
            for side in [From::Client, From::Server] {
                let left = said(&masked.bytes, side);
                for needle in needles() {
                    assert!(
                        !holds(&left, &needle),
                        "{:?} under {rules}, cut at {cut}",
                        String::from_utf8_lossy(&needle)
                    );
                }
            }
            let client = said(&masked.bytes, From::Client);
            assert!(holds(&client, b"/parcels.v1.Parcels/Create") && holds(&client, b"1500m"), "{rules}");
        }
    }
}

/// Tags and lengths of a message, all the way down where the original has messages.
fn layout(message: &[u8]) -> Vec<(u64, usize)> {
    let (mut at, mut found) = (0, Vec::new());
    while at < message.len() {
        let (tag, len) = varint(&message[at..]).unwrap();
        at += len;
        let len = match tag & 7 {
            0 => varint(&message[at..]).unwrap().1,
            1 => 8,
            5 => 4,
            2 => {
                let (len, head) = varint(&message[at..]).unwrap();
                at += head;
                len as usize
            }
            wire => panic!("wire type {wire}"),
        };
        found.push((tag, len));
        if tag == 4 << 3 | 2 {
            found.extend(layout(&message[at..at + len]));
        }
        at += len;
    }
    found
}

/// The message in the first frame of data that a side said.
fn message(file: &[u8], from: From, len: usize) -> Vec<u8> {
    let head = [&[0][..], &(len as u32).to_be_bytes()].concat();
    let bytes = said(file, from);
    let at = memchr::memmem::find(&bytes, &head).unwrap() + head.len();
    bytes[at..at + len].to_vec()
}

#[test]
fn a_masked_message_has_the_form_of_the_old_one() {
    let old = planted();
    let masked = mask(&call(&[&framed(&old)], &old));
    let new = message(&masked.bytes, From::Client, old.len());
    assert_eq!(layout(&old), layout(&new));
    assert_eq!(new, message(&masked.bytes, From::Server, old.len()), "the same message is another in the answer");
    assert_ne!(old, new);
    assert_eq!(masked.manifest.degraded.len(), 0, "{:?}", masked.manifest.degraded);
}

/// An id is the same in a varint and in JSON, as a number and as a text; a name is the same in a message and in JSON.
#[test]
fn a_value_has_one_pseudonym_in_messages_and_elsewhere() {
    // Ten digits take five bytes whatever they are.
    let (id, name) = (4_711_082_345u64, "Haverbrook");
    let old = [varint_field(1, id), field(2, name.as_bytes())].concat();
    let mut wire = Wire::connected();
    wire.say(From::Client, post("/orders", "", "application/x-protobuf", &old));
    let body = format!(r#"{{"id":{id},"name":"{name}","again":"{id}"}}"#);
    wire.say(From::Server, answer("200 OK", "", "application/json", body.as_bytes()));
    let masked = mask(&wire.close().file);
    let (client, server) = (said(&masked.bytes, From::Client), said(&masked.bytes, From::Server));
    let new = &client[client.len() - old.len()..];
    let (new_id, len) = varint(&new[1..]).unwrap();
    let new_name = std::str::from_utf8(&new[1 + len + 2..]).unwrap();
    assert!(new_id != id && new_name != name && new_name.len() == name.len());
    let said = format!(r#"{{"id":{new_id},"name":"{new_name}","again":"{new_id}"}}"#);
    assert!(server.ends_with(said.as_bytes()), "{} lacks {said}", String::from_utf8_lossy(&server));
}

/// Small numbers stay apart and in one byte; booleans and nothing else stay.
#[test]
fn numbers_stay_apart_in_their_bytes() {
    let old: Vec<u8> = (0..=127).chain(1000..1100).flat_map(|value| varint_field(1, value)).collect();
    let mut wire = Wire::connected();
    wire.say(From::Client, post("/orders", "", "application/protobuf", &old));
    let masked = mask(&wire.close().file);
    let client = said(&masked.bytes, From::Client);
    let mut rest = &client[client.len() - old.len()..];
    let mut new = Vec::new();
    while !rest.is_empty() {
        let (value, len) = varint(&rest[1..]).unwrap();
        new.push(value);
        rest = &rest[1 + len..];
    }
    assert_eq!(new.len(), 228);
    assert_eq!(new[..2], [0, 1]);
    let same = new.iter().zip((0..=127).chain(1000..1100)).filter(|(new, old)| *new == old).count();
    assert_eq!(same, 2, "{new:?}");
    let distinct: std::collections::BTreeSet<&u64> = new.iter().collect();
    // A blank stands for the few that have no other.
    assert!(distinct.len() >= 215, "{} of 228 are distinct", distinct.len());
}

/// Under rules that blank, nothing of the numbers is left but their bytes' count; lists stay lists.
#[test]
fn blanked_numbers_depend_on_nothing() {
    let message = |a: u64, b: u64, c: u64| {
        let list: Vec<u8> = [a, b, b, c].into_iter().flat_map(number).collect();
        [varint_field(1, a), varint_field(2, b), field(3, &list), varint_field(4, c)].concat()
    };
    let masked = |body: &[u8]| {
        let mut wire = Wire::connected();
        wire.say(From::Client, post("/orders", "", "application/protobuf", body));
        let file = wire.close().file.clone();
        let masked = How::rules("blank").mask(&file);
        assert_ledger(&file, &masked);
        said(&masked.bytes, From::Client)
    };
    let (one, other) = (masked(&message(20, 300, 987_654_321)), masked(&message(97, 16_000, 403_192_220)));
    assert_eq!(one, other);
    assert!(one.ends_with(&message(2, 132, 0x1000_0004)), "{one:x?}");
}

/// Compressed messages are inflated, masked and deflated to their old length.
#[test]
fn compressed_messages_of_the_recording_are_read() {
    let masked = masked_fixture("parcels.pcap", "default");
    let unread: Vec<&str> = masked.manifest.not_understood.iter().map(|what| &*what.what).collect();
    assert!(!unread.iter().any(|what| what.contains("message") || what.contains("compressed")), "{unread:?}");
    assert_ledger(&fixture("parcels.pcap"), &masked);
}

proptest! {
    /// Whatever a message is, it is read to its end, and every byte has a label.
    #[test]
    fn any_bytes_are_masked_in_place(bytes: Vec<u8>, cuts in prop::collection::vec(1usize..40, 0..4)) {
        let body = framed(&bytes);
        let mut pieces = Vec::new();
        let mut rest = &body[..];
        for cut in cuts {
            let (front, back) = rest.split_at(cut.min(rest.len()));
            pieces.push(front);
            rest = back;
        }
        pieces.push(rest);
        let original = call(&pieces, &bytes);
        let masked = mask(&original);
        assert_ledger(&original, &masked);
        prop_assert_eq!(masked.bytes.len(), original.len());
    }
}
