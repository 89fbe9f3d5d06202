//! One client through one site: start its program, wait for its report, compare it with what was seen.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::time::interval;

use crate::client::Client;
use crate::language::Program;
use crate::pattern::Pattern;
use crate::recycle::Recycle;
use crate::report::Report;
use crate::row::Row;
use crate::site::{Against, Site};

/// A client gives up a request after ten seconds, so that only one that is stuck is silent for so long.
const LIMIT: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
    /// Runs it against a site of its own; `progress` is told, now and then, how many requests the server has
    /// executed. None when the client's library has no means for the pattern.
    ///
    /// # Errors
    /// When the site does not start, or the client ends without a report, with what it wrote to stderr. A
    /// request that failed is no error here: the row tells.
    pub async fn row(&self, program: &Program, progress: impl Fn(u64)) -> Result<Option<Row>> {
        let site = Site::start(self.against, self.recycle).await?;
        match self.report(program, &site, progress).await? {
            Some(report) => Ok(Some(Row::new(self, report, site.counts().await?))),
            None => Ok(None),
        }
    }

    /// As [`Run::row`], against a site that is already there, and without what the site saw.
    ///
    /// # Errors
    /// As [`Run::row`].
    pub async fn report(
        &self,
        program: &Program,
        site: &Site,
        progress: impl Fn(u64),
    ) -> Result<Option<Report>> {
        let Self {
            client, requests, ..
        } = *self;
        let direct = site.address(client.protocol);
        let proxy = match client.via {
            Some(via) => Some(via.start(direct, client.protocol).await?),
            None => None,
        };
        // A proxy is driven over HTTP/1, whatever it speaks on its other side.
        let (address, protocol) = match &proxy {
            Some(proxy) => (proxy.address(), "h1"),
            None => (direct, client.protocol.name()),
        };
        let mut command = Command::from(program.command());
        command
            .args(["--address", &address.to_string()])
            .args(["--protocol", protocol])
            .args(self.pattern.flags(requests))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = watched(command, client, || {
            let executed = site.requests();
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
        let report = Report::parse(&String::from_utf8_lossy(&output.stdout))
            .with_context(|| format!("{} ({})", client.name, self.pattern.name))?;
        Ok(Some(report))
    }
}

/// Waits for the end of the command, as long as what `executed` tells goes on rising.
async fn watched(
    mut command: Command,
    client: Client,
    executed: impl Fn() -> u64,
) -> Result<Output> {
    let output = command.output();
    tokio::pin!(output);
    let mut look = interval(LOOK_EVERY);
    let (mut last, mut since) = (0, Instant::now());
    loop {
        tokio::select! {
            output = &mut output => {
                return output.with_context(|| format!("cannot start {}", client.name));
            }
            _ = look.tick() => {
                let now = executed();
                if now != last {
                    (last, since) = (now, Instant::now());
                }
                if since.elapsed() > LIMIT {
                    bail!("{} has been silent for {LIMIT:?} after {last} requests", client.name);
                }
            }
        }
    }
}
