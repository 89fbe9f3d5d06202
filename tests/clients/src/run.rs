//! One client through one site: start its program, wait for its report, compare it with what was seen.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::Serialize;
use tokio::process::Command;
use tokio::time::{interval, timeout};

use crate::client::Client;
use crate::language::Program;
use crate::report::Report;
use crate::row::Row;
use crate::site::{Against, Site};

/// A client gives up a request after five seconds, so that only one that is stuck takes this long.
const LIMIT: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The HTTP method of every request of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "UPPERCASE")]
#[value(rename_all = "UPPER")]
pub enum Method {
    /// `/`, without a body.
    Get,
    /// `/echo` with a body of some hundred bytes; not idempotent, so that a client must not send it twice.
    Post,
}

/// What a client is to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The method of every request.
    pub method: Method,
    /// How many.
    pub requests: u64,
    /// How many of them at a time, by threads or the like that share one client.
    pub concurrency: u64,
}

impl Load {
    /// GETs, one at a time.
    pub fn gets(requests: u64) -> Self {
        Self {
            method: Method::Get,
            requests,
            concurrency: 1,
        }
    }

    /// POSTs, one at a time.
    pub fn posts(requests: u64) -> Self {
        Self {
            method: Method::Post,
            ..Self::gets(requests)
        }
    }

    /// So many at a time.
    pub fn concurrently(self, concurrency: u64) -> Self {
        Self {
            concurrency,
            ..self
        }
    }
}

/// Runs `client` against a site of its own; `progress` is told, now and then, how many requests the server
/// has executed.
///
/// # Errors
/// When the site does not start, or the client ends without a report, with what it wrote to stderr. A
/// request that failed is no error here: the row tells.
pub async fn run(
    client: Client,
    program: &Program,
    load: Load,
    against: Against,
    progress: impl Fn(u64),
) -> Result<Row> {
    let site = Site::start(against).await?;
    let mut command = Command::from(program.command());
    command
        .args(["--address", &site.address().to_string()])
        .args(["--protocol", client.protocol_name()])
        .args(["--requests", &load.requests.to_string()])
        .args(["--concurrency", &load.concurrency.to_string()])
        .args(["--method", load.method.name()])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = async {
        let output = command.output();
        tokio::pin!(output);
        let mut look = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                output = &mut output => return output,
                _ = look.tick() => progress(site.requests()),
            }
        }
    };
    let output = timeout(LIMIT, ended)
        .await
        .with_context(|| format!("{} did not end within {LIMIT:?}", client.name))?
        .with_context(|| format!("cannot start {}", client.name))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}\n{said}", client.name, output.status);
    }
    let report = Report::parse(&String::from_utf8_lossy(&output.stdout))
        .with_context(|| client.name.to_owned())?;
    let counts = site.counts().await?;
    Ok(Row::new(client, load, against, report, counts))
}

impl Method {
    /// As it stands in a request line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}
