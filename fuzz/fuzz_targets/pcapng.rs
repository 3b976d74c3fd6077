//! A pcapng file, behind the type of its first block.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    standin_fuzz::read(&[&[0x0A, 0x0D, 0x0D, 0x0A], data].concat());
});
