//! Clients outside of the cluster with persistent TCP connections through gateways, which are scaled out.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::{About, Lab, share_of_last};
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::site::Place;

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
    site.call(Place::Outside, 60, |caller| {
        caller.talk(Duration::from_secs(1))
    });
    site.run_for(Duration::from_secs(3)).await;
    let changed = site.change(2, 0).await?;
    let end = site.run_for(Duration::from_secs(14)).await;
    let courses = site.finish().await?;

    let shares = courses
        .iter()
        .map(|course| share_of_last(2, &course.requests_since(end - 6.0)));
    let shares: Vec<_> = shares.collect();
    let mut outcome = Outcome::new(courses.iter().zip(&shares).map(|(course, share)| {
        SideOutcome::connections(course, 2, &[(changed, "2 added")])
            .number("lines to the new gateways in the last 6 s, %", *share)
            .counts(course)
    }));
    outcome.check("before, the new gateways receive nothing", shares[0] == 0.0);
    outcome.check(
        "after, the new gateways receive more than 30 %",
        shares[1] > 30.0,
    );
    outcome.no_failures(&courses);
    Ok(outcome)
}
