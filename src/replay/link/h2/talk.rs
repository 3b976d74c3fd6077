//! One exchange over HTTP/2: a stream.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};

use super::super::notes::Notes;
use super::super::{Failure, Reader, Timing};
use super::wire::Known;
use crate::limits::RESPONSES_INFORMATIONAL_MAX;

/// Bytes of a request's content handed over at a time.
const PIECE_BYTES: usize = 64 << 10;

/// How an exchange ended without a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub failure: Failure,
    /// The target said that it did nothing with the request: it may be sent once more (RFC 9113 §8.7).
    pub unprocessed: bool,
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Ended {
        Ended { failure, unprocessed: false }
    }
}

impl Ended {
    /// By what the library says.
    pub fn by(error: &h2::Error, known: &Known, notes: &Notes) -> Ended {
        match (error.is_remote(), error.reason()) {
            // A stream below the last one that the target will answer goes on.
            (true, _) if error.is_go_away() => Ended { failure: Failure::Reset, unprocessed: true },
            (true, Some(Reason::REFUSED_STREAM)) => Ended { failure: Failure::Reset, unprocessed: true },
            (true, Some(reason)) => {
                notes.reset(reason.into());
                Failure::Reset.into()
            }
            _ => known.fault.get().unwrap_or(Failure::Protocol).into(),
        }
    }
}

/// What stops an exchange.
pub enum Stop {
    /// The library says so.
    Library(h2::Error),
    /// We do.
    Failure(Failure),
}

impl From<h2::Error> for Stop {
    fn from(error: h2::Error) -> Stop {
        Stop::Library(error)
    }
}

impl Stop {
    /// How the exchange ended.
    pub fn ended(self, known: &Known, notes: &Notes) -> Ended {
        match self {
            Stop::Library(error) => Ended::by(&error, known, notes),
            Stop::Failure(failure) => failure.into(),
        }
    }
}

/// An exchange under way.
pub struct Talk<'a> {
    known: &'a Known,
    reader: &'a mut Reader,
    timing: Timing,
    response: ResponseFuture,
    informational: u32,
    /// Until all is sent.
    sending: Option<SendStream<Bytes>>,
    body: Bytes,
    trailers: Option<HeaderMap>,
    /// From the response's head on.
    receiving: Option<RecvStream>,
}

impl<'a> Talk<'a> {
    /// Of a request whose head is handed over. `sending`: content or trailers follow.
    pub fn new(
        known: &'a Known,
        reader: &'a mut Reader,
        response: ResponseFuture,
        sending: Option<SendStream<Bytes>>,
        body: Bytes,
        trailers: Option<HeaderMap>,
    ) -> Talk<'a> {
        let timing = Timing { written: 0, first_byte: 0, last_byte: 0, received: 0 };
        Talk { known, reader, timing, response, informational: 0, sending, body, trailers, receiving: None }
    }

    /// Ready when the target wants to hear the content, or has answered.
    pub fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        self.encouraged(cx)?;
        if self.informational > 0 {
            return Poll::Ready(Ok(()));
        }
        self.head(cx)
    }

    /// Sends and receives until the response is complete.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Timing, Stop>> {
        // Why it cannot be sent is told by who waits for the response.
        self.send(cx);
        self.encouraged(cx)?;
        ready!(self.head(cx))?;
        let Some(receiving) = &mut self.receiving else { return Poll::Pending };
        while let Some(piece) = ready!(receiving.poll_data(cx)) {
            let piece = piece?;
            self.timing.received += piece.len() as u64;
            self.reader.content(&piece);
            receiving.flow_control().release_capacity(piece.len())?;
        }
        if let Some(trailers) = ready!(receiving.poll_trailers(cx))? {
            self.timing.received += size(&trailers);
            self.reader.grpc(&trailers);
        }
        self.timing.last_byte = self.known.read_at.get();
        self.reader.ends();
        Poll::Ready(Ok(self.timing))
    }

    /// Hands over as much of the content as the target's windows allow.
    fn send(&mut self, cx: &mut Context<'_>) {
        while let Some(sending) = &mut self.sending {
            if self.body.is_empty() {
                let ended = match self.trailers.take() {
                    Some(trailers) => sending.send_trailers(trailers),
                    None => sending.send_data(Bytes::new(), true),
                };
                drop(ended);
                self.sending = None;
                return;
            }
            sending.reserve_capacity(self.body.len().min(PIECE_BYTES));
            let room = match sending.capacity() {
                0 => match sending.poll_capacity(cx) {
                    Poll::Ready(Some(Ok(room))) if room > 0 => room,
                    Poll::Ready(Some(Ok(_))) => continue,
                    _ => return,
                },
                room => room,
            };
            let piece = self.body.split_to(room.min(self.body.len()));
            let last = self.body.is_empty() && self.trailers.is_none();
            if sending.send_data(piece, last).is_err() {
                return;
            }
            if last {
                self.sending = None;
            }
        }
    }

    /// Takes the informational responses that are there.
    fn encouraged(&mut self, cx: &mut Context<'_>) -> Result<(), Stop> {
        while self.receiving.is_none()
            && let Poll::Ready(Some(Ok(_))) = self.response.poll_informational(cx)
        {
            self.informational += 1;
            if self.informational > RESPONSES_INFORMATIONAL_MAX {
                return Err(Stop::Failure(Failure::Protocol));
            }
        }
        Ok(())
    }

    /// Takes the response's head when it is there.
    fn head(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        if self.receiving.is_none() {
            let response = ready!(Pin::new(&mut self.response).poll(cx))?;
            self.timing.first_byte = self.known.read_at.get();
            let (head, receiving) = response.into_parts();
            let head = Response::from_parts(head, ());
            self.timing.received += STATUS_LINE + size(head.headers());
            self.reader.begins(head.status().as_u16(), || text(&head));
            self.reader.grpc(head.headers());
            self.receiving = Some(receiving);
        }
        Poll::Ready(Ok(()))
    }
}

/// Bytes of `HTTP/1.1 200` and both line ends of a head.
const STATUS_LINE: u64 = 17;

/// What headers take as text.
fn size(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64).sum()
}

/// A response's head as HTTP/1 would have it, for those who read its values.
fn text(head: &Response<()>) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} \r\n", head.status().as_u16()).into_bytes();
    for (name, value) in head.headers() {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}
