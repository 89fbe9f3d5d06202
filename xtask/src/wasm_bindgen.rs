//! Provides the program that runs wasm32 tests under Node: `wasm-bindgen-test-runner`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use evenkeel_report::terminal;

use crate::cache::Cache;
use crate::shell::Shell;
use crate::workspace::Workspace;

/// The version must be that of the crate `wasm-bindgen` in `Cargo.lock`, because they share a private format.
const VERSION: &str = "0.2.120";
const RUNNER: &str = "wasm-bindgen-test-runner";

/// Returns the path of the runner; builds it once.
///
/// # Errors
/// When Node is missing, or the runner cannot be built.
pub fn runner(workspace: &Workspace) -> Result<PathBuf> {
    Command::new("node")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .context(
            "no node, which runs the wasm32 tests: install Node.js 18 or later (nodejs on Debian)",
        )?;
    let path = format!("bin/{RUNNER}");
    Cache::find()?.provide(&format!("wasm-bindgen-{VERSION}"), &path, |room| {
        terminal::note(&format!("Building {RUNNER} {VERSION} (some minutes, once)"));
        let cli = format!("install wasm-bindgen-cli --version {VERSION} --locked --bin {RUNNER}");
        let mut install = workspace.cargo(&cli);
        install.arg("--root").arg(room);
        // It must not use the workspace's target directory.
        install.env("CARGO_TARGET_DIR", room.join("target"));
        Shell::inherit().run(install)?;
        Ok(std::fs::remove_dir_all(room.join("target"))?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runner_and_crate_have_one_version() {
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
        let lock = std::fs::read_to_string(lock).unwrap();
        assert!(lock.contains(&format!("name = \"wasm-bindgen\"\nversion = \"{VERSION}\"")));
    }
}
