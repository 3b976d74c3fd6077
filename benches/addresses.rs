//! Every class of addresses whole, or 2^24 of it: no collision, nothing stays, the class is kept; and how long each takes.
//! A fourth of that where networks and vendors are kept.
//!
//! `cargo bench --bench addresses`, `-- --quick` with 2^20.

#[path = "../tests/addresses/classes.rs"]
mod classes;

use std::time::Instant;

use classes::{CLASSES, check};
use standin::mask::{Key, Masker, Recognisable};

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let count = 1 << if quick { 20 } else { 24 };
    for (how, recognisable) in
        [("", Recognisable::default()), (", networks and vendors kept", Recognisable { prefixes: true, vendors: true })]
    {
        for class in CLASSES {
            let begun = Instant::now();
            let key = Key::from_bytes([1; 32]);
            let mut masker = Masker::new(&key, Box::new(|_| false)).recognisable(recognisable);
            let count = if recognisable == Recognisable::default() { count } else { count / 4 };
            let members = check(class, &mut masker, count);
            let each = begun.elapsed().as_nanos() / members.max(1) as u128;
            #[expect(clippy::print_stdout, reason = "what a bench is for")]
            {
                println!("{}{how}: {members} addresses, {each} ns each", class.name);
            }
        }
    }
}
