//! `evenkeel render`: whatever it writes is read back, and is what the policy and the command line say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use evenkeel_policy::{Mode, Policy};
use serde::Deserialize;
use serde_json::{Value, json};

const VERSIONS: [&str; 8] = [
    "1.24", "1.25", "1.26", "1.27", "1.28", "1.29", "1.30", "1.31",
];

const SELECTIONS: [&[&str]; 4] = [
    &[],
    &["--workload", "app=shop,tier=web"],
    &["--gateway", "istio=ingressgateway"],
    &["--gateway-ref", "public"],
];

/// What most of the command lines here begin with.
const IMAGE: [&str; 2] = ["--module", "oci://registry.example/evenkeel:0.1.0"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn policy(name: &str) -> String {
    let path = root().join("policies").join(format!("{name}.json"));
    path.display().to_string()
}

/// Every good policy that there is, by its name.
fn policies() -> Vec<String> {
    let files = fs::read_dir(root().join("policies")).unwrap();
    let names = files.filter_map(|file| {
        let name = file.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".json")?.to_owned();
        (name != "policy.schema").then_some(name)
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert!(names.len() >= 8, "{names:?}");
    names
}

/// What `evenkeel render ARGS` prints, as the documents in it.
fn documents(args: &[&str]) -> Vec<Value> {
    let text = evenkeel::rendered(args).unwrap();
    let documents = serde_yaml_ng::Deserializer::from_str(&text);
    documents
        .map(|document| {
            Value::deserialize(document).unwrap_or_else(|error| panic!("{error}\n{text}"))
        })
        .filter(|document| !document.is_null())
        .collect()
}

fn istio(name: &str, more: &[&str]) -> Vec<Value> {
    let file = policy(name);
    documents(&[&["istio", &file], &IMAGE[..], more].concat())
}

/// The only one with this name.
fn named<'a>(documents: &'a [Value], name: &str) -> &'a Value {
    let mut found = documents
        .iter()
        .filter(|document| document["metadata"]["name"] == name);
    let document = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "two of {name}");
    document
}

fn has(documents: &[Value], name: &str) -> bool {
    documents
        .iter()
        .any(|document| document["metadata"]["name"] == name)
}

/// All numbers as doubles, as a protobuf Struct has them.
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

fn evenkeel(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .arg("render")
        .args(args)
        .output()
        .unwrap()
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
                    let mut carried = Policy::parse(config.as_bytes()).unwrap();
                    assert_eq!(carried.role.take().map(|role| role.name()), Some(role));
                    assert_eq!(carried, written, "{name}");
                }
            }
        }
    }
}

#[test]
fn both_plugins_differ_in_nothing_that_makes_a_vm() {
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
fn the_selection_is_the_same_for_every_resource() {
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
fn only_inbound_connections_pass_the_plugins_unless_the_policy_speaks_of_others() {
    let workload = SELECTIONS[1];
    let server = json!([{ "mode": "SERVER" }]);
    for role in ["evenkeel-network", "evenkeel-http"] {
        assert_eq!(
            named(&istio("http-api", workload), role)["spec"]["match"],
            server
        );
        // It renews connections to upstreams.
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
fn keepalive_is_in_what_the_version_has_for_it() {
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
                json!({ "interval": "60s", "timeout": "20s" })
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
fn http3_has_the_defaults_as_limits_of_its_own_listener() {
    let documents = istio("http-api", &[SELECTIONS[2], &["--http3", "8443"]].concat());
    let names: Vec<_> = patches(&documents, "evenkeel-http3")
        .iter()
        .map(|patch| patch["match"]["listener"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["udp_0.0.0.0_8443", "udp_::_8443"]);
    let config = &patches(&documents, "evenkeel-http3")[0]["patch"]["value"]["typed_config"];
    let limits = &config["common_http_protocol_options"];
    // From 8 to 10 minutes: `max_age` 10m, `jitter` 0.2.
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
fn a_policy_that_observes_lets_nobody_else_act() {
    for name in policies() {
        let text = fs::read(policy(&name)).unwrap();
        let mut observing: Value = serde_json::from_slice(&text).unwrap();
        observing["mode"] = Mode::Observe.name().into();
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

#[test]
fn an_envoy_has_both_filters_in_one_vm_with_the_policy_as_json() {
    for name in policies() {
        let written = Policy::parse(&fs::read(policy(&name)).unwrap()).unwrap();
        let [pieces] = &documents(&["envoy", &policy(&name), "--module", "/a b/evenkeel.wasm"])[..]
        else {
            panic!("not one document");
        };
        for (place, role) in [("network_filters", "network"), ("http_filters", "http")] {
            let filters = pieces[place].as_array();
            let Some(filter) = filters.and_then(|filters| filters.first()) else {
                assert_eq!(role, "http");
                continue;
            };
            let config = &filter["typed_config"]["config"];
            assert_eq!(config["vm_config"]["vm_id"], "evenkeel");
            assert_eq!(
                config["vm_config"]["code"]["local"]["filename"],
                "/a b/evenkeel.wasm"
            );
            let text = config["configuration"]["value"].as_str().unwrap();
            let mut carried = Policy::parse(text.as_bytes()).unwrap();
            assert_eq!(carried.role.take().map(|role| role.name()), Some(role));
            assert_eq!(carried, written, "{name}");
        }
    }
}

#[test]
fn a_directory_is_a_base_of_kustomize() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("new/base");
    let output = base.display().to_string();

    let done = evenkeel(&[&["istio", &policy("minimal")], &IMAGE[..], &["-o", &output]].concat());

    assert!(done.status.success());
    let text = fs::read_to_string(base.join("kustomization.yaml")).unwrap();
    let kustomization: Value = serde_yaml_ng::from_str(&text).unwrap();
    assert_eq!(kustomization["resources"], json!(["evenkeel.yaml"]));
    let printed = evenkeel(&[&["istio", &policy("minimal")], &IMAGE[..]].concat());
    assert_eq!(
        fs::read(base.join("evenkeel.yaml")).unwrap(),
        printed.stdout
    );
}

#[test]
fn the_manifests_under_istio_are_what_is_rendered() {
    let manifests = evenkeel::manifests(&root()).unwrap();
    assert!(!manifests.is_empty());
    for (file, text) in manifests {
        let written = fs::read_to_string(root().join(&file)).unwrap_or_default();
        let name = file.display();
        assert!(
            written == text,
            "{name} differs from what is rendered; run cargo xtask generate"
        );
    }
}

#[test]
fn what_cannot_be_is_a_usage_error() {
    let policy = policy("minimal");
    for (line, told) in [
        (&["--istio", "1.23"][..], "from 1.24 to 1.31"),
        (&["--workload", "shop"], "write key=value"),
        (
            &["--workload", "a=b", "--gateway", "c=d"],
            "cannot be used with",
        ),
        (
            &["--workload", "a=b", "--http3", "443"],
            "cannot be used with",
        ),
        (&["--host", "shop"], "write the whole name"),
        (&["--name", "Evenkeel"], "made of a-z"),
        (&["--namespace", "my_ns"], "made of a-z"),
        (&["--sha256", "abc"], "64 digits"),
        (
            &["--kind", "traffic-extension", "--istio", "1.29"],
            "came with 1.30",
        ),
        (
            &["--wasm", "evenkeel.wasm"],
            "digest of the image's manifest",
        ),
    ] {
        let done = evenkeel(&[&["istio", &policy], &IMAGE[..], line].concat());
        let error = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{error}");
        assert!(error.contains(told), "{error}");
    }
    let done = evenkeel(&["istio", &policy, "--module", "registry.example/evenkeel:1"]);
    let error = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(2));
    assert!(
        error.contains("oci://registry.example/evenkeel:1"),
        "{error}"
    );
}

#[test]
fn a_bad_policy_is_told_with_every_mistake_and_renders_nothing() {
    let done = evenkeel(&[&["istio", &policy("invalid/several")], &IMAGE[..]].concat());

    let error = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert!(done.stdout.is_empty());
    let told = fs::read_to_string(root().join("policies/invalid/several.txt")).unwrap();
    for line in told.lines() {
        assert!(error.contains(line), "{line:?} is not in {error}");
    }
}

#[test]
fn the_digest_of_a_served_file_is_taken_from_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("evenkeel.wasm");
    fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
    let file = file.display().to_string();
    let policy = policy("minimal");

    let documents = documents(&[
        "istio",
        &policy,
        "--module",
        "https://files.example/evenkeel.wasm",
        "--wasm",
        &file,
    ]);

    // `printf '\0asm\1\0\0\0' | sha256sum`
    let digest = "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476";
    assert_eq!(
        named(&documents, "evenkeel-network")["spec"]["sha256"],
        digest
    );
}
