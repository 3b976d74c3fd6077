//! What a server sends to the HTTP/2 connections of a replay.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standin::replay::hostile;

fuzz_target!(|data: &[u8]| hostile::serve(data));
