//! The audit passes a well-masked capture and goes red for each single fault that is put into it.

mod headers_read_twice;
mod masked_for_real;
mod schemas;

use std::io::Write;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use standin::audit::judge::Judge;
use standin::audit::result::Verdict;
use standin::audit::{AuditReport, Input, compare, inspect, single};
use standin::rules::Policy;

/// Everything in the capture that is somebody's; two of them make twins: the same traffic, other people.
#[derive(Clone)]
struct Secrets {
    client: [u8; 4],
    mac: [u8; 6],
    email: &'static str,
    card: &'static str,
    order: &'static str,
    city: &'static str,
    cookie: &'static str,
    /// Free text in the request, the response's body, and a datagram.
    notes: [String; 3],
}

fn note(text: &str) -> String {
    format!("{text:.<90}")
}

fn original() -> Secrets {
    Secrets {
        client: [10, 7, 33, 81],
        mac: [0x9c, 0x1c, 0x42, 0x8a, 0x9b, 0x7c],
        email: "anna.baker@brookfield-mills.com",
        card: "4929123456781234",
        order: "83125",
        city: "Norwich",
        cookie: "f3b0c44298fc1c149afbf4c8996fb924",
        notes: [note("Please ring twice"), note("Left with the neighbour"), note("dhcp")],
    }
}

fn masked() -> Secrets {
    Secrets {
        client: [10, 201, 4, 15],
        mac: [0x3e, 0x77, 0xa1, 0x15, 0xd2, 0x48],
        email: "qipm.wuvke@uqorcvzdtg-pxaly.invalid".get(..31).unwrap(),
        card: "4713990021846675",
        order: "51907",
        city: "Kuvbeqa",
        cookie: "08d51be77e02cc46b31970ade5f2ab13",
        notes: [note("Vmkqzu yibo hwxtc"), note("Kwqe dvrz ybx uqmafslpe"), note("")],
    }
}

/// A capture of one HTTP exchange and a datagram: Ethernet, IPv4, right checksums.
fn capture(secrets: &Secrets) -> Vec<u8> {
    let s = secrets;
    let form = format!(r#"{{"email":"{}","card":"{}","city":"{}","note":"{}"}}"#, s.email, s.card, s.city, s.notes[0]);
    let request = format!(
        "POST /api/orders/{} HTTP/1.1\r\nHost: localhost\r\nCookie: session={}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{form}",
        s.order,
        s.cookie,
        form.len()
    );
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    write!(gzip, r#"{{"email":"{}","note":"{}"}}"#, s.email, s.notes[1]).unwrap();
    let body = gzip.finish().unwrap();
    let mut response = format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    response.extend(body);

    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    let mut talk = Talk { secrets: s, file: &mut file, seconds: 0, numbers: [1000, 7000] };
    talk.segment(0, 2, b"");
    talk.segment(1, 0x12, b"");
    // the e-mail address is cut by a segment's end
    let cut = request.find('@').unwrap();
    talk.segment(0, 0x18, &request.as_bytes()[..cut]);
    talk.segment(0, 0x18, &request.as_bytes()[cut..]);
    talk.segment(1, 0x18, &response);
    talk.segment(0, 0x11, b"");
    talk.segment(1, 0x11, b"");
    talk.datagram(s.notes[2].as_bytes());
    file
}

struct Talk<'a> {
    secrets: &'a Secrets,
    file: &'a mut Vec<u8>,
    seconds: u32,
    numbers: [u32; 2],
}

impl Talk<'_> {
    fn segment(&mut self, side: usize, flags: u8, payload: &[u8]) {
        let ports: [u16; 2] = [40000, 80];
        let mut tcp = [ports[side].to_be_bytes(), ports[1 - side].to_be_bytes()].concat();
        tcp.extend(self.numbers[side].to_be_bytes());
        tcp.extend(if flags & 16 != 0 { self.numbers[1 - side] } else { 0 }.to_be_bytes());
        tcp.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
        tcp.extend(payload);
        self.numbers[side] += payload.len() as u32 + u32::from(flags & 3 != 0);
        self.packet(side, 6, 16, tcp);
    }

    fn datagram(&mut self, payload: &[u8]) {
        let mut udp = [9999u16.to_be_bytes(), 9998u16.to_be_bytes()].concat();
        udp.extend((payload.len() as u16 + 8).to_be_bytes());
        udp.extend([0, 0]);
        udp.extend(payload);
        self.packet(0, 17, 6, udp);
    }

    fn packet(&mut self, side: usize, protocol: u8, checksum_at: usize, mut segment: Vec<u8>) {
        let addresses = [self.secrets.client, [127, 0, 0, 9]];
        let macs = [self.secrets.mac, [0; 6]];
        let mut pseudo = [addresses[side], addresses[1 - side]].concat();
        pseudo.extend([0, protocol]);
        pseudo.extend((segment.len() as u16).to_be_bytes());
        pseudo.extend(&segment);
        segment[checksum_at..checksum_at + 2].copy_from_slice(&sum(&pseudo).to_be_bytes());
        let mut ip = vec![0x45, 0];
        ip.extend((segment.len() as u16 + 20).to_be_bytes());
        ip.extend([0, 1, 0x40, 0, 64, protocol, 0, 0]);
        ip.extend(addresses[side]);
        ip.extend(addresses[1 - side]);
        let header = sum(&ip).to_be_bytes();
        ip[10..12].copy_from_slice(&header);
        let frame = [&macs[1 - side][..], &macs[side], &[8, 0], &ip, &segment].concat();
        for number in [1_700_000_000 + self.seconds, 0, frame.len() as u32, frame.len() as u32] {
            self.file.extend(number.to_le_bytes());
        }
        self.file.extend(frame);
        self.seconds += 1;
    }
}

/// RFC 1071.
fn sum(bytes: &[u8]) -> u16 {
    let pairs = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = pairs.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn input(bytes: Vec<u8>) -> Input {
    Input::Bytes("test".into(), bytes.into())
}

fn judge(rules: &str) -> Judge {
    Judge::new(Arc::new(Policy::load(&[rules.to_owned()]).unwrap()))
}

fn audit(masked: Vec<u8>) -> AuditReport {
    compare(&input(capture(&original())), &input(masked), &judge("default")).unwrap()
}

/// Fails, and says so in a line of this kind or encoding.
fn assert_red(what: &str, report: &AuditReport, encoding: &str) {
    assert_eq!(report.verdict, Verdict::Fail, "{what}");
    let named = report.residue.iter().any(|r| r.encoding == encoding);
    assert!(named, "{what}: {:?} {:?}", report.residue, report.fidelity);
}

#[test]
fn a_twin_passes() {
    let report = audit(capture(&masked()));
    assert_eq!(report.verdict, Verdict::Pass, "{:?} {:?}", report.residue, report.fidelity);
    assert_eq!((report.fidelity.packets_original, report.fidelity.packets_masked), (8, 8));
    assert!(report.searched.values >= 5 && report.passes == 1, "{:?}", report.searched);
}

#[test]
fn the_capture_itself_fails() {
    let report = audit(capture(&original()));
    for (kind, encoding) in [("ipv4", "unchanged"), ("mac", "unchanged"), ("value", "unchanged"), ("email", "raw")] {
        assert!(report.residue.iter().any(|r| r.kind == kind && r.encoding == encoding), "{kind} {:?}", report.residue);
    }
    let text = serde_json::to_string(&report).unwrap();
    for secret in [original().email, original().card, original().cookie, original().city] {
        assert!(!text.contains(secret), "the report says what it found");
    }
}

/// One value put back by hand, in every place that has room, as it is and in every disguise.
#[test]
fn one_value_put_back_is_found() {
    let email = original().email;
    let disguises = [
        ("raw", email.to_owned()),
        ("any case", email.to_uppercase()),
        ("base64", STANDARD.encode(email)),
        ("base64", STANDARD.encode(format!("..{email}."))),
        ("hex", email.bytes().map(|b| format!("{b:02X}")).collect()),
        ("percent", email.replace('@', "%40")),
        ("reversed", email.chars().rev().collect()),
        ("utf-16le", email.chars().flat_map(|c| [c, '\0']).collect()),
        ("digits", "4929 1234 5678 1234".to_owned()),
        ("json", email.replace('a', "\\u0061")),
    ];
    for (encoding, text) in disguises {
        for place in 0..3 {
            let mut secrets = masked();
            secrets.notes[place] = note(&text);
            assert_red(&format!("{text} in place {place}"), &audit(capture(&secrets)), name(encoding));
        }
    }

    fn name(encoding: &str) -> &str {
        if encoding == "any case" { "raw" } else { encoding }
    }
}

#[test]
fn a_value_put_back_inside_an_archive_inside_base64_is_found() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(original().email.as_bytes()).unwrap();
    let mut secrets = masked();
    secrets.notes[2] = note(&STANDARD.encode(gzip.finish().unwrap()));
    assert_red("gzip in base64", &audit(capture(&secrets)), "base64 > gzip");
}

#[test]
fn a_value_put_back_into_the_gzip_body_is_found_there() {
    let secrets = Secrets { notes: [masked().notes[0].clone(), note(original().cookie), note("")], ..masked() };
    let report = audit(capture(&secrets));
    assert_red("gzip body", &report, "gzip");
    assert!(report.residue.iter().all(|r| r.packet == 5), "{:?}", report.residue);
}

#[test]
fn short_values_are_judged_in_place() {
    let (order, city) = (original().order, original().city);
    assert_red("order", &audit(capture(&Secrets { order, ..masked() })), "unchanged");
    assert_red("city", &audit(capture(&Secrets { city, ..masked() })), "unchanged");
    // the same words elsewhere are chance
    let mut secrets = masked();
    secrets.notes[0] = note("Norwich 83125");
    assert_eq!(audit(capture(&secrets)).verdict, Verdict::Pass);
}

#[test]
fn addresses_are_judged_in_place_and_macs_anywhere() {
    let client = original().client;
    assert_red("ip", &audit(capture(&Secrets { client, ..masked() })), "unchanged");
    let mut secrets = masked();
    secrets.notes[2] = note("9c-1c-42-8A-9B-7C");
    assert_red("mac", &audit(capture(&secrets)), "dashes");
}

/// Each edit of the masked capture breaks one thing that must not change.
#[test]
fn what_must_not_change_is_compared() {
    let good = capture(&masked());
    let (first, ip, tcp) = (24 + 16, 24 + 16 + 14, 24 + 16 + 34);
    let faults: [(&str, usize); 6] = [
        ("time", 24),
        ("length on the wire", 24 + 12),
        ("header fields", ip + 8), // TTL
        ("checksum state", ip + 10),
        ("header fields", tcp + 4), // sequence number
        ("checksum state", tcp + 16),
    ];
    assert!(first < ip);
    for (what, at) in faults {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let report = audit(bad);
        let told = report.fidelity.differences.iter().any(|d| d.what == what && d.packet == 1);
        assert!(told && report.verdict == Verdict::Fail, "{what} at {at}: {:?}", report.fidelity);
    }
    let method = memchr::memmem::find(&good, b"POST").unwrap();
    let mut bad = good.clone();
    bad[method..method + 4].copy_from_slice(b"PUTS");
    assert!(audit(bad).fidelity.differences.iter().any(|d| d.what == "HTTP request method"));
    let status = memchr::memmem::find(&good, b"201 Created").unwrap();
    let mut bad = good.clone();
    bad[status] = b'5';
    assert!(audit(bad).fidelity.differences.iter().any(|d| d.what == "HTTP response status"));
}

#[test]
fn a_lost_packet_is_told() {
    let good = capture(&masked());
    let report = audit(good[..good.len() - 16 - 14 - 20 - 8 - 90].to_vec());
    assert_eq!((report.fidelity.packets_original, report.fidelity.packets_masked), (8, 7));
    assert_eq!(report.verdict, Verdict::Fail);
}

#[test]
fn what_the_rules_keep_is_listed_apart() {
    let report = audit(capture(&masked()));
    assert!(report.kept.iter().any(|kept| kept.rule == "vocabulary" && kept.occurrences > 0), "{:?}", report.kept);
}

#[test]
fn a_capture_alone_shows_what_still_looks_sensitive() {
    let report = single(&input(capture(&original())), &judge("default")).unwrap();
    assert_eq!(report.verdict, Verdict::Fail);
    assert!(report.residue.iter().any(|r| r.kind == "email" && r.packet > 0), "{:?}", report.residue);
}

#[test]
fn an_inspection_tells_shapes_and_no_values() {
    let inspection = inspect::inspect(&input(capture(&original())), &judge("default")).unwrap();
    assert_eq!((inspection.packets, inspection.http.requests, inspection.http.responses), (8, 1, 1));
    assert_eq!(inspection.endpoints[0].path_template, "/api/orders/{}");
    assert_eq!(inspection.seconds, 7.0);
    assert_eq!(inspection.protocols["tcp"], 7);
    assert_eq!(inspection.kinds["email"].values, 1);
    let text = serde_json::to_string(&inspection).unwrap();
    for secret in [original().email, original().card, original().cookie, original().city, original().order] {
        assert!(!text.contains(secret), "{text}");
    }
}
