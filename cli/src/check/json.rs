//! Findings for programs. The shape is stable: keys may be added, none goes or changes its meaning.
//!
//! ```json
//! { "version": 1,
//!   "files": [ { "path": "policy.json", "valid": false } ],
//!   "findings": [ { "path": "policy.json", "severity": "error", "code": "unknown-key",
//!     "message": "defaults.maxAge: unknown key; did you mean `max_age`?", "place": "defaults.maxAge",
//!     "start": { "line": 1, "column": 31 }, "end": { "line": 1, "column": 39 },
//!     "related": [], "notes": [], "help": null,
//!     "fix": { "start": { "line": 1, "column": 32 }, "end": { "line": 1, "column": 38 }, "text": "max_age" } } ],
//!   "summary": { "errors": 1, "warnings": 0, "notes": 0 } }
//! ```
//! Lines and columns count from 1, columns in characters; `end` is behind the last. `start` and `end` are
//! null where the text has no such place, as in an empty file.

use serde_json::{Value, json};

use super::{Checked, Counts};
use crate::diagnose::{Finding, Severity, Source, Span};

pub fn of(checked: &[Checked], counts: Counts) -> serde_json::Result<String> {
    let files = checked.iter().map(|Checked { source, findings }| {
        let is_wrong = |finding: &Finding| finding.severity == Severity::Error;
        json!({ "path": source.name(), "valid": !findings.iter().any(is_wrong) })
    });
    let findings = checked.iter().flat_map(|Checked { source, findings }| {
        findings
            .iter()
            .map(|finding| self::finding(source, finding))
    });
    serde_json::to_string_pretty(&json!({
        "version": 1,
        "files": files.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
        "summary": counts,
    }))
}

fn finding(source: &Source, finding: &Finding) -> Value {
    let related = finding.marks.iter().map(|mark| {
        with(
            place(source, Some(&mark.span)),
            "message",
            json!(mark.label),
        )
    });
    let fix = finding
        .fix
        .as_ref()
        .map(|fix| with(place(source, Some(&fix.span)), "text", json!(fix.text)));
    let place = place(source, finding.span.as_ref());
    json!({
        "path": source.name(),
        "severity": finding.severity.name(),
        "code": finding.code,
        "message": finding.message,
        "place": finding.place.to_string(),
        "start": place["start"],
        "end": place["end"],
        "related": related.collect::<Vec<_>>(),
        "notes": finding.notes,
        "help": finding.help,
        "fix": fix,
    })
}

fn place(source: &Source, span: Option<&Span>) -> Value {
    let position = |offset| {
        let at = source.position(offset);
        json!({ "line": at.line, "column": at.column })
    };
    json!({
        "start": span.map(|span| position(span.start)),
        "end": span.map(|span| position(span.end)),
    })
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}
