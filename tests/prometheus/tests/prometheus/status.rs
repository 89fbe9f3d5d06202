//! `evenkeel status` on real Envoys.

use std::fs;

use evenkeel_test_envoy::{
    Backend, Bootstrap, Client, Cluster, Envoy, Listener, Roles, eventually,
};

use crate::proxies::Proxies;

/// Returns the output of `evenkeel status` for these Envoys, and whether there are no problems.
fn status(envoys: &[&Envoy]) -> (String, bool) {
    let addresses: Vec<_> = envoys
        .iter()
        .map(|envoy| envoy.admin_address().to_string())
        .collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    evenkeel_cli::describe_status(&addresses).unwrap()
}

/// Waits until the output has all of these texts.
async fn eventually_shows(envoys: &[&Envoy], wanted: &[&str]) -> (String, bool) {
    let what = format!("{wanted:?}");
    let shown = eventually(&what, || async {
        let (text, is_well) = status(envoys);
        let all = wanted.iter().all(|wanted| text.contains(wanted));
        Ok(all.then_some((text, is_well)))
    });
    shown
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", status(envoys).0))
}

#[tokio::test]
async fn status_reports_each_problem_and_compares_pods() {
    let proxies = Proxies::start().await;

    let troubles = [
        "the newest policy is rejected",
        "requests were aborted",
        "drains were deferred",
        "WebSockets were closed without notice",
        "HTTP streams had no matching network filter",
        "4 hosts by connections: the highest has ",
    ];
    let (text, is_well) = eventually_shows(&[&proxies.troubled], &troubles).await;
    assert!(!is_well, "{text}");
    let first = text.lines().nth(1).unwrap();
    assert!(first.trim().starts_with("problem"), "{text}");

    let (text, is_well) =
        eventually_shows(&[&proxies.without_peers], &["no peer is known ("]).await;
    assert!(!is_well, "{text}");

    let wanted = [
        "2 pods by connections: the highest has 2.00 x the mean; Jain's index 0.50",
        " x the mean load of 2 pods (",
        "; is rebalancing",
        "has 0.00 x the mean load of 2 pods (0 to ",
    ];
    let (text, is_well) = eventually_shows(&[&proxies.full, &proxies.idle], &wanted).await;
    assert!(is_well, "{text}");
    proxies.stop().await;
}

#[tokio::test]
async fn status_reads_both_stats_formats_alike() {
    let backend = Backend::start("a").await.unwrap();
    let policy = r#"{"version": 1, "defaults": {"jitter": 0, "max_requests_per_connection": 2}}"#;
    let listener = Listener::http("in").route("/", "app");
    let bootstrap = Bootstrap::new()
        .listener(listener.evenkeel(Roles::Both, policy))
        .cluster(Cluster::new("app", [backend.address()]));
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let client = Client::http1(envoy.address("in"));
    for _ in 0..4 {
        client.get("/").await.unwrap();
    }
    client.disconnect().await;
    let wanted = [
        "connections  0 open; opened since the start: 2 http1",
        "expired since the start: 2 max_requests_per_connection; drain signals: 2 max_requests_per_connection; closed by: 2 client",
    ];
    let (text, is_well) = eventually_shows(&[&envoy], &wanted).await;
    assert!(is_well, "{text}");

    let page = tempfile::NamedTempFile::new().unwrap();
    fs::write(&page, envoy.admin("/stats").await.unwrap()).unwrap();
    let (plain, _) = evenkeel_cli::describe_status(&[page.path().to_str().unwrap()]).unwrap();

    let without_source = |text: &str| text.split_once("  ").unwrap().1.to_owned();
    assert_eq!(without_source(&plain), without_source(&text));
}
