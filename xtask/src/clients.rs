//! `cargo xtask clients`: the matrix of real clients, with the module and the Envoy that it needs.

use anyhow::Result;

use crate::shell::Shell;
use crate::workspace::Workspace;
use crate::{envoy, wasm};

/// Runs the matrix; `args` are its own.
///
/// # Errors
/// When the module or an Envoy cannot be had, or a client failed a request.
pub fn run(args: &[String], workspace: &Workspace) -> Result<()> {
    let mut shell = Shell::shown();
    let module = wasm::build(workspace, &mut shell)?;
    let mut matrix = workspace.cargo("run --quiet --package evenkeel-test-clients --");
    matrix
        .args(args)
        .env("EVENKEEL_WASM", module.path)
        .env("EVENKEEL_ENVOY", envoy::pinned()?);
    shell.run(matrix)
}
