//! Every outcome as a line of CSV (RFC 4180), handed on while the run goes on: nothing is kept.
//!
//! Of captured traffic a line tells the endpoint's template and the captured status, never a value.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::errand::Deal;
use super::outcome::{End, Outcome};

/// A sending thread's lines are handed on when they are this long together.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that may wait for a slow disk: 16 MiB. A slower one makes the generator late, and the run says so.
const PIECES_MAX: usize = 256;

const HEAD: &str = "request,round,session,connection,endpoint,intended_us,written_us,first_byte_us,last_byte_us,status,\
                    failure,captured_status,sent_bytes,received_bytes,measured,copy\r\n";

/// Where a run's outcomes go.
#[derive(Clone, Debug)]
pub struct Outcomes(SyncSender<Vec<u8>>);

impl Outcomes {
    /// A way for outcomes, and its end: pieces of one CSV file, until the run is over. Lines come in the order in which
    /// each thread knew them.
    pub fn new() -> (Outcomes, Receiver<Vec<u8>>) {
        let (send, receive) = sync_channel(PIECES_MAX);
        // There is room for the first piece.
        let _ = send.send(HEAD.into());
        (Outcomes(send), receive)
    }

    /// One thread's part.
    pub(super) fn writer(&self) -> Writer {
        Writer { outcomes: self.clone(), piece: Vec::new() }
    }
}

/// What is known of a request beside its outcome.
pub(super) struct Known<'a> {
    pub(super) deal: &'a Deal,
    pub(super) endpoint: &'a str,
    /// The run's instant 0.
    pub(super) start: u64,
    /// It counts in the distributions.
    pub(super) measured: bool,
}

/// Gathers a thread's lines.
pub(super) struct Writer {
    outcomes: Outcomes,
    piece: Vec<u8>,
}

impl Writer {
    /// One more outcome.
    pub(super) fn add(&mut self, outcome: &Outcome, known: &Known<'_>) {
        let Known { deal, endpoint, start, measured } = known;
        let us = |at: u64| (at as i128 - i128::from(*start)) as f64 / 1000.0;
        let turn = &deal.turn;
        // A message has no status.
        let shown = |status: u16| if status > 0 { status.to_string() } else { String::new() };
        let captured = turn.expect.as_ref().map_or_else(String::new, |answer| shown(answer.status));
        let endpoint = endpoint.replace('"', "\"\"");
        let copy = deal.lane.copy;
        let begins = (turn.number, deal.lane.round, turn.session, turn.connection, us(outcome.intended));
        // Writing to memory cannot fail.
        let (number, round, session, connection, intended) = begins;
        let _ = write!(self.piece, "{number},{round},{session},{connection},\"{endpoint}\",{intended:.3},");
        let _ = match outcome.end {
            End::Answered { status, written, first_byte, last_byte, sent, received, .. } => write!(
                self.piece,
                "{:.3},{:.3},{:.3},{},,{captured},{sent},{received},{measured},{copy}\r\n",
                us(written),
                us(first_byte),
                us(last_byte),
                shown(status)
            ),
            End::Failed(failure) => {
                let written = outcome.written.map_or_else(String::new, |at| format!("{:.3}", us(at)));
                write!(self.piece, "{written},,,,{},{captured},,,{measured},{copy}\r\n", failure.name())
            }
        };
        if self.piece.len() >= PIECE_BYTES {
            self.hand_on();
        }
    }

    /// Hands on what was gathered. Who takes it may have given up.
    pub(super) fn hand_on(&mut self) {
        if !self.piece.is_empty() {
            let _ = self.outcomes.0.send(std::mem::take(&mut self.piece));
        }
    }
}
