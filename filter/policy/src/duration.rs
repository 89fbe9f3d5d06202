//! Durations such as `250ms`, `30s`, `1h30m`.
use core::time::Duration;

/// Ten years: longer than any connection, and short enough to add to any clock.
pub(crate) const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// The units from long to short, each with its length in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Parses numbers with units, longer units first, each unit once. A duration too large for the type becomes the largest
/// one, which is above [`LONGEST`].
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut units = UNITS.iter();
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (number, after) = split(rest, |c: char| c.is_ascii_digit());
        let (unit, after) = split(after, |c: char| c.is_ascii_alphabetic());
        let (_, milliseconds) = units.find(|(name, _)| *name == unit)?;
        total = digits(number)?
            .saturating_mul(*milliseconds)
            .saturating_add(total);
        rest = after;
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

/// Writes `duration`, truncated to milliseconds, as briefly as a policy can, such as `1h30m`.
pub fn show(duration: Duration) -> String {
    let mut text = String::new();
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    for (unit, milliseconds) in UNITS {
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
    fn units_add_up() {
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
    fn other_texts_are_rejected() {
        let cases = [
            "", " ", "5", "s", "5 m", " 5m", "5m ", "-5m", "+5m", "1.5h", "5min", "5M", "5m5m",
            "30m1h", "1s\0", "5µs", "٣s", "off",
        ];
        for text in cases {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn overflow_stays_above_the_longest_duration() {
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
    fn shown_durations_parse_to_the_same() {
        for text in ["0s", "1ms", "2m", "1h30m", "1d2h3m4s5ms", "3650d"] {
            assert_eq!(parse(text).map(show).as_deref(), Some(text));
        }
        assert_eq!(parse("5400s").map(show).as_deref(), Some("1h30m"));
    }
}
