//! What a run would send, without sending it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;

use crate::workload::endpoint::endpoint;
use crate::workload::{Length, Request, fields, lengths, prefix_places};

use super::curve::Curve;
use super::deal::{Dealer, Met};
use super::edits::{Edits, covers};
use super::errand::{Ahead, Deal, Errand};
use super::feed::Feed;
use super::identities::Identities;
use super::profile::{Mode, Profile};
use super::saturate::Saturate;
use super::schedule::Intent;
use super::{ReplayError, can_be_read};

/// A request that a run would send.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedRequest {
    /// Counts the requests of the capture.
    pub number: u64,
    /// How often the capture was gone through before.
    pub round: u32,
    /// Whose it is: of the people of the capture (0), or of one of their copies.
    pub copy: u32,
    /// The first connection of its session.
    pub session: u32,
    /// Counts the connections of the capture.
    pub connection: u32,
    /// Milliseconds from the run's start; none when it waits for the response before it.
    pub at_ms: Option<f64>,
    /// It belongs to the warm-up; none when that depends on when answers come.
    pub warmup: Option<bool>,
    /// Milliseconds after that response.
    pub after_ms: Option<f64>,
    /// `GET /api/v1/orders/{}`.
    pub endpoint: String,
    /// The request line, as captured.
    pub line: String,
    /// What will be replaced in it.
    pub replacements: Vec<PlannedReplacement>,
}

/// A value that a run would replace.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedReplacement {
    /// Its first byte in the request.
    pub at: usize,
    /// Its length as captured.
    pub len: usize,
    /// What takes its place: the response's field, `host`, `secret $VARIABLE`, `marker NAME`, what a rule does there, or
    /// `identity` (what is personal in a copy of the captured people), `content-length` and `chunk-size` (written anew only
    /// when what they count changes its length).
    pub with: String,
    /// The request's field that is replaced, or a word of; none where it is no value of a response.
    pub to: Option<String>,
    /// The request (by [`PlannedRequest::number`]) whose response tells it.
    pub from_step: Option<u64>,
}

/// Calls `each` with what a run would send, in the order of the schedule, until it says false; once through where only the
/// clock would end it. Gives how many WebSocket messages of clients are left out, since a closed loop sends none.
pub fn plan(
    feed: impl Into<Feed>,
    profile: &Profile,
    identities: Option<&Identities>,
    each: &mut dyn FnMut(PlannedRequest) -> bool,
) -> Result<u64, ReplayError> {
    let mut feed = feed.into();
    profile.check()?;
    can_be_read(&feed, profile)?;
    let endless = profile.mode == Mode::Closed && profile.requests.is_none();
    let mut profile = Profile { duration: profile.duration.filter(|_| !endless), ..profile.clone() };
    if profile.mode == Mode::Saturate {
        // Its first trial.
        let Saturate { from, trial, .. } = profile.saturate;
        profile = Profile {
            mode: Mode::Rate,
            rate: Some(from.min(profile.max_rate)),
            curve: Curve::default(),
            duration: Some(trial),
            ..profile
        };
    }
    let edits = Edits::planned(&profile);
    let endpoints = super::tally::Endpoints::default();
    let met = Arc::default();
    let mut any = false;
    let mut hosts = |_: &str| Ok(());
    let ahead = Arc::<Ahead>::default();
    let mut dealer = Dealer::new(&profile, &endpoints, ahead, Arc::clone(&met), identities, &mut hosts)?;
    let waits: Arc<dyn Fn() + Send + Sync> = Arc::new(|| {});
    dealer.run(&mut feed, &Arc::<AtomicBool>::default(), &waits, &mut || {}, &mut |errand| match errand {
        Errand::Send(deal) if deal.turn.is_heard() => true,
        Errand::Send(deal) => {
            any = true;
            each(planned(&deal, &edits, profile.warmup.0))
        }
        Errand::Close(..) | Errand::Rounds(_) => true,
    })?;
    if any { Ok(met.lock().unwrap_or_else(std::sync::PoisonError::into_inner).unsaid) } else { Err(nothing(&met)) }
}

/// What a run would send; see [`plan`].
pub fn dry_run(feed: impl Into<Feed>, profile: &Profile) -> Result<Vec<PlannedRequest>, ReplayError> {
    let mut all = Vec::new();
    plan(feed, profile, None, &mut |request| {
        all.push(request);
        true
    })?;
    Ok(all)
}

/// Why there is nothing to send.
pub(super) fn nothing(met: &std::sync::Mutex<Met>) -> ReplayError {
    let requests = met.lock().unwrap_or_else(std::sync::PoisonError::into_inner).requests;
    ReplayError::Nothing(requests > 0)
}

fn planned(deal: &Deal, edits: &Edits, warmup: Duration) -> PlannedRequest {
    let turn = &*deal.turn;
    let ms = |ns: u64| Some(ns as f64 / 1e6);
    let warmup = match deal.intent {
        _ if warmup.is_zero() => Some(false),
        Intent::At(at) => Some(Duration::from_nanos(at) < warmup),
        Intent::After(_) => None,
    };
    let (at_ms, after_ms) = match deal.intent {
        Intent::At(at) => (ms(at), None),
        Intent::After(think) => (None, ms(think)),
    };
    let edges = turn.edges.iter().zip(&deal.sources);
    let request = deal.request();
    let edits = edits.of(request);
    let kept = edges.filter(|(edge, _)| !covers(&edits, &edge.at));
    let fields = if turn.edges.is_empty() && deal.renamed.is_none() { Vec::new() } else { fields(request) };
    let field_at = |at: &Range<usize>| {
        let holds = |place: &&(Range<usize>, Box<str>)| place.0.start <= at.start && at.end <= place.0.end;
        fields.iter().find(holds).map(|(_, path)| path.to_string())
    };
    let from_responses = kept.filter_map(|(edge, live)| {
        let place = live.as_ref()?.place(edge.value)?;
        let with = format!("{}[{}]", place.path, place.ordinal);
        let to = field_at(&edge.at);
        Some(PlannedReplacement { at: edge.at.start, len: edge.at.len(), with, to, from_step: Some(edge.from) })
    });
    let by_the_profile = edits.iter().map(|edit| replaced(&edit.at, edit.why.to_string()));
    let mut replacements: Vec<_> = from_responses.chain(by_the_profile).collect();
    let personal = deal.renamed.iter().flat_map(|renamed| renamed.places.iter());
    let personal = personal.flat_map(|place| {
        let to = field_at(place);
        let identity = move |at| PlannedReplacement { to: to.clone(), ..replaced(&at, "identity".into()) };
        uncovered(place, &replacements).into_iter().map(identity)
    });
    let personal: Vec<_> = personal.collect();
    replacements.extend(personal);
    let line = request.bytes.split(|&b| b == b'\r' || b == b'\n').next().unwrap_or_default();
    let line = match request.message {
        // The head that it is kept with is not sent.
        Some(_) => {
            let head = Request::head_len(&request.bytes);
            replacements.iter_mut().for_each(|replacement| replacement.at = replacement.at.saturating_sub(head));
            line.strip_suffix(b" HTTP/1.1").unwrap_or(line)
        }
        None => {
            replacements.extend(forced(request, &replacements));
            line
        }
    };
    replacements.sort_by_key(|replacement| replacement.at);
    PlannedRequest {
        number: turn.number,
        round: deal.lane.round,
        copy: deal.lane.copy,
        session: turn.session,
        connection: turn.connection,
        at_ms,
        warmup,
        after_ms,
        endpoint: endpoint(&turn.request),
        line: String::from_utf8_lossy(line).into_owned(),
        replacements,
    }
}

/// What of a place other replacements leave over.
fn uncovered(place: &Range<usize>, others: &[PlannedReplacement]) -> Vec<Range<usize>> {
    let mut covered: Vec<Range<usize>> = others.iter().map(|one| one.at..one.at + one.len).collect();
    covered.sort_by_key(|at| at.start);
    let (mut left, mut done) = (Vec::new(), place.start);
    for at in covered.iter().filter(|at| at.start < place.end && at.end > place.start) {
        left.extend((done < at.start).then_some(done..at.start));
        done = done.max(at.end);
    }
    left.extend((done < place.end).then_some(done..place.end));
    left
}

/// Lengths that something replaced counts in.
fn forced(request: &Request, replacements: &[PlannedReplacement]) -> Vec<PlannedReplacement> {
    let inside =
        |covers: &Range<usize>, one: &PlannedReplacement| covers.start <= one.at && one.at + one.len <= covers.end;
    let name = |length: &Length| if length.hex { "chunk-size" } else { "content-length" };
    let lengths = lengths(request).into_iter();
    let forced = lengths.filter(|length| replacements.iter().any(|one| inside(&length.covers, one)));
    let places: Vec<Range<usize>> = replacements.iter().map(|one| one.at..one.at + one.len).collect();
    let prefixes = prefix_places(request, &places);
    let prefixes = prefixes.iter().map(|at| replaced(at, "message-length".into()));
    forced.map(|length| replaced(&length.digits, name(&length).into())).chain(prefixes).collect()
}

fn replaced(at: &Range<usize>, with: String) -> PlannedReplacement {
    PlannedReplacement { at: at.start, len: at.len(), with, to: None, from_step: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::profile::{Arrivals, Shard, Span};
    use crate::workload::Workload;
    use crate::workload::hand::{Exchange, workload};
    use proptest::prelude::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const MODES: [Mode; 4] = [Mode::Captured, Mode::Sessions, Mode::Rate, Mode::Closed];

    /// `n` requests a second apart, on three connections in turn, answered within a millisecond.
    fn sample(n: u64) -> Workload {
        let exchange = |i: u64| Exchange {
            connection: (i % 3) as u32,
            at_ms: 500 + i * 1000,
            request: b"GET / HTTP/1.1\r\n\r\n",
            response: OK,
        };
        workload(&(0..n).map(exchange).collect::<Vec<_>>())
    }

    fn planned(workload: &Workload, profile: &Profile) -> Vec<PlannedRequest> {
        dry_run(workload, profile).unwrap_or_default()
    }

    fn instants(plan: &[PlannedRequest]) -> Vec<u64> {
        plan.iter().filter_map(|request| request.at_ms).map(|ms| ms.round() as u64).collect()
    }

    fn seconds(n: u64) -> Option<Span> {
        Some(Span(Duration::from_secs(n)))
    }

    proptest! {
        #[test]
        fn shards_together_are_the_whole(of in 1u64..5, mode in prop::sample::select(MODES.to_vec()), n in 1u64..20, requests in 1u64..60, poisson in any::<bool>()) {
            let workload = sample(n);
            let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Constant };
            let profile = |shard| Profile { mode, rate: Some(100.0), arrivals, requests: Some(requests), shard, ..Profile::default() };
            let key = |request: &PlannedRequest| (request.round, request.number, request.connection, request.at_ms.map(f64::to_bits), request.after_ms.map(f64::to_bits));
            let mut whole: Vec<_> = planned(&workload, &profile(None)).iter().map(key).collect();
            let parts = (0..of).map(|index| planned(&workload, &profile(Some(Shard { index, of }))));
            let mut sharded: Vec<_> = parts.clone().flatten().map(|request| key(&request)).collect();
            // A connection is in one shard in every round.
            let connections = |part: Vec<PlannedRequest>| part.iter().map(|request| request.connection).collect::<std::collections::BTreeSet<_>>();
            let all: Vec<u32> = parts.flat_map(connections).collect();
            prop_assert_eq!(all.len(), all.iter().collect::<std::collections::BTreeSet<_>>().len());
            whole.sort_unstable();
            sharded.sort_unstable();
            prop_assert_eq!(whole.len() as u64, requests);
            prop_assert_eq!(sharded, whole);
        }

        /// However often the capture is gone through: the distance between requests stays what it was.
        #[test]
        fn loops_have_no_seam(n in 2u64..9, rounds in 2u64..5, speed in prop::sample::select(vec![0.5, 1.0, 4.0]), sessions in any::<bool>()) {
            let mode = if sessions { Mode::Sessions } else { Mode::Captured };
            let workload = sample(n);
            let plan = planned(&workload, &Profile { mode, speed, requests: Some(n * rounds), ..Profile::default() });
            prop_assert_eq!(plan.len() as u64, n * rounds);
            prop_assert_eq!(plan.iter().map(|request| u64::from(request.round)).max(), Some(rounds - 1));
            if !sessions {
                let gap = (1000.0 / speed) as u64;
                let gaps: Vec<u64> = instants(&plan).windows(2).map(|pair| pair[1] - pair[0]).collect();
                prop_assert!(gaps.iter().all(|each| *each == gap), "{gaps:?}");
            }
            // A round waits for nothing of another.
            let followers = plan.iter().filter(|request| request.after_ms.is_some()).count() as u64;
            prop_assert_eq!(followers, if sessions { n.saturating_sub(3) * rounds } else { 0 });
        }
    }

    #[test]
    fn the_capture_sets_the_instants() {
        let workload = sample(6);
        let captured = Profile { mode: Mode::Captured, ..Profile::default() };
        let fast = Profile { speed: 2.0, ..captured.clone() };
        assert_eq!(instants(&planned(&workload, &fast)), [0, 500, 1000, 1500, 2000, 2500]);
        let cut = Profile { duration: seconds(2), ..captured.clone() };
        assert_eq!(instants(&planned(&workload, &cut)), [0, 1000, 2000]);
        let looped = Profile { duration: seconds(8), ..captured.clone() };
        assert_eq!(instants(&planned(&workload, &looped)).last(), Some(&8000));
        // Connections come twice as fast; inside, requests keep their distance of three seconds.
        let connect = Profile { connect_scale: 0.5, ..captured };
        assert_eq!(instants(&planned(&workload, &connect)), [0, 500, 1000, 3000, 3500, 4000]);
    }

    #[test]
    fn sessions_wait_inside() {
        let plan = planned(&sample(6), &Profile { think_scale: 0.5, ..Profile::default() });
        assert_eq!(instants(&plan), [0, 1000, 2000]);
        let thinks: Vec<f64> = plan.iter().filter_map(|request| request.after_ms).collect();
        assert_eq!(thinks, [1499.5; 3]);
    }

    #[test]
    fn a_number_of_requests_is_kept_exactly_and_a_rate_ends_with_its_time() {
        let workload = sample(7);
        for mode in MODES {
            let profile = Profile { mode, rate: Some(10.0), ..Profile::default() };
            assert_eq!(planned(&workload, &profile).len(), 7, "{mode:?}");
            for requests in [5, 50] {
                let some = Profile { requests: Some(requests), ..profile.clone() };
                assert_eq!(planned(&workload, &some).len() as u64, requests, "{mode:?}");
            }
            let none = Profile { methods: vec!["POST".into()], requests: Some(5), ..profile };
            assert!(matches!(dry_run(&workload, &none), Err(ReplayError::Nothing(true))), "{mode:?}");
        }
        let rate = Profile {
            mode: Mode::Rate,
            rate: Some(10.0),
            arrivals: Arrivals::Constant,
            duration: seconds(3),
            ..Profile::default()
        };
        assert_eq!(planned(&workload, &rate).len(), 31);
        let over = Profile { max_rate: 20.0, curve: Curve { points: vec![(0.0, 30.0)], ..Default::default() }, ..rate };
        assert!(matches!(dry_run(&workload, &over), Err(ReplayError::Profile(_))));
    }

    /// Who had seen the answer to a request that is not sent had seen what came before it, and no value comes from it.
    #[test]
    fn what_is_left_out_is_waited_for_by_nobody() {
        let login: &[u8] = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=a1B2c3D4\r\nContent-Length: 0\r\n\r\n";
        let exchange = |at_ms, request, response| Exchange { connection: 0, at_ms, request, response };
        let workload = workload(&[
            exchange(0, b"GET /a HTTP/1.1\r\n\r\n", OK),
            exchange(100, b"POST /login HTTP/1.1\r\n\r\n", login),
            exchange(200, b"GET /b HTTP/1.1\r\nCookie: sid=a1B2c3D4\r\n\r\n", OK),
        ]);
        let all = planned(&workload, &Profile::default());
        assert_eq!(all[2].replacements.iter().map(|replacement| replacement.from_step).collect::<Vec<_>>(), [Some(1)]);
        let reads = planned(&workload, &Profile { methods: vec!["GET".into()], ..Profile::default() });
        assert_eq!(reads.iter().map(|request| request.number).collect::<Vec<_>>(), [0, 2]);
        assert!(reads[1].after_ms.is_some() && reads[1].replacements.is_empty(), "{reads:?}");
    }
}
