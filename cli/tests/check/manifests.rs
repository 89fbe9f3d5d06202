//! `evenkeel check` and `explain` on Kubernetes manifests and Envoy configurations.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{evenkeel, evenkeel_reading, repository};
use crate::{check, files, findings, underlined, written};

/// One line for each finding with position, code and message, and lines for its object, help and fix.
fn messages(file: &str) -> String {
    let line = |finding: &Value| {
        let start = &finding["start"];
        let place = match start.is_null() {
            true => "nowhere".to_owned(),
            false => format!("{}:{}", start["line"], start["column"]),
        };
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let mut line = format!("{place} {}: {}\n", text("code"), text("message"));
        for (name, value) in [("in", text("object")), ("help", text("help"))] {
            if !value.is_empty() {
                line += &format!("  {name}: {value}\n");
            }
        }
        if let Some(fix) = finding["fix"]["text"].as_str() {
            line += &format!("  write: {fix}\n");
        }
        line
    };
    findings(file).iter().map(line).collect()
}

#[test]
fn findings_have_the_position_in_the_file() {
    let texts = files("cli/tests/check/manifests", ".txt");
    assert!(texts.len() >= 12, "only {} cases", texts.len());
    for text in texts {
        let mut file = text.with_extension("yaml");
        if !file.exists() {
            file = text.with_extension("json");
        }
        let found = messages(file.to_str().unwrap());

        let expected = fs::read_to_string(&text).unwrap();
        assert!(found == expected, "{}:\n{found}", file.display());
        let is_wrong = !expected.contains("roles-differ");
        let code = check(&[file.to_str().unwrap()]).code;
        assert_eq!(code, i32::from(is_wrong), "{}", file.display());
    }
}

#[test]
fn example_configurations_are_valid() {
    let mut policies = 0;
    for folder in ["envoy", "istio"] {
        for folder in fs::read_dir(repository(folder)).unwrap() {
            let folder = folder.unwrap().path();
            let file = ["envoy.yaml", "evenkeel.yaml"].map(|name| folder.join(name));
            if let Some(file) = file.iter().find(|file| file.exists()) {
                policies += assert_valid(file);
            }
        }
    }
    assert!(policies >= 12, "only {policies} policies");
}

/// Asserts that every policy of the file is valid, and returns their number.
fn assert_valid(file: &Path) -> usize {
    let run = check(&["--format", "json", file.to_str().unwrap()]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        report["summary"]["errors"],
        0,
        "{}: {report:#}",
        file.display()
    );
    assert_eq!(run.code, 0);
    report["files"][0]["policies"].as_array().unwrap().len()
}

#[test]
fn rendered_manifests_are_valid() {
    let directory = tempfile::tempdir().unwrap();
    let mut policies = 0;
    for policy in files("policies", ".json") {
        let policy = policy.to_str().unwrap();
        if policy.ends_with(".schema.json") {
            continue;
        }
        let image = [
            "--module",
            "oci://registry.example/balance:1",
            "--name",
            "balance",
        ];
        for (command, options) in [
            ("istio", &image[..]),
            (
                "istio",
                &[&image[..], &["--kind", "traffic-extension"]].concat(),
            ),
            ("istio", &[&image[..], &["--roles", "both"]].concat()),
            ("envoy", &["--module", "/etc/balance.wasm"]),
            (
                "gateway-api",
                &[&image[..], &["--gateway", "public"]].concat(),
            ),
        ] {
            let text = evenkeel_cli::rendered([&[command, policy], options].concat()).unwrap();
            if command == "gateway-api" && !text.contains("kind: EnvoyExtensionPolicy") {
                continue;
            }
            let file = written(directory.path(), "rendered.yaml", text);
            policies += assert_valid(Path::new(&file));
            let found = findings(&file);
            let differ = |finding: &Value| {
                ["roles-differ", "wrong-role"].map(|code| finding["code"] == code)
            };
            assert!(
                !found.iter().any(|finding| differ(finding).contains(&true)),
                "{found:#?}"
            );
        }
    }
    assert!(policies >= 60, "only {policies} policies");
}

/// The policy embedded in Envoy configurations in different notations.
fn forms(policy: &str) -> Vec<(&'static str, String)> {
    let filter = |value: &str| {
        format!(
            "name: evenkeel\ntyped_config:\n  \"@type\": type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm\n  \
             config:\n    configuration:\n      \"@type\": type.googleapis.com/google.protobuf.StringValue\n      value: {value}\n"
        )
    };
    let indented: String = policy
        .split_inclusive('\n')
        .map(|line| match line.trim().is_empty() {
            true => "\n".to_owned(),
            false => format!("         {line}"),
        })
        .collect();
    // `|` adds a line break at the end, `|-` does not.
    let block = if policy.ends_with('\n') { "|" } else { "|-" };
    let json = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": { "name": "evenkeel", "configuration": {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": policy,
        } },
    });
    vec![
        ("block.yaml", filter(&format!("{block}\n{indented}"))),
        ("quoted.yaml", filter(&Value::from(policy).to_string())),
        ("listener.json", json.to_string()),
    ]
}

#[test]
fn embedded_policies_have_the_same_findings() {
    let directory = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for file in files("policies/invalid", ".json") {
        let Ok(policy) = fs::read_to_string(&file) else {
            continue;
        };
        // A block scalar cannot consist of white space only.
        if policy.trim().is_empty() {
            continue;
        }
        let plain = file.to_str().unwrap();
        let expected = findings(plain);
        for (name, text) in forms(&policy) {
            let held = written(directory.path(), name, &text);
            let found = findings(&held);
            assert_eq!(found.len(), expected.len(), "{plain} in {name}: {found:#?}");
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found["message"], expected["message"], "{plain} in {name}");
                let of = |file: &str, finding| {
                    let text = underlined(file, finding).unwrap_or_default();
                    text.replace("\\\"", "\"").replace("\\\\", "\\")
                };
                let (found, expected) = (of(&held, found), of(plain, expected));
                // Only the first character of a span of several lines is underlined.
                assert!(
                    !found.is_empty() && found.starts_with(&expected),
                    "{plain} in {name}: {found:?} for {expected:?}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 150, "only {compared}");
}

#[test]
fn each_policy_is_reported_with_its_object() {
    let file = repository("cli/tests/check/manifests/wasm-plugin.yaml");
    let run = check(&[&file]);
    for expected in [
        format!("{file}:14: WasmPlugin shop/evenkeel-network: 9 errors, no warnings\n"),
        format!("{file}:46: WasmPlugin shop/evenkeel-empty: 1 error, no warnings\n"),
        "checked 3 policies: 12 errors, no warnings\n".to_owned(),
        "   |\n   = note: in WasmPlugin shop/evenkeel-network\n".to_owned(),
    ] {
        assert!(run.stdout.contains(&expected), "{expected}\n{}", run.stdout);
    }
    let report = check(&["--format", "json", &file]).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        report["files"][0]["policies"][1],
        json!({ "object": "WasmPlugin shop/evenkeel-http", "line": 39, "valid": false })
    );
}

#[test]
fn kubectl_output_is_read_from_stdin() {
    let list = fs::read_to_string(repository("cli/tests/check/manifests/list.json")).unwrap();
    let run = evenkeel_reading(&["check", "-"], &list);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("--> <stdin>:10:104"), "{}", run.stdout);
}

#[test]
fn files_without_a_policy_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let yaml = written(directory.path(), "a.yaml", "version: 1\nmode: observe\n");
    assert!(
        messages(&yaml).contains("yq -o json"),
        "{}",
        messages(&yaml)
    );
    let nothing = repository("cli/tests/check/manifests/nothing.yaml");
    let run = check(&[&nothing]);
    assert!(
        run.stdout
            .ends_with("checked no policy: 1 error, no warnings\n")
    );
    assert!(
        run.stdout
            .contains("found Deployment shop, WasmPlugin shop/firewall")
    );
}

#[test]
fn explain_reads_manifests() {
    let file = repository("istio/workload/evenkeel.yaml");
    let request = [
        "explain",
        &file,
        "--request",
        "/events/7",
        "--format",
        "json",
    ];
    let explained: Value = serde_json::from_str(&evenkeel(&request).stdout).unwrap();
    assert_eq!(explained["decided_by"]["name"], "events");

    let directory = tempfile::tempdir().unwrap();
    let plugin = |name: &str, age: &str| {
        format!(
            "kind: WasmPlugin\nmetadata: {{ name: {name} }}\nspec:\n  pluginConfig:\n    version: 1\n    defaults: {{ max_connection_age: {age} }}\n---\n"
        )
    };
    let two = written(
        directory.path(),
        "a.yaml",
        plugin("one", "10m") + &plugin("two", "20m"),
    );
    let run = evenkeel(&["explain", &two]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    for expected in [
        "WasmPlugin one\n\nmode: enforce",
        "WasmPlugin two\n\nmode: enforce",
        "defaults, line 6: ",
        "at an age of 16m to 20m.",
    ] {
        assert!(run.stdout.contains(expected), "{expected}\n{}", run.stdout);
    }
    let run = evenkeel(&["explain", &two, "--format", "json"]);
    let explained: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(explained["policies"][1]["object"], "WasmPlugin two");

    let run = evenkeel(&["render", "envoy", &two]);
    assert_eq!(run.code, 1);
    let expected = "contains different policies, of WasmPlugin one, WasmPlugin two";
    assert!(run.stderr.contains(expected), "{}", run.stderr);
}
