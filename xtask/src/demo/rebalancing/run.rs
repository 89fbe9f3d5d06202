//! Runs a scenario with one seed: starts pods and clients, changes the pods, and takes a sample every second.

use std::pin::pin;
use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use super::clients::Clients;
use super::plan::Plan;
use super::pods::Pods;
use super::scenario::{Run, Side};
use crate::demo::Tools;
use crate::demo::seeds::Seeds;

const BETWEEN_SAMPLES: Duration = Duration::from_secs(1);

/// Runs a scenario with one of `seeds`. `progress` periodically gets a line.
pub async fn measure(
    tools: &Tools,
    plan: &Plan,
    seed: u64,
    seeds: Seeds,
    progress: impl Fn(&str),
) -> Result<Run> {
    let pods = Pods::start(tools, plan).await?;
    pods.set_peers(0..plan.first).await?;
    let sides = [
        Clients::start(Side::None, &pods, plan, seed).await?,
        Clients::start(Side::Age, &pods, plan, seed).await?,
        Clients::start(Side::Rebalance, &pods, plan, seed).await?,
    ];
    let mut stage = Stage {
        pods,
        sides,
        progress,
    };
    stage.sample_for(plan.before).await?;
    let changed = stage.change(plan).await?;
    stage.sample_for(plan.after).await?;

    let [none, age, rebalance] = stage.sides;
    let (none, age, rebalance) = tokio::join!(
        none.stop(changed, plan),
        age.stop(changed, plan),
        rebalance.stop(changed, plan),
    );
    Ok(Run {
        name: plan.name,
        protocol: plan.protocol,
        seed,
        seeds: seeds.count(),
        connections: plan.connections,
        pods: plan.serving().len(),
        mean_age_seconds: plan.age.mean().as_secs_f64(),
        after_seconds: plan.after.as_secs_f64(),
        balanced_seconds: plan.last.as_secs_f64(),
        none,
        age,
        rebalance,
    })
}

struct Stage<Progress> {
    pods: Pods,
    sides: [Clients; 3],
    progress: Progress,
}

impl<Progress: Fn(&str)> Stage<Progress> {
    /// Starts pods, then adds them to the Service and removes the leaving ones.
    async fn change(&mut self, plan: &Plan) -> Result<Instant> {
        let started = {
            let mut starting = pin!(self.pods.start_further(plan.joining));
            loop {
                tokio::select! {
                    started = &mut starting => break started?,
                    () = sleep(BETWEEN_SAMPLES) => sample(&self.pods, &mut self.sides).await?,
                }
            }
        };
        self.pods.add(started);
        let changed = Instant::now();
        for side in &self.sides {
            side.replace_endpoints(&self.pods, plan.serving());
        }
        self.pods.drain(0..plan.leaving).await?;
        self.pods.set_peers(plan.serving()).await?;
        Ok(changed)
    }

    async fn sample_for(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            // Wait after the last sample even if it was late, so that a rate covers a second.
            sleep(BETWEEN_SAMPLES).await;
            sample(&self.pods, &mut self.sides).await?;
            let [_, age, rebalance] = self.sides.each_ref().map(Clients::drains);
            (self.progress)(&format!("drains by age {age}, by rebalancing {rebalance}"));
        }
        Ok(())
    }
}

async fn sample(pods: &Pods, sides: &mut [Clients; 3]) -> Result<()> {
    let queried = Instant::now();
    let drain_signals = pods.drain_signals().await?;
    for side in sides {
        side.sample(pods, &drain_signals, queried);
    }
    Ok(())
}
