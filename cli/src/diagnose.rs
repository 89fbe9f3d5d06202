//! Errors of a policy with their positions in its file.
//!
//! The messages are those of the policy crate, which Envoy's log shows too. This module adds the position: `manifest` finds the policies in a file, `tree` reads JSON and YAML with their places, `document`
//! finds a place of a policy in them, and `text` shows it as a compiler would.

mod document;
mod file;
mod finding;
mod manifest;
mod mistakes;
mod pitfall;
mod rules;
mod source;
mod text;
mod tree;

pub use document::{Document, Location};
pub use file::File;
pub use finding::{Finding, Fix, Severity};
pub use manifest::read as sources;
pub use mistakes::{describe_code, mistakes};
pub use rules::{LocatedRule, RuleKind, ValueLocation};
pub use source::Source;
pub use text::render;

use std::io;
use std::ops::Range;
use std::path::Path;

use anyhow::{Result, anyhow};
use evenkeel_policy::Policy;
use evenkeel_report::terminal;

use crate::cli::usage;

/// Reads every policy of a file. Of policies that are equal except for `role`, it returns the first.
///
/// # Errors
/// A usage error when the file cannot be read; if a policy is rejected or there is none, all findings as `evenkeel check`
/// shows them.
pub fn read_all(path: &Path) -> Result<Vec<(Source, Policy)>> {
    let sources = sources(path).map_err(|error| usage(format!("{error:#}")))?;
    let colors = terminal::has_color(&io::stderr());
    let mut shown = Vec::new();
    let mut name = String::new();
    let mut policies: Vec<(Source, Policy)> = Vec::new();
    for source in sources {
        let mut findings = source.findings().to_owned();
        let policy = source.has_policy().then(|| source.policy());
        if let Some(Err(errors)) = &policy {
            findings.extend(mistakes(&source, errors));
        }
        source.name_object(&mut findings);
        shown.extend(
            findings
                .iter()
                .map(|finding| render(&source, finding, colors)),
        );
        source.name().clone_into(&mut name);
        if let Some(Ok(policy)) = policy
            && !policies.iter().any(|(known, _)| is_same(known, &source))
        {
            policies.push((source, policy));
        }
    }
    match shown.is_empty() {
        true => Ok(policies),
        false => Err(anyhow!(
            "the policy {name} is invalid\n\n{}",
            shown.join("\n\n")
        )),
    }
}

/// Reads the only policy of a file.
///
/// # Errors
/// As [`read_all`], and when the policies of the file differ.
pub fn read(path: &Path) -> Result<(Source, Policy)> {
    let mut policies = read_all(path)?;
    let names: Vec<_> = policies
        .iter()
        .filter_map(|(source, _)| Some(source.object()?.name.clone()))
        .collect();
    match policies.pop() {
        Some(policy) if policies.is_empty() => Ok(policy),
        _ => Err(anyhow!(
            "{} contains different policies, of {}: this command accepts one",
            path.display(),
            names.join(", ")
        )),
    }
}

/// The policies are equal except for `role`.
pub fn is_same(one: &Source, other: &Source) -> bool {
    let value = |source: &Source| {
        let mut value = serde_json::from_slice::<serde_json::Value>(source.json()).ok()?;
        let members = value.as_object_mut()?;
        // `$schema` is for editors.
        members.remove("role");
        members.remove("$schema");
        Some(value)
    };
    value(one).is_some_and(|one| value(other) == Some(one))
}

/// Bytes of a source's text.
pub type Span = Range<usize>;
