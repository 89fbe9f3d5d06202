//! What a request costs the proxy: how often it enters the VM, and how often the module calls it back.
//!
//! The numbers are exact and the same on every machine. As a rule of thumb a VM entry costs 0.1 to 0.3 us,
//! a hostcall that returns bytes 0.7 to 0.9 us, one that returns a number 0.1 us.

use evenkeel_test_frames::http2;
use evenkeel_test_host::{Connection, Counts};
use evenkeel_test_module::Proxy;
use evenkeel_test_module::http1::{get, head};

const REQUESTS: u64 = 100;

#[derive(Clone, Copy, PartialEq)]
enum Roles {
    Network,
    Http,
    Both,
}

fn main() {
    println!(
        "{:<44} {:>10} {:>10} {:>14}",
        "per request", "VM entries", "hostcalls", "that copy bytes"
    );
    let plain = r#"{"version": 1}"#;
    let routes = r#"{"version": 1, "routes": [{"name": "a", "match": {"path_prefix": "/a"}, "max_connection_age": "1h"}]}"#;
    for (policy, what) in [(plain, "no routes"), (routes, "a rule by path")] {
        for (roles, role) in [
            (Roles::Network, "network role"),
            (Roles::Http, "HTTP role"),
            (Roles::Both, "both roles"),
        ] {
            for (http2, protocol) in [(false, "HTTP/1.1"), (true, "HTTP/2")] {
                let spent = measure(policy, roles, http2);
                let copied = [
                    "proxy_get_buffer_bytes",
                    "proxy_get_property",
                    "proxy_get_header_map_value",
                    "proxy_get_shared_data",
                ];
                let copied: u64 = copied.iter().map(|name| spent.hostcall(name)).sum();
                println!(
                    "{:<44} {:>10.2} {:>10.2} {:>14.2}",
                    format!("{protocol}, {role}, {what}"),
                    per_request(spent.total_entries()),
                    per_request(spent.total_hostcalls()),
                    per_request(copied),
                );
            }
        }
    }
}

fn per_request(count: u64) -> f64 {
    count as f64 / REQUESTS as f64
}

/// What the requests of one warm connection cost.
fn measure(policy: &str, roles: Roles, http2: bool) -> Counts {
    let proxy = Proxy::new(policy);
    let connection = if roles == Roles::Http {
        proxy.worker.accept()
    } else {
        proxy.network.connect()
    };
    if http2 {
        connection.client_sends(http2::ClientPreface::Go.bytes());
        connection.server_writes(http2::server_preface());
    }
    exchange(&proxy, &connection, roles, http2, 1);
    let before = proxy.host.counts();
    for number in 1..=REQUESTS {
        exchange(
            &proxy,
            &connection,
            roles,
            http2,
            2 * u32::try_from(number).unwrap_or_default() + 1,
        );
    }
    proxy.host.counts() - before
}

/// A small request and its response, in Envoy's callbacks.
fn exchange(proxy: &Proxy, connection: &Connection, roles: Roles, http2: bool, id: u32) {
    let bytes = if http2 {
        http2::get(id, "/a")
    } else {
        get("/a")
    };
    connection.client_sends(bytes);
    let stream = (roles != Roles::Network).then(|| proxy.http.stream(connection));
    if let Some(stream) = &stream {
        stream.request_headers(&[(":authority", "a"), (":path", "/a")], true);
        stream.set_property(&["upstream", "address"], "10.0.0.1:80");
        stream.response_headers(&[(":status", "200")], false);
    }
    if http2 {
        connection.server_writes(http2::response_headers(id));
        connection.server_writes(http2::response_end(id));
    } else {
        connection.server_writes(head("content-length: 5\r\n"));
        connection.server_writes("hello");
        connection.server_writes("");
    }
    if let Some(stream) = &stream {
        stream.ends();
    }
}
