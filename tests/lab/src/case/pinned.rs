//! A client-side Envoy behind a ClusterIP: its upstream connections are pinned to a pod.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use evenkeel_test_envoy::{Cluster, Listener, Protocol, Roles, Tally};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{About, Lab, share_of_last};
use crate::client_group::ClientGroup;
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::sidecar::{Sidecar, UPSTREAM};

pub const ABOUT: About = About {
    title: "A client-side Envoy pinned behind a ClusterIP",
    problem: "Two clients with an Envoy of their own, whose cluster is the ClusterIP of a Service: Envoy sees one host and keeps its \
              HTTP/1 connections to it. 4 callers each; 2 pods become 4.",
    reading: "Without the module, the upstream connections stay with the 2 initial pods. With `upstream`, the Envoy of the client \
              recycles them, with `connection: close` on a request.",
};

/// The responses of a phase.
const RESPONSES: usize = 200;

pub async fn run(lab: &Lab) -> Result<Outcome> {
    let policy = json!({
        "version": 1,
        "upstream": { "max_requests_per_connection": 5, "protocol": "http1" },
    });
    let mut site = lab.site(App::Http, vec![Side::before()], 2, 4).await?;
    let service = site.service(0).cluster_address();
    let policies: [(&str, Option<Value>); 2] = [("before", None), ("after", Some(policy))];
    let (mut sidecars, mut client_groups) = (Vec::new(), Vec::new());
    for (host, (_, policy)) in (211..).zip(&policies) {
        let mut listener = Listener::http("out").route("/", UPSTREAM);
        if let Some(policy) = policy {
            listener = listener.evenkeel(Roles::Http, policy);
        }
        let cluster = Cluster::new(UPSTREAM, [service]);
        let sidecar = Sidecar::start(site.network(), host, listener, cluster).await?;
        sidecars.push(sidecar);
    }
    for sidecar in &sidecars {
        let tally = Arc::new(Tally::new(4));
        client_groups.push(ClientGroup::start(
            sidecar.namespace(),
            sidecar.address(),
            &tally,
            (4, lab.seed),
            |caller| caller.call(Protocol::Http1, Duration::from_millis(50)),
        ));
    }
    sleep(Duration::from_secs(3)).await;
    site.start_pods(4).await?;
    site.serve(0..4).await?;
    let changed = client_groups[0].tally.elapsed();
    // Each caller's connection of before the change is recycled; then 40 others, on average half of them to the new pods.
    for group in &client_groups {
        group.wait_for_responses(RESPONSES).await?;
    }
    let compared = client_groups[0].tally.elapsed();
    for group in &client_groups {
        group.wait_for_responses(RESPONSES).await?;
    }

    let mut outcome = Outcome::new([]);
    let mut shares = Vec::new();
    let mut failed = 0;
    for ((name, policy), (group, sidecar)) in policies
        .into_iter()
        .zip(client_groups.into_iter().zip(&sidecars))
    {
        let recycled = sidecar
            .metric("upstream_connections_recycled_total")
            .await?;
        let tally = Arc::clone(&group.tally);
        group.stop().await;
        let share = share_of_last(2, &tally.per_backend_since(compared));
        let marks = [(changed.as_secs_f64(), "2 added")];
        outcome.sides.push(
            SideOutcome::tally(name, policy, &tally, 2, &marks)
                .number("requests of the new pods at the end, %", share)
                .number("upstream connections recycled", recycled as f64)
                .number("requests", tally.responses() as f64)
                .number("failed requests", tally.failed() as f64),
        );
        shares.push(share);
        failed += tally.failed();
    }
    outcome.check("before, the new pods receive nothing", shares[0] == 0.0);
    outcome.check(
        // A standard deviation is 8 %.
        "after, the new pods receive more than 15 %",
        shares[1] > 15.0,
    );
    outcome.check("no request failed", failed == 0);
    Ok(outcome)
}
