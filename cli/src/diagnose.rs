//! What is wrong with a policy's text, shown where it stands.
//!
//! The words are the policy crate's own, so that an operator reads here what Envoy's log would say. What is
//! added is the place: `document` finds it in the text again, and `text` shows it as a compiler would.

mod document;
mod finding;
mod mistakes;
mod rules;
mod source;
mod text;

pub use document::{Document, Spot};
pub use finding::{Finding, Fix, Severity};
pub use mistakes::{about, mistakes};
pub use rules::{Kind, Ruling, Stated};
pub use source::Source;
pub use text::render;

use std::io;
use std::ops::Range;
use std::path::Path;

use anyhow::{Result, anyhow};
use evenkeel_policy::Policy;

use crate::cli::usage;
use crate::term;

/// A policy in a file, with its text.
///
/// # Errors
/// A usage error when the file cannot be read; when the policy is refused, all that is wrong with it, as
/// `evenkeel check` shows it, for stderr.
pub fn read(path: &Path) -> Result<(Source, Policy)> {
    let source = Source::read(path).map_err(|error| usage(format!("{error:#}")))?;
    let policy = source.policy().map_err(|errors| {
        let colours = term::colours(&io::stderr());
        let shown: Vec<_> = mistakes(&source, &errors)
            .iter()
            .map(|finding| render(&source, finding, colours))
            .collect();
        let (name, shown) = (source.name(), shown.join("\n\n"));
        anyhow!("the policy {name} is refused\n\n{shown}")
    })?;
    Ok((source, policy))
}

/// Bytes of a source's text.
pub type Span = Range<usize>;
