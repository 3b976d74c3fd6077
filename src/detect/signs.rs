//! The prefilter: one cheap pass over a text's bytes says which detectors are worth running.

use std::sync::LazyLock;

use super::{ALL, DetectorId};

/// What a text shows: a set of the constants below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs(u32);

impl Signs {
    /// `@`
    pub const AT: Signs = Signs(1);
    /// A dot.
    pub const DOT: Signs = Signs(1 << 1);
    /// Two dots.
    pub const DOTS_2: Signs = Signs(1 << 2);
    /// A colon.
    pub const COLON: Signs = Signs(1 << 3);
    /// Two colons.
    pub const COLONS_2: Signs = Signs(1 << 4);
    /// A hyphen.
    pub const HYPHEN: Signs = Signs(1 << 5);
    /// Two hyphens.
    pub const HYPHENS_2: Signs = Signs(1 << 6);
    /// Two slashes.
    pub const SLASHES_2: Signs = Signs(1 << 7);
    /// Four digits.
    pub const DIGITS_4: Signs = Signs(1 << 8);
    /// Six digits.
    pub const DIGITS_6: Signs = Signs(1 << 17);
    /// Seven digits.
    pub const DIGITS_7: Signs = Signs(1 << 9);
    /// Twelve digits.
    pub const DIGITS_12: Signs = Signs(1 << 10);
    /// Sixteen characters of `A-Za-z0-9_-` in a row.
    pub const LONG_16: Signs = Signs(1 << 11);
    /// Thirty-six of them.
    pub const LONG_36: Signs = Signs(1 << 12);
    /// A letter of ASCII.
    pub const LETTER: Signs = Signs(1 << 13);
    /// A space.
    pub const SPACE: Signs = Signs(1 << 14);
    /// `+`
    pub const PLUS: Signs = Signs(1 << 15);
    /// A slash.
    pub const SLASH: Signs = Signs(1 << 16);

    /// Both sets.
    pub const fn and(self, other: Signs) -> Signs {
        Signs(self.0 | other.0)
    }

    /// What `text` shows.
    pub(super) fn of(text: &[u8]) -> Signs {
        let mut counts = [0u32; 16];
        let (mut run, mut longest) = (0u32, 0u32);
        for &byte in text {
            let class = CLASS[usize::from(byte)];
            counts[usize::from(class & 15)] += 1;
            run = if class & IN_TOKEN == 0 { 0 } else { run + 1 };
            longest = longest.max(run);
        }
        let [_, at, dots, colons, hyphens, slashes, digits, letters, _, spaces, plus, ..] = counts;
        let mut signs = 0;
        for (holds, sign) in [
            (at > 0, Signs::AT),
            (dots > 0, Signs::DOT),
            (dots > 1, Signs::DOTS_2),
            (colons > 0, Signs::COLON),
            (colons > 1, Signs::COLONS_2),
            (hyphens > 0, Signs::HYPHEN),
            (hyphens > 1, Signs::HYPHENS_2),
            (slashes > 1, Signs::SLASHES_2),
            (digits >= 4, Signs::DIGITS_4),
            (digits >= 6, Signs::DIGITS_6),
            (digits >= 7, Signs::DIGITS_7),
            (digits >= 12, Signs::DIGITS_12),
            (longest >= 16, Signs::LONG_16),
            (longest >= 36, Signs::LONG_36),
            (letters > 0, Signs::LETTER),
            (spaces > 0, Signs::SPACE),
            (plus > 0, Signs::PLUS),
            (slashes > 0, Signs::SLASH),
        ] {
            signs |= u32::from(holds) * sign.0;
        }
        Signs(signs)
    }
}

/// Flag of [`CLASS`]: may stand in a token.
const IN_TOKEN: u8 = 16;
/// Byte -> place in the counts of [`Signs::of`], and [`IN_TOKEN`].
static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = match byte as u8 {
            b'@' => 1,
            b'.' => 2,
            b':' => 3,
            b'-' => 4 | IN_TOKEN,
            b'/' => 5,
            b'0'..=b'9' => 6 | IN_TOKEN,
            b'a'..=b'z' | b'A'..=b'Z' => 7 | IN_TOKEN,
            b'_' => 8 | IN_TOKEN,
            b' ' => 9,
            b'+' => 10,
            _ => 0,
        };
        byte += 1;
    }
    class
};

/// What each detector needs, in their order.
static NEEDS: LazyLock<Vec<(Signs, DetectorId)>> = LazyLock::new(|| {
    let needs = |(detector, id)| {
        let detector: &'static &dyn super::Detector = detector;
        detector.needs().iter().map(move |signs| (*signs, DetectorId(id)))
    };
    ALL.iter().zip(0u16..).flat_map(needs).collect()
});

/// The detectors that need no more than these signs, in order, each once.
pub(super) fn candidates(signs: Signs) -> impl Iterator<Item = DetectorId> {
    let mut last = None;
    NEEDS
        .iter()
        .filter(move |(needs, _)| needs.0 & !signs.0 == 0)
        .map(|(_, id)| *id)
        .filter(move |id| last.replace(*id) != Some(*id))
}
