//! The policy crate's errors, each with its place in the text.

use std::collections::BTreeMap;

use evenkeel_policy::{Cause, Error, Errors, Place};

use super::source::Form;
use super::{Document, Finding, Fix, Severity, Source, Span, pitfall};

/// Returns a finding for each error, and one that counts those that are not listed.
pub fn mistakes(source: &Source, errors: &Errors) -> Vec<Finding> {
    let document = Document::of(source);
    let mut repeated = BTreeMap::new();
    let mut findings: Vec<_> = errors
        .iter()
        .map(|error| mistake(source, &document, error, &mut repeated))
        .collect();
    if errors.unlisted() > 0 {
        let more = format!("and {} more", errors.unlisted());
        findings.push(Finding {
            count: errors.unlisted(),
            ..Finding::new(Severity::Error, "more", more, Place::default())
        });
    }
    findings
}

/// `repeated` counts the reported repetitions of each key.
fn mistake(
    source: &Source,
    document: &Document<'_>,
    error: &Error,
    repeated: &mut BTreeMap<String, usize>,
) -> Finding {
    let place = error.place();
    let location = document.find(place);
    let key = || location.as_ref().map(|location| location.name());
    let value = || {
        location
            .as_ref()
            .map(|location| document.shown(&location.value))
    };
    let finding = |code| Finding::new(Severity::Error, code, error.to_string(), place.clone());
    match error.cause() {
        Cause::Empty if matches!(source.form(), Form::Missing) => {
            finding("empty").at(source.key()).help(PLACE)
        }
        Cause::Empty => finding("empty").at(source.key()),
        Cause::Protobuf => finding("protobuf").at(source.key()),
        Cause::TooLong { .. } => finding("too-long").at(source.key()),
        Cause::Syntax { line, column, .. } => {
            syntax(source, finding("syntax"), source.json_span(*line, *column))
        }
        Cause::UnknownKey { near, .. } => {
            let mut finding = finding("unknown-key").at(key());
            finding.fix = near.and_then(|near| word(source, &key()?, near));
            finding
        }
        Cause::RenamedKey { to } => {
            let mut finding = finding("renamed-key").at(key());
            // A key that moved to another object needs more than a new name.
            let is_plain = !to.contains(['.', '`']);
            finding.fix = is_plain
                .then(key)
                .flatten()
                .and_then(|key| word(source, &key, to));
            finding
        }
        Cause::MisplacedKey { .. } => finding("misplaced-key").at(key()),
        Cause::RepeatedKey { .. } => {
            let n = repeated.entry(place.to_string()).or_insert(0);
            *n += 1;
            let again = document.nth(place, *n).map(|location| location.name());
            finding("repeated-key")
                .at(again)
                .related(key(), "first here")
        }
        Cause::Missing { .. } => {
            let around = document.around(place);
            finding("missing-key").at(around.map(|location| document.shown(&location.value)))
        }
        Cause::Value { near, .. } => {
            let mut finding = finding("wrong-value").at(value());
            finding.fix = near.and_then(|near| word(source, &value()?, near));
            match finding.fix {
                Some(_) => finding,
                None => pitfall::of_value(source, document, finding),
            }
        }
        Cause::Contradiction { with, .. } => {
            let with = with.as_ref();
            let other = with.and_then(|with| document.find(with));
            let label = with.map(|with| format!("`{with}`")).unwrap_or_default();
            finding("contradiction")
                .at(value())
                .related(other.map(|location| document.shown(&location.value)), label)
        }
    }
}

fn syntax(source: &Source, finding: Finding, span: Span) -> Finding {
    let is_file = matches!(source.form(), Form::File);
    if is_file && source.file().is_utf16() {
        return finding.help("the file is UTF-16; save it as UTF-8");
    }
    let not_utf8 = source.file().not_utf8();
    let not_utf8 = not_utf8.filter(|_| is_file && finding.message.ends_with("expected UTF-8"));
    let span = not_utf8.map_or(span, |at| source.file().character(at));
    let rest = source.text().get(span.start..).unwrap_or_default();
    let is_comment = ["//", "/*", "#"]
        .iter()
        .any(|start| rest.starts_with(start));
    let finding = finding.at(Some(span));
    match source.form() {
        Form::File if is_yaml(source.name(), source.text()) => finding.help(YAML),
        Form::File | Form::Text(_) if is_comment => finding.help("JSON has no comments"),
        Form::Text(_) if begins_as_yaml(&String::from_utf8_lossy(source.json())) => {
            finding.help(YAML_TEXT)
        }
        Form::Text(_) => {
            finding.note("line and column in this message count from the start of the policy")
        }
        _ => finding,
    }
}

const PLACE: &str = "the policy is the value of `pluginConfig` in a WasmPlugin or TrafficExtension, of `config` in an \
                     EnvoyExtensionPolicy, and the `value` in the `configuration` of an Envoy filter";

const YAML: &str = "a policy file is JSON; convert YAML first: `yq -o json . FILE`";

const YAML_TEXT: &str = "Envoy passes this text to the module unchanged, and the module reads JSON only; Istio converts \
                         the YAML below `pluginConfig` to JSON";

/// Whether the file's name or first line is that of YAML.
pub fn is_yaml(name: &str, text: &str) -> bool {
    [".yaml", ".yml"].iter().any(|end| name.ends_with(end)) || begins_as_yaml(text)
}

/// Whether the first line is `key:`, `- `, `---` or a comment.
fn begins_as_yaml(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    let key = first.split_once(':').map(|(key, _)| key);
    let is_key = |key: &str| key.chars().all(|c| c.is_alphanumeric() || c == '_');
    ["---", "- ", "#", "%YAML"]
        .iter()
        .any(|begin| first.starts_with(begin))
        || key.is_some_and(is_key)
}

/// Replaces the word at `span`, which may be in quotes, with `near`.
fn word(source: &Source, span: &Span, near: &str) -> Option<Fix> {
    let written = source.text().get(span.clone())?;
    let is_quote = |c| matches!(c, '"' | '\'' | '\\');
    let behind = written.trim_start_matches(is_quote);
    let start = span.start + written.len() - behind.len();
    let word = behind.trim_end_matches(is_quote);
    let is_plain = !word.contains(['\\', '\n']);
    is_plain.then(|| Fix {
        span: start..start + word.len(),
        text: near.to_owned(),
    })
}

/// Returns the meaning of an error's code.
pub fn describe_code(code: &str) -> &'static str {
    match code {
        "empty" => "The policy is empty.",
        "json-schema" => "The file is a JSON schema, not a policy.",
        "no-policy" => "The file contains no Evenkeel policy.",
        "wrong-form" => "The policy is in a form that does not reach the module as JSON.",
        "protobuf" => {
            "The policy is a google.protobuf.Struct, which Envoy does not convert to JSON."
        }
        "too-long" => "The policy exceeds the maximum length.",
        "syntax" => "The text is not valid JSON, or not valid YAML where YAML is allowed.",
        "unknown-key" => "The key is unknown at its place.",
        "renamed-key" => "The key has a new name.",
        "misplaced-key" => "The key belongs to another object.",
        "repeated-key" => "The key is in the same object twice.",
        "missing-key" => "A required key is missing.",
        "wrong-value" => "The value is not allowed.",
        "contradiction" => "The value conflicts with another value.",
        _ => "There are more errors than are listed.",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::diagnose::render;

    /// The example policies, with each byte once removed or replaced.
    fn broken() -> Vec<Vec<u8>> {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies");
        let mut broken = Vec::new();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_str().unwrap();
            if !name.ends_with(".json") || name.ends_with(".schema.json") {
                continue;
            }
            let text = fs::read(&path).unwrap();
            let wrong = [&b""[..], b"x", b"0", b"\xff", b"{", b"\"", b"\n,"];
            for (at, wrong) in (0..text.len()).zip(wrong.iter().cycle()) {
                broken.push([&text[..at], wrong, &text[at + 1..]].concat());
            }
        }
        broken
    }

    #[test]
    fn mistakes_have_positions_for_any_wrong_byte() {
        let mut rejected = 0;
        for bytes in broken() {
            let source = Source::new("a.json", bytes);
            let Err(errors) = source.policy() else {
                continue;
            };
            rejected += 1;
            for finding in mistakes(&source, &errors) {
                let span = finding.span.clone();
                let span = span.unwrap_or_else(|| panic!("{}\n{}", finding.message, source.text()));
                assert!(source.text().get(span).is_some());
                let shown = render(&source, &finding, false);
                let title = format!("error[{}]: {}\n", finding.code, finding.message);
                assert!(shown.starts_with(&title), "{shown}");
            }
        }
        assert!(rejected > 2_000, "{rejected}");
    }

    #[test]
    fn every_accepted_json_has_positions() {
        let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
        for value in [
            "[1E+2, -0.0, 1e-7, -1, 0]",
            r#""\/\b\f\n\r\t\u00e9\ud83d\ude00""#,
            "\"\u{7f}\u{2028}\"",
            "[true, false, null, [], {}]",
            &deep,
        ] {
            let source = Source::new("a", format!("{{\"x\": {value}}}").into());
            let findings = mistakes(&source, &source.policy().unwrap_err());
            let key = findings
                .iter()
                .find(|finding| finding.code == "unknown-key")
                .unwrap();
            assert_eq!(
                source.text().get(key.span.clone().unwrap()),
                Some("\"x\""),
                "{value}"
            );
        }
    }
}
