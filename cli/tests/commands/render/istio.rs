//! For Istio: plugins with the policy, and its `keepalive` in the resources of each version.

use std::fs;

use evenkeel_policy::{Mode, Policy};
use serde_json::{Value, json};

use super::{IMAGE, documents, named, policies, policy};

const VERSIONS: [&str; 8] = [
    "1.24", "1.25", "1.26", "1.27", "1.28", "1.29", "1.30", "1.31",
];

const SELECTIONS: [&[&str]; 4] = [
    &[],
    &["--workload", "app=shop,tier=web"],
    &["--gateway", "istio=ingressgateway"],
    &["--gateway-ref", "public"],
];

fn istio(name: &str, more: &[&str]) -> Vec<Value> {
    let file = policy(name);
    documents(&[&["istio", &file], &IMAGE[..], more].concat())
}

fn has(documents: &[Value], name: &str) -> bool {
    documents
        .iter()
        .any(|document| document["metadata"]["name"] == name)
}

/// Converts all numbers to doubles, as in a protobuf Struct.
fn doubles(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(doubles).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), doubles(value)))
            .collect(),
        other => other.clone(),
    }
}

#[test]
fn every_policy_for_every_istio_and_selection_gives_plugins_with_that_policy() {
    for name in policies() {
        let written = Policy::parse(&fs::read(policy(&name)).unwrap()).unwrap();
        for version in VERSIONS {
            for selection in SELECTIONS {
                let documents = istio(&name, &[&["--istio", version], selection].concat());
                for role in ["network", "http"] {
                    let Some(plugin) = documents.iter().find(|document| {
                        document["metadata"]["name"] == format!("evenkeel-{role}")
                    }) else {
                        assert_eq!(role, "http", "{name}");
                        assert!(
                            written.routes.is_empty() && written.peers.is_none(),
                            "{name}"
                        );
                        continue;
                    };
                    assert_eq!(plugin["kind"], "WasmPlugin");
                    let spec = &plugin["spec"];
                    assert_eq!(spec["type"], role.to_uppercase());
                    assert_eq!(spec["url"], IMAGE[1]);
                    assert_eq!(spec["failStrategy"], "FAIL_OPEN");
                    let config = doubles(&spec["pluginConfig"]).to_string();
                    let mut rendered = Policy::parse(config.as_bytes()).unwrap();
                    assert_eq!(rendered.role.take().map(|role| role.name()), Some(role));
                    assert_eq!(rendered, written, "{name}");
                }
            }
        }
    }
}

#[test]
fn both_plugins_share_a_vm() {
    for kind in ["wasm-plugin", "traffic-extension"] {
        let documents = istio("gateway", &["--kind", kind, "--sha256", &"0a".repeat(32)]);
        let vm = |role: &str| {
            let spec = &named(&documents, &format!("evenkeel-{role}"))["spec"];
            let wasm = if kind == "wasm-plugin" {
                spec
            } else {
                &spec["wasm"]
            };
            assert_eq!(wasm["type"], role.to_uppercase());
            ["url", "sha256", "imagePullPolicy", "vmConfig"].map(|key| wasm[key].clone())
        };
        assert_eq!(vm("network"), vm("http"));
        assert_eq!(vm("http")[1], "0a".repeat(32));
    }
}

#[test]
fn selection_is_the_same_for_every_resource() {
    let more = [
        "--istio",
        "1.28",
        "--host",
        "db.shop.svc.cluster.local",
        "--http2-port",
        "9090",
    ];
    let labels = json!({ "app": "shop", "tier": "web" });

    let workload = istio("gateway", &[SELECTIONS[1], &more].concat());
    assert_eq!(
        named(&workload, "evenkeel-http")["spec"]["selector"]["matchLabels"],
        labels
    );
    assert_eq!(
        named(&workload, "evenkeel-keepalive")["spec"]["workloadSelector"]["labels"],
        labels
    );
    assert_eq!(
        named(&workload, "evenkeel-upstream")["spec"]["workloadSelector"]["labels"],
        labels
    );
    let rule = named(&workload, "evenkeel-db.shop.svc.cluster.local");
    assert_eq!(rule["spec"]["workloadSelector"]["matchLabels"], labels);
    assert_eq!(
        contexts(&workload, "evenkeel-keepalive"),
        ["SIDECAR_INBOUND"; 2]
    );
    assert_eq!(
        contexts(&workload, "evenkeel-upstream"),
        ["SIDECAR_OUTBOUND"]
    );

    let gateway = istio("gateway", &[SELECTIONS[3], &more].concat());
    let target =
        json!([{ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public" }]);
    assert_eq!(
        named(&gateway, "evenkeel-http")["spec"]["targetRefs"],
        target
    );
    assert_eq!(
        named(&gateway, "evenkeel-keepalive")["spec"]["targetRefs"],
        target
    );
    assert_eq!(contexts(&gateway, "evenkeel-keepalive"), ["GATEWAY"; 2]);

    let namespace = istio("gateway", &more);
    assert_eq!(
        named(&namespace, "evenkeel-http")["spec"]["selector"],
        Value::Null
    );
    assert_eq!(
        named(&namespace, "evenkeel-keepalive")["spec"]["workloadSelector"],
        Value::Null
    );
    assert_eq!(
        contexts(&namespace, "evenkeel-keepalive"),
        ["SIDECAR_INBOUND", "SIDECAR_INBOUND", "GATEWAY", "GATEWAY"]
    );
}

/// The contexts of an EnvoyFilter's patches.
fn contexts(documents: &[Value], name: &str) -> Vec<String> {
    patches(documents, name)
        .iter()
        .map(|patch| patch["match"]["context"].as_str().unwrap().to_owned())
        .collect()
}

fn patches<'a>(documents: &'a [Value], name: &str) -> &'a [Value] {
    let patches = &named(documents, name)["spec"]["configPatches"];
    patches.as_array().unwrap()
}

#[test]
fn plugins_are_inbound_only_unless_the_policy_requires_more() {
    let workload = SELECTIONS[1];
    let server = json!([{ "mode": "SERVER" }]);
    for role in ["evenkeel-network", "evenkeel-http"] {
        assert_eq!(
            named(&istio("http-api", workload), role)["spec"]["match"],
            server
        );
        // It recycles connections to upstreams.
        assert_eq!(
            named(&istio("gateway", workload), role)["spec"]["match"],
            Value::Null
        );
        // A gateway's are all outbound for Istio.
        assert_eq!(
            named(&istio("http-api", SELECTIONS[2]), role)["spec"]["match"],
            Value::Null
        );
    }
}

#[test]
fn keepalive_uses_the_resources_of_the_version() {
    let host = "db.shop.svc.cluster.local";
    let rule = format!("evenkeel-{host}");
    for version in VERSIONS {
        let more = ["--istio", version, "--host", host, "--http2-port", "9090"];
        let documents = istio("gateway", &[SELECTIONS[1], &more].concat());

        let [ping, tcp] = patches(&documents, "evenkeel-keepalive") else {
            panic!("{version}: not two patches");
        };
        let config = &ping["patch"]["value"]["typed_config"];
        let expected = json!({ "interval": "60s", "timeout": "20s" });
        assert_eq!(
            config["http2_protocol_options"]["connection_keepalive"],
            expected
        );
        let listener = &tcp["patch"]["value"];
        if version >= "1.29" {
            let expected =
                json!({ "keepalive_time": 120, "keepalive_interval": 10, "keepalive_probes": 3 });
            assert_eq!(listener["tcp_keepalive"], expected, "{version}");
        } else {
            let options = listener["socket_options"].as_array().unwrap();
            let values: Vec<_> = options
                .iter()
                .map(|option| option["int_value"].as_i64())
                .collect();
            assert_eq!(values, [1, 120, 10, 3].map(Some), "{version}");
        }

        let pool = &named(&documents, &rule)["spec"]["trafficPolicy"]["connectionPool"];
        let expected = json!({ "time": "120s", "interval": "10s", "probes": 3 });
        assert_eq!(pool["tcp"]["tcpKeepalive"], expected);
        assert_eq!(pool["http"]["maxRequestsPerConnection"], 50000);
        if version >= "1.31" {
            assert_eq!(
                pool["http"]["http2KeepAlive"],
                json!({ "interval": "300s", "timeout": "20s" })
            );
            assert!(!has(&documents, "evenkeel-upstream"));
        } else {
            assert_eq!(pool["http"]["http2KeepAlive"], Value::Null);
            let [cluster] = patches(&documents, "evenkeel-upstream") else {
                panic!("{version}: not one patch");
            };
            let expected = json!({ "service": host, "portNumber": 9090 });
            assert_eq!(cluster["match"]["cluster"], expected);
        }
    }
}

#[test]
fn pings_to_clients_are_sent_to_no_upstream() {
    let host = [
        "--host",
        "db.shop.svc.cluster.local",
        "--http2-port",
        "9090",
    ];
    for version in VERSIONS {
        let documents = istio(
            "grpc",
            &[SELECTIONS[1], &host, &["--istio", version]].concat(),
        );
        assert!(has(&documents, "evenkeel-keepalive"), "{version}");
        let kinds: Vec<_> = documents.iter().map(|document| &document["kind"]).collect();
        assert!(
            !kinds.contains(&&json!("DestinationRule")),
            "{version}: {kinds:?}"
        );
        assert!(!has(&documents, "evenkeel-upstream"), "{version}");
    }
}

#[test]
fn http3_has_the_defaults_as_limits_of_its_own_listener() {
    let documents = istio("http-api", &[SELECTIONS[2], &["--http3", "8443"]].concat());
    let names: Vec<_> = patches(&documents, "evenkeel-http3")
        .iter()
        .map(|patch| patch["match"]["listener"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["udp_0.0.0.0_8443", "udp_::_8443"]);
    let config = &patches(&documents, "evenkeel-http3")[0]["patch"]["value"]["typed_config"];
    let limits = &config["common_http_protocol_options"];
    // From 8 to 10 minutes: `max_connection_age` 10m, `jitter` 0.2.
    assert_eq!(limits["max_connection_duration"], "480s");
    assert_eq!(limits["max_connection_duration_jitter"]["value"], 25.0);
    assert_eq!(limits["max_requests_per_connection"], 10000);

    let old = istio(
        "http-api",
        &[SELECTIONS[2], &["--http3", "8443", "--istio", "1.30"]].concat(),
    );
    let config = &patches(&old, "evenkeel-http3")[0]["patch"]["value"]["typed_config"];
    let limits = &config["common_http_protocol_options"];
    assert_eq!(limits["max_connection_duration"], "600s");
    assert_eq!(limits["max_connection_duration_jitter"], Value::Null);
}

#[test]
fn dry_run_policy_drains_nothing() {
    for name in policies() {
        let text = fs::read(policy(&name)).unwrap();
        let mut observing: Value = serde_json::from_slice(&text).unwrap();
        observing["mode"] = Mode::DryRun.name().into();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("policy.json");
        fs::write(&file, observing.to_string()).unwrap();
        let file = file.display().to_string();
        let more = [
            "--gateway",
            "a=b",
            "--host",
            "db.shop.svc.cluster.local",
            "--http3",
            "443",
        ];

        let documents = documents(&[&["istio", &file], &IMAGE[..], &more].concat());

        assert!(
            documents
                .iter()
                .all(|document| document["kind"] == "WasmPlugin"),
            "{name}"
        );
    }
}

/// What needs the HTTP filter for the requests of peers only.
const PEERS: &str = r#""peers": { "cluster": "outbound|80||shop.shop.svc.cluster.local" }"#;

fn of_policy(keys: &str, more: &[&str]) -> Vec<Value> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.json");
    fs::write(&file, format!(r#"{{ "version": 1, {keys} }}"#)).unwrap();
    let file = file.display().to_string();
    documents(&[&["istio", &file], &IMAGE[..], more].concat())
}

fn names(documents: &[Value]) -> Vec<&str> {
    documents
        .iter()
        .map(|document| document["metadata"]["name"].as_str().unwrap())
        .collect()
}

#[test]
fn sidecars_run_the_http_filter_for_peers_only_if_nothing_else_needs_it() {
    let namespace = ["-n", "shop"];
    let workload = ["-n", "shop", "--workload", "app=shop"];
    let rebalance = format!(r#"{PEERS}, "rebalance": {{}}"#);
    let on_demand = ["evenkeel-network", "evenkeel-peers", "evenkeel-peers"];
    for (keys, more) in [
        (PEERS, &namespace[..]),
        (&rebalance, &namespace),
        (&rebalance, &workload),
    ] {
        let documents = of_policy(keys, more);
        assert_eq!(names(&documents), on_demand, "{keys} {more:?}");
        assert_eq!(documents[1]["spec"]["pluginName"], "evenkeel-http");
        assert_eq!(documents[2]["kind"], "EnvoyFilter");
        assert_eq!(
            contexts(&documents[2..], "evenkeel-peers"),
            ["SIDECAR_INBOUND"; 2]
        );
    }

    let route = format!(
        r#"{PEERS}, "routes": [{{ "name": "a", "match": {{ "path_prefix": "/a" }}, "max_connection_age": "1h" }}]"#
    );
    let upstream = format!(r#"{PEERS}, "upstream": {{ "max_connection_age": "1h" }}"#);
    let protect = format!(r#"{PEERS}, "defaults": {{ "protect": true }}"#);
    let streams = format!(r#"{PEERS}, "defaults": {{ "grpc": {{ "max_stream_age": "1h" }} }}"#);
    let for_all = ["evenkeel-network", "evenkeel-http"];
    for (keys, more) in [
        (&route, &workload[..]),
        (&upstream, &workload),
        (&streams, &workload),
        (&protect, &workload),
        // The name of the filter contains the namespace.
        (&rebalance, &["--workload", "app=shop"]),
        (&rebalance, &["-n", "shop", "--gateway", "istio=public"]),
        (&rebalance, &["-n", "shop", "--gateway-ref", "public"]),
        (&rebalance, &["-n", "shop", "--roles", "both"]),
    ] {
        let documents = of_policy(keys, more);
        assert_eq!(names(&documents), for_all, "{keys} {more:?}");
    }
}

#[test]
fn patch_of_the_http_filter_has_the_name_of_each_version() {
    let disabled = |more: &[&str]| {
        let documents = of_policy(PEERS, &[&["-n", "shop", "--name", "a"], more].concat());
        let [merge, insert] = patches(&documents[2..], "a-peers") else {
            panic!("not two patches");
        };
        assert_eq!(insert["patch"]["operation"], "INSERT_FIRST");
        assert_eq!(insert["patch"]["value"]["direct_response"]["status"], 404);
        let filters = &merge["patch"]["value"]["typed_per_filter_config"];
        let (name, config) = filters.as_object().unwrap().iter().next().unwrap();
        assert_eq!(config["disabled"], true);
        name.clone()
    };
    let expected = |version: &str| match version {
        "1.24" | "1.25" => "extenstions.istio.io/wasmplugin/shop.a-peers",
        "1.26" | "1.27" | "1.28" | "1.29" => "extensions.istio.io/wasmplugin/shop.a-peers",
        _ => "extensions.istio.io/trafficextension/shop.a-peers~istio-translated-wasmplugin",
    };
    for version in VERSIONS {
        assert_eq!(disabled(&["--istio", version]), expected(version));
    }
    assert_eq!(
        disabled(&["--kind", "traffic-extension"]),
        "extensions.istio.io/trafficextension/shop.a-peers"
    );
}
