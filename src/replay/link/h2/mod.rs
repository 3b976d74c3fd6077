//! One HTTP/2 connection to the target (RFC 9113), and any number of exchanges over it at a time.
//!
//! | file | what it knows |
//! |---|---|
//! | `request` | HTTP/1 bytes as what HTTP/2 carries |
//! | `packing` | header compression of what is sent |
//! | `frame` | frames as they are written and read |
//! | `call` | a stream, and what its frames mean |
//! | `session` | a connection without its socket |
//! | `line` | who sends next |
//! | `wire` | the socket |

mod call;
mod frame;
mod line;
mod packing;
mod request;
mod session;
mod wire;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::route::Speaks;
use super::tls::is_no_protocol;
use super::{Failure, Opens, Pacer, Reader, Readiness, Route, Timing, now};
use call::Stop;
use line::Line;
use request::Message;
#[cfg(fuzzing)]
pub use session::hostile;
use wire::{Talk, Wire};

/// Connections in a row that a request is ready to open to a target that says at once that it goes away.
const USELESS_MOST: u32 = 3;

/// A connection that is opened when it is needed, shared by the requests that go over it.
pub struct Http2 {
    route: Arc<Route>,
    timeout: Duration,
    pacer: Rc<Pacer>,
    state: RefCell<State>,
    opened_before: Cell<bool>,
    opens: Cell<Opens>,
    /// Those about to send a request.
    line: Line,
}

/// Of a connection.
enum State {
    /// Not there.
    Closed,
    /// Somebody opens it.
    Opening(Rc<Opening>),
    /// It was open when it was last looked at.
    Open(Rc<Open>),
}

/// Somebody opens a connection, others wait for what comes of it.
#[derive(Default)]
struct Opening {
    opened: RefCell<Option<Result<Rc<Open>, Failure>>>,
    changed: Notify,
}

/// An open connection.
struct Open {
    wire: Rc<Wire>,
    driver: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The leave to open one stream.
pub struct Seat(Rc<Open>);

impl Seat {
    fn on(open: &Rc<Open>) -> Seat {
        open.wire.streams.update(|count| count + 1);
        Seat(open.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.wire.streams.update(|count| count - 1);
        self.0.wire.changed.notify_waiters();
    }
}

/// How an exchange ended without a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub failure: Failure,
    /// The target said that it did nothing with the request: it may be sent again (RFC 9113 §8.7).
    pub unprocessed: bool,
    /// Some of the request went out before.
    pub written: bool,
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Ended {
        Ended { failure, unprocessed: false, written: false }
    }
}

impl Http2 {
    /// Not open yet.
    pub fn new(route: Arc<Route>, timeout: Duration, pacer: Rc<Pacer>) -> Http2 {
        let (state, opens) = (RefCell::new(State::Closed), Cell::default());
        Http2 { route, timeout, pacer, state, opened_before: Cell::new(false), opens, line: Line::default() }
    }

    /// What begins at an instant has the timeout, but not beyond `latest`.
    fn deadline(&self, begun: u64, latest: u64) -> u64 {
        begun.saturating_add(self.timeout.as_nanos() as u64).min(latest)
    }

    /// Connections opened since this was asked last.
    pub fn opens(&self) -> Opens {
        self.opens.take()
    }

    /// Makes sure that the connection is open and that the target allows one stream more, by `latest`.
    pub async fn ready(&self, latest: u64) -> Result<(Readiness, Seat), Failure> {
        let deadline = self.deadline(now(), latest);
        let (mut readiness, mut useless) = (Readiness::Open, 0);
        let place = self.line.enter();
        loop {
            if now() >= deadline {
                return Err(Failure::Timeout);
            }
            let (open, how) = self.connection().await?;
            if !matches!(how, Readiness::Open) {
                readiness = how;
            }
            if !place.is_first() {
                if readiness == Readiness::Open {
                    readiness = Readiness::Held;
                }
                self.pacer.within(deadline, place.first()).await.ok_or(Failure::Timeout)?;
                continue;
            }
            let changed = open.wire.changed.notified();
            if !open.wire.is_usable() {
                // It was just opened, and the target's first words were that it goes away.
                useless += 1;
                if useless > USELESS_MOST {
                    return Err(Failure::Connect);
                }
                continue;
            }
            if open.wire.has_room() {
                return Ok((readiness, Seat::on(&open)));
            }
            if readiness == Readiness::Open {
                readiness = Readiness::Held;
            }
            self.pacer.within(deadline, changed).await.ok_or(Failure::Timeout)?;
        }
    }

    /// The open connection, however it comes to be there.
    async fn connection(&self) -> Result<(Rc<Open>, Readiness), Failure> {
        let by_another = match &*self.state.borrow() {
            State::Open(open) if open.wire.is_usable() => return Ok((open.clone(), Readiness::Open)),
            State::Opening(opening) => Some(opening.clone()),
            _ => None,
        };
        if let Some(opening) = by_another {
            loop {
                let changed = opening.changed.notified();
                if let Some(opened) = &*opening.opened.borrow() {
                    return opened.clone().map(|open| (open, Readiness::Held));
                }
                changed.await;
            }
        }
        let opening = Rc::new(Opening::default());
        self.state.replace(State::Opening(opening.clone()));
        let opened = self.pacer.at_most(self.timeout, self.open()).await.unwrap_or(Err(Failure::Connect)).map(Rc::new);
        self.state.replace(opened.as_ref().map_or(State::Closed, |open| State::Open(open.clone())));
        *opening.opened.borrow_mut() = Some(opened.clone());
        opening.changed.notify_waiters();
        let again = opened.is_ok() && self.opened_before.replace(true);
        self.opens.update(|opens| if opened.is_ok() { opens.and(again) } else { opens });
        opened.map(|open| (open, if again { Readiness::Reopened } else { Readiness::Opened }))
    }

    /// Opens a connection. It is open when the target's settings are there: only then is it known to speak HTTP/2, and how
    /// many streams it allows.
    async fn open(&self) -> Result<Open, Failure> {
        let stream = match self.route.open(Speaks::Http2).await {
            Ok(stream) if stream.is_for(Speaks::Http2) => stream,
            Err(error) if !is_no_protocol(&error) => return Err(Failure::Connect),
            _ => {
                self.route.notes.no_http2();
                return Err(Failure::Protocol);
            }
        };
        let wire = Rc::new(Wire::new(stream));
        let driven = wire.clone();
        let driver = tokio::task::spawn_local(async move { poll_fn(|cx| driven.poll(cx)).await });
        let open = Open { wire, driver };
        match open.wire.is_greeted().await {
            true => Ok(open),
            false => {
                self.route.notes.no_http2();
                Err(open.wire.over().unwrap_or(Failure::Protocol))
            }
        }
    }

    /// Sends a request and reads its response, by `latest`. With `leave`, the content is held back until the target asks for
    /// it (or answers), at most that long.
    pub async fn exchange(
        &self,
        seat: Seat,
        (request, leave): (&[u8], Option<Duration>),
        latest: u64,
        reader: &mut Reader,
    ) -> Result<Timing, Ended> {
        let message = Message::of(request, self.route.is_secure(), self.route.authority());
        let message = message.ok_or(Failure::Unsendable)?;
        let wire = &*seat.0.wire;
        if let Some(failure) = wire.over() {
            return Err(failure.into());
        }
        let begun = now();
        let deadline = self.deadline(begun, latest);
        let mut talk = Talk::begin(wire, message, leave.is_some(), reader);
        if let Some(most) = leave {
            self.pacer.at_most(most, poll_fn(|cx| talk.poll_leave(cx))).await;
            talk.release();
        }
        let done = self.pacer.within(deadline, poll_fn(|cx| talk.poll(cx))).await;
        if done.is_none() {
            wire.missed(begun);
        }
        let stop = match done.unwrap_or(Err(Stop::Failed(Failure::Timeout))) {
            Ok(timing) => return Ok(timing),
            Err(stop) => stop,
        };
        let written = talk.was_written();
        Err(match stop {
            Stop::Failed(failure) => Ended { failure, unprocessed: false, written },
            Stop::Unprocessed => Ended { failure: Failure::Reset, unprocessed: true, written },
            Stop::Reset(code) => {
                self.route.notes.reset(code);
                Ended { failure: Failure::Reset, unprocessed: false, written }
            }
        })
    }
}
