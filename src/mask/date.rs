//! Dates and instants: another day of the same decade, a real one, written in the same form. By text, never by a shift:
//! one date that a protocol gives away would undo all of them.

use super::Method;
use super::keyring::{Keyring, permute};
use super::slots::{Alphabet, Slot};

/// The method `date`.
pub(super) struct Date;

/// The order in which a date is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// 1984-03-09
    YearMonthDay,
    /// 09.03.1984, 29/03/1984
    DayMonthYear,
    /// 03/29/1984; also what might be either
    MonthDayYear,
}

impl Method for Date {
    fn id(&self) -> &'static str {
        "date"
    }

    fn about(&self) -> &'static str {
        "another real day of the same decade in the same form; another time of day; zones stay"
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            "1984-03-09",
            "2024-02-29T08:15:30.123Z",
            "09.03.1984",
            "9.3.1984",
            "03/29/1984",
            "29/03/1984",
            "1984/03/09 08:15",
        ]
    }

    fn mask(&self, text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> bool {
        let end = text.iter().position(|byte| !byte.is_ascii_digit() && !b"-./".contains(byte)).unwrap_or(text.len());
        let (date, time) = text.split_at(end);
        let start = out.len();
        let done = mask_date(date, keyring, out).and_then(|()| mask_time(time, keyring, out));
        if done.is_none() {
            out.truncate(start);
        }
        done.is_some()
    }
}

fn mask_date(text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> Option<()> {
    let separator = text.iter().find(|byte| !byte.is_ascii_digit())?;
    let mut fields = text.split(|byte| byte == separator);
    let (a, b, c) = (fields.next()?, fields.next()?, fields.next()?);
    let order = order(number(a)?, number(b)?, a.len(), *separator);
    let (year, month, day) = match order {
        Order::YearMonthDay => (a, b, c),
        Order::DayMonthYear => (c, b, a),
        Order::MonthDayYear => (c, a, b),
    };
    if fields.next().is_some() || year.len() != 4 {
        return None;
    }
    let widths = [month.len(), day.len()];
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let (first, last) = (days(year / 10 * 10, 1, 1), days(year / 10 * 10 + 9, 12, 31));
    let mut slots = [Slot { alphabet: Alphabet::Range(0, last - first + 1), value: days(year, month, day) - first }];
    let form = |field: u32, width: usize| width == 2 || (field < 10) == (width == 1);
    // One digit stays one digit, and a day that shows by itself which order is meant goes on showing it.
    let unusual = match order {
        Order::YearMonthDay => false,
        Order::DayMonthYear => *separator == b'/',
        Order::MonthDayYear => *separator != b'/',
    };
    let same_form = |day: u32, month: u32| form(month, widths[0]) && form(day, widths[1]) && (!unusual || day > 12);
    permute(&keyring.dates, u64::from(year / 10), &mut slots, |slots| {
        let (_, month, day) = civil(first + slots[0].value);
        same_form(day, month)
    });
    let (year, month, day) = civil(first + slots[0].value);
    let (month, day) = ((month, widths[0]), (day, widths[1]));
    let fields = match order {
        Order::YearMonthDay => [(year, 4), month, day],
        Order::DayMonthYear => [day, month, (year, 4)],
        Order::MonthDayYear => [month, day, (year, 4)],
    };
    for (n, (field, width)) in fields.into_iter().enumerate() {
        if n > 0 {
            out.push(*separator);
        }
        out.extend_from_slice(format!("{field:0width$}").as_bytes());
    }
    Some(())
}

/// With slashes the month is taken to come first, with other separators the day, where either is possible.
fn order(a: u32, b: u32, width: usize, separator: u8) -> Order {
    match (width, separator) {
        (4, _) => Order::YearMonthDay,
        (_, b'/') if a <= 12 => Order::MonthDayYear,
        (_, b'/') => Order::DayMonthYear,
        _ if b <= 12 => Order::DayMonthYear,
        _ => Order::MonthDayYear,
    }
}

/// Appends another time of day for `T08:15:30.123Z` and the like; the zone stays. None when it is no time.
fn mask_time(text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> Option<()> {
    let Some((before, time)) = text.split_first() else {
        return Some(());
    };
    if !matches!(before, b'T' | b't' | b' ') {
        return None;
    }
    let zone = time.iter().position(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-')).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone);
    let clock = time.iter().position(|byte| *byte == b'.').unwrap_or(time.len());
    let (clock, fraction) = time.split_at(clock);
    let mut slots = Vec::with_capacity(3);
    for (n, field) in clock.split(|byte| *byte == b':').enumerate() {
        let count = if n == 0 { 24 } else { 60 };
        let value = number(field).filter(|value| field.len() == 2 && *value < count)?;
        slots.push(Slot { alphabet: Alphabet::Range(0, count), value });
    }
    if !(2..=3).contains(&slots.len()) {
        return None;
    }
    permute(&keyring.dates, 1 << 32, &mut slots, |_| true);
    out.push(*before);
    for (n, slot) in slots.iter().enumerate() {
        if n > 0 {
            out.push(b':');
        }
        out.extend_from_slice(format!("{:02}", slot.value).as_bytes());
    }
    keyring.shape(&keyring.dates, fraction, out);
    out.extend_from_slice(zone);
    Some(())
}

fn number(digits: &[u8]) -> Option<u32> {
    let fits = (1..=4).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    fits.then(|| digits.iter().fold(0, |sum, byte| sum * 10 + u32::from(byte - b'0')))
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 0000-01-01 (proleptic Gregorian calendar).
fn days(year: u32, month: u32, day: u32) -> u32 {
    let leap_days = year.div_ceil(4) - year.div_ceil(100) + year.div_ceil(400);
    let months: u32 = (1..month).map(|month| days_in(year, month)).sum();
    year * 365 + leap_days + months + day - 1
}

/// The way back of [`days`].
fn civil(days_since: u32) -> (u32, u32, u32) {
    let mut year = days_since / 366;
    while days(year + 1, 1, 1) <= days_since {
        year += 1;
    }
    let mut left = days_since - days(year, 1, 1);
    let mut month = 1;
    while left >= days_in(year, month) {
        left -= days_in(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_goes_both_ways() {
        let mut expected = days(1800, 1, 1);
        for year in 1800..2200 {
            for month in 1..=12 {
                for day in 1..=days_in(year, month) {
                    assert_eq!(days(year, month, day), expected);
                    assert_eq!(civil(expected), (year, month, day));
                    expected += 1;
                }
            }
        }
        assert_eq!(days(1970, 1, 1) - days(1969, 1, 1), 365);
        assert_eq!(days(2000, 3, 1) - days(2000, 2, 1), 29);
    }
}
