//! `cargo xtask lab`: each case of the problem on kube-proxy's own rules, before and after.
//!
//! Exit codes: 0 for success, 1 for a failure, 2 for an invalid command line, 130 for Ctrl-C.

mod case;
mod course;
mod crowd;
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
            terminal::line(&format!("{:12}  {}", name(case), case.about().title));
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
    let mut played = Vec::new();
    for rules in or_all(&args.rules) {
        let seed = args.seed;
        let lab = Lab { rules, seed };
        for case in cases.iter().copied() {
            terminal::note(&format!(
                "{}, {}: {}",
                name(case),
                name(rules),
                case.about().title
            ));
            let start = Instant::now();
            let outcome = case.run(&lab).await?;
            let result = Played {
                case: name(case),
                rules: name(rules),
                seconds: start.elapsed().as_secs_f64().round(),
                about: case.about(),
                outcome,
            };
            terminal::text(&report::terminal(&result));
            played.push(result);
        }
    }
    if let Some(path) = &args.json {
        write(path, &(serde_json::to_string_pretty(&played)? + "\n"))?;
    }
    if let Some(path) = &args.html {
        write(path, &report::page(&played))?;
    }
    if let Some(path) = &args.page {
        let cases: String = args.cases.iter().map(|case| name(*case) + " ").collect();
        let command = format!("cargo xtask lab {cases}--page {}", path.display());
        write(path, &report::markdown(&played, &command))?;
        for (image, svg) in report::images(&played) {
            write(&path.with_file_name(image), &svg)?;
        }
    }
    let failed = played
        .iter()
        .filter(|result| !result.outcome.passed())
        .count();
    terminal::line(&format!(
        "lab: {} passed, {failed} failed",
        played.len() - failed
    ));
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
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
