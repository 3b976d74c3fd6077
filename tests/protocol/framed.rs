//! Protocols of which only the frame, or the handshake, is read.

use super::{C, Probe, S, Talk, client_hello, protocol, server_hello};

pub(super) fn talks() -> Vec<(&'static str, Talk)> {
    vec![
        (
            "mysql, then tls",
            Talk::new(&[(S, &greeting()), (C, &answer(0x0a, b"")), (C, &client_hello()), (S, &server_hello())]),
        ),
        (
            "mysql",
            Talk::new(&[
                (S, &greeting()),
                (C, &answer(0x02, b"anna\0\x05proofclinic\0mysql_native_password\0")),
                (S, b"\x07\0\0\x02\0\0\0\x02\0\0\0"),
                (C, b"\x13\0\0\0\x03select * from anna"),
            ]),
        ),
        (
            "ethernet/ip",
            Talk::new(&[
                (C, &[enip(0, b""), enip(0x65, b"\x01\0\0\0")].concat()),
                (S, &enip(0x65, b"\x01\0\0\0")),
                (C, &[enip(0x6f, b"read anna's valve"), enip(0x66, b"")].concat()),
            ]),
        ),
        ("kerberos", Talk::new(&[(C, &ticket(0x6a, b"krbtgt anna")), (S, &ticket(0x6b, b"a ticket for anna"))])),
        ("kerberos, out of step", Talk::new(&[(C, &[ticket(0x6a, b"x"), vec![0x80], b"anna".to_vec()].concat())])),
    ]
}

fn greeting() -> Vec<u8> {
    let body = [
        &b"\x0a5.5.40-MariaDB\0\x07\0\0\0scramble\0\xff\xf7\x08\x02\0\x0f\x80\x15"[..],
        &[0; 10],
        b"mble scrambl\0mysql_native_password\0",
    ];
    packet(0, &body.concat())
}

/// A client's answer with these capabilities of the second byte.
fn answer(capabilities: u8, rest: &[u8]) -> Vec<u8> {
    packet(1, &[&[0x85, capabilities, 0, 0, 0, 0, 0, 1, 33][..], &[0; 23], rest].concat())
}

fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_le_bytes()[..3], &[number], body].concat()
}

fn enip(command: u8, data: &[u8]) -> Vec<u8> {
    let [low, high] = (data.len() as u16).to_le_bytes();
    let (session, context) = if command == 0 { ([0; 4], [0; 8]) } else { (*b"anna", *b"her mail") };
    [&[command, 0, low, high][..], &session, &[0; 4], &context, &[0; 4], data].concat()
}

fn ticket(tag: u8, message: &[u8]) -> Vec<u8> {
    let message = [&[tag, 0x82][..], &(message.len() as u16).to_be_bytes(), message].concat();
    [&(message.len() as u32).to_be_bytes()[..], &message].concat()
}

/// What is kept of a side, `_` for each byte that is not.
fn kept(talk: &Talk, side: usize) -> String {
    let bytes: Vec<u8> =
        talk.0.iter().filter(|(s, _)| *s as usize == side).flat_map(|(_, bytes)| bytes.clone()).collect();
    let mut shown = vec![b'_'; bytes.len()];
    for (at, _) in talk.whole().events[side].iter().filter(|(_, what)| what == "keep") {
        let at = at.start as usize..at.end as usize;
        shown[at.clone()].copy_from_slice(&bytes[at]);
    }
    shown.escape_ascii().to_string()
}

fn talk(wanted: &str) -> Talk {
    talks().into_iter().find(|(name, _)| *name == wanted).unwrap().1
}

#[test]
fn a_handshake_of_mysql_tells_who_and_leads_to_tls() {
    let seen = talk("mysql").whole();
    let expected = ["version=5.5.40-MariaDB", "method=mysql_native_password", "user=anna", "database=clinic"];
    assert_eq!(seen.fields, expected.map(|field| format!("mysql.{field}")));
    let client = kept(&talk("mysql"), 0);
    assert!(client.ends_with(&format!("\\x00____\\x00\\x05___________\\x00{}", "_".repeat(22 + 23))), "{client}");
    let seen = talk("mysql, then tls").whole();
    assert_eq!(seen.fields[2..], ["tls.server-name=shop.example.com", "tls.alpn=anna/1"]);
}

#[test]
fn frames_stay_and_data_goes() {
    let header = |command: &str, len: &str| {
        format!("{command}\\x00{len}\\x00____\\x00\\x00\\x00\\x00________\\x00\\x00\\x00\\x00")
    };
    let [nop, register, send, bye] =
        [("\\x00", "\\x00"), ("e", "\\x04"), ("o", "\\x11"), ("f", "\\x00")].map(|(command, len)| header(command, len));
    let data = "_".repeat(17);
    assert_eq!(kept(&talk("ethernet/ip"), 0), format!("{nop}{register}____{send}{data}{bye}"));
    assert_eq!(kept(&talk("kerberos"), 1), format!("\\x00\\x00\\x00\\x15{}", "_".repeat(21)));
    assert_eq!(kept(&talk("kerberos, out of step"), 0), format!("\\x00\\x00\\x00\\x05{}", "_".repeat(10)));
}

#[test]
fn probes_wait_for_what_tells() {
    let certain = |id| vec![(id, true)];
    let undecided = |id| vec![(id, false)];
    for (bytes, expected) in [
        (greeting(), certain("mysql")),
        (greeting()[..5].to_vec(), undecided("mysql")),
        (greeting()[..25].to_vec(), undecided("mysql")),
        (packet(0, &[&[10][..], &[b'x'; 200]].concat()), vec![]),
        (packet(0, b"\x0a5.5\0thread and scramble"), vec![]),
        (answer(0x0a, b""), certain("mysql")),
        (answer(0x0a, b"")[..20].to_vec(), undecided("mysql")),
        (answer(0x00, b""), vec![]),
        (vec![0; 24], undecided("enip")),
        (vec![0; 48], vec![]),
        ([enip(0, b""), enip(0x65, b"")].concat(), certain("enip")),
        (enip(0x65, b"")[..12].to_vec(), undecided("enip")),
        ([&enip(0x65, b"")[..20], b"opts"].concat(), vec![]),
        (ticket(0x6c, b"x"), certain("kerberos")),
        (ticket(0x6a, b"x")[..5].to_vec(), undecided("kerberos")),
        ([&[0, 0, 0, 9][..], &ticket(0x6a, b"x")[4..]].concat(), vec![]),
    ] {
        let said = protocol::ALL.iter().map(|p| (p.id(), p.probe(&bytes)));
        let said = said.filter(|(_, probe)| *probe != Probe::Decline);
        let said: Vec<_> = said.map(|(id, probe)| (id, matches!(probe, Probe::Certain(_)))).collect();
        assert_eq!(said, expected, "{}", bytes.escape_ascii());
    }
}
