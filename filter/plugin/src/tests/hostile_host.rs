//! A host that refuses hostcalls, or calls for contexts that do not exist.

use core::time::Duration;

use super::{HTTP, NETWORK, Plugin};
use crate::host::Status;
use crate::vm::ClosedBy;

/// A policy that uses every hostcall: both roles, limits, budget, peers, recycling, load.
const POLICY: &str = r#""defaults": {"max_requests_per_connection": 2, "jitter": 0, "grpc": {"max_stream_age": "1s"}},
    "routes": [{"name": "all", "match": {"path_prefix": "/"}, "max_requests_per_connection": 2}],
    "tcp": [{"name": "tcp", "match": {"port": 5432}, "max_connection_age": "1s"}],
    "upstream": {"max_requests_per_connection": 1}, "rebalance": {}, "peers": {"cluster": "shop", "trust": "anyone"}"#;

/// Calls every callback, in and out of order.
fn call_everything(plugin: &Plugin) {
    let vm = &plugin.vm;
    for id in [NETWORK, HTTP, 10, 11, 12, 99] {
        let root = if id == 12 { HTTP } else { NETWORK };
        vm.context_created(id, if id < 10 { 0 } else { root });
    }
    plugin.configure(NETWORK, "{");
    plugin.host.set_property(&["connection", "id"], [1]);
    plugin
        .host
        .set_property(&["destination", "port"], 5432_u64.to_le_bytes());
    for bytes in [
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".as_slice(),
        b"\0\0",
        b"",
    ] {
        for id in [0, 10, 11, 12, 1000] {
            let size = plugin.host.set_client_data(bytes);
            vm.client_data(id, size);
            vm.request_headers(id, false);
            vm.response_headers(id);
            let size = plugin.host.set_server_data(b"HTTP/1.1 200 OK\r\n\r\n");
            vm.server_data(id, size);
            // More than the buffer has.
            vm.server_data(id, usize::MAX);
        }
    }
    for _ in 0..30 {
        plugin.host.advance(Duration::from_millis(100));
        vm.ticked(NETWORK);
    }
    vm.http_call_responded(NETWORK, 0, 0);
    vm.http_call_responded(NETWORK, 3, 10);
    vm.http_call_responded(NETWORK, 3, usize::MAX);
    for id in [10, 10, 11, 1000] {
        vm.connection_closed(id, ClosedBy::Client);
        vm.context_deleted(id);
    }
}

#[test]
fn no_status_of_any_hostcall_panics() {
    // Every status of the ABI, and some others.
    for status in (0..=16).chain([255, u32::MAX]) {
        let plugin = Plugin::new(POLICY);
        plugin.host.refuse(Some(Status(status)));
        call_everything(&plugin);
    }
}

#[test]
fn callback_for_an_unknown_context_does_nothing() {
    let plugin = Plugin::new(POLICY);
    call_everything(&plugin);
    plugin.vm.context_deleted(1000);
    plugin.vm.ticked(1000);
}

#[test]
fn module_recovers_after_a_time_in_which_all_hostcalls_fail() {
    let plugin = Plugin::new(
        r#""budget": "off", "defaults": {"max_requests_per_connection": 2, "jitter": 0}"#,
    );
    plugin.host.refuse(Some(Status(10)));
    plugin.connect(10);
    plugin.vm.ticked(NETWORK);
    plugin.host.refuse(None);

    plugin.connect(11);
    plugin.exchange(11);
    let last = plugin.exchange(11);

    plugin.pass_seconds(2);
    assert_eq!(
        plugin.host.metric("evenkeel_downstream_connections_active"),
        Some(2)
    );
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    assert_eq!(last, head, "{}", String::from_utf8_lossy(&last));
}

#[test]
fn line_below_the_log_level_is_not_logged_and_costs_no_hostcall() {
    for (level, lines) in [(2, 0), (1, 1), (0, 1), (6, 0)] {
        let plugin = Plugin::new(
            r#""budget": "off", "defaults": {"max_requests_per_connection": 1, "jitter": 0}"#,
        );
        plugin.host.set_log_level(level);
        plugin.host.advance(Duration::from_secs(2));
        plugin.vm.ticked(NETWORK);
        plugin.connect(10);
        let calls = plugin.host.calls_of("log_level");

        plugin.exchange(10);

        assert_eq!(plugin.host.logged("drain signal"), lines, "{level}");
        assert_eq!(
            plugin.host.calls_of("log_level"),
            calls,
            "no hostcall per request"
        );
    }
}
