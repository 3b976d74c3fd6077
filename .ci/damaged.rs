//! Masks damaged captures, many of them: `damaged COUNT [FROM]`. The same numbers give the same captures; see `tests/hostile`.
//! `damaged seeds FOLDER` writes the first corpus of each fuzz target instead.

use std::io::{self, Write};
use std::process::ExitCode;

#[path = "../fuzz/seeds.rs"]
mod corpus;
#[path = "../tests/hostile/damage.rs"]
mod damage;
#[path = "../tests/hostile/oracle.rs"]
mod oracle;
#[path = "../tests/hostile/random.rs"]
mod random;
#[path = "../tests/hostile/seeds.rs"]
mod seeds;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, folder] = &arguments[..]
        && word == "seeds"
    {
        return if corpus::write(folder.as_ref()).is_ok() { ExitCode::SUCCESS } else { ExitCode::from(3) };
    }
    let mut numbers = arguments.iter().map(|number| number.parse::<u64>().ok());
    let (Some(Some(count)), from) = (numbers.next(), numbers.next().flatten().unwrap_or(0)) else {
        let _ = writeln!(io::stderr(), "usage: damaged COUNT [FROM] | damaged seeds FOLDER");
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
