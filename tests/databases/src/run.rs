//! The clients of one system under one contender.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use evenkeel_test_tasks::Tasks;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::contender::Contender;
use crate::process::tail;
use crate::program::Program;
use crate::report::Report;
use crate::row::{Results, Row};
use crate::site::Site;
use crate::system::System;

/// What a client program may take beyond its run: the last operation, and the verification.
const GRACE: Duration = Duration::from_secs(120);

/// How often to look whether a program has started.
const INTERVAL: Duration = Duration::from_millis(100);

/// One run: its clients share the servers and the proxy.
#[derive(Clone, Debug)]
pub struct Run {
    /// The servers.
    pub system: System,
    /// What closes the connections.
    pub contender: Contender,
    /// The client programs.
    pub clients: Vec<Client>,
    /// How long each program starts operations.
    pub duration: Duration,
    /// The age at which connections are closed or drained.
    pub age: Duration,
}

impl Run {
    /// Runs all clients at the same time.
    ///
    /// # Errors
    /// When the servers do not start or a client program fails, with what it wrote to stderr. Failed operations are
    /// no error: the rows count them.
    pub async fn results(&self) -> Result<Results> {
        let mut programs = Vec::new();
        for client in &self.clients {
            programs.push((*client, client.provide()?));
        }
        let names: Vec<_> = self.clients.iter().map(|client| client.name).collect();
        let site = Site::start(self.system, self.contender, self.age, &names).await?;
        let mut tasks = Tasks::new();
        for (client, program) in programs {
            let target = Target {
                address: site.address(client.name),
                servers: site.servers().to_vec(),
                environment: site.environment().to_vec(),
                duration: self.duration,
            };
            tasks.spawn(async move { (client, run_client(client, &program, &target).await) });
        }
        let (rows, _connections) =
            tokio::try_join!(self.rows(&site, tasks), self.add_servers(&site))?;
        let module = site.module_counts().await?;
        Ok(Results {
            rows,
            module: module.into_iter().collect(),
        })
    }

    async fn rows(
        &self,
        site: &Site,
        mut tasks: Tasks<(Client, Result<Vec<Report>>)>,
    ) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        while let Some((client, reports)) = tasks.next().await {
            let reports = reports?;
            self.check_connections(site, client, &reports).await?;
            rows.extend(reports.into_iter().map(|report| Row {
                system: self.system,
                client: client.name,
                version: report.version,
                operation: report.operation,
                contender: self.contender,
                counts: report.counts,
                errors: report.errors,
            }));
        }
        Ok(rows)
    }

    /// With [`Contender::Rebalance`] the second server joins after a part of the run.
    async fn add_servers(&self, site: &Site) -> Result<Vec<TcpStream>> {
        if self.contender != Contender::Rebalance {
            return Ok(Vec::new());
        }
        // Programs start at different times on a busy machine; the first one has the most connections to rebalance.
        while !self.has_connections(site).await? {
            sleep(INTERVAL).await;
        }
        sleep(self.duration / 4).await;
        site.add_servers().await
    }

    async fn has_connections(&self, site: &Site) -> Result<bool> {
        for client in &self.clients {
            if site.connections(client.name).await? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The connections that a program reports are those that Envoy accepted; a program that counts wrongly would
    /// make the number of drained connections wrong. Connections that ended before their handshake may be missing:
    /// libraries open another one in the background (paho), or without TLS (libpq). Contenders that do not parse the
    /// protocol end any number of handshakes on a busy machine.
    async fn check_connections(
        &self,
        site: &Site,
        client: Client,
        reports: &[Report],
    ) -> Result<()> {
        let reported: u64 = reports.iter().map(|report| report.counts.opened).sum();
        let accepted = site.connections(client.name).await?;
        let may_miss = match self.contender {
            Contender::Duration | Contender::Raw => accepted,
            Contender::None | Contender::Protocol | Contender::Rebalance => accepted / 4,
        };
        if reported > accepted || accepted - reported > may_miss {
            bail!(
                "{} ({}): reports {reported} connections, Envoy accepted {accepted}",
                client.name,
                self.contender.name()
            );
        }
        Ok(())
    }
}

/// What a client program connects to, and for how long.
#[derive(Clone, Debug)]
pub struct Target {
    /// The proxy.
    pub address: SocketAddr,
    /// The servers, past the proxy.
    pub servers: Vec<SocketAddr>,
    /// [`Servers::environment`](crate::Servers::environment)
    pub environment: Vec<(&'static str, PathBuf)>,
    /// How long the program starts operations.
    pub duration: Duration,
}

/// Runs a client program to its end.
///
/// # Errors
/// When it fails, with what it wrote to stderr, or does not end.
pub async fn run_client(client: Client, program: &Program, target: &Target) -> Result<Vec<Report>> {
    let environment = target.environment.iter().map(|(name, path)| (name, path));
    let mut command = program.command();
    command
        .args(["--address", &target.address.to_string()])
        .args(["--seconds", &target.duration.as_secs().to_string()])
        .envs(environment);
    for server in &target.servers {
        command.args(["--server", &server.to_string()]);
    }
    let limit = target.duration + GRACE;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = timeout(limit, command.output())
        .await
        .with_context(|| format!("{} did not end within {limit:?}", client.name))?
        .with_context(|| format!("cannot start {}", client.name))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!(
            "{} ended with {}\n{}",
            client.name,
            output.status,
            tail(&stderr)
        );
    }
    Report::parse_all(&String::from_utf8_lossy(&output.stdout))
        .with_context(|| format!("{}\n{}", client.name, tail(&stderr)))
}
