//! Addresses of every class, in headers and in text.

use std::collections::HashSet;

use super::{masker, whole};

#[test]
fn ipv4_is_permuted_inside_each_class_with_its_text_length() {
    let mut masker = masker(1);
    let digits = |address: [u8; 4]| address.map(|octet| octet.to_string().len());
    for (a, b) in
        [(10, 1), (172, 16), (172, 31), (192, 168), (100, 64), (100, 127), (8, 8), (203, 0), (198, 51), (193, 99)]
    {
        let mut images = HashSet::new();
        for n in 0..=u16::MAX {
            let [c, d] = n.to_be_bytes();
            let address = [a, b, c, d];
            let image = masker.ipv4(address);
            assert_eq!(class(image), class(address), "{address:?}");
            assert_eq!(digits(image), digits(address));
            assert_eq!(image == address, class(address) == "fixed", "{address:?}");
            assert!(images.insert(image));
        }
    }
    for fixed in [
        [127, 0, 0, 1],
        [0, 0, 0, 0],
        [224, 0, 0, 251],
        [255; 4],
        [169, 254, 1, 2],
        [192, 0, 2, 1],
        [198, 18, 0, 1],
        [240, 0, 0, 1],
    ] {
        assert_eq!(masker.ipv4(fixed), fixed);
    }
}

/// By the standard library's words where it has any.
fn class(address: [u8; 4]) -> &'static str {
    let ip = std::net::Ipv4Addr::from(address);
    let [a, b, c, _] = address;
    let special = matches!([a, b, c], [192, 0, 0] | [192, 88, 99]) || a == 0 || a >= 240 || (a, b & 0xfe) == (198, 18);
    match a {
        _ if ip.is_loopback() || ip.is_link_local() || ip.is_multicast() || ip.is_documentation() || special => "fixed",
        10 => "10/8",
        172 if ip.is_private() => "172.16/12",
        192 if ip.is_private() => "192.168/16",
        100 if b & 0xc0 == 64 => "100.64/10",
        _ => "public",
    }
}

/// Leading zero nibbles of each group.
fn pattern(address: [u8; 16]) -> [u32; 8] {
    std::net::Ipv6Addr::from(address).segments().map(u16::leading_zeros).map(|bits| bits / 4)
}

fn v6(text: &str) -> [u8; 16] {
    text.parse::<std::net::Ipv6Addr>().unwrap().octets()
}

#[test]
fn ipv6_keeps_its_class_and_zero_pattern_and_its_parts_agree() {
    let mut masker = masker(1);
    for fixed in ["::", "::1", "ff02::1", "ff02::fb", "2001:db8::5", "fe80::1", "100::1"] {
        assert_eq!(masker.ipv6(v6(fixed)), v6(fixed), "{fixed}");
    }
    for (n, address) in [
        "2a00:1450:4001:82f::200e",
        "fd12:3456:789a::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "fec0::1:2:3",
        "64:ff9b:1::5",
    ]
    .iter()
    .enumerate()
    {
        let image = masker.ipv6(v6(address));
        assert_eq!(pattern(image), pattern(v6(address)), "{address}");
        assert_ne!(image, v6(address));
        let kept = [0, 1, 4, 2, 0][n];
        assert_eq!(image[..kept], v6(address)[..kept]);
    }
    let host = v6("2a00:1450::21a:2bff:fe3c:4d5e");
    let (image, mac) = (masker.ipv6(host), masker.mac([0x00, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e]));
    assert_eq!(image[8..], [mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]]);
    assert_eq!(masker.ipv6(v6("fe80::21a:2bff:fe3c:4d5e"))[8..], image[8..]);
    assert_eq!(masker.ipv6(v6("ff02::1:ff3c:4d5e"))[13..], image[13..]);
    assert_eq!(masker.mac([0x33, 0x33, 0xff, 0x3c, 0x4d, 0x5e])[3..], image[13..]);
    let v4 = masker.ipv4([192, 168, 7, 9]);
    assert_eq!(masker.ipv6(v6("::ffff:192.168.7.9"))[12..], v4);
    assert_eq!(masker.ipv6(v6("64:ff9b::c0a8:709"))[12..], v4);
    assert_eq!(masker.ipv6(v6("2002:c0a8:709::1"))[2..6], v4);
}

#[test]
fn many_addresses_stay_distinct_and_nothing_stays_itself() {
    let mut masker = masker(1);
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 16
    };
    let (mut sources, mut images) = (HashSet::new(), HashSet::new());
    let (mut macs, mut mac_images) = (HashSet::new(), HashSet::new());
    for n in 0..1u32 << 15 {
        let mut v6 = [0u8; 16];
        // Crowded on purpose: few prefixes, small hosts, EUI-64 among them.
        v6[..2].copy_from_slice(
            &[[0x2a, 0x00], [0xfe, 0x80], [0xfd, 0x01], [0x20, 0x02], [0x20, 0x01], [0x5f, 0]][n as usize % 6],
        );
        v6[5] = next() as u8 % 4;
        v6[11] = [0, 0xff][next() as usize % 2];
        v6[12] = [0, 0xfe][next() as usize % 2];
        v6[8] = next() as u8 % 4;
        v6[13..].copy_from_slice(&(next() as u32).to_be_bytes()[1..]);
        if sources.insert(v6) {
            let image = masker.ipv6(v6);
            assert!(image != v6 && images.insert(image));
            assert_eq!(pattern(image), pattern(v6), "{v6:x?}");
        }
        let [a, b, c, d, e, f, ..] = next().to_le_bytes();
        let mac = [
            [0x00, 0x02, 0x01, 0x33, a][n as usize % 5],
            [0, 0x33, b][n as usize % 3],
            [0x5e, 0x5f, c][n as usize % 3],
            d % 2,
            e % 4,
            f,
        ];
        if macs.insert(mac) {
            let image = masker.mac(mac);
            assert!(mac_images.insert(image), "{mac:x?}");
            assert_eq!(image[0] & 3, mac[0] & 3);
        }
    }
    for fixed in [
        [0xff; 6],
        [0; 6],
        [0x01, 0, 0x5e, 1, 2, 3],
        [0x33, 0x33, 0, 0, 0, 1],
        [0x01, 0x80, 0xc2, 0, 0, 0],
        [0, 0, 0x5e, 0, 1, 7],
    ] {
        assert_eq!(masker.mac(fixed), fixed);
    }
}

#[test]
fn addresses_in_text_follow_those_in_headers_in_their_own_style() {
    let mut masker = masker(1);
    let image = std::net::Ipv6Addr::from(masker.ipv6(v6("2a00:1450:4001:82f::200e")));
    let plain = whole(&mut masker, "2a00:1450:4001:82f::200e", "ip");
    assert_eq!(plain, image.to_string());
    let padded = whole(&mut masker, "[2A00:1450:4001:082F:0000:0:0:200E]:443", "ip");
    assert_eq!(padded.len(), "[2A00:1450:4001:082F:0000:0:0:200E]:443".len());
    let inner = padded.trim_start_matches('[').split(']').next().unwrap();
    assert_eq!(inner.parse(), Ok(image));
    assert_eq!(inner, inner.to_uppercase());
    let mapped = whole(&mut masker, "::ffff:192.168.7.9", "ip");
    assert_eq!(
        mapped.trim_start_matches("::ffff:"),
        std::net::Ipv4Addr::from(masker.ipv4([192, 168, 7, 9])).to_string()
    );
    for text in ["::8:9", "1::", "2a00::5:6:7:8", "2a00:1:2:3:4:5:6::"] {
        let image = std::net::Ipv6Addr::from(masker.ipv6(v6(text)));
        assert_eq!(whole(&mut masker, text, "ip").parse(), Ok(image), "{text}");
    }
    let mac = masker.mac([0xa0, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e]);
    let dotted = whole(&mut masker, "a01a.2b3c.4d5e", "mac");
    assert_eq!(dotted.replace('.', ""), mac.map(|octet| format!("{octet:02x}")).concat());
}
