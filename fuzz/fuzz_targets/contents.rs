//! A body: the first byte chooses the media type and whether it is compressed, the second how much comes at a time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standin::protocol::content::{self, Media, Until};
use standin::protocol::emit::{Emit, Together};
use standin::protocol::window::Inflating;
use standin::protocol::{Codec, Side};
use standin_fuzz::Told;

const MEDIA: [&str; 10] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "text/html",
    "application/xml",
    "text/event-stream",
    "text/csv",
    "text/plain",
    "application/protobuf",
    "",
];

fuzz_target!(|data: &[u8]| {
    let &[kind, step, ref body @ ..] = data else { return };
    let media = Media::parse(MEDIA[usize::from(kind & 15) % MEDIA.len()].as_bytes());
    let mut content = content::open(&media, "body");
    let step = 1 + usize::from(step);
    let mut told = Told::new([body.to_vec(), Vec::new()]);
    let codec = match kind >> 4 & 3 {
        1 => Some(Codec::Gzip),
        2 => Some(Codec::Zlib),
        3 => Some(Codec::Deflate),
        _ => None,
    };
    if let Some(codec) = codec {
        let mut inflating = Inflating::new(codec, 1, content);
        let mut bodies = 1;
        for (n, piece) in body.chunks(step * 16).enumerate() {
            let at = n * step * 16;
            let until = if at + piece.len() == body.len() { Until::End } else { Until::More };
            inflating.read(at as u64, piece, until, &mut bodies, &mut told);
        }
        return told.assert_all(Side::Client);
    }
    let (mut at, mut end) = (0, 0);
    while end < body.len() {
        end = (end + step).min(body.len());
        let until = if end == body.len() { Until::End } else { Until::More };
        let mut out = Together { base: at as u64, sink: &mut told };
        let mut emit = Emit::new(&body[at..end], &mut out);
        content::read(&mut *content, &mut emit, until);
        at += emit.done();
    }
    told.assert_all(Side::Client);
});
