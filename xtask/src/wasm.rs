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

/// What Rust calls the machine that Envoy's V8 is.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The module as it was built.
pub struct Module {
    /// Where it is.
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
/// When the plugin does not compile, or is not the module that a host expects.
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

/// Sees to it that Rust can compile for wasm32. rustup reads `rust-toolchain.toml` and has it already;
/// a toolchain of another kind may not.
///
/// # Errors
/// When the target is missing and rustup is not there, or not able, to add it.
pub fn add_target(workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut ask = Command::new(rustc);
    ask.args(["--print", "target-libdir", "--target", TARGET]);
    ask.current_dir(&workspace.root);
    let answer = ask.output().context("cannot run rustc")?;
    let libdir = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
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
