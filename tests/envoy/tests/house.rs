//! Rules for the tests: every metric has a story that asserts its value, and no test discards the error of a request.

use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_metrics::Metric;

/// The texts of statements that assert a value or wait for one.
const ASSERTS: [&str; 4] = ["assert", "wait_for_metric", "wait_until_metric", "expected"];

/// Returns the texts of all Rust files below these folders of `tests/`.
fn sources(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    for folder in folders {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        gather(&tests.join(folder), &mut sources);
    }
    sources
}

/// Returns the statements of all stories, the texts between two semicolons.
fn statements() -> Vec<String> {
    let mut statements = Vec::new();
    for (_, text) in sources(&["envoy/tests/stories", "module/tests"]) {
        statements.extend(text.split(";\n").map(str::to_owned));
    }
    statements
}

fn gather(folder: &Path, sources: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_owned();
        if path.is_dir() && name != "node_modules" && name != "target" {
            gather(&path, sources);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            sources.push((path, text));
        }
    }
}

/// Returns whether a statement has the complete name of a metric, with or without the prefix.
fn names(statement: &str, metric: Metric) -> bool {
    let name = metric.name().trim_start_matches("evenkeel_");
    statement.match_indices(name).any(|(at, _)| {
        let before = &statement[..at];
        let after = statement[at + name.len()..].chars().next();
        let begins = before.ends_with('"') || before.ends_with("evenkeel_");
        begins && after.is_some_and(|next| !next.is_alphanumeric() && next != '_')
    })
}

#[test]
fn every_metric_is_asserted_in_a_story() {
    let statements = statements();
    let is_asserted = |metric: &&Metric| {
        let named = statements.iter().filter(|one| names(one, **metric));
        named
            .into_iter()
            .any(|one| ASSERTS.iter().any(|word| one.contains(word)))
    };
    let missing: Vec<_> = Metric::ALL
        .iter()
        .filter(|metric| !is_asserted(metric))
        .collect();

    assert!(
        missing.is_empty(),
        "no story asserts a value of {missing:?}"
    );
}

/// A discarded error hides a lost request.
#[test]
fn no_test_discards_an_awaited_error() {
    // Concatenated, so that this file does not match.
    let discarded = [".await", ".ok()"].concat();
    for (path, text) in sources(&["."]) {
        let text: String = text.split_whitespace().collect();
        assert!(!text.contains(&discarded), "{}", path.display());
    }
}
