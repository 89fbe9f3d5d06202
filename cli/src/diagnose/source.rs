//! A policy and the place in a file where it stands.

use std::rc::Rc;

use evenkeel_policy::{Errors, Policy, Role};

use super::file::Position;
use super::tree::{Node, Origin};
use super::{File, Finding, Span};

/// A policy in a file, or a place where one is looked for.
pub struct Source {
    file: Rc<File>,
    /// As the module gets it.
    json: Vec<u8>,
    form: Form,
    holder: Option<Holder>,
    findings: Vec<Finding>,
}

/// How the file holds the policy.
pub enum Form {
    /// The file is the policy.
    File,
    /// As text in a string of the file.
    Text(Origin),
    /// As keys and values of the file.
    Tree(Rc<Node>),
    /// The place is there and empty.
    Missing,
    /// There is no policy.
    None,
}

/// What holds a policy: an object of Kubernetes, or a filter of Envoy.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Such as `WasmPlugin shop/evenkeel-network`.
    pub name: String,
    /// The key whose value the policy is.
    pub key: Span,
    /// The kind of filter that gets it.
    pub role: Role,
    /// Equal for the two roles of one proxy.
    pub proxy: String,
}

impl Source {
    #[cfg(test)]
    pub fn new(name: &str, bytes: Vec<u8>) -> Self {
        Self::whole(Rc::new(File::new(name, bytes)))
    }

    /// A file that is a policy, and nothing else.
    pub fn whole(file: Rc<File>) -> Self {
        Self {
            json: file.bytes().to_owned(),
            file,
            form: Form::File,
            holder: None,
            findings: Vec::new(),
        }
    }

    /// A policy that `holder` has in the form of `form`.
    pub fn held(file: &Rc<File>, holder: Holder, json: Vec<u8>, form: Form) -> Self {
        Self {
            file: Rc::clone(file),
            json,
            form,
            holder: Some(holder),
            findings: Vec::new(),
        }
    }

    /// A file, or a document of it, that has no policy: why.
    pub fn without_policy(file: &Rc<File>, finding: Finding) -> Self {
        Self {
            file: Rc::clone(file),
            json: Vec::new(),
            form: Form::None,
            holder: None,
            findings: vec![finding],
        }
    }

    /// The file that it is in.
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

    /// A place in the file.
    pub fn position(&self, offset: usize) -> Position {
        self.file.position(offset)
    }

    /// What the module would make of it.
    ///
    /// # Errors
    /// Every mistake.
    pub fn policy(&self) -> Result<Policy, Errors> {
        Policy::parse(&self.json)
    }

    pub fn has_policy(&self) -> bool {
        !matches!(self.form, Form::None)
    }

    /// What is wrong with the place of the policy, apart from the policy.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    pub fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Says in findings which policy they are about, where the file has several.
    pub fn name_holder(&self, findings: &mut [Finding]) {
        let Some(holder) = &self.holder else {
            return;
        };
        for finding in findings {
            finding.notes.insert(0, format!("in {}", holder.name));
        }
    }

    pub fn holder(&self) -> Option<&Holder> {
        self.holder.as_ref()
    }

    /// Where a finding about the policy as a whole is shown.
    pub fn key(&self) -> Option<Span> {
        self.holder.as_ref().map(|holder| holder.key.clone())
    }

    /// A quotation mark of the policy is written with a backslash.
    pub fn is_escaped(&self) -> bool {
        matches!(&self.form, Form::Text(origin) if origin.is_escaped())
    }

    /// The policy's JSON.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    pub fn form(&self) -> &Form {
        &self.form
    }

    pub fn is_in_same_file(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.file, &other.file)
    }

    /// The character at a line from 1 and a column in bytes from 1 of the policy's JSON, where 0 is the end of the line
    /// before.
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
