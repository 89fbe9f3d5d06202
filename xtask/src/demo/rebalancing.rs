//! Pods that compare their load with their peers and drain the excess, beside pods that only recycle by age
//! and pods without the module.
//!
//! The three sides have the same Envoys and the same number of clients. They differ in the listener that
//! clients use, and so in the policy. The results are the connections of each pod and the number of drains.

mod clients;
mod plan;
mod pods;
mod run;
mod scenario;
mod timeline;

use anyhow::{Result, ensure};
use evenkeel_report::terminal::{self, Status};

use super::Tools;
use super::seeds::Seeds;
use crate::file_limit;
use plan::Plan;
pub use scenario::{Balance, Number, RebalancingScenario, Run};
pub use timeline::EVEN;

/// Runs both scenarios with every seed. Both run in parallel: each has its own Envoys, and they mostly wait. Seeds run one
/// after the other, because a small machine cannot run all at once.
pub async fn measure(tools: &Tools, quick: bool, seeds: Seeds) -> Result<Vec<RebalancingScenario>> {
    let plans = [Plan::scale_out(quick), Plan::rolling_update(quick)];
    for plan in &plans {
        terminal::note(&format!(
            "{}: {} connections per side, {} s; {seeds}",
            plan.name,
            plan.connections,
            (plan.before + plan.after).as_secs()
        ));
    }
    allow_connections(3 * plans.iter().map(|plan| plan.connections).sum::<usize>())?;
    let [mut scale_out, mut rolling_update] =
        plans.map(|plan| RebalancingScenario::new(plan, seeds));
    let status = Status::new();
    for seed in seeds.all() {
        terminal::note(&format!("Both scenarios with seed {seed}"));
        let (first, second) = tokio::try_join!(
            run::measure(tools, &scale_out.plan, seed, seeds, |seen| {
                status.show(&format!("seed {seed}: {seen}"));
            }),
            run::measure(tools, &rolling_update.plan, seed, seeds, |_| {})
        )?;
        scale_out.runs.push(first);
        rolling_update.runs.push(second);
    }
    Ok(vec![scale_out, rolling_update])
}

/// Raises the limit of open files as far as the connections need it.
fn allow_connections(count: usize) -> Result<()> {
    // The sockets of the client, the two of kube-proxy, and sometimes one of a backend.
    let needed = 4 * count as u64;
    let limit = file_limit::raise()?;
    ensure!(
        limit >= needed,
        "the demo keeps {count} connections and needs {needed} open files, but the limit is \
         {limit}: raise the hard limit (`ulimit -Hn`)"
    );
    Ok(())
}
