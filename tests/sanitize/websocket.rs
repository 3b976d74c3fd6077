//! WebSocket: planted values do not survive in messages, whatever stands around them; frames, keys and lengths stay, what was
//! compressed can be unpacked, and the proof of the upgrade is one again.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use proptest::prelude::*;
use standin::audit::judge::Judge;
use standin::audit::result::Verdict;
use standin::audit::{Input, compare, single};
use standin::protocol::websocket::proof::proof;

use super::wire::{From, Wire, said};
use super::{How, Masked, assert_ledger, fixture, mask, masked_fixture, policy};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PACKED: u8 = 0x40;
const LAST: u8 = 0x80;
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

const CANARIES: [&str; 10] = [
    "kestrel.haverbrook@mailbox.example",
    "9f8b31c7e0d44a5cb2710c6e5d93aa18",
    "Wilhelmina Thackerby",
    "4929417703628351",
    "zq81-Umbrella-77",
    "Lindenhof 14 Altenbruch",
    "Marrowfat-Pelican-55",
    "Ottoline Beckwithshaw",
    "tk-52c0e7a91b",
    "Quimbleford's left early",
];

fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if key.is_some() { 0x80 } else { 0 };
    let mut out = vec![first];
    match payload.len() {
        len @ 0..126 => out.push(masked | len as u8),
        len @ 126..0x1_0000 => out.extend([&[masked | 126][..], &(len as u16).to_be_bytes()].concat()),
        len => out.extend([&[masked | 127][..], &(len as u64).to_be_bytes()].concat()),
    }
    out.extend(key.iter().flatten());
    let key = key.unwrap_or_default();
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

/// A message in parts of these lengths, the rest in the last; a ping between the first two.
pub(super) fn message(first: u8, key: Option<[u8; 4]>, lens: &[usize], payload: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), payload);
    for (n, len) in lens.iter().copied().chain([usize::MAX]).enumerate() {
        let (part, behind) = rest.split_at(len.min(rest.len()));
        let last = if n == lens.len() { LAST } else { 0 };
        // Each frame of a client has a key of its own.
        let key = key.map(|key| key.map(|byte| byte.wrapping_add(77 * n as u8)));
        out.extend(frame(last | if n == 0 { first } else { 0 }, key, part));
        if n == 0 && !lens.is_empty() {
            out.extend(frame(LAST | PING, key, b"Quimbleford's left early"));
        }
        rest = behind;
    }
    out
}

/// Packs the messages of a direction (RFC 7692).
pub(super) struct Packer {
    window: Compress,
    takeover: bool,
}

impl Packer {
    pub(super) fn new(takeover: bool, bits: u8) -> Packer {
        Packer { window: Compress::new_with_window_bits(Compression::new(6), false, bits), takeover }
    }

    pub(super) fn pack(&mut self, text: &[u8]) -> Vec<u8> {
        if !self.takeover {
            self.window.reset();
        }
        let mut out = Vec::with_capacity(text.len() + 1024);
        self.window.compress_vec(text, &mut out, FlushCompress::Sync).unwrap();
        assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
        out
    }
}

/// What is said on a connection: opcode and text of each message, the frames' headers with their keys.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    pub(super) messages: Vec<(u8, Vec<u8>)>,
    heads: Vec<Vec<u8>>,
}

/// A reader of this test's own. Unpacks within the window of the messages before, if `takeover`.
pub(super) fn heard(stream: &[u8], takeover: bool) -> Heard {
    let (mut heard, mut rest) =
        (Heard::default(), &stream[stream.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4..]);
    let mut window = Decompress::new(false);
    let mut data = (0, Vec::new());
    while let [first, second, ..] = *rest {
        let extended = [0, 2, 8][usize::from(second & 127).saturating_sub(125)];
        let number = rest[2..2 + extended].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let len = if extended == 0 { usize::from(second & 127) } else { number };
        let head = 2 + extended + usize::from(second >> 7) * 4;
        heard.heads.push(rest[..head].to_vec());
        let key = if second & 0x80 != 0 { rest[head - 4..head].to_vec() } else { vec![0; 4] };
        let text: Vec<u8> =
            rest[head..head + len].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        rest = &rest[head + len..];
        if first & 8 != 0 {
            heard.messages.push((first & 15, text));
            continue;
        }
        if first & 15 != 0 {
            data = (first, Vec::new());
        }
        data.1.extend(text);
        if first & LAST != 0 {
            let (first, mut text) = std::mem::take(&mut data);
            if first & PACKED != 0 {
                if !takeover {
                    window.reset(false);
                }
                text = unpacked(&mut window, &text).expect("deflate data");
            }
            heard.messages.push((first & 15, text));
        }
    }
    assert!(rest.is_empty());
    heard
}

fn unpacked(window: &mut Decompress, packed: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(1 << 20);
    for bytes in [packed, &TAIL] {
        window.decompress_vec(bytes, &mut text, FlushDecompress::Sync).ok()?;
    }
    Some(text)
}

const KEY: &str = "x3JJHMbDL1EzLkh9GBhXDw==";

/// An upgraded connection, and what it takes to say that messages are compressed.
pub(super) fn upgraded(more: &str) -> Wire {
    upgraded_at("/api/v1/live/tk-52c0e7a91b?EIO=4", more)
}

fn upgraded_at(target: &str, more: &str) -> Wire {
    let mut wire = Wire::connected();
    let agreed = if more.is_empty() { String::new() } else { format!("Sec-WebSocket-Extensions: {more}\r\n") };
    wire.say(From::Client, format!("GET {target} HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"));
    wire.say(From::Server, format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n{agreed}\r\n", proof(KEY.as_bytes())));
    wire
}

/// What the messages say: of both sides.
fn texts() -> [Vec<(u8, Vec<u8>)>; 2] {
    let [mail, token, name, card, password, street, text, other, ticket, _] = CANARIES;
    let client = [
        (TEXT, format!(r#"{{"type":"auth","token":"{token}","email":"{mail}"}}"#)),
        (TEXT, format!(r#"42["order",{{"name":"{name}","card":"{card}"}}]"#)),
        (TEXT, format!("password={password}&street={}", street.replace(' ', "+"))),
        (TEXT, format!("{text} said {other}")),
        (BINARY, format!(r#"{{"ticket":"{ticket}","name":"{name}"}}"#)),
        (BINARY, format!("\u{1}\u{2} {text}, {mail}")),
        (TEXT, "2".to_owned()),
    ];
    let server = [
        (TEXT, format!(r#"{{"items":[{{"street":"{street}","of":"{other}"}}],"email":"{mail}"}}"#)),
        (TEXT, format!("<p>{name}</p><a href=\"/u/{token}\">{password}</a>")),
        (TEXT, "3".to_owned()),
        (TEXT, format!(r#"43/admin,7[{{"ticket":"{ticket}"}}]"#)),
    ];
    [client.to_vec(), server.to_vec()]
        .map(|all| all.into_iter().map(|(kind, text)| (kind, text.into_bytes())).collect())
}

/// Everything in [`CANARIES`] is somewhere. With `packing`, messages are compressed: (takeover, window).
fn planted(mss: usize, packing: Option<(bool, u8)>) -> Vec<u8> {
    let more = match packing {
        None => String::new(),
        Some((takeover, bits)) => {
            let reset = if takeover { "" } else { "; client_no_context_takeover; server_no_context_takeover" };
            format!("permessage-deflate; server_max_window_bits={bits}; client_max_window_bits={bits}{reset}")
        }
    };
    let mut wire = upgraded(&more);
    wire.mss = mss;
    let mut packers = packing.map(|(takeover, bits)| [Packer::new(takeover, bits), Packer::new(takeover, bits)]);
    for (side, from) in [From::Client, From::Server].into_iter().enumerate() {
        for (n, (kind, text)) in texts()[side].iter().enumerate() {
            let (first, payload) = match &mut packers {
                Some(packers) => (kind | PACKED, packers[side].pack(text)),
                None => (*kind, text.clone()),
            };
            let key = (side == 0).then_some([0x91, 0x0f, 0x33, n as u8]);
            let lens: &[usize] = [&[][..], &[5, 17], &[0, 9, 0]][n % 3];
            wire.say(from, message(first, key, lens, &payload));
        }
    }
    wire.say(From::Client, frame(LAST | CLOSE, Some([1, 2, 3, 4]), b"\x03\xe8Quimbleford's left early"));
    wire.say(From::Server, frame(LAST | CLOSE, None, b"\x03\xe8Quimbleford's left early"));
    wire.close();
    wire.file.clone()
}

pub(super) fn holds(haystack: &[u8], needle: &str) -> bool {
    memchr::memmem::find(&haystack.to_ascii_lowercase(), needle.to_ascii_lowercase().as_bytes()).is_some()
}

pub(super) fn both(file: &[u8], takeover: bool) -> [Heard; 2] {
    [From::Client, From::Server].map(|from| heard(&said(file, from), takeover))
}

fn all_texts(heard: &[Heard; 2]) -> Vec<u8> {
    heard.iter().flat_map(|heard| &heard.messages).flat_map(|(_, text)| [&text[..], b"\n"].concat()).collect()
}

#[test]
fn no_canary_survives_in_messages() {
    for packing in [None, Some((true, 15)), Some((false, 15)), Some((true, 9))] {
        let takeover = packing.is_some_and(|(takeover, _)| takeover);
        for mss in [1460, 61] {
            let original = planted(mss, packing);
            let before = both(&original, takeover);
            for rules in ["default", "blank"] {
                let what = format!("{packing:?} in segments of {mss} under {rules}");
                let masked = How::rules(rules).mask(&original);
                assert_ledger(&original, &masked);
                let Masked { bytes, manifest, .. } = &masked;
                let after = both(bytes, takeover);
                for (before, after) in before.iter().zip(&after) {
                    let kinds = |heard: &Heard| {
                        heard.messages.iter().map(|(kind, text)| (*kind, text.len())).collect::<Vec<_>>()
                    };
                    assert_eq!(kinds(before), kinds(after), "{what}");
                    // The mask of a message that nobody reads is blank as it is.
                    let keyed = |heard: &Heard| heard.heads.iter().map(Vec::len).collect::<Vec<_>>();
                    assert_eq!(keyed(before), keyed(after), "{what}");
                }
                let (before, after) = (all_texts(&before), all_texts(&after));
                for canary in CANARIES {
                    let spellings = [canary.to_owned(), canary.replace(' ', "+")];
                    let told = |bytes: &[u8]| spellings.iter().any(|spelling| holds(bytes, spelling));
                    assert!(told(&before), "{canary} is not planted");
                    assert!(!told(&after) && !told(bytes), "{canary} survives: {what}");
                    assert!(!told(&serde_json::to_vec(manifest).unwrap()), "{canary} in the manifest: {what}");
                }
            }
        }
    }
}

#[test]
fn messages_keep_their_shape_and_values_their_pseudonyms() {
    for packing in [None, Some((true, 15)), Some((false, 15))] {
        let takeover = packing.is_some_and(|(takeover, _)| takeover);
        let masked = mask(&planted(1460, packing));
        let [client, server] = both(&masked.bytes, takeover);
        let text = |heard: &Heard, n: usize| {
            let texts: Vec<_> = heard.messages.iter().filter(|(kind, _)| kind & 8 == 0).collect();
            String::from_utf8(texts[n].1.clone()).unwrap()
        };
        let first: serde_json::Value = serde_json::from_str(&text(&client, 0)).unwrap();
        assert_eq!(first["type"], "auth");
        let order = text(&client, 1);
        let order: serde_json::Value =
            serde_json::from_str(order.strip_prefix("42").expect("the prefix stays")).unwrap();
        assert_eq!(order[0], "order");
        assert_eq!((text(&client, 6).as_str(), text(&server, 2).as_str()), ("2", "3"), "Engine.IO's ping");
        let binary: serde_json::Value = serde_json::from_str(&text(&client, 4)).unwrap();
        let admin = text(&server, 3);
        let admin: serde_json::Value =
            serde_json::from_str(admin.strip_prefix("43/admin,7").expect("the prefix stays")).unwrap();
        assert_eq!(admin[0]["ticket"], binary["ticket"]);
        // In the path of the upgrade it is the same.
        let head = String::from_utf8(said(&masked.bytes, From::Client)[..200].to_vec())
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        assert!(head.starts_with(&format!("GET /api/v1/live/{}?", binary["ticket"].as_str().unwrap())), "{head}");
        let items: serde_json::Value = serde_json::from_str(&text(&server, 0)).unwrap();
        if packing.is_none() {
            assert_eq!(items["email"], first["email"]);
            assert_eq!(order[1]["name"], binary["name"]);
            assert!(masked.manifest.degraded.is_empty());
        }
        let read =
            masked.manifest.not_understood.iter().map(|what| (what.what.as_str(), what.bytes)).collect::<Vec<_>>();
        let unread = if packing.is_none() { read.iter().all(|(what, _)| *what == "websocket payload") } else { true };
        assert!(unread && !read.is_empty(), "{read:?}");
    }
}

/// What only looks as if it had a form has no names that are kept, and no numbers but a packet's type.
#[test]
fn texts_of_a_guessed_form_keep_nothing_of_anyone() {
    let texts = [
        "QW5uYSBCYWtlcg==",
        "AnnaBaker=online&BobMiller=offline",
        "john.smith=admin",
        "5550123{\"a\":\"b\"}",
        "12345678[1]",
        "41-79123[1]",
        "4312345678[\"b\"]",
        "\n\u{1}\u{2}\u{3}\u{4}\u{1}\u{7}\t",
        "<AnnaBaker> hi",
    ];
    let secrets = ["QW5uYSBC", "Anna", "Bob", "john", "smith", "50123", "345678", "79123", "\u{1}\u{2}\u{3}"];
    for upgrade in ["?EIO=4", ""] {
        let mut wire = upgraded_at(&format!("/live{upgrade}"), "");
        for text in texts {
            wire.say(From::Client, message(TEXT, Some([0x11, 0x22, 0x33, 0x44]), &[], text.as_bytes()));
        }
        let masked = mask(&wire.file);
        assert_ledger(&wire.file, &masked);
        let heard = heard(&said(&masked.bytes, From::Client), false);
        assert_eq!(heard.messages.len(), texts.len());
        for ((_, after), before) in heard.messages.iter().zip(texts) {
            assert_eq!(after.len(), before.len());
            for secret in secrets.iter().filter(|secret| before.contains(**secret)) {
                assert!(!holds(after, secret), "{secret} of {before:?} survives under {upgrade:?}");
            }
        }
    }
}

#[test]
fn a_proof_is_one_of_the_masked_key() {
    let masked = mask(&planted(1460, None));
    let header = |stream: &[u8], name: &str| {
        let text = String::from_utf8_lossy(stream).into_owned();
        text.lines().find_map(|line| line.strip_prefix(name).map(|value| value.trim().to_owned())).unwrap()
    };
    let (client, server) = (said(&masked.bytes, From::Client), said(&masked.bytes, From::Server));
    let key = header(&client, "Sec-WebSocket-Key:");
    assert_ne!(key, KEY);
    // Strict about the bits behind the sixteenth byte.
    assert_eq!(STANDARD.decode(&key).map(|bytes| bytes.len()), Ok(16));
    assert_eq!(header(&server, "Sec-WebSocket-Accept:"), proof(key.as_bytes()));
    assert!(masked.ledger.lines().any(|line| line.ends_with("\t28\trecomputed\tproof")), "{}", masked.ledger);
    // One that proved nothing proves nothing.
    let wrong = String::from_utf8(proof(KEY.as_bytes()).into_bytes()).unwrap().to_ascii_lowercase();
    let mut wire = upgraded("");
    let at = memchr::memmem::find(&wire.file, proof(KEY.as_bytes()).as_bytes()).unwrap();
    wire.file[at..at + 28].copy_from_slice(wrong.as_bytes());
    let masked = mask(&wire.file);
    let key = header(&said(&masked.bytes, From::Client), "Sec-WebSocket-Key:");
    let proven = header(&said(&masked.bytes, From::Server), "Sec-WebSocket-Accept:");
    assert!(proven != proof(key.as_bytes()) && proven != wrong);
}

/// Long messages go through in windows, and what is lost costs what refers to it.
#[test]
fn long_and_damaged_compressed_messages_are_borne() {
    let long = (0..4000)
        .map(|n| format!(r#"{{"id":{},"name":"Wilhelmina Thackerby {n}"}}"#, n * 7919 % 1_000_003))
        .collect::<Vec<_>>();
    let long = format!("[{}]", long.join(","));
    let short = r#"{"id":1,"name":"Wilhelmina Thackerby 1"}"#;
    let mut wire = upgraded("permessage-deflate");
    let mut packer = Packer::new(true, 15);
    for text in [short, &long, short] {
        wire.say(From::Server, message(TEXT | PACKED, None, &[], &packer.pack(text.as_bytes())));
    }
    let masked = mask(&wire.file);
    let heard = heard(&said(&masked.bytes, From::Server), true);
    let lens: Vec<usize> = heard.messages.iter().map(|(_, text)| text.len()).collect();
    assert_eq!(lens, [short.len(), long.len(), short.len()]);
    assert!(serde_json::from_slice::<serde_json::Value>(&heard.messages[1].1).is_ok());
    assert!(!holds(&all_texts(&[heard, Heard::default()]), "Thackerby"));
    // A message that cannot be unpacked, then one that refers to nothing, then one that does.
    let mut wire = upgraded("permessage-deflate");
    let mut packer = Packer::new(true, 15);
    wire.say(From::Server, message(TEXT | PACKED, None, &[], &[0x07; 40]));
    let fresh = [packer.pack(short.as_bytes()), packer.pack(short.as_bytes())];
    for packed in &fresh {
        wire.say(From::Server, message(TEXT | PACKED, None, &[], packed));
    }
    let masked = mask(&wire.file);
    assert!(
        masked.manifest.not_understood.iter().any(|what| what.what == "websocket message damaged" && what.bytes == 40)
    );
    let stream = said(&masked.bytes, From::Server);
    let mut window = Decompress::new(false);
    let from = stream.len() - fresh[1].len() - 2;
    let texts = [&stream[from - fresh[0].len()..from], &stream[from + 2..]]
        .map(|packed| unpacked(&mut window, packed).unwrap());
    assert!(texts[0] == texts[1] && texts[0].len() == short.len() && !holds(&texts[0], "Thackerby"));
}

#[test]
fn a_hole_costs_the_message_that_it_is_in() {
    let says = |text: &str| message(TEXT, Some([9, 8, 7, 6]), &[], text.as_bytes());
    let mut wire = upgraded("");
    wire.say(From::Client, says(r#"{"email":"kestrel.haverbrook@mailbox.example"}"#));
    let whole = says(&format!(r#"{{"a":"{}"}}"#, "Marrowfat-Pelican-55 ".repeat(200)));
    let (front, back) = whole.split_at(1000);
    wire.say(From::Client, front);
    let lost = wire.segment(From::Client, super::wire::ACK, &back[..500]);
    drop(lost);
    wire.say(From::Client, &back[500..]);
    wire.say(From::Client, says(r#"{"email":"kestrel.haverbrook@mailbox.example"}"#));
    let masked = mask(&wire.file);
    assert!(!holds(&masked.bytes, "Marrowfat"));
    let what: Vec<_> = masked.manifest.not_understood.iter().map(|what| (what.what.as_str(), what.bytes)).collect();
    assert_eq!(what, [("websocket message behind a gap", back.len() as u64 - 500)]);
    assert_ledger(&wire.file, &masked);
}

/// What was followed before is followed after, message by message.
#[test]
fn values_are_followed_through_the_masked_chat() {
    let read = |file: &[u8]| {
        let mut collector = standin::workload::Collector::new();
        standin::dissect::run(Box::new(std::io::Cursor::new(file.to_vec())), &mut collector).unwrap();
        let mut workload = collector.finish().unwrap();
        standin::workload::correlate(&mut workload);
        let messages =
            workload.sessions.iter().flat_map(|session| &session.steps).filter(|step| step.request.message.is_some());
        (workload.requests(), messages.count(), workload.edges())
    };
    let before = read(&fixture("chat.pcap"));
    let masked = masked_fixture("chat.pcap", "default");
    let after = read(&masked.bytes);
    assert!(before.1 > 50 && before.2 >= 30, "{before:?}");
    assert_eq!((before.0, before.1), (after.0, after.1));
    assert!(after.2 * 100 >= before.2 * 95, "{after:?} of {before:?}");
    assert_eq!(masked.manifest.not_understood.len(), 0);
    assert_ledger(&fixture("chat.pcap"), &masked);
}

/// The audit looks into messages: what is put back into one is found, with the original beside it; and alone, what a message
/// says looks as sensitive as it does in a body.
#[test]
fn the_audit_finds_what_stays_in_a_message() {
    let input = |bytes: &[u8]| Input::Bytes("test".into(), bytes.to_vec().into());
    let judge = Judge::new(policy("default"));
    for packing in [None, Some((true, 15))] {
        let original = planted(1460, packing);
        let mut masked = mask(&original).bytes;
        let report = compare(&input(&original), &input(&masked), &judge).unwrap();
        assert_eq!(report.verdict, Verdict::Pass, "{:?} {:?}", report.residue, report.fidelity);
        // The first message, found by its mask.
        let at = memchr::memmem::find(&original, &[0x91, 0x0f, 0x33, 0]).unwrap();
        let message = at..at + 4 + usize::from(original[at - 1] & 127);
        masked[message.clone()].copy_from_slice(&original[message]);
        let report = compare(&input(&original), &input(&masked), &judge).unwrap();
        assert!(report.residue.iter().any(|line| line.kind == "email"), "{:?}", report.residue);
        assert!(report.residue.iter().any(|line| line.encoding == "unchanged"), "{:?}", report.residue);
        let alone = single(&input(&original), &judge).unwrap();
        let told = |path: &str| alone.residue.iter().any(|line| line.kind == "email" && line.field.contains(path));
        assert!(told("http.request.body.json.email") && told("http.response.body.json.email"), "{:?}", alone.residue);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever comes behind an upgrade, cut wherever: sizes and ledger hold, and the cuts make no difference.
    #[test]
    fn anything_is_borne(
        frames in prop::collection::vec((0usize..14, any::<bool>(), any::<Option<[u8; 4]>>(), prop::collection::vec(any::<u8>(), 0..90), "[a-z{}\"\\[\\],:0-9 =&]{0,40}"), 0..12),
        packed: bool, mss in prop::sample::select(vec![1usize, 7, 40, 1460]),
    ) {
        const FIRSTS: [u8; 14] = [0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0xc1, 0xc2, 0x41, 0x88, 0x89, 0x8a, 0xf1, 0x83];
        let mut stream = Vec::new();
        for (first, is_text, key, bytes, text) in &frames {
            stream.extend(frame(FIRSTS[*first], *key, if *is_text { text.as_bytes() } else { bytes }));
        }
        let masked = [mss, 1460].map(|mss| {
            let mut wire = upgraded(if packed { "permessage-deflate" } else { "" });
            wire.mss = mss;
            wire.say(From::Client, &stream).say(From::Server, &stream).close();
            let masked = mask(&wire.file);
            assert_ledger(&wire.file, &masked);
            assert_eq!(masked.bytes.len(), wire.file.len());
            [From::Client, From::Server].map(|from| said(&masked.bytes, from))
        });
        prop_assert_eq!(&masked[0], &masked[1]);
    }

    /// Compressed texts stay texts of their lengths, in windows of any size.
    #[test]
    fn compressed_texts_are_packed_again(
        words in prop::collection::vec(prop::collection::vec("[a-z]{1,9}|[0-9]{1,6}", 1..60), 1..6), takeover: bool, bits in 9u8..=15, repeat in 1usize..60,
    ) {
        let texts: Vec<String> = words.iter().map(|words| format!(r#"{{"items":[{}]}}"#, words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(",") + &format!(",\"{}\"", words[0]).repeat(repeat))).collect();
        let reset = if takeover { "" } else { "; server_no_context_takeover" };
        let mut wire = upgraded(&format!("permessage-deflate; server_max_window_bits={bits}{reset}"));
        let mut packer = Packer::new(takeover, bits);
        for text in &texts {
            wire.say(From::Server, message(TEXT | PACKED, None, &[], &packer.pack(text.as_bytes())));
        }
        let masked = mask(&wire.file);
        assert_ledger(&wire.file, &masked);
        let heard = heard_within(&said(&masked.bytes, From::Server), takeover, bits);
        prop_assert_eq!(heard.len(), texts.len());
        for (text, before) in heard.iter().zip(&texts) {
            prop_assert_eq!(text.len(), before.len());
            prop_assert!(serde_json::from_slice::<serde_json::Value>(text).is_ok(), "{}", text.escape_ascii());
        }
    }
}

/// As [`heard`], by a receiver that keeps no more than was agreed on.
fn heard_within(stream: &[u8], takeover: bool, bits: u8) -> Vec<Vec<u8>> {
    let mut rest = &stream[stream.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4..];
    let (mut window, mut texts) = (Decompress::new_with_window_bits(false, bits), Vec::new());
    while let [_, second, ..] = *rest {
        let (head, len) = match second {
            126 => (4, usize::from(rest[2]) << 8 | usize::from(rest[3])),
            len => (2, usize::from(len)),
        };
        if !takeover {
            window = Decompress::new_with_window_bits(false, bits);
        }
        texts.push(unpacked_by_pieces(&mut window, &rest[head..head + len]).expect("within the window"));
        rest = &rest[head + len..];
    }
    texts
}

/// With no more of the text at hand than the window: what refers to more fails.
fn unpacked_by_pieces(window: &mut Decompress, packed: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    for mut bytes in [packed, &TAIL] {
        loop {
            let (read, written) = (window.total_in(), window.total_out());
            let mut piece = [0; 32];
            window.decompress(bytes, &mut piece, FlushDecompress::Sync).ok()?;
            let (read, written) = ((window.total_in() - read) as usize, (window.total_out() - written) as usize);
            text.extend_from_slice(&piece[..written]);
            bytes = &bytes[read..];
            if bytes.is_empty() && written < piece.len() {
                break;
            }
        }
    }
    Some(text)
}
