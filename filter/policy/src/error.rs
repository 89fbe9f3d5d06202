//! What is wrong with a policy, and what to write instead.
use crate::json::Json;
use crate::path::{Path, Place};
use std::fmt;

/// One error. Its `Display` is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    place: Place,
    cause: Cause,
}

impl Error {
    /// Where it is, such as `routes[1].match.path_prefix`; empty for the policy as a whole.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What is wrong.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }
}

/// What `off` in a policy that is written in YAML becomes.
pub(crate) const UNQUOTED_OFF: &str =
    "YAML reads an unquoted off as false: write \"off\" in quotes";

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The text is empty or white space.
    Empty,
    /// The bytes are those of a protobuf message, not text.
    Protobuf,
    /// The text is longer than a policy may be, in bytes.
    TooLong {
        /// The most that is read.
        limit: usize,
    },
    /// The text is not JSON (RFC 8259).
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column in bytes, from 1 (0: before the first).
        column: usize,
        /// What was expected.
        message: String,
    },
    /// The key is not known in this object.
    UnknownKey {
        /// The nearest known one, where one is near.
        near: Option<&'static str>,
        /// All that are known here.
        known: Vec<&'static str>,
    },
    /// The key is known, but not at this place.
    MisplacedKey {
        /// Where it belongs, and what to do.
        hint: &'static str,
    },
    /// The key has another name now.
    RenamedKey {
        /// The new name, as a path from the object.
        to: &'static str,
    },
    /// The key occurs twice in one object, which JSON readers interpret differently (RFC 8259 4).
    RepeatedKey {
        /// The entry of the object that has the key first, from 1.
        first: usize,
        /// The entry that repeats it.
        again: usize,
    },
    /// The key must be there and is not.
    Missing {
        /// What to write.
        allowed: &'static str,
    },
    /// The value is not allowed.
    Value {
        /// The value, shortened.
        found: String,
        /// What is allowed.
        allowed: String,
        /// The nearest allowed word, where one is near.
        near: Option<&'static str>,
    },
    /// The value is fine, but not together with another.
    Contradiction {
        /// With which one, and what to do.
        hint: String,
        /// Where the other value is, where it can be stated.
        with: Option<Place>,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Empty | Cause::Protobuf | Cause::TooLong { .. } | Cause::Syntax { .. } => {}
            _ if self.place.steps().is_empty() => f.write_str("the policy: ")?,
            _ => write!(f, "{}: ", self.place)?,
        }
        match &self.cause {
            Cause::Empty => f.write_str(r#"the policy is empty; the smallest is {"version": 1}"#),
            Cause::Protobuf => f.write_str(
                "found the bytes of a google.protobuf.Struct, which Envoy does not turn into JSON; make the plugin's \
                 `configuration` a google.protobuf.StringValue with the policy's JSON as its `value`",
            ),
            Cause::TooLong { limit } => write!(f, "the policy is longer than {limit} bytes"),
            Cause::Syntax {
                line,
                column,
                message,
            } => {
                write!(f, "line {line}, column {column}: {message}")
            }
            Cause::UnknownKey {
                near: Some(near), ..
            } => {
                write!(f, "unknown key; did you mean `{near}`?")
            }
            Cause::UnknownKey { near: None, known } => {
                write!(f, "unknown key; the keys here are `{}`", known.join("`, `"))
            }
            Cause::MisplacedKey { hint } => f.write_str(hint),
            Cause::RenamedKey { to } => write!(f, "renamed to `{to}`"),
            Cause::RepeatedKey { first, again } => {
                write!(f, "duplicate key: entries {first} and {again} of the object; keep one")
            }
            Cause::Missing { allowed } => write!(f, "missing; {allowed}"),
            Cause::Value {
                found,
                allowed,
                near: None,
            } => write!(f, "found {found}; {allowed}"),
            Cause::Value {
                found,
                allowed,
                near: Some(near),
            } => {
                write!(f, "found {found}; did you mean \"{near}\"? {allowed}")
            }
            Cause::Contradiction { hint, .. } => f.write_str(hint),
        }
    }
}

impl std::error::Error for Error {}

/// One error or more: first what could not be read, in the order of the text, then contradictions. Its `Display`
/// is one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    first: Error,
    rest: Vec<Error>,
    unlisted: usize,
}

impl Errors {
    /// The errors; at most [`Errors::LISTED`] of them.
    pub fn iter(&self) -> impl Iterator<Item = &Error> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// How many errors are not listed.
    pub fn unlisted(&self) -> usize {
        self.unlisted
    }

    /// The most errors that are listed; the rest is counted.
    pub const LISTED: usize = 50;
}

impl From<Cause> for Errors {
    fn from(cause: Cause) -> Self {
        Self {
            first: Error {
                place: Place::default(),
                cause,
            },
            rest: Vec::new(),
            unlisted: 0,
        }
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        for error in &self.rest {
            write!(f, "\n{error}")?;
        }
        match self.unlisted {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Errors {}

/// Collects errors while a policy is read.
#[derive(Debug, Default)]
pub(crate) struct Report {
    errors: Vec<Error>,
    unlisted: usize,
}

impl Report {
    pub(crate) fn add(&mut self, at: &Path<'_>, cause: Cause) {
        if self.errors.len() < Errors::LISTED {
            self.errors.push(Error {
                place: at.place(),
                cause,
            });
        } else {
            self.unlisted = self.unlisted.saturating_add(1);
        }
    }

    pub(crate) fn value(&mut self, at: &Path<'_>, found: &Json, allowed: &str) {
        self.add(
            at,
            Cause::Value {
                found: found.to_string(),
                allowed: match found {
                    Json::Bool(false) if allows_off(allowed) => {
                        format!("{allowed}; {UNQUOTED_OFF}")
                    }
                    _ => allowed.to_owned(),
                },
                near: None,
            },
        );
    }

    /// Reports that the value at `at` is valid, but not together with the one at `with`.
    pub(crate) fn contradiction(&mut self, at: &Path<'_>, with: Option<&Path<'_>>, hint: String) {
        let with = with.map(Path::place);
        self.add(at, Cause::Contradiction { hint, with });
    }

    /// Whether an error at this place or inside it was reported.
    pub(crate) fn mentions(&self, place: &Path<'_>) -> bool {
        let place = place.place();
        self.errors
            .iter()
            .any(|error| error.place.steps().starts_with(place.steps()))
    }

    /// Returns the errors, if any.
    pub(crate) fn finish(self) -> Result<(), Errors> {
        let mut errors = self.errors.into_iter();
        match errors.next() {
            None => Ok(()),
            Some(first) => Err(Errors {
                first,
                rest: errors.collect(),
                unlisted: self.unlisted,
            }),
        }
    }
}

/// `off` is among what is allowed. Compared as bytes: the search in text takes more code.
fn allows_off(allowed: &str) -> bool {
    let (allowed, off) = (allowed.as_bytes(), br#""off""#);
    allowed.windows(off.len()).any(|part| part == off)
}
