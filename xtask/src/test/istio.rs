//! The step `istio`: Istio's own control plane, in Go, with the module, the command line and a stock Envoy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use evenkeel_metrics::{Label, Metric, Values};
use serde_json::{Map, Value, json};

use crate::shell::Shell;
use crate::workspace::Workspace;
use crate::{dist, envoy, wasm};

pub(super) fn run(workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    let sources = workspace.root.join("tests/istio");
    has_go(&sources)?;
    is_formatted(&sources)?;
    let module = wasm::build(workspace, shell)?;
    let images = workspace.target.join("istio").join("oci");
    dist::write(
        &dist::image::layout(&fs::read(&module.path)?, dist::VERSION)?,
        &images,
    )?;
    let metrics = workspace.target.join("istio").join("metrics.json");
    fs::write(&metrics, listed_metrics().to_string())?;
    let envoy = envoy::pinned()?;
    shell.run(workspace.cargo("build --workspace --bin evenkeel"))?;
    let cli = workspace
        .target
        .join("debug")
        .join(format!("evenkeel{}", std::env::consts::EXE_SUFFIX));
    shell.note("Building Istio for its tests: about five minutes the first time, seconds later");
    let vetted = shell.run(go(&sources, &["vet", "./..."]));
    // Go would reuse a cached result: it does not read the files that the variables name.
    let mut stories = go(&sources, &["test", "-count=1", "-timeout=15m", "./..."]);
    stories
        .env("EVENKEEL_WASM", module.path)
        .env("EVENKEEL_IMAGES", images)
        .env("EVENKEEL_ENVOY", envoy)
        .env("EVENKEEL_CLI", cli)
        .env("EVENKEEL_METRICS", metrics);
    // Run both, so that one failure does not hide the other.
    let passed = shell.run(stories);
    vetted.and(passed)
}

/// Every metric with its labels and their values, by which the stories in Go check the names that they read: null for
/// a label whose values are not known beforehand.
fn listed_metrics() -> Value {
    let values = |label: &Label| match label.values() {
        Values::Fixed(values) => (label.tag().to_owned(), json!(values)),
        Values::Met(_) => (label.tag().to_owned(), Value::Null),
    };
    let metric = |metric: &Metric| {
        let labels: Map<String, Value> = metric.labels().iter().map(values).collect();
        (metric.name().to_owned(), Value::Object(labels))
    };
    Value::Object(Metric::ALL.iter().map(metric).collect())
}

fn go(sources: &Path, args: &[&str]) -> Command {
    let mut go = Command::new("go");
    go.args(args).current_dir(sources);
    go
}

fn has_go(sources: &Path) -> Result<()> {
    // In the directory of the manifest, which selects the toolchain.
    let version = go(sources, &["version"]).stdout(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        bail!(
            "Istio's code needs Go 1.26 or later, and `go version` cannot be run: install it, \
             or leave this step out by naming others with `cargo xtask test --only`"
        );
    }
    Ok(())
}

fn is_formatted(sources: &Path) -> Result<()> {
    let output = Command::new("gofmt")
        .args(["-l", "."])
        .current_dir(sources)
        .output()
        .context("cannot run gofmt, which comes with Go")?;
    let wrong = String::from_utf8_lossy(&output.stdout);
    let wrong: Vec<PathBuf> = wrong.lines().map(|file| sources.join(file)).collect();
    if !output.status.success() || !wrong.is_empty() {
        bail!("not formatted: {wrong:?}: run `gofmt -w tests/istio`");
    }
    Ok(())
}
