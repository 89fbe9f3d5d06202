//! The paths of the Envoy and of the module under test.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The pinned release, which `cargo xtask envoy` provisions.
const ENVOY: &str = "envoy-1.40.0/envoy";

/// Returns the path of Envoy: `$EVENKEEL_ENVOY`, else the one that `cargo xtask envoy` provisioned in [`cache_dir`].
///
/// # Errors
/// When there is none; the error has the command that provides it.
pub fn envoy_path() -> Result<PathBuf> {
    let path = match set("EVENKEEL_ENVOY") {
        Some(path) => path,
        None => cache_dir()?.join(ENVOY),
    };
    existing(path, "no Envoy", "cargo xtask envoy")
}

/// Returns the path of the module: `$EVENKEEL_WASM`, else `evenkeel.wasm` in cargo's target directory.
///
/// # Errors
/// When it has not been built; the error has the command that builds it.
pub fn module_path() -> Result<PathBuf> {
    let path = match set("EVENKEEL_WASM") {
        Some(path) => path,
        None => target_dir().join("evenkeel.wasm"),
    };
    existing(path, "no module", "cargo xtask wasm")
}

/// Returns the directory of what is provisioned once: `$EVENKEEL_CACHE`, else `evenkeel` in the user's cache.
///
/// # Errors
/// When the environment has no home directory.
pub fn cache_dir() -> Result<PathBuf> {
    match (set("EVENKEEL_CACHE"), set("XDG_CACHE_HOME"), set("HOME")) {
        (Some(dir), ..) => Ok(dir),
        (None, Some(user), _) => Ok(user.join("evenkeel")),
        (None, None, Some(home)) => Ok(home.join(".cache/evenkeel")),
        (None, None, None) => bail!("no place to look for an Envoy: set EVENKEEL_CACHE or HOME"),
    }
}

fn target_dir() -> PathBuf {
    set("CARGO_TARGET_DIR").unwrap_or(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"))
}

/// Returns a variable that is not empty.
fn set(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// Returns the absolute path: Envoy resolves a relative one against its own working directory.
fn existing(path: PathBuf, missing: &str, command: &str) -> Result<PathBuf> {
    match path.canonicalize() {
        Ok(path) => Ok(path),
        Err(_) => bail!("{missing} at {}: run `{command}` first", path.display()),
    }
}
