//! An HTTP/2 connection; see [`standin_fuzz::converse`].
#![no_main]

use libfuzzer_sys::fuzz_target;
use standin::protocol::http2::Http2;

fuzz_target!(|data: &[u8]| standin_fuzz::converse(&Http2, data));
