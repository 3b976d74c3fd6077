//! G2: under rules that only blank, the output does not depend on the secrets.

use std::io::Write;

use flate2::write::GzEncoder;

use super::wire::{From, Wire, answer, post};
use super::{How, masked_fixture};

#[test]
fn twins_of_a_recording_become_the_same() {
    let [a, b] = ["shop-demo.pcap", "shop-demo-twin.pcap"].map(|name| masked_fixture(name, "blank"));
    assert_eq!(a.bytes.len(), b.bytes.len());
    let differing = (0..a.bytes.len()).find(|&at| a.bytes[at] != b.bytes[at]);
    assert_eq!(differing, None, "first byte that tells them apart");
    assert_eq!(a.ledger, b.ledger);
}

/// The same conversation about one person or another: all values have the same shape and length.
struct Person {
    name: &'static str,
    email: &'static str,
    card: &'static str,
    token: &'static str,
    age: &'static str,
    client: [u8; 4],
}

const ONE: Person = Person {
    name: "Anna Baker",
    email: "anna@brook.example",
    card: "4929123456781234",
    token: "f3b0c44298fc1c149afbf4c8996fb924",
    age: "41",
    client: [10, 7, 33, 81],
};

const OTHER: Person = Person {
    name: "Otto Furlo",
    email: "otto@crags.example",
    card: "4716108999716531",
    token: "0c91d2e4a7734ab8b2c0a9d16e55e0f7",
    age: "29",
    client: [10, 9, 12, 44],
};

fn conversation(p: &Person, fault: u16, cut: usize) -> Vec<u8> {
    let mut wire = Wire { fault, snaplen: cut, ..Wire::new() };
    wire.addresses[0] = p.client;
    let json = format!(r#"{{"name":"{}","age":{},"card":"{}","tags":["{}"]}}"#, p.name, p.age, p.card, p.token);
    let form = format!("email={}&name={}", p.email.replace('@', "%40"), p.name.replace(' ', "+"));
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(json.as_bytes()).unwrap();
    let packed = gzip.finish().unwrap();
    let part = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}.txt\"\r\n\r\n{}\r\n--b--\r\n",
        p.name, p.card
    );
    let get = format!(
        "GET /people/{}?q={} HTTP/1.1\r\nHost: shop.example\r\nCookie: session={}\r\nX-Forwarded-For: {}\r\nAuthorization: Bearer {}\r\n\r\n",
        p.token,
        p.card,
        p.token,
        std::net::Ipv4Addr::from(p.client),
        p.token
    );
    // Padded, so that texts of different length do not count as another shape.
    let get = format!("{get:<400}").replacen("\r\n\r\n", "\r\nX-Pad: ", 1).trim_end().to_owned();
    let get = format!("{get}{}\r\n\r\n", "p".repeat(400 - get.len()));
    wire.connect();
    wire.say(From::Client, post("/people", "", "application/json", json.as_bytes()));
    wire.say(
        From::Server,
        answer(
            "201 Created",
            &format!("Set-Cookie: session={}; Path=/\r\n", p.token),
            "application/json",
            json.as_bytes(),
        ),
    );
    wire.say(From::Client, post("/login", "", "application/x-www-form-urlencoded", form.as_bytes()));
    wire.say(From::Server, answer("200 OK", "Content-Encoding: gzip\r\n", "application/json", &packed));
    wire.say(From::Client, post("/upload", "", "multipart/form-data; boundary=b", part.as_bytes()));
    wire.say(From::Server, answer("200 OK", "", "text/plain", p.email.as_bytes()));
    wire.say(From::Client, get);
    wire.close();
    wire.file
}

#[test]
fn twins_become_the_same_with_right_wrong_and_missing_checksums() {
    for (fault, cut) in [(0, usize::MAX), (1, usize::MAX), (0x1234, usize::MAX), (0, 150)] {
        let [a, b] = [&ONE, &OTHER].map(|person| conversation(person, fault, cut));
        assert_ne!(a, b);
        let [a, b] = [a, b].map(|file| How::rules("blank").mask(&file).bytes);
        let differing: Vec<usize> = (0..a.len()).filter(|&at| a[at] != b[at]).collect();
        assert!(differing.is_empty(), "fault {fault}, cut at {cut}: bytes {differing:?}");
    }
}

/// Copies that come late are blank in the same way as what they are copies of.
#[test]
fn late_copies_under_blank_rules_are_alike() {
    let file = |person: &Person| {
        let mut wire = Wire::connected();
        let json = format!(r#"{{"name":"{}","age":{}}}"#, person.name, person.age);
        let request = post("/people", "", "application/json", json.as_bytes());
        let segment = wire.segment(From::Client, super::wire::ACK, &request);
        wire.send(&segment).send(&segment);
        wire.file
    };
    let [a, b] = [&ONE, &OTHER].map(|person| How::rules("blank").mask(&file(person)).bytes);
    assert_eq!(a, b);
    let payloads = super::wire::payloads(&a);
    assert_eq!(payloads[3].bytes, payloads[4].bytes, "a retransmission differs from the original");
}
