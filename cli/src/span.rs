//! Durations on the command line, in the notation of a policy.

use std::time::Duration;

const UNITS: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// The maximum: a week.
const LONGEST: f64 = 7.0 * 24.0 * 3600.0;

/// Parses `250ms`, `1.5s`, `10m`, `1h`.
///
/// # Errors
/// A message if the text is not a duration of at most a week.
pub fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let seconds = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .and_then(|(_, seconds)| Some(digits.parse::<f64>().ok()? * seconds));
    match seconds {
        Some(seconds) if (0.0..=LONGEST).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Some(_) => Err("it must be from 0s to 168h".to_owned()),
        None => Err("it is a number with a unit, such as 250ms, 1.5s, 10m or 1h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_is_a_number_and_a_unit() {
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "5", "s", "-1s", "1d", "NaNs", "1e9h", "200h"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
