//! A real Prometheus of Debian, for the queries of the dashboard and of the alert rules.

use std::fmt::Write;
use std::fs::{self, File};
use std::future::ready;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use evenkeel_test_envoy::{Client, eventually};
use evenkeel_test_tools::debian;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Returns the root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns a program of Debian's package.
///
/// # Errors
/// When the package cannot be downloaded, with the output of apt-get.
pub fn program(name: &str) -> Result<PathBuf> {
    debian::binary("prometheus", name)
        .with_context(|| format!("{name} is not installed, and Debian's prometheus cannot be had"))
}

/// A target of Prometheus with its labels.
#[derive(Clone, Debug)]
pub struct Target {
    /// The job's name.
    pub job: &'static str,
    /// The admin interface of an Envoy.
    pub address: SocketAddr,
    /// Further labels, by name.
    pub labels: Value,
}

/// A running Prometheus. Dropping it ends the process and removes its files.
#[derive(Debug)]
pub struct Prometheus {
    process: Child,
    _directory: TempDir,
    client: Client,
}

impl Prometheus {
    /// Starts a Prometheus that scrapes these targets every second, and waits until it responds.
    ///
    /// # Errors
    /// When it cannot be downloaded, or ends, with its log.
    pub async fn start(targets: &[Target]) -> Result<Self> {
        let program = program("prometheus")?;
        let directory = TempDir::new().context("no temporary directory")?;
        let config = directory.path().join("prometheus.yml");
        // JSON is YAML, too.
        fs::write(&config, configuration(targets).to_string())?;
        let log = directory.path().join("log");
        let mut process = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.path().display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("cannot start prometheus")?;
        let address = eventually("Prometheus to listen", || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let ended = process.try_wait().ok().flatten();
            ready(match (listens_on(&text), ended) {
                (_, Some(status)) => Err(anyhow::anyhow!("it ended ({status})\n{text}")),
                (address, None) => Ok(address),
            })
        });
        let address = match address.await {
            Ok(address) => address,
            Err(error) => {
                let _ = process.kill();
                let _ = process.wait();
                return Err(error.context("Prometheus does not start"));
            }
        };
        let prometheus = Self {
            process,
            _directory: directory,
            client: Client::http1(address),
        };
        eventually("Prometheus to be ready", || async {
            let response = prometheus.client.get("/-/ready").await?;
            Ok((response.status == 200).then_some(()))
        })
        .await?;
        Ok(prometheus)
    }

    /// Returns the current value of each series of a query.
    ///
    /// # Errors
    /// When Prometheus rejects the query, with its error.
    pub async fn query(&self, query: &str) -> Result<Vec<f64>> {
        let path = format!("/api/v1/query?query={}", encoded(query));
        let data = self.get(&path).await.with_context(|| query.to_owned())?;
        let results = data["result"].as_array().cloned().unwrap_or_default();
        let value = |series: &Value| series["value"][1].as_str()?.parse().ok();
        Ok(results.iter().filter_map(value).collect())
    }

    /// Returns the values of a label on the series of a metric.
    ///
    /// # Errors
    /// When Prometheus rejects the request, with its error.
    pub async fn label_values(&self, metric: &str, label: &str) -> Result<Vec<String>> {
        let path = format!("/api/v1/label/{label}/values?match[]={}", encoded(metric));
        let data = self.get(&path).await?;
        Ok(serde_json::from_value(data)?)
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let response = self.client.get(path).await?;
        if response.status != 200 {
            bail!(
                "Prometheus responds with {}: {}",
                response.status,
                response.body
            );
        }
        let mut json: Value = serde_json::from_str(&response.body)?;
        Ok(json["data"].take())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Both fail only when the process has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(targets: &[Target]) -> Value {
    let mut jobs: Vec<_> = targets.iter().map(|target| target.job).collect();
    jobs.sort_unstable();
    jobs.dedup();
    let scraped = |job: &&str| {
        let targets: Vec<_> = targets
            .iter()
            .filter(|target| target.job == *job)
            .map(|target| json!({ "targets": [target.address.to_string()], "labels": target.labels }))
            .collect();
        json!({ "job_name": job, "metrics_path": "/stats/prometheus", "static_configs": targets })
    };
    let jobs: Vec<_> = jobs.iter().map(scraped).collect();
    json!({ "global": { "scrape_interval": "1s" }, "scrape_configs": jobs })
}

/// Returns the address in `msg="Listening on" address=127.0.0.1:9090`.
fn listens_on(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once("\"Listening on\" address=")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Returns a percent-encoded query value (RFC 3986 2.1).
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
