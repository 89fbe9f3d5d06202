//! A running Envoy: its addresses, its stats and log, and changes of its configuration.

use std::collections::BTreeMap;
use std::fs;
use std::future::ready;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use http_body_util::Full;
use hyper::Request;
use serde_json::Value;
use tempfile::TempDir;

use crate::bootstrap::{Bootstrap, Cluster, DRAIN_SECONDS};
use crate::client::{Client, Response};
use crate::evenkeel::Plugin;
use crate::stats::Stats;
use crate::wait::eventually;
use crate::{envoy_path, module_path};

/// A running Envoy. Dropping it ends the process and removes its files.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    directory: TempDir,
    module: Option<PathBuf>,
    admin: SocketAddr,
    listeners: BTreeMap<String, SocketAddr>,
    plugins: BTreeMap<String, Plugin>,
}

impl Envoy {
    /// Starts an Envoy and waits until it serves.
    ///
    /// # Errors
    /// When Envoy or the module is missing, with the command that provides it; or when Envoy rejects the configuration, with the
    /// end of its log.
    pub async fn start(bootstrap: Bootstrap) -> Result<Self> {
        let directory = TempDir::new().context("no temporary directory")?;
        let mut plugins = BTreeMap::new();
        let mut module = None;
        for listener in &bootstrap.listeners {
            let Some((plugin, policy)) = &listener.evenkeel else {
                continue;
            };
            let path = plugin.module.clone().or(bootstrap.module.clone());
            let path = path.map_or_else(module_path, Ok)?;
            write_policy(directory.path(), &listener.name, plugin, &path, policy)?;
            plugins.insert(listener.name.clone(), plugin.clone());
            module = Some(path);
        }
        for cluster in &bootstrap.clusters {
            write_endpoints(directory.path(), &cluster.name, &cluster.endpoints)?;
        }
        let config = directory.path().join("envoy.json");
        fs::write(&config, bootstrap.to_json(directory.path()).to_string())?;
        let process = Process::start(
            bootstrap.envoy.map_or_else(envoy_path, Ok)?,
            &config,
            [bootstrap.concurrency, bootstrap.drain_seconds],
            directory.path(),
        )?;
        Self::wait_until_ready(process, directory, module, plugins).await
    }

    /// Starts an Envoy with one worker from a configuration file, JSON or YAML. Relative paths in it are resolved against its
    /// folder.
    ///
    /// # Errors
    /// As [`Envoy::start`].
    pub async fn start_file(config: &Path) -> Result<Self> {
        let directory = TempDir::new().context("no temporary directory")?;
        let config = config
            .canonicalize()
            .with_context(|| format!("no {}", config.display()))?;
        let process = Process::start(envoy_path()?, &config, [1, DRAIN_SECONDS], directory.path())?;
        Self::wait_until_ready(process, directory, None, BTreeMap::new()).await
    }

    async fn wait_until_ready(
        mut process: Process,
        directory: TempDir,
        module: Option<PathBuf>,
        plugins: BTreeMap<String, Plugin>,
    ) -> Result<Self> {
        let admin_file = directory.path().join("admin");
        let admin = eventually("Envoy's admin address", || {
            let address = fs::read_to_string(&admin_file)
                .ok()
                .and_then(|text| text.parse().ok());
            let outcome = address.map(Ok).or_else(|| process.ended().map(Err));
            ready(Ok(outcome))
        })
        .await?;
        let admin = admin.map_err(|status| died(&status, directory.path()))?;
        let live = eventually("Envoy to be ready", || {
            let ended = process.ended();
            async move {
                if let Some(status) = ended {
                    return Ok(Some(Err(status)));
                }
                // 503 until it serves.
                let response = Client::http1(admin).get("/ready").await?;
                Ok((response.body.trim() == "LIVE").then_some(Ok(())))
            }
        });
        let live = live.await.with_context(|| log_tail(directory.path()))?;
        live.map_err(|status| died(&status, directory.path()))?;
        let listeners = parse_listeners(&get_admin(admin, "/listeners?format=json").await?)?;
        Ok(Self {
            process,
            directory,
            module,
            admin,
            listeners,
            plugins,
        })
    }

    /// Returns the address of a listener.
    ///
    /// # Panics
    /// When there is no such listener: a mistake in the test.
    pub fn address(&self, listener: &str) -> SocketAddr {
        match self.listeners.get(listener) {
            Some(address) => *address,
            None => panic!("no listener {listener} among {:?}", self.listeners.keys()),
        }
    }

    /// Returns the address of the admin interface.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Returns all counters and gauges.
    ///
    /// # Errors
    /// When Envoy has ended.
    pub async fn stats(&self) -> Result<Stats> {
        Ok(Stats::parse(&self.admin("/stats").await?))
    }

    /// Returns the body of a GET to the admin interface, for instance `/stats/prometheus`.
    ///
    /// # Errors
    /// When Envoy has ended or responds with an error.
    pub async fn admin(&self, path: &str) -> Result<String> {
        get_admin(self.admin, path).await
    }

    /// Makes Envoy close each HTTP connection with its next response, as in a pod that terminates. It still accepts new
    /// connections, so remove it from the endpoints before.
    ///
    /// # Errors
    /// When Envoy has ended.
    pub async fn drain(&self) -> Result<()> {
        self.post("/healthcheck/fail").await
    }

    /// Makes Envoy drain the HTTP connections of all listeners over its drain time, and keep the listeners open.
    ///
    /// # Errors
    /// When Envoy has ended.
    pub async fn drain_listeners(&self) -> Result<()> {
        self.post("/drain_listeners?graceful&skip_exit").await
    }

    async fn post(&self, path: &str) -> Result<()> {
        let request = Request::post(path).body(Full::default())?;
        body(path, Client::http1(self.admin).send(request).await?)?;
        Ok(())
    }

    /// Returns Envoy's log so far, with the module's lines.
    pub fn log(&self) -> String {
        fs::read_to_string(log_file(self.directory.path())).unwrap_or_default()
    }

    /// Returns the process id, for `/proc`.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Replaces the policy of the module on `listener`, and waits until Envoy has applied it for each role. The module's metrics
    /// show whether it was accepted.
    ///
    /// # Errors
    /// When the listener has no module, or Envoy rejects the configuration.
    pub async fn replace_policy(&self, listener: &str, policy: impl ToString) -> Result<()> {
        let (Some(plugin), Some(module)) = (self.plugins.get(listener), &self.module) else {
            bail!("the listener {listener} has no module");
        };
        let before = self.stats().await?;
        write_policy(
            self.directory.path(),
            listener,
            plugin,
            module,
            &policy.to_string(),
        )?;
        for role in plugin.roles.list() {
            let stat = role.reload_stat(listener);
            self.wait_for_increase(&stat, before.get(&stat)).await?;
        }
        Ok(())
    }

    /// Replaces the endpoints of `cluster`, and waits until Envoy has applied them.
    ///
    /// # Errors
    /// When Envoy does not apply them.
    pub async fn replace_endpoints(&self, cluster: &str, endpoints: &[SocketAddr]) -> Result<()> {
        let stat = format!("cluster.{cluster}.update_success");
        let before = self.stats().await?.get(&stat);
        write_endpoints(self.directory.path(), cluster, endpoints)?;
        self.wait_for_increase(&stat, before).await
    }

    async fn wait_for_increase(&self, stat: &str, before: u64) -> Result<()> {
        eventually(&format!("{stat} to rise above {before}"), || async {
            let stats = self.stats().await?;
            Ok((stats.get(stat) > before).then_some(()))
        })
        .await
        .with_context(|| log_tail(self.directory.path()))
    }
}

/// Dropping it kills the process, so that a failed test leaves no Envoy behind.
#[derive(Debug)]
struct Process(Child);

impl Process {
    fn start(
        envoy: PathBuf,
        config: &Path,
        [concurrency, drain_seconds]: [u32; 2],
        directory: &Path,
    ) -> Result<Self> {
        let log = fs::File::create(log_file(directory))?;
        let child = Command::new(&envoy)
            .arg("--config-path")
            .arg(config)
            .args(["--concurrency", &concurrency.to_string()])
            .args(["--drain-time-s", &drain_seconds.to_string()])
            // With hot restart, two Envoys would need different base ids.
            .arg("--disable-hot-restart")
            .arg("--admin-address-path")
            .arg(directory.join("admin"))
            .current_dir(config.parent().unwrap_or(directory))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // Envoy flushes a log file every ten seconds, but stderr at once.
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", envoy.display()))?;
        Ok(Self(child))
    }

    /// Returns the exit status if the process has ended.
    fn ended(&mut self) -> Option<String> {
        let status = self.0.try_wait().ok().flatten()?;
        Some(status.to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn get_admin(admin: SocketAddr, path: &str) -> Result<String> {
    body(path, Client::http1(admin).get(path).await?)
}

fn body(path: &str, response: Response) -> Result<String> {
    if response.status != 200 {
        bail!(
            "Envoy's admin interface responds to {path} with {}: {}",
            response.status,
            response.body
        );
    }
    Ok(response.body)
}

fn write_policy(
    directory: &Path,
    listener: &str,
    plugin: &Plugin,
    module: &Path,
    policy: &str,
) -> Result<()> {
    for role in plugin.roles.list() {
        let discovery = role.discovery(listener, &plugin.vm_id, module, policy);
        replace_file(&directory.join(role.resource(listener)), &discovery)?;
    }
    Ok(())
}

fn write_endpoints(directory: &Path, cluster: &str, endpoints: &[SocketAddr]) -> Result<()> {
    let discovery = Cluster::discovery(cluster, endpoints);
    replace_file(&directory.join(Cluster::file(cluster)), &discovery)
}

/// Envoy watches for renames, so that it never reads an incomplete file.
fn replace_file(file: &Path, content: &Value) -> Result<()> {
    let next = file.with_extension("next");
    fs::write(&next, content.to_string())?;
    fs::rename(&next, file)?;
    Ok(())
}

fn parse_listeners(json: &str) -> Result<BTreeMap<String, SocketAddr>> {
    let json: Value = serde_json::from_str(json).context("Envoy's list of listeners")?;
    let statuses = json["listener_statuses"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let listener = |status: &Value| {
        let name = status["name"].as_str()?.to_owned();
        let socket = &status["local_address"]["socket_address"];
        let (ip, port) = (socket["address"].as_str()?, socket["port_value"].as_u64()?);
        Some((
            name,
            SocketAddr::new(ip.parse().ok()?, u16::try_from(port).ok()?),
        ))
    };
    Ok(statuses.iter().filter_map(listener).collect())
}

fn log_file(directory: &Path) -> PathBuf {
    directory.join("envoy.log")
}

fn died(status: &str, directory: &Path) -> anyhow::Error {
    anyhow::anyhow!("Envoy ended ({status})\n{}", log_tail(directory))
}

/// Returns the last lines, without the list of Envoy's extensions.
fn log_tail(directory: &Path) -> String {
    let log = fs::read_to_string(log_file(directory)).unwrap_or_default();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| !line.contains("]   envoy."))
        .collect();
    let start = lines.len().saturating_sub(12);
    lines.get(start..).unwrap_or_default().join("\n")
}
