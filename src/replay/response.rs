//! Where a response ends: an HTTP/1.x reader fed with bytes in pieces of any size (RFC 9112). No I/O.

use std::cell::Cell;
use std::mem::MaybeUninit;

use crate::limits::{
    HEAD_BYTES_MAX, RESPONSE_BYTES_KEPT, RESPONSE_HEADERS_MAX, RESPONSES_BYTES_KEPT, RESPONSES_INFORMATIONAL_MAX,
};
use crate::workload::{Request, grpc_code};

/// What the peer sent is no HTTP/1.x response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the target's answer is no HTTP/1.x response")]
pub struct Malformed;

/// What was asked, as far as it decides how the response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `HEAD`: no body follows.
    Head,
    /// `CONNECT`: a 2xx response has no body, and what follows is no HTTP.
    Connect,
    /// A line without a version (HTTP/0.9): the answer is whatever comes until the connection is closed. It has no status;
    /// it counts as 200.
    Simple,
    /// Anything else.
    Other,
}

impl Asked {
    /// By a whole request.
    pub fn of(request: &Request) -> Asked {
        if request.is_simple() { Asked::Simple } else { Asked::by(request.method()) }
    }

    /// By method.
    pub fn by(method: &[u8]) -> Asked {
        match method {
            b"HEAD" => Asked::Head,
            b"CONNECT" => Asked::Connect,
            _ => Asked::Other,
        }
    }
}

/// Reads one final response, and the 1xx ones before it.
pub struct Reader {
    asked: Asked,
    state: State,
    /// The head being read, or a chunk's size line.
    line: Vec<u8>,
    status: u16,
    /// Informational responses before the final one.
    informational: u32,
    /// Bytes of the trailer section.
    trailer: usize,
    reusable: bool,
    kept: Option<Vec<u8>>,
    grpc: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// HTTP/0.9, or perhaps a head all the same.
    Unversioned,
    Head,
    Length(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    ToClose,
    Done,
}

thread_local! {
    /// Bytes that the readers of this thread keep together.
    static KEPT: Cell<usize> = const { Cell::new(0) };
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mine = self.kept.as_ref().map_or(0, Vec::len);
        KEPT.set(KEPT.get().saturating_sub(mine));
    }
}

impl Reader {
    /// A reader of the answer to a request. `keep`: the final response's bytes are wanted (the first ones, when it is long).
    pub fn new(asked: Asked, keep: bool) -> Reader {
        let state = if asked == Asked::Simple { State::Unversioned } else { State::Head };
        let kept = keep.then(Vec::new);
        Reader {
            asked,
            state,
            line: Vec::new(),
            status: 0,
            informational: 0,
            trailer: 0,
            reusable: true,
            kept,
            grpc: None,
        }
    }

    /// Takes the next bytes; says how many of them belong to the response.
    pub fn read(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while self.state != State::Done {
            let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else { break };
            let in_head = matches!(self.state, State::Head | State::Unversioned);
            let taken = self.step(rest)?;
            if !in_head {
                self.keep(&rest[..taken]);
            }
            at += taken;
        }
        Ok(at)
    }

    /// The peer closed the connection: true when that ends the response.
    pub fn close(&mut self) -> bool {
        if self.state == State::Unversioned {
            let line = std::mem::take(&mut self.line);
            self.simple(&line);
        }
        if self.state == State::ToClose {
            self.state = State::Done;
        }
        self.reusable = false;
        self.is_done()
    }

    /// The final response's head came by other framing than HTTP/1's; `text` writes it.
    pub fn begins(&mut self, status: u16, text: impl FnOnce() -> Vec<u8>) {
        (self.state, self.status) = (State::ToClose, status);
        if self.kept.is_some() {
            self.keep(&text());
        }
    }

    /// Content of such a response came.
    pub fn content(&mut self, bytes: &[u8]) {
        self.keep(bytes);
    }

    /// Such a response is complete.
    pub fn ends(&mut self) {
        self.state = State::Done;
    }

    /// What such a response's headers or trailers say of how a call went.
    pub fn grpc(&mut self, status: &[u8]) {
        self.grpc = Some(grpc_code(status));
    }

    /// Such a response has no content, whatever length its head tells.
    pub fn is_bodiless(&self) -> bool {
        self.asked == Asked::Head || matches!(self.status, 204 | 304)
    }

    /// What gRPC says of how the call went.
    pub fn grpc_status(&self) -> Option<u32> {
        self.grpc
    }

    /// The response is complete.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// An informational response came: the target wants to hear the rest of the request.
    pub fn is_encouraged(&self) -> bool {
        self.informational > 0
    }

    /// The status of the final response; 0 before its head.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Bytes of the final response were read (or of one before it, until that is complete).
    pub fn has_begun(&self) -> bool {
        self.status != 0 || !self.line.is_empty()
    }

    /// Another request may be sent on the connection.
    pub fn is_reusable(&self) -> bool {
        self.reusable && self.is_done()
    }

    /// The final response's bytes, when they were wanted.
    pub fn into_bytes(mut self) -> Vec<u8> {
        let kept = self.kept.take().unwrap_or_default();
        KEPT.set(KEPT.get().saturating_sub(kept.len()));
        kept
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some(kept) = &mut self.kept {
            let room = RESPONSE_BYTES_KEPT.saturating_sub(kept.len());
            let room = room.min(RESPONSES_BYTES_KEPT.saturating_sub(KEPT.get()));
            let bytes = &bytes[..bytes.len().min(room)];
            kept.extend_from_slice(bytes);
            KEPT.set(KEPT.get() + bytes.len());
        }
    }

    fn step(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        match self.state {
            State::Unversioned => Ok(self.unversioned(bytes)),
            State::Head => self.head(bytes),
            State::Length(left) => Ok(self.body(bytes, left, State::Length, State::Done)),
            State::Chunk(left) => Ok(self.body(bytes, left, State::Chunk, State::ChunkEnd)),
            State::ChunkSize => self.line(bytes, |reader, line| {
                let size = chunk_size(line)?;
                reader.state = if size == 0 { State::Trailer } else { State::Chunk(size) };
                Ok(())
            }),
            State::ChunkEnd => self.line(bytes, |reader, line| {
                reader.state = State::ChunkSize;
                if line.is_empty() { Ok(()) } else { Err(Malformed) }
            }),
            State::Trailer => self.line(bytes, |reader, line| {
                reader.trailer += line.len() + 2;
                if line.is_empty() {
                    reader.state = State::Done;
                }
                if reader.trailer > HEAD_BYTES_MAX { Err(Malformed) } else { Ok(()) }
            }),
            State::ToClose => Ok(bytes.len()),
            State::Done => Ok(0),
        }
    }

    /// Looks whether a head begins, though none was asked for; until that is clear, bytes are gathered in `line`.
    fn unversioned(&mut self, bytes: &[u8]) -> usize {
        const HEAD: &[u8] = b"HTTP/";
        let wanted = &HEAD[self.line.len()..];
        let alike = wanted.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        self.line.extend_from_slice(&bytes[..alike]);
        match alike {
            _ if alike == wanted.len() => self.state = State::Head,
            _ if alike < bytes.len() => {
                let line = std::mem::take(&mut self.line);
                self.simple(&line);
            }
            _ => {}
        }
        alike
    }

    /// It is an answer without a head, and these are its first bytes.
    fn simple(&mut self, first: &[u8]) {
        self.keep(first);
        (self.state, self.status, self.reusable) = (State::ToClose, 200, false);
    }

    fn body(&mut self, bytes: &[u8], left: u64, more: fn(u64) -> State, end: State) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left - taken as u64;
        self.state = if left == 0 { end } else { more(left) };
        taken
    }

    /// Gathers a line and gives it on without its end.
    fn line(
        &mut self,
        bytes: &[u8],
        whole: fn(&mut Reader, &[u8]) -> Result<(), Malformed>,
    ) -> Result<usize, Malformed> {
        let taken = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        self.line.extend_from_slice(&bytes[..taken]);
        if self.line.len() > HEAD_BYTES_MAX {
            return Err(Malformed);
        }
        if self.line.last() == Some(&b'\n') {
            let line = std::mem::take(&mut self.line);
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            whole(self, text.strip_suffix(b"\r").unwrap_or(text))?;
            self.line = line;
            self.line.clear();
        }
        Ok(taken)
    }

    /// Gathers lines up to the empty one.
    fn head(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        // Most heads arrive in one piece, and are read where they lie.
        if self.line.is_empty()
            && !bytes.starts_with(b"\r")
            && !bytes.starts_with(b"\n")
            && let Some((taken, is_final)) = self.head_read(bytes)?
        {
            if is_final {
                self.keep(&bytes[..taken]);
            }
            return Ok(taken);
        }
        let mut taken = 0;
        while let Some(end) = memchr::memchr(b'\n', &bytes[taken..]) {
            self.line.extend_from_slice(&bytes[taken..=taken + end]);
            taken += end + 1;
            if self.line.ends_with(b"\n\r\n") || self.line.ends_with(b"\n\n") {
                let head = std::mem::take(&mut self.line);
                let (_, is_final) = self.head_read(&head)?.ok_or(Malformed)?;
                if is_final {
                    self.keep(&head);
                }
                self.line = head;
                self.line.clear();
                return Ok(taken);
            }
        }
        self.line.extend_from_slice(&bytes[taken..]);
        match self.line.len() > HEAD_BYTES_MAX {
            true => Err(Malformed),
            false => Ok(bytes.len()),
        }
    }

    /// Reads a head, and decides how the body ends: its length, and whether the response is final (no 1xx). None when
    /// there is no complete head.
    fn head_read(&mut self, bytes: &[u8]) -> Result<Option<(usize, bool)>, Malformed> {
        let mut headers = [const { MaybeUninit::uninit() }; RESPONSE_HEADERS_MAX];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default()
            .allow_multiple_spaces_in_response_status_delimiters(true)
            .parse_response_with_uninit_headers(&mut response, bytes, &mut headers);
        let (Ok(httparse::Status::Complete(taken)), Some(status)) = (parsed, response.code) else { return Ok(None) };
        if taken > HEAD_BYTES_MAX {
            return Err(Malformed);
        }
        if (100..200).contains(&status) && status != 101 {
            self.informational += 1;
            return if self.informational > RESPONSES_INFORMATIONAL_MAX {
                Err(Malformed)
            } else {
                Ok(Some((taken, false)))
            };
        }
        self.status = status;
        let fields = Framing::of(response.headers)?;
        self.reusable = status != 101 && if response.version == Some(0) { fields.keep_alive } else { !fields.close };
        self.state = match (self.asked, status, &fields) {
            (Asked::Head, ..) | (_, 101 | 204 | 304, _) => State::Done,
            (Asked::Connect, 200..=299, _) => {
                self.reusable = false;
                State::Done
            }
            (_, _, Framing { chunked: true, .. }) => State::ChunkSize,
            (_, _, Framing { coded: true, .. }) => State::ToClose,
            (_, _, Framing { length: Some(0), .. }) => State::Done,
            (_, _, Framing { length: Some(length), .. }) => State::Length(*length),
            _ => State::ToClose,
        };
        Ok(Some((taken, true)))
    }
}

/// The headers that say where a message ends and whether another may follow.
#[derive(Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    /// A transfer coding other than chunked is the last one.
    coded: bool,
    close: bool,
    keep_alive: bool,
}

impl Framing {
    fn of(headers: &[httparse::Header<'_>]) -> Result<Framing, Malformed> {
        let mut framing = Framing::default();
        for header in headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                let text = std::str::from_utf8(header.value).map_err(|_| Malformed)?;
                for number in text.split(',') {
                    let number = number.trim();
                    let length =
                        number.parse().ok().filter(|_| number.bytes().all(|b| b.is_ascii_digit())).ok_or(Malformed)?;
                    if framing.length.replace(length).is_some_and(|other| other != length) {
                        return Err(Malformed);
                    }
                }
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                let last = header.value.rsplit(|&b| b == b',').next().unwrap_or_default().trim_ascii();
                framing.chunked = last.eq_ignore_ascii_case(b"chunked");
                framing.coded = !framing.chunked;
            } else if header.name.eq_ignore_ascii_case("connection") {
                for token in header.value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
                    framing.close |= token.eq_ignore_ascii_case(b"close");
                    framing.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            }
        }
        Ok(framing)
    }
}

/// The size at the front of a chunk's line; extensions are ignored.
fn chunk_size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.split(|b| matches!(b, b';' | b' ' | b'\t')).next().unwrap_or_default();
    let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| valid)
        .and_then(|text| u64::from_str_radix(text, 16).ok())
        .ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads pieces; gives status, how many bytes were taken, whether it is done, whether it may be reused, what was kept.
    fn run(asked: Asked, pieces: &[&[u8]]) -> Result<(u16, usize, bool, bool, Vec<u8>), Malformed> {
        let mut reader = Reader::new(asked, true);
        let mut taken = 0;
        for piece in pieces {
            taken += reader.read(piece)?;
        }
        Ok((reader.status(), taken, reader.is_done(), reader.is_reusable(), reader.into_bytes()))
    }

    const RESPONSES: &[(&str, u16, bool)] = &[
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", 200, false),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n",
            200,
            true,
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, true),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, true),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", 200, false),
        ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", 200, true),
        ("HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", 404, true),
        ("HTTP/1.1 200 OK\nContent-Length: 2\n\nab", 200, true),
        ("HTTP/1.1 200 OK\nContent-Length: 2\n\r\nab", 200, true),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 101, false),
    ];

    #[test]
    fn ends_where_it_ends_however_it_is_cut() {
        for (text, status, reusable) in RESPONSES {
            let informational = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
            for before in ["", informational] {
                let all = format!("{before}{text}HTTP/1.1 500 next\r\n");
                let expected = (*status, before.len() + text.len(), true, *reusable, text.as_bytes().to_vec());
                for cut in 0..=all.len() {
                    let (a, b) = all.as_bytes().split_at(cut);
                    assert_eq!(run(Asked::Other, &[a, b]).as_ref(), Ok(&expected), "{text} at {cut}");
                }
                let bytes: Vec<&[u8]> = all.as_bytes().chunks(1).collect();
                assert_eq!(run(Asked::Other, &bytes), Ok(expected));
            }
        }
    }

    #[test]
    fn a_head_has_no_body_and_a_body_may_last_until_the_close() {
        assert!(run(Asked::Head, &[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"]).unwrap().2);
        let mut reader = Reader::new(Asked::Other, false);
        reader.read(b"HTTP/1.1 200 OK\r\n\r\nany").unwrap();
        assert!(!reader.is_done());
        assert!(reader.close() && !reader.is_reusable());
        let mut broken = Reader::new(Asked::Other, false);
        broken.read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nany").unwrap();
        assert!(!broken.close());
    }

    #[test]
    fn what_is_no_response_is_said() {
        for bad in [
            "SSH-2.0-OpenSSH\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        ] {
            assert_eq!(run(Asked::Other, &[bad.as_bytes()]), Err(Malformed), "{bad}");
        }
        assert_eq!(run(Asked::Other, &[&vec![b'a'; HEAD_BYTES_MAX + 2]]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn never_panics_and_cuts_do_not_matter(bytes in prop::collection::vec(any::<u8>(), 0..200), which in 0..RESPONSES.len(), at in 0usize..200, cut in 0usize..300) {
            let mut all = RESPONSES[which].0.as_bytes().to_vec();
            let at = at.min(all.len());
            all.splice(at..at, bytes);
            let (a, b) = all.split_at(cut.min(all.len()));
            prop_assert_eq!(run(Asked::Other, &[a, b]), run(Asked::Other, &[&all]));
        }
    }
}
