//! Packets that ICMP errors quote are masked as the packets themselves are.

use super::wire::{From, Wire, post, sum};
use super::{Masked, assert_ledger, mask, packets};

const SECRET: &str = "anna.baker@brookfield-mills.com";

/// A connection in which a request is sent.
fn connection() -> Wire {
    let mut wire = Wire::connected();
    wire.say(From::Client, post("/orders", "", "text/plain", SECRET.repeat(5).as_bytes()));
    wire
}

/// The request's IP packet.
fn request(wire: &Wire) -> Vec<u8> {
    packets(&wire.file).last().unwrap().frame[14..].to_vec()
}

/// An error from a router, with a right checksum, about this packet; behind it an extension.
fn unreachable(wire: &mut Wire, quoted: &[u8], extension: &[u8]) {
    let mut quoted = quoted.to_vec();
    let mut icmp = vec![3, 1, 0, 0, 0, 0, 0, 0];
    if !extension.is_empty() {
        quoted.resize(quoted.len().next_multiple_of(4).max(128), 0);
        icmp[5] = (quoted.len() / 4) as u8;
    }
    icmp.extend([&quoted, extension].concat());
    let value = sum(&icmp).to_be_bytes();
    icmp[2..4].copy_from_slice(&value);
    let mut frame = vec![0x9c, 0x1c, 0x42, 1, 2, 3, 0x9c, 0x1c, 0x42, 4, 5, 6, 8, 0, 0x45, 0];
    frame.extend((icmp.len() as u16 + 20).to_be_bytes());
    frame.extend([0, 1, 0, 0, 64, 1, 0, 0, 82, 83, 84, 85, 10, 20, 30, 40]);
    frame.extend(icmp);
    wire.frame(&frame);
}

fn masked(wire: &Wire) -> Masked {
    let masked = mask(&wire.file);
    assert_ledger(&wire.file, &masked);
    for secret in [SECRET, "anna", "brookfield"] {
        assert!(!masked.bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is left");
    }
    masked
}

/// The masked request's IP packet, and the quote of it in the last packet.
fn pair(masked: &Masked) -> [Vec<u8>; 2] {
    let packets = packets(&masked.bytes);
    let [.., request, error] = &packets[..] else { panic!("two packets") };
    assert_eq!(sum(&error.frame[34..]), 0, "the error's checksum");
    [request.frame[14..].to_vec(), error.frame[42..].to_vec()]
}

#[test]
fn a_quote_is_the_masked_packet() {
    for length in [28, 60, 150, 1000] {
        let mut wire = connection();
        let mut quoted = request(&wire);
        quoted.truncate(length);
        unreachable(&mut wire, &quoted, &[]);
        let [request, mut quote] = pair(&masked(&wire));
        // A checksum over bytes that the quote leaves out cannot be kept.
        if quote.len() < request.len() && quote.len() > 36 {
            quote[36..38].copy_from_slice(&request[36..38]);
        }
        assert_eq!(quote, request[..quote.len()], "{length} bytes");
    }
}

/// It waits with the packet that it quotes.
#[test]
fn a_quote_of_what_is_undecided_gets_the_decisions_later() {
    let mut wire = Wire::connected();
    let (head, rest) = (post("/orders", "", "text/plain", SECRET.as_bytes()), SECRET.len());
    let (first, second) = head.split_at(head.len() - rest / 2);
    wire.say(From::Client, first);
    let quoted = request(&wire);
    unreachable(&mut wire, &quoted, &[]);
    wire.say(From::Client, second);
    let masked = masked(&wire);
    let packets = packets(&masked.bytes);
    let [.., request, error, _] = &packets[..] else { panic!("three packets") };
    assert_eq!(error.frame[42..], request.frame[14..]);
}

#[test]
fn a_quote_that_says_something_else_is_blanked() {
    let mut wire = connection();
    let mut quoted = request(&wire);
    let end = quoted.len();
    quoted[end - 31..].copy_from_slice(b"peter.brown@pleasant-fields.org");
    unreachable(&mut wire, &quoted, &[]);
    let masked = masked(&wire);
    assert!(!String::from_utf8_lossy(&masked.bytes).contains("peter"));
    assert_eq!(masked.manifest.late_copy, 1);
}

#[test]
fn a_quote_of_no_flow_is_blanked_and_counted() {
    let quoted = request(&connection());
    let mut wire = Wire::new();
    unreachable(&mut wire, &quoted, &[]);
    let masked = masked(&wire);
    assert!(masked.manifest.not_understood.iter().any(|what| what.what == "quoted payload" && what.packets == 1));
}

/// Behind the quote: MPLS labels are kept, an interface's address is masked, its name blanked.
#[test]
fn extensions_are_read() {
    let mut wire = connection();
    let quoted = request(&wire)[..60].to_vec();
    let mut extension = vec![0x20, 0, 0, 0, 0, 8, 1, 1, 0x12, 0x34, 0x51, 0xff];
    extension.extend([0, 24, 2, 0x0e, 0, 0, 0, 7, 0, 1, 0, 0, 82, 83, 84, 85, 8]);
    extension.extend(*b"uplink7");
    let value = sum(&extension).to_be_bytes();
    extension[2..4].copy_from_slice(&value);
    unreachable(&mut wire, &quoted, &extension);
    let masked = masked(&wire);
    let frame = packets(&masked.bytes).last().unwrap().frame.clone();
    let behind = &frame[frame.len() - extension.len()..];
    assert_eq!(sum(behind), 0, "the extension's checksum");
    assert_eq!(behind[4..12], extension[4..12]);
    assert_eq!(behind[24..28], frame[26..30], "the router's address");
    assert_ne!(behind[24..28], extension[24..28]);
    assert!(behind[28..].iter().all(|&byte| byte == 0));
}
