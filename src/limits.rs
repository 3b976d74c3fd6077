//! Every bound in one place: what it protects, and what happens when it is hit.
//!
//! A bound that is hit is counted in the manifest under `limits_hit`; nothing is dropped silently.

/// Largest record read (one packet or one pcapng block). Larger claims are damage: the capture ends there.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// Bytes read at a time; a batch holds whole records of about this size. Fits the L2 cache.
pub const BATCH_BYTES: usize = 256 << 10;
/// Capture bytes that may wait for a decision; beyond it the oldest undecided bytes are blanked.
pub const HELD_BYTES_MAX: usize = 16 << 20;
/// Decided stream bytes remembered over all flows, so that a late copy gets the same decisions.
pub const HISTORY_BYTES_MAX: usize = 12 << 20;
/// Decided stream bytes remembered for one direction.
pub const HISTORY_BYTES_PER_DIRECTION: usize = 256 << 10;
/// Open flows; the one idle longest is closed, its undecided bytes blanked.
pub const FLOWS_MAX: usize = 65_536;
/// Out-of-order bytes kept for one direction before its gap is given up.
pub const OUT_OF_ORDER_BYTES_MAX: usize = 1 << 20;
/// Capture time a gap may stay open while other packets pass.
pub const GAP_NANOS_MAX: i128 = 2_000_000_000;
/// One HTTP start line or header block; longer ones are blanked.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// One value inside a body (a JSON string, a form value); longer ones are masked in parts or blanked.
pub const VALUE_BYTES_MAX: usize = 64 << 10;
/// Nesting of JSON and of encodings.
pub const NESTING_MAX: usize = 128;
/// Compressed bytes that are masked and deflated again as one window.
pub const WINDOW_BYTES: usize = 16 << 10;
/// Plain bytes one window may inflate to; more is a bomb, and the body is blanked from there.
pub const WINDOW_PLAIN_MAX: usize = 1 << 20;
/// Requests waiting for their response on one connection; more, and responses are read without knowing the method.
pub const PIPELINE_MAX: usize = 1024;
/// One field's path; names that would make it longer are left out.
pub const PATH_BYTES_MAX: usize = 1 << 10;
/// Pseudonyms cached.
pub const CACHE_ENTRIES_MAX: usize = 1 << 16;
/// Nested link, tunnel and extension headers in one frame.
pub const LAYERS_MAX: usize = 32;
/// A rules or profile file.
pub const YAML_BYTES_MAX: usize = 1 << 20;
/// Bytes of requests and responses that a workload keeps; a larger capture must be cut.
pub const WORKLOAD_BYTES_MAX: usize = 1 << 30;
/// Bytes of one response kept to take values from; later ones are read past.
pub const RESPONSE_BYTES_KEPT: usize = 4 << 20;
/// Responses in which the same value is remembered: the first and the latest.
pub const ORIGINS_PER_VALUE: usize = 8;
/// Endpoints told apart in a run's result; the rest counts together.
pub const ENDPOINTS_MAX: usize = 200;
/// Write times kept to compare inter-arrivals with the capture's; the run's beginning counts.
pub const ARRIVALS_KEPT: usize = 1 << 20;
/// Headers in a response; more is a protocol error.
pub const RESPONSE_HEADERS_MAX: usize = 256;
