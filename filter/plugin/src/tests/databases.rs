//! Connections to databases and brokers.

use super::Plugin;

const GREETING: &[u8] = b"\x4a\0\0\0\x0a8.0.36\0\x0b\0\0\0";
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const INCR: &[u8] = b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n";

fn policy(port: u16, keys: &str) -> String {
    format!(
        r#"{{"version": 1, "budget": "off", "tcp": [{{"name": "db", "match": {{"port": {port}}},
            "max_connection_age": "10s", "jitter": 0, "drain_timeout": "5s"{keys}}}]}}"#
    )
}

impl Plugin {
    fn connect_to(port: u16, keys: &str) -> Self {
        let plugin = Self::with_network(&policy(port, keys));
        plugin.set_port(port);
        plugin.connect(10);
        plugin
    }

    fn set_port(&self, port: u16) {
        let port = u64::from(port).to_le_bytes();
        self.host.set_property(&["destination", "port"], port);
    }

    /// The client sends bytes. Returns what the server gets.
    fn request(&self, bytes: &[u8]) -> Vec<u8> {
        let size = self.host.set_client_data(bytes);
        self.vm.client_data(10, size);
        self.host.client_data()
    }

    /// The server sends bytes, which must reach the client.
    fn respond(&self, bytes: &[u8]) {
        let size = self.host.set_server_data(bytes);
        self.vm.server_data(10, size);
        assert_eq!(self.host.server_data(), bytes);
    }

    /// The server sends bytes after the close, which must not reach the client.
    fn respond_after_close(&self) {
        let size = self.host.set_server_data(b"+OK\r\n");
        self.vm.server_data(10, size);
        assert_eq!(self.host.server_data(), b"");
    }

    fn closes(&self) -> usize {
        self.host.calls_of("close_downstream")
    }

    fn count(&self, stat: &str) -> i64 {
        self.host.metric(stat).unwrap_or_default()
    }
}

#[test]
fn idle_connection_is_closed_and_nothing_reaches_the_server_after_it() {
    for keys in ["", r#", "protocol": "redis""#] {
        let plugin = Plugin::connect_to(6379, keys);
        assert_eq!(plugin.request(PING), PING);
        plugin.respond(b"+PONG\r\n");
        plugin.pass_seconds(9);
        assert_eq!(plugin.closes(), 0);
        plugin.pass_seconds(2);
        assert_eq!(plugin.closes(), 1);

        assert_eq!(plugin.request(INCR), b"");
        assert_eq!(plugin.request(INCR), b"");
        plugin.respond_after_close();

        let drained = "drain_reason=.=max_connection_age;.;evenkeel_connections_aborted_total";
        assert_eq!(plugin.count(drained), 0);
        let connections = "connection_protocol=.=redis;.;evenkeel_downstream_connections_total";
        assert_eq!(plugin.count(connections), 1);
    }
}

#[test]
fn transaction_is_deferred_until_it_ends() {
    let plugin = Plugin::connect_to(6379, "");
    plugin.request(MULTI);
    plugin.respond(b"+OK\r\n");
    plugin.pass_seconds(60);
    assert_eq!(plugin.closes(), 0);
    let deferred = "defer_reason=.=transaction;.;evenkeel_drain_deferred_total";
    assert_eq!(plugin.count(deferred), 1);

    assert_eq!(plugin.request(INCR), INCR);
    plugin.respond(b"+QUEUED\r\n");
    plugin.request(b"*1\r\n$4\r\nEXEC\r\n");
    plugin.respond(b"*1\r\n:1\r\n");
    plugin.pass_seconds(1);
    assert_eq!(plugin.closes(), 1);
}

/// StartupMessage, AuthenticationOk and ReadyForQuery, a query, Sync, and ReadyForQuery alone.
const STARTUP: &[u8] = b"\0\0\0\x10\0\x03\0\0user\0a\0\0";
const STARTED: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
const QUERY: &[u8] = b"Q\0\0\0\x0eSELECT 1;\0";
const SYNC: &[u8] = b"S\0\0\0\x04";
const READY: &[u8] = b"Z\0\0\0\x05I";

#[test]
fn postgresql_client_gets_an_error_in_response_to_its_next_request() {
    let plugin = Plugin::connect_to(5432, r#", "error": "admin_shutdown""#);
    plugin.request(STARTUP);
    plugin.respond(STARTED);
    plugin.pass_seconds(12);
    assert_eq!(plugin.closes(), 0);

    assert_eq!(plugin.request(QUERY), SYNC);
    assert_eq!(plugin.request(QUERY), b"");
    // A message that the server sends by itself, then the response in two writes.
    let writes: [&[u8]; 3] = [b"N\0\0\0\x06S\0", &READY[..2], &READY[2..]];
    let [notice, begin, error] = writes.map(|write| {
        let size = plugin.host.set_server_data(write);
        plugin.vm.server_data(10, size);
        plugin.host.server_data()
    });

    assert_eq!((notice, begin), (Vec::new(), Vec::new()));
    assert_eq!(error.first(), Some(&b'E'));
    assert!(String::from_utf8_lossy(&error).contains("C57P01"));
    assert_eq!(plugin.closes(), 0, "not within the write");
    plugin.pass_seconds(1);
    assert_eq!(plugin.closes(), 1);
    assert_eq!(plugin.request(QUERY), b"");
}

#[test]
fn postgresql_client_that_sends_nothing_is_closed_without_an_error() {
    let plugin = Plugin::connect_to(5432, r#", "error": "admin_shutdown""#);
    plugin.request(STARTUP);
    plugin.respond(STARTED);
    plugin.pass_seconds(14);
    assert_eq!(plugin.closes(), 0);
    plugin.pass_seconds(2);
    assert_eq!(plugin.closes(), 1);
}

#[test]
fn terminate_of_the_client_is_passed_on() {
    let plugin = Plugin::connect_to(5432, r#", "error": "admin_shutdown""#);
    plugin.request(STARTUP);
    plugin.respond(STARTED);
    plugin.pass_seconds(12);
    let terminate = b"X\0\0\0\x04";
    assert_eq!(plugin.request(terminate), terminate);
}

#[test]
fn error_of_postgresql_is_not_sent_in_other_protocols() {
    let plugin = Plugin::connect_to(6379, r#", "error": "admin_shutdown""#);
    plugin.request(PING);
    plugin.respond(b"+PONG\r\n");
    plugin.pass_seconds(11);
    assert_eq!(plugin.closes(), 1);
}

#[test]
fn pinned_connection_is_counted() {
    let plugin = Plugin::connect_to(6379, "");
    plugin.request(b"*2\r\n$5\r\nWATCH\r\n$1\r\na\r\n");
    plugin.respond(b"+OK\r\n");
    plugin.pass_seconds(60);
    assert_eq!(plugin.closes(), 0);
    let pinned = "pin_reason=.=watch;.;evenkeel_drains_pinned_total";
    assert_eq!(plugin.count(pinned), 1);
}

#[test]
fn server_may_speak_first() {
    let plugin = Plugin::connect_to(3306, "");
    plugin.respond(GREETING);
    let connections = "connection_protocol=.=mysql;.;evenkeel_downstream_connections_total";
    assert_eq!(plugin.count(connections), 1);
    plugin.pass_seconds(60);
    let deferred = "defer_reason=.=handshake;.;evenkeel_drain_deferred_total";
    assert_eq!((plugin.count(deferred), plugin.closes()), (1, 0));
}

#[test]
fn encrypted_connection_is_bypassed_unless_its_rule_is_for_raw_tcp() {
    for (keys, closes) in [("", 0), (r#", "protocol": "raw""#, 1)] {
        let plugin = Plugin::connect_to(5432, keys);
        let hello = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";
        assert_eq!(plugin.request(hello), hello);
        plugin.respond(b"\x16\x03\x03\0\x7a\x02");
        plugin.pass_seconds(60);
        assert_eq!(plugin.closes(), closes, "{keys}");
        let bypassed = "bypass_reason=.=encrypted;.;evenkeel_connections_bypassed_total";
        let is_bypassed = closes == 0;
        assert_eq!(plugin.count(bypassed), i64::from(is_bypassed));
    }
}

#[test]
fn http_on_the_port_of_a_database_is_drained_as_http() {
    let plugin = Plugin::connect_to(5432, "");
    plugin.exchange(10);
    plugin.pass_seconds(60);
    let requests = "connection_protocol=.=http1;.;evenkeel_requests_total";
    assert_eq!((plugin.count(requests), plugin.closes()), (1, 0));
}

#[test]
fn rule_for_a_sidecars_outbound_listener_applies() {
    let plugin = Plugin::with_network(&policy(6379, "").replace(
        r#""port": 6379"#,
        r#""port": 6379, "direction": "outbound""#,
    ));
    plugin.set_port(6379);
    plugin
        .host
        .set_property(&["xds", "node", "id"], "sidecar~10.0.0.1~a");
    plugin
        .host
        .set_property(&["xds", "listener_direction"], 2_u64.to_le_bytes());
    plugin.connect(10);
    plugin.request(PING);
    plugin.respond(b"+PONG\r\n");
    plugin.pass_seconds(11);
    assert_eq!(plugin.closes(), 1);
    assert_eq!(plugin.request(INCR), b"");
}

#[test]
fn dry_run_closes_nothing() {
    let text = policy(6379, "").replace(r#""budget""#, r#""mode": "dry_run", "budget""#);
    let plugin = Plugin::with_network(&text);
    plugin.set_port(6379);
    plugin.connect(10);
    plugin.request(PING);
    plugin.respond(b"+PONG\r\n");
    plugin.pass_seconds(11);
    assert_eq!(plugin.closes(), 0);
    assert_eq!(plugin.request(INCR), INCR);
    let drains = "drain_reason=.=max_connection_age;.;evenkeel_dry_run_drains_total";
    assert_eq!(plugin.count(drains), 1);
}

#[test]
fn stated_protocol_is_followed_on_any_port() {
    let plugin = Plugin::connect_to(7000, r#", "protocol": "redis""#);
    // An inline command, which is not recognized elsewhere.
    plugin.request(b"SET a b\r\n");
    plugin.respond(b"+OK\r\n");
    plugin.pass_seconds(11);
    assert_eq!(plugin.closes(), 1);
}

/// Nothing shows whether a transaction is open on a connection that was not followed from its first byte.
#[test]
fn later_rule_applies_to_raw_tcp_but_not_to_an_open_connection_of_a_database() {
    for (first, closes) in [(PING, 0), (b"\x80hello\r\n".as_slice(), 1)] {
        let plugin = Plugin::with_network(r#"{"version": 1}"#);
        plugin.set_port(7000);
        plugin.connect(10);
        plugin.request(first);
        plugin.respond(b"+OK\r\n");
        plugin.configure(2, &policy(7000, ""));
        // The later root becomes current with its first connection.
        plugin.connect_under(2, 20);
        plugin.pass_seconds(60);
        assert_eq!(plugin.closes(), closes);
        let bypassed = "bypass_reason=.=opened_before_rule;.;evenkeel_connections_bypassed_total";
        assert_eq!(plugin.count(bypassed), i64::from(closes == 0));
    }
}
