//! What the replay promises of itself, measured beside others in the same minutes.
//!
//! `measure pacing STANDIN [ROUNDS]`: how exactly requests leave, beside a plain epoll and timerfd loop;
//! `measure cost STANDIN [ROUNDS]`: processor time per request, beside wrk, oha and, over HTTP/2, h2load where they are installed;
//! `measure truth STANDIN [RATE] [MODE]`: figures against what the schedule and a misbehaving service make them.
//!
//! Each prints a table and ends with 1 when a promise is not kept. All traffic stays on the loopback.

mod capture;
mod cost;
mod ideal;
mod pacing;
#[path = "../../tests/replay/pathology.rs"]
mod pathology;
mod server;
mod server2;
mod truth;

use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |n: usize, default| arguments.get(n).and_then(|text| text.parse().ok()).unwrap_or(default);
    let done = match (arguments.first().map(String::as_str), arguments.get(1)) {
        (Some("pacing"), Some(standin)) => pacing::run(standin, number(2, 3)),
        (Some("cost"), Some(standin)) => cost::run(standin, number(2, 5)),
        (Some("truth"), Some(standin)) => {
            truth::run(standin, arguments.get(2).map(String::as_str), arguments.get(3).map(String::as_str))
        }
        // For `pacing`, in a process of its own.
        (Some("ideal"), Some(server)) => ideal::run(server, number(2, 1000), number(3, 1000)),
        _ => {
            say("usage: measure pacing|cost STANDIN [ROUNDS] | measure truth STANDIN [RATE] [MODE]");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            say(&format!("measure: {error}"));
            ExitCode::from(3)
        }
    }
}

fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn tell(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// The monotonic clock, nanoseconds.
fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The value that a share of the sorted values does not exceed.
fn quantile<T: Copy + Default>(sorted: &[T], share: f64) -> T {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or_default()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5)
}

/// Keeps the calling thread on a processor, where there is one of this number.
fn stay_on(processor: usize) {
    let mut only = rustix::thread::CpuSet::new();
    only.set(processor);
    let _ = rustix::thread::sched_setaffinity(None, &only);
}
