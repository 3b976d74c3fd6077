//! Numbers and texts as people read them.

/// With thousands apart: `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// In the largest unit that leaves a whole number in front: `1.4 MiB`.
pub fn bytes(number: u64) -> String {
    scaled(number as f64, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"])
}

/// A time given in microseconds: `640 µs`, `12.3 ms`.
pub fn micros(number: f64) -> String {
    scaled(number, 1000.0, &["µs", "ms", "s"])
}

/// A time of some that were measured; of none there is nothing to say.
pub fn measured(number: f64, of: u64) -> String {
    if of == 0 && number == 0.0 { "–".to_owned() } else { micros(number) }
}

fn scaled(mut number: f64, step: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while number >= step && unit + 1 < units.len() {
        number /= step;
        unit += 1;
    }
    let decimals = if unit > 0 && number < 100.0 { 1 } else { 0 };
    format!("{number:.decimals$} {}", units[unit])
}

/// A share of a whole: `12.3 %`.
pub fn share(part: u64, whole: u64) -> String {
    match whole {
        0 => "–".to_owned(),
        _ => format!("{:.1} %", part as f64 * 100.0 / whole as f64),
    }
}

/// Text that came from a capture or a file cannot move a cursor, turn a line around or hide.
pub fn plain(text: &str) -> String {
    let hostile = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().map(|c| if hostile(c) { '\u{fffd}' } else { c }).collect()
}

/// Characters of a text in a table.
const SHORT: usize = 120;

/// A text that a table has room for: of a longer one, as the path of a request may be, its beginning and its end.
pub fn short(text: &str) -> String {
    let all = text.chars().count();
    if all <= SHORT {
        return text.to_owned();
    }
    let (front, back) = (SHORT * 2 / 3, SHORT / 3 - 1);
    text.chars().take(front).chain(['…']).chain(text.chars().skip(all - back)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!([count(7), count(1234), count(1_234_567)], ["7", "1,234", "1,234,567"]);
        assert_eq!([bytes(12), bytes(1500), bytes(300 << 20)], ["12 B", "1.5 KiB", "300 MiB"]);
        assert_eq!([micros(640.0), micros(12_340.0), micros(2e6)], ["640 µs", "12.3 ms", "2.0 s"]);
        assert_eq!([measured(0.0, 1), measured(0.0, 0), measured(5.0, 0)], ["0 µs", "–", "5 µs"]);
        assert_eq!([share(1, 8), share(0, 0)], ["12.5 %", "–"]);
    }

    #[test]
    fn long_texts_keep_their_ends() {
        assert_eq!(short(&"é".repeat(120)), "é".repeat(120));
        let long = short(&format!("GET /{}/last", "é".repeat(5000)));
        assert_eq!(long.chars().count(), 120);
        assert!(long.starts_with("GET /éé") && long.contains("é…é") && long.ends_with("éé/last"));
    }

    #[test]
    fn escapes_do_not_pass() {
        assert_eq!(plain("/a\u{1b}[2J\u{202e}b"), "/a\u{fffd}[2J\u{fffd}b");
    }
}
