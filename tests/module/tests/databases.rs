//! Databases and brokers: connections are closed between transactions, and nothing reaches the server after it.

use std::time::Duration;

use evenkeel_test_host::{ClosedBy, Connection, Host, module};
use evenkeel_test_module::network;

const POLICY: &str = r#"{"version": 1, "budget": "off", "tcp": [
    {"name": "db", "match": {"port": 5432}, "max_connection_age": "60s", "jitter": 0}]}"#;

/// StartupMessage 3.0 for the user `a`, AuthenticationOk, ReadyForQuery (idle).
const STARTUP: &[u8] = b"\0\0\0\x10\0\x03\0\0user\0a\0\0";
const READY: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
const BEGIN: &[u8] = b"Q\0\0\0\x0aBEGIN\0";
const BEGUN: &[u8] = b"C\0\0\0\x0aBEGIN\0Z\0\0\0\x05T";
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
const COMMITTED: &[u8] = b"C\0\0\0\x0bCOMMIT\0Z\0\0\0\x05I";

fn connect(host: &Host) -> Connection {
    let connection = host.start_worker().configure(&network(POLICY)).connect();
    connection.set_property(&["destination", "port"], 5432_i64.to_le_bytes());
    exchange(&connection, STARTUP, READY);
    connection
}

fn exchange(connection: &Connection, request: &[u8], response: &[u8]) {
    assert_eq!(connection.client_sends(request), request);
    assert_eq!(connection.server_writes(response), response);
}

#[test]
fn postgresql_connection_is_closed_after_its_transaction() {
    let host = Host::new(&module());
    let connection = connect(&host);
    exchange(&connection, BEGIN, BEGUN);
    host.advance(Duration::from_secs(600));
    assert!(connection.is_open());
    let deferred = "defer_reason=.=transaction;.;evenkeel_drain_deferred_total";
    assert_eq!(host.metric(deferred), Some(1));

    exchange(&connection, COMMIT, COMMITTED);
    host.advance(Duration::from_millis(400));
    assert!(connection.is_open());
    host.advance(Duration::from_millis(300));

    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
    let aborted = "drain_reason=.=max_connection_age;.;evenkeel_connections_aborted_total";
    assert_eq!(host.metric(aborted), Some(0));
}

#[test]
fn idle_postgresql_connection_is_closed_when_it_expires() {
    let host = Host::new(&module());
    let connection = connect(&host);
    host.advance(Duration::from_secs(59));
    assert!(connection.is_open());
    host.advance(Duration::from_secs(2));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
}
