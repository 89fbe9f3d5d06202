//! Plays one plan: pods and clients, the change, and a sample every second.

use std::pin::pin;
use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use super::crowd::Crowd;
use super::plan::Plan;
use super::pods::Pods;
use super::scene::{Run, Side};
use crate::demo::Tools;
use crate::demo::seeds::Seeds;

const BETWEEN_SAMPLES: Duration = Duration::from_secs(1);

/// Plays one of `seeds`. `tell` periodically gets a line of progress.
pub async fn play(
    tools: &Tools,
    plan: &Plan,
    seed: u64,
    seeds: Seeds,
    tell: impl Fn(&str),
) -> Result<Run> {
    let pods = Pods::start(tools, plan).await?;
    pods.set_peers(0..plan.first).await?;
    let crowds = [
        Crowd::start(Side::None, &pods, plan, seed).await?,
        Crowd::start(Side::Age, &pods, plan, seed).await?,
        Crowd::start(Side::Rebalance, &pods, plan, seed).await?,
    ];
    let mut stage = Stage { pods, crowds, tell };
    stage.sample_for(plan.before).await?;
    let changed = stage.change(plan).await?;
    stage.sample_for(plan.after).await?;

    let [none, age, rebalance] = stage.crowds;
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

struct Stage<Tell> {
    pods: Pods,
    crowds: [Crowd; 3],
    tell: Tell,
}

impl<Tell: Fn(&str)> Stage<Tell> {
    /// Pods start, and once they are ready the Service has them, and those that leave no more.
    async fn change(&mut self, plan: &Plan) -> Result<Instant> {
        let started = {
            let mut starting = pin!(self.pods.start_further(plan.joining));
            loop {
                tokio::select! {
                    started = &mut starting => break started?,
                    () = sleep(BETWEEN_SAMPLES) => sample(&self.pods, &mut self.crowds).await?,
                }
            }
        };
        self.pods.add(started);
        let changed = Instant::now();
        for crowd in &self.crowds {
            crowd.replace_endpoints(&self.pods, plan.serving());
        }
        self.pods.drain(0..plan.leaving).await?;
        self.pods.set_peers(plan.serving()).await?;
        Ok(changed)
    }

    async fn sample_for(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            // From the last sample on, however late it was, so that a rate covers a second.
            sleep(BETWEEN_SAMPLES).await;
            sample(&self.pods, &mut self.crowds).await?;
            let [_, age, rebalance] = self.crowds.each_ref().map(Crowd::drains);
            (self.tell)(&format!("drains by age {age}, by rebalancing {rebalance}"));
        }
        Ok(())
    }
}

async fn sample(pods: &Pods, crowds: &mut [Crowd; 3]) -> Result<()> {
    let asked = Instant::now();
    let drain_signals = pods.drain_signals().await?;
    for crowd in crowds {
        crowd.sample(pods, &drain_signals, asked);
    }
    Ok(())
}
