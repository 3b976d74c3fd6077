//! Time stamps of any resolution as nanoseconds.

use super::Interface;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Unit of an interface's time stamps (`if_tsresol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// 10^-n seconds.
    Decimal(u8),
    /// 2^-n seconds, n at most 127.
    Binary(u8),
}

impl Resolution {
    /// Nanoseconds in `ticks`; what is finer is cut off.
    fn nanos(self, ticks: u64) -> i128 {
        let ticks = i128::from(ticks);
        match self {
            Resolution::Decimal(digits @ 0..=9) => ticks * i128::from(10_u64.pow(9 - u32::from(digits))),
            // A unit too small for the divisor is too small for 64 bits of it to make a nanosecond.
            Resolution::Decimal(digits) => 10_i128.checked_pow(u32::from(digits) - 9).map_or(0, |unit| ticks / unit),
            Resolution::Binary(digits) => (ticks * NANOS_PER_SECOND).checked_shr(u32::from(digits)).unwrap_or(0),
        }
    }

    /// The smallest number of ticks that [`Resolution::nanos`] turns into `nanos`, if 64 bits hold it.
    fn ticks(self, nanos: i128) -> Option<u64> {
        let ticks = match self {
            Resolution::Decimal(digits @ 0..=9) => nanos / 10_i128.pow(9 - u32::from(digits)),
            Resolution::Decimal(digits) => nanos.checked_mul(10_i128.checked_pow(u32::from(digits) - 9)?)?,
            Resolution::Binary(digits) => {
                let scale = 1_i128.checked_shl(u32::from(digits)).filter(|scale| *scale > 0)?;
                nanos.checked_mul(scale)?.checked_add(NANOS_PER_SECOND - 1)? / NANOS_PER_SECOND
            }
        };
        ticks.try_into().ok()
    }

    /// Whether a microsecond cannot hold it.
    pub fn is_finer_than_micros(self) -> bool {
        match self {
            Resolution::Decimal(digits) => digits > 6,
            Resolution::Binary(digits) => digits > 0,
        }
    }
}

impl Interface {
    /// A packet's time since 1970.
    pub(super) fn nanos(&self, ticks: u64) -> i128 {
        i128::from(self.offset_seconds) * NANOS_PER_SECOND + self.resolution.nanos(ticks)
    }

    /// The way back: none when the time is before the offset or the number too large.
    pub(super) fn ticks(&self, nanos: i128) -> Option<u64> {
        let since = nanos.checked_sub(i128::from(self.offset_seconds) * NANOS_PER_SECOND)?;
        if since < 0 { None } else { self.resolution.ticks(since) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resolution_gives_nanoseconds() {
        assert_eq!(Resolution::Decimal(0).nanos(3), 3_000_000_000);
        assert_eq!(Resolution::Decimal(6).nanos(1_500_000), 1_500_000_000);
        assert_eq!(Resolution::Decimal(9).nanos(7), 7);
        assert_eq!(Resolution::Decimal(12).nanos(999_999_999_999), 999_999_999);
        assert_eq!(Resolution::Decimal(127).nanos(u64::MAX), 0);
        assert_eq!(Resolution::Binary(10).nanos(1536), 1_500_000_000);
        assert_eq!(Resolution::Binary(32).nanos(1 << 31), 500_000_000);
        assert_eq!(Resolution::Binary(127).nanos(u64::MAX), 0);
        assert_eq!(Resolution::Binary(0).nanos(u64::MAX), i128::from(u64::MAX) * NANOS_PER_SECOND);
    }

    #[test]
    fn ticks_are_the_way_back() {
        let nanos = 1_700_000_000_123_456_789;
        for resolution in [Resolution::Decimal(9), Resolution::Decimal(10), Resolution::Binary(32)] {
            assert_eq!(resolution.ticks(nanos).map(|ticks| resolution.nanos(ticks)), Some(nanos), "{resolution:?}");
        }
        assert_eq!(Resolution::Decimal(6).ticks(1_500), Some(1));
        assert_eq!(Resolution::Binary(127).ticks(nanos), None);
    }

    #[test]
    fn the_offset_is_added_and_may_be_negative() {
        let interface = Interface { link: 1, snaplen: 0, resolution: Resolution::Decimal(6), offset_seconds: i64::MIN };
        assert_eq!(interface.nanos(1), i128::from(i64::MIN) * NANOS_PER_SECOND + 1_000);
    }
}
