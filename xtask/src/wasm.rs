//! Builds `evenkeel.wasm`.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::Shell;
use crate::trim::{self, Trimmed};
use crate::workspace::Workspace;

/// The target triple of the module.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The built module.
pub struct Module {
    /// The path.
    pub path: PathBuf,
    size: usize,
    size_untrimmed: usize,
    exports_removed: usize,
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = |bytes: usize| bytes.div_ceil(1024);
        write!(
            f,
            "{}: {} KiB ({} KiB before {} idle exports were removed)",
            self.path.display(),
            kib(self.size),
            kib(self.size_untrimmed),
            self.exports_removed
        )
    }
}

/// Builds the plugin and trims it into `<target>/evenkeel.wasm`, whose time changes only when its bytes do.
///
/// # Errors
/// When the plugin does not compile, or lacks a required export.
pub fn build(workspace: &Workspace, shell: &mut Shell) -> Result<Module> {
    add_target(workspace, shell)?;
    let plugin = format!("build --profile wasm --target {TARGET} -p evenkeel-plugin");
    shell.run(workspace.cargo_for_release(&plugin)?)?;
    let built = workspace.target.join(TARGET).join("wasm/evenkeel.wasm");
    let bytes = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    let Trimmed {
        module,
        exports_removed,
    } = trim::trim(&bytes).with_context(|| format!("cannot trim {}", built.display()))?;
    let path = workspace.target.join("evenkeel.wasm");
    if fs::read(&path).ok().as_ref() != Some(&module) {
        let unfinished = workspace
            .target
            .join(format!("evenkeel.wasm.{}", std::process::id()));
        fs::write(&unfinished, &module)
            .and_then(|()| fs::rename(&unfinished, &path))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(Module {
        path,
        size: module.len(),
        size_untrimmed: bytes.len(),
        exports_removed,
    })
}

/// Adds the wasm32 target if it is missing. rustup installs it because of `rust-toolchain.toml`;
/// other toolchains may not have it.
///
/// # Errors
/// When the target is missing and rustup cannot add it.
pub fn add_target(workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.args(["--print", "target-libdir", "--target", TARGET]);
    command.current_dir(&workspace.root);
    let output = command.output().context("cannot run rustc")?;
    let libdir = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !libdir.is_empty() && PathBuf::from(libdir).is_dir() {
        return Ok(());
    }
    shell.note(&format!("Rust has no {TARGET} here: adding it with rustup"));
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]);
    rustup.current_dir(&workspace.root);
    match rustup.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("`rustup target add {TARGET}` failed: {status}"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "Rust has no {TARGET} here and there is no rustup to add it: install Rust with rustup \
             (rustup.rs), or your distribution's package (libstd-rust-dev-wasm32 on Debian)"
        ),
        Err(error) => Err(error).context("cannot run rustup"),
    }
}
