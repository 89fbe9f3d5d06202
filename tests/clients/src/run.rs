//! One run: start a client's program, wait for its report, and combine it with the counts of the site.

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::time::interval;

use crate::client::{Client, Protocol};
use crate::language::Program;
use crate::pattern::Pattern;
use crate::recycle::Recycle;
use crate::report::Report;
use crate::row::Row;
use crate::site::{Against, Site};
use crate::via::Proxy;

/// A client cancels a request after its timeout, so only a client that hangs makes no progress for this time longer.
const MARGIN: Duration = Duration::from_secs(20);
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// The exit code of a program whose library does not support the pattern.
const DOES_NOT_APPLY: i32 = 3;

/// One client in one pattern, drained by one proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The client.
    pub client: Client,
    /// How it sends requests.
    pub pattern: Pattern,
    /// How many requests.
    pub requests: u64,
    /// What drains the connections.
    pub against: Against,
    /// The limit that drains.
    pub recycle: Recycle,
}

impl Run {
    /// Whether `self` can follow `other` on the same stage, which need not be for the same client.
    fn can_reuse_stage(&self, other: &Self) -> bool {
        let client = |run: &Self| run.client.via.map(|via| (via, run.client.protocol));
        let stage = |run: &Self| (run.against, run.recycle, client(run));
        stage(self) == stage(other)
    }

    /// Runs it; `progress` periodically gets the number of requests that the server has executed. None when the
    /// client's library does not support the pattern.
    ///
    /// # Errors
    /// When the client ends without a report, with its stderr. A failed request is not an error here: it is in the row.
    async fn row(
        &self,
        program: &Program,
        stage: &Stage,
        progress: impl Fn(u64),
    ) -> Result<Option<Row>> {
        let client = self.client;
        if stage.proxy.is_none() {
            stage.site.wait_until_unused().await?;
        }
        let before = stage.site.begin().await?;
        let executed_before = stage.site.requests();
        let (address, protocol) = stage.endpoint(client);
        let mut command = Command::from(program.command());
        command
            .args(["--address", &address.to_string()])
            .args(["--protocol", protocol.name()])
            .args(self.pattern.flags(self.requests))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = watched(command, self, || {
            let executed = stage.site.requests() - executed_before;
            progress(executed);
            executed
        })
        .await?;
        if output.status.code() == Some(DOES_NOT_APPLY) {
            return Ok(None);
        }
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!("{} ended with {}\n{stderr}", client.name, output.status);
        }
        let mut report = Report::parse(&String::from_utf8_lossy(&output.stdout))
            .with_context(|| format!("{} ({})", client.name, self.pattern.name))?;
        if let Some(proxy) = &stage.proxy {
            // The proxy is the client; the report is about the program in front of it.
            report.version = proxy.version().await?;
            report.connections = None;
        }
        let seen = stage.site.counts().await?.since(&before);
        Ok(Some(Row::new(self, report, seen)))
    }
}

/// A site, and in front of it the proxy that is the client, if one is. One run at a time takes place on it.
#[derive(Debug)]
pub(crate) struct Stage {
    site: Site,
    proxy: Option<Proxy>,
}

/// The most unused stages that are kept. An Envoy takes up to seven inotify instances, of which Linux gives a user 128
/// by default; an Envoy that gets none aborts.
const MAX_UNUSED: usize = 4;

/// The stages that are not in use, the last used one at the end. An Envoy takes a second to compile the module, so runs
/// share the Envoys.
#[derive(Debug, Default)]
pub(crate) struct Stages(Mutex<Vec<(Run, Stage)>>);

impl Stages {
    /// Executes `run` on a stage of its own, as [`Run::row`] does.
    ///
    /// # Errors
    /// As [`Run::row`], and when the site or the proxy does not start.
    pub(crate) async fn row(
        &self,
        run: &Run,
        program: &Program,
        progress: impl Fn(u64),
    ) -> Result<Option<Row>> {
        let unused = self.take(run);
        let stage = match unused {
            Some(stage) => stage,
            None => Stage::start(run).await?,
        };
        // After an error the stage is dropped: it may be the cause.
        let row = run.row(program, &stage, progress).await?;
        self.keep(*run, stage);
        Ok(row)
    }

    fn take(&self, run: &Run) -> Option<Stage> {
        let mut unused = self.lock();
        let place = unused
            .iter()
            .position(|(last, _)| run.can_reuse_stage(last))?;
        Some(unused.remove(place).1)
    }

    fn keep(&self, run: Run, stage: Stage) {
        let mut unused = self.lock();
        unused.push((run, stage));
        if unused.len() > MAX_UNUSED {
            unused.remove(0);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Run, Stage)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage {
    /// Starts what `run` needs.
    ///
    /// # Errors
    /// When the site or the proxy does not start.
    async fn start(run: &Run) -> Result<Self> {
        let site = Site::start(run.against, run.recycle).await?;
        let protocol = run.client.protocol;
        let proxy = match run.client.via {
            Some(via) => Some(via.start(site.address(protocol), protocol).await?),
            None => None,
        };
        Ok(Self { site, proxy })
    }

    /// Where the client's program connects, and the protocol there.
    fn endpoint(&self, client: Client) -> (SocketAddr, Protocol) {
        match &self.proxy {
            Some(proxy) => proxy.endpoint(client.protocol),
            None => (self.site.address(client.protocol), client.protocol),
        }
    }
}

/// Waits for the end of the command, as long as `executed` increases.
async fn watched(mut command: Command, run: &Run, executed: impl Fn() -> u64) -> Result<Output> {
    let output = command.output();
    tokio::pin!(output);
    let mut sample = interval(SAMPLE_INTERVAL);
    let limit = run.pattern.timeout() + MARGIN;
    let (mut last, mut since) = (0, Instant::now());
    loop {
        tokio::select! {
            output = &mut output => {
                return output.with_context(|| format!("cannot start {}", run.client.name));
            }
            _ = sample.tick() => {
                let now = executed();
                if now != last {
                    (last, since) = (now, Instant::now());
                }
                if since.elapsed() > limit {
                    bail!("{} made no progress for {limit:?} after {last} requests", run.client.name);
                }
            }
        }
    }
}
