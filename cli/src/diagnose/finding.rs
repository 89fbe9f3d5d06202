//! One thing that is wrong or unwise, and where.

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

/// What was found in a policy. All texts are one line.
#[derive(Clone, Debug)]
pub struct Finding {
    pub severity: Severity,
    /// What kind it is, in a word that stays the same from release to release.
    pub code: &'static str,
    /// Of an error exactly what the module would log.
    pub message: String,
    /// The key or entry that it is about.
    pub place: Place,
    /// What is underlined; None where the text has no such place.
    pub span: Option<Span>,
    /// Other places that it has to do with.
    pub marks: Vec<Mark>,
    /// Why, with the arithmetic.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
    pub fix: Option<Fix>,
    /// How many it is counted for: more than 1 where the others are not listed.
    pub stands_for: usize,
}

/// A place beside the one that a finding is about.
#[derive(Clone, Debug)]
pub struct Mark {
    pub span: Span,
    pub label: String,
}

/// What would mend it.
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
            marks: Vec::new(),
            notes: Vec::new(),
            help: None,
            fix: None,
            stands_for: 1,
        }
    }

    pub fn at(mut self, span: Option<Span>) -> Self {
        self.span = span;
        self
    }

    pub fn mark(mut self, span: Option<Span>, label: impl Into<String>) -> Self {
        self.marks.extend(span.map(|span| Mark {
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
