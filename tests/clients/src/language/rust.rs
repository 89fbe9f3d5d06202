//! Rust: crates by `cargo build`, in a separate workspace, so that this one does not depend on them.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{Program, output_of, run, sources, tuned};
use evenkeel_test_tools::cache;

pub(super) fn version() -> Option<String> {
    // In the folder of the manifest, which selects the toolchain.
    output_of(
        Command::new("cargo")
            .arg("--version")
            .current_dir(sources("rust")),
    )
}

pub(super) fn program(name: &str, version: &str, note: impl Fn(&str)) -> Result<Program> {
    let package = sources("rust");
    let manifest = fs::read_to_string(package.join("Cargo.toml"))?;
    let pinned = fs::read_to_string(package.join("Cargo.lock"))?;
    // Not the whole folder: it may contain an editor's build.
    let inputs = (
        version,
        manifest,
        pinned,
        cache::files_below(&package.join("src"))?,
    );
    let target = cache::provide("rust", inputs, |directory| {
        note("Building the Rust clients (once)");
        let mut build = Command::new("cargo");
        run(build
            .args(["build", "--release", "--locked", "--quiet"])
            .env("CARGO_TARGET_DIR", directory)
            .current_dir(&package))
    })?;
    let (name, tuned) = tuned(name);
    let program = Program::new(target.join("release").join(name), Vec::new());
    Ok(if tuned { program.tuned() } else { program })
}
