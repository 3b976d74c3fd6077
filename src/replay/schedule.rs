//! When what is sent: a schedule is a value that maps requests, in captured order, to intents. No clock in here.

use super::curve::{self, Curve, Rate};
use super::profile::{Arrivals, Mode, Profile, ProfileError};

/// When a request is meant to be sent, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// At an instant, counted from the run's start.
    At(u64),
    /// This long after the response that its sender had seen; without one, after the last one on its connection.
    After(u64),
}

/// What a schedule needs to know of a request. Times are nanoseconds on the capture's clock, from the first one's 0; in
/// further rounds they go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Its first byte.
    pub at: u64,
    /// When its connection was opened.
    pub opened: u64,
    /// Its sender had seen a response before.
    pub follows: bool,
    /// How long before.
    pub think: u64,
    /// It is one of those that a number of requests asks for.
    pub counts: bool,
}

/// What a schedule says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// It is sent.
    Send {
        /// When.
        intent: Intent,
        /// When its connection is opened, from the run's start; none: when it is needed.
        opened: Option<u64>,
    },
    /// It is not sent; later ones may be.
    Skip,
    /// Neither is any later one.
    Over,
}

/// The intents of a run, one request after another.
pub struct Schedule {
    mode: Mode,
    speed: f64,
    inside_scale: f64,
    connect_scale: f64,
    end: u64,
    /// Requests that may still be sent.
    left: u64,
    instants: Box<dyn Iterator<Item = u64> + Send>,
}

impl Schedule {
    /// As the profile says.
    pub fn new(profile: &Profile) -> Result<Schedule, ProfileError> {
        // In other modes nothing is asked of a rate: any that is allowed does.
        let any = profile.max_rate.min(1.0);
        let rate = match profile.mode {
            Mode::Rate => profile.curve.rate(profile.rate.unwrap_or(any))?,
            _ => Curve::default().rate(any)?,
        };
        if rate.highest() > profile.max_rate {
            let what = "goes over `max-rate`; raise that too, if you mean it";
            return Err(ProfileError::Value { knob: "curve", what });
        }
        Ok(Schedule {
            mode: profile.mode,
            speed: profile.speed,
            inside_scale: profile.inside_scale(),
            connect_scale: profile.connect_scale,
            end: profile.duration.map_or(u64::MAX, |span| u64::try_from(span.0.as_nanos()).unwrap_or(u64::MAX)),
            left: profile.requests.unwrap_or(u64::MAX),
            instants: Box::new(curve::instants(profile.arrivals, rate, profile.seed)),
        })
    }

    /// What becomes of the next request.
    pub fn next(&mut self, request: &Captured) -> Plan {
        if self.left == 0 {
            return Plan::Over;
        }
        let plan = match self.mode {
            Mode::Captured | Mode::Sessions => self.on_capture_clock(request),
            Mode::Rate | Mode::Saturate => match self.instants.next() {
                Some(at) if at <= self.end => Plan::Send { intent: Intent::At(at), opened: None },
                _ => Plan::Over,
            },
            Mode::Closed => Plan::Send { intent: Intent::After(0), opened: None },
        };
        self.left -= u64::from(request.counts && matches!(plan, Plan::Send { .. }));
        plan
    }

    /// When a connection is closed at the latest that was opened and closed at these instants of the capture's clock; none:
    /// when nothing more is to be sent on it.
    pub fn closes(&self, opened: u64, closed: u64) -> Option<u64> {
        let on_capture_clock = matches!(self.mode, Mode::Captured | Mode::Sessions);
        on_capture_clock.then(|| self.at(opened, closed) as u64)
    }

    /// Requests that may still be sent.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// So many requests are sent without being asked for one by one; only where all are sent as soon as they can be.
    pub fn skip(&mut self, requests: u64) {
        self.left = self.left.saturating_sub(requests);
    }

    /// The capture's clock: connections begin on it, by `connect-scale`; inside, requests have their distance from that.
    fn on_capture_clock(&self, request: &Captured) -> Plan {
        let inside_scale = self.inside_scale;
        let opened = request.opened as f64 * self.connect_scale;
        let at = self.at(request.opened, request.at);
        // Nothing later can come before this, for it is opened before it is used.
        let earliest = request.at as f64 * self.connect_scale.min(inside_scale) / self.speed;
        let end = self.end as f64;
        if earliest > end {
            return Plan::Over;
        }
        if at > end {
            return Plan::Skip;
        }
        let intent = match (self.mode, request.follows) {
            (Mode::Sessions, true) => Intent::After((request.think as f64 * inside_scale / self.speed) as u64),
            _ => Intent::At(at as u64),
        };
        Plan::Send { intent, opened: Some((opened / self.speed) as u64) }
    }
}

impl Schedule {
    /// Where an instant of a connection comes to stand.
    fn at(&self, opened: u64, at: u64) -> f64 {
        let inside = at.saturating_sub(opened) as f64 * self.inside_scale;
        (opened as f64 * self.connect_scale + inside) / self.speed
    }
}

/// The instants of arrivals at a rate per second that does not change, nanoseconds from 0 on, for ever.
pub fn instants(arrivals: Arrivals, rate: f64, seed: u64) -> impl Iterator<Item = u64> {
    curve::instants(arrivals, Rate::Lines(vec![(0.0, rate)]), seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Requests are due before others that were captured earlier, but not than those captured more than `L·|t-c|/c`
        /// earlier: so much must be read ahead, and no more (`limits::REORDER_BYTES`).
        #[test]
        fn how_far_ahead_requests_must_be_read(
            mode in prop::sample::select(vec![Mode::Captured, Mode::Sessions]),
            (connect_scale, think_scale, speed) in (0.1f64..5.0, 0.0f64..5.0, 0.5f64..4.0),
            requests in prop::collection::vec((0u64..1_000_000, 0u64..100_000), 2..40),
        ) {
            let profile = Profile { mode, connect_scale, think_scale, speed, ..Profile::default() };
            let mut schedule = Schedule::new(&profile).unwrap();
            let longest = requests.iter().map(|(_, inside)| *inside).max().unwrap();
            let bound = longest as f64 * (profile.inside_scale() - connect_scale).abs() / connect_scale;
            let mut requests: Vec<_> = requests.iter().map(|(opened, inside)| (opened + inside, *opened)).collect();
            requests.sort_unstable();
            let mut due = Vec::new();
            for (at, opened) in requests {
                let captured = Captured { at, opened, follows: false, think: 0, counts: true };
                let Plan::Send { intent: Intent::At(intended), .. } = schedule.next(&captured) else { panic!("not sent") };
                due.push((at, intended));
            }
            for (n, (at, intended)) in due.iter().enumerate() {
                for (before, later) in &due[..n] {
                    // A nanosecond for what is rounded.
                    let allowed = bound + 2.0 * speed / connect_scale;
                    prop_assert!(later <= intended || (at - before) as f64 <= allowed, "{at} {before} {bound}");
                }
            }
        }
    }
}
