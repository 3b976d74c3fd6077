//! Several requests on their way at once on one connection, as captured (RFC 9112 §9.3.2): answers come in their order.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};

use super::stream::Stream;
use super::{BUFFER, Failure, Link, Reader, Request, Timing, broken, now};

/// A connection on which requests are sent while earlier ones are not answered yet.
pub struct Pipe<'a> {
    link: &'a mut Link,
    stream: Stream,
    unsent: VecDeque<u8>,
    /// The youngest request's body, as long as that waits for leave; nothing is sent behind it.
    held: Option<Held>,
    /// Those sent and not answered, oldest first.
    asked: VecDeque<Asked>,
    /// Those answered and not handed on, oldest first.
    answered: VecDeque<Asked>,
    /// No further request can be sent on it.
    closed: bool,
}

/// A body that waits for leave to be sent (RFC 9110 §10.1.1).
struct Held {
    body: Vec<u8>,
    /// When it goes without.
    until: u64,
}

/// A request, and what came back so far.
struct Asked {
    reader: Reader,
    timing: Timing,
}

impl<'a> Pipe<'a> {
    /// Of a connection that is ready; none when it is not.
    pub fn on(link: &'a mut Link) -> Option<Pipe<'a>> {
        let stream = link.stream.take()?;
        let (unsent, asked, answered) = Default::default();
        Some(Pipe { link, stream, unsent, held: None, asked, answered, closed: false })
    }

    /// Nothing waits for an answer.
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.answered.is_empty()
    }

    /// The connection can take another request, perhaps not yet.
    pub fn is_open(&self) -> bool {
        !self.closed
    }

    /// A body waits for leave: whoever comes behind it waits too.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Sends a request; what the socket does not take at once goes out while an answer is waited for. With `leave`, the
    /// body is held back until the target asks for it, at most that long. Not while another one is held back.
    pub fn send(&mut self, request: &[u8], leave: Option<Duration>, reader: Reader) {
        let timing = Timing { written: now(), first_byte: 0, last_byte: 0, received: 0 };
        let head = leave.map_or(request.len(), |_| Request::head_len(request));
        self.unsent.extend(&request[..head]);
        self.held = leave.map(|most| Held {
            body: request[head..].to_vec(),
            until: timing.written.saturating_add(u64::try_from(most.as_nanos()).unwrap_or(u64::MAX)),
        });
        self.asked.push_back(Asked { reader, timing });
        let mut context = Context::from_waker(std::task::Waker::noop());
        // An error is met again, by who waits for the answer.
        let _ = self.write(&mut context);
    }

    /// The oldest request's answer; none when a body goes out that was held back. After a failure none of those that wait
    /// will get theirs.
    pub async fn next(&mut self) -> Result<Option<(Reader, Timing)>, Failure> {
        let Some(first) = self.answered.front().or(self.asked.front()) else { return Err(Failure::ClosedEarly) };
        let deadline = first.timing.written.saturating_add(self.link.timeout.as_nanos() as u64);
        let leave = self.held.as_ref().map_or(u64::MAX, |held| held.until);
        let pacer = self.link.pacer.clone();
        let result = match pacer.within(deadline.min(leave), poll_fn(|cx| self.poll(cx))).await {
            Some(result) => result,
            None if leave < deadline => {
                self.release();
                Ok(None)
            }
            None => Err(Failure::Timeout),
        };
        let done = result.inspect_err(|_| self.closed = true)?;
        Ok(done.map(|done| (done.reader, done.timing)))
    }

    /// Lets the body go that was held back.
    fn release(&mut self) {
        self.unsent.extend(self.held.take().into_iter().flat_map(|held| held.body));
    }

    /// The target asks for the body that is held back.
    fn is_encouraged(&self) -> bool {
        self.held.is_some() && self.asked.back().is_some_and(|last| last.reader.is_encouraged())
    }

    /// Gives the connection back for further requests, if there can be any.
    pub fn finish(self) {
        if !self.closed && self.is_empty() && self.unsent.is_empty() {
            self.link.stream = Some(self.stream);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Asked>, Failure>> {
        let written = self.write(cx);
        let read = self.read(cx);
        if self.is_encouraged() {
            self.release();
            return Poll::Ready(Ok(None));
        }
        match self.answered.pop_front() {
            Some(done) => Poll::Ready(Ok(Some(done))),
            // The target said that it answers no more.
            None if self.closed => Poll::Ready(Err(Failure::ClosedEarly)),
            // It may have answered before it closed; those answers count.
            None => {
                written.map_err(|error| broken(&error))?;
                ready!(read)?;
                Poll::Pending
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> std::io::Result<()> {
        self.stream.write_out(&mut self.unsent, cx)
    }

    /// Reads until an answer is complete, or leave is given.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        BUFFER.with_borrow_mut(|buffer| {
            while self.answered.is_empty() && !self.is_encouraged() {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)).map_err(|error| broken(&error))?;
                self.take(buffer.filled())?;
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Deals bytes that arrived to those that wait, in their order; no bytes are the stream's end.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        let at = now();
        if bytes.is_empty() {
            self.closed = true;
            let first = self.asked.front_mut().ok_or(Failure::ClosedEarly)?;
            first.timing.last_byte = at;
            if !first.reader.close() {
                return Err(Failure::ClosedEarly);
            }
            self.answered.extend(self.asked.pop_front());
            return Ok(());
        }
        while let Some(first) = self.asked.front_mut() {
            let taken = first.reader.read(bytes).map_err(|_| Failure::Protocol)?;
            first.timing.heard(taken, first.reader.has_begun(), at);
            bytes = &bytes[taken..];
            if !first.reader.is_done() {
                return Ok(());
            }
            self.closed |= !first.reader.is_reusable();
            self.answered.extend(self.asked.pop_front());
            if self.asked.is_empty() && self.held.take().is_some() {
                // The target has made up its mind without the body: it is not sent, and the connection ends here.
                self.closed = true;
            }
            if self.closed || bytes.is_empty() {
                return Ok(());
            }
        }
        // More than was asked for: whatever it is, no further request can be told from it.
        self.closed = true;
        Ok(())
    }
}
