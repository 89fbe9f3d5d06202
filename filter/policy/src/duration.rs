//! Durations as people write them: `250ms`, `30s`, `1h30m`.
use core::time::Duration;

/// Ten years: longer than any connection, and short enough for every clock to add to.
pub(crate) const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// Units from long to short, each with its length in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Numbers with units, the longer unit first, each unit once. None when it is anything else; what is
/// too large for the type is the largest there is, well above [`LONGEST`].
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut units = UNITS.iter();
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (number, behind) = split(rest, |c: char| c.is_ascii_digit());
        let (unit, behind) = split(behind, |c: char| c.is_ascii_alphabetic());
        let (_, milliseconds) = units.find(|(name, _)| *name == unit)?;
        total = digits(number)?
            .saturating_mul(*milliseconds)
            .saturating_add(total);
        rest = behind;
    }
    (!text.is_empty()).then_some(Duration::from_millis(total))
}

fn digits(number: &str) -> Option<u64> {
    let more = |value: u64, digit| {
        Some(
            value
                .saturating_mul(10)
                .saturating_add(char::to_digit(digit, 10)?.into()),
        )
    };
    (!number.is_empty()).then(|| number.chars().try_fold(0, more))?
}

/// The shortest text that a policy may have for `duration`, less what it has beyond whole milliseconds:
/// such as `1h30m`.
pub fn show(duration: Duration) -> String {
    let mut text = String::new();
    let mut left = duration.as_millis();
    for (unit, milliseconds) in UNITS {
        let milliseconds = u128::from(milliseconds);
        let number = left.checked_div(milliseconds).unwrap_or_default();
        left = left.checked_rem(milliseconds).unwrap_or_default();
        if number > 0 {
            text.push_str(&format!("{number}{unit}"));
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_unit_is_read_and_units_add_up() {
        let cases = [
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("90m", 5_400_000),
            ("0s", 0),
            ("3650d", 315_360_000_000),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(
                parse(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        let cases = [
            "", " ", "5", "s", "5 m", " 5m", "5m ", "-5m", "+5m", "1.5h", "5min", "5M", "5m5m",
            "30m1h", "1s\0", "5µs", "٣s", "off",
        ];
        for text in cases {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_large_is_still_too_long() {
        for text in [
            "3650d1ms",
            "18446744073709551616s",
            "18446744073709551615d",
            &format!("{}ms", "9".repeat(1000)),
        ] {
            assert!(parse(text).unwrap() > LONGEST, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for text in ["0s", "1ms", "2m", "1h30m", "1d2h3m4s5ms", "3650d"] {
            assert_eq!(parse(text).map(show).as_deref(), Some(text));
        }
        assert_eq!(parse("5400s").map(show).as_deref(), Some("1h30m"));
    }
}
