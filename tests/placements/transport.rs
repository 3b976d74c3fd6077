//! Canaries in transport headers, around streams, and in datagrams.

use super::frame::{ETHERNET, HOSTS, MACS, eth, ip, tcp, udp};
use super::{IPV4, IPV6, MAC, Placement, TEXT, WORD};

pub(super) fn all() -> Vec<Placement> {
    [options(), segments(), streams(), datagrams(), others()].into_iter().flatten().collect()
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;
const URG: u8 = 32;

fn options() -> Vec<Placement> {
    let option = |name, canary: &[u8], kind: u8, value: &[u8]| {
        let option = [&[kind, value.len() as u8 + 2][..], value].concat();
        Placement::ip(name, canary, 6, tcp(SYN, 1, &option, b""))
    };
    vec![
        option("timestamp of a host", &WORD, 8, &[&WORD[..], &[0; 4]].concat()),
        option("timestamp echoed", &WORD, 8, &[&[0, 0, 0, 1][..], &WORD].concat()),
        option("md5 signature", TEXT, 19, &[TEXT, &[0; 4]].concat()),
        option("authentication option", TEXT, 29, &[&[1, 1][..], TEXT].concat()),
        option("fast-open cookie", TEXT, 34, TEXT),
        option("experimental fast-open cookie", TEXT, 254, &[&[0xf9, 0x89][..], TEXT].concat()),
        option("multipath key", &TEXT[..8], 30, &[&[0, 1][..], &TEXT[..8]].concat()),
        option("multipath address", &IPV4, 30, &[&[0x34, 1][..], &IPV4].concat()),
        option("alternate checksum's data", TEXT, 15, TEXT),
        option("encryption negotiation", TEXT, 69, TEXT),
        option("option of an unknown kind", TEXT, 200, TEXT),
        option("selective acknowledgement of a wrong length", TEXT, 5, TEXT),
        option("segment size of a wrong length", TEXT, 2, TEXT),
        Placement::ip("behind the end of tcp options", TEXT, 6, tcp(SYN, 1, &[&[0][..], TEXT].concat(), b"")),
        Placement::ip("tcp option of a wrong length", TEXT, 6, tcp(SYN, 1, &[&[200, 99][..], TEXT].concat(), b"")),
        Placement::ip("behind a tcp header that is too short", TEXT, 6, {
            let mut segment = tcp(ACK, 1, &[], TEXT);
            segment[12] = 0x30;
            segment
        }),
    ]
}

fn segments() -> Vec<Placement> {
    let one = |name, flags: u8, payload: &[u8]| Placement::ip(name, TEXT, 6, tcp(flags, 1, &[], payload));
    vec![
        one("tcp payload", ACK, TEXT),
        one("data with syn", SYN, TEXT),
        one("data with rst", RST, TEXT),
        one("data with fin", FIN | ACK, TEXT),
        one("segment without flags", 0, TEXT),
        Placement::ip("urgent data", TEXT, 6, {
            let mut segment = tcp(URG | ACK, 1, &[], TEXT);
            segment[18..20].copy_from_slice(&[0, TEXT.len() as u8]);
            segment
        }),
        Placement::ip6("tcp payload in ipv6", TEXT, 6, tcp(ACK, 1, &[], TEXT)),
    ]
}

/// Streams of HTTP, and segments that do not belong to what was read.
fn streams() -> Vec<Placement> {
    const REQUEST: &[u8] = b"GET /api HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    let frame = |flags: u8, seq: u32, payload: &[u8]| eth(0x0800, ip(6, tcp(flags, seq, &[], payload)));
    let begun = || vec![frame(SYN, 99, b""), frame(PSH | ACK, 100, REQUEST)];
    let next = 100 + REQUEST.len() as u32;
    let after =
        |name, frames: &[Vec<u8>]| Placement::frames(name, TEXT, ETHERNET, &[begun(), frames.to_vec()].concat());
    let mut quiet = begun();
    quiet.extend((0..20).map(|n| {
        frame(ACK, next + n * 40, &[b"GET /api HTTP/1.1\r\nHost: a.example\r\n\r\n\r\n"[..].to_vec()].concat())
    }));
    quiet.push(frame(ACK, 100, &[TEXT, &REQUEST[TEXT.len()..]].concat()));
    let masked = [b"GET /x?q=".as_slice(), TEXT, b" HTTP/1.1\r\n\r\n"].concat();
    vec![
        after("overlap with other data", &[frame(ACK, 100, &[TEXT, &REQUEST[TEXT.len()..]].concat())]),
        after("overlap that goes further", &[frame(ACK, 110, &[&REQUEST[10..], TEXT].concat())]),
        after("segment before the stream", &[frame(ACK, 60, TEXT)]),
        after("segment far beyond the window", &[frame(ACK, next.wrapping_add(1 << 30), TEXT)]),
        after("segment behind a hole", &[frame(ACK, next + 500, TEXT)]),
        after("keep-alive with data", &[frame(ACK, next - 1, TEXT)]),
        after("rst with a reason", &[frame(RST | ACK, next, TEXT)]),
        after("data after fin", &[frame(FIN | ACK, next, b""), frame(ACK, next + 1, TEXT)]),
        after("data after rst", &[frame(RST, next, b""), frame(ACK, next, TEXT)]),
        Placement::frames("late copy with other data", TEXT, ETHERNET, &quiet),
        Placement::frames(
            "late copy of masked data",
            TEXT,
            ETHERNET,
            &[frame(SYN, 99, b""), frame(ACK, 100, &masked), frame(ACK, 100, &masked)],
        ),
        Placement::frames(
            "a stream without its beginning",
            TEXT,
            ETHERNET,
            &[frame(ACK, 500, TEXT), frame(ACK, 512, TEXT)],
        ),
        Placement::frames("two readings of one hole", TEXT, ETHERNET, &{
            let mut frames = vec![frame(SYN, 99, b""), frame(ACK, 120, &REQUEST[20..])];
            frames.extend([frame(ACK, 120, &[TEXT, &REQUEST[32..]].concat()), frame(ACK, 100, REQUEST)]);
            frames
        }),
    ]
}

fn datagrams() -> Vec<Placement> {
    let name = [&[TEXT.len() as u8][..], TEXT, &[0]].concat();
    let dns = |answers: u8, body: &[u8]| [&[0, 9, 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0][..], body].concat();
    let record = |kind: u8, value: &[u8]| {
        let question = [&name[..], &[0, kind, 0, 1]].concat();
        dns(1, &[&question[..], &[0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, value.len() as u8], value].concat())
    };
    let lease = |field: usize, value: &[u8], option: &[u8]| {
        let mut message = vec![0; 240];
        message[..4].copy_from_slice(&[2, 1, 6, 0]);
        message[field..field + value.len()].copy_from_slice(value);
        message[236..].copy_from_slice(&[99, 130, 83, 99]);
        [&message[..], option, &[255]].concat()
    };
    let option = |code: u8, value: &[u8]| [&[code, value.len() as u8][..], value].concat();
    vec![
        Placement::udp("unknown datagram", TEXT, 9, TEXT),
        Placement::ip6("datagram in ipv6", TEXT, 17, udp(9, TEXT)),
        Placement::ip("behind a datagram's length", TEXT, 17, [udp(9, b"x"), TEXT.to_vec()].concat()),
        Placement::ip("datagram of a wrong length", TEXT, 17, {
            let mut datagram = udp(9, TEXT);
            datagram[4..6].copy_from_slice(&[0, 3]);
            datagram
        }),
        Placement::udp("dns question", TEXT, 53, dns(0, &[&name[..], &[0, 1, 0, 1]].concat())),
        Placement::udp("dns address", &IPV4, 53, record(1, &IPV4)),
        Placement::udp("dns address of ipv6", &IPV6, 53, record(28, &IPV6)),
        Placement::udp("dns text", TEXT, 53, record(16, &name[..13])),
        Placement::udp("multicast dns", TEXT, 5353, dns(0, &[&name[..], &[0, 12, 0, 1]].concat())),
        Placement::udp("netbios datagram", TEXT, 137, dns(0, &[&name[..], &[0, 32, 0, 1]].concat())),
        Placement::udp("dhcp, leased address", &IPV4, 68, lease(16, &IPV4, &[])),
        Placement::udp("dhcp, relay", &IPV4, 68, lease(24, &IPV4, &[])),
        Placement::udp("dhcp, client's mac", &MAC, 68, lease(28, &MAC, &[])),
        Placement::udp("dhcp, server's name", TEXT, 68, lease(44, TEXT, &[])),
        Placement::udp("dhcp, host's name", TEXT, 68, lease(0, &[2], &option(12, TEXT))),
        Placement::udp("dhcp, name server", &IPV4, 68, lease(0, &[2], &option(6, &IPV4))),
        Placement::udp("dhcp, client's identifier", &MAC, 68, lease(0, &[2], &option(61, &[&[1][..], &MAC].concat()))),
        Placement::udp(
            "dhcp in ipv6",
            &MAC,
            547,
            [&[1, 0, 0, 1, 0, 1, 0, 14, 0, 1, 0, 1, 0, 0, 0, 0][..], &MAC].concat(),
        ),
        Placement::udp("snmp community", TEXT, 161, [&[0x30, 40, 2, 1, 1, 4, 12][..], TEXT, &[0; 20]].concat()),
        Placement::udp("syslog", TEXT, 514, [b"<34>Oct 11 22:14:15 host su: ".as_slice(), TEXT].concat()),
        Placement::udp("radius user", TEXT, 1812, [&[1, 1, 0, 34][..], &[0; 16], &[1, 14], TEXT].concat()),
        Placement::udp(
            "time server's reference",
            &IPV4,
            123,
            [&[0x24, 2, 3, 0xe9][..], &[0; 8], &IPV4, &[0; 32]].concat(),
        ),
        Placement::udp("sip", TEXT, 5060, [b"OPTIONS sip:".as_slice(), TEXT, b"@example SIP/2.0\r\n\r\n"].concat()),
        Placement::udp("file transfer", TEXT, 69, [b"\0\x01".as_slice(), TEXT, b"\0octet\0"].concat()),
        Placement::udp("quic", TEXT, 443, [&[0xc3, 0, 0, 0, 1, 12][..], TEXT, &[0; 20]].concat()),
        Placement::udp(
            "service discovery",
            TEXT,
            1900,
            [b"M-SEARCH * HTTP/1.1\r\nST: ".as_slice(), TEXT, b"\r\n\r\n"].concat(),
        ),
    ]
}

fn others() -> Vec<Placement> {
    let sctp = |tag: [u8; 4], chunk: &[u8]| [&[0x9c, 0x40, 0, 80][..], &tag, &[0; 4], chunk].concat();
    let data = [&[0, 3, 0, 28, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0][..], TEXT].concat();
    let init = |parameter: &[u8]| {
        [&[1, 0, 0, 20 + parameter.len() as u8, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 1][..], parameter]
            .concat()
    };
    vec![
        Placement::ip("sctp data", TEXT, 132, sctp([0, 0, 0, 1], &data)),
        Placement::ip("sctp tag", &WORD, 132, sctp(WORD, &data)),
        Placement::ip("sctp address", &IPV4, 132, sctp([0; 4], &init(&[&[0, 5, 0, 8][..], &IPV4].concat()))),
        Placement::ip("sctp address of ipv6", &IPV6, 132, sctp([0; 4], &init(&[&[0, 6, 0, 20][..], &IPV6].concat()))),
        Placement::ip("sctp cookie", TEXT, 132, sctp([0, 0, 0, 1], &[&[10, 0, 0, 16][..], TEXT].concat())),
        Placement::ip(
            "sctp heartbeat",
            TEXT,
            132,
            sctp([0, 0, 0, 1], &[&[4, 0, 0, 20, 0, 1, 0, 16][..], TEXT].concat()),
        ),
        Placement::ip("dccp data", TEXT, 33, [&[0x9c, 0x40, 0, 80, 3, 0, 0, 0, 4, 0, 0, 1][..], TEXT].concat()),
        Placement::ip("udp-lite", TEXT, 136, [&[0x9c, 0x40, 0, 9, 0, 8, 0, 0][..], TEXT].concat()),
        Placement::frame("a datagram that is cut off", TEXT, ETHERNET, &{
            let frame = eth(0x0800, ip(17, udp(9, [TEXT, &[0; 60]].concat())));
            frame[..14 + 20 + 8 + TEXT.len()].to_vec()
        }),
        Placement::frame("a header that is cut off", &IPV4[..3], ETHERNET, &{
            let header = super::frame::ip_with([IPV4, HOSTS[1]], &[], 17, b"");
            [&MACS[1][..], &MACS[0], &[8, 0], &header[..15]].concat()
        }),
    ]
}
