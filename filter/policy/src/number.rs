//! Numbers in messages.
use std::fmt;

/// A number as messages show it, with up to six decimals: no key of a policy needs more. What the standard library
/// writes numbers with is exact for all of them, and 16 KiB of the module.
pub(crate) struct Shown(pub(crate) f64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: f64 = 1e19;
        const MILLION: u64 = 1_000_000;
        let magnitude = self.0.abs();
        let sign = if self.0 < 0.0 { "-" } else { "" };
        if magnitude.fract() == 0.0 {
            return match magnitude {
                DIGITS.. => f.write_str("a number of more than 19 digits"),
                _ => write!(f, "{sign}{}", magnitude as u64),
            };
        }
        let millionths = (magnitude * MILLION as f64).round();
        if millionths / MILLION as f64 != magnitude {
            return f.write_str("a number with more than 6 decimals");
        }
        let millionths = millionths as u64;
        let decimals = format!("{:06}", millionths % MILLION);
        let decimals = decimals.trim_end_matches('0');
        write!(f, "{sign}{}.{decimals}", millionths / MILLION)
    }
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
    fn other_numbers_are_described() {
        for number in [1e-7, 0.1234567, f64::MIN_POSITIVE] {
            let shown = Shown(number).to_string();
            assert_eq!(shown, "a number with more than 6 decimals");
        }
        for number in [1e19, -1e300, f64::MAX] {
            let shown = Shown(number).to_string();
            assert_eq!(shown, "a number of more than 19 digits");
        }
    }
}
