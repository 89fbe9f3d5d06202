//! Raw TCP, and dry run.

use std::time::Duration;

use evenkeel_test_host::{ClosedBy, Host, module};
use evenkeel_test_module::http1::response_with;
use evenkeel_test_module::{Proxy, network};

const POSTGRES: &str = r#"{"version": 1, "budget": "off", "tcp": [
    {"name": "postgres", "match": {"port": 5432}, "protocol": "raw", "max_connection_age": "60s", "jitter": 0, "idle_time": "2s", "drain_timeout": "30s"}]}"#;

/// A port as Envoy's property has it.
fn port(number: i64) -> [u8; 8] {
    number.to_le_bytes()
}

#[test]
fn expired_tcp_connection_is_closed_when_idle() {
    let host = Host::new(&module());
    let root = host.start_worker().configure(&network(POSTGRES));
    let connection = root.connect();
    connection.set_property(&["destination", "port"], port(5432));
    connection.set_property(&["upstream", "address"], "10.0.0.7:5432");
    for _ in 0..63 {
        assert_eq!(connection.client_sends(b"\0Q"), b"\0Q");
        assert_eq!(connection.server_writes(b"\0A"), b"\0A");
        host.advance(Duration::from_secs(1));
    }
    let upstream = "upstream_host=.=10.0.0.7:5432;.;evenkeel_upstream_connections";
    assert_eq!(host.metric(upstream), Some(1));
    assert!(connection.is_open());
    host.advance(Duration::from_secs(2));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
    assert_eq!(host.metric(upstream), Some(0));
    assert_eq!(
        host.metric("drain_reason=.=max_connection_age;.;evenkeel_connections_aborted_total"),
        Some(0)
    );
}

#[test]
fn tcp_connection_without_a_rule_stays_open() {
    let host = Host::new(&module());
    let root = host.start_worker().configure(&network(POSTGRES));
    let connection = root.connect();
    connection.set_property(&["destination", "port"], port(3306));
    assert_eq!(connection.server_writes(b"\x0a8.0\0"), b"\x0a8.0\0");
    host.advance(Duration::from_secs(3600));
    assert!(connection.is_open());
    assert_eq!(
        host.metric("connection_protocol=.=tcp;.;evenkeel_downstream_connections_total"),
        Some(1)
    );
}

#[test]
fn tick_closes_a_limited_number_of_connections() {
    let host = Host::new(&module());
    let worker = host.start_worker();
    let root = worker.configure(&network(POSTGRES));
    let connections: Vec<_> = (0..100).map(|_| root.connect()).collect();
    for connection in &connections {
        connection.set_property(&["destination", "port"], port(5432));
        connection.client_sends(b"\0");
        connection.server_writes(b"\0");
    }
    host.advance(Duration::from_secs(95));
    assert!(
        connections
            .iter()
            .all(|connection| connection.closed_by() == Some(ClosedBy::Module))
    );
    assert!(
        worker.deepest_nesting() <= 34,
        "{}",
        worker.deepest_nesting()
    );
}

#[test]
fn dry_run_changes_no_byte_and_counts_its_drains() {
    let policy = r#"{"version": 1, "mode": "dry_run", "keepalive": {"http1_hint": true},
        "defaults": {"max_requests_per_connection": 2, "jitter": 0}}"#;
    let proxy = Proxy::new(policy);
    let connection = proxy.network.connect();
    for request in 0..6 {
        assert_eq!(
            proxy.exchange(&connection, &format!("/{request}")),
            response_with("")
        );
    }
    proxy.host.advance(Duration::from_secs(3600));
    assert!(connection.is_open());
    assert_eq!(
        proxy.metric("drain_reason=.=max_requests_per_connection;.;evenkeel_dry_run_drains_total"),
        3
    );
    assert_eq!(
        proxy.metric("drain_reason=.=max_requests_per_connection;.;evenkeel_drain_signals_total"),
        0
    );
    assert!(
        proxy
            .host
            .logged("would have drained 3 by max_requests_per_connection"),
        "{:?}",
        proxy.host.log()
    );
}

#[test]
fn unknown_upstream_host_is_read_a_few_times_only() {
    let host = Host::new(&module());
    let root = host.start_worker().configure(&network(POSTGRES));
    let connection = root.connect();
    connection.set_property(&["destination", "port"], port(5432));
    connection.hide_property(&["upstream", "address"]);
    let converse = || {
        for _ in 0..50 {
            connection.client_sends(b"\0Q");
            connection.server_writes(b"\0A");
        }
        host.counts().hostcall("proxy_get_property")
    };
    let before = converse();
    assert!(before > 0);
    assert_eq!(converse(), before);
}
