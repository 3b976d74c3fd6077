//! Content that is sent: as the windows allow, and all of it.

use proptest::prelude::*;

use super::super::super::frame::{HEAD, Head, kind};
use super::super::super::request::Message;
use super::super::{MOST, WINDOW};
use super::{END_STREAM, OK, ask, greeted, headers, number, sent, settings};
use crate::replay::response::{Asked, Reader};

fn post(len: usize) -> Vec<u8> {
    let content: Vec<u8> = (0..len).map(|n| n as u8).collect();
    [format!("POST / HTTP/1.1\r\nContent-Length: {len}\r\n\r\n").as_bytes(), &content].concat()
}

#[test]
fn content_that_waits_for_leave_waits() {
    let mut session = greeted(&[]);
    let message = post(10);
    let stream = session.send(Message::of(&message, false, "h").unwrap(), true, Reader::new(Asked::Other, false));
    assert_eq!(sent(&mut session).len(), 1);
    assert!(!session.call(stream).unwrap().is_encouraged());
    session.read(&headers(0, 1, &[0x08, 3, b'1', b'0', b'0']), 1).unwrap();
    assert!(session.call(stream).unwrap().is_encouraged());
    session.release(stream);
    session.release(stream);
    let frames = sent(&mut session);
    assert_eq!((frames.len(), frames[0].0.kind, frames[0].0.ends_stream()), (1, kind::DATA, true));
}

#[test]
fn content_that_the_target_has_refused_is_not_sent() {
    let mut session = greeted(&[]);
    let message = post(10);
    let stream = session.send(Message::of(&message, false, "h").unwrap(), true, Reader::new(Asked::Other, false));
    sent(&mut session);
    // `:status: 413`
    session.read(&headers(END_STREAM, 1, &[0x08, 3, b'4', b'1', b'3']), 1).unwrap();
    session.release(stream);
    assert!(sent(&mut session).is_empty());
    assert_eq!(session.leave(stream).unwrap().end, Some(Ok(())));
    let kinds: Vec<u8> = sent(&mut session).iter().map(|(head, _)| head.kind).collect();
    assert_eq!(kinds, [kind::RST_STREAM]);
}

#[test]
fn a_target_that_wants_no_more_of_a_content_is_sent_no_more() {
    let mut session = greeted(&[(4, 10)]);
    ask(&mut session, &post(20));
    sent(&mut session);
    session.read(&[headers(END_STREAM, 1, OK), number(kind::RST_STREAM, 1, 0)].concat(), 1).unwrap();
    session.read(&number(kind::WINDOW_UPDATE, 1, 100), 1).unwrap();
    assert_eq!(session.leave(1).unwrap().end, Some(Ok(())));
    assert!(sent(&mut session).is_empty());
    // One that answers early and says nothing of it is told.
    ask(&mut session, &post(20));
    sent(&mut session);
    session.read(&headers(END_STREAM, 3, OK), 1).unwrap();
    session.leave(3);
    assert_eq!(sent(&mut session)[0].0.kind, kind::RST_STREAM);
}

/// What a target may do to windows while it is sent content.
#[derive(Clone, Debug)]
enum Move {
    Grow(usize, u32),
    GrowAll(u32),
    Initial(u32),
    Longest(u32),
    Written(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (0usize..4, 1u32..50_000).prop_map(|(stream, more)| Move::Grow(stream, more)),
        (1u32..100_000).prop_map(Move::GrowAll),
        (0u32..100_000).prop_map(Move::Initial),
        ((1u32 << 14)..(1 << 17)).prop_map(Move::Longest),
        (1usize..50_000).prop_map(Move::Written),
    ];
    prop::collection::vec(one, 0..40)
}

proptest! {
    /// Whatever the target does to windows: no content beyond them, and at last all of it, in its order.
    #[test]
    fn content_keeps_to_the_windows_and_arrives(sizes in prop::collection::vec(1usize..200_000, 1..4), moves in moves()) {
        let mut session = greeted(&[]);
        let count = sizes.len();
        sizes.iter().for_each(|size| { ask(&mut session, &post(*size)); });
        let (mut all, mut initial, mut longest) = (WINDOW, WINDOW, 16u32 << 10);
        let mut windows = vec![WINDOW; count];
        let mut read: Vec<Vec<u8>> = vec![Vec::new(); count];
        let mut ended = vec![false; count];
        // What has not begun to go out has no windows yet.
        let heads = session.out.len();
        let mut wire = session.unwritten()[..heads].to_vec();
        session.went(heads, 1);
        let last = [Move::Longest(1 << 14), Move::Initial(MOST as u32 / 2), Move::GrowAll(1 << 24), Move::Written(usize::MAX)];
        let mut most = windows.clone();
        for one in moves.into_iter().chain(last) {
            // What is framed by now was framed by the windows that there were.
            let framed = session.unwritten().to_vec();
            let mut rest = &[&wire[..], &framed].concat()[..];
            let mut seen: Vec<i64> = vec![0; count];
            while let Some(head) = Head::read(rest).filter(|head| rest.len() >= HEAD + head.len) {
                if head.kind == kind::DATA {
                    seen[head.stream as usize / 2] += head.len as i64;
                    prop_assert!(head.len <= longest as usize);
                }
                rest = &rest[HEAD + head.len..];
            }
            prop_assert!(seen.iter().sum::<i64>() <= all);
            most.iter_mut().zip(&windows).for_each(|(most, window)| *most = *window.max(most));
            prop_assert!(seen.iter().zip(&most).all(|(seen, most)| seen <= most));
            let bytes = match one {
                Move::Grow(stream, more) => {
                    windows[stream % count] += i64::from(more);
                    number(kind::WINDOW_UPDATE, (stream % count) as u32 * 2 + 1, more)
                }
                Move::GrowAll(more) => {
                    all += i64::from(more);
                    number(kind::WINDOW_UPDATE, 0, more)
                }
                Move::Initial(value) => {
                    windows.iter_mut().for_each(|window| *window += i64::from(value) - initial);
                    initial = i64::from(value);
                    settings(&[(4, value)])
                }
                Move::Longest(value) => {
                    longest = longest.max(value);
                    settings(&[(5, value)])
                }
                Move::Written(most) => {
                    let mut left = most;
                    while left > 0 && !session.unwritten().is_empty() {
                        let piece = session.unwritten().len().min(left).min(7919);
                        wire.extend_from_slice(&session.unwritten()[..piece]);
                        session.went(piece, 1);
                        left -= piece;
                    }
                    Vec::new()
                }
            };
            session.read(&bytes, 1).unwrap();
        }
        let mut rest = &wire[..];
        while let Some(head) = Head::read(rest) {
            if head.kind == kind::DATA {
                let stream = head.stream as usize / 2;
                read[stream].extend_from_slice(&rest[HEAD..HEAD + head.len]);
                prop_assert!(!ended[stream]);
                ended[stream] = head.ends_stream();
            }
            rest = &rest[HEAD + head.len..];
        }
        for ((read, ended), size) in read.iter().zip(ended).zip(&sizes) {
            prop_assert!(ended && read.len() == *size);
            prop_assert!(read.iter().enumerate().all(|(n, byte)| n as u8 == *byte));
        }
    }
}
