//! Findings as SARIF 2.1.0 (OASIS), which code scanning reads.

use serde_json::{Value, json};

use super::github::full_message;
use super::{Checked, describe_code};
use crate::diagnose::{Finding, Severity, Source, Span};

pub fn of(checked: &[Checked], all_read: bool) -> serde_json::Result<String> {
    let codes = codes(checked);
    let rules = codes
        .iter()
        .map(|code| json!({ "id": code, "shortDescription": { "text": describe_code(code) } }));
    let results = checked.iter().flat_map(|Checked { source, findings }| {
        findings
            .iter()
            .map(|finding| result(source, finding, &codes))
    });
    serde_json::to_string_pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "evenkeel",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.collect::<Vec<_>>(),
            } },
            "invocations": [{ "executionSuccessful": all_read }],
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    }))
}

/// The distinct codes of the findings.
fn codes(checked: &[Checked]) -> Vec<&'static str> {
    let mut codes: Vec<_> = checked
        .iter()
        .flat_map(|checked| &checked.findings)
        .map(|finding| finding.code)
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

fn result(source: &Source, finding: &Finding, codes: &[&str]) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let mut result = json!({
        "ruleId": finding.code,
        "ruleIndex": codes.iter().position(|code| *code == finding.code),
        "level": level,
        "message": { "text": full_message(finding) },
        "locations": [{ "physicalLocation": location(source, finding.span.as_ref()) }],
    });
    if !finding.related.is_empty() {
        let related = finding.related.iter().map(|mark| {
            json!({
                "physicalLocation": location(source, Some(&mark.span)),
                "message": { "text": mark.label },
            })
        });
        result["relatedLocations"] = related.collect();
    }
    if let Some(fix) = &finding.fix {
        result["fixes"] = json!([{
            "description": { "text": format!("write `{}`", fix.text) },
            "artifactChanges": [{
                "artifactLocation": { "uri": uri(source.name()) },
                "replacements": [{
                    "deletedRegion": region(source, &fix.span),
                    "insertedContent": { "text": fix.text },
                }],
            }],
        }]);
    }
    result
}

fn location(source: &Source, span: Option<&Span>) -> Value {
    let mut location = json!({ "artifactLocation": { "uri": uri(source.name()) } });
    if let Some(span) = span {
        location["region"] = region(source, span);
    }
    location
}

fn region(source: &Source, span: &Span) -> Value {
    let (start, end) = (source.position(span.start), source.position(span.end));
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// A path as a relative reference (RFC 3986 3.3).
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(byte.into());
            }
            _ => uri += &format!("%{byte:02X}"),
        }
    }
    uri
}
