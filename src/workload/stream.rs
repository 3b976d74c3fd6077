//! A capture as a stream of turns: bounded, whatever its size.
//!
//! Exchanges are told in order of their requests' first bytes, each when it was answered: what was answered belongs to it,
//! and what comes later may take values from it. An exchange whose answer is far away in the capture does not keep the
//! others waiting: it is told without (its request was complete), or later (it was not). The capture alone decides that,
//! so the stream is the same however fast it is read.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::rc::Rc;
use std::sync::Arc;

use crate::capture::CaptureError;
use crate::limits::{ANSWER_WAIT_BYTES, READING_BYTES_MAX, TURN_BYTES, UNANSWERED_KEPT};

use super::collect::{Asker, Collector, Listener};
use super::correlate::{self, Correlator};
use super::line::{Line, Telling};
use super::turn::{Closing, Event, Turn};
use super::{Facts, LeftOut, Request, Response, Shapes, Wanted};

/// Reads a capture and calls `each` with what it tells. `each` cannot end it; an input that ends can.
/// `wanted`: what is to be remembered of answers.
pub fn stream(
    input: Box<dyn Read + Send>,
    wanted: &Wanted,
    each: &mut dyn FnMut(Event),
) -> Result<LeftOut, CaptureError> {
    let mut collector = Collector::telling(Teller::new(each, wanted));
    crate::dissect::run(input, &mut collector)?;
    let (mut teller, left_out) = collector.end();
    teller.tell(usize::MAX);
    Ok(LeftOut { incomplete_requests: teller.lost, ..left_out })
}

/// The method that what is heard is read as an answer to.
pub(super) const HEARD: &[u8] = b"GET";

/// Puts exchanges in order and follows their values.
struct Teller<'a> {
    each: &'a mut dyn FnMut(Event),
    wanted: &'a Wanted,
    shapes: Shapes,
    correlator: Correlator,
    lines: HashMap<u32, Spoken>,
    /// What was not told yet, by number.
    pending: BTreeMap<u64, Pending>,
    /// Requests that were passed over, for they took too long to be complete.
    late: HashMap<u64, Asking>,
    /// Complete requests that may still be answered, told or not.
    open: HashMap<u64, Open>,
    /// Memory for the requests in `pending`.
    waiting: usize,
    position: u64,
    lost: u64,
}

/// A connection of which something is still to be told.
struct Spoken {
    line: Rc<Line>,
    /// Exchanges that are not told yet.
    pending: u32,
    opened: u64,
    /// As [`Closing::at`], when that is known.
    closed: Option<Option<u64>>,
}

/// An exchange that was not told yet. `begun`: where in the capture.
enum Pending {
    Asking {
        asking: Asking,
        begun: u64,
    },
    Asked {
        turn: Box<Turn>,
        begun: u64,
    },
    /// It is answered, or never will be.
    Over(Box<Turn>),
}

/// A request that is not complete.
struct Asking {
    asker: Asker,
    /// Its answer, when that came first.
    answer: Option<Response>,
}

/// A complete request that may be answered.
struct Open {
    client: u64,
    method: Box<[u8]>,
    telling: Rc<Telling>,
}

impl<'a> Teller<'a> {
    fn new(each: &'a mut dyn FnMut(Event), wanted: &'a Wanted) -> Teller<'a> {
        Teller {
            each,
            wanted,
            shapes: Shapes::default(),
            correlator: Correlator::new(wanted.following.clone()),
            lines: HashMap::new(),
            pending: BTreeMap::new(),
            late: HashMap::new(),
            open: HashMap::new(),
            waiting: 0,
            position: 0,
            lost: 0,
        }
    }

    /// Tells what is over, from the front; and what waits for too long, or would take too much memory. `held`: bytes of
    /// messages being read.
    fn tell(&mut self, held: usize) {
        while let Some(first) = self.pending.first_entry() {
            let full = held.saturating_add(self.waiting) > READING_BYTES_MAX;
            let overdue = |begun: u64| full || begun + ANSWER_WAIT_BYTES < self.position;
            match first.get() {
                Pending::Asking { begun, .. } | Pending::Asked { begun, .. } if !overdue(*begun) => return,
                _ => {}
            }
            match first.remove_entry() {
                (number, Pending::Asking { asking, .. }) => {
                    self.late.insert(number, asking);
                }
                (_, Pending::Asked { turn, .. } | Pending::Over(turn)) => {
                    let connection = turn.connection;
                    self.waiting -= turn.request.bytes.len() + TURN_BYTES;
                    (self.each)(Event::Turn(turn));
                    self.settled(connection);
                }
            }
        }
    }

    /// One exchange of a connection less is to be told.
    fn settled(&mut self, connection: u32) {
        let Some(spoken) = self.lines.get_mut(&connection) else { return };
        spoken.pending -= 1;
        self.close_if_told(connection);
    }

    fn close_if_told(&mut self, connection: u32) {
        let Some(spoken) = self.lines.get(&connection).filter(|spoken| spoken.pending == 0) else { return };
        if let Some(at) = spoken.closed {
            let closing = Closing { connection, opened: spoken.opened, at };
            self.lines.remove(&connection);
            (self.each)(Event::Closed(closing));
        }
    }

    /// Takes a request out of those that are not complete.
    fn asking(&mut self, number: u64) -> Option<Asking> {
        match self.pending.remove(&number) {
            Some(Pending::Asking { asking, .. }) => Some(asking),
            Some(other) => {
                self.pending.insert(number, other);
                None
            }
            None => self.late.remove(&number),
        }
    }

    /// What an answer tells. Its bytes are not needed any more.
    fn hear(&mut self, number: u64, response: &mut Response) {
        if !self.wanted.is_empty() {
            response.facts = Some(Arc::new(Facts::of(&response.bytes, self.wanted, &mut self.shapes)));
        }
        if let Some(Open { client, method, telling }) = self.open.remove(&number) {
            let bytes = std::mem::take(&mut response.bytes);
            self.correlator.answers(client, &telling, &method, &bytes, response.last_byte);
        }
    }
}

impl Listener for Teller<'_> {
    fn begins(&mut self, number: u64, asker: &Asker) {
        let new = || Spoken { line: Line::new(asker.connection), pending: 0, opened: asker.opened, closed: None };
        self.lines.entry(asker.connection).or_insert_with(new).pending += 1;
        let asking = Asking { asker: *asker, answer: None };
        self.pending.insert(number, Pending::Asking { asking, begun: self.position });
    }

    fn asks(&mut self, number: u64, mut request: Request) {
        let Some(Asking { asker, answer }) = self.asking(number) else { return };
        let Some(line) = self.lines.get(&asker.connection).map(|spoken| spoken.line.clone()) else { return };
        let Asker { client, connection, opened, http2, at } = asker;
        let telling = Rc::new(Telling::new(number, line.clone(), &correlate::target(&request)));
        let told = telling.told.clone();
        let (mut edges, mut seen) = (Vec::new(), None);
        let message = request.message.as_ref().map(|message| (message.is_heard(), message.opcode, message.last_byte));
        match message {
            Some((true, _, last_byte)) => {
                self.correlator.answers(client, &telling, HEARD, &request.as_answer(), last_byte);
                request.forget_payload();
            }
            _ => {
                edges = self.correlator.asks(&correlate::Asker { client, line: &line, at }, &request);
                seen = line.seen(at, number);
            }
        }
        if message.is_none() {
            self.open.insert(number, Open { client, method: request.method().into(), telling });
            if self.open.len() > UNANSWERED_KEPT {
                // Where only one direction was captured, none is ever answered.
                let least = number.saturating_sub(UNANSWERED_KEPT as u64 / 2);
                self.open.retain(|number, _| *number >= least);
            }
        }
        self.waiting += request.bytes.len() + TURN_BYTES;
        let turn = Box::new(Turn {
            number,
            client,
            session: line.first().connection(),
            connection,
            opened,
            http2,
            at,
            after: seen.map(|(_, by)| by),
            think: at.saturating_sub(seen.map_or(opened, |(end, _)| end)),
            request,
            expect: None,
            edges,
            told,
        });
        let may_be_answered = message.is_none_or(|(is_heard, opcode, _)| !is_heard && !opcode.is_control());
        let pending = match may_be_answered {
            true => Pending::Asked { turn, begun: self.position },
            false => Pending::Over(turn),
        };
        self.pending.insert(number, pending);
        if let Some(answer) = answer {
            self.answers(number, answer);
        }
    }

    fn lost(&mut self, number: u64) {
        if let Some(asking) = self.asking(number) {
            self.lost += 1;
            self.settled(asking.asker.connection);
        }
    }

    fn answers(&mut self, number: u64, mut response: Response) {
        match self.pending.remove(&number) {
            Some(Pending::Asked { mut turn, .. }) => {
                // What answers a message is heard for itself.
                if turn.request.message.is_none() {
                    self.hear(number, &mut response);
                }
                turn.expect = Some(response);
                self.pending.insert(number, Pending::Over(turn));
            }
            Some(Pending::Asking { asking, begun }) => {
                let asking = Asking { answer: Some(response), ..asking };
                self.pending.insert(number, Pending::Asking { asking, begun });
            }
            Some(over) => {
                self.pending.insert(number, over);
            }
            None => match self.late.get_mut(&number) {
                Some(asking) => asking.answer = Some(response),
                None => self.hear(number, &mut response),
            },
        }
    }

    fn unanswered(&mut self, number: u64) {
        self.open.remove(&number);
        match self.pending.remove(&number) {
            Some(Pending::Asked { turn, .. }) => self.pending.insert(number, Pending::Over(turn)),
            Some(other) => self.pending.insert(number, other),
            None => None,
        };
    }

    fn closes(&mut self, connection: u32, at: Option<u64>) {
        if let Some(spoken) = self.lines.get_mut(&connection) {
            spoken.closed = Some(at);
            self.close_if_told(connection);
        }
    }

    fn reads(&mut self, position: u64, held: usize) {
        self.position = position;
        self.tell(held);
    }
}

#[cfg(test)]
mod tests;
