//! Rounds that nobody has to deal: a capture in memory. In a closed loop its connections go through it by themselves,
//! session after session, round after round; all that a request takes from earlier answers was told to the same one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::workload::Turn;

use super::deal::allowed;
use super::errand::{Deal, Lane};
use super::feed::{Card, first};
use super::live::Live;
use super::profile::{Mode, Profile, Shard};
use super::response::Asked;

/// Some rounds of a capture, shared by all connections that send them.
pub struct Rounds {
    sessions: Vec<Vec<Exchange>>,
    /// Number of the first round.
    first: u32,
    /// Sessions to be sent, over all rounds.
    count: u64,
    /// Those that were begun.
    begun: AtomicU64,
}

/// A request that may be sent. Others of its session are named by their places in it.
struct Exchange {
    turn: Arc<Turn>,
    /// Number of its endpoint.
    endpoint: u32,
    asked: Asked,
    /// A later request takes something from its answer.
    tells: bool,
    /// For each of [`Turn::edges`], where it comes from; none for what is not replayed.
    sources: Box<[Option<usize>]>,
    /// Those whose answers no later request needs.
    forgets: Vec<usize>,
}

/// How far one connection is.
#[derive(Default)]
pub struct Walk {
    round: u32,
    session: usize,
    /// Place of the next exchange.
    next: usize,
    /// By place: those whose answers are still needed.
    lives: HashMap<usize, Arc<Live>>,
}

impl Rounds {
    /// `count` rounds of all that a profile lets be sent, from round `first` on; none when it takes a dealer.
    pub fn of(cards: &[Card], profile: &Profile, first: u32, count: u64) -> Option<Rounds> {
        let whole = profile.shard.is_none_or(|Shard { of, .. }| of == 1);
        if !whole || profile.mode != Mode::Closed || profile.population > 1 {
            return None;
        }
        let sessions = sessions(cards, profile);
        let count = count.saturating_mul(sessions.len() as u64);
        (count > 0).then_some(Rounds { sessions, first, count, begun: AtomicU64::new(0) })
    }

    /// What a connection sends next; none when all is sent, or will be by others.
    pub fn next(&self, walk: &mut Option<Walk>) -> Option<Deal> {
        loop {
            if let Some(walk) = walk
                && let Some(exchange) = self.sessions[walk.session].get(walk.next)
            {
                return Some(exchange.deal(walk));
            }
            let begun = self.begun.fetch_add(1, Ordering::Relaxed);
            if begun >= self.count {
                *walk = None;
                return None;
            }
            let (round, session) = (begun / self.sessions.len() as u64, begun % self.sessions.len() as u64);
            let round = self.first.wrapping_add(round as u32);
            *walk = Some(Walk { round, session: session as usize, ..Walk::default() });
        }
    }
}

impl Exchange {
    fn deal(&self, walk: &mut Walk) -> Deal {
        let lane = Lane { round: walk.round, copy: 0, connection: self.turn.connection };
        let sources = self.sources.iter().map(|source| walk.lives.get(source.as_ref()?).cloned()).collect();
        self.forgets.iter().for_each(|place| drop(walk.lives.remove(place)));
        let live = self.tells.then(|| Arc::new(Live::new(self.turn.told.clone())));
        walk.lives.extend(live.iter().map(|live| (walk.next, live.clone())));
        walk.next += 1;
        Deal::undealt(self.turn.clone(), (self.endpoint, self.asked), lane, live, sources)
    }
}

/// The requests that may be sent, each session's in their order: connections belong together as the whole capture tells.
fn sessions(cards: &[Card], profile: &Profile) -> Vec<Vec<Exchange>> {
    let turns = cards.iter().filter_map(|card| match card {
        Card::Turn(turn, endpoint) => Some((turn, *endpoint)),
        Card::Closed(_) => None,
    });
    let turns: Vec<(&Arc<Turn>, u32)> = turns.collect();
    let mut groups = HashMap::new();
    for (turn, _) in &turns {
        for other in turn.edges.iter().map(|edge| edge.connection).chain([turn.session]) {
            let (a, b) = (first(&mut groups, turn.connection), first(&mut groups, other));
            groups.insert(a.max(b), a.min(b));
        }
    }
    let mut sessions: Vec<Vec<Exchange>> = Vec::new();
    let mut of_group = HashMap::new();
    let mut place_of = HashMap::new();
    for (turn, endpoint) in turns.into_iter().filter(|(turn, _)| is_sent(turn, profile)) {
        let mine = *of_group.entry(first(&mut groups, turn.connection)).or_insert(sessions.len());
        if mine == sessions.len() {
            sessions.push(Vec::new());
        }
        let session = &mut sessions[mine];
        place_of.insert(turn.number, (mine, session.len()));
        let place = |from| place_of.get(from).filter(|(session, _)| *session == mine).map(|(_, place)| *place);
        let sources: Box<[_]> = turn.edges.iter().map(|edge| place(&edge.from)).collect();
        sources.iter().flatten().for_each(|place| session[*place].tells = true);
        let asked = Asked::of(&turn.request);
        session.push(Exchange { turn: turn.clone(), endpoint, asked, tells: false, sources, forgets: Vec::new() });
    }
    sessions.iter_mut().for_each(|session| forget(session));
    sessions
}

/// A closed loop sends no messages.
fn is_sent(turn: &Turn, profile: &Profile) -> bool {
    turn.request.message.is_none() && allowed(profile, &turn.request)
}

/// Sets which answers are not needed after which exchange.
fn forget(session: &mut [Exchange]) {
    let uses = |(user, exchange): (usize, &Exchange)| {
        exchange.sources.iter().flatten().map(|from| (*from, user)).collect::<Vec<_>>()
    };
    let last: HashMap<usize, usize> = session.iter().enumerate().flat_map(uses).collect();
    last.into_iter().for_each(|(from, user)| session[user].forgets.push(from));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::feed::Feed;
    use crate::replay::tally::Endpoints;
    use crate::workload::Wanted;
    use crate::workload::hand::{self, workload};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn closed() -> Profile {
        Profile { mode: Mode::Closed, ..Profile::default() }
    }

    /// Everything that a capture holds: who asked, and what was asked and answered, a millisecond apart.
    fn cards(exchanges: &[(u32, String, String)]) -> Vec<Card> {
        let mut all = Vec::new();
        for (n, (connection, request, response)) in (0..).zip(exchanges) {
            let (request, response) = (request.as_bytes(), response.as_bytes());
            all.push(hand::Exchange { connection: *connection, at_ms: 2 * n, request, response });
        }
        let mut cards = Vec::new();
        let mut feed = Feed::from(&workload(&all));
        let each = &mut |card| {
            cards.push(card);
            true
        };
        feed.play(&Endpoints::default(), &Wanted::default(), &Arc::default(), &(Arc::new(|| {}) as Arc<_>), each)
            .unwrap();
        cards
    }

    fn login(n: u32) -> (u32, String, String) {
        let cookie = format!("Set-Cookie: sid=a1B2c3D4{n:04}");
        (n, "POST /login HTTP/1.1\r\n\r\n".into(), format!("HTTP/1.1 200 OK\r\n{cookie}\r\nContent-Length: 0\r\n\r\n"))
    }

    fn get(connection: u32, cookie: Option<u32>) -> (u32, String, String) {
        let cookie = cookie.map_or_else(String::new, |n| format!("Cookie: sid=a1B2c3D4{n:04}\r\n"));
        let response = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into();
        (connection, format!("GET /{connection} HTTP/1.1\r\n{cookie}\r\n"), response)
    }

    proptest! {
        /// However many go through them in whatever order: each round holds every request once, each session in its order
        /// and by one of them.
        #[test]
        fn all_is_sent_once_in_each_round(of in prop::collection::vec(0u32..5, 1..30), rounds in 1u64..4, order in prop::collection::vec(0usize..3, 200)) {
            let cards = cards(&of.iter().map(|connection| get(*connection, None)).collect::<Vec<_>>());
            let all = Rounds::of(&cards, &closed(), 7, rounds).unwrap();
            let mut walks = [None, None, None];
            let mut sent: BTreeMap<(u32, u32), Vec<(u64, usize)>> = BTreeMap::new();
            for who in order.into_iter().chain((0..3).flat_map(|who| [who; 100])) {
                if let Some(deal) = all.next(&mut walks[who]) {
                    let by = String::from_utf8_lossy(&deal.turn.request.target()[1..]).parse().unwrap();
                    sent.entry((deal.lane.round, by)).or_default().push((deal.turn.number, who));
                }
            }
            for round in 7..7 + rounds as u32 {
                for connection in 0..5 {
                    let captured = (0..).zip(&of).filter(|(_, by)| **by == connection).map(|(n, _)| n).collect::<Vec<u64>>();
                    let sent = sent.remove(&(round, connection)).unwrap_or_default();
                    prop_assert_eq!(sent.iter().map(|(number, _)| *number).collect::<Vec<_>>(), captured);
                    prop_assert!(sent.windows(2).all(|pair| pair[0].1 == pair[1].1));
                }
            }
            prop_assert!(sent.is_empty());
        }
    }

    #[test]
    fn values_come_from_the_same_round_and_are_forgotten_after_their_last_use() {
        let cards = cards(&[login(0), get(1, None), get(2, Some(0)), get(0, Some(0)), get(2, None)]);
        let all = Rounds::of(&cards, &closed(), 1, 2).unwrap();
        let mut walks = [None, None];
        // The lone request of connection 1 is a session of its own.
        let mut tellers = Vec::new();
        for walk in &mut walks {
            let told = loop {
                match all.next(walk).unwrap().live.clone() {
                    Some(told) => break told,
                    None => *walk = None,
                }
            };
            let rest: Vec<Deal> = (0..3).map(|_| all.next(walk).unwrap()).collect();
            assert_eq!([0, 1, 2].map(|n: usize| rest[n].turn.number), [2, 3, 4]);
            for user in &rest[..2] {
                assert!(Arc::ptr_eq(user.sources[0].as_ref().unwrap(), &told));
                assert!(user.live.is_none(), "nobody takes anything from it");
            }
            assert!(walk.as_ref().unwrap().lives.is_empty());
            tellers.push(told);
        }
        assert!(!Arc::ptr_eq(&tellers[0], &tellers[1]), "each round has its own");
    }

    #[test]
    fn what_is_not_sent_tells_nothing() {
        let cards = cards(&[login(0), get(0, Some(0))]);
        let only_get = Profile { methods: vec!["GET".into()], ..closed() };
        let all = Rounds::of(&cards, &only_get, 1, 1).unwrap();
        let mut walk = None;
        assert!(all.next(&mut walk).unwrap().sources[0].is_none());
        assert!(all.next(&mut walk).is_none() && walk.is_none());
    }

    #[test]
    fn only_a_closed_loop_of_a_whole_capture_needs_no_dealer() {
        let cards = cards(&[get(0, None)]);
        let none = |profile: Profile| Rounds::of(&cards, &profile, 1, 1).is_none();
        assert!(Rounds::of(&cards, &closed(), 1, 0).is_none());
        assert!(none(Profile { mode: Mode::Sessions, ..closed() }));
        assert!(none(Profile { shard: Some(Shard { index: 0, of: 2 }), ..closed() }));
        assert!(none(Profile { methods: vec!["PUT".into()], ..closed() }));
        assert!(!none(Profile { shard: Some(Shard { index: 0, of: 1 }), ..closed() }));
    }
}
