//! A tree of JSON or YAML in which every key and value has its position in the file.

mod base64;
mod json;
mod origin;
mod scalar;
mod yaml;

pub use base64::decode as from_base64;
pub use json::read as from_json;
pub use origin::Origin;
pub use yaml::{SyntaxError, documents as from_yaml};

use std::rc::Rc;

use super::Span;

/// A value and its position.
#[derive(Debug)]
pub struct Node {
    /// In bytes of the file; empty for a value that is not written, such as that of `key:`.
    pub span: Span,
    pub value: Value,
}

#[derive(Debug)]
pub enum Value {
    Null,
    Bool(bool),
    /// In the syntax of JSON (RFC 8259 6).
    Number(String),
    String(Text),
    /// The nodes are shared, because a YAML alias refers to one.
    List(Vec<Rc<Node>>),
    /// In file order, with duplicate keys.
    Object(Vec<Member>),
}

/// A decoded string, and its notation in the file.
#[derive(Debug)]
pub struct Text {
    pub text: String,
    pub quoting: Quoting,
}

/// The notation of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// A YAML plain scalar.
    Plain,
    /// A YAML string in single quotes.
    Single,
    /// A string in double quotes with escapes, in JSON or YAML.
    Double,
    /// A YAML block scalar: `|` or `>`.
    Block,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub struct Member {
    pub key: String,
    /// The key's position, with its quotes.
    pub span: Span,
    pub value: Rc<Node>,
}

impl Node {
    pub fn members(&self) -> &[Member] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    pub fn items(&self) -> &[Rc<Node>] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The first member with one of these keys: protobuf JSON takes `snake_case` and `camelCase`.
    pub fn member(&self, keys: &[&str]) -> Option<&Member> {
        let mut members = self.members().iter();
        members.find(|member| keys.contains(&member.key.as_str()))
    }

    pub fn get(&self, key: &str) -> Option<&Rc<Node>> {
        self.member(&[key]).map(|member| &member.value)
    }

    /// The string below a key.
    pub fn string(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(&text.text),
            _ => None,
        }
    }

    /// Serializes the tree to JSON and keeps duplicate keys, so that the policy crate reports them.
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        self.write(&mut json, None);
        json
    }

    /// Serializes the tree to JSON with `other` in place of `node`.
    pub fn to_json_with(&self, node: &Self, other: &str) -> String {
        let mut json = String::new();
        self.write(&mut json, Some((node, other)));
        json
    }

    fn write(&self, json: &mut String, replaced: Option<(&Self, &str)>) {
        if let Some((node, other)) = replaced
            && std::ptr::eq(self, node)
        {
            json.push_str(other);
            return;
        }
        let separator = |index| if index > 0 { "," } else { "" };
        match &self.value {
            Value::Null => json.push_str("null"),
            Value::Bool(value) => json.push_str(&value.to_string()),
            Value::Number(number) => json.push_str(number),
            Value::String(text) => json.push_str(&quoted(&text.text)),
            Value::List(items) => {
                json.push('[');
                for (index, item) in items.iter().enumerate() {
                    json.push_str(separator(index));
                    item.write(json, replaced);
                }
                json.push(']');
            }
            Value::Object(members) => {
                json.push('{');
                for (index, member) in members.iter().enumerate() {
                    json.push_str(separator(index));
                    json.push_str(&quoted(&member.key));
                    json.push(':');
                    member.value.write(json, replaced);
                }
                json.push('}');
            }
        }
    }
}

/// Quotes and escapes a string for JSON.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
