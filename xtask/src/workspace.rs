//! The paths of the workspace, from cargo.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The root of the repository and cargo's target directory.
#[derive(Clone)]
pub struct Workspace {
    /// The directory of the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Cargo's target directory, absolute, from `CARGO_TARGET_DIR`, a configuration file or the default.
    pub target: PathBuf,
}

impl Workspace {
    /// Reads `cargo metadata`.
    ///
    /// # Errors
    /// When cargo cannot be run or cannot read the workspace.
    pub fn find() -> Result<Self> {
        // Read at run time, because clones that share a target directory share this binary.
        let package = env::var_os("CARGO_MANIFEST_DIR");
        let package = package.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let manifest = Path::new(&package).join("Cargo.toml");
        let output = Command::new(cargo_binary())
            .args("metadata --no-deps --format-version 1 --manifest-path".split(' '))
            .arg(&manifest)
            .output()
            .context("cannot run cargo")?;
        if !output.status.success() {
            bail!(
                "cargo metadata failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let metadata: Value =
            serde_json::from_slice(&output.stdout).context("reading cargo metadata")?;
        let directory = |key: &str| {
            let path = metadata.get(key).and_then(Value::as_str);
            path.map(PathBuf::from)
                .with_context(|| format!("cargo metadata names no {key}"))
        };
        Ok(Self {
            root: directory("workspace_root")?,
            target: directory("target_directory")?,
        })
    }

    /// `cargo` in this workspace, in any working directory, with `args` separated by spaces
    /// (an argument that contains a space is added with [`Command::arg`]).
    pub fn cargo(&self, args: &str) -> Command {
        let mut command = Command::new(cargo_binary());
        command
            .args(args.split_whitespace())
            .current_dir(&self.root);
        // A relative path would mean another directory to a child that runs in the root.
        if env::var_os("CARGO_TARGET_DIR").is_some() {
            command.env("CARGO_TARGET_DIR", &self.target);
        }
        command
    }

    /// As [`Workspace::cargo`], for releases: without paths of this machine and without flags from the environment. Requires
    /// `--target`, so that build scripts are built as usual.
    ///
    /// # Errors
    /// When rustc does not report its sysroot.
    pub fn cargo_for_release(&self, args: &str) -> Result<Command> {
        let sources = rustc(&["--print", "sysroot"])?.trim().to_owned() + "/lib/rustlib/src/rust";
        let places = [
            (self.root.clone(), "/evenkeel".to_owned()),
            (cargo_home()?, "/cargo".to_owned()),
            // The path that rustc embeds for the standard library, with and without its sources.
            (
                sources.into(),
                format!("/rustc/{}", version("commit-hash")?),
            ),
        ];
        let flags =
            places.map(|(place, name)| format!("--remap-path-prefix={}={name}", place.display()));
        let mut command = self.cargo(args);
        command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
        Ok(command)
    }
}

/// Returns the target triple of this machine.
///
/// # Errors
/// When rustc cannot be run.
pub fn host() -> Result<String> {
    version("host")
}

/// Returns a line of `rustc -vV`.
fn version(key: &str) -> Result<String> {
    let said = rustc(&["-vV"])?;
    let value = said
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    value
        .map(str::to_owned)
        .with_context(|| format!("rustc prints no {key}"))
}

fn rustc(args: &[&str]) -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(args).output();
    Ok(String::from_utf8(
        output.context("cannot run rustc")?.stdout,
    )?)
}

/// Returns the directory of cargo's registry.
///
/// # Errors
/// When the environment has no home directory.
pub fn cargo_home() -> Result<PathBuf> {
    match env::var_os("CARGO_HOME").filter(|home| !home.is_empty()) {
        Some(home) => Ok(std::path::absolute(home)?),
        None => Ok(env::home_dir()
            .context("no home: set CARGO_HOME")?
            .join(".cargo")),
    }
}

/// The cargo that started this process, so that children use the same toolchain.
fn cargo_binary() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}
