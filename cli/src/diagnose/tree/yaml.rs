//! Reads the documents of a YAML text into trees.

use std::collections::HashMap;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span as Marks, StrInput, Tag};

use super::{Member, Node, Origin, Quoting, Text, Value, scalar};
use crate::diagnose::Span;

/// The most nodes in a document after its aliases are expanded. Nested aliases grow exponentially.
const MAX_NODES: usize = 1_000_000;

/// Why a text is not YAML, and where.
#[derive(Debug)]
pub struct SyntaxError {
    pub at: usize,
    pub message: String,
}

/// Reads every document of `text`, whose positions in the file are those of `origin`. A syntax error ends its document
/// only.
pub fn documents(text: &str, origin: &Origin) -> Vec<Result<Rc<Node>, SyntaxError>> {
    let mut reader = Reader {
        origin,
        parser: Parser::new_from_str(text),
        text,
        anchors: HashMap::new(),
        nodes: 0,
    };
    let mut documents = Vec::new();
    loop {
        match reader.document() {
            Ok(Some(document)) => documents.push(Ok(document)),
            Ok(None) => return documents,
            Err(error) => {
                documents.push(Err(error));
                if !reader.parser.proceed_next_document().unwrap_or(false) {
                    return documents;
                }
            }
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    origin: &'a Origin,
    /// The nodes that aliases refer to, with their sizes.
    anchors: HashMap<usize, (Rc<Node>, usize)>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Option<Rc<Node>>, SyntaxError> {
        loop {
            match self.next()? {
                None => return Ok(None),
                Some((Event::DocumentStart(..), _)) => {
                    self.anchors.clear();
                    self.nodes = 0;
                }
                Some((Event::StreamStart | Event::StreamEnd | Event::DocumentEnd, _)) => {}
                Some((event, marks)) => return self.node(event, marks).map(Some),
            }
        }
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Marks)>, SyntaxError> {
        self.parser
            .next()
            .transpose()
            .map_err(|error| self.error(&error))
    }

    fn error(&self, error: &ScanError) -> SyntaxError {
        let mut at = error.marker().byte_offset().unwrap_or(self.text.len());
        // The parser reports a tab at the start of the scalar before it, or behind the tab.
        if error.info().contains("tab") {
            at = self.indentation_tab(at).unwrap_or(at);
        }
        SyntaxError {
            at: self.origin.at(at),
            message: error.info().to_owned(),
        }
    }

    /// Finds the first tab in the indentation of the line at `offset` or of a later one.
    fn indentation_tab(&self, offset: usize) -> Option<usize> {
        let before = self.text.get(..offset)?;
        let mut start = before.rfind('\n').map_or(0, |end| end + 1);
        for line in self.text[start..].split_inclusive('\n') {
            let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
            if let Some(tab) = line[..indentation].find('\t') {
                return Some(start + tab);
            }
            start += line.len();
        }
        None
    }

    fn span(&self, marks: &Marks) -> Span {
        let end = marks.end.byte_offset().unwrap_or(self.text.len());
        let start = marks.start.byte_offset().unwrap_or(end).min(end);
        self.origin.span(start..end)
    }

    /// Reads the node that starts with `event`.
    fn node(&mut self, event: Event<'a>, marks: Marks) -> Result<Rc<Node>, SyntaxError> {
        let span = self.span(&marks);
        let before = self.nodes;
        self.nodes += 1;
        let (anchor, node) = match event {
            Event::Alias(anchor) => {
                let (node, nodes) = self.anchors.get(&anchor).cloned().ok_or(SyntaxError {
                    at: span.start,
                    message: "an alias inside the node that it refers to".to_owned(),
                })?;
                self.nodes += nodes;
                return self.limited(node, &span);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref());
                (anchor, Node { span, value })
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.list(span)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.object(span)?),
            _ => {
                return Err(SyntaxError {
                    at: span.start,
                    message: "expected a value".to_owned(),
                });
            }
        };
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors
                .insert(anchor, (Rc::clone(&node), self.nodes - before));
        }
        let span = node.span.clone();
        self.limited(node, &span)
    }

    /// Fails if the document has too many nodes.
    fn limited(&self, node: Rc<Node>, span: &Span) -> Result<Rc<Node>, SyntaxError> {
        if self.nodes > MAX_NODES {
            return Err(SyntaxError {
                at: span.start,
                message: format!(
                    "the document has more than {MAX_NODES} values after its aliases are expanded"
                ),
            });
        }
        Ok(node)
    }

    fn list(&mut self, start: Span) -> Result<Node, SyntaxError> {
        let mut items: Vec<Rc<Node>> = Vec::new();
        loop {
            match self.inner(&start)? {
                (Event::SequenceEnd, marks) => {
                    let last = items.last().map(|item| item.span.end);
                    let span = self.collection_span(&start, &marks, last);
                    let value = Value::List(items);
                    return Ok(Node { span, value });
                }
                (event, marks) => items.push(self.node(event, marks)?),
            }
        }
    }

    fn object(&mut self, start: Span) -> Result<Node, SyntaxError> {
        let mut members: Vec<Member> = Vec::new();
        loop {
            let (event, marks) = self.inner(&start)?;
            let span = self.span(&marks);
            match event {
                Event::MappingEnd => {
                    let last = members.last().map(|member| member.value.span.end);
                    let span = self.collection_span(&start, &marks, last);
                    let value = Value::Object(merged(members));
                    return Ok(Node { span, value });
                }
                Event::Scalar(key, ..) => {
                    let (event, marks) = self.inner(&start)?;
                    let value = self.node(event, marks)?;
                    let key = key.into_owned();
                    members.push(Member { key, span, value });
                }
                _ => {
                    return Err(SyntaxError {
                        at: span.start,
                        message: "a key must be a scalar".to_owned(),
                    });
                }
            }
        }
    }

    fn inner(&mut self, start: &Span) -> Result<(Event<'a>, Marks), SyntaxError> {
        self.next()?.ok_or_else(|| SyntaxError {
            at: start.start,
            message: "the text ends inside this collection".to_owned(),
        })
    }

    /// The span of a collection: to its closing bracket, or in block style to the end of its last value.
    fn collection_span(&self, start: &Span, end: &Marks, last: Option<usize>) -> Span {
        let end = self.span(end);
        let end = match end.is_empty() {
            true => last.unwrap_or(start.end),
            false => end.end,
        };
        start.start..end.max(start.start)
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let quoting = match style {
        // `!!str` and `!` mark a string that looks like another type.
        ScalarStyle::Plain if tag.is_none_or(|tag| !is_string(tag)) => {
            return scalar::resolve(text);
        }
        ScalarStyle::Plain => Quoting::Plain,
        ScalarStyle::SingleQuoted => Quoting::Single,
        ScalarStyle::DoubleQuoted => Quoting::Double,
        ScalarStyle::Literal | ScalarStyle::Folded => Quoting::Block,
    };
    Value::String(Text {
        text: text.to_owned(),
        quoting,
    })
}

fn is_string(tag: &Tag) -> bool {
    let tag = tag.to_string();
    tag == "!" || tag == "!!str" || tag.ends_with("yaml.org,2002:str")
}

/// Expands the merge key `<<`: its members apply unless the mapping has the same key.
fn merged(mut members: Vec<Member>) -> Vec<Member> {
    let Some(at) = members.iter().position(|member| member.key == "<<") else {
        return members;
    };
    let merge = members.remove(at).value;
    let sources = match &merge.value {
        Value::List(items) => items.clone(),
        _ => vec![merge],
    };
    for member in sources.iter().flat_map(|source| source.members()) {
        if !members.iter().any(|known| known.key == member.key) {
            members.push(member.clone());
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let documents = documents(text, &Origin::file()).into_iter();
        let shown = documents.map(|document| match document {
            Ok(document) => document.to_json(),
            Err(error) => format!("{}: {}", error.at, error.message),
        });
        shown.collect()
    }

    #[test]
    fn documents_follow_kubernetes() {
        assert_eq!(
            read("a: off\nb: [1, 0.5, \"off\", !!str 5]\n---\n# nothing\n---\n- x: ~\n  x: 10m\n"),
            [
                r#"{"a":false,"b":[1,0.5,"off","5"]}"#,
                "null",
                r#"[{"x":null,"x":"10m"}]"#
            ]
        );
        assert_eq!(read(""), Vec::<String>::new());
    }

    #[test]
    fn aliases_and_merge_keys_are_expanded() {
        assert_eq!(
            read("a: &x {k: 1, l: 2}\nb: *x\nc:\n  <<: *x\n  l: 3\n"),
            [r#"{"a":{"k":1,"l":2},"b":{"k":1,"l":2},"c":{"l":3,"k":1}}"#]
        );
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
            bomb += &format!("a{n}: &a{n} [{aliases}]\n");
        }
        assert!(read(&bomb)[0].contains("more than 1000000 values"));
    }

    #[test]
    fn syntax_error_ends_its_document_only() {
        let found = read("a: [1\n---\nb: 1\n");
        assert_eq!(found, ["3: unclosed bracket '['", r#"{"b":1}"#]);
    }

    #[test]
    fn tabs_are_reported_where_they_are() {
        for text in ["a: 1\nb:\n\tc: 1\n", "a:\n  b: 1\n\tc: 1\n", "a:\n\t- 1\n"] {
            let error = documents(text, &Origin::file()).remove(0).unwrap_err();
            assert_eq!(error.at, text.find('\t').unwrap(), "{text:?}: {error:?}");
        }
    }

    #[test]
    fn values_have_positions() {
        let text =
            "a:\n  b: { c: 1, \"d\": [x, 'y'] }\n  e:\n    - 5m\n    - f: |\n        t\nz:\n";
        let document = documents(text, &Origin::file()).remove(0).unwrap();
        let a = document.get("a").unwrap();
        let shown = |node: &Node| text[node.span.clone()].to_owned();
        assert_eq!(shown(a.get("b").unwrap()), "{ c: 1, \"d\": [x, 'y'] }");
        assert_eq!(shown(a.get("b").unwrap().get("d").unwrap()), "[x, 'y']");
        assert_eq!(
            &text[a.get("b").unwrap().member(&["d"]).unwrap().span.clone()],
            "\"d\""
        );
        let e = a.get("e").unwrap();
        assert_eq!(shown(&e.items()[0]), "5m");
        assert!(shown(e).starts_with("- 5m\n    - f: |"), "{:?}", shown(e));
        assert!(document.get("z").unwrap().span.is_empty());
    }
}
