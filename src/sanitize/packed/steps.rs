//! In which order values of a window degrade, and to what.

use crate::sanitize::values::Level;

/// What stands for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Degree {
    Of(Level),
    /// Its echo: what is new in it at this level.
    Echo(Level),
}

impl Degree {
    pub(super) const FULL: Degree = Degree::Of(Level::Full);
    pub(super) const TAG: Degree = Degree::Of(Level::Tag);
    pub(super) const FILLER: Degree = Degree::Of(Level::Filler);
    pub(super) const BLANK: Degree = Degree::Of(Level::Blank);
    pub(super) const ECHO: Degree = Degree::Echo(Level::Full);
    pub(super) const FADING: Degree = Degree::Echo(Level::Filler);
}

/// How far each class of values has degraded; tried in order until the window fits.
pub(super) const STEPS: [[Degree; 7]; 13] = {
    const F: Degree = Degree::FULL;
    const T: Degree = Degree::TAG;
    const O: Degree = Degree::FILLER;
    const B: Degree = Degree::BLANK;
    [
        // words, values without a kind, those of a kind; tokens and ids: the last quarter of them in the window first
        [F, F, F, F, F, F, F],
        [T, F, F, F, F, F, F],
        [O, F, F, F, F, F, F],
        [O, T, F, F, F, F, F],
        [O, O, F, F, F, F, F],
        [O, O, T, F, F, F, F],
        [O, O, O, F, F, F, F],
        [O, O, O, T, F, F, F],
        [O, O, O, T, T, F, F],
        [O, O, O, T, T, T, F],
        [O, O, O, T, T, T, T],
        [O, O, O, O, O, O, O],
        [B, B, B, B, B, B, B],
    ]
};
/// The same of messages, which repeat most of what they say, if nothing is too long to be looked at.
pub(super) const STEPS_OF_MESSAGES: [[Degree; 7]; 13] = {
    const F: Degree = Degree::FULL;
    const E: Degree = Degree::ECHO;
    const G: Degree = Degree::FADING;
    const O: Degree = Degree::FILLER;
    const B: Degree = Degree::BLANK;
    [
        [F, F, F, F, F, F, F],
        [E, F, F, F, F, F, F],
        [E, E, F, F, F, F, F],
        [E, E, E, F, F, F, F],
        [G, E, E, F, F, F, F],
        [G, G, E, F, F, F, F],
        [G, G, G, F, F, F, F],
        [G, G, G, E, F, F, F],
        [G, G, G, E, E, E, E],
        [G, G, G, G, E, E, E],
        [G, G, G, G, G, G, G],
        [O, O, O, O, O, O, O],
        [B, B, B, B, B, B, B],
    ]
};
/// The last step at which tokens and ids stay as they are.
pub(super) const ALL_IDENTIFIERS: usize = 6;
/// Of messages, what repeats most.
pub(super) const ALL_FADING: [Degree; 7] = [Degree::FADING; 7];
