//! Clients outside of the cluster with persistent TCP connections through gateways, which are scaled out.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::{About, Lab, compare_added};
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::site::ClientLocation;

pub const ABOUT: About = About {
    title: "Clients outside of the cluster: persistent TCP through gateways",
    problem: "60 clients outside of the cluster keep a TCP connection each through the NodePort to 2 gateways, and send a line about \
              every second. Then there are 4 gateways. Raw TCP has no drain signal: a connection can only be closed.",
    reading: "Without the module the new gateways receive nothing. With it, a connection that has reached its age is closed while \
              it is idle, and its client reconnects.",
};

pub async fn run(lab: &Lab) -> Result<Outcome> {
    let policy = json!({
        "version": 1,
        "tcp": [{
            "name": "gateway", "match": { "port": 8081 },
            "max_connection_age": "5s", "jitter": 0.5, "idle_time": "100ms", "drain_timeout": "10s",
        }],
        "budget": { "per_second": 50, "burst": 20 },
    });
    let sides = vec![Side::before(), Side::after(policy)];
    let mut site = lab.site(App::Tcp, sides, 2, 4).await?;
    site.call(ClientLocation::Outside, 60, |caller| {
        caller.talk(Duration::from_secs(1))
    });
    site.run_for(Duration::from_secs(3)).await;
    let changed = site.change(2, 0).await?;
    let end = site.run_for(Duration::from_secs(14)).await;
    let histories = site.finish().await?;

    Ok(compare_added(&histories, end, |history| {
        SideOutcome::connections(history, 2, &[(changed, "2 added")])
    }))
}
