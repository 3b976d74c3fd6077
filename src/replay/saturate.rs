//! The highest rate at which a target keeps its objectives: found by doubling, then by halving the interval, with repeated
//! trials and an interval of confidence. No clock and no sockets in here.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::run::{Ended, Saturation, Trial};

use super::profile::Span;

/// How to search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Saturate {
    /// Requests per second to begin with.
    pub from: f64,
    /// How long a trial takes, beside the warm-up of each.
    pub trial: Span,
    /// Trials of a rate that decides: the majority says whether it is kept.
    pub repeats: u32,
    /// How far apart the highest rate that was kept and the lowest that was not may be at the end, as a share.
    pub precision: f64,
    /// Trials after which the search ends with what it knows.
    pub most: u32,
}

impl Default for Saturate {
    fn default() -> Saturate {
        Saturate { from: 50.0, trial: Span(std::time::Duration::from_secs(5)), repeats: 3, precision: 0.05, most: 60 }
    }
}

/// Resamples of the trials.
const RESAMPLES: usize = 2000;

/// Searches; `trial` makes one at a rate, or none when somebody asked for the end. `highest`: no rate over it is tried.
pub fn search<E>(
    how: &Saturate,
    highest: f64,
    seed: u64,
    mut trial: impl FnMut(f64) -> Result<Option<Trial>, E>,
) -> Result<Saturation, E> {
    let mut search = Search { how, steps: Vec::new() };
    let (mut low, mut high) = (None, None);
    let mut rate = how.from.min(highest);
    let ended = loop {
        match search.decide(rate, &mut trial)? {
            Verdict::Kept => low = Some(rate),
            Verdict::Missed => high = Some(rate),
            Verdict::Unknown(why) => break why,
        }
        rate = match (low, high) {
            (None, _) => break Ended::TooLow,
            (Some(low), None) if low >= highest => break Ended::MaxRate,
            (Some(low), None) => (low * 2.0).min(highest),
            (Some(low), Some(high)) if high / low - 1.0 <= how.precision => break Ended::Found,
            // The middle of ratios: as many steps from 10 to 20 as from 1000 to 2000.
            (Some(low), Some(high)) => (low * high).sqrt(),
        };
    };
    let ci95 = low.zip(high).map(|(low, high)| interval(&search.steps, low, high, seed));
    Ok(Saturation { rps: low, ci95, objectives: Vec::new(), ended, steps: search.steps })
}

struct Search<'a> {
    how: &'a Saturate,
    steps: Vec<Trial>,
}

enum Verdict {
    Kept,
    Missed,
    Unknown(Ended),
}

impl Search<'_> {
    /// The majority of some trials at a rate; no more than it takes.
    fn decide<E>(&mut self, rate: f64, trial: &mut impl FnMut(f64) -> Result<Option<Trial>, E>) -> Result<Verdict, E> {
        let majority = self.how.repeats / 2 + 1;
        let (mut kept, mut missed, mut late) = (0, 0, 0);
        loop {
            if self.steps.len() as u32 >= self.how.most {
                return Ok(Verdict::Unknown(Ended::Most));
            }
            let Some(step) = trial(rate)? else { return Ok(Verdict::Unknown(Ended::Cancelled)) };
            match (step.generator_late, step.kept) {
                (true, _) => late += 1,
                (false, true) => kept += 1,
                (false, false) => missed += 1,
            }
            self.steps.push(step);
            match () {
                () if kept >= majority => return Ok(Verdict::Kept),
                () if missed >= majority => return Ok(Verdict::Missed),
                // A processor that somebody else took for a moment is not the generator's end.
                () if late > self.how.repeats => return Ok(Verdict::Unknown(Ended::Generator)),
                () => {}
            }
        }
    }
}

/// Bootstrap: where the threshold would have been, had the trials come out as random draws from themselves.
fn interval(steps: &[Trial], low: f64, high: f64, seed: u64) -> [f64; 2] {
    let known: Vec<(f64, bool)> =
        steps.iter().filter(|step| !step.generator_late).map(|step| (step.rps, step.kept)).collect();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut thresholds: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let mut drawn: Vec<(f64, bool)> = known.iter().map(|_| known[rng.random_range(0..known.len())]).collect();
            drawn.sort_by(|a, b| a.0.total_cmp(&b.0));
            threshold(&drawn)
        })
        .collect();
    thresholds.sort_by(f64::total_cmp);
    let at = |share: f64| thresholds[((RESAMPLES - 1) as f64 * share) as usize];
    [at(0.025).min(low), at(0.975).max(high)]
}

/// The rate that tells best those that were kept (below) from those that were not; `drawn` in order of rate.
fn threshold(drawn: &[(f64, bool)]) -> f64 {
    let missed_below = |n: usize| drawn[..n].iter().filter(|(_, kept)| !kept).count();
    let kept_above = |n: usize| drawn[n..].iter().filter(|(_, kept)| *kept).count();
    // A cut between equal rates is none.
    let cuts = (0..=drawn.len()).filter(|&n| n == 0 || n == drawn.len() || drawn[n - 1].0 < drawn[n].0);
    let best = cuts.min_by_key(|&n| missed_below(n) + kept_above(n)).unwrap_or(0);
    match (best.checked_sub(1).map(|n| drawn[n].0), drawn.get(best).map(|next| next.0)) {
        (Some(below), Some(above)) => (below * above).sqrt(),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn trial(rps: f64, kept: bool) -> Trial {
        let because = if kept { Vec::new() } else { vec!["p99".into()] };
        Trial { rps, achieved_rps: rps, kept, because, p50_us: 1.0, p99_us: 2.0, sent: 1, generator_late: false }
    }

    fn found(how: &Saturate, highest: f64, mut keeps: impl FnMut(f64) -> bool) -> Saturation {
        search(how, highest, 1, |rate| Ok::<_, Infallible>(Some(trial(rate, keeps(rate))))).unwrap()
    }

    proptest! {
        /// Whatever the threshold: it is in the interval, the rate found is no more than it and near it.
        #[test]
        fn a_sharp_threshold_is_found(threshold in 60.0f64..15_000.0, precision in 0.02f64..0.2) {
            let how = Saturate { precision, most: 1000, ..Saturate::default() };
            let saturation = found(&how, 20_000.0, |rate| rate <= threshold);
            prop_assert_eq!(saturation.ended, Ended::Found);
            let (rps, [low, high]) = (saturation.rps.unwrap(), saturation.ci95.unwrap());
            prop_assert!(rps <= threshold && threshold <= rps * (1.0 + precision) * 1.000_001, "{rps} {threshold}");
            prop_assert!(low <= threshold && threshold <= high);
            prop_assert!(saturation.steps.iter().all(|step| step.rps <= 20_000.0));
        }

        /// A blurred one, where the odds of keeping a rate fall over some tenth around it.
        #[test]
        fn a_blurred_threshold_is_in_the_interval_or_close(threshold in 100.0f64..8000.0, seed in any::<u64>()) {
            let mut rng = StdRng::seed_from_u64(seed);
            let saturation = found(&Saturate::default(), 20_000.0, |rate| {
                let odds = 1.0 / (1.0 + ((rate / threshold - 1.0) / 0.02).exp());
                rng.random::<f64>() < odds
            });
            let rps = saturation.rps.unwrap();
            prop_assert!((rps / threshold - 1.0).abs() < 0.25, "{rps} {threshold}");
            let [low, high] = saturation.ci95.unwrap();
            prop_assert!(low <= rps && rps <= high);
        }
    }

    /// Whether a service of 4 workers that take 10 ms each, so of 400 requests/s, keeps p99 at 50 ms for 5 s of requests
    /// that come at random. No clock: requests are queued as numbers.
    fn four_workers_keep(rate: f64, rng: &mut StdRng) -> bool {
        const MS: f64 = 1e-3;
        let (mut at, mut free, mut times) = (0.0, [0.0f64; 4], Vec::new());
        while at < 5.0 {
            at -= (1.0 - rng.random::<f64>()).ln() / rate;
            let next = (0..4).min_by(|a, b| free[*a].total_cmp(&free[*b])).unwrap();
            free[next] = free[next].max(at) + 10.0 * MS;
            times.push(free[next] - at);
        }
        times.sort_by(f64::total_cmp);
        times[(times.len() as f64 * 0.99).ceil() as usize - 1] <= 50.0 * MS
    }

    /// The rate that this service keeps in every other trial is 361/s, a tenth below what its workers can do.
    #[test]
    fn a_service_of_known_capacity_is_found_with_the_stated_confidence() {
        const HALF: f64 = 361.0;
        let mut rng = StdRng::seed_from_u64(3);
        let kept = (0..400).filter(|_| four_workers_keep(HALF, &mut rng)).count();
        assert!((140..=260).contains(&kept), "{kept} of 400 trials at the threshold are kept");
        let (mut near, mut inside) = (0, 0);
        for seed in 0..40 {
            let mut rng = StdRng::seed_from_u64(seed);
            let saturation = found(&Saturate::default(), 20_000.0, |rate| four_workers_keep(rate, &mut rng));
            let (rps, [low, high]) = (saturation.rps.unwrap(), saturation.ci95.unwrap());
            near += usize::from((rps / HALF - 1.0).abs() <= 0.1);
            inside += usize::from((low..=high).contains(&HALF));
            assert!(high / low < 1.5, "{low} to {high} says little");
        }
        assert!(near >= 36 && inside >= 33, "of 40 searches {near} are within a tenth, {inside} intervals hold it");
    }

    #[test]
    fn every_end_says_why() {
        let how = Saturate::default();
        let top = found(&how, 400.0, |_| true);
        assert_eq!((top.ended, top.rps, top.ci95), (Ended::MaxRate, Some(400.0), None));
        let none = found(&how, 400.0, |_| false);
        assert_eq!((none.ended, none.rps, none.steps.len()), (Ended::TooLow, None, 2));
        let most = found(&Saturate { most: 7, ..how.clone() }, 1e6, |rate| rate < 777.0);
        assert_eq!((most.ended, most.steps.len()), (Ended::Most, 7));
        let late = search(&how, 1e6, 1, |rate| {
            Ok::<_, Infallible>(Some(Trial { generator_late: rate > 100.0, ..trial(rate, true) }))
        });
        let late = late.unwrap();
        assert_eq!((late.ended, late.rps), (Ended::Generator, Some(100.0)));
        let cancelled = search(&how, 1e6, 1, |_| Ok::<_, Infallible>(None)).unwrap();
        assert_eq!((cancelled.ended, cancelled.rps), (Ended::Cancelled, None));
        assert_eq!(search(&how, 1e6, 1, |_| Err::<Option<Trial>, _>("no")).unwrap_err(), "no");
    }
}
