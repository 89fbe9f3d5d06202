//! The dashboard matches the types that Grafana publishes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use evenkeel_test_prometheus::root;
use serde_json::Value;

use crate::the_dashboard;

/// Returns the program that parses a dashboard with Grafana's types. It is built before it runs: Go reports downloads on
/// stderr, and a failed build is no problem of the dashboard.
fn checker() -> &'static Path {
    static CHECKER: LazyLock<PathBuf> = LazyLock::new(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grafana");
        let mut build = Command::new("go");
        build
            .args(["build", "-mod=readonly", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(root().join("tests/prometheus/grafana"));
        let built = build.output().unwrap_or_else(|error| {
            panic!("Grafana's types are Go's, and go cannot be started ({error}): install Go")
        });
        let errors = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{build:?} failed\n{errors}");
        program
    });
    &CHECKER
}

/// Parses a dashboard with Grafana's types; returns the number of its panels, or the error.
fn grafana(dashboard: &str) -> Result<usize, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dashboard.json");
    fs::write(&file, dashboard).unwrap();
    let output = Command::new(checker()).arg(&file).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{errors}", output.status);
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    match (verdict["panels"].as_u64(), verdict["wrong"].as_str()) {
        (Some(panels), None) => Ok(usize::try_from(panels).unwrap()),
        (None, Some(wrong)) => Err(wrong.to_owned()),
        _ => panic!("no verdict: {verdict}"),
    }
}

#[test]
fn dashboard_has_only_fields_and_options_of_grafana() {
    let dashboard = the_dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let panels = panels.iter().filter(|panel| panel["type"] != "row").count();

    assert_eq!(grafana(&dashboard.to_string()), Ok(panels));
}

#[test]
fn unknown_dashboard_field_is_reported() {
    let dashboard = the_dashboard().to_string();
    for (right, wrong, named) in [
        (r#""expr":"#, r#""expression":"#, "expression"),
        (r#""showPoints":"#, r#""showPoint":"#, "showPoint"),
        (r#""multi":true"#, r#""multi":"yes""#, "multi"),
    ] {
        assert!(dashboard.contains(right));

        let found = grafana(&dashboard.replace(right, wrong)).unwrap_err();

        assert!(found.contains(named), "{wrong}: {found}");
    }
}

#[test]
fn panels_do_not_overlap_and_have_descriptions() {
    let dashboard = the_dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut taken = std::collections::BTreeSet::new();
    for panel in panels {
        let place = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        for x in place("x")..place("x") + place("w") {
            assert!(x < 24, "{}", panel["title"]);
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{} lies on another", panel["title"]);
            }
        }
        if panel["type"] != "row" {
            let description = panel["description"].as_str().unwrap();
            assert!(description.len() > 20, "{}", panel["title"]);
        }
    }
    let ids: std::collections::BTreeSet<_> =
        panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len());
}
