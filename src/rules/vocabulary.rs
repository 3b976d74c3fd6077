//! The public vocabulary: words that APIs are made of, and that are nobody's.
//!
//! A value that is, as a whole, such a word is kept where its field's name does not speak of a person. The words are
//! data, in `rules/vocabulary/*.txt`, one theme a file; a test keeps them apart from surnames, given names and cities.

use hashbrown::HashSet;

/// The themes: (name, words).
pub const THEMES: &[(&str, &str)] = &[
    ("api", include_str!("../../rules/vocabulary/api.txt")),
    ("codes", include_str!("../../rules/vocabulary/codes.txt")),
    ("content", include_str!("../../rules/vocabulary/content.txt")),
    ("protocol", include_str!("../../rules/vocabulary/protocol.txt")),
    ("states", include_str!("../../rules/vocabulary/states.txt")),
    ("web", include_str!("../../rules/vocabulary/web.txt")),
];

/// The words of a theme, or of a user's list of the same form: one or more a line, `#` begins a comment.
pub fn words(theme: &str) -> impl Iterator<Item = &str> {
    theme.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace())
}

/// Longest word; longer values are looked up nowhere.
pub(super) const WORD_BYTES_MAX: usize = 64;

/// A set of words. A word is found as it is written, and in lower case, Capitalised and in UPPER case.
#[derive(Clone, Debug, Default)]
pub(super) struct Vocabulary {
    written: HashSet<Box<[u8]>>,
    folded: HashSet<Box<[u8]>>,
}

impl Vocabulary {
    /// All words of all themes.
    pub(super) fn public() -> Self {
        let mut all = Self::default();
        THEMES.iter().flat_map(|(_, text)| words(text)).for_each(|word| all.insert(word));
        all
    }

    pub(super) fn insert(&mut self, word: &str) {
        self.folded.insert(word.to_ascii_lowercase().into_bytes().into());
        if word.bytes().any(|b| b.is_ascii_uppercase()) {
            self.written.insert(word.as_bytes().into());
        }
    }

    pub(super) fn contains(&self, text: &[u8]) -> bool {
        let mut lower = [0; WORD_BYTES_MAX];
        let Some(lower) = lower.get_mut(..text.len()) else { return false };
        match Case::of(text) {
            Case::Lower => self.folded.contains(text),
            Case::Even => {
                lower.copy_from_slice(text);
                lower.make_ascii_lowercase();
                self.folded.contains(&*lower)
            }
            Case::Mixed => self.written.contains(text),
        }
    }

    /// Every entry, in an order that does not depend on how it was put together.
    pub(super) fn sorted(&self) -> Vec<&[u8]> {
        let mut all: Vec<&[u8]> = self.folded.iter().chain(&self.written).map(|word| &**word).collect();
        all.sort_unstable();
        all
    }
}

enum Case {
    /// No upper case letter.
    Lower,
    /// Capitalised or all upper case.
    Even,
    Mixed,
}

impl Case {
    fn of(text: &[u8]) -> Self {
        let upper = text.iter().filter(|b| b.is_ascii_uppercase()).count();
        let lower = text.iter().any(u8::is_ascii_lowercase);
        let capital = text.first().is_some_and(u8::is_ascii_uppercase);
        match upper {
            0 => Case::Lower,
            1 if capital => Case::Even,
            _ if !lower => Case::Even,
            _ => Case::Mixed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_in_the_usual_cases_and_as_a_whole() {
        let mut set = Vocabulary::default();
        ["shipped", "en-US", "createdAt"].iter().for_each(|word| set.insert(word));
        for kept in ["shipped", "Shipped", "SHIPPED", "en-US", "en-us", "EN-US", "createdAt", "createdat"] {
            assert!(set.contains(kept.as_bytes()), "{kept}");
        }
        for other in ["shiPPed", "shipped ", " shipped", "ship", "", "En-uS", "CreatedAt"] {
            assert!(!set.contains(other.as_bytes()), "{other}");
        }
        assert!(!set.contains(&[b'a'; 500]));
    }
}
