//! Text of a policy in messages.

use std::fmt::{self, Write};

/// The first `shown` characters of a text, in quotes and on one line: characters that cannot be seen are escaped. Rust's
/// `Debug` for text does the same with 6 KiB of code and tables, which every proxy would compile.
pub(crate) struct Quoted<'a> {
    pub(crate) text: &'a str,
    pub(crate) shown: usize,
}

impl<'a> Quoted<'a> {
    /// All of a text.
    pub(crate) fn all(text: &'a str) -> Self {
        let shown = usize::MAX;
        Self { text, shown }
    }
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for char in self.text.chars().take(self.shown) {
            match char {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '"' | '\\' => {
                    f.write_char('\\')?;
                    f.write_char(char)?;
                }
                _ if is_invisible(char) => write!(f, "\\u{{{:x}}}", u64::from(char))?,
                _ => f.write_char(char)?,
            }
        }
        f.write_char('"')
    }
}

/// Controls, separators other than the space, fillers, and what has no width or changes the direction of the text around it
/// (Unicode categories Cc, Zs, Zl, Zp and the usual ones of Cf).
fn is_invisible(char: char) -> bool {
    matches!(char,
        '\0'..='\x1f' | '\x7f'..='\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1680}' | '\u{180e}'
        | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{3164}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn text_is_quoted_like_debug() {
        for text in [
            "",
            "plain",
            "\"\\'`",
            "a\nb\r\tc\0\x7f",
            "grüße 漢字 🎉",
            "\u{feff}\u{200b}\u{202e}\u{2028}\u{ad}",
        ] {
            let debug = format!("{text:?}").replace("\\0", "\\u{0}");
            assert_eq!(Quoted::all(text).to_string(), debug);
        }
    }

    #[test]
    fn only_the_first_characters_are_shown() {
        let quoted = Quoted {
            text: "ä\nb",
            shown: 2,
        };
        assert_eq!(quoted.to_string(), r#""ä\n""#);
    }
}
