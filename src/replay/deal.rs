//! Deals the requests of a feed to those who send them, as a schedule says: round after round, bounded ahead.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::limits::{HOSTS_KEPT, LIVE_EXCHANGES_MAX};
use crate::workload::{Request, Turn, Wanted, host};

use super::ReplayError;
use super::checks::wanted;
use super::feed::{Card, Feed};
use super::live::Live;
use super::profile::{Mode, Profile, Shard};
use super::response::Asked;
use super::rounds::Rounds;
use super::schedule::{Captured, Intent, Plan, Schedule};
use super::tally::Endpoints;

/// What a request takes while it waits, beside its bytes.
const DEAL_BYTES: usize = 512;
/// Time between rounds of a capture that has one request only, and so no time between requests of its own.
const LONE_NS: u64 = 1_000_000_000;

/// Which connection of a run: a captured one, in one of the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// From 0.
    pub round: u32,
    /// As [`Turn::connection`].
    pub connection: u32,
}

/// A request to be sent.
pub struct Deal {
    /// What, and what is known of it.
    pub turn: Arc<Turn>,
    /// On which connection.
    pub lane: Lane,
    /// When.
    pub intent: Intent,
    /// When its connection is opened, from the run's start; none: when it is needed.
    pub opened: Option<u64>,
    /// Which connection of a closed loop sends it.
    pub user: u32,
    /// Number of its endpoint.
    pub endpoint: u32,
    /// How its answer ends. Known when it is dealt: who sends it then needs not look at the captured bytes.
    pub asked: Asked,
    /// Who waits for it, if anybody may.
    pub live: Option<Arc<Live>>,
    /// What its sender had seen.
    pub after: Option<Arc<Live>>,
    /// Where its values come from, one for each of [`Turn::edges`]; none for what is not replayed.
    pub sources: Box<[Option<Arc<Live>>]>,
    /// Its part of the look-ahead, if it was dealt ahead.
    _ticket: Option<Ticket>,
}

/// What is dealt.
pub enum Errand {
    /// A request.
    Send(Box<Deal>),
    /// No further one on this connection.
    Close(Lane),
    /// Whole rounds, for whoever has time.
    Rounds(Arc<Rounds>),
}

/// How far ahead of the requests that are due others are dealt.
#[derive(Default)]
pub struct Ahead {
    bytes: AtomicUsize,
}

/// Bytes ahead, given back when it is dropped.
pub struct Ticket(Arc<Ahead>, usize);

impl Ahead {
    /// Bytes dealt and not yet done with.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn ticket(self: &Arc<Ahead>, bytes: usize) -> Ticket {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ticket(self.clone(), bytes)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.bytes.fetch_sub(self.1, Ordering::Relaxed);
    }
}

impl Deal {
    /// A request that is sent as soon as its turn comes, without having been dealt ahead.
    pub fn undealt(
        turn: Arc<Turn>,
        (endpoint, asked): (u32, Asked),
        lane: Lane,
        live: Option<Arc<Live>>,
        sources: Box<[Option<Arc<Live>>]>,
    ) -> Deal {
        let intent = Intent::After(0);
        Deal { turn, lane, intent, opened: None, user: 0, endpoint, asked, live, after: None, sources, _ticket: None }
    }
}

impl Drop for Deal {
    fn drop(&mut self) {
        // Nobody is to wait for what will not come.
        if let Some(live) = &self.live {
            live.give_up(super::pacer::now());
        }
    }
}

/// What was met in the first round: the capture, as far as it was read.
#[derive(Clone, Debug, Default)]
pub struct Met {
    /// Hosts that requests name, some of them when they are very many.
    pub hosts: BTreeSet<String>,
    /// Requests.
    pub requests: u64,
    /// Values that come from earlier responses.
    pub edges: u64,
    /// Requests that may be sent by endpoint.
    pub mix: BTreeMap<u32, u64>,
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
    /// By session, for shards.
    sessions: Option<HashMap<u32, u64>>,
    lives: Lives,
    met: Arc<Mutex<Met>>,
    round: u32,
    /// The capture's time that is the run's 0.
    origin: Option<u64>,
    /// Captured instants of the first and the last request, from the origin.
    span: Option<(u64, u64)>,
    /// Where this round begins.
    base: u64,
    /// Requests of a round that may be sent.
    allowed: u64,
    /// Requests dealt in this round.
    dealt: u64,
    /// The schedule has come to its end.
    over: bool,
    /// Whole rounds may be handed out at once.
    pub by_rounds: bool,
    /// More rounds were wanted, but what came through a pipe is gone.
    pub cut_short: bool,
}

impl<'a> Dealer<'a> {
    pub fn new(
        profile: &'a Profile,
        endpoints: &'a Endpoints,
        ahead: Arc<Ahead>,
        met: Arc<Mutex<Met>>,
        hosts: &'a mut dyn FnMut(&str) -> Result<(), ReplayError>,
    ) -> Result<Dealer<'a>, ReplayError> {
        Ok(Dealer {
            profile,
            schedule: Schedule::new(profile)?,
            endpoints,
            ahead,
            hosts,
            seen_hosts: HashSet::new(),
            sessions: None,
            lives: Lives::default(),
            met,
            round: 0,
            origin: None,
            span: None,
            base: 0,
            allowed: 0,
            dealt: 0,
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
        let repeats = self.profile.duration.is_some() || self.profile.requests.is_some();
        loop {
            let mut failed = None;
            let again = feed.play(self.endpoints, &wanted, stop, waits, &mut |card| match self.card(card, each) {
                Ok(more) => more,
                Err(error) => {
                    failed = Some(error);
                    false
                }
            })?;
            failed.map_or(Ok(()), Err)?;
            self.lives.all_known = feed.is_kept();
            if self.lives.all_known || !repeats {
                kept();
            }
            if !again || !repeats || self.dealt == 0 {
                self.cut_short = repeats && !again && !self.over;
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

    /// The next round begins where one more request would have come.
    fn next_round(&mut self) {
        let (first, last) = self.span.unwrap_or_default();
        let gaps = self.allowed.saturating_sub(1);
        let gap = (last - first).checked_div(gaps).map_or(LONE_NS, |gap| gap.max(1));
        self.round += 1;
        self.base = u64::from(self.round).saturating_mul(last - first + gap);
        self.dealt = 0;
    }

    /// False when nothing more is to be dealt.
    fn card(&mut self, card: Card, each: &mut dyn FnMut(Errand) -> bool) -> Result<bool, ReplayError> {
        let (turn, endpoint) = match card {
            Card::Turn(turn, endpoint) => (turn, endpoint),
            Card::Closed(connection) => return Ok(each(Errand::Close(Lane { round: self.round, connection }))),
        };
        let allowed = allowed(self.profile, &turn.request);
        let mine = self.is_mine(turn.connection);
        if self.round == 0 {
            self.meet(&turn, endpoint, allowed, mine)?;
        }
        if !allowed {
            self.lives.pass(self.round, &turn);
            return Ok(true);
        }
        let origin = *self.origin.get_or_insert(turn.at.min(turn.opened));
        let at = turn.at.saturating_sub(origin);
        if self.round == 0 {
            let (first, last) = self.span.unwrap_or((at, at));
            self.span = Some((first.min(at), last.max(at)));
        }
        let captured = Captured {
            at: self.base.saturating_add(at),
            opened: self.base.saturating_add(turn.opened.saturating_sub(origin)),
            follows: turn.after.is_some(),
            think: turn.think,
        };
        let (intent, opened) = match self.schedule.next(&captured) {
            Plan::Send { intent, opened } => (intent, opened),
            Plan::Skip => return Ok(true),
            Plan::Over => {
                self.over = true;
                return Ok(false);
            }
        };
        self.dealt += 1;
        if !mine {
            return Ok(true);
        }
        let waited_for = self.profile.mode == Mode::Sessions;
        let live = self.lives.add(self.round, &turn, waited_for);
        let after = turn.after.filter(|_| waited_for).and_then(|number| self.lives.seen(self.round, number));
        let sources = turn.edges.iter().map(|edge| self.lives.teller(self.round, edge.from)).collect();
        let bytes = DEAL_BYTES + if self.lives.all_known { 0 } else { turn.request.bytes.len() };
        let lane = Lane { round: self.round, connection: turn.connection };
        let ticket = self.ahead.ticket(bytes);
        Ok(each(Errand::Send(Box::new(Deal {
            asked: Asked::of(&turn.request),
            turn,
            lane,
            intent,
            opened,
            user: 0,
            endpoint,
            live,
            after,
            sources,
            _ticket: Some(ticket),
        }))))
    }

    /// Looks at a request of the first round.
    fn meet(&mut self, turn: &Turn, endpoint: u32, allowed: bool, mine: bool) -> Result<(), ReplayError> {
        if let Some(host) = host(&turn.request)
            && !self.seen_hosts.contains(&host)
        {
            (self.hosts)(&host)?;
            if self.seen_hosts.len() < HOSTS_KEPT {
                self.met.lock().unwrap_or_else(PoisonError::into_inner).hosts.insert(host.clone());
                self.seen_hosts.insert(host);
            }
        }
        self.allowed += u64::from(allowed);
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.requests += 1;
        if mine {
            met.edges += turn.edges.len() as u64;
            if allowed {
                *met.mix.entry(endpoint).or_default() += 1;
            }
        }
        Ok(())
    }

    /// A shard is a part of the sessions: the `I`th of each `N`.
    fn is_mine(&self, connection: u32) -> bool {
        let (Some(Shard { index, of }), Some(sessions)) = (self.profile.shard, &self.sessions) else { return true };
        sessions.get(&connection).is_some_and(|session| session % of == index)
    }
}

/// Whether the profile lets a request be sent.
pub fn allowed(profile: &Profile, request: &Request) -> bool {
    let method = request.method();
    (profile.methods.is_empty() || profile.methods.iter().any(|wanted| wanted.as_bytes() == method))
        && profile.filter.lets(request)
}

/// The exchanges that later ones may refer to, in two generations: those asked for stay, the others go with the older one.
#[derive(Default)]
struct Lives {
    young: HashMap<(u32, u64), Known>,
    old: HashMap<(u32, u64), Known>,
    /// No value will turn out to be needed later.
    all_known: bool,
}

/// An exchange by its number.
#[derive(Clone)]
enum Known {
    Sent(Arc<Live>),
    /// Not sent. Who had seen its response had seen that of this one.
    Passed(Arc<Live>),
}

impl Lives {
    /// A new exchange; none when nobody can refer to it.
    fn add(&mut self, round: u32, turn: &Turn, waited_for: bool) -> Option<Arc<Live>> {
        if self.all_known && turn.told.is_empty() && !waited_for {
            return None;
        }
        let live = Arc::new(Live::new(turn.told.clone()));
        self.insert((round, turn.number), Known::Sent(live.clone()));
        Some(live)
    }

    /// An exchange that is not replayed.
    fn pass(&mut self, round: u32, turn: &Turn) {
        if let Some(before) = turn.after.and_then(|number| self.seen(round, number)) {
            self.insert((round, turn.number), Known::Passed(before));
        }
    }

    /// What is to be over for the response to a request to have been seen.
    fn seen(&mut self, round: u32, number: u64) -> Option<Arc<Live>> {
        let (Known::Sent(live) | Known::Passed(live)) = self.get(round, number)?;
        Some(live)
    }

    /// Whose response tells what the response to a request told.
    fn teller(&mut self, round: u32, number: u64) -> Option<Arc<Live>> {
        match self.get(round, number)? {
            Known::Sent(live) => Some(live),
            Known::Passed(_) => None,
        }
    }

    fn get(&mut self, round: u32, number: u64) -> Option<Known> {
        let key = (round, number);
        if let Some(known) = self.old.remove(&key) {
            self.insert(key, known);
        }
        self.young.get(&key).cloned()
    }

    fn insert(&mut self, key: (u32, u64), known: Known) {
        if self.young.len() >= LIVE_EXCHANGES_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, known);
    }
}
