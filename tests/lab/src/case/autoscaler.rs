//! An autoscaler adds pods, and they receive nothing.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evenkeel_test_envoy::{Protocol, Tally};
use futures_util::future::{join_all, try_join_all};
use tokio::time::{Instant, sleep};

use super::{About, Lab, rebalance, share_of_last, simulate};
use crate::client_group::{Caller, ClientGroup};
use crate::history::max_over_mean;
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::services::{Proxy, Service};
use crate::site::Site;

pub const ABOUT: About = About {
    title: "60 pods under an autoscaler, of which the new ones receive less",
    problem: "Reported with 60 pods; here it is a fifth. 240 clients keep a connection each to a Service with 4 pods, and the autoscaler \
              adds 8. The mean load per pod falls to a third, and the initial pods stay as busy as before. 4 Envoys are 12 pods here: each \
              has three listeners with a VM of their own, so that every pod has a policy, a budget and peers of its own.",
    reading: "With `rebalance`, the initial pods drain their excess, and all pods have a share. `evenkeel simulate` predicts the drains, and \
              gives the result for 60 pods and 1,200 clients, too.",
};

const CLIENTS: usize = 240;
const INITIAL: usize = 4;

/// Seconds after the change, at least and at most: the drains take about five, and longer on a busy machine.
const AFTER_CHANGE: [f64; 2] = [15.0, 60.0];

/// Seconds since the start, the open connections of each pod, before and after, and the drains so far.
type Snapshot = (f64, [Vec<u64>; 2], u64);

/// Pods in an Envoy.
const PODS: usize = 3;
const ENVOYS: usize = 4;
const ALL: usize = PODS * ENVOYS;

/// The listeners without the module.
const BEFORE: [&str; PODS] = ["before-0", "before-1", "before-2"];
const AFTER: [&str; PODS] = ["after-0", "after-1", "after-2"];

/// The reported size over that of the lab.
const SCALE: usize = 5;

pub async fn run(lab: &Lab) -> Result<Outcome> {
    let policy = rebalance(0.4);
    let predict = |scale: usize| {
        let [pods, after, clients] = [INITIAL, ALL, CLIENTS].map(|number| number * scale);
        let options = format!(
            "--pods {pods} --pods-after {after} --connections {clients} --seconds 60 --request-every 2s --opened-over 1s \
             --seed {}",
            lab.seed
        );
        let rows = simulate(&policy, &options)?;
        rows.into_iter()
            .next()
            .context("no result of the simulator")
    };
    let (row, reported) = (predict(1)?, predict(SCALE)?);

    let before = BEFORE.map(|name| Side::new(name, None));
    let after = AFTER.map(|name| Side::new(name, Some(policy.clone())));
    let sides = before.into_iter().chain(after).collect();
    let site = lab.site(App::Http, sides, ENVOYS, ENVOYS).await?;
    let mut setup = Setup::new(lab, site)?;
    setup.serve(INITIAL).await?;
    let client_groups = setup.services.each_ref().map(|service| {
        let tally = Arc::new(Tally::new(ENVOYS));
        let call = |caller: Caller| caller.call(Protocol::Http1, Duration::from_secs(2));
        let address = service.cluster_address();
        ClientGroup::start(
            setup.site.clients(),
            address,
            &tally,
            (CLIENTS, lab.seed),
            call,
        )
    });
    let start = Instant::now();
    let mut changed = None;
    let mut snapshots: Vec<Snapshot> = Vec::new();
    while changed.is_none_or(|changed| is_watched(&snapshots, changed)) {
        let (connections, drains) = setup.sample().await?;
        // Peers have connections, too.
        let are_open = connections
            .iter()
            .all(|pods| pods.iter().sum::<u64>() >= CLIENTS as u64);
        let at = start.elapsed().as_secs_f64();
        snapshots.push((at, connections, drains));
        if changed.is_none() && are_open {
            setup.serve(ALL).await?;
            changed = Some(at);
        }
        ensure!(changed.is_some() || at < 120.0, "clients do not connect");
        sleep(Duration::from_secs(1)).await;
    }
    let (changed, last) = (changed.unwrap_or_default(), snapshots.len() - 1);
    let failures = client_groups.each_ref().map(|group| group.tally.failed());
    join_all(client_groups.map(ClientGroup::stop)).await;

    let drains = snapshots[last].2;
    let mut outcome = Outcome::new([]);
    for (index, name) in ["before", "after"].into_iter().enumerate() {
        let points = snapshots.iter().map(|(at, connections, _)| {
            let pods = connections[index].iter();
            (*at, pods.map(|count| *count as f64).collect())
        });
        let policy = (index == 1).then(|| policy.clone());
        let marks = [(changed, "8 added")];
        let unit = "open connections per pod";
        let load = &snapshots[last].1[index];
        let share = share_of_last(ALL - INITIAL, load);
        let mut side = SideOutcome::lines(name, policy, unit, points.collect(), INITIAL, &marks)
            .number("connections of the new pods, %", share)
            .number("busiest pod / mean", max_over_mean(load));
        if index == 1 {
            side = side
                .number("drains", drains as f64)
                .number(
                    "`evenkeel simulate`: busiest pod / mean",
                    row.max_over_mean_end,
                )
                .number("`evenkeel simulate`: drains", row.drains as f64)
                .number(
                    "`evenkeel simulate`, 60 pods: drains",
                    reported.drains as f64,
                );
            // Two thirds of the pods are new.
            outcome.check("after, the new pods have more than 40 %", share > 40.0);
        } else {
            outcome.check("before, the new pods have no connection", share == 0.0);
        }
        outcome
            .sides
            .push(side.number("failed requests", failures[index] as f64));
    }
    let (measured, predicted) = (drains as f64, row.drains as f64);
    outcome.check(
        format!(
            "`evenkeel simulate` predicts the drains within 20 % ({predicted}, measured {measured})"
        ),
        (measured - predicted).abs() <= predicted * 0.2,
    );
    outcome.check("no request failed", failures == [0, 0]);
    Ok(outcome)
}

/// Returns whether the setup goes on: connections move.
fn is_watched(snapshots: &[Snapshot], changed: f64) -> bool {
    let Some((at, _, drains)) = snapshots.last() else {
        return true;
    };
    let earlier = snapshots.iter().rev().nth(5);
    let has_drained = earlier.is_none_or(|(_, _, earlier)| earlier < drains);
    let [least, most] = AFTER_CHANGE.map(|seconds| changed + seconds);
    *at < least || (has_drained && *at < most)
}

/// Two Services over all listeners.
struct Setup {
    site: Site,
    proxy: Proxy,
    services: [Service; 2],
}

impl Setup {
    fn new(lab: &Lab, site: Site) -> Result<Self> {
        // Beyond the Services of the listeners, which have no clients.
        let services = [Service::new(100, "before"), Service::new(101, "after")];
        let proxy = Proxy::new(lab.rules)?;
        Ok(Self {
            site,
            proxy,
            services,
        })
    }

    /// Serves with this many pods.
    async fn serve(&mut self, count: usize) -> Result<()> {
        let envoys = self.site.started_pods();
        for (service, first) in self.services.iter_mut().zip([0, PODS]) {
            let endpoints = envoys
                .iter()
                .flat_map(|envoy| (first..first + PODS).map(|side| envoy.address(side)));
            service.endpoints = endpoints.take(count).collect();
        }
        self.proxy
            .load(self.site.network().node(), &self.services)?;
        let peers = &self.services[1].endpoints;
        try_join_all(envoys.iter().map(|envoy| envoy.set_peers(peers))).await?;
        Ok(())
    }

    /// Returns the open connections of each pod, before and after, and the drains so far.
    async fn sample(&self) -> Result<([Vec<u64>; 2], u64)> {
        let samples = self.site.sample().await?;
        let of = |sides: Range<usize>| {
            let pods = samples
                .iter()
                .map(|sample| &sample.connections[sides.clone()]);
            pods.flatten().copied().collect()
        };
        let drains = samples
            .iter()
            .flat_map(|sample| sample.drains.values())
            .sum();
        Ok(([of(0..PODS), of(PODS..2 * PODS)], drains))
    }
}
