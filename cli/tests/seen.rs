//! The dashboard, the alert rules and the table of metrics are what the list gives, and the commands print the same.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn evenkeel(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(arguments)
        .output()
        .unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let output = evenkeel(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_generated_is_up_to_date() {
    let operating = read("docs/operating.md");
    let table = evenkeel_metrics::with_metrics_table(&operating).unwrap();
    for (name, generated) in [
        (
            "istio/dashboard/evenkeel.json",
            evenkeel_cli::dashboard_file().unwrap(),
        ),
        (
            "istio/dashboard/alerts.yaml",
            evenkeel_cli::rule_file().unwrap(),
        ),
        ("docs/operating.md", table),
    ] {
        assert!(
            read(name) == generated,
            "{name} differs from what is generated; run cargo xtask generate"
        );
    }
}

#[test]
fn the_commands_print_the_files() {
    assert_eq!(
        printed(&["dashboard"]),
        read("istio/dashboard/evenkeel.json")
    );
    assert_eq!(printed(&["alerts"]), read("istio/dashboard/alerts.yaml"));
}

#[test]
fn the_operators_resource_carries_the_same_rules() {
    let arguments = [
        "alerts",
        "--format",
        "prometheus-rule",
        "--namespace",
        "shop",
    ];
    let resource: serde_json::Value = serde_saphyr::from_str(&printed(&arguments)).unwrap();
    let rules: serde_json::Value = serde_saphyr::from_str(&printed(&["alerts"])).unwrap();

    assert_eq!(resource["apiVersion"], "monitoring.coreos.com/v1");
    assert_eq!(resource["kind"], "PrometheusRule");
    assert_eq!(resource["metadata"]["namespace"], "shop");
    assert_eq!(resource["spec"], rules);
}

#[test]
fn runbooks_can_be_elsewhere() {
    let alerts = printed(&["alerts", "--runbook", "https://wiki.example/evenkeel"]);

    assert!(
        alerts.contains("runbook_url: https://wiki.example/evenkeel#evenkeelrequestsaborted\n")
    );
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for arguments in [
        &["alerts", "--namespace", "shop"][..],
        &["dashboard", "--workload", "no-label"],
        &["status"],
        &["status", "--count", "2", "a"],
        &["status", "--watch=0", "a"],
    ] {
        let output = evenkeel(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {output:?}");
    }
}
