//! Benchmarks: time in the scanners and the engine, the counted cost of each kind of exchange, and the cost in a real
//! Envoy.

mod affinity;
mod contender;
mod envoy;
mod load;
mod page;
mod process;
mod processes;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use evenkeel_report::terminal;

use crate::envoy as provision;
use crate::shell::Shell;
use crate::wasm;
use crate::workspace::Workspace;

/// The table of counts, which a test of the module compares.
const COUNTS: &str = "tests/module/cost.md";

/// The options of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Args {
    /// Fewer samples: less precise
    #[arg(long, conflicts_with = "counts")]
    quick: bool,
    /// Only count VM entries, hostcalls and instructions, and write tests/module/cost.md
    #[arg(long)]
    counts: bool,
    /// Only measure CPU, memory and response times in a real Envoy, beside its own limits and Lua filters
    #[arg(long, conflicts_with = "counts")]
    envoy: bool,
    /// With --envoy: only start, memory and idle connections
    #[arg(long, requires = "envoy", conflicts_with = "page")]
    processes: bool,
    /// With --envoy: only the load with this name, as docs/cost.md states it, such as HTTP/1
    #[arg(long, value_name = "NAME", requires = "envoy", conflicts_with_all = ["page", "processes"])]
    load: Option<String>,
    /// How often --envoy measures each contender: more is more precise
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=99), requires = "envoy", conflicts_with = "quick")]
    rounds: u32,
    /// Write all numbers of --envoy to this file
    #[arg(long, value_name = "FILE", requires = "envoy")]
    json: Option<PathBuf>,
    /// Write the page of the documentation to this file
    #[arg(long, value_name = "FILE", requires = "envoy")]
    page: Option<PathBuf>,
}

/// Runs the benchmarks, then counts what each kind of exchange costs.
///
/// # Errors
/// When something does not compile or fails.
pub fn run(args: &Args, workspace: &Workspace) -> Result<()> {
    let mut shell = Shell::inherit();
    if args.envoy {
        return in_envoy(args, workspace, &mut shell);
    }
    if !args.counts {
        time(args.quick, workspace, &mut shell)?;
    }
    count(workspace, &mut shell)
}

fn time(quick: bool, workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    // By name: a library's unit tests would run as benchmarks too, and reject criterion's flags.
    let mut benches = workspace.cargo("bench -p evenkeel-wire -p evenkeel-engine --bench *");
    if quick {
        benches.args(["--", "--quick"]);
    }
    shell.run(benches)
}

/// Writes the table of counts, and prints it.
fn count(workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    let module = wasm::build(workspace, shell)?;
    terminal::line(&module.to_string());
    let mut cost = workspace.cargo("test --quiet --workspace --test module cost::");
    cost.env("EVENKEEL_WASM", &module.path);
    cost.env("EVENKEEL_WRITE_COST", "");
    shell.run(cost)?;
    let table = fs::read_to_string(workspace.root.join(COUNTS));
    terminal::line(&table.with_context(|| format!("no {COUNTS}"))?);
    Ok(())
}

/// How long to measure in a real Envoy.
fn effort(args: &Args) -> envoy::Effort {
    if args.quick {
        envoy::Effort {
            rounds: 3,
            seconds: 1,
            scale: 10,
        }
    } else {
        envoy::Effort {
            rounds: args.rounds as usize,
            seconds: 10,
            scale: 1,
        }
    }
}

/// Measures in a real Envoy, and prints the page.
fn in_envoy(args: &Args, workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    let module = wasm::build(workspace, shell)?;
    let binary = provision::pinned()?;
    let directory = workspace.target.join("bench");
    let effort = effort(args);
    let part = match &args.load {
        Some(name) => envoy::Part::Load(load::find(name, effort.scale)?),
        None if args.processes => envoy::Part::Processes,
        None => envoy::Part::All,
    };
    let run = envoy::measure(&module.path, &binary, &directory, effort, part);
    let runtime = tokio::runtime::Runtime::new()?;
    let report = runtime.block_on(run)?;
    if let Some(path) = &args.json {
        fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    let page = page::page(&report, provision::PINNED);
    match &args.page {
        Some(path) => fs::write(path, page)?,
        None => terminal::line(&page),
    }
    Ok(())
}
