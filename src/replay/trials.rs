//! A search for the highest rate, made of runs.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::run::{Ended, Requests, Saturation, Trial};

use super::curve::Curve;
use super::feed::Feed;
use super::profile::{Mode, Profile, Span};
use super::saturate::search;
use super::slo::Objective;
use super::summary::{NOT_KEPT, UNREAD};
use super::{Options, ReplayError, RunResult, once};

/// The objective of a profile that has none.
const OBJECTIVE: &str = "p99 <= 50ms";
/// Share of the requests that may wait for their connections without a warning.
const HELD_SHARE: f64 = 0.1;
/// After a rate that was too high, the target works off what is left over.
const REST: Duration = Duration::from_millis(300);

/// Searches, with one run at a time.
pub(super) fn saturate(feed: Feed, url: &str, options: &Options) -> Result<RunResult, ReplayError> {
    let profile = with_objectives(&options.profile);
    let mut feed = Some(feed);
    let mut kept: Vec<(f64, RunResult)> = Vec::new();
    let mut last: Option<RunResult> = None;
    let mut number = 0;
    let saturation = search(&profile.saturate, profile.max_rate, |rate| {
        if options.cancel.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let Some(of) = feed.take() else { return Err(ReplayError::Once) };
        number += 1;
        // All trials but the first begin at once.
        let start_at = options.start_at.filter(|_| number == 1);
        let options = Options { profile: at(&profile, rate, number), start_at, ..options.clone() };
        let (result, again) = once(of, url, &options)?;
        feed = again;
        let trial = judged(rate, &result);
        if result.invalid_because.iter().any(|why| why.starts_with("cancelled")) {
            last = Some(result);
            return Ok(None);
        }
        if trial.kept && !trial.generator_late {
            kept.retain(|(known, _)| *known != rate);
            kept.push((rate, result));
        } else {
            last = Some(result);
            std::thread::sleep(REST);
        }
        Ok(Some(trial))
    })?;
    let Some(mut result) = at_rate(kept, saturation.rps).or(last) else { return Err(ReplayError::Nothing(false)) };
    let objectives = profile.slo.iter().map(Objective::to_string).collect();
    let why = match saturation.ended {
        Ended::Found => None,
        Ended::MaxRate => Some("no rate up to `max-rate` was too high: raise it, if the target may be loaded more"),
        Ended::TooLow => Some("not even the first rate was kept: begin lower (`saturate.from`)"),
        Ended::Generator => {
            Some("the generator came to its end before the target did; give it a free core, or more threads")
        }
        Ended::Most => Some("the search took more trials than it may (`saturate.most`)"),
        Ended::Cancelled => Some("cancelled before its end"),
    };
    result.warnings.extend(crowded(&result));
    result.mode = "saturate".into();
    result.profile = options.profile.clone();
    result.invalid_because.extend(why.map(str::to_owned));
    result.valid = result.invalid_because.is_empty();
    result.saturation = Some(Saturation { objectives, ..saturation });
    Ok(result)
}

/// The last result that was kept at the rate found. One that was kept by chance at a higher rate is none of it.
fn at_rate(kept: Vec<(f64, RunResult)>, rate: Option<f64>) -> Option<RunResult> {
    kept.into_iter().find(|(known, _)| Some(*known) == rate).map(|(_, result)| result)
}

/// A warning when it is not the target alone that sets the rate.
fn crowded(result: &RunResult) -> Option<String> {
    let share = result.requests.held as f64 / result.requests.sent.max(1) as f64;
    (share > HELD_SHARE).then(|| {
        format!(
            "{:.0} % of the requests waited until the answer before them had freed their captured connection: the target may keep more than this rate from a capture with more connections at a time",
            share * 100.0
        )
    })
}

fn with_objectives(profile: &Profile) -> Profile {
    let mut profile = profile.clone();
    if profile.slo.is_empty() {
        profile.slo.extend(OBJECTIVE.parse::<Objective>());
    }
    profile
}

/// A run of one trial. What is random is so anew in each.
fn at(profile: &Profile, rate: f64, number: u64) -> Profile {
    Profile {
        mode: Mode::Rate,
        rate: Some(rate),
        curve: Curve::default(),
        duration: Some(Span(profile.warmup.0.saturating_add(profile.saturate.trial.0))),
        seed: profile.seed.wrapping_add(number),
        // A rate that is too high ends in failures: that is an answer, not an accident.
        abort_error_rate: 1.0,
        ..profile.clone()
    }
}

fn judged(rate: f64, result: &RunResult) -> Trial {
    // Late, standing still, or without anything to send: what it says of the target is its own.
    let late = |why: &&String| why.starts_with("the generator ") || why.starts_with(UNREAD);
    let mut because: Vec<String> = result.invalid_because.iter().filter(|why| !late(why)).cloned().collect();
    because.extend(result.warnings.iter().filter(|what| what.starts_with(NOT_KEPT)).cloned());
    let missed = result.slo.iter().filter(|slo| !slo.met);
    because.extend(missed.map(|slo| match slo.actual {
        Some(actual) => format!("{} ({actual:.3} {})", slo.objective, slo.unit),
        None => format!("{} (not measured)", slo.objective),
    }));
    let failed = |requests: &Requests| requests.failed.values().sum::<u64>();
    let failed = failed(&result.requests) - result.warmup.as_ref().map_or(0, |warm| failed(&warm.requests));
    if failed > 0 {
        because.push(format!("{failed} requests failed"));
    }
    Trial {
        rps: rate,
        achieved_rps: result.achieved_rps,
        kept: because.is_empty(),
        because,
        p50_us: result.response_time_us.p50 as f64,
        p99_us: result.response_time_us.p99 as f64,
        sent: result.requests.sent,
        generator_late: result.invalid_because.iter().any(|why| late(&why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Slo;

    fn result(invalid_because: &[&str], p99_is_met: bool, held: u64) -> RunResult {
        let mut result = RunResult {
            invalid_because: invalid_because.iter().map(|why| (*why).to_owned()).collect(),
            slo: vec![Slo { objective: "p99 <= 50ms".into(), actual: Some(61.5), unit: "ms".into(), met: p99_is_met }],
            ..RunResult::default()
        };
        (result.requests.sent, result.requests.held) = (100, held);
        result
    }

    #[test]
    fn a_trial_whose_generator_was_not_fit_says_nothing_of_the_target() {
        let late =
            "the generator was late: 1 % of the requests were written 60000 us or more after they should have been";
        let still = "the generator stood still: for 66 ms of the run, up to 66 ms at a time, its threads did not run";
        let unread = "the capture was not read fast enough: 1 % of the requests were written 60000 us or more after";
        for why in [late, still, unread] {
            let trial = judged(100.0, &result(&[why], false, 0));
            assert!(trial.generator_late, "{why}");
            assert_eq!(trial.because, ["p99 <= 50ms (61.500 ms)"]);
        }
        let behind =
            "the generator fell behind: 90.0 requests/s written of 100.0 that the target left it free to write";
        assert!(judged(100.0, &result(&[behind], true, 0)).generator_late);
        let mut short = result(&[], true, 0);
        short.warnings.push(format!("{NOT_KEPT}: 90.0 requests/s of 100.0 could be written"));
        let short = judged(100.0, &short);
        assert!(!short.kept && !short.generator_late && short.because.len() == 1);
        assert!(judged(100.0, &result(&[], true, 0)).kept);
    }

    #[test]
    fn a_trial_has_one_rate() {
        let profile = Profile::parse("test", "{mode: saturate, rate: 5, curve: {ramp: {to: 500, over: 1m}}}").unwrap();
        let trial = at(&profile, 70.0, 3);
        assert_eq!((trial.mode, trial.rate, trial.curve), (Mode::Rate, Some(70.0), Curve::default()));
    }

    #[test]
    fn the_figures_told_are_those_of_the_rate_found() {
        let kept = || [(100.0, 1), (200.0, 2), (150.0, 3)].map(|(rate, held)| (rate, result(&[], true, held))).to_vec();
        assert_eq!(at_rate(kept(), Some(150.0)).unwrap().requests.held, 3);
        assert!(at_rate(kept(), None).is_none() && at_rate(kept(), Some(1.0)).is_none());
    }

    #[test]
    fn who_waits_for_a_connection_does_not_measure_the_target_alone() {
        assert_eq!(crowded(&result(&[], true, 10)), None);
        assert!(crowded(&result(&[], true, 59)).unwrap().starts_with("59 % of the requests waited"));
    }
}
