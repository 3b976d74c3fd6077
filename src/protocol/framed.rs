//! Protocols of which only the frame is read: header, data of a stated length, header … The data is opaque.

use std::marker::PhantomData;

use super::emit::{Emit, Together};
use super::{Conversation, Side, Sink};

/// How such a protocol frames its data.
pub trait Framing: Send {
    /// What the data is called in manifests.
    const DATA: &'static str;
    /// What is called so that comes where no header can be.
    const LOST: &'static str;

    /// Reads the header at the cursor and reports all of it, or nothing.
    fn header(emit: &mut Emit<'_>) -> Header;
}

/// What stands where a header is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The beginning of one.
    Cut,
    /// One that so many bytes of data follow.
    Data(u64),
    /// None.
    Damaged,
}

/// Both directions of a connection.
pub struct Framed<F> {
    client: State,
    server: State,
    framing: PhantomData<F>,
}

impl<F> Default for Framed<F> {
    fn default() -> Self {
        Framed { client: State::Header, server: State::Header, framing: PhantomData }
    }
}

/// Where a side is.
#[derive(Clone, Copy)]
enum State {
    Header,
    /// In data; so many bytes are left, at least one.
    Data(u64),
    /// For good.
    Lost,
}

impl State {
    fn before(left: u64) -> State {
        if left == 0 { State::Header } else { State::Data(left) }
    }
}

impl<F: Framing> Conversation for Framed<F> {
    fn read(&mut self, side: Side, at: u64, bytes: &[u8], end: bool, sink: &mut dyn Sink) -> usize {
        let state = self.state(side);
        let mut out = Together { base: at, sink };
        let mut emit = Emit::new(bytes, &mut out);
        while !emit.rest().is_empty() {
            match *state {
                State::Header => match F::header(&mut emit) {
                    Header::Data(len) => *state = State::before(len),
                    Header::Cut if !end => break,
                    Header::Cut | Header::Damaged => *state = State::Lost,
                },
                State::Data(left) => {
                    let len = emit.rest().len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    emit.skip(len, F::DATA);
                    *state = State::before(left - len as u64);
                }
                State::Lost => emit.opaque_to(bytes.len(), F::LOST),
            }
        }
        emit.done()
    }

    fn gap(&mut self, side: Side, missing: u64) {
        let state = self.state(side);
        *state = match *state {
            State::Data(left) if left >= missing => State::before(left - missing),
            _ => State::Lost,
        };
    }

    fn flush(&mut self, _side: Side, _sink: &mut dyn Sink) {}

    fn pending(&self, _side: Side) -> usize {
        0
    }
}

impl<F> Framed<F> {
    fn state(&mut self, side: Side) -> &mut State {
        if side == Side::Client { &mut self.client } else { &mut self.server }
    }
}
