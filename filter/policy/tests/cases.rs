//! `policies/`: each case is accepted, and means what its author wanted.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::arithmetic_side_effects, clippy::panic, clippy::unwrap_used)]
use core::num::NonZeroU64;
use core::time::Duration;
use evenkeel_policy::{
    Budget, CloseCode, Direction, Http2Ping, LastStreamId, Measure, Mode, Peers, Policy,
    ProtocolSetting, Rebalance, Request, RequestParts, Route, TcpKeepalive, Trust, Weight,
    WhenActive,
};
use std::fs;
use std::path::PathBuf;

fn policies() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

fn load(name: &str) -> Policy {
    let text = fs::read(policies().join(name)).unwrap();
    Policy::parse(&text).unwrap_or_else(|errors| panic!("{name}:\n{errors}"))
}

const fn minutes(minutes: u64) -> Option<Duration> {
    Some(Duration::from_secs(minutes * 60))
}

const fn hours(hours: u64) -> Option<Duration> {
    minutes(hours * 60)
}

fn inbound<'a>(policy: &'a Policy, authority: &str, path: &str) -> Option<&'a Route> {
    let request = Request {
        route: b"",
        authority: authority.as_bytes(),
        path: path.as_bytes(),
    };
    policy.route(Direction::Inbound, &request)
}

#[test]
fn minimal_is_the_default() {
    assert_eq!(load("minimal.json"), Policy::default());
}

#[test]
fn http_api_drains_checkout_earlier_and_protects_events() {
    let policy = load("http-api.json");
    let request = Request {
        route: b"checkout-eu",
        authority: b"www.shop.example:8080",
        path: b"/api/cart?item=7",
    };

    let checkout = policy.route(Direction::Inbound, &request).unwrap();
    assert_eq!(checkout.name, "checkout");
    assert_eq!(
        (
            checkout.rule.max_connection_age,
            checkout.rule.drain_timeout
        ),
        (minutes(2), minutes(1))
    );
    assert_eq!(
        checkout.rule.max_requests_per_connection,
        NonZeroU64::new(500)
    );
    assert_eq!(policy.route(Direction::Outbound, &request), None);
    let events = inbound(&policy, "www.shop.example", "/events/42").unwrap();
    assert_eq!(
        (
            events.rule.protect,
            events.rule.drain_timeout,
            events.rule.max_connection_age
        ),
        (true, None, minutes(10))
    );
    assert_eq!(
        policy.request_parts(),
        RequestParts {
            route: true,
            authority: true,
            path: true
        }
    );
    assert!(policy.keepalive.http1_hint);
}

#[test]
fn grpc_gives_watches_time_to_end() {
    let policy = load("grpc.json");

    let watch = inbound(&policy, "", "/shop.inventory.v1.Inventory/Watch").unwrap();
    assert_eq!(watch.name, "inventory-watch");
    assert_eq!(
        (
            watch.rule.protect,
            watch.rule.drain_timeout,
            watch.rule.http2.last_stream_id
        ),
        (true, minutes(30), LastStreamId::Max)
    );
    let unary = inbound(&policy, "", "/shop.inventory.v1.Inventory/Get").unwrap();
    assert_eq!(
        (unary.name.as_str(), unary.rule.http2.when_active),
        ("inventory", WhenActive::Defer)
    );
    assert_eq!(
        (unary.rule.max_stream_age, watch.rule.max_stream_age),
        (hours(1), None)
    );
    assert_eq!(
        inbound(&policy, "", "/shop.inventory.v1.InventoryAdmin/Get"),
        None
    );
    assert_eq!(
        policy.request_parts(),
        RequestParts {
            path: true,
            ..RequestParts::default()
        }
    );
    let ping = Http2Ping {
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(10),
    };
    assert_eq!(policy.keepalive.http2, Some(ping));
    assert_eq!(policy.keepalive.upstream_http2, None);
}

#[test]
fn websocket_chat_drains_at_random_times_and_slowly() {
    let policy = load("websocket-chat.json");

    let chat = inbound(&policy, "Chat.Example:443", "/socket?room=7").unwrap();
    assert_eq!(
        (chat.rule.max_connection_age, chat.rule.mean_connection_age),
        (None, hours(8))
    );
    assert_eq!(
        (
            chat.rule.websocket.close_code,
            chat.rule.websocket.idle_timeout
        ),
        (CloseCode::ServiceRestart, hours(1))
    );
    let calls = inbound(&policy, "chat.example", "/call/7").unwrap();
    assert_eq!(
        (
            calls.rule.max_connection_age,
            calls.rule.mean_connection_age,
            calls.rule.protect
        ),
        (None, None, true)
    );
    assert_eq!(
        (
            calls.rule.websocket.close_code,
            calls.rule.websocket.idle_timeout
        ),
        (CloseCode::Off, None)
    );
    assert_eq!(
        policy.budget,
        Some(Budget {
            per_second: 2.0,
            burst: 5
        })
    );
}

#[test]
fn postgresql_has_a_rule_for_each_direction() {
    let policy = load("postgresql.json");

    let server = policy.tcp_rule(Direction::Inbound, 5432).unwrap();
    assert_eq!(
        (server.rule.max_connection_age, server.rule.drain_timeout),
        (hours(1), minutes(5))
    );
    assert_eq!(server.rule.tcp.protocol, ProtocolSetting::PostgreSql);
    let pool = policy.tcp_rule(Direction::Outbound, 5432).unwrap();
    assert_eq!(
        (pool.rule.max_connection_age, pool.rule.drain_timeout),
        (minutes(30), None)
    );
    assert_eq!(policy.tcp_rule(Direction::Inbound, 6432), None);
    assert_eq!(policy.defaults.max_connection_age, None);
    assert_eq!(policy.keepalive.tcp.map(|tcp| tcp.probes), Some(3));
}

#[test]
fn each_database_and_broker_has_a_policy() {
    let cases = [
        (load("postgresql.json"), 5432, ProtocolSetting::PostgreSql),
        (load("mysql.json"), 3306, ProtocolSetting::MySql),
        (load("redis.json"), 6379, ProtocolSetting::Redis),
        (load("nats.json"), 4222, ProtocolSetting::Nats),
        (load("mqtt.json"), 1883, ProtocolSetting::Mqtt),
        (load("amqp.json"), 5672, ProtocolSetting::Amqp),
    ];
    for (policy, port, protocol) in cases {
        let rule = &policy.tcp_rule(Direction::Inbound, port).unwrap().rule;

        assert_eq!(rule.tcp.protocol, protocol);
        assert!(rule.max_connection_age.is_some(), "{protocol:?}");
        assert!(policy.budget.is_some(), "{protocol:?}");
    }
}

#[test]
fn database_clients_rebalance_outbound_connections() {
    let policy = load("database-clients.json");

    for port in [5432, 3306, 6379, 4222] {
        let rule = &policy.tcp_rule(Direction::Outbound, port).unwrap().rule;
        assert_eq!(rule.max_connection_age, None);
        assert_eq!(policy.tcp_rule(Direction::Inbound, port), None);
    }
    assert_eq!(
        policy.rebalance.map(|rebalance| rebalance.min_connections),
        Some(8)
    );
}

#[test]
fn gateway_has_routes_ports_and_upstream_limits() {
    let policy = load("gateway.json");
    let name = |authority, path| inbound(&policy, authority, path).map(|route| route.name.as_str());

    assert_eq!(name("www.shop.example", "/healthz"), Some("health"));
    assert_eq!(name("www.shop.example", "/"), Some("shop"));
    assert_eq!(name("partners.example:8443", "/"), Some("partners"));
    assert_eq!(name("partners.example", "/"), None);
    let mqtt = policy.tcp_rule(Direction::Inbound, 8883).unwrap();
    assert_eq!(
        (
            mqtt.rule.max_connection_age,
            mqtt.rule.mean_connection_age,
            mqtt.rule.drain_timeout
        ),
        (None, hours(12), minutes(1))
    );
    let redis = policy.tcp_rule(Direction::Inbound, 6379).unwrap();
    assert_eq!(
        (redis.rule.max_connection_age, redis.rule.drain_timeout),
        (minutes(15), minutes(5))
    );
    let upstream = policy.upstream.as_ref().unwrap();
    assert_eq!(
        (upstream.max_connection_age, upstream.jitter.get()),
        (minutes(10), 0.3)
    );
    let tcp = TcpKeepalive {
        time: Duration::from_secs(120),
        interval: Duration::from_secs(10),
        probes: 3,
    };
    assert_eq!(policy.keepalive.tcp, Some(tcp));
}

#[test]
fn rebalance_weights_pods_and_protects_exports() {
    let policy = load("rebalance.json");

    assert_eq!(
        policy.rebalance,
        Some(Rebalance {
            high_watermark: 0.25,
            max_rate: 0.005,
            min_connections: 100,
            weight: Weight::Workers,
            slow_start: Duration::from_secs(60),
            stabilization_window: Duration::from_secs(10),
            fallback_mean_connection_age: hours(2),
            ..Rebalance::default()
        })
    );
    assert_eq!(
        policy.peers,
        Some(Peers {
            cluster: "outbound|8080||shop.default.svc.cluster.local".to_owned(),
            interval: Duration::from_secs(2),
            trust: Trust::SameIdentity,
        })
    );
    assert_eq!(policy.defaults.min_connection_age, Duration::from_secs(30));
    assert!(inbound(&policy, "", "/exports/7").unwrap().rule.protect);
}

#[test]
fn gateway_rebalance_compares_hosts_and_has_no_age_limit() {
    let policy = load("gateway-rebalance.json");

    assert_eq!(
        policy.rebalance,
        Some(Rebalance {
            measure: Measure::Bytes,
            high_watermark: 0.5,
            low_watermark: 0.2,
            max_rate: 0.002,
            samples: 15,
            stabilization_window: Duration::from_secs(30),
            ..Rebalance::default()
        })
    );
    assert_eq!(policy.peers, None);
    for port in [8883, 5671] {
        let rule = &policy.tcp_rule(Direction::Inbound, port).unwrap().rule;
        assert_eq!(
            (rule.max_connection_age, rule.mean_connection_age),
            (None, None),
            "{port}"
        );
    }
}

#[test]
fn dry_run_only_counts() {
    let policy = load("dry-run.json");

    assert_eq!((policy.mode, policy.budget), (Mode::DryRun, None));
    assert_eq!(policy.upstream.unwrap().max_requests_per_connection, None);
}

#[test]
fn every_policy_has_a_test() {
    let names = fs::read_dir(policies())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for name in names.filter(|name| name.ends_with(".json") && name != "policy.schema.json") {
        assert!(
            include_str!("cases.rs").contains(&format!("load(\"{name}\")")),
            "{name} has no test here"
        );
        assert!(
            include_str!("../../../policies/README.md").contains(&format!("[{name}]")),
            "{name} is not in the README"
        );
    }
}
