//! A connection that was upgraded to WebSocket: its client's messages go out as captured, what the target says is heard
//! meanwhile.
//!
//! Which message of the target answers which of ours is told by count and order alone: what the capture's server said next
//! on this connection is what the target says next.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::task::Poll;

use super::Worker;
use super::asking::Sent;
use super::lanes::Queue;
use crate::limits::{SOCKET_UNCLAIMED_MAX, SOCKET_UNSENT_BYTES_MAX};
use crate::replay::errand::{Deal, Lane};
use crate::replay::governor::Flight;
use crate::replay::link::{Arrival, Link, Socket, agreed};
use crate::replay::outcome::{End, Failure, Outcome};
use crate::replay::pacer::now;
use crate::replay::response::{Asked, Reader};
use crate::workload::{Request, heard};

/// How often a target that does not read is looked at.
const DRAIN_LOOK_NS: u64 = 5_000_000;

/// One connection's conversation.
pub(super) struct Chat<'a> {
    worker: &'a Worker,
    /// None when it is gone, or never was.
    socket: Option<Socket>,
    /// Why it is.
    gone: Failure,
    /// What is still to be heard, in its order.
    awaited: VecDeque<Awaited<'a>>,
    /// What was heard since our last message that nobody had awaited.
    unclaimed: VecDeque<Heard>,
    /// Counts our messages.
    said: u64,
    /// When the first of `awaited` became that.
    since: u64,
    /// Captured time of the message before.
    captured: u64,
    /// Before that nothing could be sent.
    free: u64,
    pings: u64,
}

/// A message that the target is to send.
struct Awaited<'a> {
    /// Ours that it answers.
    asking: Option<Asking<'a>>,
    /// It, as captured; none until it is dealt.
    deal: Option<Box<Deal>>,
    /// After which of ours.
    said: u64,
    /// For how long it is waited for, once it comes next.
    patience: u64,
}

/// A message of ours on its way.
struct Asking<'a> {
    deal: Box<Deal>,
    due: Sent,
    written: u64,
    bytes: usize,
    _flight: Flight<'a>,
}

/// A message of the target that nobody has claimed.
struct Heard {
    arrival: Arrival,
    /// It answered one of ours.
    answers: bool,
}

/// What comes first.
enum First<T> {
    Wanted(T),
    Heard(Result<Arrival, Failure>),
}

impl Worker {
    /// Sends a request that asks for an upgrade; gives when its outcome was known, and the connection when the target has
    /// upgraded it as it should.
    pub(super) async fn upgrade(&self, deal: &Deal, link: &mut Link, sent: Sent) -> (u64, Option<Socket>) {
        let mut outcome = Outcome {
            intended: sent.intended,
            free: sent.free,
            tried: sent.at,
            written: None,
            end: End::Failed(Failure::Cap),
        };
        let (mut response, mut socket) = (Vec::new(), None);
        if let Some(_flight) = self.run.governor.take_off() {
            let Some(slot) = self.slot(sent.at).await else { return (now(), None) };
            let request = self.render(deal);
            let mut reader = Reader::new(Asked::of(&deal.turn.request), true);
            let result = self.exchange(link, (&request.bytes, None), &mut reader, slot, &mut outcome).await;
            outcome.end = result.unwrap_or_else(End::Failed);
            response = reader.into_bytes();
            if let Some(stream) = link.upgraded() {
                match agreed(&request.bytes, response.clone()) {
                    Ok(agreed) => socket = Some(Socket::new(stream, agreed, self.seed(deal.lane))),
                    Err(failure) => outcome.end = End::Failed(failure),
                }
            }
            let mut tally = self.tally.borrow_mut();
            tally.substituted += request.made;
            tally.missed += request.missed;
            tally.websocket.connections += u64::from(socket.is_some());
        }
        (self.over(deal, &outcome, response), socket)
    }

    /// What masking keys are drawn from.
    fn seed(&self, lane: Lane) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.run.profile.seed, lane).hash(&mut hasher);
        hasher.finish()
    }

    /// The messages of a connection, until there are no more. `free`: since when it is there.
    pub(super) async fn chat(&self, queue: &Queue, socket: Option<Socket>, free: u64) {
        let mut chat = Chat::new(self, socket, free);
        let mut runs = true;
        while runs && let Some(deal) = chat.meanwhile(queue.next()).await {
            runs = chat.next(deal).await;
        }
        chat.end(runs).await;
    }

    pub(super) fn timeout_ns(&self) -> u64 {
        u64::try_from(self.run.profile.timeout.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl<'a> Chat<'a> {
    fn new(worker: &'a Worker, socket: Option<Socket>, free: u64) -> Chat<'a> {
        Chat {
            worker,
            socket,
            gone: Failure::Connect,
            awaited: VecDeque::new(),
            unclaimed: VecDeque::new(),
            said: 0,
            since: free,
            captured: 0,
            free,
            pings: 0,
        }
    }

    /// Does what a message asks for. False when the run is over.
    async fn next(&mut self, deal: Box<Deal>) -> bool {
        let captured = std::mem::replace(&mut self.captured, deal.turn.at);
        match &deal.turn.request.message {
            Some(message) if message.is_heard() => {
                self.awaits(deal, captured);
                true
            }
            Some(_) => {
                let (worker, free) = (self.worker, self.free);
                let intended = self.meanwhile(worker.intended(&deal, free)).await;
                match self.meanwhile(worker.due(&deal, intended, free)).await {
                    Some(due) => self.says(deal, due).await,
                    None => false,
                }
            }
            // No request can follow on such a connection.
            None => {
                let at = now();
                self.fail(&deal, &Sent { intended: at, free: at, at }, None, Failure::Connect);
                true
            }
        }
    }

    /// A message of the capture's server comes next. `before`: captured time of the message before it.
    fn awaits(&mut self, deal: Box<Deal>, before: u64) {
        if self.socket.is_none() {
            self.worker.tally.borrow_mut().websocket.unheard += 1;
        } else if let Some(last) = self.awaited.back_mut().filter(|last| last.deal.is_none()) {
            last.deal = Some(deal);
        } else if let Some(Heard { arrival, .. }) = self.unclaimed.pop_front() {
            self.learn(&deal, &arrival);
        } else {
            if self.awaited.is_empty() {
                self.since = now();
            }
            let patience = deal.turn.at.saturating_sub(before).saturating_add(self.worker.timeout_ns());
            self.awaited.push_back(Awaited { asking: None, deal: Some(deal), said: self.said, patience });
        }
    }

    /// Sends a message that is due.
    async fn says(&mut self, deal: Box<Deal>, due: Sent) -> bool {
        let worker = self.worker;
        let Some(message) = &deal.turn.request.message else { return true };
        let expects = deal.turn.expect.is_some();
        let flight = match expects {
            true => match worker.run.governor.take_off() {
                None => {
                    self.fail(&deal, &due, None, Failure::Cap);
                    return true;
                }
                flight => flight,
            },
            false => None,
        };
        if self.meanwhile(worker.slot(due.at)).await.is_none() {
            return false;
        }
        self.drain().await;
        let is_control = message.opcode.is_control();
        let Some(socket) = self.socket.as_mut().filter(|socket| !socket.is_closing()) else {
            // A close that answers one is sent already.
            worker.tally.borrow_mut().websocket.unsent += u64::from(!is_control);
            if expects {
                self.fail(&deal, &due, None, if self.socket.is_some() { Failure::ClosedEarly } else { self.gone });
            }
            return true;
        };
        let rendered = worker.render(&deal);
        let text = &rendered.bytes[Request::head_len(&rendered.bytes)..];
        let written = now();
        let bytes = socket.send(message, text);
        // Whatever goes wrong is noticed when it is read next.
        let _ = std::future::poll_fn(|cx| Poll::Ready(socket.write(cx))).await;
        let (made, missed) = (rendered.made, rendered.missed);
        drop(rendered);
        let mut tally = worker.tally.borrow_mut();
        tally.substituted += made;
        tally.missed += missed;
        if is_control {
            return true;
        }
        tally.websocket.messages_sent += 1;
        drop(tally);
        self.forget();
        self.said += 1;
        if let Some(flight) = flight {
            if self.awaited.is_empty() {
                self.since = written;
            }
            let (said, patience) = (self.said, worker.timeout_ns());
            let asking = Asking { deal, due, written, bytes, _flight: flight };
            self.awaited.push_back(Awaited { asking: Some(asking), deal: None, said, patience });
        }
        true
    }

    /// Waits until there is room for another message.
    async fn drain(&mut self) {
        let deadline = now().saturating_add(self.worker.timeout_ns());
        while self.socket.as_ref().is_some_and(|socket| socket.unsent() > SOCKET_UNSENT_BYTES_MAX) {
            let pacer = self.worker.pacer.clone();
            if self.meanwhile(pacer.until(now() + DRAIN_LOOK_NS)).await && now() > deadline {
                self.lose(Failure::Timeout);
            }
        }
    }

    /// What a future gives; the target is listened to until then.
    async fn meanwhile<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            let deadline = self.deadline();
            let Some(socket) = &mut self.socket else { return future.await };
            let first = std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
                Poll::Ready(wanted) => Poll::Ready(First::Wanted(wanted)),
                Poll::Pending => socket.poll_next(cx).map(First::Heard),
            });
            match self.worker.pacer.within(deadline, first).await {
                Some(First::Wanted(wanted)) => return wanted,
                Some(First::Heard(arrival)) => self.hears(arrival),
                None => self.give_up(),
            }
        }
    }

    /// Listens once more.
    async fn listen(&mut self, deadline: u64) {
        let Some(socket) = &mut self.socket else { return };
        match self.worker.pacer.within(deadline, std::future::poll_fn(|cx| socket.poll_next(cx))).await {
            Some(arrival) => self.hears(arrival),
            None => self.give_up(),
        }
    }

    /// Until when the message that comes next is waited for.
    fn deadline(&self) -> u64 {
        self.awaited.front().map_or(u64::MAX, |first| self.since.saturating_add(first.patience))
    }

    fn hears(&mut self, arrival: Result<Arrival, Failure>) {
        let arrival = match arrival {
            Ok(arrival) => arrival,
            Err(failure) => return self.lose(failure),
        };
        self.worker.tally.borrow_mut().websocket.messages_received += 1;
        self.since = arrival.last_byte;
        let Some(Awaited { asking, deal, .. }) = self.awaited.pop_front() else {
            return self.keep(Heard { arrival, answers: false });
        };
        let answers = asking.is_some();
        if let Some(Asking { deal, due, written, bytes, .. }) = asking {
            let Arrival { first_byte, last_byte, framed, .. } = arrival;
            let end = End::Answered {
                status: 0,
                grpc: None,
                written,
                first_byte,
                last_byte,
                sent: bytes as u64,
                received: framed,
            };
            self.worker.over(
                &deal,
                &Outcome { intended: due.intended, free: due.free, tried: written, written: Some(written), end },
                Vec::new(),
            );
        }
        match deal {
            Some(deal) => self.learn(&deal, &arrival),
            None => self.keep(Heard { arrival, answers }),
        }
    }

    /// Takes from a message what later requests need.
    fn learn(&self, deal: &Deal, arrival: &Arrival) {
        if let Some(live) = &deal.live {
            let answers = &self.worker.run.answers;
            let text = if live.is_wanted(answers) { heard(arrival.opcode, &arrival.payload) } else { Vec::new() };
            live.learn(arrival.last_byte, b"GET", text, answers);
        }
    }

    fn keep(&mut self, heard: Heard) {
        if self.unclaimed.len() < SOCKET_UNCLAIMED_MAX {
            self.unclaimed.push_back(heard);
        } else {
            self.worker.tally.borrow_mut().websocket.unsolicited += u64::from(!heard.answers);
        }
    }

    /// What nobody has claimed by now answers none of what we say next.
    fn forget(&mut self) {
        let unsolicited = self.unclaimed.drain(..).filter(|heard| !heard.answers).count();
        self.worker.tally.borrow_mut().websocket.unsolicited += unsolicited as u64;
    }

    /// The message that comes next was waited for long enough, and so were those that came with it.
    fn give_up(&mut self) {
        let said = self.awaited.front().map(|first| first.said);
        let count = self.awaited.iter().take_while(|awaited| Some(awaited.said) == said).count();
        let missed: Vec<Awaited<'_>> = self.awaited.drain(..count).collect();
        missed.into_iter().for_each(|awaited| self.miss(awaited, Failure::Timeout));
        self.since = now();
    }

    /// The connection is gone.
    fn lose(&mut self, failure: Failure) {
        self.gone = failure;
        self.pings += self.socket.take().map_or(0, |socket| socket.pings);
        while let Some(first) = self.awaited.pop_front() {
            self.miss(first, failure);
        }
    }

    fn miss(&self, awaited: Awaited<'_>, failure: Failure) {
        self.worker.tally.borrow_mut().websocket.unheard += u64::from(awaited.deal.is_some());
        if let Some(Asking { deal, due, written, .. }) = awaited.asking {
            self.fail(&deal, &due, Some(written), failure);
        }
    }

    /// A message without an answer.
    fn fail(&self, deal: &Deal, due: &Sent, written: Option<u64>, failure: Failure) {
        let outcome =
            Outcome { intended: due.intended, free: due.free, tried: due.at, written, end: End::Failed(failure) };
        self.worker.over(deal, &outcome, Vec::new());
    }

    /// Nothing more is to be said: hears what is awaited, and the target's close when we have said ours. When the run is
    /// over, answers only.
    async fn end(mut self, runs: bool) {
        if !runs {
            let asked = self.awaited.iter().rposition(|awaited| awaited.asking.is_some()).map_or(0, |last| last + 1);
            self.awaited.truncate(asked);
        }
        while self.socket.is_some() && !self.awaited.is_empty() {
            self.listen(self.deadline()).await;
        }
        let deadline = now().saturating_add(self.worker.timeout_ns());
        while self.socket.as_ref().is_some_and(Socket::is_closing) && now() < deadline {
            self.listen(deadline).await;
        }
        self.lose(Failure::ClosedEarly);
        self.forget();
        self.worker.tally.borrow_mut().websocket.pings += self.pings;
    }
}
