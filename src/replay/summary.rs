//! From counts to a result and a verdict on the run itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::limits::{RESPONSE_BYTES_KEPT, TAPE_BYTES_MAX};
use crate::measure::statistics::{ks_distance, l1_distance};
use crate::run::*;
use crate::workload::LeftOut;

use super::RunResult;
use super::dealing::Dealt;
use super::felt::Felt;
use super::health::Demand;
use super::pacer::now;
use super::profile::Mode;
use super::series::series;
use super::slo;
use super::tally::{EndpointTally, Pace, Tally};
use super::worker::Run;

/// Least share of a rate that is still that rate.
const RATE_SHARE_MIN: f64 = 0.95;
/// How it begins to be told that who reads was too slow for who sends.
pub const UNREAD: &str = "the capture was not read fast enough";
/// How it begins to be told that the target, not the generator, made the rate fall short.
pub const NOT_KEPT: &str = "the target did not keep up with the rate";
/// Requests under which a rate says nothing.
const RATE_REQUESTS_MIN: u64 = 20;
/// Share of the requests that waited for `max-rate`, from which on that is why the run was late.
const RESTRAINED_SHARE: f64 = 0.01;
/// Share of the time that connections of a closed loop may have nothing to send: more is a warning, and the generator's
/// fault where the capture is not read fast enough.
const STARVED_SHARE: f64 = 0.1;
/// Share of values that may be missed without a warning.
const MISSED_SHARE: f64 = 0.1;

/// The result of a run, with what the target felt.
pub fn summary(run: &Run, url: String, tally: Tally, dealt: &Dealt, felt: &Felt) -> RunResult {
    let seconds = tally.last.saturating_sub(run.start) as f64 / 1e9;
    let offered_rps = rate(tally.planned, tally.intended);
    let invalid_because = invalid_because(run, &tally, seconds);
    let mut result = RunResult {
        standin: env!("CARGO_PKG_VERSION").into(),
        schema: SCHEMA,
        target: url,
        mode: mode_name(run.profile.mode).into(),
        profile: run.profile.clone(),
        valid: invalid_because.is_empty(),
        invalid_because,
        warnings: warnings(run, &tally, dealt, seconds),
        started_unix_us: unix_us(run.start),
        checks: run.checks.results(&tally.checks),
        slo: Vec::new(),
        saturation: None,
        marker: run.edits.marker(),
        seconds,
        intended_us: tally.intended.map(|(first, last)| Window {
            first: first.saturating_sub(run.start) / 1000,
            last: last.saturating_sub(run.start) / 1000,
        }),
        status: statuses(&tally.status),
        grpc: tally.grpc.iter().map(|(code, n)| (code.to_string(), *n)).collect(),
        bytes: Bytes { sent: tally.bytes_sent, received: tally.bytes_received },
        connections: Connections { opened: tally.connections_opened, reopened: tally.reconnects },
        websocket: tally.websocket.result(),
        offered_rps,
        achieved_rps: if seconds > 0.0 { tally.answered as f64 / seconds } else { 0.0 },
        response_time_us: tally.response.percentiles(),
        service_time_us: tally.service.percentiles(),
        lateness_us: tally.lateness.percentiles(),
        correlation: Correlation { edges: dealt.met.edges, substituted: tally.substituted, missed: tally.missed },
        workload: likeness(run, &tally, dealt),
        generator: tally.health.figures(&tally.lateness, tally.sent),
        target_process: felt.process(tally.answered),
        target_cgroup: felt.cgroup(tally.answered),
        target_runtime: felt.runtime(tally.answered),
        not_measured: felt.not_measured.clone(),
        series: series(&tally.windows, run.start, run.profile.warmup.0, felt),
        histograms: histograms(&tally),
        endpoints: endpoints(run, &tally, dealt),
        capture_digest: dealt.met.digest.clone(),
        shards: Vec::new(),
        warmup: warmup(run, &tally, seconds),
        requests: requests(&tally),
    };
    result.slo = slo::judge(&result);
    result
}

fn requests(tally: &Tally) -> Requests {
    Requests {
        planned: tally.planned,
        sent: tally.sent,
        answered: tally.answered,
        held: tally.held,
        errors: tally.errors,
        failed: tally.failed.clone(),
    }
}

/// What came before the measured part, when the profile has a warm-up.
fn warmup(run: &Run, tally: &Tally, seconds: f64) -> Option<Warmup> {
    let lasts = run.profile.warmup.0.as_secs_f64();
    let nothing = Tally::default();
    let warm = tally.warm.as_deref().unwrap_or(&nothing);
    (lasts > 0.0).then(|| Warmup {
        seconds: lasts.min(seconds),
        requests: requests(warm),
        status: statuses(&warm.status),
        compared: warm.compared,
        agreed: warm.agreed,
        response_time_us: warm.response.percentiles(),
        service_time_us: warm.service.percentiles(),
        lateness_us: warm.lateness.percentiles(),
        histograms: histograms(warm),
    })
}

fn histograms(tally: &Tally) -> Histograms {
    Histograms {
        response: tally.response.to_base64(),
        service: tally.service.to_base64(),
        lateness: tally.lateness.to_base64(),
    }
}

/// A mode's name, as in profiles.
pub fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Captured => "captured",
        Mode::Sessions => "sessions",
        Mode::Closed => "closed",
        Mode::Rate => "rate",
        Mode::Saturate => "saturate",
    }
}

fn statuses(counts: &BTreeMap<u16, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(status, n)| (status.to_string(), *n)).collect()
}

pub(super) fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

/// Every endpoint that was asked, or might have been.
fn endpoints(run: &Run, tally: &Tally, dealt: &Dealt) -> Vec<Endpoint> {
    let captured = &dealt.met.mix;
    let nothing = EndpointTally::default();
    let numbers: BTreeSet<u32> = captured.keys().chain(tally.endpoints.keys()).copied().collect();
    let result = |n: u32| {
        let captured = captured.get(&n).copied().unwrap_or(0);
        let result = endpoint_result(&run.endpoints.name(n), captured, tally.endpoints.get(&n).unwrap_or(&nothing));
        let warm = tally.warm.as_ref().map(|warm| warm.endpoints.get(&n).unwrap_or(&nothing).warm());
        Endpoint { warmup: warm, ..result }
    };
    numbers.into_iter().map(result).collect()
}

fn endpoint_result(name: &str, captured: u64, tally: &EndpointTally) -> Endpoint {
    Endpoint {
        endpoint: name.into(),
        requests: tally.requests,
        answered: tally.answered,
        failed: tally.failed,
        errors: tally.errors,
        status: statuses(&tally.status),
        status_agreement: share(tally.agreed, tally.compared),
        compared: tally.compared,
        agreed: tally.agreed,
        captured,
        warmup: None,
        response_time_us: tally.response.percentiles(),
        service_time_us: tally.service.percentiles(),
        histograms: EndpointHistograms { response: tally.response.to_base64(), service: tally.service.to_base64() },
    }
}

/// An instant of the monotonic clock as microseconds since 1970.
fn unix_us(instant: u64) -> u64 {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let at = wall as i128 + i128::from(instant) - i128::from(now());
    u64::try_from(at / 1000).unwrap_or(0)
}

/// So many things in a time, from the first to the last.
fn rate(n: u64, span: Option<(u64, u64)>) -> f64 {
    match span {
        Some((first, last)) if last > first && n > 1 => (n - 1) as f64 * 1e9 / (last - first) as f64,
        _ => 0.0,
    }
}

/// What was measured of the counts, the warm-up left out.
fn measured(tally: &Tally, of: impl Fn(&Tally) -> u64) -> u64 {
    of(tally) - tally.warm.as_deref().map_or(0, &of)
}

/// What the generator did not do in time.
fn own_faults(run: &Run, tally: &Tally) -> Vec<String> {
    let restrained = tally.restrained as f64 > tally.planned as f64 * RESTRAINED_SHARE;
    let demand = Demand { max_lateness: run.profile.max_lateness.0, restrained, reordered: run.profile.reorders() };
    let own = tally.health.faults([&tally.lateness, &tally.sender_lateness], demand);
    shortfall(run, tally).behind(restrained).into_iter().chain(own).collect()
}

fn invalid_because(run: &Run, tally: &Tally, seconds: f64) -> Vec<String> {
    let answered = measured(tally, |tally| tally.answered);
    let unanswered = match tally.answered {
        0 => "no request was answered",
        _ => "no request was answered after the warm-up",
    };
    let unread = share_of_connections(run, tally.unread_ns, seconds);
    let reasons = [
        (answered == 0, unanswered.to_owned()),
        (
            run.governor.is_aborted(),
            format!("aborted: more than {:.0} % of the recent requests failed", run.profile.abort_error_rate * 100.0),
        ),
        (
            run.governor.is_down(),
            format!("aborted: the target is down, it took no connection for {} (`max-down`)", run.profile.max_down),
        ),
        (run.governor.is_cancelled(), "cancelled before its end".to_owned()),
        (
            unread > STARVED_SHARE,
            format!(
                "{UNREAD}: for {:.0} % of the time connections had nothing to send; give the generator a free core, or a capture that fits into memory ({} MiB of requests)",
                unread * 100.0,
                TAPE_BYTES_MAX >> 20
            ),
        ),
    ];
    let reasons = reasons.into_iter().filter(|(holds, _)| *holds).map(|(_, why)| why);
    reasons.chain(own_faults(run, tally)).collect()
}

/// The rates, requests per second, that requests of a mode with a schedule were meant to have, could have, and had.
#[derive(Clone, Copy, Debug, Default)]
struct Shortfall {
    intended: f64,
    due: f64,
    written: f64,
}

fn shortfall(run: &Run, tally: &Tally) -> Shortfall {
    let Pace { requests, intended, due, written } = tally.pace;
    let is_open = matches!(run.profile.mode, Mode::Rate | Mode::Captured);
    match is_open && requests >= RATE_REQUESTS_MIN {
        true => {
            Shortfall { intended: rate(requests, intended), due: rate(requests, due), written: rate(requests, written) }
        }
        false => Shortfall::default(),
    }
}

impl Shortfall {
    /// The generator's part: what nothing of the target's kept back was not written in time.
    fn behind(&self, restrained: bool) -> Option<String> {
        let Shortfall { due, written, .. } = self;
        let cure = if restrained { "; the schedule asks for more than `max-rate`" } else { "" };
        (*written < due * RATE_SHARE_MIN).then(|| {
            format!("the generator fell behind: {written:.1} requests/s written of {due:.1} that the target left it free to write{cure}")
        })
    }

    /// The target's part.
    fn held(&self, held: u64) -> Option<String> {
        let Shortfall { intended, due, .. } = self;
        (*due < intended * RATE_SHARE_MIN).then(|| {
            format!(
                "{NOT_KEPT}: {due:.1} requests/s of {intended:.1} could be written, for {held} requests had to wait for an answer before them, a connection or a value"
            )
        })
    }
}

/// What the target kept from being sent: a finding about it, no fault of the run.
fn kept_back(run: &Run, tally: &Tally) -> impl Iterator<Item = String> {
    let failed = |failure: Failure| measured(tally, |tally| tally.failed.get(&failure).copied().unwrap_or(0));
    let (capped, unsent) = (failed(Failure::Cap), failed(Failure::Unsent));
    let capped = (capped > 0).then(|| {
        format!(
            "{capped} requests were not sent (`cap`), for {} were unanswered at a time (`max-in-flight`): they are in no response time",
            run.profile.max_in_flight
        )
    });
    let unsent = (unsent > 0).then(|| {
        format!("{unsent} requests were not sent (`unsent`): the target was so far behind when `duration` was over; they are in no response time")
    });
    // Who writes and reads late holds back whoever comes next on the connection: that says nothing of the target.
    let held = shortfall(run, tally).held(tally.held).filter(|_| own_faults(run, tally).is_empty());
    held.into_iter().chain(capped).chain(unsent)
}

fn warnings(run: &Run, tally: &Tally, dealt: &Dealt, seconds: f64) -> Vec<String> {
    let used = tally.substituted + tally.missed;
    let many = tally.missed as f64 > used as f64 * MISSED_SHARE;
    let missed = many.then(|| {
        format!("{} of {used} values were not found in the live responses and were sent as captured", tally.missed)
    });
    let disagree = tally.agreed * 2 < tally.compared;
    let status =
        disagree.then(|| format!("only {} of {} answers have the captured status", tally.agreed, tally.compared));
    let cut_short = dealt.cut_short.then(|| {
        "the capture came through a pipe and is too long to be kept: it was replayed once only; give a file".to_owned()
    });
    let crowded = dealt.crowded.then(|| {
        "the copies came closer together than `population-spread` says: so much of the capture is not kept for them to wait for".to_owned()
    });
    let LeftOut { incomplete_requests, .. } = dealt.left_out;
    let incomplete = (incomplete_requests > 0).then(|| {
        format!("{incomplete_requests} requests were left out, for the capture does not hold them completely")
    });
    let unsaid = (dealt.met.unsaid > 0).then(|| {
        let unsaid = dealt.met.unsaid;
        format!("{unsaid} WebSocket messages were not sent: a closed loop sends requests only; the other modes send messages")
    });
    let unchecked = run.checks.results(&tally.checks).into_iter().filter(|check| check.unchecked > 0).map(|check| {
        format!(
            "{} answers were not checked ({}), for they or the captured ones are longer than {} MiB",
            check.unchecked,
            check.name,
            RESPONSE_BYTES_KEPT >> 20
        )
    });
    let starved = share_of_connections(run, tally.starved_ns - tally.unread_ns, seconds);
    let idle = (starved > STARVED_SHARE).then(|| {
        format!(
            "the connections had nothing to send for {:.0} % of the time: the capture has too few sessions at a time",
            starved * 100.0
        )
    });
    let own = tally.health.doubts(&tally.lateness, run.profile.max_lateness.0);
    tally
        .warnings
        .iter()
        .cloned()
        .chain(run.route.notes.tell())
        .chain(kept_back(run, tally))
        .chain(own)
        .chain(missed)
        .chain(status)
        .chain(cut_short)
        .chain(crowded)
        .chain(incomplete)
        .chain(unsaid)
        .chain(unchecked)
        .chain(idle)
        .collect()
}

/// Which share of the time of all connections of a closed loop that is.
fn share_of_connections(run: &Run, ns: u64, seconds: f64) -> f64 {
    ns as f64 / (seconds * 1e9 * f64::from(run.profile.users()))
}

/// How like the capture the run was.
fn likeness(run: &Run, tally: &Tally, dealt: &Dealt) -> Likeness {
    let gaps = |mut instants: Vec<u64>, scale: f64| -> Vec<f64> {
        instants.sort_unstable();
        instants.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / scale).collect()
    };
    let on_capture_clock = matches!(run.profile.mode, Mode::Captured | Mode::Sessions);
    let written = tally.arrivals.iter().map(|(written, _)| *written).collect();
    let captured = tally.arrivals.iter().map(|(_, captured)| *captured).collect();
    let answered: BTreeMap<u32, u64> = tally.endpoints.iter().map(|(n, endpoint)| (*n, endpoint.answered)).collect();
    Likeness {
        interarrival_ks: if on_capture_clock {
            ks_distance(gaps(written, 1.0), gaps(captured, run.profile.speed))
        } else {
            None
        },
        status_agreement: share(tally.agreed, tally.compared),
        compared: tally.compared,
        agreed: tally.agreed,
        endpoint_l1: l1_distance(&dealt.met.mix, &answered),
    }
}
