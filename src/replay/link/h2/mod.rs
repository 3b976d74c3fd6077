//! One HTTP/2 connection to the target (RFC 9113), and any number of exchanges over it at a time.
//!
//! The library `h2` frames, packs headers and keeps to the windows. hyper's client, which is made of it, would put a channel
//! and boxed bodies in between, and would not tell when a frame is written or why a stream ended.

mod request;
mod talk;
mod wire;

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::route::Speaks;
use super::tls::is_no_protocol;
use super::{Failure, Pacer, Reader, Readiness, Route, Timing, now};
use crate::limits::HEAD_BYTES_MAX;
use request::Message;
use talk::Talk;
use wire::{Known, Wire};

pub use talk::Ended;

/// What the target may send ahead on a stream, and on a connection: what answers need that are read at once.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// Longest frame that the target may send.
const FRAME_BYTES: u32 = 64 << 10;

/// A connection that is opened when it is needed, shared by the requests that go over it.
pub struct Http2 {
    route: Arc<Route>,
    timeout: Duration,
    pacer: Rc<Pacer>,
    state: RefCell<State>,
    opened_before: Cell<bool>,
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
    sender: RefCell<SendRequest<Bytes>>,
    known: Rc<Known>,
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
        open.known.streams.set(open.known.streams.get() + 1);
        Seat(open.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let known = &self.0.known;
        known.streams.set(known.streams.get() - 1);
        known.changed.notify_waiters();
    }
}

impl Open {
    /// A request may be sent on it, now or later: the target has neither hung up nor said that it is going away.
    fn is_usable(&self) -> bool {
        let ready = self.sender.borrow_mut().poll_ready(&mut Context::from_waker(Waker::noop()));
        !self.known.over.get() && !matches!(ready, Poll::Ready(Err(_)))
    }

    fn has_room(&self) -> bool {
        self.known.streams.get() < self.known.allowed.get()
    }
}

impl Http2 {
    /// Not open yet.
    pub fn new(route: Arc<Route>, timeout: Duration, pacer: Rc<Pacer>) -> Http2 {
        Http2 { route, timeout, pacer, state: RefCell::new(State::Closed), opened_before: Cell::new(false) }
    }

    /// Makes sure that the connection is open and that the target allows one stream more.
    pub async fn ready(&self) -> Result<(Readiness, Seat), Failure> {
        let deadline = now().saturating_add(self.timeout.as_nanos() as u64);
        let mut readiness = Readiness::Open;
        loop {
            let (open, how) = self.connection().await?;
            if !matches!(how, Readiness::Open) {
                readiness = how;
            }
            let changed = open.known.changed.notified();
            if open.has_room() {
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
            State::Open(open) if open.is_usable() => return Ok((open.clone(), Readiness::Open)),
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
        let known = Rc::new(Known::default());
        let wire = Wire::new(stream, known.clone());
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_max_send_streams(0)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_BYTES)
            .max_header_list_size(HEAD_BYTES_MAX as u32);
        let begun = builder.handshake(wire).await;
        let (sender, connection) = begun.map_err(|_| known.fault.get().unwrap_or(Failure::Protocol))?;
        let driver = tokio::task::spawn_local(drive(connection, known.clone()));
        let open = Open { sender: RefCell::new(sender), known, driver };
        match open.known.is_greeted().await {
            true => Ok(open),
            false => {
                self.route.notes.no_http2();
                Err(open.known.fault.get().unwrap_or(Failure::Protocol))
            }
        }
    }

    /// Sends a request and reads its response. With `leave`, the content is held back until the target asks for it (or
    /// answers), at most that long.
    pub async fn exchange(
        &self,
        seat: Seat,
        request: &[u8],
        leave: Option<Duration>,
        reader: &mut Reader,
    ) -> Result<Timing, Ended> {
        let Message { head, body, trailers } =
            Message::of(request, self.route.is_secure(), self.route.authority()).ok_or(Failure::Unsendable)?;
        let known = &seat.0.known;
        let ended = |error: h2::Error| Ended::by(&error, known, &self.route.notes);
        let bodiless = body.is_empty() && trailers.is_none();
        let written = Rc::new(Cell::new(0));
        known.unwritten.borrow_mut().push(written.clone());
        let (response, sending) = seat.0.sender.borrow_mut().send_request(head, bodiless).map_err(ended)?;
        let deadline = now().saturating_add(self.timeout.as_nanos() as u64);
        let sending = (!bodiless).then_some(sending);
        let mut talk = Talk::new(known, reader, response, sending, body, trailers);
        if let Some(most) = leave {
            let answered = self.pacer.at_most(most, poll_fn(|cx| talk.poll_leave(cx))).await;
            answered.transpose().map_err(|stop| stop.ended(known, &self.route.notes))?;
        }
        let done = self.pacer.within(deadline, poll_fn(|cx| talk.poll(cx))).await.ok_or(Failure::Timeout)?;
        let mut timing = done.map_err(|stop| stop.ended(known, &self.route.notes))?;
        timing.written = written.get();
        Ok(timing)
    }
}

/// Writes and reads all that there is on a connection, until its end.
async fn drive(mut connection: Connection<Wire, Bytes>, known: Rc<Known>) {
    let _ = poll_fn(|cx| {
        let end = Pin::new(&mut connection).poll(cx);
        let allowed = connection.max_concurrent_send_streams();
        if known.allowed.replace(allowed) != allowed {
            known.changed.notify_waiters();
        }
        end
    })
    .await;
    known.over.set(true);
    known.changed.notify_waiters();
}
