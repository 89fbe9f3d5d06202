//! What the stories stand on beside the harness: raw peers, and Envoys whose configuration is their own.

pub mod config;
pub mod hyper_client;
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

/// Nothing that a story waits for takes longer, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// The outcome of `future`, which must come.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("waited {LIMIT:?} in vain for {what}"),
    }
}

/// A policy whose defaults are `rule`, without jitter or budget.
pub fn rule(rule: &str) -> String {
    format!(r#"{{"version": 1, "budget": "off", "defaults": {{"jitter": 0, {rule}}}}}"#)
}

/// An Envoy before one server, with a listener for each policy: its name, the roles and the policy.
pub async fn site(listeners: &[(&str, Roles, &str)]) -> (Envoy, Backend) {
    let backend = Backend::start("a").await.unwrap();
    let cluster = Cluster::new("app", [backend.address()]);
    let mut bootstrap = Bootstrap::new().cluster(cluster);
    for (name, roles, policy) in listeners {
        let listener = Listener::http(name).route("/", "app");
        bootstrap = bootstrap.listener(listener.evenkeel(*roles, policy));
    }
    (Envoy::start(bootstrap).await.unwrap(), backend)
}

/// An Envoy before one server, with the network role alone on the listener `in`.
pub async fn network(defaults: &str) -> (Envoy, Backend) {
    site(&[("in", Roles::Network, &rule(defaults))]).await
}

/// One of the module's numbers, over all of its labels.
pub async fn counted(envoy: &Envoy, metric: &str) -> u64 {
    let stats = envoy.stats().await.unwrap();
    stats.get(&format!("wasmcustom.evenkeel_{metric}"))
}

/// One of the module's numbers, of these labels.
pub async fn counted_with(envoy: &Envoy, metric: &str, labels: &[(&str, &str)]) -> u64 {
    let stats = envoy.stats().await.unwrap();
    stats.with(&format!("wasmcustom.evenkeel_{metric}"), labels)
}

/// Waits until one of the module's numbers is `wanted`.
pub async fn until(envoy: &Envoy, metric: &str, wanted: impl Fn(u64) -> bool) -> u64 {
    let reached = eventually(metric, || async {
        let value = counted(envoy, metric).await;
        Ok(wanted(value).then_some(value))
    });
    match reached.await {
        Ok(value) => value,
        Err(error) => panic!("{error:#}\n{}\n{}", numbers(envoy).await, said(envoy)),
    }
}

/// The label of policies that were accepted.
pub const ACCEPTED: &[(&str, &str)] = &[("update_result", "accepted")];

/// The label of policies that were rejected.
pub const REJECTED: &[(&str, &str)] = &[("update_result", "rejected")];

/// Waits until a metric with these labels is `wanted`.
pub async fn until_labelled(
    envoy: &Envoy,
    metric: &str,
    labels: &[(&str, &str)],
    wanted: impl Fn(u64) -> bool,
) {
    let reached = eventually(metric, || async {
        Ok(wanted(counted_with(envoy, metric, labels).await).then_some(()))
    });
    if let Err(error) = reached.await {
        panic!("{error:#}\n{}\n{}", numbers(envoy).await, said(envoy));
    }
}

/// Waits until a metric with these labels has this value: a client sees the FIN before it is counted.
pub async fn until_with(envoy: &Envoy, metric: &str, labels: &[(&str, &str)], wanted: u64) {
    until_labelled(envoy, metric, labels, |value| value == wanted).await;
}

/// What the module has counted, and Envoy of its clients, without what is 0.
async fn numbers(envoy: &Envoy) -> String {
    let stats = envoy
        .admin("/stats?usedonly&filter=wasmcustom|downstream_(cx|rq)")
        .await;
    let stats = stats.unwrap_or_else(|error| error.to_string());
    let lines = stats.lines().filter(|line| !line.ends_with(": 0"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The module lives in every worker, and Envoy had nothing to complain about.
pub fn healthy(envoy: &Envoy) {
    let log = envoy.log();
    for trouble in [
        "panicked",
        "RuntimeError",
        "[critical]",
        "VM is failed",
        "Proxy-Wasm plugin in-VM",
    ] {
        assert!(!log.contains(trouble), "{trouble}:\n{}", said(envoy));
    }
}

/// The lines of the log that the module wrote, or that are warnings.
pub fn said(envoy: &Envoy) -> String {
    let log = envoy.log();
    let lines = log.lines().filter(|line| {
        line.contains("wasm log")
            || line.contains("[warning]")
            || line.contains("[error]")
            || line.contains("[critical]")
    });
    lines.collect::<Vec<_>>().join("\n")
}
