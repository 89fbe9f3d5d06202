//! Values that are something else than they look like: by YAML's rules, or for want of a unit.

use evenkeel_policy::{Cause, Place, Policy};

use super::tree::{Node, Value, quoted};
use super::{Document, Finding, Fix, Source};

/// Says of a wrong value what would be right, where that is the same text written in another way. The policy crate is asked
/// whether it would be.
pub fn of_value(source: &Source, document: &Document<'_>, finding: Finding) -> Finding {
    let Some(node) = document.node(&finding.place) else {
        return finding;
    };
    let written = source.text().get(node.span.clone()).unwrap_or_default();
    let others = match &node.value {
        Value::Bool(value) => vec![Other::in_quotes(written, &value.to_string())],
        Value::Number(_) => vec![
            Other::in_quotes(written, "a number"),
            Other::duration(written),
        ],
        Value::String(text) => vec![Other::without_quotes(&text.text)],
        Value::Null | Value::List(_) | Value::Object(_) => Vec::new(),
    };
    let is_right = |other: &&Other| is_right(document, &finding.place, node, &other.json);
    match (others.iter().find(is_right), others.first()) {
        (Some(other), _) => {
            let fix = Fix {
                span: node.span.clone(),
                text: other.json.clone(),
            };
            let fix = Some(fix).filter(|_| !source.is_escaped());
            Finding {
                fix,
                ..other.told(finding)
            }
        }
        // A word such as `on`, which is wrong in quotes, too.
        (None, Some(other)) if matches!(node.value, Value::Bool(_)) => other.told(finding),
        _ => finding,
    }
}

/// Another way to write a value.
struct Other {
    /// The value as JSON, which YAML takes, too.
    json: String,
    help: Option<String>,
}

impl Other {
    fn in_quotes(written: &str, read_as: &str) -> Self {
        let help = format!("without quotes, YAML reads {written} as {read_as}");
        Self {
            json: quoted(written),
            help: (written != read_as).then_some(help),
        }
    }

    /// In seconds, as most who forget the unit mean.
    fn duration(written: &str) -> Self {
        Self {
            json: quoted(&format!("{written}s")),
            help: Some(format!(
                "a number is no duration: with a unit, {written} seconds are \"{written}s\""
            )),
        }
    }

    /// What YAML makes a string because of its quotes.
    fn without_quotes(text: &str) -> Self {
        Self {
            json: text.to_owned(),
            help: None,
        }
    }

    /// The policy crate names YAML where it guesses it.
    fn told(&self, finding: Finding) -> Finding {
        let help = self.help.clone();
        let help = help.filter(|_| !finding.message.contains("YAML"));
        Finding { help, ..finding }
    }
}

/// With `json` in its place, the value is not told to be wrong.
fn is_right(document: &Document<'_>, place: &Place, node: &Node, json: &str) -> bool {
    let is_scalar = serde_json::from_str::<serde_json::Value>(json)
        .is_ok_and(|value| !value.is_array() && !value.is_object() && !value.is_null());
    let Some(whole) = document.node(&Place::default()).filter(|_| is_scalar) else {
        return false;
    };
    match Policy::parse(whole.to_json_with(node, json).as_bytes()) {
        Ok(_) => true,
        Err(errors) => !errors
            .iter()
            .any(|error| error.place() == place && matches!(error.cause(), Cause::Value { .. })),
    }
}
