//! Patterns for names: `*` matches any run of bytes, including none, and `?` any one byte.

/// The longest pattern, in bytes. It bounds the work that a request can cause.
pub(crate) const LONGEST: usize = 256;

/// A pattern of 1 to [`LONGEST`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob(Box<str>);

impl Glob {
    pub(crate) fn new(pattern: &str) -> Option<Self> {
        (1..=LONGEST)
            .contains(&pattern.len())
            .then(|| Self(pattern.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares byte by byte.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        matches(self.0.as_bytes(), text, |pattern, byte| pattern == byte)
    }

    /// Compares ASCII letters without case.
    pub(crate) fn matches_ignoring_case(&self, text: &[u8]) -> bool {
        matches(self.0.as_bytes(), text, |pattern, byte| {
            pattern.eq_ignore_ascii_case(&byte)
        })
    }
}

/// On a mismatch only the last `*` is extended by one byte: extending an earlier one could not match more. So the number
/// of comparisons is at most the product of both lengths.
fn matches(pattern: &[u8], text: &[u8], equal: impl Fn(u8, u8) -> bool) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        (pattern, text) = match (pattern.split_first(), text.split_first()) {
            (None, None) => return true,
            (Some((b'*', after_star)), _) => {
                retry = Some((after_star, text));
                (after_star, text)
            }
            (Some((head, pattern)), Some((byte, text))) if *head == b'?' || equal(*head, *byte) => {
                (pattern, text)
            }
            _ => {
                let Some((after_star, from)) = retry else {
                    return false;
                };
                let Some((_, from)) = from.split_first() else {
                    return false;
                };
                retry = Some((after_star, from));
                (after_star, from)
            }
        };
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn is_match(pattern: &str, text: &str) -> bool {
        Glob::new(pattern).unwrap().matches(text.as_bytes())
    }

    #[test]
    fn star_matches_any_run_and_question_mark_one_byte() {
        for (pattern, text) in [
            ("checkout-*", "checkout-"),
            ("checkout-*", "checkout-eu"),
            ("*.shop.example", "a.b.shop.example"),
            ("*", ""),
            ("**", "x"),
            ("a*b*c", "aXbXbXc"),
            ("v?", "v1"),
            ("*?", "x"),
            ("a**?c", "abc"),
        ] {
            assert!(is_match(pattern, text), "{pattern} should match {text}");
        }
        for (pattern, text) in [
            ("checkout-*", "checkout"),
            ("*.shop.example", "shop.example"),
            ("v?", "v"),
            ("v?", "v10"),
            ("*?", ""),
            ("abc", "abcd"),
            ("abc", "ab"),
            ("a*b", "aXbX"),
            ("Abc", "abc"),
        ] {
            assert!(
                !is_match(pattern, text),
                "{pattern} should not match {text}"
            );
        }
    }

    #[test]
    fn case_is_ignored_on_request() {
        let glob = Glob::new("*.Shop.EXAMPLE").unwrap();
        assert!(glob.matches_ignoring_case(b"API.shop.example"));
        assert!(!glob.matches(b"API.shop.example"));
    }

    #[test]
    fn pattern_length_is_bounded() {
        assert_eq!(Glob::new(""), None);
        assert_eq!(Glob::new(&"a".repeat(LONGEST + 1)), None);
        assert!(Glob::new(&"a".repeat(LONGEST)).is_some());
    }

    #[test]
    fn comparisons_are_bounded_with_many_stars() {
        let pattern = format!("{}c", "a*".repeat(127));
        let text = "a".repeat(2_000);
        let comparisons = std::cell::Cell::new(0_usize);

        let matched = matches(pattern.as_bytes(), text.as_bytes(), |pattern, byte| {
            comparisons.set(comparisons.get() + 1);
            pattern == byte
        });

        assert!(!matched);
        assert!(
            comparisons.get() <= pattern.len() * text.len(),
            "{} comparisons",
            comparisons.get()
        );
    }
}
