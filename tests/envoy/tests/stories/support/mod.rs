//! What the stories share beside the test crate: raw peers, and Envoys with a configuration of their own.

pub mod config;
pub mod hyper_client;
pub mod lds;
pub mod pods;
pub mod programs;
pub mod raw_client;
pub mod server;
pub mod socket;
pub mod tls;
pub mod websocket;

use std::future::Future;
use std::time::Duration;

use evenkeel_test_envoy::{Backend, Bootstrap, Cluster, Envoy, Listener, Roles, eventually};

/// Long enough for any condition of a story, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Awaits `future`, and panics when it takes longer than any condition should.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("waited {LIMIT:?} in vain for {what}"),
    }
}

/// Returns a policy with these `defaults`, without jitter and budget.
pub fn with_defaults(defaults: &str) -> String {
    format!(r#"{{"version": 1, "budget": "off", "defaults": {{"jitter": 0, {defaults}}}}}"#)
}

/// Starts an Envoy before one server, with an HTTP listener for each name, roles and policy.
pub async fn start_listeners(listeners: &[(&str, Roles, &str)]) -> (Envoy, Backend) {
    let backend = Backend::start("a").await.unwrap();
    let cluster = Cluster::new("app", [backend.address()]);
    let mut bootstrap = Bootstrap::new().cluster(cluster);
    for (name, roles, policy) in listeners {
        let listener = Listener::http(name).route("/", "app");
        bootstrap = bootstrap.listener(listener.evenkeel(*roles, policy));
    }
    (Envoy::start(bootstrap).await.unwrap(), backend)
}

/// Starts an Envoy before one server, with the network role alone on the listener `in`.
pub async fn start_network(defaults: &str) -> (Envoy, Backend) {
    start_listeners(&[("in", Roles::Network, &with_defaults(defaults))]).await
}

/// The labels of accepted policies.
pub const ACCEPTED: &[(&str, &str)] = &[("update_result", "accepted")];

/// The labels of rejected policies.
pub const REJECTED: &[(&str, &str)] = &[("update_result", "rejected")];

/// The labels of connections that the module has closed.
pub const CLOSED_BY_MODULE: &[(&str, &str)] = &[("closed_by", "evenkeel")];

/// The labels of drains because of the age.
pub const BY_AGE: &[(&str, &str)] = &[("drain_reason", "max_connection_age")];

/// The labels of drains because of the request count.
pub const BY_REQUESTS: &[(&str, &str)] = &[("drain_reason", "max_requests_per_connection")];

/// Returns one of the module's metrics, summed over its labels.
pub async fn metric(envoy: &Envoy, name: &str) -> u64 {
    metric_with(envoy, name, &[]).await
}

/// Returns one of the module's metrics, summed over the series with these labels.
pub async fn metric_with(envoy: &Envoy, name: &str, labels: &[(&str, &str)]) -> u64 {
    let stats = envoy.stats().await.unwrap();
    stats.with(&format!("wasmcustom.evenkeel_{name}"), labels)
}

/// Asserts the value of one of the module's metrics, summed over its labels.
pub async fn assert_metric(envoy: &Envoy, name: &str, expected: u64) {
    assert_metric_with(envoy, name, &[], expected).await;
}

/// Asserts the value of one of the module's metrics, summed over the series with these labels.
pub async fn assert_metric_with(envoy: &Envoy, name: &str, labels: &[(&str, &str)], expected: u64) {
    let value = metric_with(envoy, name, labels).await;
    assert_eq!(value, expected, "{name} {labels:?}\n{}", module_log(envoy));
}

/// Waits until one of the module's metrics, summed over its labels, has this value.
pub async fn wait_for_metric(envoy: &Envoy, name: &str, expected: u64) {
    wait_for_metric_with(envoy, name, &[], expected).await;
}

/// Waits until one of the module's metrics, summed over the series with these labels, has this value.
pub async fn wait_for_metric_with(
    envoy: &Envoy,
    name: &str,
    labels: &[(&str, &str)],
    expected: u64,
) {
    wait_until_metric_with(envoy, name, labels, |value| value == expected).await;
}

/// Waits until one of the module's metrics, summed over its labels, meets the condition; returns its value.
pub async fn wait_until_metric(envoy: &Envoy, name: &str, holds: impl Fn(u64) -> bool) -> u64 {
    wait_until_metric_with(envoy, name, &[], holds).await
}

/// Waits until one of the module's metrics, summed over the series with these labels, meets the condition; returns
/// its value.
pub async fn wait_until_metric_with(
    envoy: &Envoy,
    name: &str,
    labels: &[(&str, &str)],
    holds: impl Fn(u64) -> bool,
) -> u64 {
    let reached = eventually(name, || async {
        let value = metric_with(envoy, name, labels).await;
        Ok(holds(value).then_some(value))
    });
    match reached.await {
        Ok(value) => value,
        Err(error) => panic!(
            "{error:#}\n{}\n{}",
            non_zero_metrics(envoy).await,
            module_log(envoy)
        ),
    }
}

/// Waits until the module has closed this number of connections that were drained because of their requests.
pub async fn wait_for_close_by_module(envoy: &Envoy, count: u64) {
    let labels = [
        ("drain_reason", "max_requests_per_connection"),
        ("closed_by", "evenkeel"),
    ];
    wait_for_metric_with(envoy, "connections_drained_total", &labels, count).await;
}

/// The module's metrics, and Envoy's of its clients, that are not 0.
async fn non_zero_metrics(envoy: &Envoy) -> String {
    let stats = envoy
        .admin("/stats?usedonly&filter=wasmcustom|downstream_(cx|rq)")
        .await;
    let stats = stats.unwrap_or_else(|error| error.to_string());
    let lines = stats.lines().filter(|line| !line.ends_with(": 0"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Asserts that Envoy has logged no critical error and no failure of the module.
pub fn assert_healthy(envoy: &Envoy) {
    let log = envoy.log();
    for failure in [
        "panicked",
        "RuntimeError",
        "[critical]",
        "VM is failed",
        "Proxy-Wasm plugin in-VM",
    ] {
        assert!(!log.contains(failure), "{failure}:\n{}", module_log(envoy));
    }
}

/// Returns the module's lines of Envoy's log, and all warnings and errors.
pub fn module_log(envoy: &Envoy) -> String {
    let log = envoy.log();
    let lines = log.lines().filter(|line| {
        line.contains("wasm log")
            || line.contains("[warning]")
            || line.contains("[error]")
            || line.contains("[critical]")
    });
    lines.collect::<Vec<_>>().join("\n")
}
