//! Clocks: the monotonic clock for all times, the wall clock for seeds only.

use std::time::Duration;

use evenkeel_test_host::{ClosedBy, Host, module};
use evenkeel_test_module::http1::{CLOSE, response_with};
use evenkeel_test_module::pods::{Pod, message, peers};
use evenkeel_test_module::{Proxy, network};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn wall_clock_set_forward_expires_nothing() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "1h""#);
    let connection = proxy.network.connect();
    proxy.exchange(&connection, "/1");

    proxy.host.set_wall_clock(proxy.host.now() + DAY);
    proxy.host.advance(SECOND);

    assert_eq!(proxy.exchange(&connection, "/2"), response_with(""));
}

#[test]
fn wall_clock_set_back_stops_no_limit() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "10s""#);
    let connection = proxy.network.connect();
    proxy.exchange(&connection, "/1");

    proxy.host.set_wall_clock(proxy.host.now() - DAY);
    proxy.host.advance(11 * SECOND);

    assert_eq!(proxy.exchange(&connection, "/2"), response_with(CLOSE));
}

#[test]
fn wall_clock_set_back_stops_no_timer_and_no_budget() {
    let policy = r#"{"version": 1, "budget": {"per_second": 1, "burst": 1}, "tcp": [
        {"name": "tcp", "match": {"port": 5432}, "protocol": "raw", "max_connection_age": "5s", "jitter": 0, "drain_timeout": "2s"}]}"#;
    let host = Host::new(&module());
    let root = host.start_worker().configure(&network(policy));
    let connections: Vec<_> = (0..3).map(|_| root.connect()).collect();
    for connection in &connections {
        connection.set_property(&["destination", "port"], 5432_i64.to_le_bytes());
        connection.client_sends(b"\0");
        connection.server_writes(b"\0");
    }
    host.set_wall_clock(host.now() - DAY);

    host.advance(11 * SECOND);

    for connection in &connections {
        assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
    }
}

#[test]
fn wall_clock_change_does_not_affect_gossip() {
    let pod = Pod::start("pod", 2, &peers(r#""rebalance": {}"#));
    let started = pod.host.now();
    let mut uptime = started;
    for now in [started + DAY, started - DAY, started] {
        pod.host.set_wall_clock(now);
        let mut requests = 0;
        pod.pass(10 * SECOND, |call| {
            requests += 1;
            uptime += SECOND;
            let message = message(uptime, [(7, 30)]);
            call.respond(&[(":status", "200")], message);
        });
        assert!(
            requests >= 36,
            "{requests} of 40 after the clock was set to {now:?}"
        );
        assert_eq!(pod.metric("evenkeel_peers_known"), 1);
    }
}

#[test]
fn wall_clock_is_read_for_seeds_only() {
    let proxy = Proxy::new(r#"{"version": 1, "rebalance": {}, "peers": {"cluster": "shop"}}"#);
    let before = proxy.host.counts();
    let connection = proxy.network.connect();
    proxy.exchange(&connection, "/");
    proxy.host.advance(10 * SECOND);

    let calls = proxy.host.counts() - before;

    assert_eq!(calls.hostcall("proxy_get_current_time_nanoseconds"), 0);
    assert!(calls.hostcall("clock_time_get") > 100);
}
