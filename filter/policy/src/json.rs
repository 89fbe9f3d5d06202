//! The JSON tree of a policy.
//!
//! Unlike `serde_json::Value` it keeps duplicate keys, so that they can be reported. All numbers are doubles, as they are
//! when Envoy converts a protobuf `Struct`.
use crate::error::Cause;
use crate::number::Shown;
use crate::quoted::Quoted;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// One JSON value (RFC 8259 3).
#[derive(Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    List(Vec<Json>),
    /// Members in their order, repeated keys included.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses a text. serde_json limits nesting to 128.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Cause> {
        serde_json::from_slice(text).map_err(|error| syntax(&error))
    }
}

/// Writes scalars, shortened; of lists and objects only the kind.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The most characters of a string in a message.
        const SHOWN: usize = 48;
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{}", Shown(*value)),
            Self::String(text) => {
                let is_long = text.chars().nth(SHOWN).is_some();
                let (shown, rest) = (SHOWN, if is_long { "..." } else { "" });
                write!(f, "{}{rest}", Quoted { text, shown })
            }
            Self::List(_) => f.write_str("a list"),
            Self::Object(_) => f.write_str("an object"),
        }
    }
}

#[inline(never)]
fn syntax(error: &serde_json::Error) -> Cause {
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let message = message
        .strip_suffix(&format!(" at line {line} column {column}"))
        .unwrap_or(&message);
    let message = match message {
        "expected ident" => "expected `true`, `false` or `null`".to_owned(),
        "expected value" => {
            "expected a value: an object, a list, a string in double quotes, a number, \
                             `true`, `false` or `null`"
                .to_owned()
        }
        "key must be a string" => "expected a key in double quotes".to_owned(),
        "trailing comma" => {
            "expected another entry after the comma; JSON has no trailing commas".to_owned()
        }
        "trailing characters" => "expected the end of the policy, but there is more".to_owned(),
        "invalid unicode code point" => "expected UTF-8".to_owned(),
        "recursion limit exceeded" => "nested too deep for a policy".to_owned(),
        _ => match message.strip_prefix("EOF while parsing ") {
            Some(open) => format!("the text ends inside {open}; is it complete?"),
            None => message.to_owned(),
        },
    };
    Cause::Syntax {
        line,
        column,
        message,
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}
