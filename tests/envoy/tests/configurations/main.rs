//! The configurations `envoy/*` and `istio/*` as they are, except for ports, the path of the module and durations.

mod rendered;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use evenkeel_metrics::Label;
use evenkeel_test_envoy::{Client, Envoy, TcpClient, eventually, module_path, stats_tags};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Replaces a text that must exist.
fn replace(text: &str, what: &str, with: &str) -> String {
    assert!(text.contains(what), "no {what}");
    text.replace(what, with)
}

/// A configuration of `envoy/` with free ports.
fn with_free_ports(text: &str) -> String {
    let mut text = text.to_owned();
    // All ports are bound at the same time, so that they differ.
    let free: Vec<_> = (0..2)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    for (port, listener) in ["10000", "10001"].into_iter().zip(&free) {
        let own = listener.local_addr().unwrap().port().to_string();
        text = replace(&text, port, &own);
    }
    replace(&text, "port_value: 10009", "port_value: 0")
}

/// Starts `envoy/NAME/envoy.yaml` with these replacements.
async fn start(name: &str, replaced: &[(&str, &str)]) -> Envoy {
    let path = root().join("envoy").join(name).join("envoy.yaml");
    let mut text = with_free_ports(&fs::read_to_string(path).unwrap());
    let module = module_path().unwrap();
    text = replace(&text, "target/evenkeel.wasm", &module.display().to_string());
    for (what, with) in replaced {
        text = replace(&text, what, with);
    }
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("envoy.yaml");
    fs::write(&config, text).unwrap();
    Envoy::start_file(&config).await.unwrap()
}

#[tokio::test]
async fn http_drains_a_connection_after_its_requests() {
    let envoy = start("http", &[]).await;
    let address = envoy.address("ingress");
    for client in [Client::http1(address), Client::http2(address)] {
        for _ in 0..15 {
            assert_eq!(client.get("/").await.unwrap().status, 200);
        }
        assert!(client.connections_opened().await >= 3);
    }
    assert!(
        envoy
            .stats()
            .await
            .unwrap()
            .get("wasmcustom.evenkeel_drain_signals_total")
            >= 4
    );
}

#[tokio::test]
async fn dry_run_drains_nothing_and_counts_what_it_would_drain() {
    let envoy = start("dry-run", &[]).await;
    let client = Client::http1(envoy.address("ingress"));
    for _ in 0..15 {
        assert_eq!(client.get("/").await.unwrap().status, 200);
    }
    assert_eq!(client.connections_opened().await, 1);
    assert!(
        envoy
            .stats()
            .await
            .unwrap()
            .get("wasmcustom.evenkeel_dry_run_drains_total")
            >= 2
    );
}

#[tokio::test]
async fn tcp_closes_an_idle_connection_after_a_response() {
    let quick = [(
        r#""max_connection_age": "10s", "idle_time": "1s""#,
        r#""max_connection_age": "1s", "idle_time": "100ms""#,
    )];
    let envoy = start("tcp", &quick).await;
    let mut client = TcpClient::new(envoy.address("gateway"));
    client.exchange("first").await.unwrap();
    let expired = eventually("the connection to expire", || async {
        let stats = envoy.stats().await?;
        Ok((stats.get("wasmcustom.evenkeel_connections_expired_total") > 0).then_some(()))
    });
    expired.await.unwrap();
    client.exchange("second").await.unwrap();
    client.wait_closed().await;
    assert_eq!(
        envoy
            .stats()
            .await
            .unwrap()
            .get("wasmcustom.evenkeel_requests_aborted_total"),
        0
    );
}

#[tokio::test]
async fn peers_exchange_loads_and_the_fuller_one_drains_its_excess() {
    let envoy = start("peers", &[]).await;
    let clients: Vec<_> = (0..20)
        .map(|_| Client::http1(envoy.address("pod-1")))
        .collect();
    let rebalance = eventually("a move by rebalance", || async {
        for client in &clients {
            assert_eq!(client.get("/").await?.body, "pod-1\n");
        }
        let stats = envoy.stats().await?;
        // Both pods are in one Envoy, and each knows the other.
        let known = stats.get("wasmcustom.evenkeel_peers_known");
        let by_rebalance = [("drain_reason", "rebalance")];
        let drains = stats.with("wasmcustom.evenkeel_drain_signals_total", &by_rebalance);
        Ok((known == 2 && drains > 0).then_some(()))
    });
    if let Err(error) = rebalance.await {
        let counted = envoy.admin("/stats?usedonly&filter=wasmcustom").await;
        panic!("{error:#}\n{}", counted.unwrap());
    }
    for client in &clients {
        assert_eq!(client.get("/").await.unwrap().status, 200);
    }
}

#[test]
fn every_configuration_has_a_test_and_three_lines_of_readme() {
    let folders = fs::read_dir(root().join("envoy")).unwrap();
    let mut names: Vec<_> = folders
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["dry-run", "http", "peers", "tcp"]);
    for name in names {
        let readme = root().join("envoy").join(&name).join("README.md");
        assert_eq!(
            fs::read_to_string(readme).unwrap().lines().count(),
            3,
            "{name}"
        );
    }
}

#[test]
fn every_configuration_has_the_stats_tags_of_the_list_of_metrics() {
    let sorted = |tags: &serde_json::Value| {
        let mut tags = tags.as_array().unwrap().clone();
        tags.sort_by_key(ToString::to_string);
        tags
    };
    let listed = sorted(&stats_tags());
    for name in ["dry-run", "http", "peers", "tcp"] {
        let path = root().join("envoy").join(name).join("envoy.yaml");
        let text = fs::read_to_string(path).unwrap();
        let config: serde_json::Value = serde_saphyr::from_str(&text).unwrap();

        assert_eq!(
            sorted(&config["stats_config"]["stats_tags"]),
            listed,
            "{name}"
        );
    }
    let istio = fs::read_to_string(root().join("docs/istio.md")).unwrap();
    let tags = Label::ALL.map(Label::tag).join(", ");
    let operating = fs::read_to_string(root().join("docs/operating.md")).unwrap();
    for page in [istio, operating] {
        assert!(page.contains(&format!("extraStatTags: [{tags}]")), "{page}");
    }
}

/// The tests of `evenkeel` check that they are what is rendered.
#[test]
fn istio_manifests_have_one_valid_policy_for_one_module() {
    for base in ["workload", "gateway"] {
        let file = root().join("istio").join(base).join("evenkeel.yaml");
        let text = fs::read_to_string(file).unwrap();
        let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).unwrap();
        let plugins: Vec<_> = documents
            .into_iter()
            .filter(|document| document["kind"] == "WasmPlugin")
            .map(|plugin| {
                let mut policy = plugin["spec"]["pluginConfig"].clone();
                let role = policy["role"].take();
                assert_eq!(
                    plugin["metadata"]["name"],
                    format!("evenkeel-{}", role.as_str().unwrap())
                );
                (plugin["spec"]["url"].clone(), policy)
            })
            .collect();
        let [network, http] = &plugins[..] else {
            panic!("{base}: not two plugins");
        };
        assert_eq!(network, http, "{base}");
    }
}
