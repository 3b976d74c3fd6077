//! Real captures, as another decoder sees them.

use std::path::Path;

use etherparse::{LaxSlicedPacket, TransportSlice};
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Block, PcapBlockOwned, PcapError};
use standin::decode::{Layers, decode};

use super::shown;

/// Calls `each` with every packet of a capture: link type, bytes, wire length.
fn each_packet(path: &Path, mut each: impl FnMut(u32, &[u8], usize)) {
    let file = std::fs::File::open(path).unwrap();
    let Ok(mut reader) = pcap_parser::create_reader(1 << 22, file) else {
        return;
    };
    let mut links = Vec::new();
    loop {
        match reader.next() {
            Ok((used, block)) => {
                match block {
                    PcapBlockOwned::LegacyHeader(header) => links = vec![header.network.0 as u32 & 0xffff],
                    PcapBlockOwned::Legacy(packet) => each(links[0], packet.data, packet.origlen as usize),
                    PcapBlockOwned::NG(Block::SectionHeader(_)) => links.clear(),
                    PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                        links.push(interface.linktype.0 as u32)
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        if let Some(link) = links.get(packet.if_id as usize) {
                            each(*link, packet.packet_data(), packet.origlen as usize);
                        }
                    }
                    PcapBlockOwned::NG(_) => {}
                }
                reader.consume(used);
            }
            Err(PcapError::Incomplete(_)) => {
                if reader.refill().is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// Every packet of the captures at hand is partitioned; where etherparse sees plain TCP or UDP, we see the same.
#[test]
fn captures_decode_as_etherparse_sees_them() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    let folder = std::env::var_os("STANDIN_CAPTURES").map_or(beside, Into::into);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("SKIPPED real captures: set STANDIN_CAPTURES to a folder of them");
        return;
    };
    let (mut packets, mut compared) = (0, 0);
    for entry in entries {
        let path = entry.unwrap().path();
        if !path.extension().is_some_and(|extension| extension == "pcap" || extension == "pcapng") {
            continue;
        }
        let mut layers = Layers::default();
        each_packet(&path, |link, frame, wire| {
            decode(link, frame, wire as u32, &mut layers);
            packets += 1;
            let context = || format!("{:?} packet {packets}: {:?}", path.file_name(), layers.names);
            assert_eq!(shown(&layers, frame.len()).err(), None, "{}", context());
            let plain = matches!(
                layers.names[..],
                ["eth", "ip" | "ipv6", "tcp" | "udp"] | ["eth", "vlan", "ip" | "ipv6", "tcp" | "udp"]
            );
            if let (true, Some(ours), Ok(theirs)) = (plain, &layers.transport, LaxSlicedPacket::from_ethernet(frame)) {
                let (ports, payload) = match &theirs.transport {
                    Some(TransportSlice::Tcp(tcp)) => ((tcp.source_port(), tcp.destination_port()), tcp.payload()),
                    Some(TransportSlice::Udp(udp)) => ((udp.source_port(), udp.destination_port()), udp.payload()),
                    _ => return,
                };
                assert_eq!((ours.src.1, ours.dst.1), ports, "{}", context());
                assert_eq!(&frame[ours.payload.clone()], payload, "{}", context());
                compared += 1;
            }
        });
    }
    eprintln!("{packets} packets, {compared} compared");
    assert!(compared > 0);
}
