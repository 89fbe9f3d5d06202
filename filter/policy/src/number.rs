//! Numbers in messages.
use std::fmt;

/// A number as messages show it: exactly if it is whole or has up to six decimals, else about. What the standard
/// library writes numbers with is exact for all of them, and 16 KiB of the module.
pub(crate) struct Shown(pub(crate) f64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MILLION: u64 = 1_000_000;
        /// Above it, a double holds whole numbers only.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let magnitude = self.0.abs();
        let sign = if self.0 < 0.0 { "-" } else { "" };
        let is_whole = magnitude.fract() == 0.0;
        if magnitude >= 1e19 || (magnitude < 1e-6 && !is_whole) {
            let (digit, exponent) = one_digit(magnitude);
            return write!(f, "about {sign}{digit}e{exponent}");
        }
        let millionths = (magnitude * MILLION as f64).round();
        if is_whole || millionths >= EXACT {
            let about = if is_whole { "" } else { "about " };
            return write!(f, "{about}{sign}{}", magnitude.round() as u64);
        }
        let is_exact = millionths / MILLION as f64 == magnitude;
        let about = if is_exact { "" } else { "about " };
        let millionths = millionths as u64;
        let decimals = format!("{:06}", millionths % MILLION);
        let decimals = decimals.trim_end_matches('0');
        let point = if decimals.is_empty() { "" } else { "." };
        write!(f, "{about}{sign}{}{point}{decimals}", millionths / MILLION)
    }
}

/// The first digit of a positive number, rounded, and its power of ten.
fn one_digit(magnitude: f64) -> (u64, i32) {
    let (mut number, mut exponent) = (magnitude, 0_i32);
    while number >= 9.5 && exponent < 400 {
        (number, exponent) = (number / 10.0, exponent.saturating_add(1));
    }
    while number < 0.95 && exponent > -400 {
        (number, exponent) = (number * 10.0, exponent.saturating_sub(1));
    }
    (number.round() as u64, exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn numbers_are_shown_as_they_are_written() {
        for text in [
            "0",
            "7",
            "-1",
            "0.1",
            "-0.25",
            "2.5",
            "0.000001",
            "1.000001",
            "16384.3",
            "999999.999999",
            "9007199254740992",
        ] {
            assert_eq!(Shown(text.parse().unwrap()).to_string(), text);
        }
    }

    #[test]
    fn other_numbers_are_shown_about() {
        for (number, text) in [
            (0.123_456_78, "about 0.123457"),
            (-1.000_000_1, "about -1"),
            (1e-7, "about 1e-7"),
            (f64::MIN_POSITIVE, "about 2e-308"),
            (9_999_999_999_999.5, "about 10000000000000"),
            (-20_000_000_000_000.5, "about -20000000000001"),
            (1e19, "about 1e19"),
            (-1e300, "about -1e300"),
            (f64::MAX, "about 2e308"),
        ] {
            assert_eq!(Shown(number).to_string(), text);
        }
    }
}
