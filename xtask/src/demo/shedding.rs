//! Pods that compare what they carry with their peers and shed the surplus, beside pods that only recycle
//! by age and pods without the plugin.
//!
//! The three sides have the same Envoys and the same number of clients. They differ in the listener that
//! clients come in by, and so in the policy. What is looked at is where the connections are and how many
//! had to be closed for that.

mod course;
mod crowd;
mod plan;
mod pods;
mod scene;
mod stage;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Tools;
use crate::term::{self, Status};
pub use course::EVEN;
use plan::Plan;
pub use scene::{Balance, Scene};

/// Plays both scenes at the same time: each has its own Envoys, and both spend their time waiting.
pub async fn play(tools: &Tools, quick: bool) -> Result<Vec<Scene>> {
    let (scale_out, rolling_update) = (Plan::scale_out(quick), Plan::rolling_update(quick));
    for plan in [&scale_out, &rolling_update] {
        term::note(&format!(
            "{}: {} connections a side, {} s",
            plan.name,
            plan.connections,
            (plan.before + plan.after).as_secs()
        ));
    }
    allow_connections(3 * (scale_out.connections + rolling_update.connections))?;
    let status = Status::new();
    let (scale_out, rolling_update) = tokio::try_join!(
        stage::play(tools, scale_out, |seen| status.show(seen)),
        stage::play(tools, rolling_update, |_| {})
    )?;
    Ok(vec![scale_out, rolling_update])
}

/// A process may usually have 1,024 files open, unless it asks for more.
fn allow_connections(count: usize) -> Result<()> {
    // A client's end, both of kube-proxy's, and now and then one of a backend's.
    let needed = 4 * count as u64;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let enough = Rlimit {
        current: Some(needed),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, enough).with_context(|| {
        format!(
            "the demo keeps {count} connections and so needs {needed} open files, but may have only \
             {limit:?}: raise the hard limit (`ulimit -Hn`)"
        )
    })
}
