//! One connection to the target, and one exchange over it.

mod h2;
mod notes;
mod pipe;
mod route;
mod stream;
mod tls;
mod websocket;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use h2::Http2;
#[cfg(fuzzing)]
pub use h2::hostile;
pub use pipe::Pipe;
pub use route::{Address, Route, Speaks};
pub use tls::{Tls, TlsError};
pub use websocket::{Arrival, Socket, agreed};

use super::outcome::Failure;
use super::pacer::{Pacer, now};
use super::response::Reader;
use crate::workload::Request;
use h2::Seat;
use stream::Stream;

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;

thread_local! {
    /// One buffer for all connections of a thread: ten thousand idle ones need no memory of ours.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// A connection that is opened when it is needed.
pub struct Link {
    route: Arc<Route>,
    timeout: Duration,
    pacer: Rc<Pacer>,
    stream: Option<Stream>,
    opened_before: bool,
    /// Connections of its own.
    opens: Opens,
    /// Where this is the way of one request after another over HTTP/2.
    http2: Option<Rc<Http2>>,
    /// There, the leave to open a stream.
    seat: Option<Seat>,
    /// The last exchange failed, and the target said that it did nothing with the request.
    unprocessed: bool,
    /// The last exchange failed before any of the request went out.
    unwritten: bool,
    /// When a request that is sent again is answered at the latest.
    latest: u64,
    /// The connection, after the target has said that it speaks another protocol from here on; with what came behind that.
    upgraded: Option<(Stream, Vec<u8>)>,
}

/// When things happened, nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The request's first byte was about to be written.
    pub written: u64,
    /// The final response's first byte had arrived.
    pub first_byte: u64,
    /// Its last byte had arrived.
    pub last_byte: u64,
    /// Bytes received.
    pub received: u64,
}

impl Timing {
    /// Bytes of the response arrived at some instant; `begun`: some of them are the final response's.
    fn heard(&mut self, bytes: usize, begun: bool, at: u64) {
        self.received += bytes as u64;
        self.last_byte = at;
        if self.first_byte == 0 || !begun {
            self.first_byte = if begun { at } else { 0 };
        }
    }
}

/// Connections that were opened, whatever came of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opens {
    /// All of them.
    pub opened: u64,
    /// Those in place of one that the target had closed.
    pub reopened: u64,
}

impl Opens {
    /// One more.
    fn and(self, again: bool) -> Opens {
        Opens { opened: self.opened + 1, reopened: self.reopened + u64::from(again) }
    }
}

/// How a connection came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It was open.
    Open,
    /// It was opened now, for the first time.
    Opened,
    /// The target had closed it; it was opened again.
    Reopened,
    /// It was open, or somebody else opened it; the target took no further request on it until now.
    Held,
}

impl Link {
    /// Not open yet.
    pub fn new(route: Arc<Route>, timeout: Duration, pacer: Rc<Pacer>) -> Link {
        Link {
            route,
            timeout,
            pacer,
            stream: None,
            opened_before: false,
            opens: Opens::default(),
            http2: None,
            seat: None,
            unprocessed: false,
            unwritten: false,
            latest: u64::MAX,
            upgraded: None,
        }
    }

    /// A way over an HTTP/2 connection, beside others.
    pub fn over(http2: Rc<Http2>, route: Arc<Route>, timeout: Duration, pacer: Rc<Pacer>) -> Link {
        Link { http2: Some(http2), ..Link::new(route, timeout, pacer) }
    }

    /// Makes sure that the connection is open.
    pub async fn ready(&mut self) -> Result<Readiness, Failure> {
        if let Some(http2) = &self.http2 {
            let (readiness, seat) = http2.ready(self.latest).await?;
            self.seat = Some(seat);
            return Ok(readiness);
        }
        if let Some(stream) = &mut self.stream
            && poll_fn(|cx| Poll::Ready(stream.is_silent(cx))).await
        {
            return Ok(Readiness::Open);
        }
        (self.stream, self.upgraded) = (None, None);
        let opening = self.pacer.at_most(self.timeout, self.route.open(Speaks::Http1));
        let Some(Ok(stream)) = opening.await else { return Err(Failure::Connect) };
        self.stream = Some(stream);
        let again = std::mem::replace(&mut self.opened_before, true);
        self.opens = self.opens.and(again);
        Ok(if again { Readiness::Reopened } else { Readiness::Opened })
    }

    /// The connection that the last response upgraded.
    pub fn upgraded(&mut self) -> Option<(Stream, Vec<u8>)> {
        self.upgraded.take()
    }

    /// Sends a request and reads its response. The connection is closed unless another request may follow. With `leave`,
    /// the body is held back until the target asks for it (or answers), at most that long.
    pub async fn exchange(
        &mut self,
        request: &[u8],
        leave: Option<Duration>,
        reader: &mut Reader,
    ) -> Result<Timing, Failure> {
        if let Some(http2) = self.http2.clone() {
            let Some(seat) = self.seat.take() else { return Err(Failure::Connect) };
            let done = http2.exchange(seat, (request, leave), self.latest, reader).await;
            self.unprocessed = done.as_ref().is_err_and(|ended| ended.unprocessed && !reader.has_begun());
            self.unwritten = done.as_ref().is_err_and(|ended| !ended.written);
            return done.map_err(|ended| ended.failure);
        }
        let Some(mut stream) = self.stream.take() else { return Err(Failure::Connect) };
        let mut timing = Timing { written: now(), first_byte: 0, last_byte: 0, received: 0 };
        let mut rest = Vec::new();
        let mut talk =
            Talk { unsent: request, reader, timing: &mut timing, awaits_leave: leave.is_some(), rest: &mut rest };
        if let Some(most) = leave {
            talk.unsent = &request[..Request::head_len(request)];
            let answered = self.pacer.at_most(most, poll_fn(|cx| talk.poll(&mut stream, cx))).await;
            answered.transpose()?;
            talk.awaits_leave = false;
            if talk.reader.is_done() {
                // The target has made up its mind without the body: it is not sent, and the connection ends here.
                return Ok(timing);
            }
            talk.unsent = &request[Request::head_len(request) - talk.unsent.len()..];
        }
        let deadline = talk.timing.written.saturating_add(self.timeout.as_nanos() as u64);
        let result = self.pacer.within(deadline, poll_fn(|cx| talk.poll(&mut stream, cx))).await;
        let sent_all = result.ok_or(Failure::Timeout)??;
        if sent_all && reader.is_reusable() {
            self.stream = Some(stream);
        } else if sent_all && reader.is_done() && reader.status() == 101 {
            self.upgraded = Some((stream, rest));
        }
        Ok(timing)
    }
}

impl Link {
    /// The last exchange failed, and the target said that it did nothing with the request: it may be sent again.
    pub fn was_unprocessed(&self) -> bool {
        self.unprocessed
    }

    /// The last exchange failed, and none of the request had gone out.
    pub fn was_unwritten(&self) -> bool {
        self.unwritten
    }

    /// What is sent from here on is answered by an instant, or fails: a request that is sent again has no more time for that.
    pub fn due_by(&mut self, latest: u64) {
        self.latest = latest;
    }

    /// Connections opened since this was asked last, by whomever where several share one.
    pub fn opens(&mut self) -> Opens {
        self.http2.as_ref().map_or_else(|| std::mem::take(&mut self.opens), |http2| http2.opens())
    }

    /// It said so of one request again and again.
    pub fn gives_up(&self) {
        self.route.notes.refused();
    }
}

/// An exchange under way.
struct Talk<'a> {
    unsent: &'a [u8],
    reader: &'a mut Reader,
    timing: &'a mut Timing,
    /// The target's leave to send the body is all that is waited for.
    awaits_leave: bool,
    /// What came behind a response that upgrades the connection.
    rest: &'a mut Vec<u8>,
}

impl Talk<'_> {
    /// Writes and reads until the response is complete; true when the whole request was written.
    fn poll(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<bool, Failure>> {
        match self.write(stream, cx) {
            // The target may have answered before it closed; the answer counts.
            Err(error) => match self.read(stream, cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(false)),
                _ => return Poll::Ready(Err(broken(&error))),
            },
            Ok(()) => ready!(self.read(stream, cx))?,
        }
        Poll::Ready(Ok(self.unsent.is_empty()))
    }

    /// Writes what can be written now.
    fn write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match Pin::new(&mut *stream).poll_write(cx, self.unsent) {
                Poll::Ready(sent) => self.unsent = &self.unsent[sent?..],
                Poll::Pending => return Ok(()),
            }
        }
        match Pin::new(stream).poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads what is there; ready when the response is complete.
    fn read(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        BUFFER.with_borrow_mut(|buffer| {
            while !(self.reader.is_done() || self.awaits_leave && self.reader.is_encouraged()) {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer)).map_err(|error| broken(&error))?;
                self.take(buffer.filled())?;
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Reads bytes that arrived; none at the end of the stream.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let at = now();
        if bytes.is_empty() {
            self.timing.last_byte = at;
            return if self.reader.close() { Ok(()) } else { Err(Failure::ClosedEarly) };
        }
        let taken = self.reader.read(bytes).map_err(|_| Failure::Protocol)?;
        self.timing.heard(taken, self.reader.has_begun(), at);
        if taken < bytes.len() {
            if self.reader.status() == 101 {
                self.rest.extend_from_slice(&bytes[taken..]);
            }
            // More than was asked for: whatever it is, no further request can be told from it.
            self.reader.close();
        }
        Ok(())
    }
}

fn broken(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => Failure::Reset,
        _ => Failure::ClosedEarly,
    }
}
