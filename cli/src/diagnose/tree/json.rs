//! Reads JSON into a tree.

use std::rc::Rc;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::{Member, Node, Origin, Quoting, Text, Value};
use crate::diagnose::Span;

/// Reads `text`, whose positions in the file are those of `origin`. It accepts more than JSON, because the policy crate
/// decides what is JSON. None if even this parser fails.
pub fn read(text: &str, origin: &Origin) -> Option<Rc<Node>> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default());
    Some(node(&parsed.ok()?.value?, origin))
}

fn node(value: &ast::Value<'_>, origin: &Origin) -> Rc<Node> {
    let span = span(value, origin);
    let value = match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
        ast::Value::NumberLit(literal) => Value::Number(literal.value.to_owned()),
        ast::Value::StringLit(literal) => Value::String(Text {
            text: literal.value.clone().into_owned(),
            quoting: Quoting::Double,
        }),
        ast::Value::Array(array) => {
            let items = array.elements.iter().map(|item| node(item, origin));
            Value::List(items.collect())
        }
        ast::Value::Object(object) => {
            let members = object.properties.iter().map(|member| Member {
                key: member.name.as_str().to_owned(),
                span: self::span(&member.name, origin),
                value: node(&member.value, origin),
            });
            Value::Object(members.collect())
        }
    };
    Rc::new(Node { span, value })
}

fn span(ranged: &impl Ranged, origin: &Origin) -> Span {
    origin.span(ranged.start()..ranged.end())
}
