//! The highest rate at which a target keeps its objectives: doubled until it does not keep one, then narrowed down, with an
//! interval of confidence. No clock and no sockets in here.
//!
//! A trial may be missed though the rate is low enough: somebody else wanted the processor. So no trial closes a door for
//! good: each one weighs, the next is made where the threshold most probably is, and what later trials speak
//! against is given up again.

use serde::{Deserialize, Serialize};

use crate::run::{Ended, Saturation, Trial};

use super::belief::Belief;
use super::profile::Span;

/// How to search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Saturate {
    /// Requests per second to begin with.
    pub from: f64,
    /// How long a trial takes, beside the warm-up of each.
    pub trial: Span,
    /// Trials for each halving of what is left open: so many are made when they contradict each other.
    pub repeats: u32,
    /// How exactly the rate is to be known, as a share of it.
    pub precision: f64,
    /// Trials after which the search ends with what it knows.
    pub most: u32,
}

impl Default for Saturate {
    fn default() -> Saturate {
        Saturate { from: 50.0, trial: Span(std::time::Duration::from_secs(5)), repeats: 3, precision: 0.05, most: 60 }
    }
}

/// How sure an answer is that is told as one.
const CONFIDENCE: f64 = 0.95;
/// How sure it must be that not even the first rate is kept: then nothing at all is found.
const CONFIDENCE_OF_NONE: f64 = 0.99;
/// The ends of an interval of that confidence.
const TAILS: [f64; 2] = [0.025, 0.975];
/// Highest over lowest rate of an interval that says enough, where trials contradict each other.
const INTERVAL_MAX: f64 = 1.5;
/// A rate that was kept and is higher than all before by so much is on the way up, not near the end.
const CLIMB: f64 = 1.4;

/// Searches; `trial` makes one at a rate, or none when somebody asked for the end. `highest`: no rate over it is tried.
pub fn search<E>(
    how: &Saturate,
    highest: f64,
    mut trial: impl FnMut(f64) -> Result<Option<Trial>, E>,
) -> Result<Saturation, E> {
    let mut search = Search::new(how, highest);
    let ended = loop {
        if search.steps.len() as u32 >= how.most {
            break Ended::Most;
        }
        let Some(step) = trial(search.next())? else { break Ended::Cancelled };
        search.take(step);
        if let Some(ended) = search.end() {
            break ended;
        }
    };
    Ok(search.result(ended))
}

struct Search<'a> {
    how: &'a Saturate,
    /// The first rate, and the last one to be tried.
    from: f64,
    highest: f64,
    belief: Belief,
    steps: Vec<Trial>,
    /// The highest rate that was kept in some trial.
    top: Option<f64>,
    /// Trials since the rate went up.
    narrowing: u32,
    /// Trials in a row whose generator was not fit.
    late: u32,
    /// What it was not fit for is not tried again at once, but half as far above what it was.
    fit: f64,
}

impl Search<'_> {
    fn new(how: &Saturate, highest: f64) -> Search<'_> {
        let from = how.from.min(highest);
        // It may also be lower than the first rate, or higher than the last.
        let belief = Belief::between(from / 2.0, highest * 2.0, how.precision);
        Search { how, from, highest, belief, steps: Vec::new(), top: None, narrowing: 0, late: 0, fit: highest }
    }

    /// The rate to try: where the threshold is as probably above as below. The target is not asked for more than twice what
    /// it is known to keep.
    fn next(&self) -> f64 {
        let most = self.top.map_or(self.from, |top| top * 2.0).min(self.fit);
        self.belief.quantile(0.5).clamp(self.from, most)
    }

    fn take(&mut self, step: Trial) {
        if step.generator_late {
            self.late += 1;
            self.fit = (self.top.unwrap_or(self.from) * step.rps).sqrt();
        } else {
            (self.late, self.fit) = (0, self.highest);
            self.narrowing += 1;
            self.belief.learn(step.rps, step.kept);
            let top = self.top.unwrap_or(0.0);
            if step.kept && step.rps > top * CLIMB {
                self.narrowing = 0;
            }
            if step.kept && step.rps > top {
                self.top = Some(step.rps);
            }
        }
        self.steps.push(step);
    }

    /// Whether enough is known.
    fn end(&self) -> Option<Ended> {
        // A processor that somebody else took for a moment is not the generator's end.
        if self.late > self.how.repeats {
            return Some(Ended::Generator);
        }
        if self.belief.under(self.from) >= CONFIDENCE_OF_NONE {
            return Some(Ended::TooLow);
        }
        if self.top.is_some_and(|top| top >= self.highest) && self.belief.under(self.highest) <= 1.0 - CONFIDENCE {
            return Some(Ended::MaxRate);
        }
        let found = self.found()?;
        let [low, high] = self.interval(found);
        let exact = 1.0 + self.how.precision;
        let above = self.rates(|step| step.rps > self.belief.quantile(0.5)).min_by(f64::total_cmp);
        let is_exact = above.is_some_and(|above| above <= found * exact) && high <= low * exact * exact;
        let is_enough = self.narrowing >= self.enough() && high <= low * INTERVAL_MAX;
        (is_exact || is_enough).then_some(Ended::Found)
    }

    /// Trials after which no more are made near the threshold: for each time that the last doubling must be halved (in
    /// ratios), and for as many again that contradicted others.
    fn enough(&self) -> u32 {
        let halvings = (2f64.ln() / self.how.precision.ln_1p()).log2().ceil().max(0.0) as u32;
        self.how.repeats.saturating_mul(halvings + 2)
    }

    /// The highest rate that was kept, and is no more than the threshold most probably is.
    fn found(&self) -> Option<f64> {
        let middle = self.belief.quantile(0.5);
        self.rates(|step| step.kept && step.rps <= middle).max_by(f64::total_cmp)
    }

    /// Of the trials that say something.
    fn rates(&self, wanted: impl Fn(&Trial) -> bool) -> impl Iterator<Item = f64> {
        self.steps.iter().filter(move |step| !step.generator_late && wanted(step)).map(|step| step.rps)
    }

    /// Where the threshold is, with confidence; the rate found is in it.
    fn interval(&self, found: f64) -> [f64; 2] {
        let [low, high] = TAILS.map(|probability| self.belief.quantile(probability));
        [low.min(found), high.max(found)]
    }

    fn result(self, ended: Ended) -> Saturation {
        let rps = match ended {
            Ended::TooLow => None,
            Ended::MaxRate => Some(self.highest),
            _ => self.found(),
        };
        // One that nothing bounds above is none.
        let bounded =
            !matches!(ended, Ended::MaxRate) && self.steps.iter().any(|step| !step.kept && !step.generator_late);
        let ci95 = rps.filter(|_| bounded).map(|rps| self.interval(rps));
        Saturation { rps, ci95, objectives: Vec::new(), ended, steps: self.steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use std::convert::Infallible;

    fn trial(rps: f64, kept: bool) -> Trial {
        let because = if kept { Vec::new() } else { vec!["p99".into()] };
        Trial { rps, achieved_rps: rps, kept, because, p50_us: 1.0, p99_us: 2.0, sent: 1, generator_late: false }
    }

    fn found(how: &Saturate, highest: f64, mut keeps: impl FnMut(f64) -> bool) -> Saturation {
        search(how, highest, |rate| Ok::<_, Infallible>(Some(trial(rate, keeps(rate))))).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]

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

    /// What a busy machine does to a search: a tenth of the trials is missed at any rate, or now and then three in a row.
    fn spurious(seed: u64, in_a_row: u32) -> impl FnMut() -> bool {
        let (mut rng, mut left) = (StdRng::seed_from_u64(seed), 0);
        move || {
            if left == 0 && rng.random::<f64>() < 0.1 / f64::from(in_a_row) {
                left = in_a_row;
            }
            let missed = left > 0;
            left = left.saturating_sub(1);
            missed
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]

        /// Misses that are not the target's close no door: what is found is the threshold, and is told with its doubt.
        #[test]
        fn spurious_misses_do_not_move_what_is_found(threshold in 100.0f64..15_000.0, seed in any::<u64>()) {
            let mut rng = StdRng::seed_from_u64(seed);
            let saturation =
                found(&Saturate::default(), 20_000.0, |rate| rate <= threshold && rng.random::<f64>() >= 0.1);
            let (rps, [low, high]) = (saturation.rps.unwrap(), saturation.ci95.unwrap());
            prop_assert!(low <= rps && rps <= high && rps <= threshold);
            prop_assert!(saturation.steps.len() <= 60);
        }
    }

    /// Of many searches: how many find the threshold as exactly as was asked for, and how many intervals hold it.
    #[test]
    fn nearly_all_searches_bear_spurious_misses() {
        const SEARCHES: u64 = 60;
        for (in_a_row, most_wrong) in [(1, 1), (3, 2)] {
            let (mut near, mut inside, mut trials) = (0, 0, 0);
            for seed in 0..SEARCHES {
                let threshold = 100.0 * 150f64.powf(seed as f64 / SEARCHES as f64);
                let mut misses = spurious(seed, in_a_row);
                let saturation = found(&Saturate::default(), 20_000.0, |rate| !misses() && rate <= threshold);
                let rps = saturation.rps.unwrap_or(0.0);
                near += usize::from(rps <= threshold && threshold <= rps * 1.05);
                inside += usize::from(saturation.ci95.is_some_and(|[low, high]| low <= threshold && threshold <= high));
                trials += saturation.steps.len();
            }
            let least = SEARCHES as usize - most_wrong;
            assert!(near >= least && inside >= least, "{in_a_row} in a row: {near} near, {inside} inside");
            assert!(trials <= SEARCHES as usize * 30, "{trials} trials");
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
        assert_eq!((none.ended, none.rps, none.steps.len()), (Ended::TooLow, None, 4));
        let most = found(&Saturate { most: 7, ..how.clone() }, 1e6, |rate| rate < 777.0);
        assert_eq!((most.ended, most.steps.len()), (Ended::Most, 7));
        let late = search(&how, 1e6, |rate| {
            Ok::<_, Infallible>(Some(Trial { generator_late: rate > 100.0, ..trial(rate, true) }))
        });
        let late = late.unwrap();
        assert_eq!((late.ended, late.rps), (Ended::Generator, Some(100.0)));
        let tried: Vec<u32> = late.steps.iter().map(|step| step.rps as u32).collect();
        assert_eq!(tried, [50, 100, 200, 141, 118, 109]);
        let cancelled = search(&how, 1e6, |_| Ok::<_, Infallible>(None)).unwrap();
        assert_eq!((cancelled.ended, cancelled.rps), (Ended::Cancelled, None));
        assert_eq!(search(&how, 1e6, |_| Err::<Option<Trial>, _>("no")).unwrap_err(), "no");
    }
}
