//! Programs of the tests with a command line of their own (the client matrix, databases, the lab), with the module and
//! the Envoy that they need.

use std::process::Command;

use anyhow::Result;

use crate::shell::Shell;
use crate::workspace::Workspace;
use crate::{envoy, wasm};

/// The matrix of real clients.
pub const CLIENTS: &str = "evenkeel-test-clients";

/// Real clients of databases and brokers.
pub const DATABASES: &str = "evenkeel-test-databases";

/// The lab: pods in network namespaces.
pub const LAB: &str = "evenkeel-test-lab";

/// Runs a program with its own arguments.
///
/// # Errors
/// When the module or an Envoy is not available, or the program fails.
pub fn run(name: &str, args: &[String], workspace: &Workspace) -> Result<()> {
    let mut shell = Shell::inherit();
    let mut program = command(name, workspace, &mut shell)?;
    program.args(args);
    shell.run(program)
}

/// Builds a program; returns its command, without arguments.
///
/// # Errors
/// When the module or an Envoy is not available.
pub fn command(name: &str, workspace: &Workspace, shell: &mut Shell) -> Result<Command> {
    let module = wasm::build(workspace, shell)?;
    // Built with the whole workspace, as the tests: for one package, cargo would rebuild dependencies with fewer features.
    shell.run(workspace.cargo(&format!("build --quiet --workspace --bin {name}")))?;
    let mut program = Command::new(workspace.target.join("debug").join(name));
    program
        .current_dir(&workspace.root)
        .env("EVENKEEL_WASM", module.path)
        .env("EVENKEEL_ENVOY", envoy::pinned()?);
    Ok(program)
}
