//! A policy that is applied again after another one: Envoy does not configure the module for it again.

use evenkeel_test_envoy::{Backend, Bootstrap, Cluster, Envoy, Listener, Roles, eventually};

use crate::support::lds::UpdatedListener;
use crate::support::server::{Server, ok};
use crate::support::socket::{Socket, announces_close, get};
use crate::support::{
    assert_healthy, assert_metric, metric, wait_for_metric, wait_until_metric, with_defaults,
    within,
};

const NEVER: &str = r#""max_connection_age": "off""#;

/// More requests than a story sends before the rollback, and fewer than it sends afterwards.
const LIMIT: u64 = 60;

fn drains() -> String {
    with_defaults(&format!(r#""max_requests_per_connection": {LIMIT}"#))
}

/// A dry run that counts a drain at every twentieth request of a connection.
fn dry_run() -> String {
    with_defaults(r#""max_requests_per_connection": 20"#).replacen(
        '{',
        r#"{"mode": "dry_run", "#,
        1,
    )
}

/// Opens connections that each have carried a request.
async fn connect(envoy: &Envoy, count: usize) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let mut socket = Socket::connect(envoy.address("in")).await;
        request_all(std::slice::from_mut(&mut socket)).await;
        sockets.push(socket);
    }
    sockets
}

/// Opens a connection with a response that has begun and does not end.
async fn response_without_end(envoy: &Envoy) -> Socket {
    let mut socket = Socket::connect(envoy.address("in")).await;
    socket.send(get("/tail")).await;
    assert!(!announces_close(&socket.head().await));
    socket
}

/// Sends a request on each; no response has `connection: close`.
async fn request_all(sockets: &mut [Socket]) {
    for socket in sockets {
        let (head, _) = socket.get("/").await;
        assert!(!announces_close(&head), "{head}");
    }
}

async fn start(roles: Roles, policy: &str, workers: u32) -> (Envoy, Backend) {
    let backend = Backend::start("a").await.unwrap();
    let listener = Listener::http("in").route("/", "app");
    let bootstrap = Bootstrap::new()
        .cluster(Cluster::new("app", [backend.address()]))
        .listener(listener.evenkeel(roles, policy))
        .concurrency(workers);
    (Envoy::start(bootstrap).await.unwrap(), backend)
}

#[tokio::test]
async fn reapplied_dry_run_stops_draining() {
    for roles in [Roles::Network, Roles::Both] {
        // All connections after the rollback may come to one worker.
        let (envoy, _backend) = start(roles, &dry_run(), 2).await;
        let mut open = connect(&envoy, 8).await;
        envoy.replace_policy("in", drains()).await.unwrap();
        open.extend(connect(&envoy, 8).await);

        envoy.replace_policy("in", dry_run()).await.unwrap();
        open.extend(connect(&envoy, 1).await);
        // All connections count drains as under the first policy.
        let before = metric(&envoy, "dry_run_drains_total").await;
        let counts = eventually("dry-run drains", || async {
            Ok((metric(&envoy, "dry_run_drains_total").await >= before + 3 * 17).then_some(()))
        });
        let traffic = async {
            for _ in 0..LIMIT + 10 {
                request_all(&mut open).await;
            }
        };
        within("traffic", traffic).await;
        counts.await.unwrap();

        assert_metric(&envoy, "drain_signals_total", 0).await;
        assert_healthy(&envoy);
    }
}

#[tokio::test]
async fn rejection_metric_clears_when_the_previous_policy_is_reapplied() {
    let valid = with_defaults(NEVER);
    for roles in [Roles::Network, Roles::Http, Roles::Both] {
        let workers = if roles == Roles::Http { 1 } else { 2 };
        let (envoy, _backend) = start(roles, &valid, workers).await;
        // With the HTTP role alone, Envoy keeps a root only for as long as one of its streams is open.
        let mut long = vec![response_without_end(&envoy).await];
        let mut open = connect(&envoy, 8).await;
        envoy.replace_policy("in", "{").await.unwrap();
        open.extend(connect(&envoy, 8).await);
        long.push(response_without_end(&envoy).await);
        wait_until_metric(&envoy, "policy_rejected", |rejected| rejected >= 1).await;

        envoy.replace_policy("in", &valid).await.unwrap();
        open.extend(connect(&envoy, 1).await);

        wait_for_metric(&envoy, "policy_rejected", 0).await;
        request_all(&mut open).await;
        drop(long);
        assert_healthy(&envoy);
    }
}

#[tokio::test]
async fn reapplied_policy_of_a_listener_update_is_active() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let site = UpdatedListener::start(Roles::Both, &with_defaults(NEVER), &server).await;
    let envoy = &site.envoy;
    let mut open = connect(envoy, 4).await;

    for (version, policy) in [("2", drains()), ("3", with_defaults(NEVER))] {
        open.push(site.apply(version, &policy).await);
        open.extend(connect(envoy, 3).await);
    }
    // Envoy drains connections of earlier filter chains itself, at random times.
    let mut long = 0;
    for socket in &mut open {
        let mut requests = 0;
        let mut ends = false;
        while !ends && requests < LIMIT + 10 {
            ends = announces_close(&socket.get("/").await.0);
            requests += 1;
        }
        long += u32::from(!ends);
    }

    // Most of the eight connections of the first two policies.
    assert!(long > 4, "{long} of {}", open.len());
    assert_metric(envoy, "connections_expired_total", 0).await;
    assert_metric(envoy, "drain_signals_total", 0).await;
    assert_healthy(envoy);
}

/// Recycles upstream connections, which the HTTP role does alone.
const RECYCLES: &str = r#"{"version": 1, "budget": "off",
    "upstream": {"max_requests_per_connection": 2, "jitter": 0, "protocol": "http1"}}"#;

/// Sends requests; returns how many upstream connections Envoy opened for them.
async fn upstream_opened(envoy: &Envoy, sockets: &mut [Socket]) -> u64 {
    let total = "cluster.app.upstream_cx_total";
    let before = envoy.stats().await.unwrap().get(total);
    for _ in 0..12 {
        request_all(sockets).await;
    }
    envoy.stats().await.unwrap().get(total) - before
}

#[tokio::test]
async fn reapplied_policy_is_active_in_the_http_role_alone() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let site = UpdatedListener::start(Roles::Http, &with_defaults(NEVER), &server).await;
    let envoy = &site.envoy;
    let mut open = connect(envoy, 1).await;
    assert_eq!(upstream_opened(envoy, &mut open).await, 0);

    open.push(site.apply("2", RECYCLES).await);
    assert!(upstream_opened(envoy, &mut open).await > 3);
    open.push(site.apply("3", &with_defaults(NEVER)).await);

    // The second policy may have marked a connection that ends now.
    assert!(upstream_opened(envoy, &mut open).await <= 1);
    assert_eq!(upstream_opened(envoy, &mut open).await, 0);
    assert_healthy(envoy);
}

/// With ECDS, each stream gets the filters of the current policy, also on open connections. So a root lives only as long
/// as one of its streams.
#[tokio::test]
async fn reapplied_policy_is_active_for_new_streams_of_open_connections() {
    let (envoy, _backend) = start(Roles::Http, &with_defaults(NEVER), 1).await;
    let mut open = connect(&envoy, 1).await;
    let mut long = vec![response_without_end(&envoy).await];
    envoy.replace_policy("in", RECYCLES).await.unwrap();
    long.push(response_without_end(&envoy).await);
    assert!(upstream_opened(&envoy, &mut open).await > 1);

    envoy
        .replace_policy("in", with_defaults(NEVER))
        .await
        .unwrap();

    within("the first policy to be active", async {
        while upstream_opened(&envoy, &mut open).await > 0 {}
    })
    .await;
    assert_eq!(upstream_opened(&envoy, &mut open).await, 0);
    drop(long);
    assert_healthy(&envoy);
}
