//! One running Envoy: started, asked, given new configuration, and ended when it goes out of scope.

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

use crate::bootstrap::{Bootstrap, Cluster};
use crate::client::{Answer, Client};
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
    /// When Envoy or the module is missing (says which command provides it), or when Envoy refuses the
    /// configuration: then with the end of its log.
    pub async fn start(bootstrap: Bootstrap) -> Result<Self> {
        let directory = TempDir::new().context("no temporary directory")?;
        let mut plugins = BTreeMap::new();
        let mut module = None;
        for listener in &bootstrap.listeners {
            let Some((plugin, policy)) = &listener.evenkeel else {
                continue;
            };
            let path = bootstrap.module.clone().map_or_else(module_path, Ok)?;
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
            bootstrap.concurrency,
            directory.path(),
        )?;
        Self::once_ready(process, directory, module, plugins).await
    }

    /// Starts an Envoy from a configuration file as a user has it, JSON or YAML, with one worker. Its
    /// relative paths are resolved against the folder of `config`.
    ///
    /// # Errors
    /// As [`Envoy::start`].
    pub async fn start_file(config: &Path) -> Result<Self> {
        let directory = TempDir::new().context("no temporary directory")?;
        let config = config
            .canonicalize()
            .with_context(|| format!("no {}", config.display()))?;
        let process = Process::start(envoy_path()?, &config, 1, directory.path())?;
        Self::once_ready(process, directory, None, BTreeMap::new()).await
    }

    async fn once_ready(
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
                let answer = Client::http1(admin).get("/ready").await?;
                Ok((answer.body.trim() == "LIVE").then_some(Ok(())))
            }
        });
        let live = live.await.with_context(|| log_tail(directory.path()))?;
        live.map_err(|status| died(&status, directory.path()))?;
        let listeners = parse_listeners(&ask_admin(admin, "/listeners?format=json").await?)?;
        Ok(Self {
            process,
            directory,
            module,
            admin,
            listeners,
            plugins,
        })
    }

    /// Where the listener of that name listens.
    ///
    /// # Panics
    /// When there is no such listener: a mistake in the test.
    pub fn address(&self, listener: &str) -> SocketAddr {
        match self.listeners.get(listener) {
            Some(address) => *address,
            None => panic!("no listener {listener} among {:?}", self.listeners.keys()),
        }
    }

    /// Where its admin interface listens.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Every counter and gauge at this moment.
    ///
    /// # Errors
    /// When Envoy does not answer, because it died.
    pub async fn stats(&self) -> Result<Stats> {
        Ok(Stats::parse(&self.admin("/stats").await?))
    }

    /// The body of a GET to Envoy's admin interface, for instance `/stats/prometheus`.
    ///
    /// # Errors
    /// When Envoy does not answer, because it died, or answers with an error.
    pub async fn admin(&self, path: &str) -> Result<String> {
        ask_admin(self.admin, path).await
    }

    /// Ends every HTTP connection with its next answer, as a pod does that is told to terminate. It still
    /// takes others: who sends it none is to be told beforehand.
    ///
    /// # Errors
    /// When Envoy does not answer, because it died.
    pub async fn drain(&self) -> Result<()> {
        let path = "/healthcheck/fail";
        let request = Request::post(path).body(Full::default())?;
        body(path, Client::http1(self.admin).send(request).await?)?;
        Ok(())
    }

    /// What Envoy has logged so far, the module's lines included.
    pub fn log(&self) -> String {
        fs::read_to_string(log_file(self.directory.path())).unwrap_or_default()
    }

    /// The process id, for what `/proc` tells about memory and CPU.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Gives the module on `listener` another policy, and waits until Envoy has taken it in every role
    /// the listener carries. Whether the module accepts it is for the module's metrics to tell.
    ///
    /// # Errors
    /// When the listener carries no module, or Envoy refuses the configuration.
    pub async fn replace_policy(&self, listener: &str, policy: impl ToString) -> Result<()> {
        let (Some(plugin), Some(module)) = (self.plugins.get(listener), &self.module) else {
            bail!("the listener {listener} carries no module");
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
            self.rises(&stat, before.get(&stat)).await?;
        }
        Ok(())
    }

    /// Gives `cluster` other endpoints, and waits until Envoy has taken them.
    ///
    /// # Errors
    /// When Envoy does not take them.
    pub async fn replace_endpoints(&self, cluster: &str, endpoints: &[SocketAddr]) -> Result<()> {
        let stat = format!("cluster.{cluster}.update_success");
        let before = self.stats().await?.get(&stat);
        write_endpoints(self.directory.path(), cluster, endpoints)?;
        self.rises(&stat, before).await
    }

    async fn rises(&self, stat: &str, before: u64) -> Result<()> {
        eventually(&format!("{stat} to rise above {before}"), || async {
            let stats = self.stats().await?;
            Ok((stats.get(stat) > before).then_some(()))
        })
        .await
        .with_context(|| log_tail(self.directory.path()))
    }
}

/// Ends with its owner: a test that fails leaves no Envoy behind.
#[derive(Debug)]
struct Process(Child);

impl Process {
    fn start(envoy: PathBuf, config: &Path, concurrency: u32, directory: &Path) -> Result<Self> {
        let log = fs::File::create(log_file(directory))?;
        let child = Command::new(&envoy)
            .arg("--config-path")
            .arg(config)
            .args(["--concurrency", &concurrency.to_string()])
            // Without hot restart there is no base id, over which two Envoys could stumble.
            .arg("--disable-hot-restart")
            .arg("--admin-address-path")
            .arg(directory.join("admin"))
            .current_dir(config.parent().unwrap_or(directory))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // Envoy's own log file is flushed every ten seconds; its stderr at once.
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", envoy.display()))?;
        Ok(Self(child))
    }

    /// How it ended, if it did.
    fn ended(&mut self) -> Option<String> {
        let status = self.0.try_wait().ok().flatten()?;
        Some(status.to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn ask_admin(admin: SocketAddr, path: &str) -> Result<String> {
    body(path, Client::http1(admin).get(path).await?)
}

fn body(path: &str, answer: Answer) -> Result<String> {
    if answer.status != 200 {
        bail!(
            "Envoy's admin answers {path} with {}: {}",
            answer.status,
            answer.body
        );
    }
    Ok(answer.body)
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
        move_in_place(&directory.join(role.resource(listener)), &discovery)?;
    }
    Ok(())
}

fn write_endpoints(directory: &Path, cluster: &str, endpoints: &[SocketAddr]) -> Result<()> {
    let discovery = Cluster::discovery(cluster, endpoints);
    move_in_place(&directory.join(Cluster::file(cluster)), &discovery)
}

/// Envoy watches for a move, not for a write, so that it never reads half a file.
fn move_in_place(file: &Path, content: &Value) -> Result<()> {
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

/// The last lines that say something: the list of Envoy's extensions does not.
fn log_tail(directory: &Path) -> String {
    let log = fs::read_to_string(log_file(directory)).unwrap_or_default();
    let said: Vec<_> = log
        .lines()
        .filter(|line| !line.contains("]   envoy."))
        .collect();
    let start = said.len().saturating_sub(12);
    said.get(start..).unwrap_or_default().join("\n")
}
