//! Writes again what is generated, each by an example of the crate that knows how.

use anyhow::Result;

use crate::shell::Shell;
use crate::workspace::Workspace;

/// The examples, as cargo takes them. A test of the same crate compares what they write.
const WRITERS: [&str; 3] = [
    // policies/policy.schema.json and the table in docs/policy.md
    "-p evenkeel-policy --features schema --example schema",
    // istio/
    "-p evenkeel --example manifests",
    // istio/dashboard/ and the table in docs/operating.md
    "-p evenkeel --example seen",
];

/// Lets them write.
///
/// # Errors
/// When one does not compile or cannot write.
pub fn write(workspace: &Workspace) -> Result<()> {
    let mut shell = Shell::shown();
    for writer in WRITERS {
        shell.run(workspace.cargo(&format!("run --quiet {writer}")))?;
    }
    Ok(())
}
