//! The Huffman code of header literals (RFC 7541 §5.2 and Appendix B).

/// Code lengths by byte. The code is canonical: shorter codes first, among equals the smaller byte, so that lengths say
/// everything. The end-of-string code (30 ones) stands for no byte.
#[rustfmt::skip]
const BITS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// The shortest and the longest code.
const SHORTEST: usize = 5;
const LONGEST: usize = 30;

/// How many bits stand for a byte.
pub fn bits(byte: u8) -> usize {
    usize::from(BITS[usize::from(byte)])
}

/// How many bytes stand for a text.
pub fn len(text: &[u8]) -> usize {
    text.iter().map(|&byte| bits(byte)).sum::<usize>().div_ceil(8)
}

/// The code, made of [`BITS`].
struct Code {
    codes: [u32; 256],
    /// Bytes in order of their codes.
    bytes: [u8; 256],
    /// By length: the first code of the next length, in 32 bits from the left: what is less has this length at most.
    limits: [u64; LONGEST + 1],
    /// By length: what to take from a code to get its place in `bytes`.
    bases: [i64; LONGEST + 1],
}

static CODE: Code = Code::new();

impl Code {
    const fn new() -> Code {
        let mut code = Code { codes: [0; 256], bytes: [0; 256], limits: [0; LONGEST + 1], bases: [0; LONGEST + 1] };
        let (mut next, mut place, mut length) = (0u64, 0, SHORTEST);
        while length <= LONGEST {
            code.bases[length] = next as i64 - place as i64;
            let mut byte = 0;
            while byte < 256 {
                if BITS[byte] as usize == length {
                    code.codes[byte] = next as u32;
                    code.bytes[place] = byte as u8;
                    next += 1;
                    place += 1;
                }
                byte += 1;
            }
            code.limits[length] = next << (32 - length);
            next <<= 1;
            length += 1;
        }
        code
    }
}

/// The text that `raw` stands for. Nothing when it is no such code: the end-of-string code in it, or padding that is
/// longer than 7 bits or not of ones.
pub fn decode(raw: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(raw.len() * 8 / SHORTEST);
    let (mut window, mut held) = (0u64, 0usize);
    let mut rest = raw.iter();
    loop {
        while held <= 32 {
            let Some(&byte) = rest.next() else { break };
            window |= u64::from(byte) << (56 - held);
            held += 8;
        }
        let front = window >> 32;
        let length = (SHORTEST..=LONGEST).find(|&length| front < CODE.limits[length]);
        match length {
            Some(length) if length <= held => {
                let place = (front >> (32 - length)) as i64 - CODE.bases[length];
                text.push(*CODE.bytes.get(usize::try_from(place).ok()?)?);
                window <<= length;
                held -= length;
            }
            // What is left begins no code, or one that is cut: padding.
            _ => return (held < 8 && window >> (64 - held.max(1)) == (1 << held) - 1).then_some(text),
        }
    }
}

/// Appends the code of a text.
pub fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut window, mut held) = (0u64, 0);
    for &byte in text {
        window = window << bits(byte) | u64::from(CODE.codes[usize::from(byte)]);
        held += bits(byte);
        while held >= 8 {
            held -= 8;
            out.push((window >> held) as u8);
        }
    }
    if held > 0 {
        let padding = 8 - held;
        out.push((window << padding) as u8 | ((1 << padding) - 1));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(text, &mut out);
        out
    }

    /// RFC 7541 Appendix C.4 and C.6, and single codes of Appendix B.
    #[test]
    fn codes_of_the_standard() {
        let cases: [(&[u8], &[u8]); 6] = [
            (b"www.example.com", &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff]),
            (b"no-cache", &[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]),
            (b"custom-value", &[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf]),
            (b"302", &[0x64, 0x02]),
            (&[0], &[0xff, 0xc7]),
            (&[249], &[0xff, 0xff, 0xff, 0xef]),
        ];
        for (text, raw) in cases {
            assert_eq!(encoded(text), raw);
            assert_eq!(decode(raw).as_deref(), Some(text));
        }
        assert_eq!(CODE.codes[usize::from(b'\n')], 0x3fff_fffc);
        assert_eq!(CODE.codes[22], 0x3fff_fffe);
    }

    #[test]
    fn what_is_no_code() {
        // The end-of-string code; eight bits of padding; padding of zeros.
        for raw in [&[0xff, 0xff, 0xff, 0xff][..], &[0x07, 0xff, 0xff], &[0x00, 0x00], &[0x1f, 0xf0]] {
            assert_eq!(decode(raw), None, "{raw:x?}");
        }
        assert_eq!(decode(&[]), Some(Vec::new()));
        assert_eq!(decode(&[0x07]), Some(b"0".to_vec()));
        assert_eq!(decode(&[0xff]), None);
    }

    proptest! {
        #[test]
        fn there_and_back(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let raw = encoded(&text);
            prop_assert_eq!(raw.len(), len(&text));
            prop_assert_eq!(decode(&raw), Some(text));
        }

        /// What decodes at all is the one code of its text: nothing is hidden in it.
        #[test]
        fn back_and_there(raw in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(text) = decode(&raw) {
                prop_assert_eq!(encoded(&text), raw);
            }
        }
    }
}
