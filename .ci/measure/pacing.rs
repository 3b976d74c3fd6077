//! How exactly requests leave: the generator's own word, and the arrivals that a service noted.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use standin::measure::statistics::ks_distance;
use standin::replay::profile::Arrivals;
use standin::replay::schedule;

use super::server::{RESPONSE, Stamps, start};
use super::{capture, median, quantile, say, tell};

pub const CONNECTIONS: usize = 64;
/// From the start to the first request: all connections are open by then.
pub const LEAD_NS: u64 = 200_000_000;
const RATES: [usize; 3] = [200, 1000, 5000];
const SPEEDS: [f64; 3] = [0.5, 1.0, 10.0];
/// Of one run: at least so long, and so many requests, that its largest quantile is more than its worst request.
const SECONDS_MIN: usize = 2;
const REQUESTS_MIN: usize = 2000;
/// Ways to run it; the promise is for the first.
const WAYS: [(&str, &[&str]); 2] = [("", &[]), ("spin", &["--spin"])];

/// What one run showed, in microseconds where that makes sense.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// By the sender's own word.
    late: [f64; 3],
    /// By the service: how much later after the intended instant than the promptest request.
    arrived: [f64; 3],
    /// How much later at the end than at the beginning.
    drift: f64,
    /// Between intended and noted inter-arrivals.
    distance: f64,
}

/// Poisson arrivals, nanoseconds.
pub fn instants(rate: usize, count: usize) -> Vec<u64> {
    schedule::instants(Arrivals::Poisson, rate as f64, 7).take(count).collect()
}

pub fn run(standin: &str, rounds: usize) -> io::Result<bool> {
    let (address, stamps) = start()?;
    let folder = std::env::temp_dir().join(format!("measure-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    tell(
        "requests/s  speed  sender       late us p50   p99  p99.9   arrivals us p50   p99  p99.9   drift us    KS   kept",
    );
    let mut kept = true;
    for rate in RATES {
        for speed in SPEEDS {
            kept &= case(standin, rounds, rate, speed, (address, &stamps), &folder)?;
        }
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(kept)
}

fn case(
    standin: &str,
    rounds: usize,
    rate: usize,
    speed: f64,
    server: (SocketAddr, &Stamps),
    folder: &Path,
) -> io::Result<bool> {
    let count = (rate * SECONDS_MIN).max(REQUESTS_MIN);
    let due = instants(rate, count);
    let path = folder.join("paced.pcap");
    let captured: Vec<u64> = due.iter().map(|at| ((at + LEAD_NS) as f64 * speed) as u64).collect();
    capture::write(&path, CONNECTIONS, &captured, RESPONSE)?;
    let mut seen = vec![Vec::new(); 1 + WAYS.len()];
    for _ in 0..rounds {
        seen[0].push(ideal(server, rate, count, &due)?);
        for (n, (_, flags)) in WAYS.iter().enumerate() {
            seen[1 + n].push(replay(standin, &path, speed, flags, server, &due)?);
        }
    }
    let middle: Vec<Seen> = seen.iter().map(|rounds| middle(rounds)).collect();
    let mut kept = true;
    for (n, seen) in middle.iter().enumerate() {
        let name = if n == 0 { "ideal".into() } else { format!("standin {}", WAYS[n - 1].0) };
        let verdict = match n {
            0 => String::new(),
            _ => promise(seen, &middle[0]).map_or_else(|why| why, |()| "yes".into()),
        };
        kept &= n != 1 || verdict == "yes";
        let [a, b, c] = seen.late;
        let [d, e, f] = seen.arrived;
        tell(&format!(
            "{rate:10}  {speed:5}  {name:13}{a:13.0}{b:6.0}{c:7.0}{d:18.0}{e:6.0}{f:7.0}{:11.0}{:6.3}   {verdict}",
            seen.drift, seen.distance
        ));
    }
    Ok(kept)
}

/// Exact on a quiet processor; on a busy one no worse than twice what is possible.
fn promise(seen: &Seen, ideal: &Seen) -> Result<(), String> {
    for ((late, bound), ideal) in seen.late.iter().zip([50.0, 250.0, 1000.0]).zip(ideal.late) {
        if *late > f64::max(bound, 2.0 * ideal) {
            return Err(format!("late: {late:.0} us where {bound:.0} are promised and {ideal:.0} possible"));
        }
    }
    if seen.drift.abs() > 1000.0 {
        return Err(format!("drifts by {:.0} us", seen.drift));
    }
    match seen.distance > f64::max(0.02, ideal.distance * 1.3 + 0.01) {
        true => Err(format!("KS {:.3} where {:.3} is possible", seen.distance, ideal.distance)),
        false => Ok(()),
    }
}

fn middle(rounds: &[Seen]) -> Seen {
    let of = |pick: &dyn Fn(&Seen) -> f64| median(rounds.iter().map(pick).collect());
    Seen {
        late: [0, 1, 2].map(|n| of(&|seen| seen.late[n])),
        arrived: [0, 1, 2].map(|n| of(&|seen| seen.arrived[n])),
        drift: of(&|seen| seen.drift),
        distance: of(&|seen| seen.distance),
    }
}

fn ideal((address, stamps): (SocketAddr, &Stamps), rate: usize, count: usize, due: &[u64]) -> io::Result<Seen> {
    let me = std::env::current_exe()?;
    let done =
        Command::new(me).args(["ideal", &address.to_string(), &rate.to_string(), &count.to_string()]).output()?;
    let late: Value = serde_json::from_slice(&done.stdout)?;
    Ok(Seen { late: figures(&late), ..noted(stamps, due) })
}

fn replay(
    standin: &str,
    capture: &Path,
    speed: f64,
    flags: &[&str],
    (address, stamps): (SocketAddr, &Stamps),
    due: &[u64],
) -> io::Result<Seen> {
    let mut command = Command::new(standin);
    command.args(["-q", "replay", "--allow-unmasked", "--mode", "captured", "--json", "--speed", &speed.to_string()]);
    command.arg("--target").arg(format!("http://{address}")).args(flags).arg(capture).stderr(Stdio::inherit());
    let run: Value = serde_json::from_slice(&command.output()?.stdout)?;
    if run["valid"] != true {
        say(&format!("invalid: {}", run["invalid_because"]));
    }
    Ok(Seen { late: figures(&run["lateness_us"]), ..noted(stamps, due) })
}

fn figures(late: &Value) -> [f64; 3] {
    ["p50", "p99", "p99_9"].map(|name| late[name].as_f64().unwrap_or(f64::NAN))
}

/// What the service noted since the last time.
fn noted(stamps: &Stamps, due: &[u64]) -> Seen {
    let mut stamps = std::mem::take(&mut *stamps.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    stamps.retain(|(n, _)| *n < due.len());
    if stamps.len() != due.len() {
        say(&format!("{} of {} requests arrived", stamps.len(), due.len()));
    }
    let gaps = |instants: &[u64]| instants.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect::<Vec<_>>();
    let arrivals: Vec<u64> = stamps.iter().map(|(_, at)| *at).collect();
    let distance = ks_distance(gaps(&arrivals), gaps(due)).unwrap_or(1.0);
    let mut offsets: Vec<f64> = stamps.iter().map(|(n, at)| (*at as f64 - due[*n] as f64) / 1000.0).collect();
    let tenth = offsets.len() / 10;
    let drift = median(offsets[offsets.len() - tenth..].to_vec()) - median(offsets[..tenth].to_vec());
    offsets.sort_by(f64::total_cmp);
    let arrived = [0.5, 0.99, 0.999].map(|share| quantile(&offsets, share) - offsets.first().unwrap_or(&0.0));
    Seen { late: [0.0; 3], arrived, drift, distance }
}
