//! Canaries in tunnels: their keys, their options, and what they carry.

use super::frame::{HOSTS, HOSTS6, MACS, eth, eth_between, ip, ip_with, ip6, ip6_between, udp};
use super::{IPV4, IPV6, MAC, Placement, TEXT, WORD};

pub(super) fn all() -> Vec<Placement> {
    [inner(), gre(), vxlan(), geneve(), gtp(), others()].into_iter().flatten().collect()
}

fn inner() -> Vec<Placement> {
    let datagram = udp(9, TEXT);
    vec![
        Placement::ip("ip in ip, source", &IPV4, 4, ip_with([IPV4, HOSTS[1]], &[], 17, udp(9, b"x"))),
        Placement::ip("ip in ip, payload", TEXT, 4, ip(17, &datagram)),
        Placement::ip("ipv6 in ip, source", &IPV6, 41, ip6_between([IPV6, HOSTS6[1]], 17, udp(9, b"x"))),
        Placement::ip6("ip in ipv6, source", &IPV4, 4, ip_with([IPV4, HOSTS[1]], &[], 17, udp(9, b"x"))),
        Placement::ip6("ipv6 in ipv6, payload", TEXT, 41, ip6(17, &datagram)),
        Placement::ip("beyond the depth of layers", TEXT, 4, (0..40).fold(ip(17, &datagram), |inner, _| ip(4, inner))),
        Placement::ip("mpls in ip", TEXT, 137, [&[0, 0, 0x31, 64][..], &ip(17, &datagram)].concat()),
        Placement::ip(
            "ethernet in ip",
            &MAC,
            97,
            [&[0x30, 0][..], &eth_between([MAC, MACS[1]], 0x0800, ip(17, &datagram))].concat(),
        ),
    ]
}

fn gre() -> Vec<Placement> {
    let gre =
        |flags: u8, version: u8, kind: u16, rest: &[u8]| [&[flags, version][..], &kind.to_be_bytes(), rest].concat();
    let packet = ip(17, udp(9, b"x"));
    let inner = eth_between([MAC, MACS[1]], 0x0800, &packet);
    vec![
        Placement::ip("gre key", &WORD, 47, gre(0x20, 0, 0x0800, &[&WORD[..], &packet].concat())),
        Placement::ip("gre payload", TEXT, 47, gre(0, 0, 0x0800, &ip(17, udp(9, TEXT)))),
        Placement::ip("gre of an unknown protocol", TEXT, 47, gre(0, 0, 0x1234, TEXT)),
        Placement::ip(
            "gre route",
            &IPV4,
            47,
            gre(0x40, 0, 0x0800, &{ [&[0, 0, 0, 0, 0, 2, 0, 4][..], &IPV4, &[0; 4], &packet].concat() }),
        ),
        Placement::ip("gre around ethernet", &MAC, 47, gre(0, 0, 0x6558, &inner)),
        Placement::ip(
            "erspan, mac",
            &MAC,
            47,
            gre(0x10, 0, 0x88be, &[&[0, 0, 0, 1, 0x10, 1, 0, 0, 0, 0, 0, 0][..], &inner].concat()),
        ),
        Placement::ip("erspan, payload", TEXT, 47, {
            let inner = eth(0x0800, ip(17, udp(9, TEXT)));
            gre(0x10, 0, 0x22eb, &[&[0, 0, 0, 1, 0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &inner].concat())
        }),
        Placement::ip("erspan's platform", &WORD, 47, {
            gre(
                0x10,
                0,
                0x22eb,
                &[&[0, 0, 0, 1, 0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0][..], &WORD, &inner].concat(),
            )
        }),
        Placement::ip("point-to-point tunnel", TEXT, 47, {
            let frame = [&[0xff, 3, 0, 0x21][..], &ip(17, udp(9, TEXT))].concat();
            gre(0x30, 1, 0x880b, &[&(frame.len() as u16).to_be_bytes()[..], &[0, 9, 0, 0, 0, 1], &frame].concat())
        }),
        Placement::udp("gre in udp, key", &WORD, 4754, gre(0x20, 0, 0x0800, &[&WORD[..], &packet].concat())),
    ]
}

fn vxlan() -> Vec<Placement> {
    let packet = ip(17, udp(9, TEXT));
    let inner = eth_between([MAC, MACS[1]], 0x0800, &packet);
    let head = |network: &[u8]| [&[8, 0, 0, 0][..], network, &[0]].concat();
    vec![
        Placement::udp("vxlan network", &WORD[..3], 4789, [&head(&WORD[..3])[..], &inner].concat()),
        Placement::udp("vxlan, mac", &MAC, 4789, [&head(&[0, 0, 9])[..], &inner].concat()),
        Placement::udp("vxlan, payload", TEXT, 4789, [&head(&[0, 0, 9])[..], &inner].concat()),
        Placement::udp("generic vxlan", TEXT, 4790, [&[0x0c, 0, 0, 1, 0, 0, 9, 0][..], &packet].concat()),
        Placement::udp(
            "generic vxlan network",
            &WORD[..3],
            4790,
            [&[0x0c, 0, 0, 1, WORD[0], WORD[1], WORD[2], 0][..], &packet].concat(),
        ),
        Placement::udp("vxlan, reserved bits", &WORD[..3], 4789, {
            [&[8, WORD[0], WORD[1], WORD[2], 0, 0, 9, 0][..], &inner].concat()
        }),
    ]
}

fn geneve() -> Vec<Placement> {
    let packet = ip(17, udp(9, TEXT));
    let option = [&[1, 2, 0x80, 3][..], TEXT].concat();
    vec![
        Placement::udp("geneve network", &WORD[..3], 6081, [&[0, 0, 8, 0][..], &WORD[..3], &[0], &packet].concat()),
        Placement::udp(
            "geneve option",
            TEXT,
            6081,
            [&[4, 0, 8, 0, 0, 0, 9, 0][..], &option, &ip(17, udp(9, b"x"))].concat(),
        ),
        Placement::udp("geneve, payload", TEXT, 6081, [&[0, 0, 8, 0, 0, 0, 9, 0][..], &packet].concat()),
    ]
}

fn gtp() -> Vec<Placement> {
    let packet = ip_with([IPV4, HOSTS[1]], &[], 17, udp(9, b"x"));
    let user = |flags: u8, tunnel: [u8; 4], rest: &[u8]| {
        [&[0x30 | flags, 0xff][..], &(rest.len() as u16).to_be_bytes(), &tunnel, rest].concat()
    };
    let control = |body: &[u8]| [&[0x48, 32][..], &(body.len() as u16 + 8).to_be_bytes(), &[0; 8], body].concat();
    vec![
        Placement::udp("gtp tunnel", &WORD, 2152, user(0, WORD, &packet)),
        Placement::udp("gtp, inner source", &IPV4, 2152, user(0, [0, 0, 0, 9], &packet)),
        Placement::udp(
            "gtp extension",
            TEXT,
            2152,
            user(4, [0, 0, 0, 9], &{ [&[0, 0, 0, 0x85, 4][..], TEXT, &[0, 0, 0], &packet].concat() }),
        ),
        Placement::udp("gtp echo", TEXT, 2152, [&[0x32, 1, 0, 16, 0, 0, 0, 0, 0, 1, 0, 0][..], TEXT].concat()),
        Placement::udp(
            "subscriber in gtp control",
            &[&WORD[..], &WORD].concat(),
            2123,
            control(&[&[1, 0, 8, 0][..], &WORD, &WORD].concat()),
        ),
        Placement::udp("access point in gtp control", TEXT, 2123, control(&[&[71, 0, 12, 0][..], TEXT].concat())),
    ]
}

fn others() -> Vec<Placement> {
    let packet = ip(17, udp(9, TEXT));
    let teredo = |between: &[u8]| [between, &ip6(17, udp(9, b"x"))].concat();
    vec![
        Placement::udp("teredo authentication", TEXT, 3544, teredo(&[&[0, 1, 12, 0][..], TEXT, &[0; 9]].concat())),
        Placement::udp("teredo origin", &IPV4, 3544, teredo(&[&[0, 0, 0x63, 0xbf][..], &IPV4].concat())),
        Placement::udp("teredo, inner source", &IPV6, 3544, ip6_between([IPV6, HOSTS6[1]], 17, udp(9, b"x"))),
        Placement::udp("l2tp host", TEXT, 1701, {
            [&[0xc8, 2, 0, 38, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 8, 0, 0, 0, 0, 0, 1, 0x80, 18, 0, 0, 0, 7][..], TEXT]
                .concat()
        }),
        Placement::udp("l2tp, payload", TEXT, 1701, [&[0, 2, 0, 1, 0, 1, 0xff, 3, 0, 0x21][..], &packet].concat()),
        Placement::ip("l2tp session's cookie", &WORD, 115, [&[0, 0, 0, 1][..], &WORD, &eth(0x0800, &packet)].concat()),
        Placement::udp("encrypted payload in udp", TEXT, 4500, [&[0, 0, 0, 1, 0, 0, 0, 1][..], TEXT].concat()),
        Placement::udp("key exchange", TEXT, 500, [&[0; 28][..], TEXT].concat()),
        Placement::udp("wireguard", TEXT, 51820, [&[4, 0, 0, 0][..], TEXT].concat()),
        Placement::udp("mpls in udp", TEXT, 6635, [&[0, 0, 0x31, 64][..], &packet].concat()),
        Placement::udp(
            "sampled packet, source",
            &IPV4,
            6343,
            sampled(&ip_with([IPV4, HOSTS[1]], &[], 17, udp(9, b"x"))),
        ),
        Placement::udp("sampled packet, payload", TEXT, 6343, sampled(&packet)),
        Placement::udp("sampled packet, cut", &IPV4, 6343, {
            let packet = ip_with([IPV4, HOSTS[1]], &[], 17, udp(9, TEXT));
            sampled(&packet[..packet.len() - 2])
        }),
        Placement::udp("sampled by whom", &IPV4, 6343, [&[0, 0, 0, 5, 0, 0, 0, 1][..], &IPV4, &[0; 16]].concat()),
        Placement::udp("sample of another kind", TEXT, 6343, samples(0x7001, TEXT)),
        Placement::udp("sampled user", TEXT, 6343, {
            let user = [&[0, 0, 3, 0xec, 0, 0, 0, TEXT.len() as u8][..], TEXT].concat();
            samples(1, &[&[0; 28][..], &[0, 0, 0, 1], &user].concat())
        }),
        Placement::udp("locator separation", TEXT, 4341, [&[0x80, 0, 0, 0, 0, 0, 0, 0][..], &packet].concat()),
        Placement::udp("wireless controller", TEXT, 5247, [&[0, 0x10, 2, 0, 0, 0, 0, 0][..], TEXT].concat()),
        Placement::udp("mirrored packets", TEXT, 37008, [&[1, 0, 0, 1, 1][..], &eth(0x0800, &packet)].concat()),
        Placement::udp("flow samples", &IPV4, 6343, [&[0, 0, 0, 5, 0, 0, 0, 1][..], &IPV4, &[0; 16]].concat()),
    ]
}

/// An sFlow datagram of one sample.
fn samples(format: u32, sample: &[u8]) -> Vec<u8> {
    let head = [&[0, 0, 0, 5, 0, 0, 0, 1][..], &HOSTS[0], &[0; 12], &[0, 0, 0, 1]].concat();
    [&head, &format.to_be_bytes()[..], &(sample.len() as u32).to_be_bytes(), sample].concat()
}

/// One in which an IPv4 packet was sampled.
fn sampled(packet: &[u8]) -> Vec<u8> {
    let length = (packet.len() as u32).to_be_bytes();
    let header = [&[0, 0, 0, 11][..], &length, &[0; 4], &length, packet].concat();
    let record = [&[0, 0, 0, 1][..], &(header.len() as u32).to_be_bytes(), &header].concat();
    samples(1, &[&[0; 28][..], &[0, 0, 0, 1], &record].concat())
}
