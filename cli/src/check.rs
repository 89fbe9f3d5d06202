//! `evenkeel check`: what is wrong with policies, and what is legal but unwise, as a compiler tells it.

mod github;
mod json;
mod lint;
mod options;
mod sarif;

use std::io;
use std::process::ExitCode;

use anyhow::Result;

use crate::diagnose::{self, Finding, Severity, Source};
use crate::term;
use lint::Lint;
pub use options::Args;
use options::Format;

/// A policy that was read, and what was found in it.
struct Checked {
    source: Source,
    findings: Vec<Finding>,
}

impl Checked {
    /// Everything that is wrong with it, or else all that is unwise.
    fn new(source: Source, args: &Args) -> Self {
        let findings = match source.policy() {
            Err(errors) => diagnose::mistakes(&source, &errors),
            Ok(policy) => lint::findings(&source, &policy, args.connections)
                .into_iter()
                .filter(|finding| !args.allow.iter().any(|lint| lint.code() == finding.code))
                .collect(),
        };
        Self { source, findings }
    }
}

/// How many of each.
#[derive(Clone, Copy, Default, serde::Serialize)]
struct Counts {
    errors: usize,
    warnings: usize,
    notes: usize,
}

impl Counts {
    fn of(checked: &[Checked]) -> Self {
        let count = |severity| {
            let findings = checked.iter().flat_map(|checked| &checked.findings);
            let findings = findings.filter(|finding| finding.severity == severity);
            findings.map(|finding| finding.stands_for).sum()
        };
        Self {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
        }
    }
}

/// Ends with 0, with 1 when a policy is wrong, with 2 when one cannot be read.
///
/// # Errors
/// None but what serde_json may make of it.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut checked = Vec::new();
    let mut all_read = true;
    for path in &args.files {
        match Source::read(path) {
            Ok(source) => checked.push(Checked::new(source, args)),
            Err(error) => {
                all_read = false;
                term::fail(&error);
            }
        }
    }
    let counts = Counts::of(&checked);
    match args.format {
        Format::Text => text(&checked, counts),
        Format::Json => term::line(&json::of(&checked, counts)?),
        Format::Sarif => term::line(&sarif::of(&checked, all_read)?),
        Format::Github => print_lines(github::of(&checked)),
    }
    Ok(match () {
        () if !all_read => ExitCode::from(2),
        () if counts.errors > 0 || (args.deny_warnings && counts.warnings > 0) => ExitCode::FAILURE,
        () => ExitCode::SUCCESS,
    })
}

fn text(checked: &[Checked], counts: Counts) {
    let colours = term::colours(&io::stdout());
    for Checked { source, findings } in checked {
        for finding in findings {
            term::line(&diagnose::render(source, finding, colours));
            term::line("");
        }
    }
    if !checked.is_empty() {
        term::line(&summary(checked.len(), counts));
    }
}

fn summary(policies: usize, counts: Counts) -> String {
    let some = |count: usize, what: &str| match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let policies = match policies {
        1 => "1 policy".to_owned(),
        _ => format!("{policies} policies"),
    };
    let mut line = format!(
        "checked {policies}: {}, {}",
        some(counts.errors, "error"),
        some(counts.warnings, "warning")
    );
    if counts.notes > 0 {
        line += &format!(", {}", some(counts.notes, "note"));
    }
    line
}

fn print_lines(lines: Vec<String>) {
    for line in lines {
        term::line(&line);
    }
}

/// What a code means, for those who list them.
fn about(code: &str) -> &'static str {
    match Lint::of(code) {
        Some(lint) => lint.about(),
        None => diagnose::about(code),
    }
}
