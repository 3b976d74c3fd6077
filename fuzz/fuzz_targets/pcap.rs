//! A pcap file: the first byte chooses the magic number, the rest follows it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    const MAGIC: [[u8; 4]; 5] = [
        [0xD4, 0xC3, 0xB2, 0xA1],
        [0xA1, 0xB2, 0xC3, 0xD4],
        [0x4D, 0x3C, 0xB2, 0xA1],
        [0xA1, 0xB2, 0x3C, 0x4D],
        [0x34, 0xCD, 0xB2, 0xA1],
    ];
    let Some((first, rest)) = data.split_first() else { return };
    standin_fuzz::read(&[&MAGIC[usize::from(*first) % MAGIC.len()], rest].concat());
});
