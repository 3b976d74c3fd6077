//! Canaries in IP, ICMP and IGMP.

use super::frame::{ETHERNET, HOSTS, HOSTS6, MACS, eth, eth_between, ip, ip_with, ip6, ip6_between, sum, tcp, udp};
use super::{IPV4, IPV6, MAC, Placement, TEXT, WORD};

pub(super) fn all() -> Vec<Placement> {
    [ipv4(), fragments(), ipv6(), extension_headers(), icmp(), icmpv6(), groups()].into_iter().flatten().collect()
}

fn ipv4() -> Vec<Placement> {
    let datagram = udp(9, b"x");
    let packet = |hosts| ip_with(hosts, &[], 17, &datagram);
    let option = |name, canary: &[u8], options: &[u8]| {
        let mut options = options.to_vec();
        options.resize(options.len().next_multiple_of(4), 0);
        Placement::eth(name, canary, 0x0800, ip_with(HOSTS, &options, 17, &datagram))
    };
    vec![
        Placement::eth("ipv4 source", &IPV4, 0x0800, packet([IPV4, HOSTS[1]])),
        Placement::eth("ipv4 destination", &IPV4, 0x0800, packet([HOSTS[0], IPV4])),
        option("record route", &IPV4, &[&[7, 7, 8][..], &IPV4].concat()),
        option("record route, free slot", &IPV4, &[&[7, 11, 4][..], &IPV4, &HOSTS[0]].concat()),
        option("loose source route", &IPV4, &[&[131, 7, 4][..], &IPV4].concat()),
        option("strict source route", &IPV4, &[&[137, 7, 8][..], &IPV4].concat()),
        option("address beside a timestamp", &IPV4, &[&[68, 12, 5, 1][..], &IPV4, &[0; 4]].concat()),
        option("security option", TEXT, &[&[130, 2 + TEXT.len() as u8][..], TEXT].concat()),
        option("commercial security", TEXT, &[&[134, 2 + TEXT.len() as u8][..], TEXT].concat()),
        option("unknown option", TEXT, &[&[222, 2 + TEXT.len() as u8][..], TEXT].concat()),
        option("behind the end of options", TEXT, &[&[0][..], TEXT].concat()),
        option("option of a wrong length", TEXT, &[&[222, 99][..], TEXT].concat()),
        Placement::eth("behind the total length", TEXT, 0x0800, [packet(HOSTS), TEXT.to_vec()].concat()),
        Placement::eth("of a header that is too short", TEXT, 0x0800, [&[0x43, 0, 0, 40][..], TEXT, &[0; 24]].concat()),
        Placement::eth("of another version", TEXT, 0x0800, [&[0x95, 0, 0, 40][..], TEXT, &[0; 24]].concat()),
        Placement::ip("unknown protocol", TEXT, 253, TEXT),
        Placement::ip("encrypted payload", TEXT, 50, [&[0, 0, 0, 1, 0, 0, 0, 1][..], TEXT].concat()),
        Placement::ip("encrypted payload's association", &WORD, 50, [&WORD[..], &[0; 24]].concat()),
        Placement::ip("authentication value", TEXT, 51, {
            [&[17, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1][..], TEXT, &datagram].concat()
        }),
        Placement::ip("authentication's association", &WORD, 51, {
            [&[17, 4, 0, 0][..], &WORD, &[0, 0, 0, 1], &[0; 12], &datagram].concat()
        }),
        Placement::ip("routing protocol", TEXT, 89, TEXT),
        Placement::ip("router redundancy", TEXT, 112, TEXT),
        Placement::ip("reservation", TEXT, 46, TEXT),
    ]
}

fn fragments() -> Vec<Placement> {
    let fragment = |offset: u16, more: bool, payload: &[u8]| {
        let mut packet = ip(17, payload);
        let field = ((offset / 8) | (u16::from(more) << 13)).to_be_bytes();
        packet[6..8].copy_from_slice(&field);
        packet[10..12].fill(0);
        let sum = sum(&packet[..20]).to_be_bytes();
        packet[10..12].copy_from_slice(&sum);
        packet
    };
    let first = udp(9, [&[0; 4][..], TEXT].concat());
    let mut whole = udp(9, [&[0; 28][..], TEXT].concat());
    whole.resize(48, 0);
    let both = [fragment(0, true, &whole[..32]), fragment(32, false, &whole[32..])];
    let both = both.map(|packet| eth(0x0800, packet));
    let next = |next: u8, payload: &[u8]| ip6(44, [&[next, 0, 0, 9, 0, 0, 0, 7][..], payload].concat());
    vec![
        Placement::eth("first fragment", TEXT, 0x0800, fragment(0, true, &first)),
        Placement::eth("last fragment", TEXT, 0x0800, fragment(64, false, TEXT)),
        Placement::frames("fragments that make a whole", TEXT, ETHERNET, &both),
        Placement::frames("fragments that overlap", TEXT, ETHERNET, &{
            let mut all = both.to_vec();
            all.insert(1, eth(0x0800, fragment(8, true, &[&[0; 4][..], TEXT].concat())));
            all
        }),
        Placement::eth("fragment in ipv6", TEXT, 0x86dd, next(17, TEXT)),
        Placement::frames(
            "late fragment",
            TEXT,
            ETHERNET,
            &[&both[..], &[eth(0x0800, fragment(32, false, TEXT))]].concat(),
        ),
    ]
}

fn ipv6() -> Vec<Placement> {
    let datagram = udp(9, b"x");
    let from = |source: [u8; 16]| ip6_between([source, HOSTS6[1]], 17, &datagram);
    let embedding = |prefix: &[u8]| {
        let mut address = [0; 16];
        address[..prefix.len()].copy_from_slice(prefix);
        address
    };
    let mut interface = embedding(&[0xfd, 0, 0, 1]);
    interface[8..].copy_from_slice(&[MAC[0] ^ 2, MAC[1], MAC[2], 0xff, 0xfe, MAC[3], MAC[4], MAC[5]]);
    let mut local = interface;
    local[..4].copy_from_slice(&[0xfe, 0x80, 0, 0]);
    let mut mapped = embedding(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    mapped[12..].copy_from_slice(&IPV4);
    let mut translated = embedding(&[0, 0x64, 0xff, 0x9b]);
    translated[12..].copy_from_slice(&IPV4);
    let mut group = embedding(&[0xff, 2]);
    group[11..].copy_from_slice(&[1, 0xff, IPV6[13], IPV6[14], IPV6[15]]);
    let group_mac = [0x33, 0x33, 0xff, IPV6[13], IPV6[14], IPV6[15]];
    let mut labelled = ip6(17, &datagram);
    labelled[1..4].copy_from_slice(&WORD[..3]);
    vec![
        Placement::eth("ipv6 source", &IPV6, 0x86dd, from(IPV6)),
        Placement::eth("ipv6 destination", &IPV6, 0x86dd, ip6_between([HOSTS6[0], IPV6], 17, &datagram)),
        Placement::eth("mac in an interface id", &interface[8..], 0x86dd, from(interface)),
        Placement::eth("mac in a link-local address", &MAC[3..], 0x86dd, from(local)),
        Placement::eth("ipv4-mapped address", &IPV4, 0x86dd, from(mapped)),
        Placement::eth("address in nat64", &IPV4, 0x86dd, from(translated)),
        Placement::eth("address in 6to4", &IPV4, 0x86dd, from(embedding(&[&[0x20, 2][..], &IPV4].concat()))),
        Placement::eth(
            "client in teredo",
            &IPV4,
            0x86dd,
            from({
                let mut address = embedding(&[0x20, 1, 0, 0, 8, 8, 8, 8, 0x80, 0, 0x9c, 0x40]);
                address[12..].copy_from_slice(&IPV4);
                address
            }),
        ),
        Placement::eth("solicited node", &IPV6[13..], 0x86dd, ip6_between([HOSTS6[0], group], 17, &datagram)),
        Placement::frame(
            "solicited node's mac",
            &IPV6[13..],
            ETHERNET,
            &eth_between([MACS[0], group_mac], 0x86dd, from(HOSTS6[0])),
        ),
        Placement::eth("flow label", &WORD[..3], 0x86dd, labelled),
        Placement::eth("behind the payload length", TEXT, 0x86dd, [from(HOSTS6[0]), TEXT.to_vec()].concat()),
        Placement::ip6("no next header", TEXT, 59, TEXT),
        Placement::ip6("unknown protocol in ipv6", TEXT, 253, TEXT),
        Placement::ip6("host identity", &IPV6, 139, [&[59, 4, 1, 0x21, 0, 0, 0, 0][..], &IPV6, &HOSTS6[0]].concat()),
    ]
}

fn extension_headers() -> Vec<Placement> {
    let datagram = udp(9, b"x");
    // Next header, length, body, up to 8 bytes' boundary; then a datagram.
    let header = |name, canary: &[u8], kind: u8, body: &[u8]| {
        let mut header = [&[17, 0][..], body].concat();
        header.resize(header.len().next_multiple_of(8), 0);
        header[1] = (header.len() / 8 - 1) as u8;
        Placement::ip6(name, canary, kind, [&header[..], &datagram].concat())
    };
    let option = |code: u8, value: &[u8]| [&[code, value.len() as u8][..], value].concat();
    let segments = |last: &[u8], more: &[u8]| [&[4, 1, 0, 0, 0, 0][..], last, more].concat();
    vec![
        header("hop-by-hop option", TEXT, 0, &option(0x1e, TEXT)),
        header("hop-by-hop padding", TEXT, 0, &option(1, TEXT)),
        header("telemetry", TEXT, 0, &option(0x31, TEXT)),
        header("destination option", TEXT, 60, &option(0x1e, TEXT)),
        header("destination padding", TEXT, 60, &option(1, TEXT)),
        header("home address", &IPV6, 60, &[&option(1, &[0, 0])[..], &option(0xc9, &IPV6)].concat()),
        header("source route", &IPV6, 43, &[&[0, 1, 0, 0, 0, 0][..], &IPV6].concat()),
        header("mobile route", &IPV6, 43, &[&[2, 1, 0, 0, 0, 0][..], &IPV6].concat()),
        header("segment", &IPV6, 43, &segments(&IPV6, &[])),
        header("segment's own data", TEXT, 43, &segments(&HOSTS6[0], &option(5, TEXT))),
        header("route of an unknown kind", TEXT, 43, &[&[77, 1][..], TEXT].concat()),
        header("mobility option", &IPV6, 135, &[&[5, 0, 0, 0, 0, 1, 0, 0, 0, 4][..], &option(3, &IPV6)].concat()),
        header("shim", TEXT, 140, TEXT),
    ]
}

/// A message with a right checksum.
fn message(head: &[u8], body: &[u8]) -> Vec<u8> {
    let mut message = [head, body].concat();
    let sum = sum(&message).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    message
}

fn icmp() -> Vec<Placement> {
    let one = |name, canary: &[u8], head: [u8; 8], body: &[u8]| Placement::ip(name, canary, 1, message(&head, body));
    let unreachable = [3, 1, 0, 0, 0, 0, 0, 0];
    let quoted = ip_with([IPV4, HOSTS[1]], &[], 6, &tcp(16, 7, &[], b"")[..8]);
    let extended = [&ip(17, [0; 108])[..], &[0x20, 0, 0, 0, 0, 16, 1, 1], TEXT].concat();
    vec![
        one("echo's data", TEXT, [8, 0, 0, 0, 0, 1, 0, 1], TEXT),
        one("echo's answer", TEXT, [0, 0, 0, 0, 0, 1, 0, 1], TEXT),
        one("quoted source", &IPV4, unreachable, &quoted),
        one("quoted destination", &IPV4, [11, 0, 0, 0, 0, 0, 0, 0], &ip_with([HOSTS[0], IPV4], &[], 17, [0; 8])),
        one("quoted stream", TEXT, unreachable, &ip(6, tcp(16, 7, &[], TEXT))),
        one("quoted datagram", TEXT, unreachable, &ip(17, udp(53, TEXT))),
        one("quoted option", TEXT, unreachable, &ip(6, tcp(2, 7, &[&[34, 14][..], TEXT].concat(), b""))),
        one("quote of an unknown protocol", TEXT, unreachable, &ip(253, TEXT)),
        one("extension of an error", TEXT, [3, 1, 0, 0, 0, 32, 0, 0], &extended),
        one("redirect's gateway", &IPV4, [5, 1, 0, 0, IPV4[0], IPV4[1], IPV4[2], IPV4[3]], &ip(17, [0; 8])),
        one("advertised router", &IPV4, [9, 0, 0, 0, 1, 2, 0, 30], &[&IPV4[..], &[0; 4]].concat()),
        one("timestamp", &WORD, [13, 0, 0, 0, 0, 1, 0, 1], &[&WORD[..], &[0; 8]].concat()),
        one("address mask", &IPV4, [18, 0, 0, 0, 0, 1, 0, 1], &IPV4),
        one("unknown message", TEXT, [253, 0, 0, 0, 0, 0, 0, 0], TEXT),
        one("security failure", TEXT, [40, 0, 0, 0, 0, 0, 0, 0], TEXT),
    ]
}

fn icmpv6() -> Vec<Placement> {
    let one =
        |name, canary: &[u8], head: [u8; 4], body: &[u8]| Placement::ip6(name, canary, 58, [&head[..], body].concat());
    let target = |option: &[u8]| [&[0; 4][..], &HOSTS6[1], option].concat();
    let prefix = |address: &[u8]| [&[64, 0, 7, 8][..], &[0; 8], &[3, 4, 64, 0xc0], &[0; 12], address].concat();
    let router = |option: &[u8]| [&[64, 0, 7, 8][..], &[0; 8], option].concat();
    let quoted = ip6_between([IPV6, HOSTS6[1]], 17, udp(9, b"x"));
    vec![
        one("echo's data in ipv6", TEXT, [128, 0, 0, 0], &[&[0, 1, 0, 1][..], TEXT].concat()),
        one("quoted source in ipv6", &IPV6, [1, 0, 0, 0], &[&[0; 4][..], &quoted].concat()),
        one("quoted datagram in ipv6", TEXT, [3, 0, 0, 0], &[&[0; 4][..], &ip6(17, udp(9, TEXT))].concat()),
        one("solicited neighbour", &IPV6, [135, 0, 0, 0], &[&[0; 4][..], &IPV6].concat()),
        one("advertised neighbour", &IPV6, [136, 0, 0, 0], &[&[0x60, 0, 0, 0][..], &IPV6].concat()),
        one("link-layer address of a source", &MAC, [135, 0, 0, 0], &target(&[&[1, 1][..], &MAC].concat())),
        one("link-layer address of a target", &MAC, [136, 0, 0, 0], &target(&[&[2, 1][..], &MAC].concat())),
        one("nonce", &TEXT[..6], [135, 0, 0, 0], &target(&[&[14, 1][..], &TEXT[..6]].concat())),
        one("long link-layer address", TEXT, [135, 0, 0, 0], &target(&[&[1, 2][..], TEXT, &[0; 2]].concat())),
        one("prefix", &IPV6, [134, 0, 0, 0], &prefix(&IPV6)),
        one("name server", &IPV6, [134, 0, 0, 0], &router(&[&[25, 3, 0, 0, 0, 0, 0, 9][..], &IPV6].concat())),
        one(
            "search domain",
            TEXT,
            [134, 0, 0, 0],
            &router(&[&[31, 3, 0, 0, 0, 0, 0, 9, 12][..], TEXT, &[0; 3]].concat()),
        ),
        one("captive portal", TEXT, [134, 0, 0, 0], &router(&[&[37, 2][..], TEXT, &[0; 2]].concat())),
        one("route", &IPV6, [134, 0, 0, 0], &router(&[&[24, 3, 64, 0, 0, 0, 0, 9][..], &IPV6].concat())),
        one("redirected target", &IPV6, [137, 0, 0, 0], &[&[0; 4][..], &IPV6, &HOSTS6[0]].concat()),
        one("redirected header", TEXT, [137, 0, 0, 0], &{
            [&[0; 4][..], &HOSTS6[0], &HOSTS6[1], &[4, 3, 0, 0, 0, 0, 0, 0], TEXT, &[0; 4]].concat()
        }),
        one("node's name", TEXT, [140, 0, 0, 0], &[&[0, 2, 0, 0][..], &[0; 12], &[12], TEXT, &[0, 0]].concat()),
        one("home agent", &IPV6, [145, 0, 0, 0], &[&[0, 1, 0, 0][..], &IPV6].concat()),
        one("unknown message in ipv6", TEXT, [201, 0, 0, 0], TEXT),
        one("source that a listener wants", &IPV6, [143, 0, 0, 0], &{
            let group = [&[0xff, 2][..], &[0; 13], &[9]].concat();
            [&[0, 0, 0, 1, 5, 0, 0, 1][..], &group, &IPV6].concat()
        }),
        one("auxiliary data of a listener", TEXT, [143, 0, 0, 0], &{
            let group = [&[0xff, 2][..], &[0; 13], &[9]].concat();
            [&[0, 0, 0, 1, 4, 3, 0, 0][..], &group, TEXT].concat()
        }),
    ]
}

fn groups() -> Vec<Placement> {
    let one = |name, canary: &[u8], body: &[u8]| Placement::ip(name, canary, 2, message(&body[..8], &body[8..]));
    vec![
        one(
            "source that a member wants",
            &IPV4,
            &[&[0x22, 0, 0, 0, 0, 0, 0, 1, 5, 0, 0, 1, 239, 1, 2, 3][..], &IPV4].concat(),
        ),
        one("queried source", &IPV4, &[&[0x11, 1, 0, 0, 239, 1, 2, 3, 0, 0, 0, 1][..], &IPV4].concat()),
        one(
            "auxiliary data of a member",
            TEXT,
            &[&[0x22, 0, 0, 0, 0, 0, 0, 1, 4, 3, 0, 0, 239, 1, 2, 3][..], TEXT].concat(),
        ),
        one("behind a membership", TEXT, &[&[0x16, 0, 0, 0, 239, 1, 2, 3][..], TEXT].concat()),
    ]
}
