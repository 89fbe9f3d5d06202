//! The dashboard, the alert rules and the table of metrics match the list of metrics and the commands' output.

use std::fs;

use crate::support::{evenkeel, repository};

fn read(name: &str) -> String {
    fs::read_to_string(repository(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn printed(arguments: &[&str]) -> String {
    let run = evenkeel(arguments);
    assert_eq!(run.code, 0, "{run:?}");
    run.stdout
}

#[test]
fn generated_files_are_up_to_date() {
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
fn commands_print_the_committed_files() {
    assert_eq!(
        printed(&["dashboard"]),
        read("istio/dashboard/evenkeel.json")
    );
    assert_eq!(printed(&["alerts"]), read("istio/dashboard/alerts.yaml"));
}

#[test]
fn prometheus_rule_has_the_same_rules() {
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

/// The URLs of the runbooks in the alerts that these arguments print.
fn runbook_urls(arguments: &[&str]) -> Vec<String> {
    let alerts = printed(&[&["alerts"], arguments].concat());
    let lines = alerts
        .lines()
        .filter_map(|line| line.split_once("runbook_url: "));
    lines.map(|(_, url)| url.to_owned()).collect()
}

#[test]
fn runbook_links_are_absolute_and_lead_to_a_heading() {
    for (arguments, docs) in [
        (&[][..], concat!(env!("CARGO_PKG_HOMEPAGE"), "/docs/")),
        (
            &["--docs-url", "https://wiki.example/evenkeel/"],
            "https://wiki.example/evenkeel/",
        ),
    ] {
        let urls = runbook_urls(arguments);
        assert_eq!(urls.len(), 9, "{urls:?}");
        for url in urls {
            let path = url.strip_prefix(docs).unwrap_or_else(|| panic!("{url}"));
            let (page, anchor) = path.split_once('#').unwrap();
            let page = read(&format!("docs/{page}")).to_lowercase();
            assert!(page.contains(&format!("\n### {anchor}\n")), "{url}");
        }
    }
}

#[test]
fn wrong_command_line_ends_with_2() {
    for arguments in [
        &["alerts", "--namespace", "shop"][..],
        &["dashboard", "--workload", "no-label"],
        &["alerts", "--docs-url", "docs"],
        &["alerts", "--docs-url", "https:///docs"],
        &["status"],
        &["status", "--count", "2", "a"],
        &["status", "--watch=0", "a"],
    ] {
        let run = evenkeel(arguments);
        assert_eq!(run.code, 2, "{arguments:?} {run:?}");
    }
}
