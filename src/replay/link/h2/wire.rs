//! A connection's socket: what is read goes to its session, and what that has to say is written. And one exchange over it.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::super::stream::Stream;
use super::super::{BUFFER, Failure, Reader, Timing, broken, now};
use super::call::{Call, Stop};
use super::frame::Code;
use super::request::Message;
use super::session::Session;
use crate::replay::response::Asked;

/// Bytes that wait for a target to read them before it is sent no further request.
const BACKLOG_BYTES: usize = 1 << 20;

/// An open connection.
pub struct Wire {
    session: RefCell<Session>,
    stream: RefCell<Stream>,
    /// Streams that are open, or about to be.
    pub streams: Cell<usize>,
    /// A stream ended, what waited was written, more are allowed, or none are from here on.
    pub changed: Notify,
    /// Why it came to its end.
    over: Cell<Option<Failure>>,
    /// When something was last heard on it.
    heard_at: Cell<u64>,
    /// It has fallen silent: nothing more is sent on it.
    stuck: Cell<bool>,
    /// Wakes who drives it.
    driver: RefCell<Option<Waker>>,
}

/// Why a connection ends.
enum End {
    /// The socket did.
    Broken(Failure),
    /// The target's frames mean nothing.
    Senseless(Code),
}

impl Wire {
    /// Of an open connection, on which nothing was said yet.
    pub fn new(stream: Stream) -> Wire {
        Wire {
            session: RefCell::default(),
            stream: RefCell::new(stream),
            streams: Cell::new(0),
            changed: Notify::new(),
            over: Cell::new(None),
            heard_at: Cell::new(0),
            stuck: Cell::new(false),
            driver: RefCell::default(),
        }
    }

    /// Why it came to its end, when it did.
    pub fn over(&self) -> Option<Failure> {
        self.over.get()
    }

    /// A request may be sent on it, now or later: the target has neither hung up nor said that it is going away, nor
    /// fallen silent.
    pub fn is_usable(&self) -> bool {
        self.over.get().is_none() && !self.stuck.get() && self.session.borrow().is_usable()
    }

    /// The target allows one stream more, and reads what it is sent.
    pub fn has_room(&self) -> bool {
        let session = self.session.borrow();
        self.streams.get() < session.allowed().unwrap_or(0) && session.backlog() < BACKLOG_BYTES
    }

    /// No answer came in time to what was begun at some instant. When nothing else came either since then, the connection
    /// is taken for dead: others are opened for what is still to be sent. What is under way on it has its own time.
    pub fn missed(&self, begun: u64) {
        if self.heard_at.get() < begun {
            self.stuck.set(true);
            self.changed.notify_waiters();
        }
    }

    /// Whether the target speaks HTTP/2: waits for its settings, or the end.
    pub async fn is_greeted(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            if self.over.get().is_some() || self.session.borrow().allowed().is_some() {
                return self.over.get().is_none();
            }
            changed.await;
        }
    }

    /// Reads and writes all that there is, until its end.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self.driver.borrow_mut() {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        let done = self.read(cx).and_then(|()| match self.write(cx) {
            Ok(_) => Ok(()),
            // The target may have answered before it closed; the answer counts.
            Err(error) => self.read(cx).and(Err(End::Broken(broken(&error)))),
        });
        let Err(end) = done else { return Poll::Pending };
        match end {
            End::Broken(failure) => {
                self.over.set(Some(failure));
                self.session.borrow_mut().stop(Stop::Failed(failure));
            }
            End::Senseless(code) => {
                self.over.set(Some(Failure::Protocol));
                self.session.borrow_mut().end(code);
                // As far as it goes.
                let _ = self.write(cx);
            }
        }
        self.changed.notify_waiters();
        Poll::Ready(())
    }

    /// Reads what is there.
    fn read(&self, cx: &mut Context<'_>) -> Result<(), End> {
        let (mut session, mut stream) = (self.session.borrow_mut(), self.stream.borrow_mut());
        let offer = |session: &Session| (session.allowed(), session.is_usable());
        let before = offer(&session);
        let done = BUFFER.with_borrow_mut(|buffer| {
            loop {
                let mut buffer = ReadBuf::new(buffer);
                match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(Err(error)) => return Err(End::Broken(broken(&error))),
                    Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                        return Err(End::Broken(Failure::ClosedEarly));
                    }
                    Poll::Ready(Ok(())) => {
                        let at = now();
                        self.heard_at.set(at);
                        session.read(buffer.filled(), at).map_err(End::Senseless)?;
                    }
                }
            }
        });
        if offer(&session) != before {
            self.changed.notify_waiters();
        }
        done
    }

    /// Writes what can be written; true when nothing is left to be.
    fn write(&self, cx: &mut Context<'_>) -> io::Result<bool> {
        let is_full = || self.session.borrow().backlog() >= BACKLOG_BYTES;
        let was_full = is_full();
        let done = self.flush(cx);
        if was_full && !is_full() {
            self.changed.notify_waiters();
        }
        done
    }

    fn flush(&self, cx: &mut Context<'_>) -> io::Result<bool> {
        let (mut session, mut stream) = (self.session.borrow_mut(), self.stream.borrow_mut());
        loop {
            let bytes = session.unwritten();
            if bytes.is_empty() {
                break;
            }
            let at = now();
            match Pin::new(&mut *stream).poll_write(cx, bytes) {
                Poll::Ready(sent) => session.went(sent?, at),
                Poll::Pending => return Ok(false),
            }
        }
        match Pin::new(&mut *stream).poll_flush(cx) {
            Poll::Ready(flushed) => flushed.map(|()| true),
            Poll::Pending => Ok(false),
        }
    }

    /// There is something to write. Who is alone writes it at once; where there are others, what all of them have to say
    /// goes out together.
    fn go(&self) {
        let alone = self.session.borrow().calls() == 1;
        if !(alone && matches!(self.write(&mut Context::from_waker(Waker::noop())), Ok(true))) {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(driver) = &*self.driver.borrow() {
            driver.wake_by_ref();
        }
    }
}

/// An exchange under way.
pub struct Talk<'a> {
    wire: &'a Wire,
    stream: u32,
    /// Gets the reader back that is lent to the session.
    reader: &'a mut Reader,
    /// When what happened, once nobody waits for it any more.
    left: Option<Timing>,
}

impl<'a> Talk<'a> {
    /// Sends a request. With `held`, its content waits.
    pub fn begin(wire: &'a Wire, message: Message<'_>, held: bool, reader: &'a mut Reader) -> Talk<'a> {
        let lent = std::mem::replace(reader, Reader::new(Asked::Other, false));
        let stream = wire.session.borrow_mut().send(message, held, lent);
        wire.go();
        Talk { wire, stream, reader, left: None }
    }

    /// Ready when the target wants to hear the content, or has answered.
    pub fn poll_leave(&mut self, cx: &Context<'_>) -> Poll<()> {
        match self.wire.session.borrow_mut().call(self.stream) {
            Some(call) if !call.is_encouraged() => {
                call.watch(cx);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// The content goes out.
    pub fn release(&mut self) {
        self.wire.session.borrow_mut().release(self.stream);
        self.wire.go();
    }

    /// Ready when the response is complete.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Timing, Stop>> {
        let end = match self.wire.session.borrow_mut().call(self.stream) {
            Some(Call { end: Some(end), .. }) => Some(*end),
            Some(call) => {
                call.watch(cx);
                None
            }
            None => Some(Err(Stop::Failed(Failure::Protocol))),
        };
        let end = ready!(end.map_or(Poll::Pending, Poll::Ready));
        let timing = self.leave();
        Poll::Ready(end.and(timing.ok_or(Stop::Failed(Failure::Protocol))))
    }

    /// Gives up what is not over, and says whether any of the request went out. Bytes that wait for the socket have not.
    pub fn was_written(mut self) -> bool {
        self.leave().is_some_and(|timing| timing.written > 0)
    }

    /// Gives the reader back.
    fn leave(&mut self) -> Option<Timing> {
        if self.left.is_some() {
            return self.left;
        }
        let call = self.wire.session.borrow_mut().leave(self.stream)?;
        let (over, timing) = (call.end.is_some() && call.upload.is_none(), call.timing);
        *self.reader = call.reader;
        if !over {
            self.wire.wake();
        }
        self.left = Some(timing);
        self.left
    }
}

impl Drop for Talk<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
