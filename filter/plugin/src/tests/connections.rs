//! Which connection a context belongs to.

use super::{HTTP, NETWORK, Plugin};

const POLICY: &str =
    r#""budget": "off", "defaults": {"max_requests_per_connection": 1, "jitter": 0}"#;

#[test]
fn second_filter_entry_on_a_connection_does_nothing() {
    for same_vm in [true, false] {
        let first = Plugin::new(POLICY);
        let text = format!(r#"{{"version": 1, "role": "network", {POLICY}}}"#);
        let elsewhere = first.another_worker(&text);
        let second = if same_vm { &first } else { &elsewhere };
        first.connect(10);
        second.vm.context_created(20, NETWORK);

        let written = first.exchange(10);
        let size = first.host.set_server_data(&written);
        second.vm.server_data(20, size);

        assert_eq!(first.host.server_data(), written);
        first.pass_seconds(2);
        second.pass_seconds(2);
        assert_eq!(
            first.host.metric("evenkeel_downstream_connections_active"),
            Some(1)
        );
        let requests = "connection_protocol=.=http1;.;evenkeel_requests_total";
        assert_eq!(first.host.metric(requests), Some(1));
        second.vm.context_deleted(20);
        first.vm.context_deleted(10);
        first.pass_seconds(2);
        assert_eq!(
            first.host.metric("evenkeel_downstream_connections_active"),
            Some(0)
        );
        assert_eq!(
            first.host.metric("evenkeel_duplicate_filters_total"),
            Some(1)
        );
        assert_eq!(first.host.logged("does nothing there"), 1);
    }
}

/// A filter before the module made the request wait, and meanwhile others were read.
#[test]
fn peer_exchange_counts_on_the_connection_of_its_request() {
    let peers = r#""rebalance": {}, "defaults": {"max_connection_age": "off"}, "peers": {"cluster": "shop", "trust": "anyone"}"#;
    let plugin = Plugin::new(peers);
    for connection in [10, 11] {
        plugin.connect(connection);
    }
    let request = b"GET /.evenkeel/v1/peers HTTP/1.1\r\nhost: a\r\n\r\n";
    let size = plugin.host.set_client_data(request);
    plugin.vm.client_data(10, size);
    // As many as would make up for the other one's exchange.
    plugin.exchange(11);
    plugin.exchange(11);
    plugin
        .host
        .set_property(&["connection", "id"], 10_u64.to_le_bytes());
    plugin.host.set_request_header(
        "evenkeel-peers",
        r#"{"v":1,"peers":[[7,3,0,0,0,1000,600000,0,0]]}"#,
    );
    plugin
        .host
        .set_request_header(":path", "/.evenkeel/v1/peers");
    plugin.vm.context_created(20, HTTP);

    assert!(plugin.vm.request_headers(20, true));
    plugin.pass_seconds(2);

    // The one that only exchanges is no load; the other one is.
    assert_eq!(
        plugin.host.metric("evenkeel_rebalanced_load_connections"),
        Some(1)
    );
}

#[test]
fn number_and_ages_of_connections_are_published_at_the_same_time() {
    let plugin = Plugin::new("");
    let gauges = || {
        ["active", "age_sum_seconds"].map(|gauge| {
            let name = format!("evenkeel_downstream_connections_{gauge}");
            plugin.host.metric(&name).unwrap()
        })
    };
    plugin.connect(10);
    plugin.pass_seconds(20);
    let [open, age] = gauges();
    assert_eq!(open, 1);
    assert!((19..=20).contains(&age), "{age}");

    // Between two samples, neither changes.
    for id in 11..20 {
        plugin.connect(id);
    }
    assert_eq!(gauges(), [open, age]);

    plugin.pass_seconds(2);
    let [open, age] = gauges();
    assert_eq!(open, 10);
    assert!((31..=42).contains(&age), "{age}");
}
