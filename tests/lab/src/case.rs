//! The cases. Each is a module with its description, its policy and its run.

mod ages;
mod alternatives;
mod autoscaler;
mod failed_pod;
mod few_and_many;
mod gateway;
mod grpc;
mod http2;
mod keep_alive;
mod low_rate;
mod nginx;
mod nodes;
mod pinned;
mod rolling_update;
mod routers;
mod scale_out;
mod servers;
mod sessions;
mod websockets;

use std::fmt;
use std::io::Write;

use anyhow::Result;
use clap::ValueEnum;
use evenkeel_cli::Row;
use evenkeel_test_databases::System;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::history::History;
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::services::Rules;
use crate::site::{Plan, Site};

/// A case, by the name that the command line takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    Routers,
    KeepAlive,
    Http2,
    Grpc,
    Websockets,
    Postgresql,
    Mysql,
    Redis,
    Nats,
    Mqtt,
    Amqp,
    RollingUpdate,
    ScaleOut,
    FailedPod,
    Gateway,
    Nodes,
    FewAndMany,
    Nginx,
    LowRate,
    Autoscaler,
    Sessions,
    Ages,
    Pinned,
    Alternatives,
}

/// The description of a case.
pub struct About {
    pub title: &'static str,
    /// What is set up, and what goes wrong.
    pub problem: &'static str,
    /// What to see in the result.
    pub reading: &'static str,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::name(*self))
    }
}

impl Case {
    /// Returns its description.
    pub fn about(self) -> About {
        match self {
            Self::Routers => routers::ABOUT,
            Self::KeepAlive => keep_alive::ABOUT,
            Self::Http2 => http2::ABOUT,
            Self::Grpc => grpc::ABOUT,
            Self::Websockets => websockets::ABOUT,
            Self::Postgresql => servers::POSTGRESQL,
            Self::Mysql => servers::MYSQL,
            Self::Redis => servers::REDIS,
            Self::Nats => servers::NATS,
            Self::Mqtt => servers::MQTT,
            Self::Amqp => servers::AMQP,
            Self::RollingUpdate => rolling_update::ABOUT,
            Self::ScaleOut => scale_out::ABOUT,
            Self::FailedPod => failed_pod::ABOUT,
            Self::Gateway => gateway::ABOUT,
            Self::Nodes => nodes::ABOUT,
            Self::FewAndMany => few_and_many::ABOUT,
            Self::Nginx => nginx::ABOUT,
            Self::LowRate => low_rate::ABOUT,
            Self::Autoscaler => autoscaler::ABOUT,
            Self::Sessions => sessions::ABOUT,
            Self::Ages => ages::ABOUT,
            Self::Pinned => pinned::ABOUT,
            Self::Alternatives => alternatives::ABOUT,
        }
    }

    /// Runs the case.
    ///
    /// # Errors
    /// When something cannot be measured. What is measured and not as expected is in the outcome.
    pub async fn run(self, lab: &Lab) -> Result<Outcome> {
        match self {
            Self::Routers => routers::run(lab).await,
            Self::KeepAlive => keep_alive::run(lab).await,
            Self::Http2 => http2::run(lab).await,
            Self::Grpc => grpc::run(lab).await,
            Self::Websockets => websockets::run(lab).await,
            Self::Postgresql => servers::run(lab, System::Postgresql).await,
            Self::Mysql => servers::run(lab, System::Mysql).await,
            Self::Redis => servers::run(lab, System::Redis).await,
            Self::Nats => servers::run(lab, System::Nats).await,
            Self::Mqtt => servers::run(lab, System::Mqtt).await,
            Self::Amqp => servers::run(lab, System::Amqp).await,
            Self::RollingUpdate => rolling_update::run(lab).await,
            Self::ScaleOut => scale_out::run(lab).await,
            Self::FailedPod => failed_pod::run(lab).await,
            Self::Gateway => gateway::run(lab).await,
            Self::Nodes => nodes::run(lab).await,
            Self::FewAndMany => few_and_many::run(lab).await,
            Self::Nginx => nginx::run(lab).await,
            Self::LowRate => low_rate::run(lab).await,
            Self::Autoscaler => autoscaler::run(lab).await,
            Self::Sessions => sessions::run(lab).await,
            Self::Ages => ages::run(lab).await,
            Self::Pinned => pinned::run(lab).await,
            Self::Alternatives => alternatives::run(lab).await,
        }
    }
}

/// What all cases have in common.
pub struct Lab {
    pub rules: Rules,
    pub seed: u64,
}

impl Lab {
    /// Starts `pods` pods of `capacity` that there will be.
    ///
    /// # Errors
    /// As [`Site::start`].
    pub async fn site(
        &self,
        app: App,
        sides: Vec<Side>,
        pods: usize,
        capacity: usize,
    ) -> Result<Site> {
        let plan = Plan {
            app,
            sides,
            pods,
            capacity,
            rules: self.rules,
            seed: self.seed,
        };
        Site::start(plan).await
    }
}

/// Returns the share of the last pods, in percent.
fn share_of_last(count: usize, load: &[u64]) -> f64 {
    let last: u64 = load.iter().rev().take(count).sum();
    last as f64 * 100.0 / load.iter().sum::<u64>().max(1) as f64
}

/// Compares what 2 added pods receive in the last 6 s, when the connections of before the change are drained.
fn compare_added(
    histories: &[History],
    end: f64,
    chart: impl Fn(&History) -> SideOutcome,
) -> Outcome {
    let share = |history: &History| share_of_last(2, &history.requests_since(end - 6.0));
    let mut outcome = Outcome::new(histories.iter().map(|history| {
        chart(history)
            .number(
                "requests to the new pods in the last 6 s, %",
                share(history),
            )
            .counts(history)
    }));
    let [before, after] = [0, 1].map(|side| share(&histories[side]));
    outcome.check("before, the new pods receive nothing", before == 0.0);
    // Half of the pods are new. Less than a third of their part is no chance, also where load delays the clients.
    outcome.check("after, the new pods receive more than 15 %", after > 15.0);
    outcome.no_failures(histories);
    outcome
}

/// Returns a policy that drains the excess of a pod. A pod selects `rate` times the mean per second, one at a time.
fn rebalance(rate: f64) -> Value {
    json!({
        "version": 1,
        "rebalance": {
            "max_rate": rate, "high_watermark": 0.2, "low_watermark": 0.1,
            "min_connections": 5, "stabilization_window": "1s",
        },
        "peers": { "cluster": "peers", "interval": "1s", "trust": "anyone" },
        "budget": { "per_second": 10, "burst": 1 },
    })
}

/// Simulates a scale-out with a policy; `options` has its size. Returns a row for each seed.
fn simulate(policy: &Value, options: &str) -> Result<Vec<Row>> {
    let mut file = NamedTempFile::new()?;
    file.write_all(policy.to_string().as_bytes())?;
    let path = file.path().display().to_string();
    let line = format!("scale-out --only {options} --policy {path}");
    evenkeel_cli::simulated(line.split_whitespace())
}

/// Adds how far and how fast a side was balanced after a change.
fn balance(side: SideOutcome, history: &History, changed: f64) -> SideOutcome {
    let drains = history.drains_to_balance(changed);
    side.number("busiest pod / mean, at the end", history.max_over_mean())
        .number(
            "seconds until balanced",
            history.seconds_to_balance(changed),
        )
        .number("drains until balanced", drains.map(|drains| drains as f64))
}
