//! Whether the generator itself was fit to measure: what its threads used, what they had to wait for, how late they were.

use std::time::Duration;

use crate::limits::{REORDER_BYTES, TAPE_BYTES_MAX};
use crate::measure::{Histogram, process};
use crate::run::Generator;

use super::seat::Used;
use super::summary::UNREAD;

/// A request that was written later than this after its instant was late.
const LATE_NS: u64 = 1_000_000;
/// Share of the run for which the generator may stand still before its figures say nothing.
const STILL_SHARE_MAX: f64 = 0.01;
/// Share of the time for which its threads may wait for a processor without a warning.
const QUEUED_SHARE: f64 = 0.1;
/// Share of the requests that were later than `max-lateness`, from which on the largest figures are the generator's own.
const TAIL_SHARE: f64 = 0.001;

/// What sending threads know of themselves; a sum over threads, but for the longest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    pub threads: u64,
    /// From the run's start to its end.
    pub lived_ns: u64,
    pub used: Used,
    /// Spells longer than `max-lateness` in which a thread did not look at clock and sockets though it meant to.
    pub still_ns: u64,
    /// The longest of all such spells, however short.
    pub longest_still_ns: u64,
}

/// What was asked of a generator.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// How late it may be.
    pub max_lateness: Duration,
    /// The schedule asked for more than `max-rate`.
    pub restrained: bool,
    /// Requests in another order than that in which they are read.
    pub reordered: bool,
}

impl Demand {
    /// What makes requests be there in time.
    fn cure(self) -> String {
        let kept = TAPE_BYTES_MAX >> 20;
        match self.reordered {
            true => format!(
                "`connect-scale` and the scale of times inside connections differ, so that requests are due which stand far back in the capture, and {} MiB of it are read ahead; take a shorter capture, or scales nearer to each other",
                REORDER_BYTES >> 20
            ),
            false => {
                format!("give the generator a free core, or a capture that fits into memory ({kept} MiB of requests)")
            }
        }
    }
}

impl Health {
    /// Adds another thread's.
    pub fn merge(&mut self, other: Health) {
        self.threads += other.threads;
        self.lived_ns += other.lived_ns;
        self.used.cpu_ns += other.used.cpu_ns;
        self.used.run_queue_ns += other.used.run_queue_ns;
        self.still_ns += other.still_ns;
        self.longest_still_ns = self.longest_still_ns.max(other.longest_still_ns);
    }

    fn share(&self, ns: u64) -> f64 {
        ns as f64 / self.lived_ns.max(1) as f64
    }

    /// As figures of a result.
    pub fn figures(&self, lateness: &Histogram, sent: u64) -> Generator {
        let per_request = |ns: u64| ns as f64 / 1000.0 / sent.max(1) as f64;
        Generator {
            cpu_us_per_request: per_request(self.used.cpu_ns),
            rss_peak: process::sample(std::process::id()).map_or(0, |sample| sample.rss_peak),
            threads: self.threads,
            busy_share: self.share(self.used.cpu_ns),
            run_queue_us_per_request: per_request(self.used.run_queue_ns),
            run_queue_share: self.share(self.used.run_queue_ns),
            late_share: lateness.share_above_ns(LATE_NS),
            longest_still_us: self.longest_still_ns / 1000,
        }
    }

    /// Why the run says nothing of the target. `lateness`: of requests as they were written, and but for what they were late
    /// when they were read.
    pub fn faults(&self, [lateness, of_sender]: [&Histogram; 2], demand: Demand) -> Vec<String> {
        let bound = demand.max_lateness.as_micros() as u64;
        let late = lateness.quantile(0.99);
        let late = (late > bound).then(|| {
            if of_sender.quantile(0.99) <= bound {
                return format!(
                    "{UNREAD}: 1 % of the requests were written {late} us or more after they should have been (`max-lateness` is {bound} us), for they had not been read before; {}",
                    demand.cure()
                );
            }
            let cure = match demand.restrained {
                true => "the schedule asks for more than `max-rate`: raise that, or ask for less",
                false => "give it a free core or less load",
            };
            format!(
                "the generator was late: 1 % of the requests were written {late} us or more after they should have been (`max-lateness` is {bound} us); {cure}"
            )
        });
        let still = (self.share(self.still_ns) > STILL_SHARE_MAX).then(|| {
            format!(
                "the generator stood still: for {} ms of the run, up to {} ms at a time, its threads did not run; give it a free core",
                self.still_ns / 1_000_000,
                self.longest_still_ns / 1_000_000
            )
        });
        late.into_iter().chain(still).collect()
    }

    /// What to know when reading the figures of a valid run.
    pub fn doubts(&self, lateness: &Histogram, max_lateness: Duration) -> Vec<String> {
        let queued = self.share(self.used.run_queue_ns);
        let queued = (queued > QUEUED_SHARE).then(|| {
            format!(
                "the sending threads waited for a processor for {:.0} % of the time; that is in all times told",
                queued * 100.0
            )
        });
        let tail = lateness.share_above_ns(max_lateness.as_nanos() as u64);
        let tail = (tail > TAIL_SHARE).then(|| {
            format!(
                "{:.2} % of the requests were more than `max-lateness` late: the largest response times are the generator's own",
                tail * 100.0
            )
        });
        queued.into_iter().chain(tail).collect()
    }
}

/// The figures of several generators together: each with the requests that it sent, and the lateness of them all.
pub fn merged(parts: impl Iterator<Item = (Generator, u64)> + Clone, lateness: &Histogram) -> Generator {
    let mean = |of: fn(&Generator) -> f64, weight: fn(&Generator, u64) -> f64| {
        let sums = parts.clone().map(|(part, sent)| (of(&part) * weight(&part, sent), weight(&part, sent)));
        let (sum, weights) = sums.fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d));
        if weights > 0.0 { sum / weights } else { 0.0 }
    };
    let by_sent = |_: &Generator, sent: u64| sent as f64;
    let by_threads = |part: &Generator, _: u64| part.threads as f64;
    let all = || parts.clone().map(|(part, _)| part);
    Generator {
        cpu_us_per_request: mean(|part| part.cpu_us_per_request, by_sent),
        rss_peak: all().map(|part| part.rss_peak).max().unwrap_or(0),
        threads: all().map(|part| part.threads).sum(),
        busy_share: mean(|part| part.busy_share, by_threads),
        run_queue_us_per_request: mean(|part| part.run_queue_us_per_request, by_sent),
        run_queue_share: mean(|part| part.run_queue_share, by_threads),
        late_share: lateness.share_above_ns(LATE_NS),
        longest_still_us: all().map(|part| part.longest_still_us).max().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_millis(50);

    fn lateness(ms: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::new();
        ms.into_iter().for_each(|ms| histogram.record_ns(ms * 1_000_000));
        histogram
    }

    fn demand(restrained: bool) -> Demand {
        Demand { max_lateness: BOUND, restrained, reordered: false }
    }

    fn well() -> Health {
        let used = Used { cpu_ns: 1_000_000_000, run_queue_ns: 200_000_000 };
        Health { threads: 1, lived_ns: 10_000_000_000, used, still_ns: 0, longest_still_ns: 4_000_000 }
    }

    #[test]
    fn a_generator_that_keeps_up_has_no_fault() {
        let prompt = lateness((0..1000).map(|n| n / 200));
        assert!(well().faults([&prompt; 2], demand(false)).is_empty() && well().doubts(&prompt, BOUND).is_empty());
        let figures = well().figures(&prompt, 10_000);
        assert!((figures.cpu_us_per_request - 100.0).abs() < 1e-9 && (figures.busy_share - 0.1).abs() < 1e-9);
        assert!((figures.run_queue_share - 0.02).abs() < 1e-9 && figures.longest_still_us == 4000);
        assert!((figures.late_share - 0.6).abs() < 1e-9, "{}", figures.late_share);
    }

    #[test]
    fn lateness_and_standing_still_are_faults() {
        let late = lateness((0..1000).map(|n| if n < 980 { 0 } else { 80 }));
        assert!(well().faults([&late; 2], demand(false))[0].starts_with("the generator was late"));
        assert!(well().faults([&late; 2], demand(true))[0].contains("`max-rate`"));
        let few = lateness((0..1000).map(|n| if n < 995 { 0 } else { 80 }));
        assert!(
            well().faults([&few; 2], demand(false)).is_empty() && well().doubts(&few, BOUND)[0].starts_with("0.50 %")
        );
        let still = Health { still_ns: 400_000_000, longest_still_ns: 400_000_000, ..well() };
        assert!(still.faults([&lateness([0]); 2], demand(false))[0].contains("400 ms"));
    }

    #[test]
    fn a_queue_before_the_processor_is_told() {
        let used = Used { run_queue_ns: 3_000_000_000, ..well().used };
        assert!(Health { used, ..well() }.doubts(&lateness([0]), BOUND)[0].contains("30 %"));
    }

    #[test]
    fn generators_are_merged_by_their_weight() {
        let part = |threads: u64, cpu: f64, busy: f64| Generator {
            threads,
            cpu_us_per_request: cpu,
            busy_share: busy,
            rss_peak: threads,
            ..Generator::default()
        };
        let merged = merged([(part(1, 10.0, 0.5), 300), (part(3, 20.0, 0.1), 100)].into_iter(), &lateness([0, 5]));
        assert_eq!((merged.threads, merged.rss_peak, merged.late_share), (4, 3, 0.5));
        assert!((merged.cpu_us_per_request - 12.5).abs() < 1e-9 && (merged.busy_share - 0.2).abs() < 1e-9);
    }

    #[test]
    fn threads_add_up() {
        let mut two = well();
        two.merge(Health { longest_still_ns: 7, ..well() });
        assert_eq!((two.threads, two.lived_ns, two.longest_still_ns), (2, 20_000_000_000, 4_000_000));
        assert!((two.figures(&lateness([]), 1).busy_share - 0.1).abs() < 1e-9);
    }
}
