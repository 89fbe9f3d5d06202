//! Benchmarks: time in the scanners and the engine, and the counted cost of each kind of exchange.

use std::fs;

use anyhow::{Context, Result};
use evenkeel_report::terminal;

use crate::shell::Shell;
use crate::wasm;
use crate::workspace::Workspace;

/// The table of counts, which a test of the module compares.
const COUNTS: &str = "tests/module/cost.md";

/// The options of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Args {
    /// Fewer samples: seconds instead of minutes, less precise
    #[arg(long, conflicts_with = "counts")]
    quick: bool,
    /// Only count VM entries, hostcalls and instructions, and write tests/module/cost.md
    #[arg(long)]
    counts: bool,
}

/// Runs the benchmarks, then counts what each kind of exchange costs.
///
/// # Errors
/// When something does not compile or fails.
pub fn run(args: &Args, workspace: &Workspace) -> Result<()> {
    let mut shell = Shell::inherit();
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
