//! Compressed bodies: the same packed length, still valid to a strict reader, still JSON, nothing left inside.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::wire::{From, Wire, answer, said};
use super::{Masked, assert_ledger, mask};

#[derive(Clone, Copy, Debug)]
enum Codec {
    Gzip,
    Zlib,
    Deflate,
}

const CODECS: [Codec; 3] = [Codec::Gzip, Codec::Zlib, Codec::Deflate];

fn pack(codec: Codec, plain: &[u8], level: u32) -> Vec<u8> {
    let level = Compression::new(level);
    let mut packers = (
        GzEncoder::new(Vec::new(), level),
        ZlibEncoder::new(Vec::new(), level),
        DeflateEncoder::new(Vec::new(), level),
    );
    let packer: &mut dyn Write = match codec {
        Codec::Gzip => &mut packers.0,
        Codec::Zlib => &mut packers.1,
        Codec::Deflate => &mut packers.2,
    };
    packer.write_all(plain).unwrap();
    match codec {
        Codec::Gzip => packers.0.finish(),
        Codec::Zlib => packers.1.finish(),
        Codec::Deflate => packers.2.finish(),
    }
    .unwrap()
}

/// Inflates to the end; checksums and lengths must be right and nothing may be left.
fn unpack(codec: Codec, packed: &[u8]) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    let read = match codec {
        Codec::Gzip => MultiGzDecoder::new(packed).read_to_end(&mut plain),
        Codec::Zlib => ZlibDecoder::new(packed).read_to_end(&mut plain),
        Codec::Deflate => DeflateDecoder::new(packed).read_to_end(&mut plain),
    };
    read.map_err(|error| error.to_string())?;
    Ok(plain)
}

fn encoding(codec: Codec) -> &'static str {
    match codec {
        Codec::Gzip => "Content-Encoding: gzip\r\n",
        Codec::Zlib | Codec::Deflate => "Content-Encoding: deflate\r\n",
    }
}

/// Masks one answer with this packed body, in chunks or not; gives back the body.
fn through(codec: Codec, packed: &[u8], chunk: Option<usize>) -> (Masked, Vec<u8>) {
    let mut wire = Wire::connected();
    wire.say(From::Client, "GET /people HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    let message = match chunk {
        None => answer("200 OK", encoding(codec), "application/json", packed),
        Some(size) => {
            let head = format!(
                "HTTP/1.1 200 OK\r\n{}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
                encoding(codec)
            );
            let mut message = head.into_bytes();
            for piece in packed.chunks(size) {
                message.extend(format!("{:x}\r\n", piece.len()).bytes());
                message.extend(piece);
                message.extend(b"\r\n");
            }
            message.extend(b"0\r\n\r\n");
            message
        }
    };
    wire.say(From::Server, &message);
    let masked = mask(&wire.close().file);
    assert_ledger(&wire.file, &masked);
    let stream = said(&masked.bytes, From::Server);
    assert_eq!(stream.len(), message.len());
    let head = memchr::memmem::find(&stream, b"\r\n\r\n").unwrap() + 4;
    let mut body = Vec::new();
    match chunk {
        None => body.extend(&stream[head..]),
        Some(size) => {
            let mut at = head;
            for piece in packed.chunks(size) {
                at += format!("{:x}\r\n", piece.len()).len();
                body.extend(&stream[at..at + piece.len()]);
                at += piece.len() + 2;
            }
            assert_eq!(&stream[at..], b"0\r\n\r\n");
        }
    }
    (masked, body)
}

fn blanked(masked: &Masked) -> u64 {
    masked.manifest.not_understood.iter().filter(|what| what.what == "compressed body").map(|what| what.bytes).sum()
}

/// People as an API lists them; `n` decides about the text alone.
fn people(count: usize, seed: u64) -> String {
    let mut state = seed;
    let mut number = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let given = ["Zelda", "Quentin", "Ottoline", "Barnaby", "Hortense"];
    let family = ["Marchbanks", "Fothergill", "Oxenholme", "Pumphrey"];
    let one = |_| {
        let (g, f) = (given[number(5) as usize], family[number(4) as usize]);
        let (id, phone, token) =
            (number(90_000_000) + 10_000_000, number(9_000_000) + 1_000_000, number(u64::MAX >> 33));
        format!(
            r#"{{"id":{id},"name":"{g} {f}","email":"{}.{}{}@crags.example","phone":"+44 20 {phone}","token":"{token:032x}","active":true}}"#,
            g.to_lowercase(),
            f.to_lowercase(),
            number(100),
        )
    };
    format!(r#"{{"items":[{}]}}"#, (0..count).map(one).collect::<Vec<_>>().join(","))
}

/// The texts that a person would be known by.
fn assert_nobody_left(plain: &[u8], body: &[u8], what: &str) {
    let old: serde_json::Value = serde_json::from_slice(plain).unwrap();
    let new = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (old, new) = (old["items"].as_array().unwrap(), new["items"].as_array().unwrap());
    assert_eq!(old.len(), new.len(), "{what}");
    for (old, new) in old.iter().zip(new) {
        for name in ["id", "name", "email", "phone", "token"] {
            assert_ne!(old[name], new[name], "{what}: {name}");
        }
        assert_eq!(new["active"], true);
        let email = old["email"].as_str().unwrap();
        assert!(memchr::memmem::find(body, email.as_bytes()).is_none(), "{what}: {email}");
    }
}

#[test]
fn bodies_of_any_codec_and_size_are_masked() {
    for (count, chunk) in [(1, None), (3, Some(50)), (40, None), (40, Some(777)), (1_200, None), (1_200, Some(8_192))] {
        let plain = people(count, 11);
        for codec in CODECS {
            if count > 1_000 && !matches!((codec, chunk), (Codec::Gzip, _) | (_, None)) {
                continue;
            }
            let what = format!("{codec:?}, {count} people, chunks of {chunk:?}");
            let packed = pack(codec, plain.as_bytes(), 6);
            let (masked, body) = through(codec, &packed, chunk);
            assert_eq!(blanked(&masked), 0, "{what}: blanked");
            let new = unpack(codec, &body).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(new.len(), plain.len(), "{what}");
            assert_nobody_left(plain.as_bytes(), &new, &what);
        }
    }
}

/// The better the packer, the less room is left; stored bodies have room for everything.
#[test]
fn levels_of_compression() {
    let plain = people(60, 5);
    for level in [0, 1, 6, 9] {
        let (masked, body) = through(Codec::Gzip, &pack(Codec::Gzip, plain.as_bytes(), level), None);
        assert_eq!(blanked(&masked), 0, "level {level}");
        assert_nobody_left(plain.as_bytes(), &unpack(Codec::Gzip, &body).unwrap(), &format!("level {level}"));
        if level == 0 {
            assert!(masked.manifest.degraded.is_empty(), "{:?}", masked.manifest.degraded);
        }
    }
}

/// A body of one name many times over packs so well that distinct pseudonyms of e-mails do not fit.
#[test]
fn what_does_not_fit_is_counted() {
    let names =
        (0..400).map(|n| format!(r#""Zelda Fothergill {}""#, ["Oxenholme", "Pumphrey"][n % 2])).collect::<Vec<_>>();
    let plain = format!("[{}]", names.join(","));
    let packed = pack(Codec::Gzip, plain.as_bytes(), 9);
    let (masked, body) = through(Codec::Gzip, &packed, None);
    let new = unpack(Codec::Gzip, &body).unwrap();
    let new: Vec<String> = serde_json::from_slice(&new).unwrap();
    assert!(new.iter().all(|name| !name.contains("Zelda") && !name.contains("Fothergill")));
    assert_eq!(blanked(&masked), 0);
    let words = people(25, 3).replace("\"active\":true", "\"note\":\"a the of and to in that it is was\"");
    let packed = pack(Codec::Gzip, words.as_bytes(), 9);
    let (masked, _) = through(Codec::Gzip, &packed, None);
    let degraded: u64 = masked.manifest.degraded.values().sum();
    assert!(degraded > 0, "words are replaced by words that need more room");
    let kinds: u64 = masked.manifest.kinds.values().map(|kind| kind.occurrences).sum();
    assert!(kinds >= 125, "{kinds} values counted");
}

/// A form of 300 packed bytes: the token in it is what a replay has to follow, and it always finds room.
#[test]
fn a_token_in_a_small_page_never_degrades() {
    for n in 0..60u64 {
        let token: String =
            (0..4u64).map(|part| format!("{:08x}", (n * 4 + part + 1).wrapping_mul(0x9E37_79B9) as u32)).collect();
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Sign in</title></head>\n<body>\n\
             <h1>Sign in</h1>\n<form method=\"post\" action=\"/login\">\n<input type=\"hidden\" name=\"csrf\" \
             value=\"{token}\">\n<label>E-mail <input type=\"email\" name=\"email\"></label>\n<button \
             type=\"submit\">Sign in</button>\n</form>\n</body>\n</html>\n"
        );
        for level in [1, 6, 9] {
            let mut wire = Wire::connected();
            wire.say(From::Client, format!("GET /login HTTP/1.1\r\nHost: shop.example\r\nX-Token: {token}\r\n\r\n"));
            let packed = pack(Codec::Gzip, page.as_bytes(), level);
            wire.say(From::Server, answer("200 OK", encoding(Codec::Gzip), "text/html", &packed));
            let masked = mask(&wire.close().file);
            let stream = said(&masked.bytes, From::Server);
            let head = memchr::memmem::find(&stream, b"\r\n\r\n").unwrap() + 4;
            let body = unpack(Codec::Gzip, &stream[head..]).unwrap();
            let asked = said(&masked.bytes, From::Client);
            let at = memchr::memmem::find(&asked, b"X-Token: ").unwrap() + 9;
            let pseudonym = &asked[at..at + token.len()];
            assert_ne!(pseudonym, token.as_bytes());
            assert!(memchr::memmem::find(&body, pseudonym).is_some(), "token {n}, level {level}");
            assert_eq!(masked.manifest.degraded.get("token"), None, "token {n}, level {level}");
        }
    }
}

/// Many ids in a little too little room: those at the beginning stay as they are elsewhere.
#[test]
fn the_last_ids_of_a_page_degrade_first() {
    // The first hundred count up, and pack to a third of what their pseudonyms need.
    let id =
        |n: u64| if n < 100 { 7_000_000 + n } else { 1_000_000 + n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 9_000_000 };
    let items: Vec<String> = (0..400).map(|n| format!("{{\"id\":{}}}", id(n))).collect();
    let plain = format!("[{}]", items.join(","));
    let mut wire = Wire::connected();
    let asked = format!("GET /items/{}/{} HTTP/1.1\r\nHost: shop.example\r\n\r\n", id(0), id(399));
    wire.say(From::Client, &asked);
    let packed = pack(Codec::Gzip, plain.as_bytes(), 6);
    wire.say(From::Server, answer("200 OK", encoding(Codec::Gzip), "application/json", &packed));
    let masked = mask(&wire.close().file);
    let asked = String::from_utf8(said(&masked.bytes, From::Client)).unwrap();
    let path: Vec<&str> = asked.split(' ').nth(1).unwrap().split('/').collect();
    let stream = said(&masked.bytes, From::Server);
    let head = memchr::memmem::find(&stream, b"\r\n\r\n").unwrap() + 4;
    let body = unpack(Codec::Gzip, &stream[head..]).unwrap();
    let body: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
    let degraded: u64 = masked.manifest.degraded.values().sum();
    assert!((50..400).contains(&degraded), "{degraded} of 400");
    assert_eq!(body[0]["id"].to_string(), path[2]);
    assert_ne!(body[399]["id"].to_string(), path[3]);
}

/// Several members, a file name, and what stands behind the end.
#[test]
fn gzip_as_it_may_come() {
    let plain = people(4, 9);
    let (a, b) = plain.split_at(plain.find(",{").unwrap());
    let members = [pack(Codec::Gzip, a.as_bytes(), 6), pack(Codec::Gzip, b.as_bytes(), 6)].concat();
    let (masked, body) = through(Codec::Gzip, &members, None);
    assert_eq!(blanked(&masked), 0);
    assert_nobody_left(plain.as_bytes(), &unpack(Codec::Gzip, &body).unwrap(), "two members");

    let mut packer = flate2::GzBuilder::new()
        .filename("zelda.json")
        .comment("of Zelda Fothergill")
        .extra(b"secret".to_vec())
        .mtime(1_700_000_000)
        .write(Vec::new(), Compression::default());
    packer.write_all(plain.as_bytes()).unwrap();
    let (_, body) = through(Codec::Gzip, &packer.finish().unwrap(), None);
    assert_nobody_left(plain.as_bytes(), &unpack(Codec::Gzip, &body).unwrap(), "a header with everything");
    for secret in [&b"zelda"[..], b"Zelda", b"secret", &1_700_000_000_u32.to_le_bytes()] {
        assert!(memchr::memmem::find(&body, secret).is_none());
    }
}

/// Damage, bombs and bodies that are cut off: blanked from there, and nothing leaks.
#[test]
fn bodies_that_cannot_be_read() {
    let plain = people(300, 21);
    let packed = pack(Codec::Gzip, plain.as_bytes(), 6);
    let mut damaged = packed.clone();
    for at in (packed.len() / 2..).take(40) {
        damaged[at] ^= 0x55;
    }
    let (masked, body) = through(Codec::Gzip, &damaged, None);
    assert!(!masked.manifest.not_understood.is_empty());
    let same = body.iter().zip(&damaged).skip(10).filter(|(a, b)| a == b && **a != 0).count();
    assert!(same < damaged.len() / 20, "{same} of {} bytes are the original's", damaged.len());

    let bomb = pack(Codec::Gzip, &vec![b'7'; 40 << 20], 9);
    let (masked, _) = through(Codec::Gzip, &bomb, None);
    assert!(
        masked.manifest.not_understood.iter().any(|what| what.bytes > 20_000),
        "{:?}",
        masked.manifest.not_understood
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_people_at_any_level(
        count in 1usize..60, seed in any::<u64>(), level in 1u32..=9, codec in prop::sample::select(CODECS.to_vec()),
        chunk in prop::option::of(1usize..3_000),
    ) {
        let plain = people(count, seed);
        let (masked, body) = through(codec, &pack(codec, plain.as_bytes(), level), chunk);
        prop_assert_eq!(blanked(&masked), 0);
        let new = unpack(codec, &body).map_err(TestCaseError::fail)?;
        assert_nobody_left(plain.as_bytes(), &new, "any");
    }
}
