//! A pod whose machine fails: no FIN and no RST reach its clients.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use evenkeel_test_envoy::{Client, Cluster, Listener};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::{About, Lab};
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::sidecar::{Sidecar, UPSTREAM};

pub const ABOUT: About = About {
    title: "A force-deleted pod: how long its clients keep using it",
    problem: "Clients with an Envoy of their own have a connection to a pod. Then every packet to and from the pod is dropped, as when \
              its machine fails, and the Service has another pod instead. The client gets no notice: an HTTP/2 \
              connection with requests stays with the pod until the kernel gives up, after about 15 minutes, and an idle TCP \
              connection for as long as it is idle.",
    reading: "With the settings that a policy renders (`keepalive`), the connection is closed within interval + timeout of the \
              HTTP/2 PING, and within time + probes * interval of TCP keepalive; the next one reaches the other pod. A PING checks a \
              connection with requests, TCP keepalive one that is idle.",
};

/// How long the lab waits for the clients to notice.
const LIMIT: Duration = Duration::from_secs(12);

/// What the load of the machine may add.
const TOLERANCE: f64 = 2.0;

pub async fn run(lab: &Lab) -> Result<Outcome> {
    let ping = json!({ "interval": "2s", "timeout": "1s" });
    let probes = json!({ "time": "1s", "interval": "1s", "probes": 2 });
    let policy = json!({ "version": 1, "keepalive": { "upstream_http2": ping, "tcp": probes } });
    // As `evenkeel render envoy` writes it.
    let tcp = json!({ "keepalive_time": 1, "keepalive_interval": 1, "keepalive_probes": 2 });

    let mut site = lab.site(App::Http, vec![Side::before()], 2, 2).await?;
    site.serve(0..1).await?;
    let service = site.service(0).cluster_address();
    let cluster = || Cluster::new(UPSTREAM, [service]);
    let http = || Listener::http("out").route("/", UPSTREAM);
    let idle = || Listener::tcp("out", UPSTREAM);
    let clients = [
        ("HTTP/2, before", http(), cluster().http2(), None),
        ("HTTP/2, PING", http(), cluster().keepalive(ping), Some(3.0)),
        ("TCP, before", idle(), cluster(), None),
        (
            "TCP, keepalive",
            idle(),
            cluster().tcp_keepalive(tcp),
            Some(3.0),
        ),
    ];
    let (fail, failed) = watch::channel(None);
    let mut watched = Vec::new();
    let mut sidecars = Vec::new();
    for (host, (name, listener, cluster, bound)) in (211..).zip(clients) {
        let sidecar = Sidecar::start(site.network(), host, listener, cluster).await?;
        let (address, failed) = (sidecar.address(), failed.clone());
        let (namespace, is_http) = (sidecar.namespace(), name.starts_with("HTTP"));
        let client = match is_http {
            true => namespace.spawn(with_requests(address, failed)),
            false => namespace.spawn(while_idle(address, failed)),
        };
        watched.push((name, bound, client));
        sidecars.push(sidecar);
    }
    // Each client has its connection: the first pod is the only one of the Service.
    sleep(Duration::from_secs(2)).await;
    site.network().cut_off(site.started_pods()[0].host())?;
    fail.send_replace(Some(Instant::now()));
    site.serve(1..2).await?;

    let mut outcome = Outcome::new([]);
    for (name, bound, client) in watched {
        let seconds = client.join().await?;
        let policy = bound.map(|_| policy.clone());
        let shown = seconds.unwrap_or(LIMIT.as_secs_f64());
        let bars = vec![(name.to_owned(), shown)];
        outcome.sides.push(
            SideOutcome::bars(
                name,
                policy,
                "seconds with the failed pod; 12: until the end of the case",
                bars,
            )
            .number("seconds until the failed pod is left", seconds),
        );
        match bound {
            None => outcome.check(format!("{name}: the client keeps using the pod"), seconds.is_none()),
            Some(bound) => outcome.check(
                format!("{name}: the client leaves the pod within {bound} s (and {TOLERANCE} s for the machine)"),
                seconds.is_some_and(|seconds| seconds <= bound + TOLERANCE),
            ),
        }
    }
    Ok(outcome)
}

/// When the pod failed; None while it serves.
type Failure = watch::Receiver<Option<Instant>>;

/// Sends requests; returns the seconds from the failure until the other pod responds, None if it never does.
async fn with_requests(address: SocketAddr, failed: Failure) -> Result<Option<f64>> {
    loop {
        // A client for each request: one that waits must not delay the next one. The Envoy keeps its connection to the Service.
        let client = Client::http1(address);
        let response = timeout(Duration::from_millis(300), client.get("/")).await;
        let since = (*failed.borrow()).map(|failed| failed.elapsed());
        match response {
            Ok(Ok(response)) if response.body == "1" => {
                return Ok(since.map(|since| since.as_secs_f64()));
            }
            _ if since.is_some_and(|since| since > LIMIT) => return Ok(None),
            _ => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Keeps an idle connection; returns the seconds from the failure until it is closed, None if it stays open.
async fn while_idle(address: SocketAddr, mut failed: Failure) -> Result<Option<f64>> {
    let mut connection = TcpStream::connect(address).await?;
    connection
        .write_all(b"GET / HTTP/1.1\r\nhost: pod\r\n\r\n")
        .await?;
    let mut response = [0; 1024];
    let length = connection.read(&mut response).await?;
    ensure!(
        response[..length].starts_with(b"HTTP/1.1 200"),
        "no response"
    );
    let Some(start) = *failed.wait_for(Option::is_some).await? else {
        bail!("the pod has not failed")
    };
    let closed = timeout(LIMIT, connection.read(&mut response)).await;
    Ok(closed.is_ok().then(|| start.elapsed().as_secs_f64()))
}
