//! Numbers as people read them.

/// Formats `30000` as `30,000`.
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a value with three significant digits and all digits before the decimal point.
pub fn rounded(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = (2.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Formats seconds in their two largest units, as a policy writes a duration where that is exact.
pub fn duration(seconds: f64) -> String {
    const UNITS: [(&str, f64); 4] = [("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];
    if seconds < 1.0 {
        return format!("{}ms", (seconds * 1000.0).round());
    }
    if seconds < 59.95 {
        return format!("{}s", rounded(seconds));
    }
    let larger = UNITS
        .windows(2)
        .find(|pair| (seconds / pair[1].1).round() * pair[1].1 >= pair[0].1);
    let [(unit, length), (small, small_length)] = larger.unwrap_or(&UNITS[2..]) else {
        return format!("{}s", rounded(seconds));
    };
    let smalls = (seconds / small_length).round();
    let per_unit = length / small_length;
    match (smalls / per_unit).floor() {
        units if smalls % per_unit > 0.0 => format!("{units}{unit}{}{small}", smalls % per_unit),
        units => format!("{units}{unit}"),
    }
}

/// Formats a fraction as whole percents, with one decimal where rounding would show it as nothing or as everything.
pub fn percent(fraction: f64) -> String {
    let percents = fraction * 100.0;
    if (percents > 0.0 && percents < 1.0) || (percents > 99.0 && percents < 100.0) {
        format!("{percents:.1} %")
    } else {
        format!("{percents:.0} %")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated_by_commas() {
        assert_eq!(
            [7, 1_000, 1_234_567].map(thousands),
            ["7", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn values_have_three_significant_digits() {
        let values = [0.0, 0.000_12, 0.617_28, 9.259, 37.04, 99.99, 1234.5];
        assert_eq!(
            values.map(rounded),
            ["0", "0.00012", "0.617", "9.26", "37", "100", "1234"]
        );
    }

    #[test]
    fn durations_have_two_units() {
        let seconds = [
            0.25, 4.5, 54.0, 59.97, 60.0, 90.0, 1620.0, 3599.9, 5400.0, 86400.0, 100_000.0,
        ];
        assert_eq!(
            seconds.map(duration),
            [
                "250ms", "4.5s", "54s", "1m", "1m", "1m30s", "27m", "1h", "1h30m", "1d", "1d4h"
            ]
        );
    }

    #[test]
    fn percentages_do_not_round_to_nothing_or_everything() {
        assert_eq!(
            [1.0, 0.9967, 0.6667, 0.002, 0.0].map(percent),
            ["100 %", "99.7 %", "67 %", "0.2 %", "0 %"]
        );
    }
}
