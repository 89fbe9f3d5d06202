//! Regenerates committed files. A test compares each with what is generated.

use std::fs;

use anyhow::{Context, Result};

use crate::demo::readme;
use crate::shell::Shell;
use crate::workspace::Workspace;

/// The examples that write files, as arguments of cargo.
const WRITERS: [&str; 3] = [
    // policies/policy.schema.json and the table in docs/policy.md
    "-p evenkeel-policy --features schema --example schema",
    // istio/
    "-p evenkeel --example manifests",
    // istio/dashboard/ and the table in docs/operating.md
    "-p evenkeel --example seen",
];

/// Draws the chart in README.md and runs the examples.
///
/// # Errors
/// When one does not compile or cannot write.
pub fn write(workspace: &Workspace) -> Result<()> {
    let mut shell = Shell::inherit();
    for (path, chart) in readme::charts(&workspace.root)? {
        let path = workspace.root.join(path);
        fs::write(&path, chart).with_context(|| format!("cannot write {}", path.display()))?;
    }
    for writer in WRITERS {
        shell.run(workspace.cargo(&format!("run --quiet {writer}")))?;
    }
    Ok(())
}
