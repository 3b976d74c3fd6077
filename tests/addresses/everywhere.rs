//! One address in every place that can hold it, in one capture: one pseudonym.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use standin::capture::Reader;
use standin::mask::Key;
use standin::rules::Policy;
use standin::sanitize::{self, Options};

const IPV4: [u8; 4] = [93, 184, 177, 201];
const IPV6: [u8; 16] = [0x2a, 0x02, 0x26, 0xf0, 0xb3, 0x7d, 0xc1, 0x9e, 0x9e, 0x4e, 0x36, 0xff, 0xfe, 0xb7, 0xa1, 0x5d];
/// The card of that interface id.
const MAC: [u8; 6] = [0x9c, 0x4e, 0x36, 0xb7, 0xa1, 0x5d];
const OTHER_MAC: [u8; 6] = [0xa4, 0x5e, 0x60, 1, 2, 3];

/// A capture, and where in it the three addresses stand, with how they are written there.
#[derive(Default)]
struct Capture {
    file: Vec<u8>,
    places: Vec<(&'static str, usize, Written)>,
}

#[derive(Clone, Copy)]
enum Written {
    Ipv4,
    Ipv6,
    Mac,
    Ipv4Text,
    Ipv6Text,
    MacText,
}

impl Capture {
    fn block(&mut self, kind: u32, body: &[u8], places: &[(&'static str, Written)]) {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = body.len() as u32 + 12;
        let start = self.file.len() + 8;
        for &(name, written) in places {
            let needle = written.original();
            let at = memchr::memmem::find(&body, &needle).unwrap_or_else(|| panic!("{name} is not there"));
            self.places.push((name, start + at, written));
        }
        self.file.extend([kind.to_le_bytes(), length.to_le_bytes()].concat());
        self.file.extend(&body);
        self.file.extend(length.to_le_bytes());
    }

    fn packet(&mut self, frame: &[u8], places: &[(&'static str, Written)]) {
        let length = (frame.len() as u32).to_le_bytes();
        self.block(6, &[&[0; 12][..], &length, &length, frame].concat(), places);
    }
}

impl Written {
    fn original(self) -> Vec<u8> {
        match self {
            Written::Ipv4 => IPV4.to_vec(),
            Written::Ipv6 => IPV6.to_vec(),
            Written::Mac => MAC.to_vec(),
            Written::Ipv4Text => Ipv4Addr::from(IPV4).to_string().into_bytes(),
            Written::Ipv6Text => Ipv6Addr::from(IPV6).to_string().into_bytes(),
            Written::MacText => mac_text(MAC).into_bytes(),
        }
    }

    /// The address that stands at a place of the masked capture, as text.
    fn read(self, bytes: &[u8]) -> String {
        match self {
            Written::Ipv4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).unwrap()).to_string(),
            Written::Ipv6 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).unwrap()).to_string(),
            Written::Mac => mac_text(bytes.try_into().unwrap()),
            Written::Ipv4Text | Written::Ipv6Text | Written::MacText => String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Written::Ipv4 | Written::Ipv4Text => "IPv4",
            Written::Ipv6 | Written::Ipv6Text => "IPv6",
            Written::Mac | Written::MacText => "MAC",
        }
    }
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

fn eth(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&OTHER_MAC[..], &MAC, &ethertype.to_be_bytes(), payload].concat()
}

fn ipv4(source: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = (20 + payload.len() as u16).to_be_bytes();
    let head = [0x45, 0, total[0], total[1], 0, 1, 0x40, 0, 64, protocol, 0, 0];
    [&head[..], &source, &[10, 1, 2, 3], payload].concat()
}

fn ipv6(source: [u8; 16], next: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    let other = [0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0x22, 0x33];
    [&[0x60, 0, 0, 0, length[0], length[1], next, 64][..], &source, &other, payload].concat()
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16 + 8).to_be_bytes();
    [&[0x9c, 0x40][..], &port.to_be_bytes(), &length, &[0, 0], payload].concat()
}

fn capture() -> Capture {
    use Written::{Ipv4, Ipv4Text, Ipv6, Ipv6Text, Mac, MacText};
    let mut capture = Capture::default();
    let option = |code: u16, value: &[u8]| {
        let mut option = [&code.to_le_bytes()[..], &(value.len() as u16).to_le_bytes(), value].concat();
        option.resize(option.len().next_multiple_of(4), 0);
        option
    };
    let header = [0x1a2b_3c4d, 1, u32::MAX, u32::MAX].map(u32::to_le_bytes).concat();
    capture.block(0x0a0d_0d0a, &header, &[]);
    let described = [
        option(4, &[&IPV4[..], &[255, 255, 255, 0]].concat()),
        option(5, &[&IPV6[..], &[64]].concat()),
        option(6, &MAC),
        option(1, format!("at {} and {}", Ipv4Addr::from(IPV4), mac_text(MAC)).as_bytes()),
    ];
    capture.block(
        1,
        &[&[1, 0, 0, 0, 0, 0, 0, 0][..], &described.concat()].concat(),
        &[
            ("interface's IPv4 address", Ipv4),
            ("interface's IPv6 address", Ipv6),
            ("interface's MAC", Mac),
            ("comment", Ipv4Text),
            ("comment, MAC", MacText),
        ],
    );
    let resolved = [
        option(1, &[&IPV4[..], b"host.example\0"].concat()),
        option(2, &[&IPV6[..], b"host.example\0"].concat()),
        option(3, &[&MAC[..], b"card.example\0"].concat()),
        vec![0; 4],
        option(3, &[10, 9, 8, 7]),
    ];
    capture.block(
        4,
        &resolved.concat(),
        &[("name resolution", Ipv4), ("name resolution of IPv6", Ipv6), ("name resolution of MACs", Mac)],
    );

    capture.packet(
        &eth(0x0806, &[&[0, 1, 8, 0, 6, 4, 0, 1][..], &MAC, &IPV4, &OTHER_MAC, &[10, 1, 2, 3]].concat()),
        &[("Ethernet", Mac), ("ARP", Ipv4)],
    );
    let neighbour = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &IPV6, &[1, 1], &MAC].concat();
    capture.packet(
        &[&OTHER_MAC[..], &OTHER_MAC, &[0x86, 0xdd], &ipv6(IPV6_OTHER, 58, &neighbour)].concat(),
        &[("neighbour discovery", Ipv6), ("neighbour's MAC", Mac)],
    );
    let quote = |quoted: &[u8]| [&[3, 1, 0, 0, 0, 0, 0, 0][..], quoted].concat();
    capture
        .packet(&eth(0x0800, &ipv4([10, 9, 9, 9], 1, &quote(&ipv4(IPV4, 17, &udp(9, b""))))), &[("ICMP quote", Ipv4)]);
    let lease = {
        let mut message = vec![0; 240];
        message[..4].copy_from_slice(&[2, 1, 6, 0]);
        message[16..20].copy_from_slice(&IPV4);
        message[28..34].copy_from_slice(&MAC);
        message[236..].copy_from_slice(&[99, 130, 83, 99]);
        [&message[..], &[53, 1, 5, 255]].concat()
    };
    capture.packet(
        &[&OTHER_MAC[..], &OTHER_MAC, &[8, 0], &ipv4([10, 9, 9, 9], 17, &udp(68, &lease))].concat(),
        &[("DHCP", Ipv4), ("DHCP, MAC", Mac)],
    );
    let answer =
        [
            &[
                0, 9, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 1, b'a', 0, 0, 1, 0, 1, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0,
                4,
            ][..],
            &IPV4,
        ]
        .concat();
    capture.packet(&eth(0x0800, &ipv4([10, 9, 9, 9], 17, &udp(53, &answer))), &[("DNS", Ipv4)]);
    let answer = [
        &[0, 9, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 1, b'a', 0, 0, 28, 0, 1, 0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16]
            [..],
        &IPV6,
    ];
    capture.packet(&eth(0x0800, &ipv4([10, 9, 9, 9], 17, &udp(53, &answer.concat()))), &[("DNS, IPv6", Ipv6)]);
    let body = format!(
        "{{\"client\":\"{}\",\"card\":\"{}\",\"peer\":\"{}\"}}",
        Ipv4Addr::from(IPV4),
        mac_text(MAC),
        Ipv6Addr::from(IPV6)
    );
    let request = format!(
        "POST /api HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        Ipv4Addr::from(IPV4),
        body.len()
    );
    let segment = |seq: u8, payload: &str| {
        let head = [0x9c, 0x41, 0, 80, 0, 0, 1, seq, 0, 0, 0, 0, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0];
        eth(0x0800, &ipv4(IPV4, 6, &[&head[..], payload.as_bytes()].concat()))
    };
    capture.packet(&segment(0, &request), &[("IPv4 header", Ipv4), ("HTTP header", Ipv4Text)]);
    let behind = request.len() as u8;
    capture.packet(
        &segment(behind, &body),
        &[("HTTP body", Ipv4Text), ("HTTP body, MAC", MacText), ("HTTP body, IPv6", Ipv6Text)],
    );
    capture
}

const IPV6_OTHER: [u8; 16] = [0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x44, 0x55, 0x66];

#[test]
fn an_address_has_one_pseudonym_wherever_it_stands() {
    let Capture { file, places } = capture();
    let reader = Reader::open(Box::new(Cursor::new(file.clone()))).unwrap();
    let policy = Arc::new(Policy::load(&[]).unwrap());
    let key = Key::from_bytes([7; 32]);
    let mut masked = Vec::new();
    let options = Options { policy, key: &key, ledger: None, format: None };
    sanitize::mask(reader, &mut masked, options, &|| false).unwrap();
    assert_eq!(masked.len(), file.len());
    let mut found: BTreeSet<(&str, String)> = BTreeSet::new();
    let mut story = String::new();
    for (name, at, written) in places {
        let length = written.original().len();
        let text = written.read(&masked[at..at + length]);
        story.push_str(&format!("{name}: {text}\n"));
        found.insert((written.kind(), text));
    }
    assert_eq!(found.len(), 3, "one pseudonym for each address:\n{story}");
    let originals = [Written::Ipv4Text, Written::Ipv6Text, Written::MacText].map(Written::original);
    assert!(found.iter().all(|(_, text)| originals.iter().all(|original| original != text.as_bytes())), "{story}");
}
