//! Every query of the dashboard and of the alerts has data from real Envoys.

use evenkeel_metrics::{Kind, Metric};
use evenkeel_test_envoy::eventually;
use evenkeel_test_prometheus::{Prometheus, Target};
use serde_json::Value;

use crate::proxies::Proxies;
use crate::{the_dashboard, the_rules};

/// Replaces the variables of the dashboard and of Grafana.
fn filled(query: &str, chosen: &[(&str, &str)]) -> String {
    let own = [("$__rate_interval", "1m"), ("$__range", "1h")];
    let mut query = query.to_owned();
    for (variable, value) in own.iter().chain(chosen) {
        query = query.replace(variable, value);
    }
    assert!(!query.contains('$'), "{query}");
    query
}

/// Waits until the query has a value.
async fn gives_data(prometheus: &Prometheus, query: &str) {
    let gives = eventually(query, || async {
        let values = prometheus.query(query).await?;
        Ok(values.iter().any(|value| value.is_finite()).then_some(()))
    });
    gives.await.unwrap();
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn every_query_has_data_with_and_without_the_labels_of_istio() {
    let proxies = Proxies::start().await;
    let targets = proxies.targets();
    let prometheus = Prometheus::start(&targets).await.unwrap();
    let dashboard = the_dashboard();

    let panels = dashboard["panels"].as_array().unwrap();
    let targets_of = |panel: &Value| panel["targets"].as_array().cloned().unwrap_or_default();
    let mut queries: Vec<_> = panels
        .iter()
        .flat_map(targets_of)
        .map(|target| text(&target["expr"]).to_owned())
        .collect();
    let annotations = dashboard["annotations"]["list"].as_array().unwrap();
    let marks = annotations
        .iter()
        .map(|annotation| text(&annotation["expr"]).to_owned());
    // First, because their condition passes.
    queries.splice(0..0, marks);
    assert!(queries.len() >= panels.len() - 8, "{}", queries.len());

    let plain = [
        ("$job", "envoy"),
        ("$namespace", ".*"),
        ("$app", ".*"),
        ("$pod", ".*"),
        ("$instance", ".*"),
    ];
    let istios = [
        ("$job", "kubernetes-pods"),
        ("$namespace", "test"),
        ("$app", "shop|troubled"),
        ("$pod", "full|idle|troubled"),
        ("$instance", ".*"),
    ];
    // An increase before the first scrape would not show in a rate.
    let all_scraped = format!(
        "count({}{{update_result=\"accepted\"}}) == {}",
        Metric::PolicyUpdates,
        proxies.targets().len()
    );
    gives_data(&prometheus, &all_scraped).await;
    proxies.change_policy().await;
    for query in &queries {
        gives_data(&prometheus, &filled(query, &plain)).await;
        gives_data(&prometheus, &filled(query, &istios)).await;
    }
    for rule in the_rules() {
        gives_data(&prometheus, text(&rule["expr"])).await;
    }
    choices(&prometheus, &dashboard, &targets).await;
    gauges_are_no_less_than_0(&prometheus).await;
    proxies.stop().await;
}

/// Envoy's gauges are unsigned: one below 0 is near 2^64.
async fn gauges_are_no_less_than_0(prometheus: &Prometheus) {
    let gauges = Metric::ALL
        .iter()
        .filter(|metric| metric.kind() == Kind::Gauge);
    for gauge in gauges {
        let most = format!("max(max_over_time({gauge}[1h]))");
        let most = prometheus.query(&most).await.unwrap();
        assert!(most[0] < 1e15, "{gauge}: {most:?}");
    }
}

/// Each variable has the values of the scrape.
async fn choices(prometheus: &Prometheus, dashboard: &Value, targets: &[Target]) {
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let queried = variables
        .iter()
        .filter(|variable| variable["type"] == "query");
    for variable in queried {
        let query = text(&variable["query"]["query"]);
        let inside = query
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')'));
        let (metric, label) = inside.unwrap().split_once(", ").unwrap();
        assert_eq!(label, text(&variable["name"]));
        let mut set: Vec<_> = targets
            .iter()
            .filter_map(|target| match label {
                "job" => Some(target.job.to_owned()),
                "instance" => Some(target.address.to_string()),
                label => target.labels[label].as_str().map(str::to_owned),
            })
            .collect();
        set.sort();
        set.dedup();

        let offered = prometheus.label_values(metric, label).await.unwrap();

        assert_eq!(offered, set, "{label}");
    }
}
