//! A value's text -> which kinds of sensitive data it holds, and where. One file per detector.

use std::ops::Range;

/// Recognises one kind of sensitive value inside a text. Knows nothing of packets, paths or rules.
pub trait Detector: Sync {
    /// The kind's name in rules, manifests and reports: "email", "card".
    fn id(&self) -> &'static str;
    /// One line for `standin rules list`.
    fn about(&self) -> &'static str;
    /// Texts that must and must not be found; generic tests run them.
    fn examples(&self) -> Examples;
    /// Appends the ranges of `text` that hold such a value.
    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>);
}

/// Hits (the part that must be found inside the text) and misses.
pub struct Examples {
    /// (text, the value in it)
    pub hits: &'static [(&'static str, &'static str)],
    /// Texts in which nothing must be found.
    pub misses: &'static [&'static str],
}

/// stub
#[derive(Clone)] pub struct Enabled; impl Enabled { /// s
 pub fn only<'a>(_: impl Iterator<Item=&'a str>) -> Self { Enabled } }
/// s
pub struct Finding { /// s
 pub detector: &'static str, /// s
 pub method: &'static str, /// s
 pub at: Range<usize> }
/// s
pub fn scan(_: &[u8], _: &Enabled, _: &mut Vec<Finding>) {}
