//! The JSON schema and the table of keys: generated, up to date, and of one mind with the reader.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use evenkeel_policy::{Policy, schema, with_keys_table};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

const COMMAND: &str = "cargo xtask generate";

/// What a schema cannot reject: it checks one value at a time, only in valid JSON, and not the
/// largest values of some types.
const BEYOND_SCHEMAS: [&str; 11] = [
    "duplicate-keys",
    "duplicate-names",
    "endless-duration",
    "min-age-over-max-age",
    "never-reached",
    "peers-too-often",
    "rebalance-alone",
    "rebalance-low-watermark-over-high",
    "same-port-twice",
    "tcp-keepalive-too-long",
    "upstream-off",
];

fn policies() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

fn validator() -> Validator {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::validator_for(&schema).unwrap()
}

/// The JSON files of a folder, by name without the ending; those that are no JSON are left out.
fn files(folder: PathBuf) -> Vec<(String, Value)> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let json = |path: PathBuf| {
        let name = path
            .file_name()?
            .to_str()?
            .strip_suffix(".json")?
            .to_owned();
        Some((name, serde_json::from_slice(&fs::read(path).ok()?).ok()?))
    };
    paths
        .filter_map(json)
        .filter(|(name, _)| name != "policy.schema")
        .collect()
}

#[test]
fn schema_is_up_to_date() {
    let written = fs::read_to_string(policies().join("policy.schema.json")).unwrap_or_default();
    assert!(
        written == schema(),
        "policies/policy.schema.json differs from the types; run {COMMAND}"
    );
}

#[test]
fn table_of_keys_is_up_to_date() {
    let written = fs::read_to_string(policies().join("../docs/policy.md")).unwrap_or_default();
    let made = with_keys_table(&written);
    assert!(
        made == Some(written),
        "docs/policy.md differs from the types; run {COMMAND}"
    );
}

#[test]
fn schema_accepts_every_valid_policy() {
    let validator = validator();
    let files = files(policies());
    assert!(files.len() >= 7);
    for (name, policy) in files {
        assert!(
            validator.is_valid(&policy),
            "{name}: {:?}",
            validator.iter_errors(&policy).collect::<Vec<_>>()
        );
    }
}

#[test]
fn schema_rejects_every_invalid_policy_that_it_can() {
    let validator = validator();
    let mut accepted: Vec<_> = files(policies().join("invalid"))
        .into_iter()
        .filter_map(|(name, policy)| validator.is_valid(&policy).then_some(name))
        .collect();
    accepted.sort();
    assert_eq!(accepted, BEYOND_SCHEMAS);
}

#[test]
fn defaults_of_the_schema_equal_those_of_the_reader() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let defaults = |properties: &str| -> Value {
        let keys = schema.pointer(properties).unwrap().as_object().unwrap();
        let stated = keys
            .iter()
            .filter_map(|(name, key)| Some((name.clone(), key.get("default")?.clone())));
        Value::Object(stated.collect())
    };
    let parse = |policy: &Value| Policy::parse(policy.to_string().as_bytes()).unwrap();
    assert_eq!(
        defaults("/$defs/Rule/properties")
            .as_object()
            .unwrap()
            .len(),
        8
    );

    let mut rule = defaults("/$defs/Rule/properties");
    for (key, of) in [
        ("http2", "Http2"),
        ("websocket", "WebSocket"),
        ("grpc", "Grpc"),
    ] {
        rule[key] = defaults(&format!("/$defs/{of}/properties"));
    }
    let spelt_out = json!({
        "version": 1,
        "mode": schema.pointer("/properties/mode/default").unwrap(),
        "defaults": rule,
        "budget": defaults("/$defs/Budget/properties"),
        "keepalive": defaults("/$defs/Keepalive/properties"),
    });
    assert_eq!(parse(&spelt_out), Policy::default());

    let mut peers = defaults("/$defs/Peers/properties");
    peers["cluster"] = "a".into();
    assert_eq!(
        parse(
            &json!({ "version": 1, "rebalance": defaults("/$defs/Rebalance/properties"), "peers": peers })
        ),
        parse(&json!({ "version": 1, "rebalance": {}, "peers": { "cluster": "a" } }))
    );

    let mut upstream = defaults("/$defs/Upstream/properties");
    upstream["max_connection_age"] = "1h".into();
    let with = |upstream: Value,
                [ping, to_upstreams]: [Value; 2],
                tcp: Value,
                matcher: Value,
                port: Value| {
        parse(&json!({
            "version": 1,
            "upstream": upstream,
            "keepalive": { "http2": ping, "upstream_http2": to_upstreams, "tcp": tcp },
            "routes": [{ "name": "a", "match": matcher }],
            "tcp": [{ "name": "b", "match": port }],
        }))
    };
    let mut matcher = defaults("/$defs/RouteMatch/properties");
    matcher["route"] = "a".into();
    let mut port = defaults("/$defs/PortMatch/properties");
    port["port"] = 1.into();
    let pings =
        ["Http2Ping", "UpstreamHttp2"].map(|of| defaults(&format!("/$defs/{of}/properties")));
    let tcp = defaults("/$defs/TcpKeepalive/properties");
    assert_eq!(
        with(upstream, pings, tcp, matcher, port),
        with(
            json!({"max_connection_age": "1h"}),
            [json!({}), json!({})],
            json!({}),
            json!({"route": "a"}),
            json!({"port": 1})
        )
    );
}
