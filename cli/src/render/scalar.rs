//! YAML scalars that have the same meaning in every YAML version.
//!
//! Kubernetes reads YAML 1.1, where `off`, `1_000` and `2024-01-01` are no strings; Envoy and most
//! libraries read 1.2. So a string is unquoted only where no version reads another type, and is otherwise in double
//! quotes with JSON's escapes, which YAML has too.

use std::fmt::Write;

use serde_json::Value;

/// Plain words that YAML 1.1 or 1.2 does not read as strings, in lower case.
const NON_STRING_WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

pub fn of(value: &Value) -> String {
    match value {
        Value::String(text) => string(text),
        other => other.to_string(),
    }
}

pub fn string(text: &str) -> String {
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
        && !NON_STRING_WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        text.to_owned()
    } else {
        printable(&Value::from(text).to_string())
    }
}

/// Escapes characters that JSON strings may contain but YAML does not print (YAML 1.2 5.1), or that one of its versions
/// reads as a line end.
pub fn printable(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        let bare = matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}')
            || matches!(c, '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..);
        if bare {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_is_unquoted_only_if_unambiguous() {
        for bare in [
            "shop",
            "evenkeel-network",
            "registry.example/shop",
            "istio_1",
        ] {
            assert_eq!(string(bare), bare);
        }
        for quoted in [
            "off",
            "Yes",
            "N",
            "NULL",
            "1_000",
            "1e3",
            "30m",
            "2024-01-01",
            ".inf",
            "~",
            "",
            "a b",
            "a:",
        ] {
            assert_eq!(string(quoted), format!("\"{quoted}\""));
        }
    }

    #[test]
    fn unprintable_characters_are_escaped() {
        assert_eq!(string("a\nb"), r#""a\nb""#);
        assert_eq!(
            string("\u{7f}\u{85}\u{2028}\u{feff}"),
            r#""\u007f\u0085\u2028\ufeff""#
        );
        assert_eq!(string("größer"), "\"größer\"");
    }
}
