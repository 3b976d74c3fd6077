//! Masks damaged captures, many of them: `damaged COUNT [FROM]`. The same numbers give the same captures; see `tests/hostile`.

use std::io::{self, Write};
use std::process::ExitCode;

#[path = "../tests/hostile/damage.rs"]
mod damage;
#[path = "../tests/hostile/oracle.rs"]
mod oracle;
#[path = "../tests/hostile/random.rs"]
mod random;
#[path = "../tests/hostile/seeds.rs"]
mod seeds;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<u64>().ok());
    let (Some(Some(count)), from) = (numbers.next(), numbers.next().flatten().unwrap_or(0)) else {
        let _ = writeln!(io::stderr(), "usage: damaged COUNT [FROM]");
        return ExitCode::from(2);
    };
    let mut bad = 0;
    for number in from..from + count {
        if let Err(why) = damage::check(number) {
            bad += 1;
            let _ = writeln!(io::stdout(), "capture {number}: {why}");
        }
    }
    let _ = writeln!(io::stdout(), "{count} damaged captures, {bad} of them masked wrongly");
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
