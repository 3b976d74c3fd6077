//! Where the requests of a run come from: a capture of any size, read again for every round, or a gathered workload.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::limits::TAPE_BYTES_MAX;
use crate::workload::endpoint::endpoint;
use crate::workload::{Closing, Event, LeftOut, Turn, Wanted, Workload, stream};

use super::ReplayError;
use super::tally::Endpoints;

/// Opens a capture once more.
pub type Opener = Box<dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync>;

/// A source of requests, in captured order.
pub struct Feed {
    source: Source,
    /// What was kept of a first round that fits.
    tape: Option<Arc<[Card]>>,
    left_out: LeftOut,
    /// What the numbers on the tape stand for: the same in all runs of one feed.
    endpoints: Arc<Endpoints>,
}

enum Source {
    /// Can be read as often as it takes.
    Capture(Opener),
    /// Can be read once.
    Pipe(Option<Box<dyn Read + Send>>),
    /// Is in memory already; taken when it is told first.
    Gathered(Option<Vec<Event>>),
}

/// An event of a stream, as often as it is replayed.
#[derive(Clone, Debug)]
pub enum Card {
    /// An exchange, and the number of its endpoint.
    Turn(Arc<Turn>, u32),
    /// No further one on this connection.
    Closed(Closing),
}

impl Feed {
    /// A capture that can be opened again.
    pub fn capture(open: Opener) -> Feed {
        Feed { source: Source::Capture(open), tape: None, left_out: LeftOut::default(), endpoints: Arc::default() }
    }

    /// A capture that can be read once: a pipe. It is replayed again only when it is short.
    pub fn pipe(input: Box<dyn Read + Send>) -> Feed {
        Feed { source: Source::Pipe(Some(input)), tape: None, left_out: LeftOut::default(), endpoints: Arc::default() }
    }

    /// Whether it may be gone through before it is replayed.
    pub fn is_pipe(&self) -> bool {
        matches!(self.source, Source::Pipe(_)) && self.tape.is_none()
    }

    /// It is in memory: no request turns out to need a response any more.
    pub(super) fn is_kept(&self) -> bool {
        self.tape.is_some()
    }

    /// All that is in it, when it is in memory.
    pub(super) fn tape(&self) -> Option<&[Card]> {
        self.tape.as_deref()
    }

    /// What its endpoints are numbered by.
    pub(super) fn endpoints(&self) -> Arc<Endpoints> {
        self.endpoints.clone()
    }

    /// What is no part of it, as far as it was read.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Tells all that is in it, once. When `stop` is set, or `each` says false, it ends early. `wanted` is what is
    /// to be remembered of answers. `waits` is called before
    /// it reads, which may take long. True: it was told to its end, and can be told again.
    pub(super) fn play(
        &mut self,
        endpoints: &Endpoints,
        wanted: &Wanted,
        stop: &Arc<AtomicBool>,
        waits: &Arc<dyn Fn() + Send + Sync>,
        each: &mut dyn FnMut(Card) -> bool,
    ) -> Result<bool, ReplayError> {
        if let Source::Gathered(events) = &mut self.source
            && let Some(events) = events.take()
        {
            // Whether it is gone through to its end or not, it can be gone through again.
            self.tape = Some(events.into_iter().map(|event| Card::of(event, endpoints, wanted)).collect());
        }
        if let Some(tape) = &self.tape {
            for card in tape.iter() {
                if stop.load(Ordering::Relaxed) || !each(card.clone()) {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        let ended = Arc::new(AtomicBool::new(false));
        let mut keep = Some((Vec::new(), 0));
        let mut tell = |event| {
            if ended.load(Ordering::Relaxed) {
                return;
            }
            let card = Card::of(event, endpoints, wanted);
            if let Some((cards, bytes)) = &mut keep {
                *bytes += card.bytes();
                cards.push(card.clone());
                if *bytes > TAPE_BYTES_MAX {
                    keep = None;
                }
            }
            if !each(card) {
                ended.store(true, Ordering::Relaxed);
            }
        };
        let input = match &mut self.source {
            Source::Capture(open) => Some(open()?),
            Source::Pipe(input) => Some(input.take().ok_or(ReplayError::Once)?),
            Source::Gathered(_) => None,
        };
        let left_out = match input {
            Some(input) => {
                let input = Ending { input, stop: stop.clone(), ended: ended.clone(), waits: waits.clone() };
                stream(Box::new(input), wanted, &mut tell).map_err(ReplayError::Capture)?
            }
            None => self.left_out,
        };
        self.left_out = left_out;
        if ended.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        self.tape = keep.map(|(cards, _)| cards.into());
        Ok(self.tape.is_some() || matches!(self.source, Source::Capture(_)))
    }

    /// Which session each connection belongs to, counted in order of their first connections: what a shard is chosen by.
    /// Goes through all of it.
    pub(super) fn sessions(
        &mut self,
        endpoints: &Endpoints,
        wanted: &Wanted,
        stop: &Arc<AtomicBool>,
    ) -> Result<Sessions, ReplayError> {
        let mut groups: HashMap<u32, u32> = HashMap::new();
        let mut digest = blake3::Hasher::new();
        let waits: Arc<dyn Fn() + Send + Sync> = Arc::new(|| {});
        self.play(endpoints, wanted, stop, &waits, &mut |card| {
            if let Card::Turn(turn, _) = card {
                for other in turn.edges.iter().map(|edge| edge.connection).chain([turn.session]) {
                    let (a, b) = (first(&mut groups, turn.connection), first(&mut groups, other));
                    groups.insert(a.max(b), a.min(b));
                }
                digest.update(&turn.at.to_le_bytes());
                digest.update(&(turn.request.bytes.len() as u64).to_le_bytes());
                digest.update(&turn.request.bytes);
            }
            true
        })?;
        let connections: BTreeSet<u32> = groups.keys().copied().collect();
        let mut ranks = HashMap::new();
        let mut of = HashMap::with_capacity(connections.len());
        for connection in connections {
            let next = ranks.len() as u64;
            let rank = *ranks.entry(first(&mut groups, connection)).or_insert(next);
            of.insert(connection, rank);
        }
        let digest = digest.finalize().to_hex()[..DIGEST_DIGITS].to_owned();
        Ok(Sessions { of, digest })
    }
}

/// Hex digits that tell one capture from another.
const DIGEST_DIGITS: usize = 16;

/// What a shard is chosen by.
pub(super) struct Sessions {
    /// The session of each connection, counted in order of their first connections.
    pub(super) of: HashMap<u32, u64>,
    /// Of all requests and their times: shards of one run have the same.
    pub(super) digest: String,
}

/// The first connection of those that belong together (union-find).
pub(super) fn first(groups: &mut HashMap<u32, u32>, mut connection: u32) -> u32 {
    loop {
        let next = *groups.entry(connection).or_insert(connection);
        if next == connection {
            return connection;
        }
        let further = groups.get(&next).copied().unwrap_or(next);
        groups.insert(connection, further);
        connection = further;
    }
}

impl Card {
    fn of(event: Event, endpoints: &Endpoints, wanted: &Wanted) -> Card {
        match event {
            Event::Turn(mut turn) => {
                // What was gathered was correlated before anybody asked.
                if wanted.following.off {
                    turn.edges.clear();
                }
                let number = endpoints.number(endpoint(&turn.request));
                Card::Turn(Arc::new(*turn), number)
            }
            Event::Closed(closing) => Card::Closed(closing),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Card::Turn(turn, _) => 2 * turn.request.bytes.len() + turn.edges.len() * 40 + size_of::<Turn>(),
            Card::Closed(_) => size_of::<Card>(),
        }
    }
}

impl From<Arc<Workload>> for Feed {
    fn from(workload: Arc<Workload>) -> Feed {
        Feed::from(&*workload)
    }
}

impl From<&Workload> for Feed {
    fn from(workload: &Workload) -> Feed {
        Feed {
            source: Source::Gathered(Some(workload.events())),
            tape: None,
            left_out: workload.left_out,
            endpoints: Arc::default(),
        }
    }
}

/// An input that ends when it is told to.
struct Ending {
    input: Box<dyn Read + Send>,
    stop: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    waits: Arc<dyn Fn() + Send + Sync>,
}

impl Read for Ending {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) || self.ended.load(Ordering::Relaxed) {
            return Ok(0);
        }
        (self.waits)();
        self.input.read(buffer)
    }
}
