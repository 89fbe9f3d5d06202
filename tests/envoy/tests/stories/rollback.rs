//! A policy that is applied again after another one: Envoy does not configure the module a third time.

use std::path::Path;

use evenkeel_test_envoy::{Backend, Bootstrap, Cluster, Envoy, Listener, Roles, eventually};
use serde_json::json;
use tempfile::TempDir;

use crate::support::config::{self, Entry, http_listener};
use crate::support::server::{Server, ok};
use crate::support::socket::{Socket, closes, field, get};
use crate::support::{counted, healthy, rule, said, until};

const NEVER: &str = r#""max_connection_age": "off""#;

/// More requests than a story makes before the rollback, and fewer than afterwards.
const LIMIT: u64 = 60;

fn drains() -> String {
    rule(&format!(r#""max_requests_per_connection": {LIMIT}"#))
}

/// Counts every twentieth request of a connection, and changes nothing.
fn dry_run() -> String {
    rule(r#""max_requests_per_connection": 20"#).replacen('{', r#"{"mode": "dry_run", "#, 1)
}

/// Connections of a listener, each of which has carried a request.
async fn connect(envoy: &Envoy, count: usize) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let mut socket = Socket::connect(envoy.address("in")).await;
        request_all(std::slice::from_mut(&mut socket)).await;
        sockets.push(socket);
    }
    sockets
}

/// A stream that stays open. Its response has begun.
async fn response_without_end(envoy: &Envoy) -> Socket {
    let mut socket = Socket::connect(envoy.address("in")).await;
    socket.send(get("/tail")).await;
    assert!(!closes(&socket.head().await));
    socket
}

/// One request on each; none of the responses ends its connection.
async fn request_all(sockets: &mut [Socket]) {
    for socket in sockets {
        socket.send(get("/")).await;
        let (head, _) = socket.answer().await;
        assert!(!closes(&head), "{head}");
    }
}

async fn site(roles: Roles, policy: &str, workers: u32) -> (Envoy, Backend) {
    let backend = Backend::start("a").await.unwrap();
    let listener = Listener::http("in").route("/", "app");
    let bootstrap = Bootstrap::new()
        .cluster(Cluster::new("app", [backend.address()]))
        .listener(listener.evenkeel(roles, policy))
        .concurrency(workers);
    (Envoy::start(bootstrap).await.unwrap(), backend)
}

#[tokio::test]
async fn a_dry_run_that_is_applied_again_ends_the_draining() {
    for roles in [Roles::Network, Roles::Both] {
        // The connections that open after the rollback may all come to one worker.
        let (envoy, _backend) = site(roles, &dry_run(), 2).await;
        let mut open = connect(&envoy, 8).await;
        envoy.replace_policy("in", drains()).await.unwrap();
        open.extend(connect(&envoy, 8).await);

        envoy.replace_policy("in", dry_run()).await.unwrap();
        open.extend(connect(&envoy, 1).await);
        // All of them count as they would under the first policy: none follows the second.
        let before = counted(&envoy, "dry_run_drains_total").await;
        let counts = eventually("dry-run drains", || async {
            Ok((counted(&envoy, "dry_run_drains_total").await >= before + 3 * 17).then_some(()))
        });
        let traffic = async {
            for _ in 0..LIMIT + 10 {
                request_all(&mut open).await;
            }
        };
        crate::support::within("traffic", traffic).await;
        counts.await.unwrap();

        assert_eq!(counted(&envoy, "drain_signals_total").await, 0);
        healthy(&envoy);
    }
}

#[tokio::test]
async fn a_rejected_policy_shows_until_the_one_before_is_applied_again() {
    let good = rule(NEVER);
    for roles in [Roles::Network, Roles::Http, Roles::Both] {
        let workers = if roles == Roles::Http { 1 } else { 2 };
        let (envoy, _backend) = site(roles, &good, workers).await;
        // With the HTTP role alone, Envoy keeps a root only for as long as one of its streams is open.
        let mut long = vec![response_without_end(&envoy).await];
        let mut open = connect(&envoy, 8).await;
        envoy.replace_policy("in", "{").await.unwrap();
        open.extend(connect(&envoy, 8).await);
        long.push(response_without_end(&envoy).await);
        until(&envoy, "policy_rejected", |rejected| rejected >= 1).await;

        envoy.replace_policy("in", &good).await.unwrap();
        open.extend(connect(&envoy, 1).await);

        until(&envoy, "policy_rejected", |rejected| rejected == 0).await;
        request_all(&mut open).await;
        drop(long);
        healthy(&envoy);
    }
}

/// A listener that comes by LDS, whose filter chain changes with the policy.
/// Its responses carry the version.
fn write_listener(file: &Path, port: u16, roles: Roles, version: &str, policy: &str) {
    let entry = |kind, root| Entry {
        kind,
        root,
        vm_id: "e",
        policy,
    };
    let network = [entry("network", "n")];
    let network = if roles == Roles::Http {
        &[]
    } else {
        &network[..]
    };
    let mut listener = http_listener("in", port, network, &[entry("http", "h")]);
    let filters = listener["filter_chains"][0]["filters"].as_array_mut();
    let manager = filters.and_then(|filters| filters.last_mut()).unwrap();
    manager["typed_config"]["route_config"]["response_headers_to_add"] =
        json!([{ "header": { "key": "x-version", "value": version } }]);
    listener["@type"] = "type.googleapis.com/envoy.config.listener.v3.Listener".into();
    config::write(file, &json!({ "resources": [listener] }));
}

/// A listener that changes with its policy, and where it is written.
struct Updates {
    envoy: Envoy,
    directory: TempDir,
    port: u16,
    roles: Roles,
}

impl Updates {
    async fn start(roles: Roles, policy: &str, server: &Server) -> Self {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("lds.json");
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        write_listener(&file, port, roles, "1", policy);
        let mut config = config::whole(&[], server.address);
        config["dynamic_resources"] = json!({
            "lds_config": { "path_config_source": { "path": file }, "resource_api_version": "V3" },
        });
        let envoy = config::start(&config).await;
        Self {
            envoy,
            directory,
            port,
            roles,
        }
    }

    /// Applies a policy; gives a connection that has opened under it.
    async fn apply(&self, version: &str, policy: &str) -> Socket {
        let file = self.directory.path().join("lds.json");
        write_listener(&file, self.port, self.roles, version, policy);
        let update = eventually("a connection of the new listener", || async {
            let mut socket = Socket::connect(self.envoy.address("in")).await;
            socket.send(get("/")).await;
            let (head, _) = socket.answer().await;
            Ok((field(&head, "x-version") == Some(version)).then_some(socket))
        });
        update.await.unwrap()
    }
}

#[tokio::test]
async fn a_policy_that_comes_again_with_the_listener_is_active_again() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let site = Updates::start(Roles::Both, &rule(NEVER), &server).await;
    let envoy = &site.envoy;
    let mut open = connect(envoy, 4).await;

    for (version, policy) in [("2", drains()), ("3", rule(NEVER))] {
        open.push(site.apply(version, &policy).await);
        open.extend(connect(envoy, 3).await);
    }
    // Envoy drains the connections of its earlier filter chains by chance, more of them as time passes.
    let mut long = 0;
    for socket in &mut open {
        let mut requests = 0;
        let mut ends = false;
        while !ends && requests < LIMIT + 10 {
            socket.send(get("/")).await;
            ends = closes(&socket.answer().await.0);
            requests += 1;
        }
        long += u32::from(!ends);
    }

    // Of the eight of the first two policies.
    assert!(long > 4, "{long} of {}", open.len());
    assert_eq!(counted(envoy, "connections_expired_total").await, 0);
    assert_eq!(
        counted(envoy, "drain_signals_total").await,
        0,
        "{}",
        said(envoy)
    );
    healthy(envoy);
}

/// Recycles upstream connections: what the HTTP role does alone.
const RECYCLES: &str = r#"{"version": 1, "budget": "off",
    "upstream": {"max_requests_per_connection": 2, "jitter": 0, "protocol": "http1"}}"#;

/// How many upstream connections some requests open, beside the one that is there.
async fn upstream_opened(envoy: &Envoy, sockets: &mut [Socket]) -> u64 {
    let total = "cluster.app.upstream_cx_total";
    let before = envoy.stats().await.unwrap().get(total);
    for _ in 0..12 {
        request_all(sockets).await;
    }
    envoy.stats().await.unwrap().get(total) - before
}

#[tokio::test]
async fn policy_that_comes_again_is_active_where_the_http_role_is_alone() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let site = Updates::start(Roles::Http, &rule(NEVER), &server).await;
    let envoy = &site.envoy;
    let mut open = connect(envoy, 1).await;
    assert_eq!(upstream_opened(envoy, &mut open).await, 0);

    open.push(site.apply("2", RECYCLES).await);
    assert!(upstream_opened(envoy, &mut open).await > 3);
    open.push(site.apply("3", &rule(NEVER)).await);

    // A connection that the second policy has marked already may still end.
    assert!(upstream_opened(envoy, &mut open).await <= 1);
    assert_eq!(upstream_opened(envoy, &mut open).await, 0);
    healthy(envoy);
}

/// ECDS gives each stream the filters of the policy that is applied, also on connections that are open. So a root
/// lives only as long as one of its streams.
#[tokio::test]
async fn policy_that_comes_again_is_active_for_the_streams_of_open_connections() {
    let (envoy, _backend) = site(Roles::Http, &rule(NEVER), 1).await;
    let mut open = connect(&envoy, 1).await;
    let mut long = vec![response_without_end(&envoy).await];
    envoy.replace_policy("in", RECYCLES).await.unwrap();
    long.push(response_without_end(&envoy).await);
    assert!(upstream_opened(&envoy, &mut open).await > 1);

    envoy.replace_policy("in", rule(NEVER)).await.unwrap();

    crate::support::within("the first policy to be active", async {
        while upstream_opened(&envoy, &mut open).await > 0 {}
    })
    .await;
    assert_eq!(upstream_opened(&envoy, &mut open).await, 0);
    drop(long);
    healthy(&envoy);
}
