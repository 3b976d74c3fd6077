//! Deals the requests of a feed to those who send them, as a schedule says: round after round, bounded ahead.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::limits::HOSTS_KEPT;
use crate::workload::{Closing, Request, Turn, Wanted, hosts};

use super::ReplayError;
use super::checks::wanted;
use super::copies::{Copies, Due};
use super::errand::{Ahead, Deal, Errand, Lane};
use super::feed::{Card, Feed};
use super::identities::Identities;
use super::lives::Lives;
use super::profile::{Mode, Profile, Shard, Who};
use super::response::Asked;
use super::rounds::Rounds;
use super::schedule::{Captured, Plan, Schedule};
use super::tally::Endpoints;

/// What a request takes while it waits, beside its bytes.
const DEAL_BYTES: usize = 512;
/// Time between rounds of a capture that has one request only, and so no time between requests of its own.
const LONE_NS: u64 = 1_000_000_000;

/// What was met in the first round: the capture, as far as it was read.
#[derive(Clone, Debug, Default)]
pub struct Met {
    /// Hosts that requests name, some of them when they are very many.
    pub hosts: BTreeSet<String>,
    /// Requests.
    pub requests: u64,
    /// Values that come from earlier responses; of all copies.
    pub edges: u64,
    /// Requests that may be sent by endpoint; of all copies.
    pub mix: BTreeMap<u32, u64>,
    /// WebSocket messages of clients that a closed loop does not send.
    pub unsaid: u64,
    /// Of the whole capture, when this is a shard.
    pub digest: Option<String>,
}

/// Deals.
pub struct Dealer<'a> {
    profile: &'a Profile,
    schedule: Schedule,
    endpoints: &'a Endpoints,
    ahead: Arc<Ahead>,
    /// Is told each host before the first request that names it; an error ends the run.
    hosts: &'a mut dyn FnMut(&str) -> Result<(), ReplayError>,
    seen_hosts: HashSet<String>,
    /// Connections of which the request that upgrades them is not sent: neither are their messages.
    passed: HashSet<u32>,
    /// By session, for shards.
    sessions: Option<HashMap<u32, u64>>,
    lives: Lives,
    met: Arc<Mutex<Met>>,
    copies: Copies<Held>,
    /// Who the copies are; those of the capture when there is none.
    identities: Option<&'a Identities>,
    round: u32,
    /// The capture's time that is the run's 0.
    origin: Option<u64>,
    /// Captured instants of the first and the last request, from the origin.
    span: Option<(u64, u64)>,
    /// Where this round begins.
    base: u64,
    /// How far the rounds have come.
    position: u64,
    /// Requests of a round that may be sent.
    allowed: u64,
    /// Requests dealt in this round, of all copies.
    dealt: u64,
    /// There are further rounds, as long as the schedule wants more.
    repeats: bool,
    /// The schedule has come to its end.
    over: bool,
    /// Whole rounds may be handed out at once.
    pub by_rounds: bool,
    /// More rounds were wanted, but what came through a pipe is gone.
    pub cut_short: bool,
}

/// Something of the capture, while copies wait for it.
#[derive(Clone)]
struct Held {
    round: u32,
    /// Where that round begins.
    base: u64,
    what: Dealt,
}

#[derive(Clone)]
enum Dealt {
    /// A request, the number of its endpoint, and whether it may be sent.
    Turn(Arc<Turn>, u32, bool),
    /// As [`Card::Closed`].
    Closed(Closing),
}

impl<'a> Dealer<'a> {
    pub fn new(
        profile: &'a Profile,
        endpoints: &'a Endpoints,
        ahead: Arc<Ahead>,
        met: Arc<Mutex<Met>>,
        identities: Option<&'a Identities>,
        hosts: &'a mut dyn FnMut(&str) -> Result<(), ReplayError>,
    ) -> Result<Dealer<'a>, ReplayError> {
        Ok(Dealer {
            profile,
            schedule: Schedule::new(profile)?,
            endpoints,
            ahead,
            hosts,
            seen_hosts: HashSet::new(),
            passed: HashSet::new(),
            sessions: None,
            lives: Lives::new(profile.population),
            met,
            copies: Copies::new(profile, false),
            identities: identities.filter(|_| profile.identities == Who::Other),
            round: 0,
            origin: None,
            span: None,
            base: 0,
            position: 0,
            allowed: 0,
            dealt: 0,
            repeats: false,
            over: false,
            by_rounds: false,
            cut_short: false,
        })
    }

    /// Deals everything, round after round. `each` takes an errand, when it can, and says whether more are wanted.
    /// `kept`: everything is known from here on.
    pub fn run(
        &mut self,
        feed: &mut Feed,
        stop: &Arc<AtomicBool>,
        waits: &Arc<dyn Fn() + Send + Sync>,
        kept: &mut dyn FnMut(),
        each: &mut dyn FnMut(Errand) -> bool,
    ) -> Result<(), ReplayError> {
        let following = self.profile.correlation.clone();
        let wanted = Wanted { following, ..wanted(&self.profile.checks) };
        if self.profile.shard.is_some_and(|shard| shard.of > 1) {
            let sessions = feed.sessions(self.endpoints, &wanted, stop)?;
            self.met.lock().unwrap_or_else(PoisonError::into_inner).digest = Some(sessions.digest);
            self.sessions = Some(sessions.of);
        }
        self.repeats = self.profile.requests.is_some() || self.profile.duration.is_some() && self.rounds_follow();
        self.copies = Copies::new(self.profile, feed.is_pipe());
        loop {
            let mut failed = None;
            let again = feed.play(self.endpoints, &wanted, stop, waits, &mut |card| match self.card(card, each) {
                Ok(more) => {
                    self.over |= !more;
                    more
                }
                Err(error) => {
                    failed = Some(error);
                    false
                }
            })?;
            failed.map_or(Ok(()), Err)?;
            self.copies.is_long_enough();
            self.over = self.over || !self.due(each);
            self.lives.all_known = feed.is_kept();
            if self.lives.all_known || !self.repeats {
                kept();
            }
            if self.over || !again || !self.repeats || self.dealt == 0 {
                self.cut_short = self.repeats && !again && !self.over;
                if !stop.load(Ordering::Relaxed) && !self.over {
                    self.rest(each);
                }
                return Ok(());
            }
            self.next_round();
            if std::mem::take(&mut self.by_rounds)
                && let Some(rounds) = self.whole_rounds(feed)
                && (!each(Errand::Rounds(rounds.into())) || self.profile.requests.is_none())
            {
                return Ok(());
            }
        }
    }

    /// All further rounds of which every request is sent, when nobody has to deal them.
    fn whole_rounds(&mut self, feed: &Feed) -> Option<Rounds> {
        let count = self.schedule.left() / self.allowed.max(1);
        let rounds = Rounds::of(feed.tape()?, self.profile, self.round, count)?;
        self.schedule.skip(count.saturating_mul(self.allowed));
        self.round = self.round.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        Some(rounds)
    }

    /// Whether a further round is later than the one before it, so that it comes to an end with the run's time.
    fn rounds_follow(&self) -> bool {
        !matches!(self.profile.mode, Mode::Captured | Mode::Sessions) || self.profile.connect_scale > 0.0
    }

    /// The next round begins where one more request would have come.
    fn next_round(&mut self) {
        self.round += 1;
        self.base = u64::from(self.round).saturating_mul(self.round_ns());
        self.dealt = 0;
    }

    /// From one round's begin to the next one's, as far as the capture is known.
    fn round_ns(&self) -> u64 {
        let (first, last) = self.span.unwrap_or_default();
        let gaps = self.allowed.saturating_sub(1);
        let gap = (last - first).checked_div(gaps).map_or(LONE_NS, |gap| gap.max(1));
        last - first + gap
    }

    /// False when nothing more is to be dealt.
    fn card(&mut self, card: Card, each: &mut dyn FnMut(Errand) -> bool) -> Result<bool, ReplayError> {
        let (bytes, what) = match card {
            Card::Turn(turn, endpoint) => {
                let allowed = self.is_allowed(&turn);
                if self.round == 0 {
                    self.meet(&turn, endpoint, allowed)?;
                }
                if allowed {
                    let origin = *self.origin.get_or_insert(turn.at.min(turn.opened));
                    self.position = self.position.max(self.base.saturating_add(turn.at.saturating_sub(origin)));
                }
                (turn.request.bytes.len(), Dealt::Turn(turn, endpoint, allowed))
            }
            Card::Closed(closing) => {
                self.passed.remove(&closing.connection);
                (0, Dealt::Closed(closing))
            }
        };
        let held = Held { round: self.round, base: self.base, what };
        if self.copies.is_alone() {
            return Ok(self.deal(&held, 0, 0, each));
        }
        self.copies.add(self.position, bytes, &held);
        Ok(self.due(each))
    }

    /// Deals what is due by now, to whomever. False when nothing more is to be dealt.
    fn due(&mut self, each: &mut dyn FnMut(Errand) -> bool) -> bool {
        while let Some(Due { copy, offset, what }) = self.copies.due(self.position) {
            if !self.deal(&what, copy, offset, each) {
                return false;
            }
        }
        true
    }

    /// Deals what the copies still wait for at the end.
    fn rest(&mut self, each: &mut dyn FnMut(Errand) -> bool) {
        while let Some(Due { copy, offset, what }) = self.copies.rest() {
            if !self.deal(&what, copy, offset, each) {
                return;
            }
        }
    }

    /// Deals something to a copy. False when nothing more is to be dealt.
    fn deal(&mut self, held: &Held, copy: u32, offset: u64, each: &mut dyn FnMut(Errand) -> bool) -> bool {
        let (turn, endpoint, allowed) = match &held.what {
            Dealt::Turn(turn, endpoint, allowed) => (turn, *endpoint, *allowed),
            Dealt::Closed(Closing { connection, opened, at }) => {
                let since = held.base.saturating_add(offset);
                let on_clock = |instant: u64| since.saturating_add(instant.saturating_sub(self.origin.unwrap_or(0)));
                // What nobody closed is open until its like of the next round is, so that a target has as many to hold all the
                // time; in the last round until the run is over.
                let lasting =
                    || if self.repeats { on_clock(*opened).saturating_add(self.round_ns()) } else { u64::MAX };
                let at = self.schedule.closes(on_clock(*opened), at.map_or_else(lasting, on_clock));
                return each(Errand::Close(Lane { round: held.round, copy, connection: *connection }, at));
            }
        };
        let lane = Lane { round: held.round, copy, connection: turn.connection };
        if !allowed {
            self.lives.pass(lane, turn);
            return true;
        }
        if turn.is_heard() {
            return !self.is_mine(lane) || each(self.heard(turn, endpoint, lane));
        }
        let origin = self.origin.unwrap_or(0);
        let at = turn.at.saturating_sub(origin);
        if held.round == 0 && copy == 0 {
            let (first, last) = self.span.unwrap_or((at, at));
            self.span = Some((first.min(at), last.max(at)));
        }
        let since = held.base.saturating_add(offset);
        let captured = Captured {
            at: since.saturating_add(at),
            opened: since.saturating_add(turn.opened.saturating_sub(origin)),
            follows: turn.after.is_some(),
            think: turn.think,
            counts: turn.is_asking(),
        };
        let (intent, opened) = match self.schedule.next(&captured) {
            Plan::Send { intent, opened } => (intent, opened),
            Plan::Skip => return true,
            Plan::Over => return false,
        };
        self.dealt += u64::from(captured.counts);
        if !self.is_mine(lane) {
            return true;
        }
        let waited_for = self.profile.mode == Mode::Sessions;
        // A message of ours is answered by one that is told for itself.
        let is_message = turn.request.message.is_some();
        let live = if is_message { None } else { self.lives.add(lane, turn, waited_for) };
        let after = turn.after.filter(|_| waited_for).and_then(|number| self.lives.seen(lane, number));
        let sources = turn.edges.iter().map(|edge| self.lives.teller(lane, edge.from)).collect();
        let renamed = self.identities.filter(|_| copy > 0).and_then(|who| who.renamed(copy, &turn.request));
        let own = if self.lives.all_known { 0 } else { turn.request.bytes.len() };
        let ticket = self.ahead.ticket(DEAL_BYTES + own + renamed.as_ref().map_or(0, |renamed| renamed.bytes()));
        each(Errand::Send(Box::new(Deal {
            asked: Asked::of(&turn.request),
            turn: turn.clone(),
            lane,
            intent,
            captured: captured.at,
            renamed,
            opened,
            user: 0,
            endpoint,
            live,
            after,
            sources,
            handed: 0,
            _ticket: Some(ticket),
        })))
    }

    /// The copies came closer together than they were meant to.
    pub fn is_crowded(&self) -> bool {
        self.copies.crowded
    }

    /// Whether a request may be sent; a message, when the request may that its connection was upgraded by.
    fn is_allowed(&mut self, turn: &Turn) -> bool {
        if turn.request.message.is_some() {
            let is_said = self.profile.mode != Mode::Closed;
            if !is_said && !turn.is_heard() && self.round == 0 {
                self.met.lock().unwrap_or_else(PoisonError::into_inner).unsaid += 1;
            }
            return is_said && !self.passed.contains(&turn.connection);
        }
        let allowed = allowed(self.profile, &turn.request);
        if !allowed && turn.is_upgraded() {
            self.passed.insert(turn.connection);
        }
        allowed
    }

    /// A message of a server: nothing to send, but who waits for it or takes values from it is to know.
    fn heard(&mut self, turn: &Arc<Turn>, endpoint: u32, lane: Lane) -> Errand {
        let live = self.lives.add(lane, turn, self.profile.mode == Mode::Sessions);
        let asked = Asked::of(&turn.request);
        let mut deal = Box::new(Deal::undealt(turn.clone(), (endpoint, asked), lane, live, Box::default()));
        deal._ticket = Some(self.ahead.ticket(DEAL_BYTES));
        Errand::Send(deal)
    }

    /// Looks at a request of the first round.
    fn meet(&mut self, turn: &Turn, endpoint: u32, allowed: bool) -> Result<(), ReplayError> {
        for host in hosts(&turn.request) {
            if self.seen_hosts.contains(&host) {
                continue;
            }
            (self.hosts)(&host)?;
            if self.seen_hosts.len() < HOSTS_KEPT {
                self.met.lock().unwrap_or_else(PoisonError::into_inner).hosts.insert(host.clone());
                self.seen_hosts.insert(host);
            }
        }
        let is_asking = turn.is_asking();
        self.allowed += u64::from(allowed && is_asking);
        let lane = |copy| Lane { round: 0, copy, connection: turn.connection };
        let mine = (0..self.profile.population).filter(|copy| self.is_mine(lane(*copy))).count() as u64;
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.requests += u64::from(is_asking);
        met.edges += mine * turn.edges.len() as u64;
        if allowed && is_asking && mine > 0 {
            *met.mix.entry(endpoint).or_default() += mine;
        }
        Ok(())
    }

    /// A shard is a part of the sessions: the `I`th of each `N`. The copies of a session go to shards one after another.
    fn is_mine(&self, lane: Lane) -> bool {
        let (Some(Shard { index, of }), Some(sessions)) = (self.profile.shard, &self.sessions) else { return true };
        sessions.get(&lane.connection).is_some_and(|session| (session + u64::from(lane.copy)) % of == index)
    }
}

/// Whether the profile lets a request be sent.
pub fn allowed(profile: &Profile, request: &Request) -> bool {
    let method = request.method();
    (profile.methods.is_empty() || profile.methods.iter().any(|wanted| wanted.as_bytes() == method))
        && profile.filter.lets(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::schedule::Intent;
    use crate::workload::hand::{Exchange, workload};

    /// What was captured is told on one clock: a run is compared with it in further rounds and in copies, too.
    #[test]
    fn captured_instants_go_on() {
        const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let exchange = |at_ms| Exchange { connection: 0, at_ms, request: b"GET / HTTP/1.1\r\n\r\n", response: OK };
        let workload = workload(&[0, 100, 150, 400].map(exchange));
        for population in [1, 2] {
            let requests = Some(12 * u64::from(population));
            let profile = Profile { mode: Mode::Captured, requests, population, ..Profile::default() };
            let (endpoints, mut hosts) = (Endpoints::default(), |_: &str| Ok(()));
            let mut dealer =
                Dealer::new(&profile, &endpoints, Arc::default(), Arc::default(), None, &mut hosts).unwrap();
            let mut captured = Vec::new();
            let waits: Arc<dyn Fn() + Send + Sync> = Arc::new(|| {});
            let mut each = |errand| {
                if let Errand::Send(deal) = errand {
                    captured.push((deal.captured, deal.intent));
                }
                true
            };
            dealer.run(&mut Feed::from(&workload), &Arc::default(), &waits, &mut || {}, &mut each).unwrap();
            assert_eq!(captured.len() as u64, 12 * u64::from(population));
            assert!(captured.iter().all(|(at, intent)| *intent == Intent::At(*at)), "{captured:?}");
            assert!(captured.windows(2).all(|pair| pair[0].0 < pair[1].0), "{captured:?}");
        }
    }
}
