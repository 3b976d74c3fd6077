//! What a run would send, without sending it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use crate::workload::endpoint::endpoint;
use crate::workload::{Length, Request, fields, lengths};

use super::deal::{Ahead, Deal, Dealer, Errand, Met};
use super::edits::{Edits, covers};
use super::feed::Feed;
use super::profile::{Mode, Profile};
use super::schedule::Intent;
use super::{ReplayError, can_be_read};

/// A request that a run would send.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedRequest {
    /// Counts the requests of the capture.
    pub number: u64,
    /// How often the capture was gone through before.
    pub round: u32,
    /// The first connection of its session.
    pub session: u32,
    /// Counts the connections of the capture.
    pub connection: u32,
    /// Milliseconds from the run's start; none when it waits for the response before it.
    pub at_ms: Option<f64>,
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
    /// `content-length` and `chunk-size` (written anew only when what they count changes its length).
    pub with: String,
    /// The request's field that is replaced, or a word of; none where it is no value of a response.
    pub to: Option<String>,
    /// The request (by [`PlannedRequest::number`]) whose response tells it.
    pub from_step: Option<u64>,
}

/// Calls `each` with what a run would send, in the order of the schedule, until it says false; once through where only the
/// clock would end it.
pub fn plan(
    feed: impl Into<Feed>,
    profile: &Profile,
    each: &mut dyn FnMut(PlannedRequest) -> bool,
) -> Result<(), ReplayError> {
    let mut feed = feed.into();
    profile.check()?;
    can_be_read(&feed, profile)?;
    let endless = profile.mode == Mode::Closed && profile.requests.is_none();
    let profile = Profile { duration: profile.duration.filter(|_| !endless), ..profile.clone() };
    let edits = Edits::planned(&profile);
    let endpoints = super::tally::Endpoints::default();
    let met = Arc::default();
    let mut any = false;
    let mut hosts = |_: &str| Ok(());
    let mut dealer = Dealer::new(&profile, &endpoints, Arc::<Ahead>::default(), Arc::clone(&met), &mut hosts);
    let waits: Arc<dyn Fn() + Send + Sync> = Arc::new(|| {});
    dealer.run(&mut feed, &Arc::<AtomicBool>::default(), &waits, &mut || {}, &mut |errand| match errand {
        Errand::Send(deal) => {
            any = true;
            each(planned(&deal, &edits))
        }
        Errand::Close(_) => true,
    })?;
    if any { Ok(()) } else { Err(nothing(&met)) }
}

/// What a run would send; see [`plan`].
pub fn dry_run(feed: impl Into<Feed>, profile: &Profile) -> Result<Vec<PlannedRequest>, ReplayError> {
    let mut all = Vec::new();
    plan(feed, profile, &mut |request| {
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

fn planned(deal: &Deal, edits: &Edits) -> PlannedRequest {
    let turn = &*deal.turn;
    let ms = |ns: u64| Some(ns as f64 / 1e6);
    let (at_ms, after_ms) = match deal.intent {
        Intent::At(at) => (ms(at), None),
        Intent::After(think) => (None, ms(think)),
    };
    let edges = turn.edges.iter().zip(&deal.sources);
    let edits = edits.of(&turn.request);
    let kept = edges.filter(|(edge, _)| !covers(&edits, &edge.at));
    let fields = if turn.edges.is_empty() { Vec::new() } else { fields(&turn.request) };
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
    replacements.extend(forced(&turn.request, &replacements));
    replacements.sort_by_key(|replacement| replacement.at);
    let line = turn.request.bytes.split(|&b| b == b'\r' || b == b'\n').next().unwrap_or_default();
    PlannedRequest {
        number: turn.number,
        round: deal.lane.round,
        session: turn.session,
        connection: turn.connection,
        at_ms,
        after_ms,
        endpoint: endpoint(&turn.request),
        line: String::from_utf8_lossy(line).into_owned(),
        replacements,
    }
}

/// Lengths that something replaced counts in.
fn forced(request: &Request, replacements: &[PlannedReplacement]) -> Vec<PlannedReplacement> {
    let inside =
        |covers: &Range<usize>, one: &PlannedReplacement| covers.start <= one.at && one.at + one.len <= covers.end;
    let name = |length: &Length| if length.hex { "chunk-size" } else { "content-length" };
    let lengths = lengths(request).into_iter();
    let forced = lengths.filter(|length| replacements.iter().any(|one| inside(&length.covers, one)));
    forced.map(|length| replaced(&length.digits, name(&length).into())).collect()
}

fn replaced(at: &Range<usize>, with: String) -> PlannedReplacement {
    PlannedReplacement { at: at.start, len: at.len(), with, to: None, from_step: None }
}
