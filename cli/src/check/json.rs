//! Findings as JSON. The format is stable: keys may be added, but none is removed or changes its meaning.
//!
//! ```json
//! { "version": 1,
//!   "files": [ { "path": "policy.json", "valid": false } ],
//!   "findings": [ { "path": "policy.json", "object": null, "severity": "error", "code": "unknown-key",
//!     "message": "defaults.closeDelay: unknown key; did you mean `close_delay`?", "place": "defaults.closeDelay",
//!     "start": { "line": 1, "column": 31 }, "end": { "line": 1, "column": 43 },
//!     "related": [], "notes": [], "help": null,
//!     "fix": { "start": { "line": 1, "column": 32 }, "end": { "line": 1, "column": 42 }, "text": "close_delay" } } ],
//!   "summary": { "errors": 1, "warnings": 0, "notes": 0 } }
//! ```
//! A file that contains policies, and is not one itself, has `policies`, such as
//! `{ "object": "WasmPlugin shop/evenkeel-network", "line": 17, "valid": true }`; `object` of a finding is one of those.
//! Lines and columns count from 1, columns in characters; `end` is after the last character. `start` and `end` are
//! null if the finding has no position, as in an empty file.

use serde_json::{Value, json};

use super::{Checked, Counts};
use crate::diagnose::{Finding, Source, Span};

pub fn of(checked: &[Checked], counts: Counts) -> serde_json::Result<String> {
    let files = checked.chunk_by(|a, b| a.source.is_in_same_file(&b.source));
    let files = files.map(file);
    let findings = checked.iter().flat_map(|checked| {
        let findings = checked.findings.iter();
        findings.map(|finding| self::finding(checked, finding))
    });
    serde_json::to_string_pretty(&json!({
        "version": 1,
        "files": files.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
        "summary": counts,
    }))
}

/// Describes a file and its policies.
fn file(checked: &[Checked]) -> Value {
    let policies = checked.iter().filter_map(|checked| {
        let object = checked.source.object()?;
        let line = checked.source.position(object.key.start).line;
        Some(json!({ "object": object.name, "line": line, "valid": checked.is_valid() }))
    });
    let policies: Vec<_> = policies.collect();
    let name = checked.first().map(|checked| checked.source.name());
    let valid = checked.iter().all(Checked::is_valid);
    match policies.is_empty() {
        true => json!({ "path": name, "valid": valid }),
        false => json!({ "path": name, "valid": valid, "policies": policies }),
    }
}

fn finding(checked: &Checked, finding: &Finding) -> Value {
    let source = &checked.source;
    let related = finding.related.iter().map(|mark| {
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
        "object": checked.object(),
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
