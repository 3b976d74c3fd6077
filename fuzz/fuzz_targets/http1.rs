//! An HTTP/1 connection; see [`standin_fuzz::converse`].
#![no_main]

use libfuzzer_sys::fuzz_target;
use standin::protocol::http1::Http1;

fuzz_target!(|data: &[u8]| standin_fuzz::converse(&Http1, data));
