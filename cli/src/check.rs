//! `evenkeel check`: errors and risks of the policies in files, reported as a compiler does.

mod github;
mod json;
mod lint;
mod options;
mod sarif;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use evenkeel_report::terminal;

use crate::diagnose::{self, Finding, Severity, Source};
use lint::Lint;
pub use options::Args;
use options::Format;

/// A policy and its findings.
struct Checked {
    source: Source,
    findings: Vec<Finding>,
}

impl Checked {
    /// Collects the errors of a policy or, if it is valid, its risks.
    fn new(source: Source, connections: u64) -> Self {
        let mut findings = source.findings().to_owned();
        if source.has_policy() {
            findings.extend(match source.policy() {
                Err(errors) => diagnose::mistakes(&source, &errors),
                Ok(policy) => lint::findings(&source, &policy, connections),
            });
        }
        Self { source, findings }
    }

    fn is_valid(&self) -> bool {
        !self
            .findings
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }

    /// The name of the object that contains the policy, unless the file is the policy.
    fn object(&self) -> Option<&str> {
        self.source.object().map(|object| object.name.as_str())
    }
}

/// Checks every policy in a file.
///
/// # Errors
/// When the file cannot be read.
fn check(path: &Path, args: &Args) -> Result<Vec<Checked>> {
    let sources = diagnose::sources(path)?.into_iter();
    let mut checked: Vec<_> = sources
        .map(|source| Checked::new(source, args.connections))
        .collect();
    lint::compare_roles(&mut checked);
    let is_allowed = |finding: &Finding| args.allow.iter().any(|lint| lint.code() == finding.code);
    for one in &mut checked {
        one.findings.retain(|finding| !is_allowed(finding));
        one.source.name_object(&mut one.findings);
    }
    Ok(checked)
}

/// The number of findings of each severity.
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
            findings.map(|finding| finding.count).sum()
        };
        Self {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
        }
    }

    /// Formats the counts as a sentence.
    fn summary(self) -> String {
        let some = |count: usize, what: &str| match count {
            0 => format!("no {what}s"),
            1 => format!("1 {what}"),
            _ => format!("{count} {what}s"),
        };
        let mut shown = format!(
            "{}, {}",
            some(self.errors, "error"),
            some(self.warnings, "warning")
        );
        if self.notes > 0 {
            shown += &format!(", {}", some(self.notes, "note"));
        }
        shown
    }
}

/// Returns exit code 1 if a policy is invalid, 2 if a file cannot be read.
///
/// # Errors
/// When the result cannot be serialized.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut checked = Vec::new();
    let mut all_read = true;
    for path in &args.files {
        match check(path, args) {
            Ok(policies) => checked.extend(policies),
            Err(error) => {
                all_read = false;
                terminal::error(&error);
            }
        }
    }
    let counts = Counts::of(&checked);
    match args.format {
        Format::Text => text(&checked, counts),
        Format::Json => terminal::line(&json::of(&checked, counts)?),
        Format::Sarif => terminal::line(&sarif::of(&checked, all_read)?),
        Format::Github => print_lines(github::of(&checked)),
    }
    Ok(match () {
        () if !all_read => ExitCode::from(2),
        () if counts.errors > 0 || (args.deny_warnings && counts.warnings > 0) => ExitCode::FAILURE,
        () => ExitCode::SUCCESS,
    })
}

fn text(checked: &[Checked], counts: Counts) {
    let colors = terminal::has_color(&io::stdout());
    for Checked { source, findings } in checked {
        for finding in findings {
            terminal::line(&diagnose::render(source, finding, colors));
            terminal::line("");
        }
    }
    for one in checked {
        if let Some(object) = one.source.object() {
            let name = terminal::escape(&object.name);
            let line = one.source.position(object.key.start).line;
            let counts = Counts::of(std::slice::from_ref(one));
            terminal::line(&format!(
                "{}:{line}: {name}: {}",
                one.source.name(),
                counts.summary()
            ));
        }
    }
    if !checked.is_empty() {
        let policies = checked.iter().filter(|checked| checked.source.has_policy());
        let policies = match policies.count() {
            0 => "no policy".to_owned(),
            1 => "1 policy".to_owned(),
            count => format!("{count} policies"),
        };
        terminal::line(&format!("checked {policies}: {}", counts.summary()));
    }
}

fn print_lines(lines: Vec<String>) {
    for line in lines {
        terminal::line(&line);
    }
}

/// Describes a finding's code, for SARIF and documentation.
fn describe_code(code: &str) -> &'static str {
    match Lint::of(code) {
        Some(lint) => lint.about(),
        None => diagnose::describe_code(code),
    }
}
