//! Rust: crates by `cargo build`, in a workspace of their own, so that they are not among those of this one.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{Program, done, files_below, said, sources, tuned};
use evenkeel_test_tools::cache;

pub(super) fn version() -> Option<String> {
    // Where the manifest stands: the toolchain is chosen there.
    said(
        Command::new("cargo")
            .arg("--version")
            .current_dir(sources("rust")),
    )
}

pub(super) fn program(name: &str, version: &str, note: impl Fn(&str)) -> Result<Program> {
    let package = sources("rust");
    let manifest = fs::read_to_string(package.join("Cargo.toml"))?;
    let pinned = fs::read_to_string(package.join("Cargo.lock"))?;
    // Not the whole folder: an editor may have built into it.
    let inputs = (
        version,
        manifest,
        pinned,
        files_below(&package.join("src"))?,
    );
    let target = cache::provide("rust", inputs, |directory| {
        note("Building the Rust clients (once)");
        let mut build = Command::new("cargo");
        done(
            build
                .args(["build", "--release", "--locked", "--quiet"])
                .env("CARGO_TARGET_DIR", directory)
                .current_dir(&package),
        )
    })?;
    let (name, tuned) = tuned(name);
    let program = Program::new(target.join("release").join(name), Vec::new());
    Ok(if tuned { program.tuned() } else { program })
}
