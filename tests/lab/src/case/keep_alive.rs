//! One client with a keep-alive connection, two pods.

use std::time::Duration;

use anyhow::Result;
use evenkeel_test_envoy::Protocol;
use serde_json::json;

use super::{About, Lab};
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::site::ClientLocation;

pub const ABOUT: About = About {
    title: "HTTP/1.1 keep-alive: one of two pods receives everything",
    problem: "A client keeps an HTTP/1.1 connection to a Service with two pods and sends about 50 requests per second. \
              The pod to which kube-proxy has assigned the connection receives all of them.",
    reading: "With the module, the connection is drained after ten requests, in a response (`Connection: close`), and the next \
              request opens another one.",
};

/// Twenty connections with the module: by chance, one pod gets none of them in one of 500,000 runs.
const REQUESTS: usize = 200;

pub async fn run(lab: &Lab) -> Result<Outcome> {
    let policy = json!({ "version": 1, "defaults": { "max_requests_per_connection": 10 } });
    let sides = vec![Side::before(), Side::after(policy)];
    let mut site = lab.site(App::Http, sides, 2, 2).await?;
    site.call(ClientLocation::Cluster, 1, |caller| {
        caller.call(Protocol::Http1, Duration::from_millis(20))
    });
    site.run_until_responses(REQUESTS, Duration::from_secs(90))
        .await;
    let histories = site.finish().await?;

    let share = |load: Vec<u64>| {
        let (least, all) = (load.iter().min().copied(), load.iter().sum::<u64>());
        least.unwrap_or(0) as f64 * 100.0 / all.max(1) as f64
    };
    let shares: Vec<_> = histories
        .iter()
        .map(|history| share(history.requests_since(0.0)))
        .collect();
    let mut outcome = Outcome::new(histories.iter().zip(&shares).map(|(history, share)| {
        SideOutcome::requests(history, 2, &[])
            .number("requests of the pod with fewer, %", *share)
            .counts(history)
    }));
    outcome.check("before, one pod receives everything", shares[0] == 0.0);
    // A limit on the share itself would hold by chance only.
    outcome.check("after, each pod receives requests", shares[1] > 0.0);
    outcome.no_failures(&histories);
    Ok(outcome)
}
