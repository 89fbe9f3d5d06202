//! The steps of `cargo xtask test`, quick ones first.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::{deny, dist, versions};
use crate::runner::{self, CLIENTS, DATABASES, LAB};
use crate::shell::Shell;
use crate::wasm::TARGET;
use crate::workspace::Workspace;
use crate::{envoy, wasm, wasm_bindgen};

/// The crates without IO, whose unit tests also run on the machine they are compiled for.
const PURE: &str = "-p evenkeel-policy -p evenkeel-wire -p evenkeel-engine";

/// The tests in a real Envoy: the test harness, the stories, and the configurations of `envoy/`.
pub const IN_ENVOY: [&str; 3] = ["harness", "stories", "configurations"];

/// Every test target that needs the built module or an Envoy, which `cargo test` leaves out (`test = false`).
const BY_NAME: [&str; 7] = [
    "module",
    "harness",
    "stories",
    "configurations",
    "prometheus",
    "http1",
    "http2",
];

/// Each run of the clients of databases takes several connection ages.
const WITHOUT_LOSS: &str = "--contender none,raw,protocol,rebalance --seconds 14 --jobs 5";

/// The cases of the lab that take a few seconds each, with both sets of rules.
const IN_CI: [&str; 3] = ["routers", "keep-alive", "http2"];

/// One step of `cargo xtask test`. They run in this order.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Step {
    Fmt,
    Clippy,
    Deny,
    Unit,
    WasmUnit,
    Wasm,
    Module,
    Envoy,
    Prometheus,
    Versions,
    Istio,
    Clients,
    Storm,
    Databases,
    Lab,
    Conformance,
    Doc,
    Walk,
    Dist,
    Demo,
}

impl Step {
    /// The name, as the command line takes it.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// What it checks.
    pub fn title(self) -> &'static str {
        match self {
            Self::Fmt => "the code is formatted",
            Self::Clippy => "lints pass, native and on wasm32",
            Self::Deny => "no dependency has an advisory, an incompatible license, or is banned",
            Self::Unit => "unit, property and differential tests; generated files are up to date",
            Self::WasmUnit => "unit tests of policy, wire and engine on wasm32, in Node",
            Self::Wasm => "the module builds",
            Self::Module => "tests of the built module in a test host",
            Self::Envoy => "tests of the built module in a real Envoy",
            Self::Prometheus => {
                "queries of the dashboard and the alerts in a real Prometheus with real Envoys"
            }
            Self::Versions => {
                "the tests that depend most on Envoy, in older releases; with --full all tests"
            }
            Self::Istio => {
                "tests with Istio's own control plane, and all manifests rendered for it"
            }
            Self::Clients => "real clients in every pattern, drained after every second request",
            Self::Storm => "real clients with many requests, drained by request count and by age",
            Self::Lab => {
                "cases of the problem on kube-proxy's own rules, in network namespaces (root)"
            }
            Self::Databases => {
                "real database and broker clients lose nothing when their connections are drained"
            }
            Self::Conformance => {
                "HTTP/1 and HTTP/2 conformance is equal with and without the module"
            }
            Self::Doc => "the documentation builds without warnings",
            Self::Walk => "the commands of docs/start.md work in sequence",
            Self::Dist => "the release is complete and reproducible",
            Self::Demo => "the short form of the demo has the promised results",
        }
    }

    /// Returns why the step cannot run here; None if it can. A missing tool is a failure instead.
    pub fn obstacle(self) -> Option<&'static str> {
        let is_root = rustix::process::geteuid().is_root();
        (self == Self::Lab && !is_root).then_some("network namespaces require root")
    }

    /// Runs the step; with `full` also the tests that take too long for every change.
    ///
    /// # Errors
    /// When a check fails or cannot run here.
    pub fn run(self, full: bool, workspace: &Workspace, shell: &mut Shell) -> Result<()> {
        match self {
            Self::Fmt => shell.run(workspace.cargo("fmt --all --check")),
            Self::Clippy => clippy(workspace, shell),
            Self::Deny => deny::run(workspace, shell),
            Self::Unit => shell.run(workspace.cargo("test --workspace --no-fail-fast")),
            Self::WasmUnit => wasm_unit(workspace, shell),
            Self::Wasm => {
                let module = wasm::build(workspace, shell)?;
                evenkeel_report::terminal::line(&module.to_string());
                Ok(())
            }
            Self::Module => {
                let module = wasm::build(workspace, shell)?;
                let mut stories = by_name(&["module"], workspace);
                stories.env("EVENKEEL_WASM", module.path);
                shell.run(stories)
            }
            Self::Envoy => in_pinned_envoy(&IN_ENVOY, workspace, shell),
            Self::Prometheus => in_pinned_envoy(&["prometheus"], workspace, shell),
            Self::Versions => versions::run(full, workspace, shell),
            Self::Istio => super::istio::run(workspace, shell),
            Self::Clients => program(CLIENTS, &["--ci", "--requests", "300"], workspace, shell),
            Self::Storm => program(
                CLIENTS,
                &["--storm", "--requests", "1500"],
                workspace,
                shell,
            ),
            Self::Databases => {
                let args: Vec<_> = WITHOUT_LOSS.split(' ').collect();
                program(DATABASES, &args, workspace, shell)
            }
            Self::Lab => program(LAB, &IN_CI, workspace, shell),
            Self::Conformance => in_pinned_envoy(&["http1", "http2"], workspace, shell),
            Self::Doc => {
                let mut doc = workspace.cargo("doc --workspace --no-deps");
                doc.env("RUSTDOCFLAGS", "-D warnings");
                shell.run(doc)
            }
            Self::Walk => super::walk::run(workspace, shell),
            Self::Dist => dist::check(workspace, shell),
            Self::Demo => play_demo(workspace, shell),
        }
    }
}

fn clippy(workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    shell.run(workspace.cargo("clippy --workspace --all-targets -- -D warnings"))?;
    // `--all-targets` leaves out those that run by name only.
    let mut by_name = workspace.cargo("clippy --workspace");
    by_name.args(BY_NAME.iter().flat_map(|target| ["--test", target]));
    by_name.args(["--", "-D", "warnings"]);
    shell.run(by_name)?;
    wasm::add_target(workspace, shell)?;
    let on_wasm =
        format!("clippy --target {TARGET} --lib {PURE} -p evenkeel-plugin -- -D warnings");
    shell.run(workspace.cargo(&on_wasm))
}

fn in_pinned_envoy(targets: &[&str], workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    in_envoy(targets, &[], &envoy::pinned()?, workspace, shell)
}

/// Runs the tests of `targets`, or `which` of them, with the built module in that Envoy.
///
/// # Errors
/// When one of them fails.
pub fn in_envoy(
    targets: &[&str],
    which: &[&str],
    envoy: &Path,
    workspace: &Workspace,
    shell: &mut Shell,
) -> Result<()> {
    let module = wasm::build(workspace, shell)?;
    let mut stories = by_name(targets, workspace);
    if !which.is_empty() {
        stories.args(["--", "--exact"]).args(which);
    }
    stories
        .env("EVENKEEL_WASM", module.path)
        .env("EVENKEEL_ENVOY", envoy)
        // They mostly wait for an age to pass.
        .env("RUST_TEST_THREADS", "4");
    shell.run(stories)
}

/// The tests of these targets, which the step `unit` leaves out. Like that, this takes the whole workspace: for a
/// package of its own, cargo would rebuild dependencies with fewer features.
fn by_name(targets: &[&str], workspace: &Workspace) -> Command {
    let mut tests = workspace.cargo("test --workspace --no-fail-fast");
    tests.args(targets.iter().flat_map(|target| ["--test", target]));
    tests
}

fn program(name: &str, args: &[&str], workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    let mut program = runner::command(name, workspace, shell)?;
    program.args(args);
    shell.run(program)
}

fn play_demo(workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    let directory = workspace.target.join("demo");
    let json = directory.join("quick.json");
    // Remove the result of an earlier run.
    let _ = fs::remove_file(&json);
    let mut demo = workspace.cargo("run --quiet --package xtask -- demo --quick");
    demo.arg("--json").arg(&json);
    demo.arg("--html").arg(directory.join("quick.html"));
    shell.run(demo)?;
    let json = fs::read_to_string(&json).with_context(|| format!("no {}", json.display()))?;
    super::demo::check(&json)
}

fn wasm_unit(workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    wasm::add_target(workspace, shell)?;
    let runner = wasm_bindgen::runner(workspace)?;
    let mut tests = workspace.cargo(&format!(
        "test --no-fail-fast --target {TARGET} --lib {PURE}"
    ));
    tests.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner);
    shell.run(tests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    /// Clippy would not check a target that is not in the list.
    #[test]
    fn tests_that_run_by_name_are_listed() {
        let root = Workspace::find().unwrap().root;
        let mut by_name = Vec::new();
        for package in fs::read_dir(root.join("tests")).unwrap() {
            let manifest = package.unwrap().path().join("Cargo.toml");
            let Ok(manifest) = fs::read_to_string(manifest) else {
                continue;
            };
            for target in manifest.split("[[test]]").skip(1) {
                let name = target.split("name = \"").nth(1).unwrap();
                if target.contains("\ntest = false\n") {
                    by_name.push(name.split('"').next().unwrap().to_owned());
                }
            }
        }
        by_name.sort();
        let mut listed = BY_NAME.to_vec();
        listed.sort_unstable();
        assert_eq!(by_name, listed);
    }
}
