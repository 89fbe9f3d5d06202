//! `evenkeel simulate` on the command line.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Run, evenkeel, repository};

fn simulate(args: &[&str]) -> Run {
    evenkeel(&[&["simulate"], args].concat())
}

/// A short run.
const SHORT: [&str; 3] = ["scale-out", "--seconds", "300"];

fn short(args: &[&str]) -> Run {
    simulate(&[&SHORT[..], args].concat())
}

#[test]
fn simulator_page_is_up_to_date() {
    let page = fs::read_to_string(repository("docs/simulator.md")).unwrap();
    let shown = page
        .split("```text\n")
        .find_map(|part| part.strip_prefix("$ evenkeel simulate\n"))
        .and_then(|part| part.split("```").next())
        .expect("docs/simulator.md has no block that begins with `$ evenkeel simulate`");

    let printed = simulate(&[]).stdout;

    assert!(
        printed == shown,
        "what docs/simulator.md shows is out of date: run `cargo run --release -p evenkeel -- simulate --page docs/simulator.md`"
    );
}

#[test]
fn json_has_a_row_per_policy() {
    let directory = tempfile::tempdir().unwrap();
    let (json, html) = (
        directory.path().join("result.json"),
        directory.path().join("result.html"),
    );

    let output = short(&[
        "--json",
        json.to_str().unwrap(),
        "--html",
        html.to_str().unwrap(),
    ]);

    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stderr.is_empty(), "{}", output.stderr);
    let rows: Vec<Value> = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    let policies: Vec<_> = rows.iter().map(|row| row["policy"].as_str()).collect();
    assert_eq!(policies, [Some("none"), Some("age"), Some("rebalance")]);
    for row in &rows {
        assert_eq!(row["scenario"], "scale-out");
        assert!(row["max_over_mean_start"].is_f64());
        assert!(row["max_over_mean_end"].is_f64());
        assert!(row["drains"].is_u64());
        assert!(row["peak_drains_per_second"].is_u64());
    }
    assert!(rows[0]["seconds_to_1_25"].is_null());
    assert!(rows[0]["drains_per_minute_balanced"].is_null());
    assert!(rows[2]["seconds_to_1_25"].is_u64());
    let page = fs::read_to_string(html).unwrap();
    assert_eq!(page.matches("<figure>").count(), 3);
    for foreign in ["<script", "http://", "https://", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn policy_is_compared_with_the_built_in_ones_or_alone() {
    let policy = repository("policies/rebalance.json");
    let beside = short(&["--policy", &policy]).stdout;
    let alone = short(&["--policy", &policy, "--only"]).stdout;
    for row in [
        "\n  none ",
        "\n  age ",
        "\n  rebalance ",
        "\n  rebalance.json ",
    ] {
        assert!(beside.contains(row), "{row}: {beside}");
        assert_eq!(alone.contains(row), row.contains(".json"), "{alone}");
    }
}

#[test]
fn invalid_policy_is_reported_with_its_position() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = directory.path().join("wrong.json");
    fs::write(&wrong, r#"{"version": 1, "rebalance": {"max_rate": 0}}"#).unwrap();

    let output = short(&["--policy", wrong.to_str().unwrap()]);

    assert_eq!(output.code, 1);
    let error = output.stderr;
    assert!(
        error.contains("wrong.json is invalid") && error.contains("rebalance.max_rate: found 0"),
        "{error}"
    );
    let underlined = "1 | {\"version\": 1, \"rebalance\": {\"max_rate\": 0}}\n  |                                          ^\n";
    assert!(error.contains(underlined), "{error}");
    let missing = short(&["--policy", "no/such.json"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("cannot read no/such.json"));
}

#[test]
fn two_policies_with_one_name_are_rejected() {
    let policy = repository("policies/rebalance.json");
    let output = short(&["--policy", &policy, "--policy", &policy]);
    assert_eq!(output.code, 1);
    assert!(
        output
            .stderr
            .contains("two policies have the name rebalance.json")
    );
}

#[test]
fn usage_errors_end_with_2_and_a_hint() {
    for (args, expected) in [
        (&["scale-up"][..], "scale-out"),
        (
            &["scale-out", "--pods", "8", "--pods-after", "4"],
            "--pods-after",
        ),
        (
            &["pod-loss", "--pods", "4", "--pods-after", "4"],
            "--pods-after",
        ),
        (
            &["rolling-update", "--pods-after", "4"],
            "leave --pods-after out",
        ),
        (&["--only"], "--policy"),
        (&["--request-every", "0s"], "--request-every"),
        (&["--request-every", "5"], "250ms"),
        (&["--gossip-loss", "1.5"], "from 0 to 1"),
        (&["--pods", "0"], "1..=100000"),
    ] {
        let output = simulate(args);
        let error = output.stderr;
        assert_eq!(output.code, 2, "{args:?}: {error}");
        assert!(error.contains(expected), "{args:?}: {error}");
    }
}

#[test]
fn unsimulated_settings_are_reported() {
    let directory = tempfile::tempdir().unwrap();
    let dry_run = directory.path().join("dry-run.json");
    fs::write(
        &dry_run,
        r#"{"version": 1, "mode": "dry_run", "defaults": {"max_connection_age": "30s"}}"#,
    )
    .unwrap();

    let output = short(&["--policy", dry_run.to_str().unwrap(), "--only"]);

    assert_eq!(output.code, 0);
    assert!(output.stderr.contains("\"dry_run\", which drains nothing"));
    assert!(
        !output.stdout.contains("\u{1b}["),
        "colors without a terminal"
    );
}

#[test]
fn help_has_examples() {
    let help = simulate(&["--help"]).stdout;
    assert!(help.contains("Examples:") && help.contains("evenkeel simulate scale-out"));
    assert!(Path::new(&repository("policies/rebalance.json")).exists());
}
