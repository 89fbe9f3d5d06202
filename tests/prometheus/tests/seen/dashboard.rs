//! The dashboard is what Grafana reads, by the types that Grafana publishes.

use std::process::Command;

use evenkeel_test_prometheus::root;

use crate::the_dashboard;

/// Grafana's check of a dashboard: what it said, and whether it found it well.
fn grafana(dashboard: &str) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dashboard.json");
    std::fs::write(&file, dashboard).unwrap();
    let output = Command::new("go")
        .args(["run", "-mod=readonly", "."])
        .arg(&file)
        .current_dir(root().join("tests/prometheus/grafana"))
        .output()
        .unwrap_or_else(|error| {
            panic!("Grafana's types are Go's, and go cannot be started ({error}): install Go")
        });
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn grafana_knows_every_field_and_option_of_it() {
    let dashboard = the_dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let panels = panels.iter().filter(|panel| panel["type"] != "row").count();

    let (is_well, said) = grafana(&dashboard.to_string());

    assert!(is_well, "{said}");
    assert_eq!(said, format!("{panels} panels\n"));
}

#[test]
fn what_grafana_does_not_know_is_found() {
    let dashboard = the_dashboard().to_string();
    for (right, wrong) in [
        (r#""expr":"#, r#""expression":"#),
        (r#""showPoints":"#, r#""showPoint":"#),
        (r#""multi":true"#, r#""multi":"yes""#),
    ] {
        assert!(dashboard.contains(right));

        let (is_well, said) = grafana(&dashboard.replace(right, wrong));

        assert!(!is_well, "{wrong}: {said}");
    }
}

#[test]
fn panels_lie_beside_each_other_and_say_what_they_mean() {
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
            let says = panel["description"].as_str().unwrap();
            assert!(says.len() > 20, "{}", panel["title"]);
        }
    }
    let ids: std::collections::BTreeSet<_> =
        panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len());
}
