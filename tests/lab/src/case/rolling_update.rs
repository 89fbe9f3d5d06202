//! Pods X and Y become Y and Z.

use std::time::Duration;

use anyhow::Result;
use evenkeel_test_envoy::Protocol;

use super::{About, Lab, balance, rebalance};
use crate::history::BALANCED;
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::site::ClientLocation;

pub const ABOUT: About = About {
    title: "Rolling update: the remaining pod has most connections",
    problem: "100 clients keep a connection each to a Service with the pods X and Y. Then Z is added and X removed: it \
              ends its connections, and its clients reconnect to Y or Z. Y keeps its own and receives half of X's.",
    reading: "Without the module, Y has about three quarters of all connections, and keeps them. With `rebalance`, Y \
              drains its excess and stops.",
};

pub async fn run(lab: &Lab) -> Result<Outcome> {
    let sides = vec![Side::before(), Side::after(rebalance(0.4))];
    let mut site = lab.site(App::Http, sides, 2, 3).await?;
    site.call(ClientLocation::Cluster, 100, |caller| {
        caller.call(Protocol::Http1, Duration::from_millis(500))
    });
    site.run_for(Duration::from_secs(3)).await;
    let changed = site.change(1, 1).await?;
    site.run_until_balanced(1, Duration::from_secs(45)).await?;
    let histories = site.finish().await?;

    let mut outcome = Outcome::new(histories.iter().map(|history| {
        let side = SideOutcome::connections(history, 2, &[(changed, "Z added, X removed")]);
        balance(side, history, changed).counts(history)
    }));
    let [before, after] = [0, 1].map(|side| &histories[side]);
    outcome.check(
        "before, the pod that stays has more than 1.3 times the mean",
        before.max_over_mean() > 1.3,
    );
    outcome.check(
        "after, connections are balanced",
        after.max_over_mean() <= BALANCED,
    );
    outcome.no_failures(&histories);
    Ok(outcome)
}
