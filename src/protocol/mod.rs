//! Stream bytes as fields: pure bytes in, ranges out. Knows nothing of packets.
//!
//! A [`Conversation`] reads both directions of one connection. It reports every byte that it was given exactly once,
//! through a [`Sink`]: kept grammar, a field, a window of a compressed body, or opaque bytes. Offsets are absolute
//! in the stream (first byte = 0); a field that was split (by chunk framing) stands at several ranges.

use std::borrow::Cow;
use std::ops::Range;

pub mod content;
pub mod emit;
pub mod encoding;
pub mod enip;
pub mod framed;
pub mod grpc;
pub mod http1;
pub mod http2;
pub mod kerberos;
pub mod mysql;
pub mod name;
pub mod path;
pub mod socks;
pub mod tls;
pub mod tunnel;
pub mod websocket;
pub mod window;

/// Every protocol that is read. Each is asked for its [`Probe`] of a stream's first bytes; the first that is certain
/// gets the stream.
pub const ALL: &[&dyn Protocol] =
    &[&http1::Http1, &http2::Http2, &tls::Tls, &socks::Socks, &mysql::MySql, &enip::EtherNetIp, &kerberos::Kerberos];

/// A protocol that can be recognised by its first bytes, never by a port.
pub trait Protocol: Sync {
    /// Its short name, as in paths and manifests: `http1`.
    fn id(&self) -> &'static str;
    /// One line for people.
    fn about(&self) -> &'static str;
    /// Looks at the first bytes of one side of a connection.
    fn probe(&self, first_bytes: &[u8]) -> Probe;
    /// A reader for a new connection that goes through `depth` others (see [`tunnel`]).
    fn open(&self, depth: u32) -> Box<dyn Conversation>;
}

/// What a protocol says about first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// They are its own, and this side of it speaks.
    Certain(Side),
    /// They may be; show more.
    Undecided,
    /// They are not.
    Decline,
}

/// Direction of bytes within a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// From whom opened the connection (or is taken to have).
    Client,
    /// The other one.
    Server,
}

/// One addressable value, as it stands in the stream.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Where it is, e.g. `http.request.header.x-request-id`, `http.response.body.json.items[].id`.
    pub path: &'a str,
    /// The last name of the path, decoded ("" when there is none): `email`, `x-request-id`.
    pub name: &'a str,
    /// The bytes as they stand, delimiters and quotes left out.
    pub raw: &'a [u8],
    /// How `raw` stands for text.
    pub encoding: Encoding,
    /// What the grammar says about it.
    pub role: Role,
}

/// How raw bytes stand for text. See `protocol::encoding` for the way there and back at equal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As they are.
    Plain,
    /// Percent escapes (RFC 3986 §2.1).
    Percent,
    /// Percent escapes, `+` for a space (application/x-www-form-urlencoded).
    Form,
    /// JSON string escapes (RFC 8259 §7).
    Json,
    /// Character references of XML and HTML.
    Markup,
    /// Base64, standard or URL alphabet, padded or not.
    Base64,
    /// A number in 7 bits a byte, those of least weight first; the text is decimal.
    Varint,
    /// Several of them, one after another; in the text with spaces between them.
    Varints,
    /// A number in 4 or 8 bytes, those of least weight first; the text is decimal.
    Fixed,
}

impl Encoding {
    /// Whether it stands for numbers in bytes that are no characters.
    pub fn is_binary(self) -> bool {
        matches!(self, Encoding::Varint | Encoding::Varints | Encoding::Fixed)
    }
}

/// What the grammar says about a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A value that may be anything.
    Value,
    /// A key, a parameter's or header's name that does not look like an identifier.
    Name,
    /// A number by grammar (JSON): must stay one.
    Number,
    /// A host name or address, perhaps with a port.
    Host,
    /// One segment of a path.
    Segment,
    /// Text of a document, outside its markup.
    Text,
}

/// Where a conversation reports what it reads.
pub trait Sink {
    /// Whether values are of interest. Without, a message may be reported as grammar and opaque bytes with its marks: heads
    /// are not taken apart, bodies are neither inflated nor parsed.
    fn wants_values(&self) -> bool {
        true
    }
    /// Grammar and protocol constants: kept as they are.
    fn keep(&mut self, at: Range<u64>);
    /// A value; `at` are the stream ranges that hold `field.raw`, in order. None: it was told before, where it stands, and
    /// is only referred to here.
    fn field(&mut self, at: &[Range<u64>], field: &Field<'_>);
    /// Bytes that are not understood. `what` is a short constant for the manifest ("http body application/pdf").
    fn opaque(&mut self, at: Range<u64>, what: &'static str);
    /// A piece of a body that does not stand as it is read, compressed or veiled; `at` are the stream ranges that hold
    /// [`Window::wire`], in order.
    fn window(&mut self, at: &[Range<u64>], window: &Window<'_>);
    /// Something that is no byte: a message begins, ends.
    fn mark(&mut self, side: Side, mark: Mark<'_>);
}

/// A piece of a compressed or veiled body, inflated and read.
pub struct Window<'a> {
    /// The same for all windows of one body, never used again in this conversation.
    pub body: u64,
    /// The framing around the deflate data.
    pub codec: Codec,
    /// The compressed bytes, header (first window) and trailer (last window) included.
    pub packed: &'a [u8],
    /// What `packed` is combined with (exclusive or) where it stands, byte by byte: the masks of WebSocket's frames (RFC
    /// 6455 §5.3). Empty where it stands as it is.
    pub veil: &'a [u8],
    /// Length of the codec's header at the front of `packed` (0 but in the first window).
    pub header: usize,
    /// Length of the codec's trailer at the end of `packed` (0 but in the last window).
    pub trailer: usize,
    /// The plain bytes decided with this window. Their order over all windows is the body's; a value that was cut by
    /// the window's end comes with the next one.
    pub plain: &'a [u8],
    /// What stands where in `plain`, in order, covering it.
    pub parts: &'a [Part],
    /// Nothing follows.
    pub last: bool,
}

impl Window<'_> {
    /// The bytes as they stand in the stream.
    pub fn wire(&self) -> Cow<'_, [u8]> {
        veiled(self.packed, self.veil)
    }
}

/// Bytes under a veil, or from under it; as they are when there is none.
pub fn veiled<'a>(bytes: &'a [u8], veil: &[u8]) -> Cow<'a, [u8]> {
    match veil {
        [] => Cow::Borrowed(bytes),
        _ => Cow::Owned(bytes.iter().zip(veil).map(|(byte, veil)| byte ^ veil).collect()),
    }
}

/// How bytes are compressed: the framing of deflate data, or another code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 1952.
    Gzip,
    /// RFC 1950.
    Zlib,
    /// RFC 1951 alone.
    Deflate,
    /// A piece of a message of RFC 7692: deflate data that end where a flush would, without its last four bytes.
    Message {
        /// The window that the receiver keeps has 2^`bits` bytes.
        bits: u8,
        /// The message ends here.
        ends: bool,
    },
    /// No deflate data at all: one header literal in the code of RFC 7541 §5.2.
    Huffman,
    /// Not at all: it stands under a veil only.
    Plain,
}

/// A part of a window's plain bytes.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where, in [`Window::plain`].
    pub at: Range<usize>,
    /// What.
    pub what: PartKind,
}

/// What a part is; an owned [`Field`] without its bytes.
#[derive(Clone, Debug)]
pub enum PartKind {
    /// Grammar: kept.
    Keep,
    /// A value.
    Field {
        /// As [`Field::path`].
        path: Box<str>,
        /// The name's length at the end of `path` is not reliable, so it is kept apart.
        name: Box<str>,
        /// As [`Field::encoding`].
        encoding: Encoding,
        /// As [`Field::role`].
        role: Role,
    },
    /// Not understood.
    Opaque(&'static str),
}

/// An event that is no byte. Ranges are stream offsets of the side that the mark came with.
#[derive(Clone, Copy, Debug)]
pub enum Mark<'a> {
    /// A request's head is complete. Comes before the events of its bytes.
    Request {
        /// The method, as sent.
        method: &'a [u8],
        /// The target, as sent.
        target: &'a [u8],
        /// First byte of the request line.
        at: u64,
    },
    /// A final response's head is complete (of 1xx only 101). Comes before the events of its bytes.
    Response {
        /// The status code.
        status: u16,
        /// First byte of the status line.
        at: u64,
    },
    /// The message that began last on this side is complete; `end` is the offset behind its last byte.
    End {
        /// Behind the last byte.
        end: u64,
    },
    /// The side speaks in several messages at once (HTTP/2): what follows, marks and fields, belongs to the one of this
    /// number. A response has its request's. Before the first such mark everything is message 0's.
    Lane(u32),
    /// More of the lane's message as HTTP/1 says it: first the head, then pieces of the body with its framing. Only in
    /// lanes: elsewhere the bytes say so themselves.
    Text(&'a [u8]),
    /// The lane's message and its counterpart will not be complete, if they are not yet.
    Cut,
}

/// A reader of both directions of one connection.
pub trait Conversation: Send {
    /// Reads what can be read of `bytes`, the undecided bytes of `side` from stream offset `at` on, and says how many
    /// it is done with; the rest is given again with more behind it. `end`: nothing will follow (FIN, gap, capture's
    /// end, or no more room to wait): everything must be consumed now, what cannot be understood as opaque.
    fn read(&mut self, side: Side, at: u64, bytes: &[u8], end: bool, sink: &mut dyn Sink) -> usize;
    /// `missing` bytes are missing on `side` before the next `read`; everything before was consumed with `end`. A body
    /// of known length goes on behind the hole; everything else begins anew at the next start of a message.
    fn gap(&mut self, side: Side, missing: u64);
    /// The side can't wait any longer for its undecided bytes (those reported to no sink call yet, though consumed).
    /// It must report them now, as opaque where it must.
    fn flush(&mut self, side: Side, sink: &mut dyn Sink);
    /// Bytes that were consumed but reported to no sink call yet, on `side` (a window being gathered).
    fn pending(&self, side: Side) -> usize;
    /// Bytes of memory that it keeps beside its own few fields, about.
    fn memory(&self) -> usize {
        self.pending(Side::Client) + self.pending(Side::Server)
    }
}

/// A protocol that certainly speaks in these first bytes of one direction, and which side its speaker is there.
pub enum Recognised {
    /// This protocol, spoken by this side.
    As(&'static dyn Protocol, Side),
    /// More bytes may tell.
    Undecided,
    /// None that we know.
    No,
}

/// Asks every protocol about the first bytes of one direction.
pub fn recognise(first_bytes: &[u8]) -> Recognised {
    let mut best = Recognised::No;
    for &protocol in ALL {
        match protocol.probe(first_bytes) {
            Probe::Certain(speaker) => return Recognised::As(protocol, speaker),
            Probe::Undecided => best = Recognised::Undecided,
            Probe::Decline => {}
        }
    }
    best
}
