//! Ages of 15 minutes, plus or minus one.

use std::time::Duration;

use anyhow::Result;
use evenkeel_test_envoy::Protocol;
use serde_json::json;

use super::{About, Lab, balance, simulate};
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::site::ClientLocation;

pub const ABOUT: About = About {
    title: "Ages of 15 minutes, plus or minus one",
    problem: "300 clients open a connection each to a Service with 2 pods, at the same time, as after a deployment. Then there are 3. \
              Connections may become 14 to 16 minutes old. In this case, a minute is a second.",
    reading: "Nothing changes for 14 minutes; within the next two, every connection is drained and the new pod gets its share, in a burst: \
              all connections have the same age. `evenkeel simulate` predicts it with the real minutes. A larger jitter spreads the \
              drains, and `rebalance` does not wait.",
};

const CLIENTS: u64 = 300;

/// Connections have the second age at most.
const AGES: [f64; 2] = [14.0, 16.0];

pub async fn run(lab: &Lab) -> Result<Outcome> {
    let policy = |max: &str| {
        json!({
            "version": 1,
            "defaults": { "max_connection_age": max, "jitter": 0.125 },
            "budget": "off",
        })
    };
    let options = format!(
        "--pods 2 --pods-after 3 --connections {CLIENTS} --seconds 1500 --request-every 60s --opened-over 60s --seed {}",
        lab.seed
    );
    let simulated = simulate(&policy("16m"), &options)?;
    let predicted = simulated.first().and_then(|row| row.seconds_to_1_25);
    let predicted = predicted.map(|seconds| seconds as f64 / 60.0);

    let sides = vec![Side::before(), Side::after(policy("16s"))];
    let mut site = lab.site(App::Http, sides, 3, 3).await?;
    site.serve(0..2).await?;
    site.call(ClientLocation::Cluster, CLIENTS as usize, |caller| {
        caller.call(Protocol::Http1, Duration::from_secs(1))
    });
    for side in 0..2 {
        site.wait_for_connections(side, CLIENTS).await?;
    }
    let changed = site.change(1, 0).await?;
    // The next round of drains begins 14 s after this one.
    site.run_for(Duration::from_secs(21)).await;
    let histories = site.finish().await?;

    let mut outcome = Outcome::new(histories.iter().map(|history| {
        let side = SideOutcome::connections(history, 2, &[(changed, "1 added")]);
        let side = balance(side, history, changed).counts(history);
        match history.policy {
            Some(_) => side.number("`evenkeel simulate`: minutes until balanced", predicted),
            None => side,
        }
    }));
    let after = &histories[1];
    outcome.check(
        "before, the new pod has no connection",
        histories[0].connections_of_last(1) == 0,
    );
    // Connections were opened after the start of the case.
    let early = after.drains_since(0.0) - after.drains_since(AGES[0]);
    outcome.check(
        format!("after, no connection is drained in the first 14 s ({early})"),
        early == 0,
    );
    let drains = after.drains_since(0.0);
    outcome.check(
        format!("after, every connection is drained ({drains})"),
        drains >= CLIENTS,
    );
    let measured = after.seconds_to_balance(changed).unwrap_or(f64::NAN);
    let predicted = predicted.unwrap_or(f64::NAN);
    outcome.check(
        format!(
            "`evenkeel simulate` predicts the time until balance within 20 % ({predicted:.1} min, measured {measured:.1} s)"
        ),
        (measured - predicted).abs() <= predicted * 0.2,
    );
    outcome.no_failures(&histories);
    Ok(outcome)
}
