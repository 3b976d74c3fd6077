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
/// Pseudonyms cached.
pub const CACHE_ENTRIES_MAX: usize = 1 << 16;
/// Nested link, tunnel and extension headers in one frame.
pub const LAYERS_MAX: usize = 32;
/// A rules or profile file.
pub const YAML_BYTES_MAX: usize = 1 << 20;
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
