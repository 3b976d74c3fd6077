//! When what is sent: a schedule is a value, an iterator of intents. No clock in here.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::workload::{Step, Workload};

use super::profile::{Arrivals, Mode, Profile};

const SECOND_NS: f64 = 1e9;

/// When a request is meant to be sent, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// At an instant, counted from the run's start.
    At(u64),
    /// This long after the response that its sender had seen ([`Step::after`]).
    After(u64),
    /// Not at all.
    Skip,
}

/// One pass through a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Index into [`Workload::sessions`].
    pub session: usize,
    /// When each connection is opened, from the run's start; none: when it is needed.
    pub opened: Vec<Option<u64>>,
    /// One per step.
    pub intents: Vec<Intent>,
}

impl Pass {
    /// Number of requests.
    pub fn requests(&self) -> u64 {
        self.intents.iter().filter(|intent| **intent != Intent::Skip).count() as u64
    }

    /// The first thing to do.
    pub fn begins(&self) -> u64 {
        let instants =
            self.intents.iter().filter_map(|intent| if let Intent::At(at) = intent { Some(*at) } else { None });
        instants.chain(self.opened.iter().flatten().copied()).min().unwrap_or(0)
    }
}

/// The instants of arrivals at a rate per second, from 0 on, for ever.
pub fn instants(arrivals: Arrivals, rate: f64, seed: u64) -> impl Iterator<Item = u64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut at = 0.0;
    (0_u64..).map(move |n| match arrivals {
        Arrivals::Constant => (n as f64 / rate * SECOND_NS) as u64,
        Arrivals::Poisson => {
            // 1 - u is in (0, 1]: its logarithm is finite.
            at += -(1.0 - rng.random::<f64>()).ln() / rate * SECOND_NS;
            at as u64
        }
    })
}

/// Every pass of a run, whole sessions of this shard only. It ends where the profile says so: by itself, but for
/// [`Mode::Closed`] with a duration, which the clock ends.
pub fn passes<'a>(workload: &'a Workload, profile: &'a Profile) -> impl Iterator<Item = Pass> + use<'a> {
    let mine = |session: usize| profile.shard.is_none_or(|shard| session as u64 % shard.of == shard.index);
    let rounds: Box<dyn Iterator<Item = Pass>> = match profile.mode {
        Mode::Captured | Mode::Sessions => Box::new(as_captured(workload, profile).into_iter()),
        Mode::Rate => Box::new(at_rate(workload, profile)),
        Mode::Closed => Box::new(closed(workload, profile)),
    };
    rounds.filter(move |pass| mine(pass.session) && pass.requests() > 0)
}

/// A pass in which nothing is sent yet.
fn idle(workload: &Workload, session: usize) -> Pass {
    let of = &workload.sessions[session];
    Pass { session, opened: vec![None; of.connections.len()], intents: vec![Intent::Skip; of.steps.len()] }
}

/// Whether the profile lets a request be sent.
pub fn allowed(profile: &Profile, step: &Step) -> bool {
    let method = step.request.method();
    (profile.methods.is_empty() || profile.methods.iter().any(|wanted| wanted.as_bytes() == method))
        && profile.filter.lets(&step.request)
}

/// (time, session, step) of all requests that may be sent, in order.
fn in_order(workload: &Workload, profile: &Profile) -> Vec<(u64, usize, usize)> {
    let steps = workload
        .sessions
        .iter()
        .enumerate()
        .flat_map(|(n, session)| session.steps.iter().enumerate().map(move |(m, step)| (n, m, step)));
    let mut order: Vec<_> =
        steps.filter(|(.., step)| allowed(profile, step)).map(|(n, m, step)| (step.at, n, m)).collect();
    order.sort_unstable();
    order
}

/// Nanoseconds after which nothing is begun.
fn duration_ns(profile: &Profile) -> u64 {
    profile.duration.map_or(u64::MAX, |span| u64::try_from(span.0.as_nanos()).unwrap_or(u64::MAX))
}

/// One pass through every session, on the capture's clock.
fn as_captured(workload: &Workload, profile: &Profile) -> Vec<Pass> {
    let order = in_order(workload, profile);
    let opened = workload.sessions.iter().flat_map(|session| &session.connections).map(|connection| connection.opened);
    let origin = order.first().map_or(0, |first| opened.fold(first.0, u64::min));
    let scaled = |at: u64| ((at.saturating_sub(origin)) as f64 / profile.speed) as u64;
    let think = |think: u64| (think as f64 * profile.think_scale / profile.speed) as u64;
    let end = duration_ns(profile);
    let most = profile.requests.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));

    let mut passes: Vec<Pass> = (0..workload.sessions.len()).map(|session| idle(workload, session)).collect();
    for (at, session, n) in order.into_iter().take(most).filter(|(at, ..)| scaled(*at) <= end) {
        let of = &workload.sessions[session];
        let step = &of.steps[n];
        let connection = step.connection as usize;
        passes[session].opened[connection] = of.connections.get(connection).map(|connection| scaled(connection.opened));
        passes[session].intents[n] = match (profile.mode, step.after) {
            (Mode::Sessions, Some(_)) => Intent::After(think(step.think)),
            _ => Intent::At(scaled(at)),
        };
    }
    passes.sort_by_key(Pass::begins);
    passes
}

/// Passes whose requests, in captured order, come at a rate; once through the workload unless a duration or a number of
/// requests says otherwise.
fn at_rate<'a>(workload: &'a Workload, profile: &'a Profile) -> impl Iterator<Item = Pass> + use<'a> {
    let order = in_order(workload, profile);
    let rate = profile.rate.unwrap_or(1.0);
    let end = duration_ns(profile);
    let bounded = profile.duration.is_some() || profile.requests.is_some();
    let most = profile.requests.unwrap_or(if bounded { u64::MAX } else { order.len() as u64 });
    let mut instants = instants(profile.arrivals, rate, profile.seed)
        .take_while(move |at| *at <= end)
        .take(usize::try_from(most).unwrap_or(usize::MAX));
    let round = move || {
        let mut passes: Vec<Pass> = (0..workload.sessions.len()).map(|session| idle(workload, session)).collect();
        let mut any = false;
        for ((_, session, step), at) in order.iter().zip(&mut instants) {
            passes[*session].intents[*step] = Intent::At(at);
            any = true;
        }
        passes.sort_by_key(Pass::begins);
        any.then_some(passes)
    };
    std::iter::from_fn(round).flatten()
}

/// Sessions one after another without a pause; once through unless a duration or a number of requests says otherwise.
fn closed<'a>(workload: &'a Workload, profile: &'a Profile) -> impl Iterator<Item = Pass> + use<'a> {
    let rounds = if profile.duration.is_some() || profile.requests.is_some() { usize::MAX } else { 1 };
    let empty = in_order(workload, profile).is_empty();
    let mut left = profile.requests.unwrap_or(u64::MAX);
    let sessions = (0..if empty { 0 } else { rounds }).flat_map(|_| 0..workload.sessions.len());
    sessions.map_while(move |session| {
        let mut pass = idle(workload, session);
        for (step, intent) in workload.sessions[session].steps.iter().zip(&mut pass.intents) {
            if left > 0 && allowed(profile, step) {
                *intent = Intent::After(0);
                left -= 1;
            }
        }
        (pass.requests() > 0 || left > 0).then_some(pass)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::profile::{Shard, Span};
    use crate::workload::hand::{Exchange, workload};
    use proptest::prelude::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    /// `n` requests a second apart, on three connections in turn.
    fn sample(n: u64) -> Workload {
        let exchanges: Vec<_> = (0..n)
            .map(|i| Exchange {
                connection: (i % 3) as u32,
                at_ms: 500 + i * 1000,
                request: b"GET / HTTP/1.1\r\n\r\n",
                response: OK,
            })
            .collect();
        workload(&exchanges)
    }

    fn instants_of(passes: &[Pass]) -> Vec<u64> {
        let mut all: Vec<u64> = passes
            .iter()
            .flat_map(|pass| &pass.intents)
            .filter_map(|intent| if let Intent::At(at) = intent { Some(*at) } else { None })
            .collect();
        all.sort_unstable();
        all
    }

    proptest! {
        #[test]
        fn arrivals_never_go_back_and_keep_their_rate(rate in 1.0f64..50_000.0, seed in any::<u64>(), poisson in any::<bool>()) {
            let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Constant };
            let all: Vec<u64> = instants(arrivals, rate, seed).take(4000).collect();
            prop_assert!(all.windows(2).all(|pair| pair[0] <= pair[1]));
            let mean = all[3999] as f64 / 4000.0;
            // The mean of 4000 exponential gaps is within 8 % in all but one of 10^6 cases.
            prop_assert!((mean * rate / SECOND_NS - 1.0).abs() < 0.08, "{}", mean * rate / SECOND_NS);
        }

        #[test]
        fn shards_together_are_the_whole(of in 1u64..5, mode in prop::sample::select(vec![Mode::Captured, Mode::Sessions, Mode::Rate, Mode::Closed])) {
            let workload = sample(17);
            let profile = |shard| Profile { mode, rate: Some(100.0), requests: Some(40), shard, ..Profile::default() };
            let whole: Vec<Pass> = passes(&workload, &profile(None)).collect();
            let key = |pass: &Pass| (pass.begins(), pass.session);
            let mut parts: Vec<Pass> = (0..of).flat_map(|index| passes(&workload, &profile(Some(Shard { index, of }))).collect::<Vec<_>>()).collect();
            let mut whole = whole;
            parts.sort_by_key(key);
            whole.sort_by_key(key);
            prop_assert_eq!(parts, whole);
        }
    }

    #[test]
    fn the_capture_sets_the_instants() {
        let workload = sample(6);
        let all: Vec<Pass> =
            passes(&workload, &Profile { mode: Mode::Captured, speed: 2.0, ..Profile::default() }).collect();
        assert_eq!(instants_of(&all), [0, 500_000_000, 1_000_000_000, 1_500_000_000, 2_000_000_000, 2_500_000_000]);
        let cut: Vec<Pass> = passes(
            &workload,
            &Profile {
                mode: Mode::Captured,
                duration: Some(Span(std::time::Duration::from_secs(2))),
                ..Profile::default()
            },
        )
        .collect();
        assert_eq!(instants_of(&cut).len(), 3);
    }

    #[test]
    fn sessions_wait_inside() {
        let workload = sample(6);
        let all: Vec<Pass> = passes(&workload, &Profile { think_scale: 0.5, ..Profile::default() }).collect();
        assert_eq!(instants_of(&all), [0, 1_000_000_000, 2_000_000_000]);
        assert!(all.iter().all(|pass| pass.intents[1] == Intent::After(2_999_000_000 / 2)), "{all:?}");
    }

    #[test]
    fn a_number_of_requests_is_kept_exactly() {
        let workload = sample(7);
        for mode in [Mode::Captured, Mode::Sessions] {
            assert_eq!(
                passes(&workload, &Profile { mode, requests: Some(5), ..Profile::default() })
                    .map(|p| p.requests())
                    .sum::<u64>(),
                5
            );
        }
        for mode in [Mode::Rate, Mode::Closed] {
            let profile = Profile { mode, rate: Some(10.0), requests: Some(50), ..Profile::default() };
            assert_eq!(passes(&workload, &profile).map(|p| p.requests()).sum::<u64>(), 50);
            let once = Profile { requests: None, ..profile };
            assert_eq!(passes(&workload, &once).map(|p| p.requests()).sum::<u64>(), 7);
        }
        let none =
            Profile { methods: vec!["POST".into()], mode: Mode::Closed, requests: Some(5), ..Profile::default() };
        assert_eq!(passes(&workload, &none).count(), 0);
    }
}
