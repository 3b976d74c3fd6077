//! A capture through the whole pipeline: the ledger adds up, the packets are as many. The last byte chooses rules and container.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standin::sanitize::Container;
use standin_fuzz::oracle;

fuzz_target!(|data: &[u8]| {
    let Some((how, file)) = data.split_last() else { return };
    let format = match how >> 2 & 7 {
        1 => Some(Container::Pcap),
        2 => Some(Container::PcapNg),
        _ => None,
    };
    if let Err(why) = oracle::check(file, usize::from(*how) % 4, format) {
        panic!("{why}");
    }
});
