//! Instants as people write them.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::Failure;

/// `2026-11-26T12:00:00Z` (RFC 3339, with any offset), or seconds since 1970.
pub(super) fn instant(text: &str) -> Result<SystemTime, Failure> {
    let by_number = || {
        let seconds: f64 = text.parse().ok()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
    };
    let by_date = || SystemTime::try_from(text.parse::<Timestamp>().ok()?).ok();
    by_number().or_else(by_date).ok_or_else(|| {
        Failure::usage(format!("{text}: no instant"))
            .hint("2026-11-26T12:00:00Z, or seconds since 1970, as `date +%s` prints them")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_say_the_same() {
        let instant = |text| instant(text).unwrap();
        assert_eq!(instant("1790000000.25"), instant("2026-09-21T14:13:20.25Z"));
        assert_eq!(instant("2026-09-21T16:13:20+02:00"), instant("2026-09-21T14:13:20Z"));
        assert_eq!(instant("0"), SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "soon", "-5", "nan", "inf", "1e300", "2026-13-01T00:00:00Z", "12:00"] {
            assert!(instant(text).is_err(), "{text}");
        }
    }
}
