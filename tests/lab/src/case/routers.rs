//! 3 routers call 3 pods: how many of the pods do they use?

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use evenkeel_test_envoy::{Client, Tally};
use serde_json::json;

use super::{About, Lab};
use crate::history::chi_square;
use crate::namespace::Namespace;
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};

pub const ABOUT: About = About {
    title: "3 routers, 3 pods, 100 requests",
    problem: "3 routers call 3 pods through a Service, each over one keep-alive connection, 100 requests in all; 60 runs \
              through the ClusterIP and 60 from outside of the cluster through the NodePort. kube-proxy selects a pod for \
              each connection, not for each request.",
    reading: "Of the 27 combinations of three selections, 3 use one pod, 18 use two and 6 use all three. With the module, \
              a connection is drained after two requests, and every run uses all three pods.",
};

const PODS: usize = 3;
const RUNS: usize = 60;
const REQUESTS: usize = 100;

/// The share of runs that use 1, 2 and 3 pods: 3, 18 and 6 of 27 combinations.
const EXPECTED: [f64; PODS] = [3.0 / 27.0, 18.0 / 27.0, 6.0 / 27.0];

/// Of a chi-square with two degrees of freedom: exceeded by chance once in three million.
const UNLIKELY: f64 = 30.0;

pub async fn run(lab: &Lab) -> Result<Outcome> {
    // The chance that 51 connections leave out one of three pods is 3 * (2/3)^51: one of 300 million runs.
    let policy = json!({
        "version": 1,
        "defaults": { "max_requests_per_connection": 2 },
        "budget": { "per_second": 1000, "burst": 1000 },
    });
    let sides = vec![Side::before(), Side::after(policy)];
    let site = lab.site(App::Http, sides.clone(), PODS, PODS).await?;
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for host in 201..204 {
        inside.push(site.network().pod(host).await?);
        outside.push(site.network().outside(host).await?);
    }
    let mut measured = Vec::new();
    for side in 0..sides.len() {
        let service = site.service(side);
        let mut runs = Runs::default();
        for _ in 0..RUNS {
            runs.add(&play(&inside, service.cluster_address()).await);
            runs.add(&play(&outside, service.node_address()).await);
        }
        measured.push(runs);
    }
    let mut outcome = Outcome::new(sides.iter().zip(&measured).map(|(side, runs)| {
        let bars = (1..).zip(runs.used);
        let bars = bars.map(|(used, runs)| (format!("{used} of {PODS}"), runs as f64));
        SideOutcome::bars(
            side.name,
            side.policy.clone(),
            "runs by the number of pods used",
            bars.collect(),
        )
        .number("runs that use all pods, %", runs.percent(PODS))
        .number(
            "chi-square of the requests of a run (2 = each request by chance)",
            runs.chi_square(),
        )
        .number("failed requests", runs.failed as f64)
    }));
    let [before, after] = measured.as_slice() else {
        anyhow::bail!("the case has two sides")
    };
    let unlike = before.unlike_expected();
    outcome.check(
        format!(
            "before, {:.0} / {:.0} / {:.0} % of the runs use 1 / 2 / 3 pods, as 11 / 67 / 22 % (chi-square {unlike:.1})",
            before.percent(1),
            before.percent(2),
            before.percent(3)
        ),
        unlike < UNLIKELY,
    );
    outcome.check(
        "after, every run uses all pods",
        after.percent(PODS) == 100.0,
    );
    outcome.check(
        "after, requests are more even than a fifth of before",
        after.chi_square() * 5.0 < before.chi_square(),
    );
    outcome.check("no request failed", before.failed + after.failed == 0);
    Ok(outcome)
}

/// One run: every router opens its connection, and together they send the requests.
async fn play(routers: &[Namespace], service: SocketAddr) -> Tally {
    let tally = Arc::new(Tally::new(PODS));
    let calls: Vec<_> = routers
        .iter()
        .enumerate()
        .map(|(number, router)| {
            let requests = (REQUESTS + number) / PODS;
            let tally = Arc::clone(&tally);
            router.spawn(async move {
                let client = Client::http1(service);
                for _ in 0..requests {
                    tally.count(client.get("/").await.map(|response| response.body));
                }
            })
        })
        .collect();
    for call in calls {
        call.join().await;
    }
    Arc::into_inner(tally).expect("the routers are done")
}

/// What the runs of a side add up to.
#[derive(Default)]
struct Runs {
    /// Runs that used 1, 2 and 3 pods.
    used: [u64; PODS],
    chi_squares: f64,
    failed: u64,
}

impl Runs {
    fn add(&mut self, run: &Tally) {
        let requests = run.per_backend_since(Duration::ZERO);
        let used = requests.iter().filter(|requests| **requests > 0).count();
        if let Some(runs) = self.used.get_mut(used.wrapping_sub(1)) {
            *runs += 1;
        }
        self.chi_squares += chi_square(&requests);
        self.failed += run.failed();
    }

    fn all(&self) -> f64 {
        self.used.iter().sum::<u64>() as f64
    }

    fn percent(&self, used: usize) -> f64 {
        self.used[used - 1] as f64 * 100.0 / self.all()
    }

    fn chi_square(&self) -> f64 {
        self.chi_squares / self.all()
    }

    fn unlike_expected(&self) -> f64 {
        let term = |(runs, share): (&u64, f64)| {
            let expected = share * self.all();
            (*runs as f64 - expected).powi(2) / expected
        };
        self.used.iter().zip(EXPECTED).map(term).sum()
    }
}
