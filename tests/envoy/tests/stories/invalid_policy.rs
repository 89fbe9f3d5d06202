//! An invalid policy does not affect traffic. The module logs each error in one line, with the text of `evenkeel check`.

use evenkeel_policy::Policy;
use evenkeel_test_envoy::{Client, Envoy, Roles};
use serde_json::{Value, json};

use crate::support::config::{self, Entry, http_listener};
use crate::support::server::{Server, ok};
use crate::support::socket::Socket;
use crate::support::{
    REJECTED, assert_healthy, assert_metric, metric_with, module_log, start_listeners,
};

/// Invalid policies by the name of their listener.
const INVALID: [(&str, &str); 5] = [
    (
        "misspelt",
        r#"{"version": 1, "defaults": {"max_connection_aeg": "5m", "max_requests_per_connection": 1}}"#,
    ),
    (
        "truncated",
        r#"{"version": 1, "defaults": {"max_requests_per_connection": 1"#,
    ),
    ("empty", ""),
    (
        "several",
        r#"{"version": 2, "defaults": {"max_requests_per_connection": 0}, "tcp": [{"name": "db", "match": {"port": 1, "path_prefix": "/"}}]}"#,
    ),
    (
        "contradicting",
        r#"{"version": 1, "defaults": {"max_connection_age": "1m", "min_connection_age": "2m"}, "rebalance": {"low_watermark": 1}}"#,
    ),
];

/// Returns the errors of a policy as `evenkeel check` shows them.
fn errors(policy: &str) -> Vec<String> {
    let errors = Policy::parse(policy.as_bytes()).unwrap_err();
    errors.to_string().lines().map(str::to_owned).collect()
}

/// Two hundred requests of each protocol stay on one connection.
async fn assert_not_drained(envoy: &Envoy, listener: &str) {
    for client in [
        Client::http1(envoy.address(listener)),
        Client::http2(envoy.address(listener)),
    ] {
        for _ in 0..200 {
            let response = client.get("/").await.unwrap();
            assert_eq!(
                (response.status, response.headers.get("connection")),
                (200, None)
            );
        }
        assert_eq!(client.connections_opened().await, 1, "{listener}");
    }
}

#[tokio::test]
async fn invalid_policy_disables_each_role_and_logs_each_error() {
    let listeners = INVALID.map(|(name, policy)| (name, Roles::Both, policy));
    let (envoy, backend) = start_listeners(&listeners).await;

    for (name, policy) in INVALID {
        assert_not_drained(&envoy, name).await;

        for role in ["network", "http"] {
            for error in errors(policy) {
                // The test inserts the role at the beginning of the policy, which changes columns.
                let text = error
                    .split_once("column")
                    .map_or(&*error, |_| "the text ends");
                let entry = format!("evenkeel-{role}-{name}: policy rejected");
                let log = module_log(&envoy);
                let mut lines = log.lines().filter(|line| line.contains(&entry));
                assert!(lines.any(|line| line.contains(text)), "{text}\n{log}");
            }
        }
    }

    // Each line of Envoy's log begins with its time.
    let log = envoy.log();
    let stray: Vec<_> = log.lines().filter(|line| !line.starts_with('[')).collect();
    assert!(stray.is_empty(), "lines without a time: {stray:?}");
    assert_eq!(backend.requests(), 400 * INVALID.len() as u64);
    assert!(
        metric_with(&envoy, "policy_updates_total", REJECTED).await >= 2 * INVALID.len() as u64
    );
    assert_metric(&envoy, "drain_signals_total", 0).await;
    assert_healthy(&envoy);
}

/// Returns a listener with both roles in one root.
fn shared_root(root: &str, policy: &str) -> Value {
    let entry = |kind| Entry {
        kind,
        root,
        vm_id: "e",
        policy,
    };
    http_listener("in", 0, &[entry("network")], &[entry("http")])
}

/// As in Istio, where both plugins have the same name and configuration: Envoy creates one root for them.
#[tokio::test]
async fn roles_with_one_invalid_configuration_log_the_errors_of_check() {
    for (name, policy) in INVALID {
        let server = Server::start(|_| Some(ok("a"))).await;
        let listener = shared_root(name, policy);
        let envoy = config::start_before(server.address, &[listener]).await;

        assert_not_drained(&envoy, "in").await;

        let log = module_log(&envoy);
        for error in errors(policy) {
            let line = format!(" {name}: policy rejected, no connection is drained: {error}");
            assert!(
                log.lines().any(|logged| logged.ends_with(&line)),
                "{line}\n{log}"
            );
        }
        assert!(metric_with(&envoy, "policy_updates_total", REJECTED).await >= 1);
        assert_healthy(&envoy);
    }
}

#[tokio::test]
async fn roles_with_one_configuration_enforce_it() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let policy = r#"{"version": 1, "routes": [{"name": "all", "match": {"path_prefix": "/"}, "max_requests_per_connection": 2}]}"#;
    let listener = shared_root("evenkeel", policy);
    let envoy = config::start_before(server.address, &[listener]).await;

    let mut socket = Socket::connect(envoy.address("in")).await;
    let closing = socket.closing_responses("/", 2).await;

    assert_eq!(closing, [false, true], "{}", module_log(&envoy));
    assert_healthy(&envoy);
}

/// As in an Envoy configuration that has the policy as a message instead of as text.
#[tokio::test]
async fn protobuf_struct_is_rejected_with_the_type_to_use() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let policy = json!({ "version": 1, "defaults": { "max_requests_per_connection": 1 } });
    let mut listener = config::listener("in", Roles::Network, "");
    listener["filter_chains"][0]["filters"][0]["typed_config"]["config"]["configuration"] =
        json!({ "@type": "type.googleapis.com/google.protobuf.Struct", "value": policy });
    let envoy = config::start_before(server.address, &[listener]).await;

    assert_not_drained(&envoy, "in").await;

    let log = module_log(&envoy);
    let rejected = log
        .lines()
        .filter(|line| line.contains("network: policy rejected"));
    let rejected: Vec<_> = rejected.collect();
    assert!(!rejected.is_empty(), "{log}");
    for line in rejected {
        for name in ["google.protobuf.Struct", "google.protobuf.StringValue"] {
            assert!(line.contains(name), "{line}");
        }
    }
    assert!(metric_with(&envoy, "policy_updates_total", REJECTED).await >= 1);
    assert_metric(&envoy, "drain_signals_total", 0).await;
    assert_healthy(&envoy);
}
