//! Numbers of Protocol Buffers: varints, and 4 or 8 bytes in little-endian order. Their text is decimal, as JSON writes them.

/// Bits that a byte of a varint holds.
const SEVEN: u32 = 7;
/// What is taken for a fraction: one of everyday size. As whole numbers such are very large, and hardly any.
const FRACTIONS: std::ops::Range<f64> = 1e-5..1e12;

/// Writes the text of a varint; ten bytes are a negative number. False when it is none.
pub(super) fn decode_varint(raw: &[u8], text: &mut Vec<u8>) -> bool {
    text.clear();
    let Some(number) = varint(raw) else { return false };
    text.extend_from_slice(
        if number > i64::MAX as u64 { (number as i64).to_string() } else { number.to_string() }.as_bytes(),
    );
    true
}

/// Writes the texts of varints that fill `raw`; false when they do not.
pub(super) fn decode_varints(raw: &[u8], text: &mut Vec<u8>) -> bool {
    text.clear();
    let mut one = Vec::new();
    for piece in pieces(raw) {
        if !decode_varint(piece, &mut one) {
            return false;
        }
        text.extend_from_slice(if text.is_empty() { b"" } else { b" " });
        text.extend_from_slice(&one);
    }
    !raw.is_empty()
}

/// Appends numbers with spaces between them, each in as many bytes as the one of `raw` that it stands for.
pub(super) fn encode_varints(text: &[u8], raw: &[u8], out: &mut Vec<u8>) -> bool {
    let mut numbers = text.split(|b| *b == b' ');
    let fits = pieces(raw).all(|piece| {
        let start = out.len();
        numbers.next().is_some_and(|number| encode_varint(number, out)) && out.len() - start == piece.len()
    });
    fits && numbers.next().is_none()
}

/// Each up to the byte that ends a varint.
fn pieces(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    raw.split_inclusive(|b| b & 0x80 == 0)
}

fn varint(raw: &[u8]) -> Option<u64> {
    let (last, before) = raw.split_last()?;
    let whole = last & 0x80 == 0 && before.iter().all(|b| b & 0x80 != 0);
    let fits = raw.len() < 10 || (raw.len() == 10 && *last <= 1);
    (whole && fits).then(|| raw.iter().rev().fold(0, |number, b| number << SEVEN | u64::from(b & 0x7F)))
}

/// Appends a number as a varint of the fewest bytes; false when it is none.
pub fn encode_varint(text: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(text) = std::str::from_utf8(text).ok() else { return false };
    let Some(mut number) = text.parse::<u64>().ok().or_else(|| text.parse::<i64>().ok().map(|n| n as u64)) else {
        return false;
    };
    while number >> SEVEN != 0 {
        out.push(number as u8 & 0x7F | 0x80);
        number >>= SEVEN;
    }
    out.push(number as u8);
    true
}

/// Writes the text of 4 or 8 bytes: with a point when they are a fraction's, else a whole number.
pub(super) fn decode_fixed(raw: &[u8], text: &mut Vec<u8>) -> bool {
    text.clear();
    let (whole, fraction) = if let Ok(four) = <[u8; 4]>::try_from(raw) {
        let fraction = f32::from_le_bytes(four);
        (
            u64::from(u32::from_le_bytes(four)),
            FRACTIONS.contains(&f64::from(fraction.abs())).then(|| fraction.to_string()),
        )
    } else if let Ok(eight) = <[u8; 8]>::try_from(raw) {
        let fraction = f64::from_le_bytes(eight);
        (u64::from_le_bytes(eight), FRACTIONS.contains(&fraction.abs()).then(|| fraction.to_string()))
    } else {
        return false;
    };
    match fraction {
        Some(fraction) => {
            text.extend_from_slice(fraction.as_bytes());
            if !fraction.contains('.') {
                text.extend_from_slice(b".0");
            }
        }
        None => text.extend_from_slice(whole.to_string().as_bytes()),
    }
    true
}

/// Appends a number in `len` bytes, 4 or 8; false when it does not fit there.
pub fn encode_fixed(text: &[u8], len: usize, out: &mut Vec<u8>) -> bool {
    let Some(text) = std::str::from_utf8(text).ok() else { return false };
    let start = out.len();
    if text.contains('.') {
        match (len, text.parse::<f64>()) {
            (4, Ok(number)) if (number as f32).is_finite() => out.extend_from_slice(&(number as f32).to_le_bytes()),
            (8, Ok(number)) if number.is_finite() => out.extend_from_slice(&number.to_le_bytes()),
            _ => {}
        }
    } else {
        match (len, text.parse::<u64>()) {
            (4, Ok(number)) => out.extend(u32::try_from(number).iter().flat_map(|number| number.to_le_bytes())),
            (8, Ok(number)) => out.extend_from_slice(&number.to_le_bytes()),
            _ => {}
        }
    }
    out.len() - start == len
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(decode: fn(&[u8], &mut Vec<u8>) -> bool, raw: &[u8]) -> String {
        let mut text = Vec::new();
        assert!(decode(raw, &mut text));
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn texts_are_decimal() {
        assert_eq!(text(decode_varint, b"\xd2\x85\xd8\xcc\x04"), "1234567890");
        assert_eq!(text(decode_varint, b"\xfb\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "-5");
        assert_eq!(text(decode_fixed, &12.5f64.to_le_bytes()), "12.5");
        assert_eq!(text(decode_fixed, &5.0f32.to_le_bytes()), "5.0");
        assert_eq!(text(decode_fixed, &4711u64.to_le_bytes()), "4711");
        assert_eq!(text(decode_fixed, &[0; 8]), "0");
        assert!(!decode_varint(b"\x80", &mut Vec::new()) && !decode_fixed(b"123", &mut Vec::new()));
    }

    proptest! {
        #[test]
        fn varints_come_back(number: u64) {
            let mut raw = Vec::new();
            prop_assert!(encode_varint((number as i64).to_string().as_bytes(), &mut raw));
            let told = text(decode_varint, &raw);
            prop_assert_eq!(told, (number as i64).to_string());
        }

        #[test]
        fn lists_come_back(numbers in prop::collection::vec(any::<u64>(), 1..6)) {
            let (mut raw, mut told, mut again) = (Vec::new(), Vec::new(), Vec::new());
            numbers.iter().for_each(|number| assert!(encode_varint(number.to_string().as_bytes(), &mut raw)));
            prop_assert!(decode_varints(&raw, &mut told) && encode_varints(&told, &raw, &mut again));
            prop_assert_eq!(&again, &raw);
            prop_assert!(!encode_varints(&[&told[..], b" 1"].concat(), &raw, &mut Vec::new()));
        }

        #[test]
        fn fixed_numbers_come_back(eight: [u8; 8], four: [u8; 4]) {
            for raw in [&eight[..], &four[..]] {
                let mut again = Vec::new();
                prop_assert!(encode_fixed(text(decode_fixed, raw).as_bytes(), raw.len(), &mut again));
                prop_assert_eq!(&again[..], raw);
            }
        }
    }
}
