//! The languages: what each needs on the machine, and how its programs get from their manifest to a command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache;

/// What a client's program is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// Libraries by pip into a virtual environment.
    Python,
    /// Modules by `go build`.
    Go,
}

/// A program that is ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    executable: PathBuf,
    script: Option<PathBuf>,
}

impl Program {
    /// The command, still without the flags of the contract.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        if let Some(script) = &self.script {
            // -B: a run must not leave bytecode among the sources.
            command.arg("-B").arg(script);
        }
        command
    }
}

impl Language {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Go => "Go",
        }
    }

    /// Its version on this machine, or None when it is not there.
    pub fn version(self) -> Option<String> {
        let mut command = match self {
            Self::Python => Command::new("python3"),
            Self::Go => Command::new("go"),
        };
        match self {
            Self::Python => command.arg("--version"),
            // Where the manifest stands: it chooses the toolchain.
            Self::Go => command.arg("version").current_dir(sources("go")),
        };
        let output = command.output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }

    /// The program of that name, with all that it needs: provisioned at the first call, quick from then on.
    /// `note` is told what takes time.
    ///
    /// # Errors
    /// When the language is missing, or its registry does not give what the manifest names.
    pub fn program(self, name: &str, note: impl Fn(&str)) -> Result<Program> {
        let Some(version) = self.version() else {
            bail!("{} is not installed", self.name());
        };
        match self {
            Self::Python => python(name, &version, note),
            Self::Go => go(name, &version, note),
        }
    }
}

fn python(name: &str, version: &str, note: impl Fn(&str)) -> Result<Program> {
    let requirements = sources("python").join("requirements.txt");
    let pinned = fs::read_to_string(&requirements)?;
    let environment = cache::provide("python", (version, &pinned), |directory| {
        note("Installing the Python clients (once)");
        let mut venv = Command::new("python3");
        done(venv.args(["-m", "venv"]).arg(directory))?;
        let mut pip = Command::new(directory.join("bin/python"));
        // Wheels only: what would have to be compiled here needs more than Python.
        pip.args(["-m", "pip", "install", "--quiet", "--only-binary=:all:"])
            .arg("--requirement")
            .arg(&requirements);
        done(&mut pip)
    })?;
    Ok(Program {
        executable: environment.join("bin/python"),
        script: Some(sources("python").join(format!("{name}.py"))),
    })
}

fn go(name: &str, version: &str, note: impl Fn(&str)) -> Result<Program> {
    let module = sources("go");
    let inputs = (version, go_sources(&module)?);
    let binaries = cache::provide("go", inputs, |directory| {
        note("Building the Go clients (once)");
        // The closing slash makes it a directory for the binary of every command of the module.
        let into = format!("{}/", directory.display());
        let mut build = Command::new("go");
        done(
            build
                .args(["build", "-o", &into, "./..."])
                .current_dir(&module),
        )
    })?;
    Ok(Program {
        executable: binaries.join(name),
        script: None,
    })
}

/// The content of every file of the module, in a stable order.
fn go_sources(directory: &Path) -> Result<Vec<String>> {
    let mut entries: Vec<_> = fs::read_dir(directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    entries.sort();
    let mut sources = Vec::new();
    for entry in entries {
        if entry.is_dir() {
            sources.extend(go_sources(&entry)?);
        } else {
            sources.push(fs::read_to_string(&entry)?);
        }
    }
    Ok(sources)
}

fn sources(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(language)
}

fn done(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        bail!(
            "{command:?} failed\n{}",
            String::from_utf8_lossy(&text).trim()
        );
    }
    Ok(())
}
