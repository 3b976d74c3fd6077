//! Random-looking tokens: session ids, digests, keys in base64.

use std::ops::Range;

use super::{Detector, Examples, Signs, text};

/// The kind `token`.
pub(super) struct Token;

const LENGTH_MIN: usize = 20;

impl Detector for Token {
    fn id(&self) -> &'static str {
        "token"
    }

    fn about(&self) -> &'static str {
        "random-looking runs of 20 or more letters and digits (session ids, digests, base64)"
    }

    fn method(&self) -> &'static str {
        "token"
    }

    fn needs(&self) -> &'static [Signs] {
        const { &[Signs::LONG_16.and(Signs::DIGITS_4), Signs::LONG_16.and(Signs::LETTER)] }
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[
                ("sid=9f86d081884c7d659a2feaa0c55ad015;", "9f86d081884c7d659a2feaa0c55ad015"),
                ("Basic dXNlcjpwYXNzd29yZDEyMzQ1Ng==", "dXNlcjpwYXNzd29yZDEyMzQ1Ng=="),
            ],
            misses: &[
                "internationalization-of-software",
                "20240101000000000000000",
                "aaaaaaaaaaaaaaaaaaaaaaaa1",
                "checkout_step_2_of_3_done",
            ],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let belongs = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'/');
        for run in text::runs(text, belongs) {
            let end = text::forth(text, run.end, |byte| byte == b'=').min(run.end + 2);
            if run.len() >= LENGTH_MIN && is_random(&text[run.clone()]) {
                found.push(run.start..end);
            }
        }
    }
}

/// Letters and digits mixed, of many kinds and changing often: words with numbers behind them change seldom.
fn is_random(text: &[u8]) -> bool {
    let class = |byte: u8| match byte {
        b'0'..=b'9' => 1u8,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' => 3,
        _ => 0,
    };
    let mut seen = [false; 256];
    text.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let distinct = seen.iter().filter(|seen| **seen).count();
    let changes = text.windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count();
    let separators = text.iter().filter(|byte| class(**byte) == 0).count();
    distinct >= 10 && changes.saturating_sub(2 * separators) * 5 >= text.len()
}
