//! Recognizes values of the wrong type that YAML's rules or a missing unit explain.

use evenkeel_policy::{Cause, Place, Policy};

use super::tree::{Node, Value, quoted};
use super::{Document, Finding, Fix, Source};

/// Adds a help and a fix to a wrong value if the same text in another notation is a right one, which the policy crate
/// decides.
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
                ..other.add_to(finding)
            }
        }
        // A word such as `on` is wrong even in quotes.
        (None, Some(other)) if matches!(node.value, Value::Bool(_)) => other.add_to(finding),
        _ => finding,
    }
}

/// Another notation of a value.
struct Other {
    /// The value as JSON, which is also YAML.
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

    /// A number without a unit most often means seconds.
    fn duration(written: &str) -> Self {
        Self {
            json: quoted(&format!("{written}s")),
            help: Some(format!(
                "a duration needs a unit: {written} seconds are \"{written}s\""
            )),
        }
    }

    /// Quotes make a string of a number or a boolean.
    fn without_quotes(text: &str) -> Self {
        Self {
            json: text.to_owned(),
            help: None,
        }
    }

    /// Adds the help, unless the message of the policy crate already mentions YAML.
    fn add_to(&self, finding: Finding) -> Finding {
        let help = self.help.clone();
        let help = help.filter(|_| !finding.message.contains("YAML"));
        Finding { help, ..finding }
    }
}

/// The policy crate accepts the value if it is `json`.
fn is_right(document: &Document<'_>, place: &Place, node: &Node, json: &str) -> bool {
    let is_scalar = serde_json::from_str::<serde_json::Value>(json)
        .is_ok_and(|value| !value.is_array() && !value.is_object() && !value.is_null());
    let Some(root) = document.node(&Place::default()).filter(|_| is_scalar) else {
        return false;
    };
    match Policy::parse(root.to_json_with(node, json).as_bytes()) {
        Ok(_) => true,
        Err(errors) => !errors
            .iter()
            .any(|error| error.place() == place && matches!(error.cause(), Cause::Value { .. })),
    }
}
