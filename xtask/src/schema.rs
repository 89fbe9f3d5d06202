//! Writes again what is generated from the policy's types.

use anyhow::Result;

use crate::shell::Shell;
use crate::workspace::Workspace;

/// Lets the policy crate write `policies/policy.schema.json`.
///
/// # Errors
/// When it does not compile or cannot write.
pub fn write(workspace: &Workspace) -> Result<()> {
    let example = "run --quiet -p evenkeel-policy --features schema --example schema";
    Shell::shown().run(workspace.cargo(example))
}
