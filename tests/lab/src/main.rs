//! `cargo xtask lab`: each case of the problem on kube-proxy's own rules, before and after.
//!
//! Exit codes: 0 for success, 1 for a failure, 2 for an invalid command line, 130 for Ctrl-C.

mod case;
mod client_group;
mod history;
mod namespace;
mod network;
mod outcome;
mod pod;
mod report;
mod services;
mod sidecar;
mod site;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use evenkeel_report::terminal;
use tokio::signal::unix::{SignalKind, signal};

use case::{Case, Lab};
use report::Played;
use services::Rules;

/// Reproduce each case of the problem on kube-proxy's own rules, between pods in network namespaces (requires root)
#[derive(Parser)]
#[command(name = "cargo xtask lab", bin_name = "cargo xtask lab")]
struct Args {
    /// The cases [default: all]
    #[arg(value_enum)]
    cases: Vec<Case>,
    /// The rules of kube-proxy [default: both]
    #[arg(long, value_enum, value_delimiter = ',')]
    rules: Vec<Rules>,
    /// Also write the results to this file, as JSON
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
    /// Also write a page with charts to this file
    #[arg(long, value_name = "PATH")]
    html: Option<PathBuf>,
    /// Also write the page of the documentation to this file, with images beside it
    #[arg(long, value_name = "PATH")]
    page: Option<PathBuf>,
    /// Add the results of an earlier --json to the files, for other cases and rules than those of this run
    #[arg(long, value_name = "PATH")]
    merge: Option<PathBuf>,
    /// The seed of the clients' pauses; the kernel's selections have none
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// List the cases
    #[arg(long)]
    list: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match stoppable(run(&args)).await {
        Ok(code) => code,
        Err(error) => {
            terminal::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Ends the lab on Ctrl-C or SIGTERM; what it has created is dropped, and with it deleted.
async fn stoppable(lab: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        outcome = lab => outcome,
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
        _ = terminate.recv() => Ok(ExitCode::from(143)),
    }
}

async fn run(args: &Args) -> Result<ExitCode> {
    let cases = or_all(&args.cases);
    if args.list {
        for case in cases {
            terminal::line(&format!("{:15} {}", name(case), case.about().title));
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !rustix::process::geteuid().is_root() {
        bail!(
            "the lab creates network namespaces: run `sudo -E cargo xtask lab`, or `cargo xtask demo`, which needs no root"
        );
    }
    namespace::ip("-V").context("the lab needs iproute2")?;
    namespace::sweep()?;
    let (mut played, mut failed) = (Vec::new(), 0);
    for rules in or_all(&args.rules) {
        let lab = Lab {
            rules,
            seed: args.seed,
        };
        for case in cases.iter().copied() {
            terminal::note(&format!("{case}, {rules}: {}", case.about().title));
            let start = Instant::now();
            let outcome = match case.run(&lab).await {
                Ok(outcome) => outcome,
                Err(error) => {
                    terminal::error(format!("{case}, {rules}: {error:#}"));
                    failed += 1;
                    continue;
                }
            };
            failed += usize::from(!outcome.passed());
            let seconds = start.elapsed().as_secs_f64().round();
            let result = Played {
                case,
                rules,
                seconds,
                outcome,
            };
            terminal::text(&report::terminal(&result));
            played.push(result);
        }
    }
    let run = cases.len() * or_all(&args.rules).len();
    write_all(args, played)?;
    terminal::line(&format!("lab: {} passed, {failed} failed", run - failed));
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Writes the files that the command line names.
fn write_all(args: &Args, mut played: Vec<Played>) -> Result<()> {
    if let Some(path) = &args.merge {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        played = report::merge(played, serde_json::from_str(&text)?);
    }
    if let Some(path) = &args.json {
        write(path, &(serde_json::to_string_pretty(&played)? + "\n"))?;
    }
    if let Some(path) = &args.html {
        write(path, &report::page(&played))?;
    }
    if let Some(path) = &args.page {
        write(path, &report::markdown(&played))?;
        for (image, svg) in report::images(&played) {
            write(&path.with_file_name(image), &svg)?;
        }
    }
    Ok(())
}

/// Returns the chosen values; all of them where none is chosen.
fn or_all<T: ValueEnum>(chosen: &[T]) -> Vec<T> {
    match chosen {
        [] => T::value_variants().to_vec(),
        _ => chosen.to_vec(),
    }
}

/// Returns the name of a value, as the command line takes it.
fn name(value: impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
