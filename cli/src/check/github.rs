//! Findings as annotations of a pull request: workflow commands of GitHub Actions.

use super::Checked;
use crate::diagnose::{Finding, Severity, Source};

/// Returns a line for each finding.
pub fn of(checked: &[Checked]) -> Vec<String> {
    let lines = checked.iter().flat_map(|Checked { source, findings }| {
        findings.iter().map(|finding| command(source, finding))
    });
    lines.collect()
}

fn command(source: &Source, finding: &Finding) -> String {
    let name = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut properties = vec![("file", source.name().to_owned())];
    if let Some(span) = &finding.span {
        let (start, end) = (source.position(span.start), source.position(span.end));
        properties.push(("line", start.line.to_string()));
        properties.push(("col", start.column.to_string()));
        properties.push(("endLine", end.line.to_string()));
        // GitHub ignores the end column if the end is on another line.
        if end.line == start.line {
            properties.push(("endColumn", end.column.to_string()));
        }
    }
    properties.push(("title", format!("evenkeel {}", finding.code)));
    let properties: Vec<_> = properties
        .into_iter()
        .map(|(key, value)| format!("{key}={}", property(&value)))
        .collect();
    format!(
        "::{name} {}::{}",
        properties.join(","),
        data(&full_message(finding))
    )
}

/// Returns all findings as workflow commands.
pub(super) fn full_message(finding: &Finding) -> String {
    let mut lines = vec![finding.message.clone()];
    lines.extend(finding.notes.iter().cloned());
    lines.extend(finding.help.clone());
    lines.join("\n")
}

/// Escapes what ends a command or begins an escape (`escapeData` in `@actions/core`).
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes what ends a property, too (`escapeProperty`).
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
