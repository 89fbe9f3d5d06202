//! Dashboard and alerts in the tools of an operator: Prometheus, `promtool` and Grafana's types.

mod dashboard;
mod proxies;
mod queries;
mod rules;
mod status;

use std::fs;

use evenkeel_test_prometheus::root;
use serde_json::Value;

/// Returns the dashboard.
fn the_dashboard() -> Value {
    let text = fs::read_to_string(root().join("istio/dashboard/evenkeel.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Returns the alert rules.
fn the_rules() -> Vec<Value> {
    let text = fs::read_to_string(root().join("istio/dashboard/alerts.yaml")).unwrap();
    let groups: Value = serde_saphyr::from_str(&text).unwrap();
    groups["groups"][0]["rules"].as_array().unwrap().clone()
}
