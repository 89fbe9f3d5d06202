//! A policy with its keys in the order of the file, so that a manifest can be compared with the file. It is rendered as
//! YAML for Kubernetes resources and as JSON for Envoy's own configuration.

use std::fmt::Write;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::scalar;

/// A JSON value whose members keep their order.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Document {
    Object(IndexMap<String, Document>),
    List(Vec<Document>),
    Scalar(Value),
}

impl Document {
    /// Renders a YAML block, indented by `indent` spaces.
    pub fn to_yaml(&self, indent: usize) -> String {
        let mut text = String::new();
        block(self, indent, &mut text);
        text
    }

    /// Renders JSON on several lines, indented by `indent` spaces, with only characters that a YAML block scalar
    /// accepts.
    pub fn to_json(&self, indent: usize) -> String {
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        let margin = " ".repeat(indent);
        let lines: Vec<_> = json.lines().map(|line| format!("{margin}{line}")).collect();
        scalar::printable(&lines.join("\n"))
    }
}

fn block(document: &Document, indent: usize, out: &mut String) {
    let margin = " ".repeat(indent);
    if let Some(line) = one_line(document) {
        let _ = writeln!(out, "{margin}{line}");
        return;
    }
    match document {
        Document::Object(members) => {
            for (key, value) in members {
                let key = scalar::string(key);
                match one_line(value) {
                    Some(line) => {
                        let _ = writeln!(out, "{margin}{key}: {line}");
                    }
                    None => {
                        let _ = writeln!(out, "{margin}{key}:");
                        block(value, indent + 2, out);
                    }
                }
            }
        }
        Document::List(items) => {
            for item in items {
                let mut text = String::new();
                block(item, indent + 2, &mut text);
                // The first line of the block follows the dash.
                let _ = write!(out, "{margin}- {}", text.trim_start());
            }
        }
        Document::Scalar(_) => {}
    }
}

/// Renders a value that fits on the line of its key; None if it needs a block.
fn one_line(document: &Document) -> Option<String> {
    match document {
        Document::Object(members) => members.is_empty().then(|| "{}".to_owned()),
        Document::List(items) => items.is_empty().then(|| "[]".to_owned()),
        Document::Scalar(value) => Some(scalar::of(value)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let words = prop::sample::select(vec![
            "off",
            "Yes",
            "1_000",
            "0x1F",
            "2024-01-01",
            "1e3",
            "~",
            "a: b",
            "- a",
        ]);
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            (-8000..8000).prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
            any::<String>().prop_map(Value::from),
            words.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn document(value: &Value) -> Document {
        serde_json::from_value(value.clone()).expect("every value is a document")
    }

    proptest! {
        #[test]
        fn any_policy_survives_yaml(value in any_json()) {
            let nested = Value::from_iter([("config", value)]);

            let yaml = document(&nested).to_yaml(0);

            let read: Value = serde_saphyr::from_str(&yaml).expect("valid YAML");
            prop_assert_eq!(read, nested);
        }

        #[test]
        fn any_policy_survives_a_json_block(value in any_json()) {
            let nested = Value::from_iter([("config", value)]);

            let yaml = format!("value: |\n{}\n", document(&nested).to_json(2));

            let read: Value = serde_saphyr::from_str(&yaml).expect("valid YAML");
            let json = read["value"].as_str().expect("a text");
            prop_assert_eq!(serde_json::from_str::<Value>(json).expect("valid JSON"), nested);
        }
    }

    #[test]
    fn keys_keep_their_order() {
        let document: Document =
            serde_json::from_str(r#"{"z": 1, "a": [{"y": 2, "b": []}, 3]}"#).expect("a document");

        assert_eq!(
            document.to_yaml(2),
            "  z: 1\n  a:\n    - \"y\": 2\n      b: []\n    - 3\n"
        );
    }
}
