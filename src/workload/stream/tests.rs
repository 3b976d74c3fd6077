//! However long a capture is, no more is remembered of it at a time.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use etherparse::PacketBuilder;

use super::*;

const SYN: u8 = 2;
const FIN: u8 = 1;
const RST: u8 = 4;
const ACK: u8 = 16;
/// Connections that are open at a time.
const AT_ONCE: u64 = 8;
/// Exchanges of each.
const EXCHANGES: u64 = 4;

/// A capture in memory.
struct Tape {
    bytes: Vec<u8>,
    micros: u64,
}

/// A connection in it: its port, and what each side sends next.
struct Talk {
    port: u16,
    seq: [u32; 2],
}

impl Tape {
    fn new() -> Tape {
        let words = [0xA1B2_C3D4_u32, 0x0004_0002, 0, 0, 262_144, 1];
        Tape { bytes: words.iter().flat_map(|word| word.to_le_bytes()).collect(), micros: 0 }
    }

    fn packet(&mut self, talk: &mut Talk, side: usize, flags: u8, payload: &[u8]) {
        let ends = [([192, 0, 2, 7], talk.port), ([192, 0, 2, 80], 80)];
        let (from, to) = (ends[side], ends[1 - side]);
        let mut step =
            PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(from.0, to.0, 64).tcp(from.1, to.1, talk.seq[side], u16::MAX);
        for (flag, set) in [(SYN, 0), (FIN, 1), (RST, 2), (ACK, 3)] {
            step = match (flags & flag != 0, set) {
                (false, _) => step,
                (true, 0) => step.syn(),
                (true, 1) => step.fin(),
                (true, 2) => step.rst(),
                (true, _) => step.ack(talk.seq[1 - side]),
            };
        }
        let mut frame = Vec::new();
        step.write(&mut frame, payload).unwrap();
        talk.seq[side] =
            talk.seq[side].wrapping_add(payload.len() as u32).wrapping_add(u32::from(flags & (SYN | FIN) != 0));
        self.micros += 20_000;
        let length = frame.len() as u32;
        let (seconds, micros) = ((self.micros / 1_000_000) as u32, (self.micros % 1_000_000) as u32);
        [seconds, micros, length, length].iter().for_each(|word| self.bytes.extend_from_slice(&word.to_le_bytes()));
        self.bytes.extend_from_slice(&frame);
    }

    fn open(&mut self, number: u64) -> Talk {
        let mut talk = Talk { port: 10_000 + (number % 50_000) as u16, seq: [number as u32, !number as u32] };
        self.packet(&mut talk, 0, SYN, b"");
        self.packet(&mut talk, 1, SYN | ACK, b"");
        talk
    }

    /// Every answer tells a value that the next request sends.
    fn exchange(&mut self, talk: &mut Talk, number: u64) {
        let (told, tells) = (number * 7919 + 1_000_000, (number + AT_ONCE) * 7919 + 1_000_000);
        let request = format!("GET /orders/{told} HTTP/1.1\r\nHost: a.example\r\n\r\n");
        self.packet(talk, 0, ACK, request.as_bytes());
        let body = format!("{{\"order_id\":{tells},\"note\":\"leave it at the door\"}}");
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        self.packet(talk, 1, ACK, head.as_bytes());
        self.packet(talk, 1, ACK, body.as_bytes());
    }

    /// Most connections end as they should, some by a reset that the other side has not heard of yet.
    fn close(&mut self, mut talk: Talk, number: u64) {
        if !number.is_multiple_of(4) {
            self.packet(&mut talk, 0, FIN | ACK, b"");
            self.packet(&mut talk, 1, FIN | ACK, b"");
            self.packet(&mut talk, 0, ACK, b"");
        } else {
            self.packet(&mut talk, 1, RST, b"");
            self.packet(&mut talk, 0, ACK, b"GET /late HTTP/1.1\r\nHost: a.example\r\n\r\n");
        }
    }
}

/// So many connections, one after another, some at a time.
fn capture(connections: u64) -> Vec<u8> {
    let mut tape = Tape::new();
    let mut talks: Vec<Talk> = (0..AT_ONCE).map(|number| tape.open(number)).collect();
    let mut number = 0;
    for opened in (AT_ONCE..connections + AT_ONCE).step_by(AT_ONCE as usize) {
        for _ in 0..EXCHANGES {
            for talk in &mut talks {
                tape.exchange(talk, number);
                number += 1;
            }
        }
        for talk in &mut talks {
            let new = tape.open(opened + u64::from(talk.port) % AT_ONCE);
            tape.close(std::mem::replace(talk, new), number);
            number += 1;
        }
    }
    tape.bytes
}

/// The most that was remembered at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Most {
    lines: usize,
    pending: usize,
    late: usize,
    open: usize,
    held: usize,
    /// Connections that were told of, and not yet that they were closed.
    unclosed: usize,
}

/// Looks at a teller after each packet.
struct Watch<'a> {
    teller: Teller<'a>,
    most: Most,
}

impl Listener for Watch<'_> {
    fn begins(&mut self, number: u64, asker: &Asker) {
        self.teller.begins(number, asker);
    }

    fn asks(&mut self, number: u64, request: Request) {
        self.teller.asks(number, request);
    }

    fn lost(&mut self, number: u64) {
        self.teller.lost(number);
    }

    fn answers(&mut self, number: u64, response: Response) {
        self.teller.answers(number, response);
    }

    fn unanswered(&mut self, number: u64) {
        self.teller.unanswered(number);
    }

    fn closes(&mut self, connection: u32, at: Option<u64>) {
        self.teller.closes(connection, at);
    }

    fn reads(&mut self, position: u64, held: usize) {
        self.teller.reads(position, held);
        let (teller, most) = (&self.teller, &mut self.most);
        most.lines = most.lines.max(teller.lines.len());
        most.pending = most.pending.max(teller.pending.len());
        most.late = most.late.max(teller.late.len());
        most.open = most.open.max(teller.open.len());
        most.held = most.held.max(held);
    }
}

/// Reads a capture: turns, edges, and the most that was remembered.
fn read(bytes: Vec<u8>) -> (u64, u64, Most) {
    let seen = RefCell::new((0, 0, BTreeSet::new(), 0));
    let wanted = Wanted::default();
    let mut each = |event| {
        let (turns, edges, unclosed, most) = &mut *seen.borrow_mut();
        match event {
            Event::Turn(turn) => {
                *turns += 1;
                *edges += turn.edges.len() as u64;
                unclosed.insert(turn.connection);
                *most = unclosed.len().max(*most);
            }
            Event::Closed(closing) => drop(unclosed.remove(&closing.connection)),
        }
    };
    let mut collector = Collector::telling(Watch { teller: Teller::new(&mut each, &wanted), most: Most::default() });
    crate::dissect::run(Box::new(Cursor::new(bytes)), &mut collector).unwrap();
    let (Watch { mut teller, most }, _) = collector.end();
    teller.tell(usize::MAX);
    drop(teller);
    let (turns, edges, unclosed, most_unclosed) = seen.into_inner();
    assert!(unclosed.is_empty());
    (turns, edges, Most { unclosed: most_unclosed, ..most })
}

#[test]
fn ten_times_as_much_is_remembered_no_longer() {
    let connections = 80;
    let (turns, edges, most) = read(capture(connections));
    let (turns_of_ten, edges_of_ten, most_of_ten) = read(capture(10 * connections));
    let exchanges = connections * EXCHANGES + connections / 4;
    assert_eq!((turns, turns_of_ten), (exchanges, 10 * exchanges));
    // All but the first on each connection follow the answer before.
    assert!(edges > connections && edges_of_ten > 9 * edges, "{edges} {edges_of_ten}");
    assert_eq!(most_of_ten, most);
    assert!(most.lines <= 3 * AT_ONCE as usize && most.unclosed <= 2 * AT_ONCE as usize, "{most:?}");
}

#[test]
fn tells_when_a_connection_was_closed_or_that_nobody_did() {
    let mut tape = Tape::new();
    let mut talks = [0, 1, 2].map(|number| tape.open(number));
    (0..).zip(&mut talks).for_each(|(number, talk)| tape.exchange(talk, number));
    let [finished, reset, _open] = talks;
    // A fourth one is reset.
    tape.close(finished, 1);
    let finished_at = (tape.micros - 20_000) * 1000;
    tape.close(reset, 4);
    let reset_at = (tape.micros - 20_000) * 1000;
    let mut closed = BTreeMap::new();
    let mut each = |event| {
        if let Event::Closed(closing) = event {
            closed.insert(closing.connection, closing.at);
        }
    };
    let wanted = Wanted::default();
    let mut collector = Collector::telling(Teller::new(&mut each, &wanted));
    crate::dissect::run(Box::new(Cursor::new(tape.bytes)), &mut collector).unwrap();
    collector.end().0.tell(usize::MAX);
    // From the first packet on.
    let since_first = |at: u64| Some(at - 20_000_000);
    assert_eq!(closed, BTreeMap::from([(0, since_first(finished_at)), (1, since_first(reset_at)), (2, None)]));
}

#[test]
fn of_what_is_never_answered_the_latest_is_remembered() {
    let mut told = 0;
    let mut each = |event| told += u64::from(matches!(event, Event::Turn(_)));
    let wanted = Wanted::default();
    let mut teller = Teller::new(&mut each, &wanted);
    let asker = Asker { client: 1, connection: 0, opened: 0, http2: false, at: 0 };
    let many = UNANSWERED_KEPT as u64 * 3 / 2;
    for number in 0..many {
        teller.begins(number, &asker);
        teller.asks(number, Request::new(b"GET / HTTP/1.1\r\n\r\n".to_vec()).unwrap());
        teller.reads(0, 0);
        assert!(teller.open.len() <= UNANSWERED_KEPT && teller.open.contains_key(&number));
        assert!(teller.pending.len() * TURN_BYTES <= READING_BYTES_MAX);
    }
    teller.tell(usize::MAX);
    drop(teller);
    assert_eq!(told, many);
}
