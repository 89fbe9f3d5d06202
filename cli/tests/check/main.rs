//! `evenkeel check` on the command line.

mod formats;
mod manifests;
mod outcome;
mod places;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Run, evenkeel, repository};

fn check(args: &[&str]) -> Run {
    evenkeel(&[&["check"], args].concat())
}

/// Returns the path of a file in `policies/invalid`.
fn invalid(name: &str) -> String {
    repository(&format!("policies/invalid/{name}.json"))
}

/// Returns the files of a directory with this ending.
fn files(directory: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(repository(directory)).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect();
    files.sort();
    files
}

/// Returns the findings in a file as JSON.
fn findings(file: &str) -> Vec<Value> {
    let report: Value = serde_json::from_str(&check(&["--format", "json", file]).stdout).unwrap();
    report["findings"].as_array().unwrap().clone()
}

/// Returns the text of a file from `start` to `end`.
fn underlined(file: &str, place: &Value) -> Option<String> {
    let text = fs::read_to_string(file).unwrap();
    let text = text.trim_start_matches('\u{feff}');
    let offset = |position: &Value| {
        let line = usize::try_from(position["line"].as_u64()?).unwrap();
        let column = usize::try_from(position["column"].as_u64()?).unwrap();
        let before: usize = text
            .split_inclusive('\n')
            .take(line - 1)
            .map(str::len)
            .sum();
        let in_line = text[before..].char_indices().map(|(at, _)| at);
        let at = in_line.chain([text.len() - before]).nth(column - 1);
        Some(before + at.unwrap())
    };
    Some(text[offset(&place["start"])?..offset(&place["end"])?].to_owned())
}

fn written(directory: &Path, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let file = directory.join(name);
    fs::write(&file, bytes).unwrap();
    file.to_str().unwrap().to_owned()
}
