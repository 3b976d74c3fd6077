//! Results of shards -> the result of the whole: counts are added, distributions merged, nothing is averaged.

use std::collections::{BTreeMap, BTreeSet};

use crate::measure::Histogram;
use crate::measure::statistics::l1_distance;
use crate::run::*;

use super::RunResult;
use super::health;
use super::profile::{Profile, Shard};
use super::summary::share;
use super::{checks, series, slo};

/// Shards that began further apart than this did not make the load of one run.
const APART_US_MAX: u64 = 50_000;

/// Why results cannot be put together. Names are those given with the results.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// There is none.
    #[error("there is no result to merge")]
    Nothing,
    /// A result of another kind of run.
    #[error("{name} is no shard of the same run as {first}: another {what}")]
    Stranger {
        /// The result.
        name: String,
        /// The one it was compared with.
        first: String,
        /// What differs.
        what: &'static str,
    },
    /// The same part twice.
    #[error("{name} and {first} are both shard {shard}: its requests would count twice")]
    Twice {
        /// The result.
        name: String,
        /// The other one.
        first: String,
        /// The part.
        shard: Shard,
    },
    /// A result that was merged before.
    #[error("{0} is the result of a merge; merge all shards at once")]
    Merged(String),
    /// A distribution that cannot be read.
    #[error("{0}: a histogram cannot be read; was the file edited?")]
    Histogram(String),
}

/// The result of a whole run, from those of its shards and their names.
///
/// # Errors
/// Results that do not belong together, or that hold no histograms.
pub fn merge(shards: &[(String, RunResult)]) -> Result<RunResult, MergeError> {
    let ((first_name, first), rest) = shards.split_first().ok_or(MergeError::Nothing)?;
    for (name, run) in rest {
        if let Some(what) = difference(first, run) {
            return Err(MergeError::Stranger { name: name.clone(), first: first_name.clone(), what });
        }
    }
    let parts = parts(shards)?;
    let whole = Whole::of(shards)?;
    let invalid_because: Vec<String> = each(shards, |run| &run.invalid_because).chain(parts.missing()).collect();
    let runs = || shards.iter().map(|(_, run)| run);
    let start = runs().map(|run| run.started_unix_us).min().unwrap_or(0);
    let end = runs().map(|run| (run.started_unix_us - start) as f64 / 1e6 + run.seconds).fold(0.0, f64::max);
    let requests = requests(shards.iter().map(|(_, run)| &run.requests));
    let sum = |of: fn(&RunResult) -> u64| total(shards.iter().map(|(_, run)| of(run)));
    let compared = sum(|run| run.workload.compared);
    let agreed = sum(|run| run.workload.agreed);
    let endpoints = endpoints(shards)?;
    let intended = intended(shards, start);
    let mut result = RunResult {
        saturation: None,
        standin: env!("CARGO_PKG_VERSION").into(),
        schema: SCHEMA,
        target: first.target.clone(),
        mode: first.mode.clone(),
        profile: Profile { shard: None, ..first.profile.clone() },
        valid: invalid_because.is_empty(),
        invalid_because,
        warnings: each(shards, |run| &run.warnings).chain(apart(shards)).collect(),
        started_unix_us: start,
        seconds: end,
        intended_us: intended,
        offered_rps: rate(total(endpoints.iter().map(|endpoint| endpoint.requests)), intended),
        achieved_rps: if end > 0.0 { requests.answered as f64 / end } else { 0.0 },
        websocket: runs().filter_map(|run| run.websocket).reduce(|a, b| a.and(b)),
        status: added(runs().map(|run| &run.status)),
        grpc: added(runs().map(|run| &run.grpc)),
        bytes: Bytes { sent: sum(|run| run.bytes.sent), received: sum(|run| run.bytes.received) },
        connections: Connections {
            opened: sum(|run| run.connections.opened),
            reopened: sum(|run| run.connections.reopened),
        },
        response_time_us: whole.response.percentiles(),
        service_time_us: whole.service.percentiles(),
        lateness_us: whole.lateness.percentiles(),
        correlation: Correlation {
            edges: sum(|run| run.correlation.edges),
            substituted: sum(|run| run.correlation.substituted),
            missed: sum(|run| run.correlation.missed),
        },
        workload: Likeness {
            // The gaps between requests of different shards are in no shard's figures.
            interarrival_ks: if shards.len() == 1 { first.workload.interarrival_ks } else { None },
            status_agreement: share(agreed, compared),
            compared,
            agreed,
            endpoint_l1: mix_distance(&endpoints),
        },
        generator: health::merged(runs().map(|run| (run.generator, run.requests.sent)), &whole.lateness),
        // What the shards saw of the target is with each of them: it is the same target.
        target_process: None,
        target_cgroup: None,
        target_runtime: None,
        not_measured: BTreeMap::new(),
        series: series::merged(&runs().map(|run| (run, run.started_unix_us - start)).collect::<Vec<_>>()),
        histograms: Histograms {
            response: whole.response.to_base64(),
            service: whole.service.to_base64(),
            lateness: whole.lateness.to_base64(),
        },
        warmup: warmup(shards)?,
        requests,
        endpoints,
        capture_digest: first.capture_digest.clone(),
        shards: shards.iter().map(|(_, run)| shard_result(run)).collect(),
        checks: checks::merged(&runs().map(|run| run.checks.as_slice()).collect::<Vec<_>>()),
        slo: Vec::new(),
        marker: None,
    };
    result.slo = slo::judge(&result);
    Ok(result)
}

/// What makes two results parts of different runs.
fn difference(a: &RunResult, b: &RunResult) -> Option<&'static str> {
    let whole = |run: &RunResult| Profile { shard: None, ..run.profile.clone() };
    let of = |run: &RunResult| run.profile.shard.map_or(1, |shard| shard.of);
    let differences = [
        (a.standin != b.standin || a.schema != b.schema, "version of standin"),
        (a.mode != b.mode, "mode"),
        (a.target != b.target, "target"),
        (of(a) != of(b), "number of shards"),
        (whole(a) != whole(b), "profile"),
        (a.capture_digest != b.capture_digest, "capture"),
    ];
    differences.into_iter().find(|(differ, _)| *differ).map(|(_, what)| what)
}

/// Which parts of the whole there are.
struct Parts {
    of: u64,
    there: BTreeSet<u64>,
}

impl Parts {
    /// A complaint about parts that are not there.
    fn missing(&self) -> Option<String> {
        let missing = self.of - self.there.len() as u64;
        let first = (0..self.of).find(|index| !self.there.contains(index))?;
        Some(format!("{missing} of {} shards are missing, {first}/{} first", self.of, self.of))
    }
}

fn parts(shards: &[(String, RunResult)]) -> Result<Parts, MergeError> {
    let mut seen: BTreeMap<u64, &str> = BTreeMap::new();
    let mut of = 1;
    for (name, run) in shards {
        if !run.shards.is_empty() {
            return Err(MergeError::Merged(name.clone()));
        }
        let shard = shard(run);
        of = shard.of;
        if let Some(first) = seen.insert(shard.index, name) {
            return Err(MergeError::Twice { name: name.clone(), first: first.into(), shard });
        }
    }
    Ok(Parts { of, there: seen.into_keys().collect() })
}

/// The part that a result is of; a run that is no shard is the only one.
fn shard(run: &RunResult) -> Shard {
    run.profile.shard.unwrap_or(Shard { index: 0, of: 1 })
}

/// The texts of all shards, each with the shard that it is about.
fn each<'a>(
    shards: &'a [(String, RunResult)],
    texts: impl Fn(&RunResult) -> &Vec<String> + 'a,
) -> impl Iterator<Item = String> + 'a {
    shards.iter().flat_map(move |(_, run)| {
        let shard = shard(run);
        texts(run).iter().map(|text| format!("shard {shard}: {text}")).collect::<Vec<_>>()
    })
}

/// A warning when the shards did not start together.
fn apart(shards: &[(String, RunResult)]) -> Option<String> {
    let starts = shards.iter().map(|(_, run)| run.started_unix_us);
    let apart = starts.clone().max()? - starts.min()?;
    (apart > APART_US_MAX).then(|| {
        format!(
            "the shards began up to {:.3} s apart by their clocks, so together they were not the load of one run; give all the same `--start-at`",
            apart as f64 / 1e6
        )
    })
}

/// The distributions of all shards together.
struct Whole {
    response: Histogram,
    service: Histogram,
    lateness: Histogram,
}

impl Whole {
    fn of(shards: &[(String, RunResult)]) -> Result<Whole, MergeError> {
        Ok(Whole {
            response: merged(shards.iter().map(|(name, run)| (name, &run.histograms.response)))?,
            service: merged(shards.iter().map(|(name, run)| (name, &run.histograms.service)))?,
            lateness: merged(shards.iter().map(|(name, run)| (name, &run.histograms.lateness)))?,
        })
    }
}

fn merged<'a>(texts: impl Iterator<Item = (&'a String, &'a String)>) -> Result<Histogram, MergeError> {
    let mut whole = Histogram::new();
    for (name, text) in texts {
        whole.merge(&Histogram::from_base64(text).map_err(|_| MergeError::Histogram(name.clone()))?);
    }
    Ok(whole)
}

/// A sum; a file that was edited can at most make it stand still.
fn total(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

fn added<'a, K: Ord + Clone + 'a>(counts: impl Iterator<Item = &'a BTreeMap<K, u64>>) -> BTreeMap<K, u64> {
    let mut whole = BTreeMap::new();
    for (key, n) in counts.flatten() {
        let count: &mut u64 = whole.entry(key.clone()).or_default();
        *count = count.saturating_add(*n);
    }
    whole
}

fn requests<'a>(parts: impl Iterator<Item = &'a Requests> + Clone) -> Requests {
    let sum = |of: fn(&Requests) -> u64| total(parts.clone().map(of));
    Requests {
        planned: sum(|requests| requests.planned),
        sent: sum(|requests| requests.sent),
        answered: sum(|requests| requests.answered),
        held: sum(|requests| requests.held),
        errors: sum(|requests| requests.errors),
        failed: added(parts.clone().map(|requests| &requests.failed)),
    }
}

/// The warm-ups of all shards.
fn warmup(shards: &[(String, RunResult)]) -> Result<Option<Warmup>, MergeError> {
    let parts: Vec<(&String, &Warmup)> =
        shards.iter().filter_map(|(name, run)| Some((name, run.warmup.as_ref()?))).collect();
    if parts.is_empty() {
        return Ok(None);
    }
    let all = || parts.iter().map(|(_, part)| *part);
    let whole = |of: fn(&Warmup) -> &String| merged(parts.iter().map(|(name, part)| (*name, of(part))));
    let response = whole(|part| &part.histograms.response)?;
    let service = whole(|part| &part.histograms.service)?;
    let lateness = whole(|part| &part.histograms.lateness)?;
    Ok(Some(Warmup {
        seconds: all().map(|part| part.seconds).fold(0.0, f64::max),
        requests: requests(all().map(|part| &part.requests)),
        status: added(all().map(|part| &part.status)),
        compared: total(all().map(|part| part.compared)),
        agreed: total(all().map(|part| part.agreed)),
        response_time_us: response.percentiles(),
        service_time_us: service.percentiles(),
        lateness_us: lateness.percentiles(),
        histograms: Histograms {
            response: response.to_base64(),
            service: service.to_base64(),
            lateness: lateness.to_base64(),
        },
    }))
}

/// What of an endpoint's counts belongs to the warm-ups of all shards.
fn warmup_counts(parts: &[(&String, &Endpoint)]) -> Option<WarmupCounts> {
    let warm: Vec<WarmupCounts> = parts.iter().filter_map(|(_, part)| part.warmup).collect();
    let sum = |of: fn(&WarmupCounts) -> u64| total(warm.iter().map(of));
    (!warm.is_empty()).then(|| WarmupCounts {
        requests: sum(|part| part.requests),
        answered: sum(|part| part.answered),
        failed: sum(|part| part.failed),
        errors: sum(|part| part.errors),
        compared: sum(|part| part.compared),
        agreed: sum(|part| part.agreed),
    })
}

/// The first and the last intended instant of all, from the earliest start.
fn intended(shards: &[(String, RunResult)], start: u64) -> Option<Window> {
    let windows = shards.iter().filter_map(|(_, run)| {
        let (window, later) = (run.intended_us?, run.started_unix_us - start);
        Some(Window { first: window.first.saturating_add(later), last: window.last.saturating_add(later) })
    });
    windows.reduce(|a, b| Window { first: a.first.min(b.first), last: a.last.max(b.last) })
}

/// Requests per second as intended.
fn rate(requests: u64, intended: Option<Window>) -> f64 {
    match intended {
        Some(Window { first, last }) if last > first && requests > 1 => {
            (requests - 1) as f64 * 1e6 / (last - first) as f64
        }
        _ => 0.0,
    }
}

fn mix_distance(endpoints: &[Endpoint]) -> Option<f64> {
    let counts = |of: fn(&Endpoint) -> u64| -> BTreeMap<usize, u64> {
        (0..).zip(endpoints).map(|(n, endpoint)| (n, of(endpoint))).collect()
    };
    l1_distance(&counts(|endpoint| endpoint.captured), &counts(|endpoint| endpoint.answered))
}

/// The endpoints of all shards, in the order in which they are met.
fn endpoints(shards: &[(String, RunResult)]) -> Result<Vec<Endpoint>, MergeError> {
    let mut order: Vec<&str> = Vec::new();
    let mut groups: BTreeMap<&str, Vec<(&String, &Endpoint)>> = BTreeMap::new();
    for (name, run) in shards {
        for endpoint in &run.endpoints {
            let group = groups.entry(&endpoint.endpoint).or_default();
            if group.is_empty() {
                order.push(&endpoint.endpoint);
            }
            group.push((name, endpoint));
        }
    }
    order.into_iter().map(|endpoint| one_endpoint(&groups[endpoint])).collect()
}

fn one_endpoint(parts: &[(&String, &Endpoint)]) -> Result<Endpoint, MergeError> {
    let sum = |of: fn(&Endpoint) -> u64| total(parts.iter().map(|(_, part)| of(part)));
    let response = merged(parts.iter().map(|(name, part)| (*name, &part.histograms.response)))?;
    let service = merged(parts.iter().map(|(name, part)| (*name, &part.histograms.service)))?;
    let (compared, agreed) = (sum(|part| part.compared), sum(|part| part.agreed));
    Ok(Endpoint {
        endpoint: parts.first().map(|(_, part)| part.endpoint.clone()).unwrap_or_default(),
        requests: sum(|part| part.requests),
        answered: sum(|part| part.answered),
        failed: sum(|part| part.failed),
        errors: sum(|part| part.errors),
        status: added(parts.iter().map(|(_, part)| &part.status)),
        status_agreement: share(agreed, compared),
        compared,
        agreed,
        captured: sum(|part| part.captured),
        warmup: warmup_counts(parts),
        response_time_us: response.percentiles(),
        service_time_us: service.percentiles(),
        histograms: EndpointHistograms { response: response.to_base64(), service: service.to_base64() },
    })
}

fn shard_result(run: &RunResult) -> ShardResult {
    ShardResult {
        shard: shard(run).to_string(),
        started_unix_us: run.started_unix_us,
        seconds: run.seconds,
        valid: run.valid,
        answered: run.requests.answered,
        lateness_us: run.lateness_us,
        workload: run.workload,
        generator: run.generator,
        target_process: run.target_process,
    }
}
