//! Processor time per request over 64 kept connections, counted at the service: over HTTP/1, then over HTTP/2, where 16 with
//! four requests at a time each follow.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::server::{RESPONSE, Stamps};
use super::{capture, median, server, server2, tell};

const CONNECTIONS: usize = 64;
/// Of one run.
const SECONDS: &str = "3s";
/// More than any of them does.
const RATE_MAX: &str = "10000000";
/// Most of what each may cost, as a multiple of another one.
const BOUNDS: [(&str, f64); 2] = [("wrk", 1.15), ("oha", 0.6)];
const BOUNDS_HTTP2: [(&str, f64); 1] = [("h2load", 1.3)];
/// Connections over HTTP/2, and requests at a time on each of them.
const SHAPES: [(usize, usize); 2] = [(CONNECTIONS, 1), (CONNECTIONS / 4, 4)];

/// Name, program, arguments.
type Tool = (&'static str, String, Vec<String>);

pub fn run(standin: &str, rounds: usize) -> io::Result<bool> {
    let folder = std::env::temp_dir().join(format!("measure-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("cost.pcap");
    let instants: Vec<u64> = (0..CONNECTIONS as u64 * 20).map(|n| 1_000_000 * n).collect();
    capture::write(&path, CONNECTIONS, &instants, RESPONSE)?;
    let (address, stamps) = server::start()?;
    let kept = compare(&tools(standin, address, &path), &stamps, rounds, &BOUNDS)?;
    let (address, stamps) = server2::start()?;
    let mut all = kept;
    for (connections, streams) in SHAPES {
        tell(&format!("\nHTTP/2, {connections} connections, {streams} at a time on each"));
        let tools = tools_http2(standin, address, &path, connections, streams);
        all &= compare(&tools, &stamps, rounds, &BOUNDS_HTTP2)?;
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(all)
}

/// Lets them run in turn and says what each took; whether ours kept to the bounds.
fn compare(tools: &[Tool], stamps: &Stamps, rounds: usize, bounds: &[(&str, f64)]) -> io::Result<bool> {
    let mut costs = vec![Vec::new(); tools.len()];
    for _ in 0..rounds {
        for ((_, program, arguments), costs) in tools.iter().zip(&mut costs) {
            if let Some(cost) = cost(program, arguments, stamps)? {
                costs.push(cost);
            }
        }
    }
    let middle = |name: &str| {
        let (_, costs) = tools.iter().zip(&costs).find(|((known, ..), costs)| *known == name && !costs.is_empty())?;
        Some(median(costs.iter().map(|(cost, _)| *cost).collect()))
    };
    tell("sender     us CPU/request   range          requests/s");
    for ((name, ..), costs) in tools.iter().zip(&costs) {
        match middle(name) {
            None => tell(&format!("{name:10} SKIPPED: not installed, or it failed")),
            Some(cost) => {
                let (least, most) =
                    costs.iter().fold((f64::MAX, 0.0), |(a, b), (cost, _)| (f64::min(a, *cost), f64::max(b, *cost)));
                let rate = median(costs.iter().map(|(_, rate)| *rate).collect());
                tell(&format!("{name:10}{cost:15.2}   {:14}{rate:12.0}", format!("{least:.2}-{most:.2}")));
            }
        }
    }
    let Some(ours) = middle("standin") else { return Ok(false) };
    Ok(bounds.iter().fold(true, |kept, (name, bound)| {
        let Some(theirs) = middle(name) else { return kept };
        let holds = ours <= theirs * bound;
        tell(&format!(
            "standin / {name}: {:.2} (at most {bound}) {}",
            ours / theirs,
            if holds { "kept" } else { "NOT KEPT" }
        ));
        kept && holds
    }))
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// What all of them say in every request.
const HEADERS: &str = "-H Accept:application/json -H User-Agent:measure";

fn tools_http2(standin: &str, address: SocketAddr, capture: &Path, connections: usize, streams: usize) -> Vec<Tool> {
    let ours = format!(
        "-q replay --allow-unmasked --protocol h2c --mode closed --connections {connections} --streams {streams} --duration {SECONDS} --max-rate {RATE_MAX} --target http://{address} {}",
        capture.display()
    );
    let theirs = format!("-t1 -c{connections} -m{streams} -D3 {HEADERS} http://{address}/r/0000000000");
    vec![("standin", standin.to_owned(), words(&ours)), ("h2load", "h2load".into(), words(&theirs))]
}

fn tools(standin: &str, address: SocketAddr, capture: &Path) -> Vec<Tool> {
    let url = format!("http://{address}/r/0000000000");
    let oha = std::env::var("OHA").unwrap_or_else(|_| "oha".into());
    let ours = format!(
        "-q replay --allow-unmasked --mode closed --connections {CONNECTIONS} --duration {SECONDS} --max-rate {RATE_MAX} --target http://{address} {}",
        capture.display()
    );
    vec![
        ("standin", standin.to_owned(), words(&ours)),
        ("wrk", "wrk".into(), words(&format!("-t1 -c{CONNECTIONS} -d{SECONDS} {HEADERS} {url}"))),
        ("oha", oha, words(&format!("--no-tui -c {CONNECTIONS} -z {SECONDS} {HEADERS} {url}"))),
    ]
}

/// Microseconds of processor time per request that came, and requests per second; none when the program does not run.
fn cost(program: &str, arguments: &[String], stamps: &Stamps) -> io::Result<Option<(f64, f64)>> {
    let before = children_us()?;
    // On one processor, the service on the other.
    let begun = std::time::Instant::now();
    let done = Command::new("taskset")
        .args(["-c", "0", program])
        .args(arguments)
        .env("TOKIO_WORKER_THREADS", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let seconds = begun.elapsed().as_secs_f64();
    let served = std::mem::take(&mut *stamps.lock().unwrap_or_else(std::sync::PoisonError::into_inner)).len();
    let used = children_us()? - before;
    Ok((done.success() && served > 0).then(|| (used / served as f64, served as f64 / seconds)))
}

/// Processor time of all processes that were started and have ended.
fn children_us() -> io::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(13).take(2);
    // In ticks of 10 ms.
    Ok(fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10_000.0)
}
