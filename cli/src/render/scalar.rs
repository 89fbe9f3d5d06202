//! YAML scalars that every reader takes for what they are.
//!
//! Kubernetes reads YAML 1.1, where `off`, `1_000` and `2024-01-01` are no strings; Envoy and most
//! libraries read 1.2. So a string stands bare only where no version could see anything else in it, and
//! all others in double quotes, with JSON's escapes, which are YAML's too.

use std::fmt::Write;

use serde_json::Value;

/// Bare words that YAML 1.1 or 1.2 reads as something else, in lower case.
const TAKEN: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

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
        && !TAKEN.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        text.to_owned()
    } else {
        printable(&Value::from(text).to_string())
    }
}

/// Escapes what stands in JSON's strings as it is and is not printable in YAML (YAML 1.2 5.1), or is
/// taken for the end of a line by one of its versions.
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
    fn a_string_stands_bare_only_where_nobody_sees_anything_else_in_it() {
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
    fn what_yaml_cannot_print_is_escaped() {
        assert_eq!(string("a\nb"), r#""a\nb""#);
        assert_eq!(
            string("\u{7f}\u{85}\u{2028}\u{feff}"),
            r#""\u007f\u0085\u2028\ufeff""#
        );
        assert_eq!(string("größer"), "\"größer\"");
    }
}
