//! Benchmarks: time in the scanners and the engine, and VM entries and hostcalls per request.

use anyhow::Result;
use evenkeel_report::terminal;

use crate::shell::Shell;
use crate::wasm;
use crate::workspace::Workspace;

/// The options of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Args {
    /// Fewer samples: seconds instead of minutes, less precise
    #[arg(long)]
    quick: bool,
}

/// Runs the benchmarks, then counts VM entries and hostcalls per request.
///
/// # Errors
/// When something does not compile or fails.
pub fn run(args: &Args, workspace: &Workspace) -> Result<()> {
    let mut shell = Shell::inherit();
    // By name: a library's unit tests would run as benchmarks too, and reject criterion's flags.
    let mut benches = workspace.cargo("bench -p evenkeel-wire -p evenkeel-engine --bench *");
    if args.quick {
        benches.args(["--", "--quick"]);
    }
    shell.run(benches)?;
    let module = wasm::build(workspace, &mut shell)?;
    terminal::line(&module.to_string());
    let mut cost = workspace.cargo("run --quiet --release -p evenkeel-test-module --example cost");
    cost.env("EVENKEEL_WASM", &module.path);
    shell.run(cost)
}
