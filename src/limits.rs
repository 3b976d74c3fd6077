//! Every bound in one place: what it protects, and what happens when it is hit.
//!
//! A bound that is hit is counted in the manifest under `limits_hit`; nothing is dropped silently.

/// Largest record read (one packet or one pcapng block). Larger claims are damage: the capture ends there.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// Bytes read at a time; a batch holds whole records of about this size. Fits the L2 cache.
pub const BATCH_BYTES: usize = 256 << 10;
/// Largest window (as a power of two) of zstd input, zstd's own default: a compressed capture that asks for more is damage.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Interfaces that the sections of one capture may describe; with more, the capture ends there.
pub const INTERFACES_MAX: usize = 1 << 16;
/// Capture bytes that may wait for a decision; beyond it the oldest undecided bytes are blanked.
pub const HELD_BYTES_MAX: usize = 16 << 20;
/// What a waiting packet counts beyond its bytes: its claims and records take memory too, however short it is.
pub const HELD_PACKET_BYTES: usize = 1024;
/// What a waiting packet counts for each of its spans that was decided: a claim, and the room that a list of claims grows by.
pub const HELD_SPAN_BYTES: usize = 24;
/// Decided stream bytes remembered over all flows, so that a late copy gets the same decisions. Older ones are forgotten:
/// what copies them is counted as `late_copy`.
pub const HISTORY_BYTES_MAX: usize = 4 << 20;
/// Decided runs remembered over all flows, likewise.
pub const HISTORY_RUNS_MAX: usize = 256 << 10;
/// Pieces of streams, of one or more runs, remembered over all flows, likewise.
pub const HISTORY_PIECES_MAX: usize = 32 << 10;
/// Memory for the state of open flows; beyond it the one idle longest is closed, its undecided bytes blanked.
pub const FLOWS_BYTES_MAX: usize = 10 << 20;
/// What an open flow takes beside the bytes that it keeps: some 9,000 fit.
pub const FLOW_BYTES: usize = 1150;
/// What a compressed body being read takes: the inflater's window and tables, and the masked text that the next window
/// is deflated against.
pub const INFLATING_BYTES: usize = 96 << 10;
/// Out-of-order bytes kept for one direction before its gap is given up.
pub const OUT_OF_ORDER_BYTES_MAX: usize = 1 << 20;
/// Out-of-order segments kept for one direction, likewise.
pub const OUT_OF_ORDER_SEGMENTS_MAX: usize = 4096;
/// Farthest that a segment may be ahead while the stream itself goes on: the windows that systems grant are smaller.
pub const WINDOW_AHEAD_MAX: u64 = 64 << 20;
/// First bytes of a stream that may wait until a protocol recognises them.
pub const PROBE_BYTES_MAX: usize = 1024;
/// Capture time that bytes in order may stay undecided (an unfinished head, a window being gathered).
pub const HOLD_NANOS_MAX: i128 = 30_000_000_000;
/// Capture time a gap may stay open while other packets pass.
pub const GAP_NANOS_MAX: i128 = 2_000_000_000;
/// One HTTP start line or header block; longer ones are blanked.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// Dynamic table of HTTP/2's header compression, of one direction: browsers ask for so much. Where a peer asks for more, its
/// later headers are not understood.
pub const HEADER_TABLE_BYTES_MAX: usize = 64 << 10;
/// What one block of compressed headers may unpack to; one that says more is not understood, nor are those behind it.
pub const HEADER_LIST_BYTES_MAX: usize = 256 << 10;
/// Longest frame of HTTP/2 that is read: peers are allowed 16 KiB unless they say otherwise. What claims more is damage.
pub const HTTP2_FRAME_BYTES_MAX: usize = 1 << 20;
/// Messages of one direction of an HTTP/2 connection that are told at once; beyond it the oldest is given up.
pub const HTTP2_STREAMS_MAX: usize = 1024;
/// One value inside a body (a JSON string, a form value); longer ones are masked in parts or blanked.
pub const VALUE_BYTES_MAX: usize = 64 << 10;
/// Nesting of JSON and of encodings.
pub const NESTING_MAX: usize = 128;
/// Nesting of messages and groups in Protocol Buffers: each level is looked over to guess what it is. Their own libraries
/// allow 100; what nests deeper than this is blanked.
pub const PROTOBUF_NESTING_MAX: usize = 32;
/// Compressed bytes that are masked and deflated again as one window.
pub const WINDOW_BYTES: usize = 16 << 10;
/// Plain bytes one window may inflate to; more is a bomb, and the body is blanked from there.
pub const WINDOW_PLAIN_MAX: usize = 1 << 20;
/// Conversations within one another (a proxy's tunnel in a tunnel); what is deeper is not read.
pub const TUNNELS_MAX: u32 = 8;
/// Memory for what stands in one window; the values behind are blanked together.
pub const WINDOW_PARTS_BYTES_MAX: usize = 6 << 20;
/// Requests waiting for their response on one connection; more, and responses are read without knowing the method.
pub const PIPELINE_MAX: usize = 1024;
/// One field's path; names that would make it longer are left out.
pub const PATH_BYTES_MAX: usize = 1 << 10;
/// Memory for texts and their pseudonyms, wherever they stand; behind it those not asked for lately are made again.
pub const CACHED_TEXTS_BYTES_MAX: usize = 2 << 20;
/// Addresses of a kind whose pseudonyms are cached.
pub const CACHE_ENTRIES_MAX: usize = 1 << 13;
/// Longest value whose pseudonym is remembered as it stands.
pub const CACHED_VALUE_BYTES_MAX: usize = 1024;
/// Memory for values and their pseudonyms. Forgotten ones are computed again, so nothing is lost but time.
pub const KNOWN_VALUES_BYTES_MAX: usize = 8 << 20;
/// Distinct values counted, of all kinds together; the counts stay there.
pub const COUNTED_VALUES_MAX: usize = 1 << 17;
/// IP datagrams of which fragments are missing; the oldest is given up, and what cannot be read without them is blanked.
pub const DATAGRAMS_MAX: usize = 1024;
/// Bytes of such datagrams, likewise.
pub const DATAGRAM_BYTES_MAX: usize = 4 << 20;
/// Datagrams remembered when they are whole: later copies of their fragments (two taps, say) get the same decisions.
pub const DATAGRAMS_REMEMBERED: usize = 64;
/// Fragments of one datagram, copies included; more are blanked. A datagram has some 45 on Ethernet.
pub const FRAGMENTS_MAX: usize = 1024;
/// Memory for open SCTP associations; the one idle longest is forgotten, and what waits in it is read as it stands.
pub const ASSOCIATIONS_BYTES_MAX: usize = 4 << 20;
/// Streams of one association that are read; the user data of others is blanked.
pub const STREAMS_MAX: usize = 64;
/// Chunks of an association that wait for others; beyond it the gap before the first one is given up.
pub const CHUNKS_EARLY_MAX: usize = 256;
/// Chunks of an association remembered, so that a retransmission is known as one.
pub const CHUNKS_REMEMBERED: usize = 256;
/// Nested link, tunnel and extension headers in one frame.
pub const LAYERS_MAX: usize = 32;
/// A rules or profile file.
pub const YAML_BYTES_MAX: usize = 1 << 20;
/// Rules of one policy, patterns included.
pub const RULES_MAX: usize = 10_000;
/// Bytes of one compiled user regex (and of its lazy automaton's cache).
pub const REGEX_BYTES_MAX: usize = 1 << 20;
/// Decisions cached by field path; when full, the cache starts anew.
pub const DECISIONS_MAX: usize = 1 << 12;
/// Longest path with a cached decision; longer ones are decided each time.
pub const DECISION_PATH_BYTES_MAX: usize = 512;
/// Bytes of requests and responses that a workload keeps; a larger capture must be cut.
pub const WORKLOAD_BYTES_MAX: usize = 1 << 30;
/// Bytes of messages that may be half read, or wait to be told, while a capture is streamed: what goes beyond is cut off,
/// and a request that is cut off is left out.
pub const READING_BYTES_MAX: usize = 32 << 20;
/// What a complete request takes while it waits to be told, beside its bytes.
pub const TURN_BYTES: usize = 1024;
/// Requests without an answer that are remembered; an answer to an older one tells no values.
pub const UNANSWERED_KEPT: usize = 1 << 15;
/// Capture bytes for which an exchange waits for its answer before it is replayed without knowing it: a fraction of a second
/// of reading, so that a request that is answered late does not keep the others.
pub const ANSWER_WAIT_BYTES: u64 = 16 << 20;
/// Values that later requests may take from responses, or that clients said first; those not used lately are forgotten.
/// Two full tables of them take some 11 MiB, and as much again the responses that they stand for.
pub const VALUES_KEPT: usize = (1 << 18) / 8 * 7;
/// Values that clients said though a response had told them under another name, likewise.
pub const ECHOES_KEPT: usize = 1 << 15;
/// Names of fields that such values stand in, shared among them.
pub const VALUE_FIELDS_KEPT: usize = 1 << 14;
/// Requests read ahead of the one that is due, their bytes and what each takes beside them. While a session may be ahead of
/// the capture's clock, it is not ahead of this: seconds of some thousand requests a second. What is known of them takes as
/// much again.
pub const LOOK_AHEAD_BYTES: usize = 8 << 20;
/// The same, where a profile scales the times between connections and those inside them apart, so that requests are not due
/// in the order in which they are read. With factors `c` on the ones and `t` on the others, and connections of a length up to
/// `L`, a time of `L·|t-c|/c` of the capture must be ahead; all of it, when `c` is 0. So many exchanges may still be waited
/// for ([`LIVE_EXCHANGES_MAX`]).
pub const REORDER_BYTES: usize = 16 << 20;
/// Requests of a capture that are kept to be replayed again, while they are read beside those ahead; a longer capture is
/// read again.
pub const TAPE_BYTES_MAX: usize = 16 << 20;
/// What of a capture waits until copies of its people come to it (`population`); beyond it they come closer to the captured
/// ones.
pub const COPIES_BYTES_MAX: usize = 8 << 20;
/// Memory of pseudonyms of all copies together, but for a little that each of them has.
pub const COPIES_KNOWN_BYTES_MAX: usize = 32 << 20;
/// Exchanges that later ones may wait for or take values from, while they are not over or not long over. More than are
/// ahead.
pub const LIVE_EXCHANGES_MAX: usize = 1 << 15;
/// Shapes of JSON that answers share; with more, others are shared anew.
pub const SHAPES_SHARED: usize = 1 << 12;
/// Points of a rate that changes over time.
pub const CURVE_POINTS_MAX: usize = 100_000;
/// Hosts of a capture remembered as looked at; others are looked at each time.
pub const HOSTS_KEPT: usize = 1 << 12;
/// Memory for live responses kept while requests that take values from them may still be read: some 12,000 short ones.
pub const LIVE_BYTES_MAX: usize = 8 << 20;
/// What such a response takes beside its bytes: short ones are many.
pub const LIVE_KEPT_BYTES: usize = 512;
/// A live response that is longer is not kept for such requests: values that they take from it are missed.
pub const LIVE_RESPONSE_BYTES_MAX: usize = 256 << 10;
/// Bytes of one response kept to take values from; later ones are read past.
pub const RESPONSE_BYTES_KEPT: usize = 4 << 20;
/// Bytes of all responses that a sending thread keeps at a time: a target that floods a thousand connections fills no memory.
pub const RESPONSES_BYTES_KEPT: usize = 64 << 20;
/// Bytes of one WebSocket message, all framing included: more is a protocol error. Services bound their own at a few MiB.
pub const SOCKET_MESSAGE_BYTES_MAX: u64 = 1 << 30;
/// Frames of one WebSocket message: who sends more means to send it for ever.
pub const SOCKET_FRAMES_MAX: u64 = 1 << 16;
/// Payload bytes of one captured WebSocket message that is sent again; a longer one is left out.
pub const SOCKET_PAYLOAD_BYTES_MAX: usize = 16 << 20;
/// Bytes on their way to a target over one WebSocket connection, beyond which no further message is begun.
pub const SOCKET_UNSENT_BYTES_MAX: usize = 1 << 20;
/// Messages of a target kept until it is known who takes values from them, on one connection.
pub const SOCKET_UNCLAIMED_MAX: usize = 64;
/// Bytes of a file's beginning that tell its format.
pub const FORMAT_HEAD_BYTES: usize = 64 << 10;
/// One exchange in a file of another format; a longer one is an error.
pub const FORMAT_RECORD_BYTES_MAX: usize = 64 << 20;
/// Bytes that a captured body may unpack to when it is exported; the rest is left out.
pub const DECODED_BODY_BYTES_MAX: usize = 16 << 20;
/// Values remembered for the pairs that a profile names; with more they are forgotten at once.
pub const FORCED_KEPT: usize = 1 << 16;
/// Responses in which the same value is remembered: the first and the latest.
pub const ORIGINS_PER_VALUE: usize = 8;
/// Endpoints told apart in a run's result; the rest counts together.
pub const ENDPOINTS_MAX: usize = 200;
/// Looks at the target's process kept from a run; when there are more, every other one goes.
pub const LOOKS_MAX: usize = 6000;
/// Reasons told apart of why answers did not pass one check; the count goes on.
pub const CHECK_REASONS_MAX: usize = 20;
/// Write times that each sending thread keeps to compare inter-arrivals with the capture's; the run's beginning counts. They
/// take 4 MiB, and some times that while they are compared.
pub const ARRIVALS_KEPT: usize = 1 << 18;
/// Informational responses before a final one; more is a protocol error.
pub const RESPONSES_INFORMATIONAL_MAX: u32 = 100;
/// HTTP/2 frames in a row that bring nothing (settings, pings, priorities, resets, empty data, unknown ones); more is a
/// protocol error. Servers send some at a connection's beginning and one a minute.
pub const FRAMES_IDLE_MAX: u32 = 10_000;
/// Headers in a response; more is a protocol error.
pub const RESPONSE_HEADERS_MAX: usize = 256;
/// Distinct values that one pass of the audit looks for; more are left to further passes.
pub const AUDIT_VALUES_MAX: usize = 60_000;
/// Stream bytes that the audit gathers before it searches them, per direction; a gzip member is inflated from here.
pub const AUDIT_STREAM_BYTES: usize = 128 << 10;
/// Stream bytes that the audit gathers over all directions; beyond it all of them are searched at once.
pub const AUDIT_GATHERED_BYTES_MAX: usize = 32 << 20;
/// Bytes that a haystack may decode to, over all views of it, beyond six times its own size.
pub const AUDIT_DECODED_BYTES_MAX: usize = 4 << 20;
/// Longest piece of a text that is looked for as one; longer texts are looked for piece by piece.
pub const AUDIT_VALUE_BYTES_MAX: usize = 96;
/// Lines of residue, and differences, that a report lists; the counts go on.
pub const AUDIT_LINES_MAX: usize = 1_000;
/// Sightings that the audit tells apart by packet and flow; more of them count together over the capture.
pub const AUDIT_SIGHTINGS_MAX: usize = 1 << 19;
/// Fields and marks of two captures that the audit keeps until their like turns up in the other one.
pub const AUDIT_UNPAIRED_MAX: usize = 1 << 18;
/// Endpoints, and kinds of what is not understood, that an inspection lists.
pub const INSPECT_LINES_MAX: usize = 10_000;
/// Bytes of one request's values that learning keeps until it is known who sent it; what is longer is not looked at.
pub const LEARN_REQUEST_BYTES: usize = 64 << 10;
/// Values that learning counts; with more, those with the fewest clients are forgotten.
pub const LEARN_VALUES_MAX: usize = 1 << 14;
/// Fields and positions in paths that learning tells apart; those behind count as one with many values.
pub const LEARN_FIELDS_MAX: usize = 1 << 12;
/// Clients that learning counts over the whole capture; of a single value fewer are told apart.
pub const LEARN_CLIENTS_MAX: usize = 1 << 17;
/// Tokens and cookies of which learning knows who was given them, the latest ones.
pub const LEARN_CREDENTIALS_MAX: usize = 1 << 17;
/// An OpenAPI description. Large public ones take some 10 MiB.
pub const OPENAPI_BYTES_MAX: usize = 32 << 20;
/// Words and enumerations that are taken from one.
pub const OPENAPI_WORDS_MAX: usize = 1 << 14;

/// The bounds that the manifest counts under `limits_hit`, and what happened there.
pub const COUNTED: &[(&str, &str)] = &[
    ("held_bytes", "packets waited too long for the ones before them, whose undecided bytes were blanked"),
    ("flows", "the connection idle longest was given up, its undecided bytes blanked"),
    ("out_of_order", "a gap in a stream was given up"),
    ("datagrams", "the datagram that waited longest for its fragments was given up, its undecided bytes blanked"),
    ("associations", "the SCTP association idle longest was forgotten"),
    ("early_chunks", "a gap in an SCTP association was given up"),
    ("layers", "headers nested deeper than are read were blanked"),
    ("counted_values", "values were masked and not counted"),
];
