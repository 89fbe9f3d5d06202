//! JSON or YAML as a tree in which every key and value has its place in the file.

mod json;
mod origin;
mod scalar;
mod yaml;

pub use json::read as from_json;
pub use origin::Origin;
pub use yaml::{SyntaxError, documents as from_yaml};

use std::rc::Rc;

use super::Span;

/// A value and where it stands.
#[derive(Debug)]
pub struct Node {
    /// In the file; the place where it would be for a value that is not written.
    pub span: Span,
    pub value: Value,
}

#[derive(Debug)]
pub enum Value {
    Null,
    Bool(bool),
    /// As JSON writes it (RFC 8259 6).
    Number(String),
    String(Text),
    /// Shared: a YAML alias stands for the same node.
    List(Vec<Rc<Node>>),
    /// In the order of the text, repeated keys included.
    Object(Vec<Member>),
}

/// A string, and how the file writes it.
#[derive(Debug)]
pub struct Text {
    pub text: String,
    pub quoting: Quoting,
}

/// How a string is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// YAML without quotes.
    Plain,
    /// YAML in single quotes.
    Single,
    /// JSON or YAML in double quotes, with escapes.
    Double,
    /// A YAML block: `|` or `>`.
    Block,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub struct Member {
    pub key: String,
    /// Of the key, quotes included.
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

    /// As JSON, which keeps a key that stands twice.
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        self.write(&mut json, None);
        json
    }

    /// As JSON, with other JSON in the place of one node in it.
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

/// As a string of JSON.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
