//! Conventions of this repository that no lint can check.

use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_metrics::Metric;

/// Returns the Rust files below a folder of the workspace. Tests are excluded: they fake a
/// host and read metrics by name.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(folder),
    ];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        let files =
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in files.map(|file| file.unwrap().path()) {
            if path.is_dir() {
                if !path.ends_with("tests") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push((path, text));
            }
        }
    }
    sources
}

/// A hostcall is a foreign function, so code that calls the host or declares a callback needs `unsafe`.
#[test]
fn only_host_rs_calls_the_host() {
    let sources = sources("filter");
    let unsafe_files: Vec<_> = sources
        .iter()
        .filter(|(_, text)| text.contains("unsafe "))
        .map(|(path, _)| path)
        .collect();
    for file in ["envoy.rs", "exports.rs"] {
        let path = Path::new("plugin/src/host").join(file);
        assert!(
            unsafe_files
                .iter()
                .any(|unsafe_file| unsafe_file.ends_with(&path)),
            "{} itself calls no host",
            path.display()
        );
    }
    assert_eq!(unsafe_files.len(), 2, "{unsafe_files:?}");
}

#[test]
fn only_the_metrics_crate_names_a_metric() {
    let quoted: Vec<_> = Metric::ALL
        .iter()
        .map(|metric| format!("\"{}\"", metric.name()))
        .collect();
    let names = |(_, text): &(PathBuf, String)| quoted.iter().any(|name| text.contains(name));
    for folder in ["filter/plugin/src", "cli/src/alerts", "cli/src/dashboard"] {
        let named = sources(folder).into_iter().filter(names);
        let named: Vec<_> = named.map(|(path, _)| path).collect();
        assert_eq!(named, Vec::<PathBuf>::new());
    }
}

#[test]
fn pure_crates_depend_on_nothing_that_does_io() {
    for (name, allowed) in [
        ("policy", &["serde", "serde_json", "strsim", "schemars"][..]),
        ("wire", &[]),
        (
            "engine",
            &["evenkeel-policy", "evenkeel-wire", "serde", "serde_json"],
        ),
        (
            "metrics",
            &["evenkeel-engine", "evenkeel-policy", "evenkeel-wire"],
        ),
    ] {
        let path = format!("{}/../filter/{name}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
        let manifest = fs::read_to_string(&path).unwrap();
        let dependencies = manifest
            .split("\n[dependencies]\n")
            .nth(1)
            .unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        let lines = dependencies
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        for line in lines {
            let dependency = line.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(
                allowed.contains(&dependency),
                "{name} depends on {dependency}"
            );
        }
    }
}
