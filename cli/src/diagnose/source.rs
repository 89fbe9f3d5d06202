//! A policy and its position in a file.

use std::rc::Rc;

use evenkeel_policy::{Errors, Policy, Role};

use super::file::Position;
use super::tree::{Node, Origin};
use super::{File, Finding, Span};

/// A policy in a file, or a file without one.
pub struct Source {
    file: Rc<File>,
    /// The policy's text, as the module receives it.
    json: Vec<u8>,
    form: Form,
    object: Option<Object>,
    findings: Vec<Finding>,
}

/// How the file contains the policy.
pub enum Form {
    /// The file is the policy.
    File,
    /// The policy is JSON in a string of the file.
    Text(Origin),
    /// The policy is a mapping of the file.
    Tree(Rc<Node>),
    /// The configuration is missing or empty.
    Missing,
    /// The file has no policy.
    None,
}

/// The Kubernetes object or Envoy filter that contains a policy.
#[derive(Clone, Debug)]
pub struct Object {
    /// The name, such as `WasmPlugin shop/evenkeel-network`.
    pub name: String,
    /// The key that has the policy as its value.
    pub key: Span,
    /// The kind of filter that receives the policy.
    pub role: Role,
    /// Identifies the proxy or listener: equal for both roles of one.
    pub proxy: String,
}

impl Source {
    #[cfg(test)]
    pub fn new(name: &str, bytes: Vec<u8>) -> Self {
        Self::policy_file(Rc::new(File::new(name, bytes)))
    }

    /// Creates the source of a file that is a policy itself.
    pub fn policy_file(file: Rc<File>) -> Self {
        Self {
            json: file.bytes().to_owned(),
            file,
            form: Form::File,
            object: None,
            findings: Vec::new(),
        }
    }

    /// Creates the source of a policy inside `object`.
    pub fn embedded(file: &Rc<File>, object: Object, json: Vec<u8>, form: Form) -> Self {
        Self {
            file: Rc::clone(file),
            json,
            form,
            object: Some(object),
            findings: Vec::new(),
        }
    }

    /// Creates the source of a file or document without a policy; the finding says why.
    pub fn without_policy(file: &Rc<File>, finding: Finding) -> Self {
        Self {
            file: Rc::clone(file),
            json: Vec::new(),
            form: Form::None,
            object: None,
            findings: vec![finding],
        }
    }

    /// The file that contains the policy.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The name of the file.
    pub fn name(&self) -> &str {
        self.file.name()
    }

    /// The text of the whole file.
    pub fn text(&self) -> &str {
        self.file.text()
    }

    /// The line and column of an offset in the file.
    pub fn position(&self, offset: usize) -> Position {
        self.file.position(offset)
    }

    /// Parses the policy as the module does.
    ///
    /// # Errors
    /// All errors.
    pub fn policy(&self) -> Result<Policy, Errors> {
        Policy::parse(&self.json)
    }

    pub fn has_policy(&self) -> bool {
        !matches!(self.form, Form::None)
    }

    /// Findings about the configuration around the policy.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    pub fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Adds the object's name to findings.
    pub fn name_object(&self, findings: &mut [Finding]) {
        let Some(object) = &self.object else {
            return;
        };
        for finding in findings {
            finding.notes.insert(0, format!("in {}", object.name));
        }
    }

    pub fn object(&self) -> Option<&Object> {
        self.object.as_ref()
    }

    /// The position of findings about the policy as a whole.
    pub fn key(&self) -> Option<Span> {
        self.object.as_ref().map(|object| object.key.clone())
    }

    /// Whether quotation marks of the policy are escaped in the file.
    pub fn is_escaped(&self) -> bool {
        matches!(&self.form, Form::Text(origin) if origin.is_escaped())
    }

    /// The JSON of the policy.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    pub fn form(&self) -> &Form {
        &self.form
    }

    pub fn is_in_same_file(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.file, &other.file)
    }

    /// The span of the character at a line from 1 and a column in bytes from 1 of the JSON, where 0 is the end of the previous
    /// line.
    pub fn json_span(&self, line: usize, column: usize) -> Span {
        match &self.form {
            Form::File => self.file.character(self.file.offset(line, column)),
            Form::Text(origin) => {
                let lines = self.json.split_inclusive(|byte| *byte == b'\n');
                let start: usize = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum();
                let at = (start + column).saturating_sub(1).min(self.json.len());
                let json = str::from_utf8(&self.json).unwrap_or_default();
                let rest = json.get(at..).unwrap_or_default();
                let width = rest.chars().next().map_or(0, char::len_utf8);
                origin.span(at..at + width)
            }
            Form::Tree(node) => self.file.shown_span(&node.span),
            Form::Missing | Form::None => self.key().unwrap_or_default(),
        }
    }
}
