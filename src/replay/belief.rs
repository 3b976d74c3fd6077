//! What trials tell of a threshold that they only show by chance: a probability for each rate that it may be (Bayes' rule).
//! It is how thresholds of perception are found, in few trials and though people press the wrong key now and then (A. Watson
//! and D. Pelli, "QUEST", 1983). No clock in here.

/// How wide the odds of keeping a rate may fall around the threshold, as shares of it.
const BLURS: [f64; 3] = [0.003, 0.02, 0.08];
/// Shares of trials that may be missed under the threshold, for somebody else took the machine: a quiet one and a busy one.
const LAPSES: [f64; 2] = [0.03, 0.2];
/// Share of trials that are kept over it.
const LUCK: f64 = 0.005;
/// So many thresholds within the precision that is asked for.
const FINENESS: f64 = 8.0;
/// No more of them, however exact an answer is wanted: some milliseconds for each trial.
const CELLS_MAX: usize = 100_000;

/// Where the threshold may be.
pub struct Belief {
    /// Logarithms of rates, ascending.
    thresholds: Vec<f64>,
    /// For each blur and each share of lapses: how probable each threshold is.
    weights: Vec<(f64, f64, Vec<f64>)>,
}

impl Belief {
    /// Nothing is known but that it lies between two rates: each ratio is as likely as any other.
    pub fn between(low: f64, high: f64, precision: f64) -> Belief {
        let (low, high) = (low.ln(), high.ln());
        let cells = (high - low) / precision.ln_1p() * FINENESS;
        let cells = (cells.ceil().max(1.0) as usize).min(CELLS_MAX);
        let step = (high - low) / cells as f64;
        let thresholds = (0..cells).map(|n| low + (n as f64 + 0.5) * step).collect();
        let kinds = BLURS.iter().flat_map(|blur| LAPSES.iter().map(|lapse| (*blur, *lapse)));
        let even = 1.0 / (cells * BLURS.len() * LAPSES.len()) as f64;
        let weights = kinds.map(|(blur, lapse)| (blur, lapse, vec![even; cells])).collect();
        Belief { thresholds, weights }
    }

    /// A trial of a rate was kept, or not.
    pub fn learn(&mut self, rate: f64, kept: bool) {
        let rate = rate.ln();
        for (blur, lapse, weights) in &mut self.weights {
            for (weight, threshold) in weights.iter_mut().zip(&self.thresholds) {
                let odds = LUCK + (1.0 - *lapse - LUCK) / (1.0 + ((rate - threshold) / *blur).exp());
                *weight *= if kept { odds } else { 1.0 - odds };
            }
        }
        let all: f64 = self.weights.iter().flat_map(|(.., weights)| weights).sum();
        self.weights.iter_mut().flat_map(|(.., weights)| weights).for_each(|weight| *weight /= all);
    }

    /// How probable it is that the threshold is under a rate.
    pub fn under(&self, rate: f64) -> f64 {
        let cells = self.thresholds.partition_point(|threshold| *threshold < rate.ln());
        (0..cells).map(|cell| self.probability(cell)).sum()
    }

    /// The rate under which the threshold is with a probability.
    pub fn quantile(&self, probability: f64) -> f64 {
        let mut under = 0.0;
        let cell = (0..self.thresholds.len()).find(|cell| {
            under += self.probability(*cell);
            under >= probability
        });
        self.thresholds[cell.unwrap_or(self.thresholds.len() - 1)].exp()
    }

    fn probability(&self, cell: usize) -> f64 {
        self.weights.iter().map(|(.., weights)| weights[cell]).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever was seen, probabilities are some, in their order, and each trial moves them its way.
        #[test]
        fn each_trial_moves_it_its_way(trials in prop::collection::vec((20.0f64..5000.0, any::<bool>()), 1..80)) {
            let mut belief = Belief::between(10.0, 10_000.0, 0.05);
            for (rate, kept) in trials {
                let before = belief.under(rate);
                belief.learn(rate, kept);
                let after = belief.under(rate);
                let (less, more) = if kept { (after, before) } else { (before, after) };
                prop_assert!(after.is_finite() && less <= more + 1e-9, "{before} {after} {kept}");
            }
            let [low, middle, high] = [0.025, 0.5, 0.975].map(|probability| belief.quantile(probability));
            prop_assert!(10.0 <= low && low <= middle && middle <= high && high <= 10_000.0);
            prop_assert!((belief.under(20_000.0) - 1.0).abs() < 1e-9 && belief.under(1.0) == 0.0);
        }
    }

    #[test]
    fn a_miss_is_borne_when_more_speaks_against_it() {
        let mut belief = Belief::between(10.0, 10_000.0, 0.05);
        belief.learn(100.0, true);
        belief.learn(200.0, false);
        assert!(belief.quantile(0.5) < 200.0);
        belief.learn(190.0, true);
        belief.learn(400.0, true);
        assert!(belief.quantile(0.025) > 350.0, "{}", belief.quantile(0.025));
    }
}
