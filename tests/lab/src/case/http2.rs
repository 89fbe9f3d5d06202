//! HTTP/2 connections with short requests and long streams, scaled out.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use evenkeel_test_envoy::{Client, Protocol};
use serde_json::json;
use tokio::time::sleep;

use super::{About, Lab, compare_added};
use crate::client_group::Caller;
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::site::ClientLocation;

pub const ABOUT: About = About {
    title: "HTTP/2: short requests and long streams on one connection",
    problem: "24 clients keep an HTTP/2 connection each to a Service, as gRPC channels do. Each sends 10 requests per \
              second and always has a server stream of 2 seconds open, on the same connection. Then 2 pods become 4. No \
              connection is ever idle, and the new pods get nothing.",
    reading: "With the module, a connection gets a GOAWAY at its age. Streams in flight complete on it, while new requests \
              open another connection, which kube-proxy assigns again.",
};

const CLIENTS: usize = 24;
const MESSAGES: usize = 20;
const CHUNK: usize = 1024;

pub async fn run(lab: &Lab) -> Result<Outcome> {
    let policy = json!({ "version": 1, "defaults": { "max_connection_age": "4s", "jitter": 0.5 } });
    let sides = vec![Side::before(), Side::after(policy)];
    let mut site = lab.site(App::Http, sides, 2, 4).await?;
    site.call(ClientLocation::Cluster, CLIENTS, talk);
    site.run_for(Duration::from_secs(4)).await;
    let changed = site.change(2, 0).await?;
    let end = site.run_for(Duration::from_secs(12)).await;
    let histories = site.finish().await?;

    Ok(compare_added(&histories, end, |history| {
        SideOutcome::requests(history, 2, &[(changed, "2 added")])
    }))
}

/// Short requests, and a stream that starts again when it has ended.
async fn talk(caller: Caller) {
    let client = Arc::new(Client::new(caller.service, Protocol::Http2));
    let mut chance = fastrand::Rng::with_seed(caller.seed);
    let short = async {
        while caller.is_running() {
            sleep(Duration::from_millis(100).mul_f64(0.5 + chance.f64())).await;
            caller
                .tally
                .count(client.get("/").await.map(|response| response.body));
        }
    };
    let long = async {
        while caller.is_running() {
            if let Err(error) = stream(&client).await {
                caller.tally.count(Err(error));
            }
        }
    };
    tokio::join!(short, long);
}

/// Reads a stream to its end.
async fn stream(client: &Client) -> Result<()> {
    let body = client.get(&format!("/trickle/{MESSAGES}/100")).await?.body;
    ensure!(
        body.len() == MESSAGES * CHUNK,
        "a stream of {} bytes",
        body.len()
    );
    Ok(())
}
