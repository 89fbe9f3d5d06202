//! A policy as it was written: the same keys in the same order, so that whoever reads a manifest finds
//! the file again. As YAML for resources of Kubernetes, as JSON for Envoy's own configuration.

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
    /// As a YAML block, each line behind `indent` spaces.
    pub fn to_yaml(&self, indent: usize) -> String {
        let mut text = String::new();
        block(self, indent, &mut text);
        text
    }

    /// As JSON over several lines, each behind `indent` spaces, of characters that may stand in a YAML
    /// block scalar.
    pub fn to_json(&self, indent: usize) -> String {
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        let margin = " ".repeat(indent);
        let lines: Vec<_> = json.lines().map(|line| format!("{margin}{line}")).collect();
        scalar::printable(&lines.join("\n"))
    }
}

fn block(document: &Document, indent: usize, out: &mut String) {
    let margin = " ".repeat(indent);
    match document {
        Document::Object(members) => {
            for (key, value) in members {
                let _ = write!(out, "{margin}{}:", scalar::string(key));
                member(value, indent, out);
            }
        }
        Document::List(items) => {
            for item in items {
                let mut text = String::new();
                match item {
                    Document::Scalar(_) => member(item, indent, &mut text),
                    _ => block(item, indent + 2, &mut text),
                }
                let _ = writeln!(out, "{margin}- {}", text.trim());
            }
        }
        Document::Scalar(value) => {
            let _ = writeln!(out, "{margin}{}", scalar::of(value));
        }
    }
}

/// What stands behind a key.
fn member(value: &Document, indent: usize, out: &mut String) {
    match value {
        Document::Object(members) if members.is_empty() => out.push_str(" {}\n"),
        Document::List(items) if items.is_empty() => out.push_str(" []\n"),
        Document::Scalar(value) => {
            let _ = writeln!(out, " {}", scalar::of(value));
        }
        _ => {
            out.push('\n');
            block(value, indent + 2, out);
        }
    }
}
