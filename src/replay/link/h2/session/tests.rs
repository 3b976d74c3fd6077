//! A peer's frames, proper and improper: most cases are those that h2spec sends to servers, turned around.

mod content;

use proptest::prelude::*;

use super::super::super::Failure;
use super::super::call::Stop;
use super::super::frame::{self, ACK, Code, END_HEADERS, END_STREAM, HEAD, Head, kind};
use super::super::request::Message;
use super::{CONNECTION_WINDOW, FRAME_BYTES, MOST, OWED_BYTES_MAX, PREFACE, STREAM_WINDOW, Session};
use crate::limits::{FRAMES_IDLE_MAX, RESPONSES_INFORMATIONAL_MAX};
use crate::replay::response::{Asked, Reader};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const PADDED: u8 = 8;
/// `:status: 200`
const OK: &[u8] = &[0x88];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::frame(&mut out, kind, flags, stream, payload);
    out
}

fn settings(all: &[(u16, u32)]) -> Vec<u8> {
    let bytes = all.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
    frame(kind::SETTINGS, 0, 0, &bytes.collect::<Vec<_>>())
}

fn number(kind: u8, stream: u32, number: u32) -> Vec<u8> {
    frame(kind, 0, stream, &number.to_be_bytes())
}

fn headers(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(kind::HEADERS, END_HEADERS | flags, stream, block)
}

/// A header spelled out, in no table.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let (name_len, len) = (u8::try_from(name.len()).unwrap(), u8::try_from(value.len()).unwrap());
    assert!(name_len < 127 && len < 127);
    [&[0, name_len][..], name.as_bytes(), &[len], value.as_bytes()].concat()
}

fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let fields: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
    [OK, &fields].concat()
}

/// The frames that wait to be written, which then are.
fn sent(session: &mut Session) -> Vec<(Head, Vec<u8>)> {
    let mut frames = Vec::new();
    loop {
        let bytes = session.unwritten().to_vec();
        if bytes.is_empty() {
            return frames;
        }
        let mut rest = bytes.strip_prefix(PREFACE).unwrap_or(&bytes);
        while let Some(head) = Head::read(rest) {
            frames.push((head, rest[HEAD..HEAD + head.len].to_vec()));
            rest = &rest[HEAD + head.len..];
        }
        session.went(bytes.len(), 1);
    }
}

/// Greeted, with nothing to write.
fn greeted(all: &[(u16, u32)]) -> Session {
    let mut session = Session::default();
    session.read(&settings(all), 1).unwrap();
    sent(&mut session);
    session
}

fn ask(session: &mut Session, request: &[u8]) -> u32 {
    let message = Message::of(request, false, "target").unwrap();
    session.send(message, false, Reader::new(Asked::Other, true))
}

/// One that waits for the answers on streams 1 and 3.
fn asking() -> Session {
    let mut session = greeted(&[]);
    assert_eq!((ask(&mut session, GET), ask(&mut session, GET)), (1, 3));
    sent(&mut session);
    session
}

#[test]
fn a_connection_begins_as_the_standard_says() {
    let mut session = Session::default();
    assert!(session.unwritten().starts_with(PREFACE));
    let frames = sent(&mut session);
    assert_eq!(frames.iter().map(|(head, _)| head.kind).collect::<Vec<_>>(), [kind::SETTINGS, kind::WINDOW_UPDATE]);
    assert_eq!(frames[0].1[..6], [0, 2, 0, 0, 0, 0], "no pushes");
    assert_eq!(session.allowed(), None);
    session.read(&settings(&[]), 1).unwrap();
    assert_eq!(session.allowed(), Some(usize::MAX));
    let frames = sent(&mut session);
    assert_eq!((frames.len(), frames[0].0.kind, frames[0].0.flags), (1, kind::SETTINGS, ACK));
}

#[test]
fn an_answer_is_read_and_stamped_however_it_is_cut() {
    let answer = [
        headers(0, 1, &[0x08, 3, b'1', b'0', b'3']),
        frame(kind::HEADERS, 0, 1, &head(&[("content-length", "5")])),
        frame(kind::CONTINUATION, END_HEADERS, 1, &literal("x-a", "b")),
        frame(kind::DATA, PADDED, 1, b"\x02abc\0\0"),
        headers(END_STREAM, 3, OK),
        frame(kind::DATA, 0, 1, b"de"),
        headers(END_STREAM, 1, &literal("grpc-status", "7")),
    ]
    .concat();
    for size in [1, 2, 9, 10, 50, 1000] {
        let mut session = asking();
        for (at, piece) in (1..).zip(answer.chunks(size)) {
            session.read(piece, at).unwrap();
        }
        let call = session.leave(1).unwrap();
        assert_eq!((call.end, call.informational), (Some(Ok(())), 1), "{size}");
        let last = answer.len().div_ceil(size) as u64;
        // The frame after the first one begins with byte 14.
        assert_eq!((call.timing.first_byte, call.timing.last_byte), (1 + 14 / size as u64, last), "{size}");
        assert_eq!((call.reader.status(), call.reader.grpc_status()), (200, Some(7)));
        let text = "HTTP/1.1 200 \r\ncontent-length: 5\r\nx-a: b\r\n\r\nabcde";
        assert_eq!(String::from_utf8(call.reader.into_bytes()).unwrap(), text);
        assert_eq!(call.timing.received, (text.len() + "grpc-status: 7\r\n".len()) as u64);
        assert_eq!(session.leave(3).unwrap().end, Some(Ok(())));
        assert!(sent(&mut session).is_empty());
    }
}

#[test]
fn a_request_is_stamped_when_its_first_byte_goes() {
    let mut session = greeted(&[]);
    let (one, two) = (ask(&mut session, GET), ask(&mut session, GET));
    let first = HEAD + Head::read(session.unwritten()).unwrap().len;
    session.went(first, 5);
    assert_eq!((session.call(one).unwrap().timing.written, session.call(two).unwrap().timing.written), (5, 0));
    session.went(1, 6);
    let rest = session.unwritten().len();
    session.went(rest, 7);
    assert_eq!((session.call(one).unwrap().timing.written, session.call(two).unwrap().timing.written), (5, 6));
}

#[test]
fn nobody_answers_what_was_not_asked_yet() {
    for answer in [headers(END_STREAM, 3, OK), number(kind::RST_STREAM, 3, 7), number(kind::WINDOW_UPDATE, 3, 7)] {
        let mut session = greeted(&[]);
        let (one, two) = (ask(&mut session, GET), ask(&mut session, GET));
        let first = HEAD + Head::read(session.unwritten()).unwrap().len;
        session.went(first, 5);
        session.read(&headers(END_STREAM, one, OK), 6).unwrap();
        assert_eq!(session.read(&answer, 6), Err(Code::Protocol));
        assert_eq!((session.call(one).unwrap().end, session.call(two).unwrap().end), (Some(Ok(())), None));
    }
}

#[test]
fn what_is_to_be_ignored_is_ignored() {
    let mut session = asking();
    for odd in [
        frame(77, 0xff, 1, b"unknown"),
        frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 3, 9]),
        frame(kind::PRIORITY, 0, 99, &[0, 0, 0, 3, 9]),
        settings(&[(0x77, 5)]),
        frame(kind::SETTINGS, ACK, 0, &[]),
        frame(kind::PING, ACK, 0, &[7; 8]),
        headers(0x20 | 0x50, 1, &[&[0x80, 0, 0, 3, 9][..], OK].concat()),
    ] {
        session.read(&odd, 1).unwrap();
    }
    // A reserved bit, and a size of the table.
    let mut data = frame(kind::DATA, 0x80, 1, b"abc");
    data[5] |= 0x80;
    session.read(&data, 1).unwrap();
    session.read(&headers(END_STREAM, 3, &[&[0x20][..], OK].concat()), 1).unwrap();
    assert_eq!(session.call(3).unwrap().end, Some(Ok(())));
    assert_eq!(session.call(1).unwrap().timing.received, 17 + 3);
    let acks = sent(&mut session).iter().filter(|(head, _)| head.kind == kind::SETTINGS).count();
    assert_eq!(acks, 1);
}

#[test]
fn pings_are_answered_with_what_they_hold() {
    let mut session = asking();
    session.read(&frame(kind::PING, 0, 0, b"standin!"), 1).unwrap();
    let frames = sent(&mut session);
    assert_eq!((frames[0].0.kind, frames[0].0.flags, &frames[0].1[..]), (kind::PING, ACK, &b"standin!"[..]));
}

#[test]
fn what_ends_a_connection() {
    let empty = |kind, stream| frame(kind, 0, stream, &[]);
    let started = frame(kind::HEADERS, 0, 1, OK);
    let cases: Vec<(&str, Vec<u8>, Code)> = vec![
        ("data on no stream", frame(kind::DATA, 0, 0, b"x"), Code::Protocol),
        ("data on a stream that is not ours", frame(kind::DATA, 0, 2, b"x"), Code::Protocol),
        ("data on a stream that is not open yet", frame(kind::DATA, 0, 5, b"x"), Code::Protocol),
        ("data without its padding", frame(kind::DATA, PADDED, 1, &[5, 0]), Code::Protocol),
        ("headers on no stream", headers(0, 0, OK), Code::Protocol),
        ("headers on a stream that is not open yet", headers(0, 5, OK), Code::Protocol),
        ("headers that are no block", headers(0, 1, &[0x80]), Code::Compression),
        ("headers of an entry that is not there", headers(0, 1, &[0xff, 0x20]), Code::Compression),
        ("a table larger than was allowed", headers(0, 1, &[0x3f, 0xe2, 0x1f, 0x88]), Code::Compression),
        ("a size of the table behind a header", headers(0, 1, &[0x88, 0x20]), Code::Compression),
        ("a frame within a block", [started.clone(), empty(kind::PING, 0)].concat(), Code::Protocol),
        ("another block within a block", [started.clone(), headers(0, 3, OK)].concat(), Code::Protocol),
        (
            "a continuation elsewhere",
            [started.clone(), frame(kind::CONTINUATION, END_HEADERS, 3, &[])].concat(),
            Code::Protocol,
        ),
        ("a continuation of nothing", frame(kind::CONTINUATION, END_HEADERS, 1, &[]), Code::Protocol),
        ("a long priority", frame(kind::PRIORITY, 0, 1, &[0; 6]), Code::FrameSize),
        ("a priority of no stream", frame(kind::PRIORITY, 0, 0, &[0; 5]), Code::Protocol),
        ("a reset of no stream", number(kind::RST_STREAM, 0, 8), Code::Protocol),
        ("a reset of a stream that is not open yet", number(kind::RST_STREAM, 5, 8), Code::Protocol),
        ("a long reset", frame(kind::RST_STREAM, 0, 1, &[0; 5]), Code::FrameSize),
        ("settings of a stream", frame(kind::SETTINGS, 0, 1, &[]), Code::Protocol),
        ("settings cut off", frame(kind::SETTINGS, 0, 0, &[0; 5]), Code::FrameSize),
        ("an acknowledgement that sets", frame(kind::SETTINGS, ACK, 0, &[0; 6]), Code::FrameSize),
        ("a push allowed", settings(&[(2, 1)]), Code::Protocol),
        ("a window too large", settings(&[(4, 1 << 31)]), Code::FlowControl),
        ("frames too short", settings(&[(5, 16_383)]), Code::Protocol),
        ("frames too long", settings(&[(5, 1 << 24)]), Code::Protocol),
        ("a push", frame(kind::PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82]), Code::Protocol),
        ("a ping of a stream", frame(kind::PING, 0, 1, &[0; 8]), Code::Protocol),
        ("a short ping", frame(kind::PING, 0, 0, &[0; 7]), Code::FrameSize),
        ("a farewell of a stream", frame(kind::GOAWAY, 0, 1, &[0; 8]), Code::Protocol),
        ("a short farewell", frame(kind::GOAWAY, 0, 0, &[0; 7]), Code::FrameSize),
        ("a window that grows by nothing", number(kind::WINDOW_UPDATE, 0, 0), Code::Protocol),
        ("a window that grows too large", number(kind::WINDOW_UPDATE, 0, MOST as u32), Code::FlowControl),
        ("a window of a stream that is not open yet", number(kind::WINDOW_UPDATE, 5, 1), Code::Protocol),
        ("a long window update", frame(kind::WINDOW_UPDATE, 0, 0, &[1; 5]), Code::FrameSize),
        ("a frame longer than is allowed", frame(kind::DATA, 0, 1, &vec![0; FRAME_BYTES + 1]), Code::FrameSize),
    ];
    for (what, bytes, code) in cases {
        for size in [1, 7, 1 << 20] {
            let mut session = asking();
            let read = bytes.chunks(size).try_for_each(|piece| session.read(piece, 1));
            assert_eq!(read, Err(code), "{what}");
            session.end(code);
            assert_eq!(session.call(1).unwrap().end, Some(Err(Stop::Failed(Failure::Protocol))), "{what}");
            let frames = sent(&mut session);
            let (last, payload) = frames.last().unwrap();
            assert_eq!((last.kind, payload[7]), (kind::GOAWAY, code as u8), "{what}");
        }
    }
    for first in [frame(kind::PING, 0, 0, &[0; 8]), frame(kind::SETTINGS, ACK, 0, &[])] {
        assert_eq!(Session::default().read(&first, 1), Err(Code::Protocol), "no settings first");
    }
}

#[test]
fn what_ends_a_stream_and_leaves_the_others() {
    let text = |name, value| headers(0, 1, &head(&[(name, value)]));
    let informational = |flags, code: u8| headers(flags, 1, &[0x08, 3, b'1', b'0', code]);
    let begun = |more: Vec<u8>| [headers(0, 1, OK), more].concat();
    let longer = begun(frame(kind::DATA, END_STREAM, 1, b"abc"));
    let large: Vec<u8> = (0..5).flat_map(|_| literal("x", &"v".repeat(100)).repeat(120)).collect();
    let large = [&frame(kind::HEADERS, 0, 1, OK)[..], &frame(kind::CONTINUATION, END_HEADERS, 1, &large)].concat();
    let many = headers(0, 1, &[OK, &[0x90; 256]].concat());
    let with_length = |length, content: &[u8], flags| {
        [headers(0, 1, &head(&[("content-length", length)])), frame(kind::DATA, flags, 1, content)].concat()
    };
    let cases: Vec<(&str, Vec<u8>, Code)> = vec![
        ("no status", headers(0, 1, &literal("a", "b")), Code::Protocol),
        ("a status of two digits", headers(0, 1, &[0x08, 2, b'2', b'0']), Code::Protocol),
        ("two statuses", headers(0, 1, &[0x88, 0x88]), Code::Protocol),
        ("a status behind a header", headers(0, 1, &[literal("a", "b"), OK.to_vec()].concat()), Code::Protocol),
        ("a request's pseudo header", headers(0, 1, &[0x88, 0x82]), Code::Protocol),
        ("a name in capitals", text("X-Up", "1"), Code::Protocol),
        ("no name", text("", "1"), Code::Protocol),
        ("a name with a space", text("a b", "1"), Code::Protocol),
        ("a line end in a value", text("a", "1\r\nb: 2"), Code::Protocol),
        ("what speaks of the connection", text("connection", "close"), Code::Protocol),
        ("a transfer coding", text("transfer-encoding", "chunked"), Code::Protocol),
        ("a length that is none", text("content-length", "-1"), Code::Protocol),
        ("more than was told", with_length("2", b"abc", 0), Code::Protocol),
        ("less than was told", with_length("4", b"abc", END_STREAM), Code::Protocol),
        ("content before the head", frame(kind::DATA, 0, 1, b"x"), Code::Protocol),
        ("trailers that do not end", begun(headers(0, 1, &literal("a", "b"))), Code::Protocol),
        ("a status in trailers", begun(headers(END_STREAM, 1, OK)), Code::Protocol),
        ("an upgrade", informational(0, b'1'), Code::Protocol),
        ("an informational end", informational(END_STREAM, b'3'), Code::Protocol),
        ("headers too long", large, Code::EnhanceYourCalm),
        ("too many headers", many, Code::EnhanceYourCalm),
        ("a window that grows by nothing", number(kind::WINDOW_UPDATE, 1, 0), Code::Protocol),
        ("a window that grows too large", number(kind::WINDOW_UPDATE, 1, MOST as u32), Code::FlowControl),
    ];
    for (what, bytes, code) in cases {
        let mut session = asking();
        session.read(&bytes, 1).unwrap_or_else(|code| panic!("{what}: {code:?}"));
        assert_eq!(session.call(1).unwrap().end, Some(Err(Stop::Failed(Failure::Protocol))), "{what}");
        let frames = sent(&mut session);
        assert_eq!(frames.len(), 1, "{what}");
        assert_eq!((frames[0].0.kind, frames[0].0.stream, frames[0].1[3]), (kind::RST_STREAM, 1, code as u8), "{what}");
        session.read(&longer[HEAD + 1..], 1).unwrap();
        session.read(&headers(END_STREAM, 3, OK), 1).unwrap();
        assert_eq!(session.leave(3).unwrap().end, Some(Ok(())), "{what}");
        session.leave(1);
        assert!(sent(&mut session).is_empty(), "{what}");
    }
}

#[test]
fn who_asked_for_the_head_is_told_the_length_of_what_does_not_come() {
    for (asked, status) in [(Asked::Head, OK), (Asked::Other, &[0x89]), (Asked::Other, &[0x8b])] {
        let mut session = greeted(&[]);
        session.send(Message::of(GET, false, "h").unwrap(), false, Reader::new(asked, false));
        sent(&mut session);
        session.read(&headers(END_STREAM, 1, &[status, &literal("content-length", "7")].concat()), 1).unwrap();
        assert_eq!(session.leave(1).unwrap().end, Some(Ok(())));
    }
}

#[test]
fn resets_and_farewells_tell_what_may_be_sent_again() {
    let mut session = asking();
    session.read(&number(kind::RST_STREAM, 1, 7), 1).unwrap();
    session.read(&number(kind::RST_STREAM, 3, 0x77), 1).unwrap();
    assert_eq!(session.call(1).unwrap().end, Some(Err(Stop::Unprocessed)));
    assert_eq!(session.call(3).unwrap().end, Some(Err(Stop::Reset(0x77))));
    let mut session = asking();
    session.read(&frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]), 1).unwrap();
    assert_eq!(session.call(3).unwrap().end, Some(Err(Stop::Unprocessed)));
    assert!(!session.is_usable());
    session.read(&headers(END_STREAM, 1, OK), 1).unwrap();
    assert_eq!(session.call(1).unwrap().end, Some(Ok(())));
}

#[test]
fn who_leaves_says_so_and_what_comes_late_is_read_past() {
    let mut session = asking();
    // It goes into the table, which the next one refers to.
    let mut first = OK.to_vec();
    first.extend_from_slice(&[0x40, 1, b'a', 1, b'b']);
    assert!(session.leave(1).unwrap().end.is_none());
    let frames = sent(&mut session);
    assert_eq!((frames[0].0.kind, frames[0].0.stream, frames[0].1[3]), (kind::RST_STREAM, 1, Code::Cancel as u8));
    session.read(&headers(0, 1, &first), 1).unwrap();
    session.read(&frame(kind::DATA, END_STREAM, 1, b"late"), 1).unwrap();
    session.read(&number(kind::RST_STREAM, 1, 8), 1).unwrap();
    session.read(&number(kind::WINDOW_UPDATE, 1, 8), 1).unwrap();
    session.read(&headers(END_STREAM, 3, &[0x88, 0xbe]), 1).unwrap();
    let text = session.leave(3).unwrap().reader.into_bytes();
    assert_eq!(String::from_utf8(text).unwrap(), "HTTP/1.1 200 \r\na: b\r\n\r\n");
    assert!(session.leave(1).is_none() && sent(&mut session).is_empty());
}

#[test]
fn a_target_is_given_windows_as_it_fills_them_and_no_more() {
    let mut session = asking();
    session.read(&headers(0, 1, OK), 1).unwrap();
    let piece = frame(kind::DATA, 0, 1, &vec![7; FRAME_BYTES]);
    let (mut mine, mut all) = (STREAM_WINDOW, CONNECTION_WINDOW);
    for _ in 0..200 {
        session.read(&piece, 1).unwrap();
        (mine, all) = (mine - FRAME_BYTES as i64, all - FRAME_BYTES as i64);
        for (head, payload) in sent(&mut session) {
            assert_eq!(head.kind, kind::WINDOW_UPDATE);
            let more = i64::from(u32::from_be_bytes(payload.try_into().unwrap()));
            *if head.stream == 0 { &mut all } else { &mut mine } += more;
        }
        assert!((STREAM_WINDOW / 2..=STREAM_WINDOW).contains(&mine) && all >= CONNECTION_WINDOW / 2);
    }
    assert_eq!(session.leave(1).unwrap().timing.received, 17 + 200 * FRAME_BYTES as u64);
    // Who does not keep to them: on a stream, and over all.
    let mut session = asking();
    session.read(&headers(0, 1, OK), 1).unwrap();
    session.call(1).unwrap().room = 5;
    session.read(&frame(kind::DATA, 0, 1, b"123456"), 1).unwrap();
    assert_eq!(session.call(1).unwrap().end, Some(Err(Stop::Failed(Failure::Protocol))));
    session.room = 5;
    assert_eq!(session.read(&frame(kind::DATA, 0, 1, b"123456"), 1), Err(Code::FlowControl));
}

#[test]
fn who_brings_nothing_or_reads_nothing_is_ended() {
    let until = |session: &mut Session, bytes: &[u8], write: bool| {
        (0..FRAMES_IDLE_MAX * 3).find_map(|_| {
            let read = session.read(bytes, 1).err();
            write.then(|| sent(session));
            read
        })
    };
    let informational = headers(0, 1, &[0x08, 3, b'1', b'0', b'3']);
    let late = frame(kind::DATA, 0, 1, b"late");
    for idle in [settings(&[]), frame(kind::PING, 0, 0, &[0; 8]), frame(77, 0, 0, &[]), late.clone()] {
        let mut session = asking();
        session.leave(1);
        assert_eq!(until(&mut session, &idle, true), Some(Code::EnhanceYourCalm));
    }
    // Each ping has its content, but nobody reads the answers.
    let mut session = asking();
    session.read(&headers(0, 1, OK), 1).unwrap();
    let useful = [frame(kind::PING, 0, 0, &[0; 8]), frame(kind::DATA, 0, 1, b"x")].concat();
    assert_eq!(until(&mut session, &useful, false), Some(Code::EnhanceYourCalm));
    assert!(session.unwritten().len() < OWED_BYTES_MAX + 100);
    let mut session = asking();
    assert_eq!(until(&mut session, &useful[..17], true), Some(Code::EnhanceYourCalm));
    // Of a target that reads, but always leaves a little, no more is owed than that.
    let mut session = asking();
    session.read(&headers(0, 1, OK), 1).unwrap();
    for _ in 0..OWED_BYTES_MAX / useful.len() * 2 {
        session.read(&useful, 1).unwrap();
        let len = session.unwritten().len();
        session.went(len - 1, 1);
    }
    // Informational responses end their stream first.
    let mut session = asking();
    (0..=RESPONSES_INFORMATIONAL_MAX).for_each(|_| session.read(&informational, 1).unwrap());
    assert_eq!(session.call(1).unwrap().end, Some(Err(Stop::Failed(Failure::Protocol))));
    // A block without an end.
    let mut session = asking();
    session.read(&frame(kind::HEADERS, 0, 1, OK), 1).unwrap();
    assert_eq!(until(&mut session, &frame(kind::CONTINUATION, 0, 1, &[0; 5000]), true), Some(Code::EnhanceYourCalm));
}

proptest! {
    /// Whatever comes, in frames and in none.
    #[test]
    fn hostile_frames_change_nothing_of_what_must_hold(
        way: u8, step: u8, frames in prop::collection::vec(hostile_frame(), 0..60), rest in prop::collection::vec(any::<u8>(), 0..20)
    ) {
        super::hostile::serve(&[&[way, step][..], &frames.concat(), &rest].concat());
    }
}

/// A frame that may be anything, or nearly proper.
fn hostile_frame() -> impl Strategy<Value = Vec<u8>> {
    let streams = (0u32..8, prop::sample::select(vec![0, 1, 3, 5]));
    let any_frame = (0u8..12, any::<u8>(), 0u32..6, prop::collection::vec(any::<u8>(), 0..40))
        .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload));
    let sets = prop::collection::vec((1u16..7, prop::sample::select(vec![0, 1, 10, 4096, 16_384, 1 << 20])), 0..3);
    prop_oneof![
        any_frame,
        sets.prop_map(|all| settings(&all)),
        (streams.clone(), prop::sample::select(vec![0, 1, 30_000, MOST as u32]))
            .prop_map(|((_, stream), more)| number(kind::WINDOW_UPDATE, stream, more)),
        streams.clone().prop_map(|(code, stream)| number(kind::RST_STREAM, stream, code)),
        streams.clone().prop_map(|(flags, stream)| headers(
            (flags & 1) as u8,
            stream,
            &[OK, &[0x40, 1, b'a', 1, b'b']].concat()
        )),
        streams.clone().prop_map(|(len, stream)| frame(
            kind::DATA,
            (len & 1) as u8,
            stream,
            &vec![7; len as usize * 2000]
        )),
        streams.prop_map(|(_, last)| frame(kind::GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())),
    ]
}
