//! `evenkeel render`: its output is read back and compared with the policy and the options.

mod envoy;
mod gateway_api;
mod istio;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Run, evenkeel};

/// The options of most command lines.
const IMAGE: [&str; 2] = ["--module", "oci://registry.example/evenkeel:0.1.0"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn policy(name: &str) -> String {
    let path = root().join("policies").join(format!("{name}.json"));
    path.display().to_string()
}

/// Returns the names of all example policies.
fn policies() -> Vec<String> {
    let files = fs::read_dir(root().join("policies")).unwrap();
    let names = files.filter_map(|file| {
        let name = file.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".json")?.to_owned();
        (name != "policy.schema").then_some(name)
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert!(names.len() >= 8, "{names:?}");
    names
}

/// Returns the documents that `evenkeel render ARGS` prints.
fn documents(args: &[&str]) -> Vec<Value> {
    let text = evenkeel_cli::rendered(args).unwrap();
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect()
}

/// Returns the only document with this name.
fn named<'a>(documents: &'a [Value], name: &str) -> &'a Value {
    let mut found = documents
        .iter()
        .filter(|document| document["metadata"]["name"] == name);
    let document = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "two of {name}");
    document
}

fn render(args: &[&str]) -> Run {
    evenkeel(&[&["render"], args].concat())
}

#[test]
fn directory_is_a_base_of_kustomize() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("new/base");
    let output = base.display().to_string();

    let done = render(&[&["istio", &policy("minimal")], &IMAGE[..], &["-o", &output]].concat());

    assert_eq!(done.code, 0);
    let text = fs::read_to_string(base.join("kustomization.yaml")).unwrap();
    let kustomization: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(kustomization["resources"], json!(["evenkeel.yaml"]));
    let printed = render(&[&["istio", &policy("minimal")], &IMAGE[..]].concat());
    assert_eq!(
        fs::read_to_string(base.join("evenkeel.yaml")).unwrap(),
        printed.stdout
    );
}

#[test]
fn committed_manifests_match_the_rendered_ones() {
    let manifests = evenkeel_cli::manifests(&root()).unwrap();
    assert!(!manifests.is_empty());
    for (file, text) in manifests {
        let written = fs::read_to_string(root().join(&file)).unwrap_or_default();
        let name = file.display();
        assert!(
            written == text,
            "{name} differs from what is rendered; run cargo xtask generate"
        );
    }
}

#[test]
fn impossible_options_are_usage_errors() {
    let policy = policy("minimal");
    for (line, expected) in [
        (&["--istio", "1.23"][..], "from 1.24 to 1.31"),
        (&["--workload", "shop"], "write key=value"),
        (
            &["--workload", "a=b", "--gateway", "c=d"],
            "cannot be used with",
        ),
        (
            &["--workload", "a=b", "--http3", "443"],
            "cannot be used with",
        ),
        (&["--host", "shop"], "write the full name"),
        (&["--host", "a.b", "--host", "a.b"], "stated twice"),
        (&["--name", "Evenkeel"], "consist of a-z"),
        (&["--namespace", "my_ns"], "consist of a-z"),
        (&["--sha256", "abc"], "64 hexadecimal digits"),
        (
            &[
                "--host",
                "*.shop.svc.cluster.local",
                "--http2-port",
                "90",
                "--istio",
                "1.30",
            ],
            "the exact name",
        ),
        (
            &["--kind", "traffic-extension", "--istio", "1.29"],
            "came with 1.30",
        ),
        (
            &["--wasm", "evenkeel.wasm"],
            "digest of the image's manifest",
        ),
    ] {
        let done = render(&[&["istio", &policy], &IMAGE[..], line].concat());
        let error = done.stderr;
        assert_eq!(done.code, 2, "{error}");
        assert!(error.contains(expected), "{error}");
    }
    let done = render(&["istio", &policy, "--module", "registry.example/evenkeel:1"]);
    let error = done.stderr;
    assert_eq!(done.code, 2);
    assert!(
        error.contains("oci://registry.example/evenkeel:1"),
        "{error}"
    );
}

#[test]
fn invalid_policy_is_reported_with_all_errors_and_renders_nothing() {
    let done = render(&[&["istio", &policy("invalid/several")], &IMAGE[..]].concat());

    let error = done.stderr;
    assert_eq!(done.code, 1);
    assert!(done.stdout.is_empty());
    let errors = fs::read_to_string(root().join("policies/invalid/several.txt")).unwrap();
    for line in errors.lines() {
        assert!(error.contains(line), "{line:?} is not in {error}");
    }
}

#[test]
fn digest_of_a_local_file_is_computed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("evenkeel.wasm");
    fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
    let file = file.display().to_string();
    let policy = policy("minimal");

    let documents = documents(&[
        "istio",
        &policy,
        "--module",
        "https://files.example/evenkeel.wasm",
        "--wasm",
        &file,
    ]);

    // `printf '\0asm\1\0\0\0' | sha256sum`
    let digest = "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476";
    assert_eq!(
        named(&documents, "evenkeel-network")["spec"]["sha256"],
        digest
    );
}
