//! A share as people write it: `5 %`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A share of answers: `5 %`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share(f64);

/// Text that is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a share is a number from 0 to 100 and `%`")]
pub struct ShareError;

impl Share {
    /// No more of all failed than this share.
    pub fn is_kept(self, passed: u64, failed: u64) -> bool {
        failed as f64 * 100.0 <= self.0 * (passed as f64 + failed as f64)
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Share, ShareError> {
        let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        number.filter(|percent| (0.0..=100.0).contains(percent)).map(Share).ok_or(ShareError)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Share, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_share_reads_as_it_is_written(percent in 0.0f64..=100.0) {
            prop_assert_eq!(Share(percent).to_string().parse::<Share>(), Ok(Share(percent)));
        }
    }

    #[test]
    fn no_share_is_over_the_whole() {
        for text in ["101 %", "-1 %", "5", "", "NaN %"] {
            assert_eq!(text.parse::<Share>(), Err(ShareError), "{text}");
        }
        assert!(Share(5.0).is_kept(95, 5) && !Share(5.0).is_kept(94, 6) && Share(0.0).is_kept(0, 0));
    }
}
