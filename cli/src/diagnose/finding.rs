//! Findings: errors and risks with their positions.

use evenkeel_policy::Place;

use super::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Note,
    Warning,
    Error,
}

impl Severity {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// An error or a risk in a policy. Each text is one line.
#[derive(Clone, Debug)]
pub struct Finding {
    pub severity: Severity,
    /// The kind of finding, stable across releases.
    pub code: &'static str,
    /// The message; that of an error is what the module logs.
    pub message: String,
    /// The key or entry that the finding is about.
    pub place: Place,
    /// The part of the text to underline; None if the finding has no position.
    pub span: Option<Span>,
    /// Other positions to show.
    pub related: Vec<RelatedSpan>,
    /// The reasons, with numbers.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
    pub fix: Option<Fix>,
    /// The number of findings that it represents: more than 1 if the others are not listed.
    pub count: usize,
}

/// Another position of a finding.
#[derive(Clone, Debug)]
pub struct RelatedSpan {
    pub span: Span,
    pub label: String,
}

/// A replacement that corrects the error.
#[derive(Clone, Debug)]
pub struct Fix {
    pub span: Span,
    pub text: String,
}

impl Finding {
    pub fn new(severity: Severity, code: &'static str, message: String, place: Place) -> Self {
        Self {
            severity,
            code,
            message,
            place,
            span: None,
            related: Vec::new(),
            notes: Vec::new(),
            help: None,
            fix: None,
            count: 1,
        }
    }

    pub fn at(mut self, span: Option<Span>) -> Self {
        self.span = span;
        self
    }

    pub fn related(mut self, span: Option<Span>, label: impl Into<String>) -> Self {
        self.related.extend(span.map(|span| RelatedSpan {
            span,
            label: label.into(),
        }));
        self
    }

    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
