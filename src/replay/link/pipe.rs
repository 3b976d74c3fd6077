//! Several requests on their way at once on one connection, as captured (RFC 9112 §9.3.2): answers come in their order.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;
use super::{BUFFER, Failure, Link, Reader, Timing, broken, now};

/// A connection on which requests are sent while earlier ones are not answered yet.
pub struct Pipe<'a> {
    link: &'a mut Link,
    stream: Stream,
    unsent: VecDeque<u8>,
    /// Those sent and not answered, oldest first.
    asked: VecDeque<Asked>,
    /// Those answered and not handed on, oldest first.
    answered: VecDeque<Asked>,
    /// No further request can be sent on it.
    closed: bool,
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
        Some(Pipe { link, stream, unsent, asked, answered, closed: false })
    }

    /// Nothing waits for an answer.
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.answered.is_empty()
    }

    /// Another request may be sent.
    pub fn is_open(&self) -> bool {
        !self.closed
    }

    /// Sends a request; what the socket does not take at once goes out while an answer is waited for.
    pub fn send(&mut self, request: &[u8], reader: Reader) {
        let timing = Timing { written: now(), first_byte: 0, last_byte: 0, received: 0 };
        self.unsent.extend(request);
        self.asked.push_back(Asked { reader, timing });
        let mut context = Context::from_waker(std::task::Waker::noop());
        // An error is met again, by who waits for the answer.
        let _ = self.write(&mut context);
    }

    /// The oldest request's answer. After a failure none of those that wait will get theirs.
    pub async fn next(&mut self) -> Result<(Reader, Timing), Failure> {
        let Some(first) = self.answered.front().or(self.asked.front()) else { return Err(Failure::ClosedEarly) };
        let deadline = first.timing.written.saturating_add(self.link.timeout.as_nanos() as u64);
        let pacer = self.link.pacer.clone();
        let result = pacer.within(deadline, poll_fn(|cx| self.poll(cx))).await;
        let done = result.ok_or(Failure::Timeout).flatten().inspect_err(|_| self.closed = true)?;
        Ok((done.reader, done.timing))
    }

    /// Gives the connection back for further requests, if there can be any.
    pub fn finish(self) {
        if !self.closed && self.is_empty() && self.unsent.is_empty() {
            self.link.stream = Some(self.stream);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Asked, Failure>> {
        let written = self.write(cx);
        let read = self.read(cx);
        match self.answered.pop_front() {
            Some(done) => Poll::Ready(Ok(done)),
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
        while !self.unsent.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, self.unsent.as_slices().0) {
                Poll::Ready(sent) => drop(self.unsent.drain(..sent?)),
                Poll::Pending => return Ok(()),
            }
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads until an answer is complete.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        BUFFER.with_borrow_mut(|buffer| {
            while self.answered.is_empty() {
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
            if self.closed || bytes.is_empty() {
                return Ok(());
            }
        }
        // More than was asked for: whatever it is, no further request can be told from it.
        self.closed = true;
        Ok(())
    }
}
