//! Resolves YAML plain scalars as Kubernetes and Envoy do.
//!
//! Kubernetes reads YAML with go-yaml and Envoy with yaml-cpp. Both follow YAML 1.1, in which `on`, `off`, `yes` and `no` are
//! booleans. The parser reports scalars as text, so this module decides their types.

use super::{Quoting, Text, Value};

const TRUE: [&str; 11] = [
    "true", "True", "TRUE", "on", "On", "ON", "yes", "Yes", "YES", "y", "Y",
];
const FALSE: [&str; 11] = [
    "false", "False", "FALSE", "off", "Off", "OFF", "no", "No", "NO", "n", "N",
];
const NULL: [&str; 5] = ["", "~", "null", "Null", "NULL"];

pub fn resolve(plain: &str) -> Value {
    match plain {
        _ if NULL.contains(&plain) => Value::Null,
        _ if TRUE.contains(&plain) => Value::Bool(true),
        _ if FALSE.contains(&plain) => Value::Bool(false),
        _ => number(plain).map_or_else(|| string(plain), Value::Number),
    }
}

fn string(plain: &str) -> Value {
    Value::String(Text {
        text: plain.to_owned(),
        quoting: Quoting::Plain,
    })
}

/// Converts a number to the syntax of JSON. go-yaml allows `_` between digits and binary, octal and hexadecimal integers.
fn number(plain: &str) -> Option<String> {
    let plain = plain.replace('_', "");
    let digits = plain.strip_prefix(['-', '+']).unwrap_or(&plain);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let sign = if plain.starts_with('-') { "-" } else { "" };
    let integer = match digits.get(..2) {
        Some("0x" | "0X") => i64::from_str_radix(&digits[2..], 16).ok(),
        Some("0o" | "0O") => i64::from_str_radix(&digits[2..], 8).ok(),
        Some("0b" | "0B") => i64::from_str_radix(&digits[2..], 2).ok(),
        Some(_) if digits.starts_with('0') => i64::from_str_radix(digits, 8).ok(),
        _ => digits.parse().ok(),
    };
    if let Some(integer) = integer {
        return Some(format!("{sign}{integer}"));
    }
    let is_decimal = |c: char| c.is_ascii_digit() || ".eE+-".contains(c);
    let value: f64 = digits
        .chars()
        .all(is_decimal)
        .then(|| digits.parse())?
        .ok()?;
    let value = serde_json::Number::from_f64(value)?;
    Some(format!("{sign}{value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(plain: &str) -> String {
        match resolve(plain) {
            Value::String(text) => format!("{:?}", text.text),
            Value::Number(number) => number,
            value => format!("{value:?}"),
        }
    }

    #[test]
    fn yaml_1_1_words_are_booleans_and_null() {
        for word in ["true", "on", "Yes", "ON", "y"] {
            assert_eq!(shown(word), "Bool(true)", "{word}");
        }
        for word in ["false", "off", "No", "OFF", "n"] {
            assert_eq!(shown(word), "Bool(false)", "{word}");
        }
        for word in ["", "~", "null"] {
            assert_eq!(shown(word), "Null", "{word}");
        }
        assert_eq!(shown("oN"), "\"oN\"");
    }

    #[test]
    fn numbers_follow_go_yaml() {
        for (plain, expected) in [
            ("0", "0"),
            ("-7", "-7"),
            ("+5", "5"),
            ("1_000", "1000"),
            ("0x10", "16"),
            ("0o17", "15"),
            ("010", "8"),
            ("0b11", "3"),
            ("0.2", "0.2"),
            (".5", "0.5"),
            ("1e3", "1000.0"),
            ("09", "9.0"),
        ] {
            assert_eq!(shown(plain), expected, "{plain}");
        }
        for plain in [
            "10m",
            "1.2.3",
            "-",
            "0x",
            ".inf",
            "1:30",
            "2026-11-29",
            "e3",
        ] {
            assert_eq!(shown(plain), format!("{plain:?}"));
        }
    }
}
