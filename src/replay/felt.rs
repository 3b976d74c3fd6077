//! What the target felt: its process, cgroup and runtime, looked at ten times a second while a run goes on, from threads
//! of their own that send nothing but, once a second, a request for its metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::limits::LOOKS_MAX;
use crate::measure::cgroup::{self, Cgroup};
use crate::measure::{process, runtime};
use crate::run;
use crate::workload::content;

use super::ReplayError;
use super::link::Address;
use super::pacer::now;
use super::profile::Profile;
use super::response::{Asked, Reader};
use super::safety::Target;
use super::seat;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Time between two looks into what costs more, at least.
const DETAILS_NS: u64 = 1_000_000_000;
/// At most one part in so many of the time goes into them: the page tables of a large process take long to walk.
const DETAILS_SHARE: u64 = 100;
/// Time between two requests for metrics.
const METRICS: Duration = Duration::from_secs(1);
/// Longest wait for an answer to one.
const METRICS_WAIT: Duration = Duration::from_secs(2);

/// What to look at, beside the process that listens at the target's address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Watch {
    /// A process, when it is not the one that listens (a proxy stands before it, say).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// A cgroup: a path below `/sys/fs/cgroup`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// A container's id: its cgroup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Address of metrics in Prometheus' text format, or of Go's `expvar`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
}

/// One look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// When, monotonic clock.
    pub at: u64,
    /// The process, while it lives.
    pub process: Option<process::Sample>,
    /// Now and then.
    pub details: Option<process::Details>,
    /// The cgroup.
    pub cgroup: Option<cgroup::Sample>,
}

/// All that was seen.
#[derive(Debug, Default)]
pub struct Felt {
    /// The process looked at.
    pub pid: Option<u32>,
    /// The cgroup looked at.
    pub cgroup: Option<String>,
    /// In order of time.
    pub looks: Vec<Look>,
    /// What the runtime told, and when.
    pub runtime: Told,
    /// What was not measured, and why.
    pub not_measured: BTreeMap<String, String>,
}

/// What a runtime told, and when.
type Told = Vec<(u64, runtime::Sample)>;

/// Looks until it is told to end.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    looks: JoinHandle<Vec<Look>>,
    metrics: Option<JoinHandle<Result<Told, String>>>,
    felt: Felt,
}

/// Where metrics are.
struct Metrics {
    address: SocketAddr,
    authority: String,
    path: String,
}

impl Watcher {
    /// Begins to look. Metrics are only asked for where requests might go too.
    pub fn begin(profile: &Profile, target: &Address, hosts: &BTreeSet<String>) -> Result<Watcher, ReplayError> {
        let mut felt = Felt::default();
        let metrics = profile.target.metrics.as_ref().map(|url| Metrics::at(url, profile, hosts)).transpose()?;
        let group = group(&profile.target, &mut felt.not_measured);
        felt.pid = pid(&profile.target, target, group.as_ref(), &mut felt.not_measured);
        let group = group.or_else(|| own_group(felt.pid?, &mut felt.not_measured));
        felt.cgroup = group.as_ref().map(|group| group.path().display().to_string());
        if metrics.is_none() {
            let why = "no metrics are named (`target: {metrics: URL}` in the profile, or --metrics URL)";
            felt.not_measured.insert("target_runtime".into(), why.into());
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (pid, ended) = (felt.pid, stop.clone());
        let looks = thread::Builder::new().name("felt".into()).spawn(move || watch(pid, group.as_ref(), &ended))?;
        let ask = |metrics: Metrics| {
            let ended = stop.clone();
            thread::Builder::new().name("metrics".into()).spawn(move || metrics.watch(&ended))
        };
        let metrics = metrics.map(ask).transpose()?;
        Ok(Watcher { stop, looks, metrics, felt })
    }

    /// A last look, and all that was seen.
    pub fn end(self) -> Felt {
        self.stop.store(true, Ordering::Relaxed);
        self.looks.thread().unpark();
        let mut felt = self.felt;
        felt.looks = self.looks.join().unwrap_or_default();
        if let Some(metrics) = self.metrics {
            metrics.thread().unpark();
            match metrics.join().unwrap_or_else(|_| Err("the thread that reads them ended".into())) {
                Ok(seen) => felt.runtime = seen,
                Err(why) => drop(felt.not_measured.insert("target_runtime".into(), why)),
            }
        }
        if felt.pid.is_some() && felt.looks.last().is_some_and(|look| look.process.is_none()) {
            let why = "the process ended during the run; its figures are those of its last sign of life";
            felt.not_measured.insert("target_process".into(), why.into());
        }
        felt
    }
}

/// The process to look at.
fn pid(
    watch: &Watch,
    target: &Address,
    group: Option<&Cgroup>,
    not_measured: &mut BTreeMap<String, String>,
) -> Option<u32> {
    let (listener, local) = match target {
        Address::Tcp(address) => (process::listener(*address), address.ip().to_canonical().is_loopback()),
        Address::Unix(path) => (process::unix_listener(path), true),
    };
    let members = group.map(Cgroup::processes).unwrap_or_default();
    let largest = members.iter().max_by_key(|pid| process::sample(**pid).map_or(0, |sample| sample.rss)).copied();
    let pid = watch.pid.or(listener.filter(|pid| members.is_empty() || members.contains(pid))).or(largest);
    let why = match pid {
        None if local => "no process that may be looked at listens there",
        None => "it runs on another machine",
        Some(pid) if pid == std::process::id() => "the target is a part of this process",
        Some(pid) if process::sample(pid).is_none() => "there is no such process, or it may not be looked at",
        found => return found,
    };
    not_measured.insert("target_process".into(), why.into());
    None
}

/// The cgroup that the profile names.
fn group(watch: &Watch, not_measured: &mut BTreeMap<String, String>) -> Option<Cgroup> {
    let named = watch.cgroup.as_deref().map(Cgroup::at);
    let group = named.or_else(|| watch.container.as_deref().map(Cgroup::of_container))?;
    group.map_err(|why| not_measured.insert("target_cgroup".into(), why)).ok()
}

/// The process's own cgroup, when it is not shared with this process or with all.
fn own_group(pid: u32, not_measured: &mut BTreeMap<String, String>) -> Option<Cgroup> {
    let why = match (Cgroup::of(pid), Cgroup::of(std::process::id())) {
        (Err(why), _) => why,
        (Ok(theirs), Ok(ours)) if theirs == ours => "the target shares its cgroup with this process".to_owned(),
        (Ok(theirs), _) if theirs.is_root() => "the target is in no cgroup of its own".to_owned(),
        (Ok(theirs), _) => return Some(theirs),
    };
    not_measured.insert("target_cgroup".into(), why);
    None
}

/// Looks from the first instant to the last, at fixed instants; when there are too many, at every other one.
fn watch(pid: Option<u32>, group: Option<&Cgroup>, stop: &AtomicBool) -> Vec<Look> {
    let look = |closely: bool| Look {
        at: now(),
        process: pid.and_then(process::sample),
        details: pid.filter(|_| closely).and_then(process::details),
        cgroup: group.map(Cgroup::sample),
    };
    let mut looks = vec![look(true)];
    if pid.is_none() && group.is_none() {
        return looks;
    }
    let (begun, mut every) = (Instant::now(), LOOK);
    let mut closely_at = now() + DETAILS_NS;
    while !stop.load(Ordering::Relaxed) {
        let due = begun + every * looks.len() as u32;
        if let Some(wait) = due.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero()) {
            thread::park_timeout(wait);
            continue;
        }
        let (closely, used_before) = (now() >= closely_at, seat::used().cpu_ns);
        looks.push(look(closely));
        if closely {
            let used = seat::used().cpu_ns - used_before;
            closely_at = now() + DETAILS_NS.max(used * DETAILS_SHARE);
        }
        if looks.len() >= LOOKS_MAX {
            every_other(&mut looks);
            every *= 2;
        }
    }
    looks.push(look(true));
    looks
}

/// Leaves out the second, the fourth …: what is left tells of the same time.
fn every_other<T>(seen: &mut Vec<T>) {
    let mut nth = 0;
    seen.retain(|_| {
        nth += 1;
        nth % 2 == 1
    });
}

impl Metrics {
    fn at(url: &str, profile: &Profile, hosts: &BTreeSet<String>) -> Result<Metrics, ReplayError> {
        let scheme = url.find("://").map_or(0, |at| at + 3);
        let path = url[scheme..].find('/').map_or(url.len(), |at| scheme + at);
        let target = Target::parse(&url[..path])?;
        if target.secure {
            return Err(ReplayError::Target { url: url.into(), why: "metrics are read over http:// only" });
        }
        let address = target.by_name(profile, hosts)?;
        let path = if path == url.len() { "/" } else { &url[path..] };
        if path.bytes().any(|b| !b.is_ascii_graphic()) {
            return Err(ReplayError::Target { url: url.into(), why: "its path holds what no path may hold" });
        }
        Ok(Metrics { address, authority: target.authority, path: path.into() })
    }

    /// Asks at once, then every so often, and once more at the end.
    fn watch(&self, stop: &AtomicBool) -> Result<Told, String> {
        let mut seen = vec![(now(), self.ask()?)];
        let mut due = Instant::now() + METRICS;
        while !stop.load(Ordering::Relaxed) {
            match due.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero()) {
                Some(wait) => thread::park_timeout(wait),
                None => {
                    // One that is not answered under load is no reason to give up the others.
                    seen.extend(self.ask().ok().map(|sample| (now(), sample)));
                    due = Instant::now() + METRICS;
                }
            }
            if seen.len() >= LOOKS_MAX {
                every_other(&mut seen);
            }
        }
        seen.extend(self.ask().ok().map(|sample| (now(), sample)));
        Ok(seen)
    }

    fn ask(&self) -> Result<runtime::Sample, String> {
        let told = |what: &str| format!("the metrics at http://{}{} {what}", self.authority, self.path);
        let answer = self.fetch().map_err(|error| told(&format!("cannot be read: {error}")))?;
        let text = String::from_utf8_lossy(&answer);
        runtime::Sample::read(&text)
            .ok_or_else(|| told("tell nothing of heap, allocation or collections that is known here"))
    }

    fn fetch(&self) -> std::io::Result<Vec<u8>> {
        let other = |what: &str| std::io::Error::other(what.to_owned());
        let until = Instant::now() + METRICS_WAIT;
        let mut stream = TcpStream::connect_timeout(&self.address, METRICS_WAIT)?;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: text/plain, application/json\r\nConnection: close\r\n\r\n",
            self.path, self.authority
        );
        stream.write_all(request.as_bytes())?;
        let mut reader = Reader::new(Asked::Other, true);
        let mut piece = vec![0; 16 << 10];
        while !reader.is_done() {
            let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
            stream.set_read_timeout(Some(left.ok_or_else(|| other("no answer in time"))?))?;
            match stream.read(&mut piece)? {
                0 if reader.close() => {}
                0 => return Err(other("the connection was closed early")),
                read => drop(reader.read(&piece[..read]).map_err(|error| other(&error.to_string()))?),
            }
        }
        match reader.status() {
            200 => Ok(content(&reader.into_bytes())),
            status => Err(other(&format!("status {status}"))),
        }
    }
}

impl Felt {
    /// The first and the last look at something.
    fn ends<T: Copy>(&self, of: impl Fn(&Look) -> Option<T>) -> Option<(T, T)> {
        let mut seen = self.looks.iter().filter_map(of);
        let first = seen.next()?;
        Some((first, seen.next_back().unwrap_or(first)))
    }

    fn most(&self, of: impl Fn(&Look) -> Option<u64>) -> Option<u64> {
        self.looks.iter().filter_map(of).max()
    }

    /// The process's figures.
    pub fn process(&self, answered: u64) -> Option<run::TargetProcess> {
        let (first, last) = self.ends(|look| look.process)?;
        let (begin, end) = self.ends(|look| look.details).unwrap_or_default();
        let per = |after: u64, before: u64| after.saturating_sub(before) as f64 / answered.max(1) as f64;
        let switches = |details: &process::Details| details.voluntary_switches + details.involuntary_switches;
        Some(run::TargetProcess {
            pid: self.pid?,
            rss_start: first.rss,
            rss_peak: last.rss_peak,
            rss_peak_seen: self.most(|look| Some(look.process?.rss)).unwrap_or(0),
            rss_end: last.rss,
            pss_start: begin.pss,
            pss_peak: self.most(|look| look.details?.pss),
            pss_end: end.pss,
            cpu_us_per_request: per(last.cpu_us(), first.cpu_us()),
            cpu_user_us: last.cpu_user_us.saturating_sub(first.cpu_user_us),
            cpu_system_us: last.cpu_system_us.saturating_sub(first.cpu_system_us),
            context_switches_per_request: per(switches(&end), switches(&begin)),
            voluntary_switches_per_request: per(end.voluntary_switches, begin.voluntary_switches),
            involuntary_switches_per_request: per(end.involuntary_switches, begin.involuntary_switches),
            run_queue_us_per_request: per(end.run_queue_us, begin.run_queue_us),
            threads: last.threads,
            threads_peak: self.most(|look| Some(look.process?.threads)).unwrap_or(0),
            minor_faults: last.minor_faults.saturating_sub(first.minor_faults),
            major_faults: last.major_faults.saturating_sub(first.major_faults),
            descriptors_peak: self.most(|look| look.details?.descriptors),
            sockets_peak: self.most(|look| look.details?.sockets),
        })
    }

    /// The cgroup's figures.
    pub fn cgroup(&self, answered: u64) -> Option<run::TargetCgroup> {
        let (first, last) = self.ends(|look| look.cgroup)?;
        let since = |of: fn(&cgroup::Sample) -> Option<u64>| Some(of(&last)?.saturating_sub(of(&first)?));
        let cpu_us = since(|sample| sample.cpu_us);
        Some(run::TargetCgroup {
            path: self.cgroup.clone()?,
            memory_start: first.memory,
            memory_peak: last.memory_peak,
            memory_peak_seen: self.most(|look| look.cgroup?.memory),
            memory_end: last.memory,
            cpu_us_per_request: cpu_us.map(|us| us as f64 / answered.max(1) as f64),
            cpu_user_us: since(|sample| sample.cpu_user_us),
            cpu_system_us: since(|sample| sample.cpu_system_us),
            periods: since(|sample| sample.periods),
            throttled_periods: since(|sample| sample.throttled_periods),
            throttled_us: since(|sample| sample.throttled_us),
            oom_kills: since(|sample| sample.oom_kills),
        })
    }

    /// The runtime's figures.
    pub fn runtime(&self, answered: u64) -> Option<run::TargetRuntime> {
        let ((from, first), (to, last)) = self.runtime.first().copied().zip(self.runtime.last().copied())?;
        let since = |of: fn(&runtime::Sample) -> Option<f64>| Some((of(&last)? - of(&first)?).max(0.0));
        let per = |amount: Option<f64>| amount.map(|amount| amount / answered.max(1) as f64);
        let seconds = to.saturating_sub(from) as f64 / 1e9;
        let allocated = since(|sample| sample.allocated);
        Some(run::TargetRuntime {
            heap_start: first.heap,
            heap_peak_seen: self.runtime.iter().filter_map(|(_, sample)| sample.heap).reduce(f64::max),
            heap_end: last.heap,
            allocated,
            allocation_rate: allocated.filter(|_| seconds > 0.0).map(|bytes| bytes / seconds),
            allocated_per_request: per(allocated),
            allocations_per_request: per(since(|sample| sample.allocations)),
            collections: since(|sample| sample.collections),
            pauses_us: since(|sample| sample.pauses).map(|seconds| seconds * 1e6),
        })
    }

    /// What was felt from one instant to another; none when nothing was looked at in between.
    pub fn between(&self, from: u64, to: u64) -> Option<run::PointTarget> {
        let begin = self.looks.partition_point(|look| look.at < from);
        let end = self.looks.partition_point(|look| look.at < to);
        let inside = self.looks.get(begin..end).filter(|looks| !looks.is_empty())?;
        let before = self.looks.get(begin.saturating_sub(1))?;
        let last = inside.last()?;
        let us = last.at.saturating_sub(before.at) as f64 / 1e3;
        let cores = |cpu: Option<u64>| cpu.filter(|_| us > 0.0).map(|cpu| cpu as f64 / us);
        let since = |of: &dyn Fn(&Look) -> Option<u64>| Some(of(last)?.saturating_sub(of(before)?));
        let heaps = self.runtime.iter().filter(|(at, _)| (from..to).contains(at));
        Some(run::PointTarget {
            rss: inside.iter().filter_map(|look| Some(look.process?.rss)).max(),
            cpu: cores(since(&|look| Some(look.process?.cpu_us()))),
            threads: last.process.map(|process| process.threads),
            memory: inside.iter().filter_map(|look| look.cgroup?.memory).max(),
            group_cpu: cores(since(&|look| look.cgroup?.cpu_us)),
            throttled_us: since(&|look| look.cgroup?.throttled_us),
            heap: heaps.filter_map(|(_, sample)| sample.heap).reduce(f64::max),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinned_out_looks_still_tell_of_the_whole_run() {
        let mut seen: Vec<usize> = (0..LOOKS_MAX).collect();
        every_other(&mut seen);
        assert_eq!((seen.len(), seen[0], seen[seen.len() - 1]), (LOOKS_MAX / 2, 0, LOOKS_MAX - 2));
    }
}
