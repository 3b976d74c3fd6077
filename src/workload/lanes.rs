//! Messages of a connection that are told at once (HTTP/2): the form that HTTP/1 gives them, lane by lane.

use std::collections::BTreeMap;

use super::collect::{Asker, Listener};
use super::{Request, Response, grpc_status};
use crate::limits::{PIPELINE_MAX, RESPONSE_BYTES_KEPT};
use crate::protocol::Side;

/// The lanes of a connection.
#[derive(Default)]
pub(super) struct Lanes {
    /// In which one the client and the server speak.
    speaking: [u32; 2],
    open: BTreeMap<u32, Lane>,
    /// Bytes of messages being read.
    held: usize,
}

/// An exchange.
struct Lane {
    /// Counts requests of the capture.
    number: u64,
    /// The request, as far as it is there; none when it is complete.
    request: Option<Asking>,
    response: Option<Answering>,
}

struct Asking {
    bytes: Vec<u8>,
    /// When the head came.
    head: u64,
    /// So long after it the body's first byte.
    pause: Option<u64>,
    /// Something was cut off for want of memory.
    cut: bool,
}

struct Answering {
    status: u16,
    first_byte: u64,
    bytes: Vec<u8>,
}

impl Lanes {
    /// What follows on a side belongs to this lane.
    pub(super) fn speak(&mut self, side: Side, lane: u32) {
        self.speaking[usize::from(side == Side::Server)] = lane;
    }

    /// The lane in which a side speaks; 0 is none of ours.
    pub(super) fn spoken(&self, side: Side) -> u32 {
        self.speaking[usize::from(side == Side::Server)]
    }

    /// Whether anyone ever did.
    pub(super) fn are_spoken(&self) -> bool {
        self.speaking != [0, 0]
    }

    /// The sides were taken for one another.
    pub(super) fn swap(&mut self) {
        self.speaking.swap(0, 1);
    }

    /// Bytes of messages being read.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// A request begins, of this number.
    pub(super) fn request(&mut self, lane: u32, number: u64, asker: &Asker, now: u64, listener: &mut impl Listener) {
        listener.begins(number, asker);
        let asking = Asking { bytes: Vec::new(), head: now, pause: None, cut: false };
        self.put(lane, Lane { number, request: Some(asking), response: None }, listener);
    }

    /// A request that was asked before there were lanes is answered in this one.
    pub(super) fn adopt(&mut self, lane: u32, number: u64, listener: &mut impl Listener) {
        self.put(lane, Lane { number, request: None, response: None }, listener);
    }

    /// Whether there is such a lane.
    pub(super) fn has(&self, lane: u32) -> bool {
        self.open.contains_key(&lane)
    }

    fn put(&mut self, lane: u32, exchange: Lane, listener: &mut impl Listener) {
        if self.open.len() >= PIPELINE_MAX
            && let Some(oldest) = self.open.keys().next().copied()
        {
            self.cut(oldest, 0, listener);
        }
        self.open.insert(lane, exchange);
    }

    /// A final response begins.
    pub(super) fn response(&mut self, lane: u32, status: u16, first_byte: u64) {
        if let Some(exchange) = self.open.get_mut(&lane) {
            exchange.response = Some(Answering { status, first_byte, bytes: Vec::new() });
        }
    }

    /// More of a side's message, of which up to `room` bytes are kept.
    pub(super) fn text(&mut self, side: Side, text: &[u8], now: u64, room: usize) {
        let lane = self.spoken(side);
        let Some(exchange) = self.open.get_mut(&lane) else { return };
        let kept = match side {
            Side::Client => {
                let Some(asking) = &mut exchange.request else { return };
                if !asking.bytes.is_empty() {
                    asking.pause.get_or_insert(now.saturating_sub(asking.head));
                }
                asking.cut |= text.len() > room;
                let kept = text.len().min(room);
                asking.bytes.extend_from_slice(&text[..kept]);
                kept
            }
            Side::Server => {
                let Some(answering) = &mut exchange.response else { return };
                let kept = text.len().min(room).min(RESPONSE_BYTES_KEPT.saturating_sub(answering.bytes.len()));
                answering.bytes.extend_from_slice(&text[..kept]);
                kept
            }
        };
        self.held += kept;
    }

    /// A side's message is complete.
    pub(super) fn end(&mut self, side: Side, now: u64, listener: &mut impl Listener) {
        let lane = self.spoken(side);
        let Some(exchange) = self.open.get_mut(&lane) else { return };
        match side {
            Side::Client => {
                let Some(asking) = exchange.request.take() else { return };
                self.held = self.held.saturating_sub(asking.bytes.len());
                let pause = asking.pause.unwrap_or(0);
                match Request::new(asking.bytes).filter(|_| !asking.cut) {
                    Some(request) => listener.asks(exchange.number, Request { pause, ..request }),
                    None => listener.lost(exchange.number),
                }
            }
            Side::Server => {
                let Some(answering) = exchange.response.take() else { return };
                self.held = self.held.saturating_sub(answering.bytes.len());
                answers(exchange.number, answering, now, listener);
                if exchange.request.is_none() {
                    self.open.remove(&lane);
                }
            }
        }
    }

    /// Nothing more comes in a lane. A response that broke off still has a status.
    pub(super) fn cut(&mut self, lane: u32, now: u64, listener: &mut impl Listener) {
        let Some(Lane { number, request, response }) = self.open.remove(&lane) else { return };
        if let Some(asking) = request {
            self.held = self.held.saturating_sub(asking.bytes.len());
            listener.lost(number);
        }
        match response {
            Some(answering) => {
                self.held = self.held.saturating_sub(answering.bytes.len());
                answers(number, answering, now, listener);
            }
            None => listener.unanswered(number),
        }
    }

    /// The connection is over.
    pub(super) fn close(&mut self, now: u64, listener: &mut impl Listener) {
        while let Some(lane) = self.open.keys().next().copied() {
            self.cut(lane, now, listener);
        }
    }
}

fn answers(number: u64, answering: Answering, now: u64, listener: &mut impl Listener) {
    let Answering { status, first_byte, bytes } = answering;
    listener.answers(
        number,
        Response { status, grpc: grpc_status(&bytes), first_byte, last_byte: now.max(first_byte), bytes, facts: None },
    );
}
