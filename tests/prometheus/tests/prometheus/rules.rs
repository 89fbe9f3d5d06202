//! Prometheus accepts the alert rules, and each fires only on its condition.

use std::fs;
use std::path::Path;
use std::process::Command;

use evenkeel_test_prometheus::{program, root};

use crate::the_rules;

/// The output of `promtool` without an error.
fn promtool(arguments: &[&str], files: &[&Path]) -> String {
    let output = Command::new(program("promtool").unwrap())
        .args(arguments)
        .args(files)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{errors}");
    printed
}

#[test]
fn prometheus_accepts_the_rules() {
    let output = promtool(
        &["check", "rules"],
        &[&root().join("istio/dashboard/alerts.yaml")],
    );

    assert!(
        output.contains(&format!("{} rules found", the_rules().len())),
        "{output}"
    );
}

#[test]
fn each_alert_fires_only_on_its_condition() {
    for rule in the_rules() {
        let name = rule["alert"].as_str().unwrap();
        let file = root().join(format!("tests/prometheus/alerts/{name}.yaml"));
        let tests = fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{name} has no test: {}: {error}", file.display()));
        let tests: serde_json::Value = serde_saphyr::from_str(&tests).unwrap();
        let firing = format!(r#"ALERTS{{alertname="{name}", alertstate="firing"}}"#);
        let cases: Vec<_> = tests["tests"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|test| test["promql_expr_test"].as_array().unwrap())
            .filter(|case| case["expr"] == firing)
            .map(|case| !case["exp_samples"].as_array().unwrap().is_empty())
            .collect();
        assert!(
            cases.contains(&true) && cases.contains(&false),
            "{name}: {cases:?}"
        );

        promtool(&["test", "rules"], &[&file]);
    }
}

#[test]
fn each_alert_links_to_a_runbook_section() {
    let operating = fs::read_to_string(root().join("docs/operating.md")).unwrap();
    for rule in the_rules() {
        let name = rule["alert"].as_str().unwrap();
        let runbook = rule["annotations"]["runbook_url"].as_str().unwrap();
        let anchor = format!("/docs/operating.md#{}", name.to_lowercase());
        assert!(runbook.starts_with("https://") && runbook.ends_with(&anchor));
        assert!(operating.contains(&format!("\n### {name}\n")), "{name}");
    }
}
