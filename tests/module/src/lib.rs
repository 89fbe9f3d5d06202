//! Support for tests of the built module: a worker with both roles, and the bytes of HTTP/1.

pub mod http1;
pub mod pods;

use std::time::Duration;

use evenkeel_metrics::Metric;
use evenkeel_test_host::{Connection, Host, Root, RootSpec, Stream, Worker, module};

/// The node id of a sidecar.
pub const NODE: &str = "sidecar~10.0.0.2~app.default~default.svc.cluster.local";

/// The interval between two ticks, after which counts of requests are published.
pub const TICK: Duration = Duration::from_millis(100);

/// A proxy with one worker whose two roots, network and HTTP, carry the same policy.
pub struct Proxy {
    /// The proxy.
    pub host: Host,
    /// Its worker.
    pub worker: Worker,
    /// The network role.
    pub network: Root,
    /// The HTTP role.
    pub http: Root,
}

impl Proxy {
    /// Starts with a policy without a role.
    pub fn new(policy: &str) -> Self {
        Self::join(&Host::new(&module()), NODE, policy)
    }

    /// A further worker of a proxy, with the same two roots; `node` is the proxy's node id.
    pub fn join(host: &Host, node: &str, policy: &str) -> Self {
        let worker = host.start_worker();
        let network = worker.configure(&network(policy).node_id(node));
        let http = worker.configure(&http(policy).node_id(node));
        Self {
            host: host.clone(),
            worker,
            network,
            http,
        }
    }

    /// Starts with these `defaults`, without jitter and budget.
    pub fn with_defaults(defaults: &str) -> Self {
        Self::new(&policy(defaults))
    }

    /// A metric without labels, or with its labels before it.
    ///
    /// # Panics
    /// As [`metric`].
    pub fn metric(&self, name: &str) -> u64 {
        metric(&self.host, name)
    }

    /// Starts a GET over HTTP/1 in both roles.
    pub fn get(&self, connection: &Connection, path: &str) -> Stream {
        let bytes = http1::get(path);
        assert_eq!(connection.client_sends(&bytes), bytes);
        let stream = self.http.stream(connection);
        let headers = [
            (":authority", "shop.example"),
            (":path", path),
            (":method", "GET"),
        ];
        stream.request_headers(&headers, true);
        stream
    }

    /// Responds, in three writes as Envoy does. Returns what the client gets.
    pub fn respond(&self, connection: &Connection, stream: &Stream) -> Vec<u8> {
        stream.set_property(&["upstream", "address"], "10.0.0.1:8080");
        stream.response_headers(&[(":status", "200")], false);
        let mut received = connection.server_writes(http1::head("content-length: 5\r\n"));
        received.extend(connection.server_writes("hello"));
        received.extend(connection.server_writes(""));
        stream.ends();
        received
    }

    /// A request and its response over HTTP/1. Returns what the client gets.
    pub fn exchange(&self, connection: &Connection, path: &str) -> Vec<u8> {
        let stream = self.get(connection, path);
        self.respond(connection, &stream)
    }
}

/// A metric of the plugin by its stat's name: `tag=.=value;.;` for each label, and the name. It is 0 before the plugin
/// publishes it.
///
/// # Panics
/// If the list of metrics has no such series, so that a test for 0 fails after a rename.
pub fn metric(host: &Host, stat: &str) -> u64 {
    assert_listed(stat);
    host.metric(stat).unwrap_or_default()
}

fn assert_listed(stat: &str) {
    let mut parts: Vec<_> = stat.split(";.;").collect();
    let name = parts.pop().unwrap_or_default();
    let labels = parts.iter().filter_map(|label| label.split_once("=.="));
    let labels: Vec<_> = labels.collect();
    let values: Vec<_> = labels.iter().map(|(_, value)| *value).collect();
    match Metric::find(name, &labels) {
        Ok(metric) => assert!(
            values.len() == metric.labels().len() && metric.stat(&values) == stat,
            "{stat}: the labels of {metric} are {:?}",
            metric.labels()
        ),
        Err(error) => panic!("{stat}: {error}"),
    }
}

/// A policy whose `defaults` are these, without jitter and budget.
pub fn policy(defaults: &str) -> String {
    format!(r#"{{"version": 1, "budget": "off", "defaults": {{"jitter": 0, {defaults}}}}}"#)
}

/// The network role's root with this policy.
pub fn network(policy: &str) -> RootSpec {
    RootSpec::new("evenkeel-network").config(with_role(policy, "network"))
}

/// The HTTP role's root with this policy.
pub fn http(policy: &str) -> RootSpec {
    RootSpec::new("evenkeel-http").config(with_role(policy, "http"))
}

fn with_role(policy: &str, role: &str) -> String {
    policy.replacen('{', &format!(r#"{{"role": "{role}", "#), 1)
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn unlisted_series_fails() {
        let fails = |stat: &str| catch_unwind(|| assert_listed(stat)).is_err();

        assert!(fails("evenkeel_connection_active"));
        assert!(fails("evenkeel_requests_aborted_total"));
        assert!(fails(
            "drain_reason=.=age;.;evenkeel_requests_aborted_total"
        ));
        assert!(fails(
            "closed_by=.=client;.;drain_reason=.=max_connection_age;.;evenkeel_connections_drained_total"
        ));
        assert!(!fails(
            "drain_reason=.=max_connection_age;.;closed_by=.=client;.;evenkeel_connections_drained_total"
        ));
        assert!(!fails("evenkeel_downstream_connections_active"));
    }
}
