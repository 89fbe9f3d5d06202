//! The pieces of `evenkeel render envoy` at their places in `envoy/http/envoy.yaml`.

use std::fs;
use std::net::SocketAddr;

use evenkeel_test_envoy::{Client, Envoy, eventually, module_path};
use serde_json::{Value, json};

use super::{root, with_free_ports};

/// A policy with every key that is rendered.
const POLICY: &str = r#"{
    "version": 1,
    "defaults": { "max_connection_age": "1s", "jitter": 0 },
    "routes": [
        { "name": "few", "match": { "path_prefix": "/few" }, "max_connection_age": "1h", "max_requests_per_connection": 2 }
    ],
    "upstream": { "max_requests_per_connection": 1000 },
    "keepalive": {
        "http2": { "interval": "100ms", "timeout": "5s" },
        "tcp": { "time": "1m", "interval": "10s", "probes": 3 }
    }
}"#;

/// Merges `from` into `into`, recursively.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// Returns `envoy/http/envoy.yaml` with the pieces for this version of Envoy.
async fn start(version: &str) -> Envoy {
    let directory = tempfile::tempdir().unwrap();
    let policy = directory.path().join("policy.json");
    fs::write(&policy, POLICY).unwrap();
    let module = module_path().unwrap();
    let line = [
        "envoy",
        policy.to_str().unwrap(),
        "--envoy",
        version,
        "--module",
        module.to_str().unwrap(),
    ];
    let pieces: Value = serde_saphyr::from_str(&evenkeel_cli::rendered(line).unwrap()).unwrap();

    let text = fs::read_to_string(root().join("envoy/http/envoy.yaml")).unwrap();
    let mut config: Value = serde_saphyr::from_str(&with_free_ports(&text)).unwrap();
    config["stats_config"] = pieces["stats_config"].clone();
    let resources = &mut config["static_resources"];
    let ingress = &mut resources["listeners"][0];
    merge(ingress, &pieces["listener"]);
    let filters = &mut ingress["filter_chains"][0]["filters"];
    filters[0] = pieces["network_filters"][0].clone();
    let manager = &mut filters[1]["typed_config"];
    merge(manager, &pieces["http_connection_manager"]);
    manager["http_filters"][0] = pieces["http_filters"][0].clone();
    let app = &mut resources["clusters"][0];
    merge(app, &pieces["cluster"]);
    let mut http2 = app.clone();
    http2["name"] = json!("http2");
    merge(&mut http2, &pieces["http2_cluster"]);
    resources["clusters"].as_array_mut().unwrap().push(http2);

    let file = directory.path().join("envoy.json");
    fs::write(&file, config.to_string()).unwrap();
    Envoy::start_file(&file).await.unwrap()
}

/// Returns the number of this process's connections from or to this port with a keepalive timer (proc(5)).
fn kept_alive(envoy: &Envoy, port: u16, end: usize) -> usize {
    let sockets = fs::read_to_string(format!("/proc/{}/net/tcp", envoy.pid())).unwrap();
    let port = format!(":{port:04X}");
    let kept = sockets.lines().skip(1).filter(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[end].ends_with(&port) && fields[3] == "01" && fields[5].starts_with("02:")
    });
    kept.count()
}

const LOCAL: usize = 1;
const REMOTE: usize = 2;

async fn the_pieces_work_together(version: &str) {
    let envoy = start(version).await;
    let ingress: SocketAddr = envoy.address("ingress");

    // The HTTP filter knows the route, and the network filter drains the connection: both are in one VM.
    let client = Client::http1(ingress);
    for _ in 0..10 {
        assert_eq!(client.get("/few").await.unwrap().status, 200);
    }
    assert!(client.connections_opened().await >= 5);

    let kept = Client::http1(ingress);
    assert_eq!(kept.get("/").await.unwrap().status, 200);
    assert!(kept_alive(&envoy, ingress.port(), LOCAL) > 0);
    assert!(kept_alive(&envoy, envoy.address("app").port(), REMOTE) > 0);

    // An idle HTTP/2 connection is drained with a PING; the idle HTTP/1 connection is not drained.
    let idle = Client::http2(ingress);
    assert_eq!(idle.get("/").await.unwrap().status, 200);
    let drained = eventually("a GOAWAY on an idle connection", || async {
        let stats = envoy.stats().await?;
        let goaways = stats.with(
            "wasmcustom.evenkeel_drain_signals_total",
            &[("drain_reason", "max_connection_age")],
        );
        Ok((goaways > 0).then_some(()))
    });
    drained.await.unwrap();
    assert_eq!(idle.get("/").await.unwrap().status, 200);
    let stats = envoy.stats().await.unwrap();
    assert_eq!(
        stats.with(
            "wasmcustom.evenkeel_policy_updates_total",
            &[("update_result", "rejected")]
        ),
        0
    );
}

#[tokio::test]
async fn rendered_pieces_work_in_the_newest_envoy() {
    the_pieces_work_together("1.40").await;
}

/// Envoy accepts them.
#[tokio::test]
async fn rendered_pieces_work_in_an_old_envoy() {
    the_pieces_work_together("1.36").await;
}

/// `envoy/peers` has the route that is rendered, and `peers_exchange_loads_and_the_fuller_one_drains_its_excess` runs it.
#[test]
fn configuration_with_peers_has_the_rendered_route() {
    let directory = tempfile::tempdir().unwrap();
    let policy = directory.path().join("policy.json");
    fs::write(
        &policy,
        r#"{ "version": 1, "peers": { "cluster": "peers" } }"#,
    )
    .unwrap();
    let line = ["envoy", policy.to_str().unwrap()];
    let pieces: Value = serde_saphyr::from_str(&evenkeel_cli::rendered(line).unwrap()).unwrap();

    let text = fs::read_to_string(root().join("envoy/peers/envoy.yaml")).unwrap();
    let config: Value = serde_saphyr::from_str(&text).unwrap();

    let listeners = config["static_resources"]["listeners"].as_array().unwrap();
    for listener in listeners {
        let manager = &listener["filter_chains"][0]["filters"][1]["typed_config"];
        let route = &manager["route_config"]["virtual_hosts"][0]["routes"][0];
        assert_eq!(*route, pieces["http_routes"][0]);
        let filter = &manager["http_filters"][0];
        for key in ["name", "disabled"] {
            assert_eq!(filter[key], pieces["http_filters"][0][key]);
        }
    }
    assert_eq!(listeners.len(), 2);
}
