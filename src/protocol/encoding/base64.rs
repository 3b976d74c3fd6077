//! Base64, RFC 4648 §4 and §5, padded or not.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Takes any padding, writes none; bits that mean nothing must be zero, or there would be no way back.
const LAX: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_encode_padding(false)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(false);
const ENGINE: GeneralPurpose = GeneralPurpose::new(&STANDARD, LAX);
const URL_ENGINE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LAX);

/// Writes the text of `raw`; false when it is not base64.
pub(super) fn decode(raw: &[u8], text: &mut Vec<u8>) -> bool {
    text.clear();
    !raw.is_empty() && engine(raw).decode_vec(raw, text).is_ok()
}

/// Appends `text` in the alphabet and with the padding of `raw`.
pub(super) fn encode(text: &[u8], raw: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let padding = raw.iter().rev().take_while(|&&b| b == b'=').count();
    // Three bytes of text take four letters; a tail of one or two takes two or three.
    let len = (text.len() * 4).div_ceil(3);
    out.resize(start + len, 0);
    let written = engine(raw).encode_slice(text, &mut out[start..]) == Ok(len);
    out.resize(out.len() + padding, b'=');
    written
}

fn engine(raw: &[u8]) -> &'static GeneralPurpose {
    // Masked text may need letters that `raw` had none of: a standard one is taken when it doesn't tell.
    if memchr::memchr2(b'-', b'_', raw).is_some() { &URL_ENGINE } else { &ENGINE }
}
