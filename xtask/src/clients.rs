//! `cargo xtask clients`: the matrix of real clients, with the module and the Envoy that it needs.

use std::process::Command;

use anyhow::Result;

use crate::shell::Shell;
use crate::workspace::Workspace;
use crate::{envoy, wasm};

/// Runs the matrix with its arguments.
///
/// # Errors
/// When the module or an Envoy is not available, or a request of a client failed.
pub fn run(args: &[String], workspace: &Workspace) -> Result<()> {
    let mut shell = Shell::inherit();
    let mut matrix = command(workspace, &mut shell)?;
    matrix.args(args);
    shell.run(matrix)
}

/// Returns the command of the runner without its arguments.
///
/// # Errors
/// When the module or an Envoy is not available.
pub fn command(workspace: &Workspace, shell: &mut Shell) -> Result<Command> {
    let module = wasm::build(workspace, shell)?;
    // Built with the whole workspace, as the tests: for one package, cargo would rebuild dependencies with fewer features.
    shell.run(workspace.cargo("build --quiet --workspace --bin evenkeel-test-clients"))?;
    let mut matrix = Command::new(workspace.target.join("debug/evenkeel-test-clients"));
    matrix
        .current_dir(&workspace.root)
        .env("EVENKEEL_WASM", module.path)
        .env("EVENKEEL_ENVOY", envoy::pinned()?);
    Ok(matrix)
}
