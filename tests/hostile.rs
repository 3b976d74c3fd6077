//! G9: whatever comes in, masking ends, soon, with an output that adds up or with an error.

mod damage;
mod oracle;
mod random;
mod seeds;

use std::time::{Duration, Instant};

use random::Random;
use standin::sanitize::Container;

/// Masking one small capture takes no longer, however it is damaged.
const LONGEST: Duration = Duration::from_secs(10);

/// One damaged capture with one policy, as [`damage::capture`] numbers them.
fn check(number: u64) -> Result<(), String> {
    let file = damage::capture(number);
    let mut random = Random(!number);
    let pack = if random.below(3) == 0 { random.below(oracle::PACKS.len()) } else { 0 };
    let format = match random.below(12) {
        0 => Some(Container::Pcap),
        1 => Some(Container::PcapNg),
        _ => None,
    };
    let begun = Instant::now();
    oracle::check(&file, pack, format)?;
    if begun.elapsed() > LONGEST { Err(format!("took {:?}", begun.elapsed())) } else { Ok(()) }
}

/// `.ci/run` asks for 20,000 of the release build.
#[test]
fn damaged_captures_do_no_harm() {
    let count = std::env::var("STANDIN_DAMAGED").ok().and_then(|count| count.parse().ok()).unwrap_or(300);
    let bad: Vec<String> =
        (0..count).filter_map(|number| check(number).err().map(|why| format!("capture {number}: {why}"))).collect();
    assert!(bad.is_empty(), "{} of {count}:\n{}", bad.len(), bad.join("\n"));
}

/// The damage leaves something to read: captures that are refused at once would test nothing.
#[test]
fn most_damaged_captures_can_be_read() {
    let read = (0..200).filter(|number| oracle::mask(&damage::capture(*number), 0, None).is_some()).count();
    assert!(read > 150, "{read} of 200");
}
