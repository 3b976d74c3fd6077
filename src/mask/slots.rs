//! Text as a number in mixed radix: one slot per character, each with the alphabet that its character belongs to.
//!
//! A replacement draws every slot from the same alphabet again, so characters keep their encoded length, letters stay
//! letters of the same case, digits digits.

use super::key::Stream;
use super::permutation::DOMAIN_MAX;

/// The characters that may stand in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// 0-9
    Digit,
    /// 1-9: the first digit of a number.
    NonZero,
    /// a-z
    Lower,
    /// A-Z
    Upper,
    /// 0-9a-f
    HexLower,
    /// 0-9A-Za-z
    Alphanumeric,
    /// 0-9a-z
    AlphanumericLower,
    /// A range of characters outside ASCII of the same encoded length, or of plain numbers: first one and count.
    Range(u32, u32),
    /// A byte from 0x80 on that is no UTF-8.
    Raw,
}

/// One place of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// What may stand here.
    pub(super) alphabet: Alphabet,
    /// What stands here: an index into the alphabet.
    pub(super) value: u32,
}

/// Letters outside ASCII, first and last: all assigned, none combining, one case each where there are two.
const LETTERS: [(char, char); 30] = [
    ('À', 'Ö'),
    ('Ø', 'Þ'),
    ('ß', 'ö'),
    ('ø', 'ÿ'),
    ('Ā', 'ſ'),
    ('Α', 'Ρ'),
    ('Σ', 'Ϋ'),
    ('ά', 'ώ'),
    ('Ѐ', 'Џ'),
    ('А', 'Я'),
    ('а', 'я'),
    ('ѐ', 'џ'),
    ('Ա', 'Ֆ'),
    ('ա', 'ֆ'),
    ('א', 'ת'),
    ('ؠ', 'ؿ'),
    ('ف', 'ي'),
    ('अ', 'ह'),
    ('অ', 'ঌ'),
    ('ก', 'ะ'),
    ('ა', 'ჰ'),
    ('Ạ', 'ỿ'),
    ('ぁ', 'ゖ'),
    ('ァ', 'ヺ'),
    ('ㄅ', 'ㄯ'),
    ('一', '鿯'),
    ('가', '힣'),
    ('ꀀ', 'ꀔ'),
    ('𐐀', '𐐧'),
    ('\u{20000}', '\u{2A6D6}'),
];
/// Where characters go that are in none of [`LETTERS`]: by encoded length, 2 to 4 bytes.
const OTHERS: [(char, char); 3] = [('Ā', 'ſ'), ('가', '힣'), ('\u{20000}', '\u{2A6D6}')];

impl Alphabet {
    /// How many characters may stand in the place.
    pub(super) fn len(self) -> u32 {
        match self {
            Alphabet::Digit => 10,
            Alphabet::NonZero => 9,
            Alphabet::Lower | Alphabet::Upper => 26,
            Alphabet::HexLower => 16,
            Alphabet::Alphanumeric => 62,
            Alphabet::AlphanumericLower => 36,
            Alphabet::Range(_, count) => count,
            Alphabet::Raw => 128,
        }
    }

    /// The index of an ASCII character, None when it does not belong here.
    pub(super) fn index(self, byte: u8) -> Option<u32> {
        let digit = byte.wrapping_sub(b'0');
        let lower = byte.wrapping_sub(b'a');
        let upper = byte.wrapping_sub(b'A');
        let among = |n: u8, count: u8, from: u32| (n < count).then_some(from + u32::from(n));
        match self {
            Alphabet::Digit => among(digit, 10, 0),
            Alphabet::NonZero => among(digit.wrapping_sub(1), 9, 0),
            Alphabet::Lower => among(lower, 26, 0),
            Alphabet::Upper => among(upper, 26, 0),
            Alphabet::HexLower => among(digit, 10, 0).or(among(lower, 6, 10)),
            Alphabet::Alphanumeric => among(digit, 10, 0).or(among(upper, 26, 10)).or(among(lower, 26, 36)),
            Alphabet::AlphanumericLower => among(digit, 10, 0).or(among(lower, 26, 10)),
            Alphabet::Range(..) => None,
            Alphabet::Raw => byte.checked_sub(0x80).map(u32::from),
        }
    }

    /// Appends the character of an index below [`Alphabet::len`].
    fn write(self, index: u32, out: &mut Vec<u8>) {
        let small = index as u8;
        match self {
            Alphabet::Digit => out.push(b'0' + small),
            Alphabet::NonZero => out.push(b'1' + small),
            Alphabet::Lower => out.push(b'a' + small),
            Alphabet::Upper => out.push(b'A' + small),
            Alphabet::HexLower | Alphabet::AlphanumericLower => {
                out.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[small as usize % 36])
            }
            Alphabet::Alphanumeric => out.push(match small {
                0..10 => b'0' + small,
                10..36 => b'A' + (small - 10),
                _ => b'a' + (small - 36),
            }),
            Alphabet::Range(first, _) => {
                let letter = char::from_u32(first + index).unwrap_or('ā');
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Alphabet::Raw => out.push(0x80 | small),
        }
    }
}

impl Slot {
    /// A place that belongs to `alphabet` for an ASCII character; None when the character does not.
    pub(super) fn of(alphabet: Alphabet, byte: u8) -> Option<Slot> {
        alphabet.index(byte).map(|value| Slot { alphabet, value })
    }
}

/// The character at the front of a text: its length, and its slot unless it is a separator.
pub(super) fn first(text: &[u8]) -> (usize, Option<Slot>) {
    let Some(&byte) = text.first() else {
        return (0, None);
    };
    if byte < 0x80 {
        let slot = [Alphabet::Lower, Alphabet::Digit, Alphabet::Upper]
            .into_iter()
            .find_map(|alphabet| Slot::of(alphabet, byte));
        return (1, slot);
    }
    match front_char(text) {
        Some(character) => (character.len_utf8(), Some(letter(character))),
        None => (1, Slot::of(Alphabet::Raw, byte)),
    }
}

fn front_char(text: &[u8]) -> Option<char> {
    let front = &text[..text.len().min(4)];
    let valid = match std::str::from_utf8(front) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&front[..error.valid_up_to()]).ok()?,
    };
    valid.chars().next()
}

fn letter(character: char) -> Slot {
    let script = LETTERS.iter().find(|(first, last)| (*first..=*last).contains(&character));
    let (first, last) = script.unwrap_or(&OTHERS[character.len_utf8().saturating_sub(2).min(OTHERS.len() - 1)]);
    let count = *last as u32 - *first as u32 + 1;
    Slot { alphabet: Alphabet::Range(*first as u32, count), value: (character as u32).abs_diff(*first as u32) % count }
}

/// How many texts have these alphabets; None when more than can be permuted.
pub(super) fn domain(slots: &[Slot]) -> Option<u128> {
    slots.iter().try_fold(1u128, |product, slot| {
        product.checked_mul(u128::from(slot.alphabet.len())).filter(|&n| n <= DOMAIN_MAX)
    })
}

/// The number that the slots stand for; they must have a [`domain`].
pub(super) fn rank(slots: &[Slot]) -> u128 {
    slots.iter().fold(0, |x, slot| x * u128::from(slot.alphabet.len()) + u128::from(slot.value))
}

/// Sets the slots to the number `x` below their [`domain`].
pub(super) fn unrank(mut x: u128, slots: &mut [Slot]) {
    // Wide divisions are slow: take off as many slots at a time as fit into 64 bits.
    let mut rest = slots;
    while !rest.is_empty() {
        let mut product = 1u64;
        let mut from = rest.len();
        while let Some(larger) =
            from.checked_sub(1).and_then(|i| product.checked_mul(u64::from(rest[i].alphabet.len())))
        {
            product = larger;
            from -= 1;
        }
        let (left, group) = rest.split_at_mut(from);
        let mut low = (x % u128::from(product)) as u64;
        x /= u128::from(product);
        for slot in group.iter_mut().rev() {
            let radix = u64::from(slot.alphabet.len());
            slot.value = (low % radix) as u32;
            low /= radix;
        }
        rest = left;
    }
}

/// Draws every slot anew.
pub(super) fn draw(slots: &mut [Slot], stream: &mut Stream) {
    for slot in slots {
        slot.value = stream.below(slot.alphabet.len());
    }
}

/// Appends the characters of the slots.
pub(super) fn write(slots: &[Slot], out: &mut Vec<u8>) {
    for slot in slots {
        slot.alphabet.write(slot.value, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_hold_letters_of_one_encoded_length_apart_from_each_other() {
        for (n, (first, last)) in LETTERS.iter().enumerate() {
            assert_eq!(first.len_utf8(), last.len_utf8(), "{first}");
            assert!(first < last);
            for character in *first..=*last {
                let hits = LETTERS.iter().filter(|(a, b)| (*a..=*b).contains(&character));
                assert_eq!(hits.count(), 1, "{character} in script {n}");
                assert!(character.is_alphabetic(), "{character} {:x}", character as u32);
            }
        }
    }

    #[test]
    fn numbers_and_slots_are_the_same_thing() {
        let text = "Zoë7Ж京x".as_bytes();
        let mut slots = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let (length, slot) = first(&text[at..]);
            slots.push(slot.unwrap());
            at += length;
        }
        let mut written = Vec::new();
        write(&slots, &mut written);
        assert_eq!(written, text);
        let n = domain(&slots).unwrap();
        let x = rank(&slots);
        assert!(x < n);
        let mut again = slots.clone();
        unrank(n - 1, &mut again);
        assert_eq!(rank(&again), n - 1);
        unrank(x, &mut again);
        assert_eq!(again, slots);
    }
}
