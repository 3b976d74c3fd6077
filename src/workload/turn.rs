//! The traffic of a capture as a stream: one exchange after another, each with what is known of its place.
//!
//! A [`Turn`] speaks of others by number, so that it can be told before the rest of its session is known. A [`Workload`]
//! is the same thing gathered.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::protocol::Encoding;

use super::line::{Place, Told};
use super::{Request, Response, Workload};

/// One exchange of a stream.
#[derive(Debug)]
pub struct Turn {
    /// Counts the requests of the capture, in order of their first bytes; some may be missing.
    pub number: u64,
    /// The same for all connections of a client; says nothing about who it was.
    pub client: u64,
    /// The first of the connections that belong together with this one, as far as the capture has told by now.
    pub session: u32,
    /// Counts connections.
    pub connection: u32,
    /// When that was opened (or first seen), nanoseconds from the capture's start.
    pub opened: u64,
    /// The connection speaks HTTP/2: its exchanges may overlap, and stand here in the form that HTTP/1 gives them.
    pub http2: bool,
    /// Time of the request's first byte, likewise.
    pub at: u64,
    /// The response that was the last to be complete before this request, on any connection that belongs together with
    /// this one: what its sender had seen. By the number of its request.
    pub after: Option<u64>,
    /// Nanoseconds since that response's last byte; without one, since the connection was opened.
    pub think: u64,
    /// What was asked.
    pub request: Request,
    /// What was answered, when the capture tells.
    pub expect: Option<Response>,
    /// Values of the request that come from earlier responses, in order of position, without overlap.
    pub edges: Vec<Follows>,
    /// What of this response later requests take.
    pub told: Arc<Told>,
}

impl Turn {
    /// A request that was answered by an upgrade to WebSocket.
    pub fn is_upgraded(&self) -> bool {
        self.expect.as_ref().is_some_and(|answer| answer.status == 101) && self.request.is_upgrade()
    }

    /// A message of a server: it is not sent, but awaited.
    pub fn is_heard(&self) -> bool {
        self.request.message.as_ref().is_some_and(|message| message.is_heard())
    }

    /// A request, or a message that was answered; other messages are sent, and that is all.
    pub fn is_asking(&self) -> bool {
        self.request.message.is_none() || !self.is_heard() && self.expect.is_some()
    }

    /// Whether this request was sent before the answer to `before`, the one before it on its connection, was complete.
    pub fn is_ahead_of_answer(&self, before: &Turn) -> bool {
        before.expect.as_ref().is_some_and(|answer| answer.last_byte > self.at)
    }
}

/// A value of a request that was found in an earlier response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follows {
    /// Where it stands in [`Request::bytes`].
    pub at: Range<usize>,
    /// How the bytes there stand for text.
    pub encoding: Encoding,
    /// The number of the request whose response told it.
    pub from: u64,
    /// The connection of that request.
    pub connection: u32,
    /// Which one of that response's [`Turn::told`].
    pub value: u32,
}

/// What a stream tells.
#[derive(Debug)]
pub enum Event {
    /// The next exchange. Those of a connection come in their order.
    Turn(Box<Turn>),
    /// No further exchange on this connection.
    Closed(Closing),
}

/// The end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// As [`Turn::connection`].
    pub connection: u32,
    /// As [`Turn::opened`].
    pub opened: u64,
    /// When it was closed, nanoseconds from the capture's start; none: it was open at the capture's end.
    pub at: Option<u64>,
}

impl Workload {
    /// The workload as a stream, in order of time.
    pub fn events(&self) -> Vec<Event> {
        let mut order: Vec<(u64, usize, usize)> = Vec::with_capacity(self.requests());
        for (n, session) in self.sessions.iter().enumerate() {
            order.extend(session.steps.iter().enumerate().map(|(m, step)| (step.at, n, m)));
        }
        order.sort_unstable();
        let numbers: HashMap<(usize, usize), u64> =
            (0..).zip(&order).map(|(number, (_, session, step))| ((*session, *step), number)).collect();
        let mut connections = 0;
        let mut streams: Vec<Streaming> =
            self.sessions.iter().map(|session| Streaming::new(session, &mut connections)).collect();
        let mut events = Vec::with_capacity(order.len() + connections as usize);
        for (number, (_, n, m)) in (0..).zip(order) {
            let (session, stream) = (&self.sessions[n], &mut streams[n]);
            let step = &session.steps[m];
            let edges = step.edges.iter().filter_map(|edge| {
                let source = session.sources.get(edge.source as usize)?;
                let from = *numbers.get(&(n, source.step as usize))?;
                let value = stream.values[edge.source as usize];
                let connection = stream.first + session.steps.get(source.step as usize)?.connection;
                Some(Follows { at: edge.at.clone(), encoding: edge.encoding, from, connection, value })
            });
            let connection = stream.first + step.connection;
            events.push(Event::Turn(Box::new(Turn {
                number,
                client: session.client.into(),
                session: stream.first,
                connection,
                opened: session
                    .connections
                    .get(step.connection as usize)
                    .map_or(step.at, |connection| connection.opened),
                http2: session.connections.get(step.connection as usize).is_some_and(|connection| connection.http2),
                at: step.at,
                after: step.after.and_then(|after| numbers.get(&(n, after as usize)).copied()),
                think: step.think,
                request: step.request.clone(),
                expect: step.expect.clone(),
                edges: edges.collect(),
                told: stream.told[m].clone(),
            })));
            let left = &mut stream.left[step.connection as usize];
            *left -= 1;
            if *left == 0 {
                let place = session.connections.get(step.connection as usize);
                let opened = place.map_or(step.at, |connection| connection.opened);
                let over = step.heard_at().unwrap_or(step.at);
                let at = Some(place.and_then(|connection| connection.closed).unwrap_or(over));
                events.push(Event::Closed(Closing { connection, opened, at }));
            }
        }
        events
    }
}

/// A session while it is turned into a stream.
struct Streaming {
    /// Number of its first connection.
    first: u32,
    /// By step.
    told: Vec<Arc<Told>>,
    /// By source: its number among those of its step.
    values: Vec<u32>,
    /// By connection: steps to come.
    left: Vec<usize>,
}

impl Streaming {
    fn new(session: &super::Session, connections: &mut u32) -> Streaming {
        let first = *connections;
        *connections += session.connections.len() as u32;
        let told: Vec<Arc<Told>> = session.steps.iter().map(|_| Arc::default()).collect();
        let value = |source: &super::Source| {
            let place = Place { path: source.path.clone(), ordinal: source.ordinal, token: source.token };
            told.get(source.step as usize).map_or(0, |told: &Arc<Told>| told.number(&place))
        };
        let values = session.sources.iter().map(value).collect();
        let mut left = vec![0; session.connections.len()];
        session.steps.iter().for_each(|step| left[step.connection as usize] += 1);
        Streaming { first, told, values, left }
    }
}
