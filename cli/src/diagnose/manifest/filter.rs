//! A wasm filter in a manifest or configuration, and its policy.

use std::rc::Rc;

use evenkeel_policy::{Place, Policy, Role};

use super::is_policy;
use crate::diagnose::source::{Form, Object};
use crate::diagnose::tree::{self, Member, Node, Origin, Text, Value};
use crate::diagnose::{File, Finding, Severity, Source, Span};

/// A wasm filter.
pub struct Filter<'a> {
    pub object: Object,
    /// Names of the filter, its module and its VM.
    pub names: Vec<String>,
    pub config: Config<'a>,
}

/// How a filter contains its configuration.
pub enum Config<'a> {
    /// An object, which Istio and Envoy Gateway convert to JSON.
    Object(Option<&'a Member>),
    /// A protobuf message in an Any, for Envoy.
    Any(Option<&'a Member>),
}

impl<'a> Filter<'a> {
    pub fn name(&self) -> String {
        self.object.name.clone()
    }

    pub fn is_ours(&self) -> bool {
        let is_named_so = |name: &String| name.to_ascii_lowercase().contains("evenkeel");
        self.names.iter().any(is_named_so) || self.policy().is_some_and(has_policy)
    }

    /// The value that should be the policy.
    fn policy(&self) -> Option<&'a Node> {
        match self.config {
            Config::Object(member) => Some(&member?.value),
            Config::Any(member) => {
                let any = &member?.value;
                Some(any.get("value").unwrap_or(any))
            }
        }
    }

    pub fn source(&self, file: &Rc<File>) -> Source {
        match self.config {
            Config::Object(member) => self.of_object(file, member),
            Config::Any(member) => self.of_message(file, member),
        }
    }

    fn of_object(&self, file: &Rc<File>, member: Option<&Member>) -> Source {
        let Some(member) = member else {
            return self.embedded(file, None, Vec::new(), Form::Missing);
        };
        let mut source = self.of_value(file, member);
        if let Value::String(_) = member.value.value {
            let message = format!(
                "`{}` is a string, but must be an object: remove the `|` and write the policy as YAML below it",
                member.key
            );
            source.push(wrong_form(message, &member.span));
        }
        source
    }

    fn of_message(&self, file: &Rc<File>, any: Option<&Member>) -> Source {
        let Some(any) = any else {
            return self.embedded(file, None, Vec::new(), Form::Missing);
        };
        let kind = any.value.member(&["@type"]);
        let Some((kind, name)) = kind.and_then(|kind| Some((kind, kind.value.as_str()?))) else {
            let mut source = self.of_value(file, any.value.member(&["value"]).unwrap_or(any));
            source.push(wrong_form(STRING_VALUE.to_owned(), &any.span));
            return source;
        };
        let value = any.value.member(&["value"]);
        let text = value.and_then(|value| value.value.as_str());
        let name = name.rsplit(['/', '.']).next();
        // Envoy decodes this message, too.
        let bytes = text
            .filter(|_| name == Some("BytesValue"))
            .and_then(tree::from_base64);
        let mut source = match (value, bytes) {
            (Some(value), Some(json)) => {
                let form = Form::Text(Origin::encoded(value.value.span.start));
                return self.embedded(file, Some(&value.span), json, form);
            }
            (Some(value), None) => self.of_value(file, value),
            (None, _) => self.embedded(file, Some(&any.span), Vec::new(), Form::Missing),
        };
        match name {
            Some("StringValue") if value.is_none() || text.is_some() => {}
            Some("StringValue") => {
                let span = value.map_or(&any.span, |value| &value.span);
                source.push(wrong_form(NO_TEXT.to_owned(), span));
            }
            Some("Struct") => source.push(is_struct(&kind.value.span)),
            _ => source.push(wrong_form(STRING_VALUE.to_owned(), &kind.value.span)),
        }
        source
    }

    /// Takes the value of `member` as the policy.
    fn of_value(&self, file: &Rc<File>, member: &Member) -> Source {
        let node = &member.value;
        let (json, form) = match &node.value {
            Value::String(Text { text, quoting }) => {
                let origin = Origin::of(text, *quoting, file.text(), &node.span);
                (text.clone(), Form::Text(origin))
            }
            Value::Null => (String::new(), Form::Missing),
            _ => (node.to_json(), Form::Tree(Rc::clone(node))),
        };
        self.embedded(file, Some(&member.span), json.into_bytes(), form)
    }

    fn embedded(&self, file: &Rc<File>, key: Option<&Span>, json: Vec<u8>, form: Form) -> Source {
        let mut object = self.object.clone();
        if let Some(key) = key {
            object.key = key.clone();
        }
        Source::embedded(file, object, json, form)
    }
}

const STRING_VALUE: &str = "`configuration` must be a `type.googleapis.com/google.protobuf.StringValue` whose `value` is the policy \
                            as JSON";

const NO_TEXT: &str = "the `value` of a google.protobuf.StringValue must be a string: write `value: |` and the policy as JSON below it";

fn has_policy(node: &Node) -> bool {
    match &node.value {
        Value::String(text) => {
            tree::from_json(&text.text, &Origin::file()).is_some_and(|policy| is_policy(&policy))
        }
        _ => is_policy(node),
    }
}

fn wrong_form(message: String, span: &Span) -> Finding {
    Finding::new(Severity::Error, "wrong-form", message, Place::default()).at(Some(span.clone()))
}

/// The module's own message about a Struct.
fn is_struct(span: &Span) -> Finding {
    /// `{"version": 1}` as Envoy passes it to the module.
    const STRUCT: &[u8] = b"\n\x14\n\x07version\x12\t\x11\0\0\0\0\0\0\xf0?";
    let message = match Policy::parse(STRUCT) {
        Err(errors) => errors.to_string(),
        Ok(_) => STRING_VALUE.to_owned(),
    };
    Finding::new(Severity::Error, "protobuf", message, Place::default())
        .at(Some(span.clone()))
        .help("write `value: |` and the policy as JSON below it")
}

/// The role of a policy in a network filter or an HTTP filter.
pub fn role(is_network: bool) -> Role {
    match is_network {
        true => Role::Network,
        false => Role::Http,
    }
}
