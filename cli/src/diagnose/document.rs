//! A policy as a tree whose nodes have positions in the file.
//!
//! The policy crate decides whether a policy is valid; this tree only locates its parts.

use std::rc::Rc;

use evenkeel_policy::{Place, Step};

use super::source::Form;
use super::tree::{self, Member, Node, Origin};
use super::{Source, Span};

/// A policy as a tree, if its text could be parsed.
pub struct Document<'a> {
    source: &'a Source,
    tree: Option<Rc<Node>>,
}

/// The position of a value and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The key with its quotes, if there is one.
    pub key: Option<Span>,
    pub value: Span,
}

impl Location {
    /// The span of the key or, without one, of the value.
    pub fn name(&self) -> Span {
        self.key.clone().unwrap_or_else(|| self.value.clone())
    }
}

impl<'a> Document<'a> {
    pub fn of(source: &'a Source) -> Self {
        let tree = match source.form() {
            Form::File => tree::from_json(source.text(), &Origin::file()),
            Form::Text(origin) => tree::from_json(&String::from_utf8_lossy(source.json()), origin),
            Form::Tree(node) => Some(Rc::clone(node)),
            Form::Missing | Form::None => None,
        };
        Self { source, tree }
    }

    /// Finds a place; of a repeated key, the first.
    pub fn find(&self, place: &Place) -> Option<Location> {
        self.nth(place, 0)
    }

    /// Finds the `n`th occurrence of a place, from 0: a key may be repeated.
    pub fn nth(&self, place: &Place, n: usize) -> Option<Location> {
        let (member, node) = self.walk(place, n)?;
        let key = member.map(|member| member.span.clone());
        let value = match &key {
            // A value that is not written is shown by its key.
            Some(key) if node.span.is_empty() => key.clone(),
            _ => node.span.clone(),
        };
        Some(Location { key, value })
    }

    /// The value at a place.
    pub fn node(&self, place: &Place) -> Option<&Rc<Node>> {
        self.walk(place, 0).map(|(_, node)| node)
    }

    fn walk(&self, place: &Place, n: usize) -> Option<(Option<&Member>, &Rc<Node>)> {
        let mut node = self.tree.as_ref()?;
        let mut found = None;
        let mut steps = place.steps().iter().peekable();
        while let Some(step) = steps.next() {
            match step {
                Step::Key(name) => {
                    let n = if steps.peek().is_none() { n } else { 0 };
                    let members = node.members().iter();
                    let member = members.filter(|member| member.key == *name).nth(n)?;
                    node = &member.value;
                    found = Some(member);
                }
                Step::Index(index) => {
                    node = node.items().get(*index)?;
                    found = None;
                }
            }
        }
        Some((found, node))
    }

    /// Finds the innermost existing value that would contain the place.
    pub fn around(&self, place: &Place) -> Option<Location> {
        let steps = place.steps();
        (0..steps.len())
            .rev()
            .find_map(|length| self.find(&place_of(&steps[..length])))
    }

    /// The part of a span to underline.
    pub fn shown(&self, span: &Span) -> Span {
        self.source.file().shown_span(span)
    }
}

fn place_of(steps: &[Step]) -> Place {
    steps
        .iter()
        .fold(Place::default(), |place, step| match step {
            Step::Key(key) => place.key(key),
            Step::Index(index) => place.index(*index),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(text: &str, place: Place) -> Option<(Option<String>, String)> {
        let source = Source::new("a", text.into());
        let document = Document::of(&source);
        let location = document.find(&place)?;
        let shown = |span: &Span| text[span.clone()].to_owned();
        Some((location.key.as_ref().map(shown), shown(&location.value)))
    }

    fn root() -> Place {
        Place::default()
    }

    #[test]
    fn keys_and_entries_have_positions() {
        let text = r#"{"a": [1, {"b": "x"}], "\u0063": {}}"#;
        let found =
            |key: Option<&str>, value: &str| Some((key.map(str::to_owned), value.to_owned()));
        assert_eq!(location(text, root()), found(None, text));
        assert_eq!(location(text, root().key("a").index(0)), found(None, "1"));
        assert_eq!(
            location(text, root().key("a").index(1).key("b")),
            found(Some("\"b\""), "\"x\"")
        );
        assert_eq!(
            location(text, root().key("c")),
            found(Some("\"\\u0063\""), "{}")
        );
        assert_eq!(location(text, root().key("a").key("b")), None);
        assert_eq!(location(text, root().key("a").index(2)), None);
    }

    #[test]
    fn missing_keys_are_reported_at_their_parent() {
        let source = Source::new("a", r#"{"a": [{"b": {"x": 1}}]}"#.into());
        let document = Document::of(&source);
        let around = |place: &Place| &source.text()[document.around(place).unwrap().value];
        assert_eq!(
            around(&root().key("a").index(0).key("b").key("c")),
            r#"{"x": 1}"#
        );
        assert_eq!(around(&root().key("z").key("c")), source.text());
    }

    #[test]
    fn repeated_key_is_found_each_time() {
        let source = Source::new("a", r#"{"a": 1, "a": 2}"#.into());
        let document = Document::of(&source);
        let nth = |n| {
            document
                .nth(&root().key("a"), n)
                .map(|location| &source.text()[location.value])
        };
        assert_eq!([nth(0), nth(1), nth(2)], [Some("1"), Some("2"), None]);
    }
}
