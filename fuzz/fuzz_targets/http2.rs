//! An HTTP/2 connection: lines of `side`, `length`, then so many bytes. Each byte is told once, as it stands there, with no turn lost.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standin::protocol::http2::Http2;
use standin::protocol::{Protocol, Side};
use standin_fuzz::{Told, index};

fuzz_target!(|data: &[u8]| {
    let mut turns = Vec::new();
    let mut streams = [Vec::new(), Vec::new()];
    let mut rest = data;
    while let &[head, len, ref bytes @ ..] = rest {
        let side = if head & 1 == 0 { Side::Client } else { Side::Server };
        // Bit 1: sixteen times as long, so that bodies come in few turns.
        let len = (usize::from(len) << (head & 2) * 2).min(bytes.len());
        streams[index(side)].extend_from_slice(&bytes[..len]);
        turns.push((side, streams[index(side)].len(), head & 4 != 0));
        rest = &bytes[len..];
    }
    let mut told = Told::new(streams.clone());
    let mut talk = Http2.open(0);
    let mut read = [0, 0];
    for (side, until, cannot_wait) in turns {
        told.turn(side);
        let at = read[index(side)];
        let bytes = &streams[index(side)][at..until];
        let used = talk.read(side, at as u64, bytes, cannot_wait, &mut told);
        assert!(used <= bytes.len() && (!cannot_wait || used == bytes.len()));
        read[index(side)] += used;
        if cannot_wait {
            talk.flush(side, &mut told);
        }
    }
    for side in [Side::Client, Side::Server] {
        told.turn(side);
        let at = read[index(side)];
        let used = talk.read(side, at as u64, &streams[index(side)][at..], true, &mut told);
        assert_eq!(at + used, streams[index(side)].len());
        talk.flush(side, &mut told);
        told.assert_all(side);
    }
});
