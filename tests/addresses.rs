//! G5 for addresses: a bijection inside their class, and one pseudonym wherever an address stands.

mod classes;
mod everywhere;

use classes::{CLASSES, check};
use standin::mask::{Key, Masker, Recognisable};

/// Of each class; all where it has no more. Without optimisation it takes a minute for a million of each, which the bench
/// does in seconds.
const COUNT: usize = if cfg!(debug_assertions) { 1 << 13 } else { 1 << 20 };

fn masker(seed: u8) -> Masker {
    Masker::new(&Key::from_bytes([seed; 32]), Box::new(|_| false))
}

#[test]
fn every_class_is_permuted_within_itself() {
    for class in CLASSES {
        let members = check(class, &mut masker(1), COUNT);
        assert!(members >= COUNT - 1, "{}: {members} members", class.name);
    }
}

#[test]
fn so_it_is_where_networks_stay_networks_and_vendors_vendors() {
    for class in CLASSES {
        let all = Recognisable { prefixes: true, vendors: true };
        check(class, &mut masker(2).recognisable(all), COUNT / 4);
    }
}

#[test]
fn two_maskers_with_one_key_agree_and_with_two_keys_do_not() {
    for class in CLASSES {
        let images = |seed| class.members(64).map(|a| class.image(&mut masker(seed), a)).collect::<Vec<_>>();
        assert_eq!(images(1), images(1), "{}", class.name);
        assert_ne!(images(1), images(2), "{}", class.name);
    }
}

/// As many leading octets or groups as two addresses share, their pseudonyms share, and no more.
#[test]
fn networks_stay_networks_when_asked_for() {
    let common =
        |a: &[u8], b: &[u8], unit: usize| a.chunks(unit).zip(b.chunks(unit)).take_while(|(a, b)| a == b).count();
    let mut masker = masker(1).recognisable(Recognisable { prefixes: true, vendors: false });
    let hosts = [
        [93, 184, 177, 201],
        [93, 184, 177, 9],
        [93, 184, 8, 9],
        [93, 7, 8, 9],
        [17, 7, 8, 9],
        [10, 1, 1, 1],
        [10, 1, 2, 1],
    ];
    for a in hosts {
        for b in hosts {
            let (x, y) = (masker.ipv4(a), masker.ipv4(b));
            assert_eq!(common(&a, &b, 1), common(&x, &y, 1), "{a:?} {b:?} -> {x:?} {y:?}");
        }
    }
    let v6 = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    let hosts =
        ["2a02:26f0:1:2::1:5", "2a02:26f0:1:2::2:5", "2a02:26f0:1:3::1:5", "2a02:26f0:7:3::1:5", "2a03:26f0:7:3::1:5"]
            .map(v6);
    for a in hosts {
        for b in hosts {
            let (x, y) = (masker.ipv6(a), masker.ipv6(b));
            assert_eq!(common(&a, &b, 2).min(4), common(&x, &y, 2).min(4), "{a:x?} {b:x?} -> {x:x?} {y:x?}");
        }
    }
}

#[test]
fn vendors_stay_when_asked_for_but_for_addresses_that_have_none() {
    let mut masker = masker(1).recognisable(Recognisable { prefixes: false, vendors: true });
    let card = [0x9c, 0x4e, 0x36, 0xb7, 0xa1, 0x5d];
    let image = masker.mac(card);
    assert!(image[..3] == card[..3] && image[3..] != card[3..], "{image:x?}");
    let v6 = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    assert_eq!(masker.ipv6(v6("fe80::9e4e:36ff:feb7:a15d"))[8..11], [0x9e, 0x4e, 0x36]);
    let local = [0x9e, 0x4e, 0x36, 0xb7, 0xa1, 0x5d];
    assert_ne!(masker.mac(local)[..3], local[..3]);
}

#[test]
fn groups_that_protocols_define_stay() {
    let mut masker = masker(1);
    for (group, of) in [
        ([0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc], "Cisco discovery"),
        ([0x01, 0x1b, 0x19, 0, 0, 0], "precision time"),
        ([0x01, 0x80, 0xc2, 0, 0, 0x0e], "LLDP"),
        ([0xcf, 0, 0, 0, 0, 0], "loopback test"),
        ([0x01, 0x00, 0x5e, 1, 2, 3], "IPv4 multicast"),
    ] {
        assert_eq!(masker.mac(group), group, "{of}");
    }
    let unknown = [0x01, 0x9e, 0x36, 0xb7, 0xa1, 0x5d];
    assert_ne!(masker.mac(unknown), unknown, "a group that no protocol defines may name its members");
}
