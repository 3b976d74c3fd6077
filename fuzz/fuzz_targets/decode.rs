//! A frame: the first byte is the link type (255: that of Linux cooked captures, version 2), the second says how much longer it was on the wire.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standin::decode::{Layers, decode};

fuzz_target!(|data: &[u8]| {
    let &[link, beyond, ref frame @ ..] = data else { return };
    let mut layers = Layers::default();
    let link = if link == 255 { 276 } else { u32::from(link) };
    decode(link, frame, frame.len() as u32 + u32::from(beyond), &mut layers);
    let mut end = 0;
    for piece in &layers.pieces {
        assert!(piece.start >= end, "pieces overlap");
        end = piece.start + piece.len;
    }
    assert!(end as usize <= frame.len());
    for (_, at) in &layers.not_understood {
        assert!(at.start <= at.end && at.end <= frame.len());
    }
    if let Some(transport) = &layers.transport {
        assert!(transport.payload.start <= transport.payload.end && transport.payload.end <= frame.len());
    }
    let mut copy = frame.to_vec();
    layers.checksums.iter().for_each(|checksum| checksum.write(&mut copy));
});
