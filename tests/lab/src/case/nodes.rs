//! Several nodes, each of which balances its own connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use evenkeel_test_envoy::{KubeProxy, Protocol, Scheduler, Tally};

use super::{About, Lab, balance, rebalance};
use crate::client_group::{Caller, ClientGroup};
use crate::history::BALANCED;
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::site::Site;

pub const ABOUT: About = About {
    title: "Many nodes that balance independently",
    problem: "4 nodes with 30 clients each, which select the pod with the fewest connections of their own node, as the IPVS scheduler \
              `lc` does; the balancer is a program of the lab in user space, because IPVS is in few kernels. 4 pods become 6. Each node \
              is balanced by itself, and its connections stay with the 4 initial pods.",
    reading: "With `rebalance`, pods compare all their connections, whichever node they come from: all pods know the same mean, and \
              drain the excess over it.",
};

const NODES: u8 = 4;

pub async fn run(lab: &Lab) -> Result<Outcome> {
    let sides = vec![Side::before(), Side::after(rebalance(0.4))];
    let mut site = lab.site(App::Http, sides, 4, 6).await?;
    let mut namespaces = Vec::new();
    for host in 221..221 + NODES {
        namespaces.push(site.network().pod(host).await?);
    }
    let (mut balancers, mut client_groups) = (Vec::new(), Vec::new());
    for side in 0..2 {
        let tally = Arc::new(Tally::new(6));
        let mut of_side = Vec::new();
        for node in &namespaces {
            let endpoints = endpoints(&site, side);
            let start = KubeProxy::with_scheduler(endpoints, Scheduler::LeastConnections);
            let balancer = node.spawn(start).join().await?;
            let run = |caller: Caller| caller.call(Protocol::Http1, Duration::from_secs(1));
            of_side.push(ClientGroup::start(
                node,
                balancer.address(),
                &tally,
                (30, lab.seed),
                run,
            ));
            balancers.push((side, balancer));
        }
        client_groups.push(of_side);
    }
    site.watch(client_groups);
    site.run_for(Duration::from_secs(4)).await;
    let changed = site.change(2, 0).await?;
    for (side, balancer) in &balancers {
        balancer.replace_endpoints(endpoints(&site, *side));
    }
    site.run_until_balanced(1, Duration::from_secs(45)).await?;
    let mut means = Vec::new();
    for pod in site.started_pods() {
        means.push(pod.metric("peers_mean_connections").await? as f64);
    }
    let histories = site.finish().await?;

    let real = f64::from(NODES) * 30.0 / 6.0;
    let errors = means.iter().map(|mean| (mean - real).abs() / real * 100.0);
    let error = errors.fold(0.0, f64::max);
    let mut outcome = Outcome::new(histories.iter().map(|history| {
        let side = SideOutcome::connections(history, 4, &[(changed, "2 added")]);
        balance(side, history, changed).counts(history)
    }));
    let after = outcome.sides.remove(1);
    let after = after.number("largest error of a pod's mean, %", error);
    outcome.sides.push(after);
    outcome.check(
        "before, the new pods receive nothing",
        histories[0].max_over_mean() >= 1.4,
    );
    outcome.check(
        "after, connections are balanced",
        histories[1].max_over_mean() <= BALANCED,
    );
    outcome.check(
        format!("the pods' means {means:?} are within 10 % of {real}"),
        error <= 10.0,
    );
    outcome.no_failures(&histories);
    Ok(outcome)
}

fn endpoints(site: &Site, side: usize) -> Vec<SocketAddr> {
    let endpoints = site.service(side).endpoints.iter();
    endpoints.map(|endpoint| (*endpoint).into()).collect()
}
