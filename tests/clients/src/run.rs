//! One client through one site: start its program, wait for its report, compare it with what was seen.

use std::net::SocketAddr;
use std::process::{Output, Stdio};
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

/// A client gives up a request after ten seconds, so that only one that is stuck is silent for so long.
const LIMIT: Duration = Duration::from_secs(30);
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// What a program answers a pattern with that its library has no means for.
const DOES_NOT_APPLY: i32 = 3;

/// One client, one way to send requests, one thing that ends its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Who sends.
    pub client: Client,
    /// How.
    pub pattern: Pattern,
    /// How many requests.
    pub requests: u64,
    /// What ends the connections.
    pub against: Against,
    /// By which limit.
    pub recycle: Recycle,
}

impl Run {
    /// It can follow `other` on the same stage.
    pub(crate) fn shares_stage(&self, other: &Self) -> bool {
        let stage = |run: &Self| (run.client, run.against, run.recycle);
        stage(self) == stage(other)
    }

    /// Runs it; `progress` periodically gets the number of requests that the server has executed. None when the
    /// client's library has no means for the pattern.
    ///
    /// # Errors
    /// When the client ends without a report, with what it wrote to stderr. A request that failed is no
    /// error here: it is in the row.
    pub(crate) async fn row(
        &self,
        program: &Program,
        stage: &Stage,
        progress: impl Fn(u64),
    ) -> Result<Option<Row>> {
        let client = self.client;
        let before = stage.site.begin().await?;
        let begun = stage.site.requests();
        let (address, protocol) = stage.entrance(client);
        let mut command = Command::from(program.command());
        command
            .args(["--address", &address.to_string()])
            .args(["--protocol", protocol.name()])
            .args(self.pattern.flags(self.requests))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = watched(command, client, || {
            let executed = stage.site.requests() - begun;
            progress(executed);
            executed
        })
        .await?;
        if output.status.code() == Some(DOES_NOT_APPLY) {
            return Ok(None);
        }
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{} ended with {}\n{said}", client.name, output.status);
        }
        let mut report = Report::parse(&String::from_utf8_lossy(&output.stdout))
            .with_context(|| format!("{} ({})", client.name, self.pattern.name))?;
        if let Some(proxy) = &stage.proxy {
            // The proxy is the client; the report is about the program that drives it.
            report.version = proxy.version().await?;
            report.connections = None;
        }
        let seen = stage.site.counts().await?.since(&before);
        Ok(Some(Row::new(self, report, seen)))
    }
}

/// Where the runs of one client take place: a site, and before it the proxy that is the client, if one is.
#[derive(Debug)]
pub(crate) struct Stage {
    site: Site,
    proxy: Option<Proxy>,
}

impl Stage {
    /// Starts what `run` needs.
    ///
    /// # Errors
    /// When the site or the proxy does not start.
    pub(crate) async fn start(run: &Run) -> Result<Self> {
        let site = Site::start(run.against, run.recycle).await?;
        let protocol = run.client.protocol;
        let proxy = match run.client.via {
            Some(via) => Some(via.start(site.address(protocol), protocol).await?),
            None => None,
        };
        Ok(Self { site, proxy })
    }

    /// Where the client's program connects, and what it speaks there.
    fn entrance(&self, client: Client) -> (SocketAddr, Protocol) {
        match &self.proxy {
            Some(proxy) => proxy.entrance(client.protocol),
            None => (self.site.address(client.protocol), client.protocol),
        }
    }
}

/// Waits for the end of the command, as long as `executed` increases.
async fn watched(
    mut command: Command,
    client: Client,
    executed: impl Fn() -> u64,
) -> Result<Output> {
    let output = command.output();
    tokio::pin!(output);
    let mut sample = interval(SAMPLE_INTERVAL);
    let (mut last, mut since) = (0, Instant::now());
    loop {
        tokio::select! {
            output = &mut output => {
                return output.with_context(|| format!("cannot start {}", client.name));
            }
            _ = sample.tick() => {
                let now = executed();
                if now != last {
                    (last, since) = (now, Instant::now());
                }
                if since.elapsed() > LIMIT {
                    bail!("{} made no progress for {LIMIT:?} after {last} requests", client.name);
                }
            }
        }
    }
}
