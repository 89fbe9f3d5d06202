//! The module's metrics in `/stats/prometheus`.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_metrics::{Kind, Label, Metric, Values};
use evenkeel_test_envoy::{Envoy, Roles, eventually};
use evenkeel_test_frames::http2::ClientPreface;

use crate::support::config;
use crate::support::raw_client::RawClient;
use crate::support::server::{Server, ok, path};
use crate::support::socket::{Socket, announces_close};
use crate::support::{assert_healthy, assert_metric_with, start_network, wait_for_metric_with};

/// Returns the module's series with their values.
async fn scrape(envoy: &Envoy) -> BTreeMap<String, u64> {
    let text = envoy.admin("/stats/prometheus").await.unwrap();
    let line = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().unwrap()))
    };
    let ours = text.lines().filter(|line| line.starts_with("evenkeel_"));
    ours.filter_map(line).collect()
}

const POLICY: &str = r#"{"version": 1, "budget": {"per_second": 0.001, "burst": 5},
    "defaults": {"jitter": 0, "max_requests_per_connection": 2, "close_delay": "200ms", "http2": {"idle_wait": "0s"}, "drain_timeout": "400ms"},
    "routes": [{"name": "other", "match": {"path_prefix": "/other"}, "max_requests_per_connection": "off"}],
    "upstream": {"max_requests_per_connection": 1000000}}"#;

/// Metrics that are 0 are shown, too: an alert must find its metric before it is needed.
#[tokio::test]
async fn all_listed_metrics_are_shown_from_the_start() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let listener = config::listener("in", Roles::Both, POLICY);
    let envoy = config::start_before(server.address, &[listener]).await;

    let at_once = Metric::ALL
        .iter()
        .filter(|metric| metric.is_shown_at_once());
    let expected: BTreeSet<_> = at_once.flat_map(|metric| series(*metric)).collect();
    let shown: BTreeSet<_> = scrape(&envoy).await.into_keys().collect();
    let missing: Vec<_> = expected.difference(&shown).collect();
    let unknown: Vec<_> = shown.difference(&expected).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "missing {missing:?}\nunknown {unknown:?}"
    );

    let text = envoy.admin("/stats/prometheus").await.unwrap();
    for metric in Metric::ALL
        .iter()
        .filter(|metric| metric.is_shown_at_once())
    {
        let kind = match metric.kind() {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let line = format!("# TYPE {metric} {kind}\n");
        assert!(text.contains(&line), "no {line}");
    }
}

/// Returns every series of a metric with fixed label values.
fn series(metric: Metric) -> Vec<String> {
    let mut labels = vec![String::new()];
    for label in metric.labels() {
        let Values::Fixed(values) = label.values() else {
            panic!("the values of {} are not fixed", label.tag());
        };
        let longer = |begun: &String| {
            let comma = if begun.is_empty() { "" } else { "," };
            let begun = format!("{begun}{comma}{}", label.tag());
            let values = values.iter();
            values
                .map(|value| format!("{begun}=\"{value}\""))
                .collect::<Vec<_>>()
        };
        labels = labels.iter().flat_map(longer).collect();
    }
    let name = |labels: &String| format!("{}{{{labels}}}", metric.name());
    labels.iter().map(name).collect()
}

/// Returns the series that are not in the list of metrics.
fn unlisted(shown: &BTreeMap<String, u64>) -> Vec<&String> {
    let is_listed = |line: &&String| {
        let (name, labels) = line.split_once('{').unwrap();
        let labels: Vec<_> = labels
            .trim_end_matches('}')
            .split(',')
            .filter_map(|label| label.split_once('='))
            .collect();
        let Some(metric) = Metric::ALL.iter().find(|metric| metric.name() == name) else {
            return false;
        };
        let has = |label: &Label, (tag, value): &(&str, &str)| {
            let value = value.trim_matches('"');
            label.tag() == *tag
                && match label.values() {
                    Values::Fixed(values) => values.contains(&value),
                    Values::Met(_) => !value.is_empty(),
                }
        };
        labels.len() == metric.labels().len()
            && metric
                .labels()
                .iter()
                .zip(&labels)
                .all(|(label, shown)| has(label, shown))
    };
    shown.keys().filter(|line| !is_listed(line)).collect()
}

#[tokio::test]
async fn version_and_modes_of_the_active_policies_are_shown() {
    let (envoy, _backend) = start_network(r#""max_connection_age": "30m""#).await;

    // One filter entry, on the worker and on the main thread.
    let enforced = [("policy_mode", "enforce")];
    wait_for_metric_with(&envoy, "policy_info", &enforced, 2).await;
    let dry_run = [("policy_mode", "dry_run")];
    assert_metric_with(&envoy, "policy_info", &dry_run, 0).await;
    let version = [("evenkeel_version", env!("CARGO_PKG_VERSION"))];
    assert_metric_with(&envoy, "build_info", &version, 2).await;
    assert_healthy(&envoy);
}

#[tokio::test]
async fn metrics_match_what_the_clients_saw() {
    let server = Server::start(|head| {
        if path(head) == "/hold" {
            // A response that never ends.
            return Some(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab".to_vec());
        }
        Some(ok("a"))
    })
    .await;
    let listener = config::listener("in", Roles::Both, POLICY);
    let envoy = config::start_before(server.address, &[listener]).await;
    let to = envoy.address("in");

    // Three clients close after their second response, the fourth does not.
    let mut open = Socket::connect(to).await;
    for number in 0..4 {
        let mut socket = Socket::connect(to).await;
        for last in [false, true] {
            assert_eq!(announces_close(&socket.get("/").await.0), last);
        }
        if number == 3 {
            open = socket;
        }
    }
    assert_eq!(open.read_to_end().await, b"");
    // A drained connection whose response never ends is aborted.
    let mut held = RawClient::connect(to, ClientPreface::Go).await;
    held.send_get(1, "/hold").await;
    held.send_get(3, "/").await;
    held.read_goaway().await;
    held.read_to_end().await;
    // The budget is exhausted for one connection, and another one is bypassed.
    let mut refused = Socket::connect(to).await;
    for _ in 0..3 {
        assert!(!announces_close(&refused.get("/").await.0));
    }
    let mut folded = Socket::connect(to).await;
    folded
        .send("GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n")
        .await;
    folded.response().await;

    let upstream = server.address;
    let expected = [
        (
            r#"evenkeel_downstream_connections_total{connection_protocol="http1"}"#.to_owned(),
            5,
        ),
        (
            r#"evenkeel_requests_total{connection_protocol="http1"}"#.to_owned(),
            11,
        ),
        (
            r#"evenkeel_downstream_connections_total{connection_protocol="http2"}"#.to_owned(),
            1,
        ),
        (r#"evenkeel_requests_total{connection_protocol="http2"}"#.to_owned(), 2),
        (r#"evenkeel_connections_expired_total{drain_reason="max_requests_per_connection"}"#.to_owned(), 6),
        (
            r#"evenkeel_drain_signals_total{drain_reason="max_requests_per_connection"}"#.to_owned(),
            5,
        ),
        (
            r#"evenkeel_connections_drained_total{drain_reason="max_requests_per_connection",closed_by="client"}"#.to_owned(),
            3,
        ),
        (
            r#"evenkeel_connections_drained_total{drain_reason="max_requests_per_connection",closed_by="evenkeel"}"#.to_owned(),
            2,
        ),
        (r#"evenkeel_requests_aborted_total{drain_reason="max_requests_per_connection"}"#.to_owned(), 1),
        ("evenkeel_drain_budget_exhausted_total{}".to_owned(), 1),
        (r#"evenkeel_connections_bypassed_total{bypass_reason="field"}"#.to_owned(), 1),
        (r#"evenkeel_http2_connections_total{http2_client="go"}"#.to_owned(), 1),
        (
            r#"evenkeel_goaways_total{http2_client="go",last_stream_id="max",connection_state="active"}"#.to_owned(),
            1,
        ),
        // The last two connections.
        ("evenkeel_downstream_connections_active{}".to_owned(), 2),
        (
            format!(r#"evenkeel_upstream_requests_total{{upstream_host="{upstream}"}}"#),
            14,
        ),
        (
            format!(r#"evenkeel_upstream_active_requests{{upstream_host="{upstream}"}}"#),
            0,
        ),
    ];
    let differ = |now: &BTreeMap<String, u64>| {
        let wrong = |(name, value): &&(String, u64)| now.get(name) != Some(value);
        let wrong = expected.iter().filter(wrong);
        let lines =
            wrong.map(|(name, value)| format!("{name} is {:?}, not {value}", now.get(name)));
        lines.collect::<Vec<_>>()
    };
    let agree = eventually("the numbers", || async {
        Ok(differ(&scrape(&envoy).await).is_empty().then_some(()))
    });
    let agree = agree.await;
    let shown = scrape(&envoy).await;
    assert!(agree.is_ok(), "{:#?}", differ(&shown));
    assert_eq!(unlisted(&shown), Vec::<&String>::new());
    assert_healthy(&envoy);
}
