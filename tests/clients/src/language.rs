//! The languages: what each needs on the machine, and how its programs are built.

mod go;
mod java;
mod node;
mod python;
pub(crate) mod ruby;
mod rust;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use evenkeel_test_tools::command;

/// The environment variable with which a program configures its library with windows and limits like an application's.
const TUNED: &str = "EVENKEEL_TUNED";

/// The language of a client's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// Modules by `go build`.
    Go,
    /// Jars by Maven.
    Java,
    /// Packages by npm.
    Node,
    /// Libraries by pip into a virtual environment.
    Python,
    /// Libraries and the interpreter by Debian.
    Ruby,
    /// Crates by cargo, in a separate workspace.
    Rust,
}

/// A program that is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    executable: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
}

impl Program {
    /// `arguments` come before the flags of the contract.
    fn new(executable: PathBuf, arguments: Vec<OsString>) -> Self {
        Self {
            executable,
            arguments,
            environment: Vec::new(),
        }
    }

    /// Sets a variable of its environment.
    fn with(mut self, variable: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((variable, value.into()));
        self
    }

    /// Configures the library with windows and limits like an application's.
    fn tuned(self) -> Self {
        self.with(TUNED, "1")
    }

    /// The command, still without the flags of the contract.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Language {
    /// The name for users.
    pub fn name(self) -> &'static str {
        match self {
            Self::Go => "Go",
            Self::Java => "Java",
            Self::Node => "Node",
            Self::Python => "Python",
            Self::Ruby => "Ruby",
            Self::Rust => "Rust",
        }
    }

    /// The version that is installed, or None. Asked once per process: `javac` takes half a second to print it.
    pub fn version(self) -> Option<String> {
        static VERSIONS: Mutex<BTreeMap<Language, Option<String>>> = Mutex::new(BTreeMap::new());
        let mut versions = VERSIONS.lock().unwrap_or_else(PoisonError::into_inner);
        versions
            .entry(self)
            .or_insert_with(|| self.installed())
            .clone()
    }

    fn installed(self) -> Option<String> {
        match self {
            Self::Go => go::version(),
            Self::Java => java::version(),
            Self::Node => node::version(),
            Self::Python => python::version(),
            Self::Ruby => ruby::version(),
            Self::Rust => rust::version(),
        }
    }

    /// Returns the program of that name with everything that it needs; only the first call builds it.
    /// `note` gets messages about steps that take time.
    ///
    /// # Errors
    /// When the language is missing, or its registry does not give what the manifest names.
    pub fn program(self, name: &str, note: impl Fn(&str)) -> Result<Program> {
        let Some(version) = self.version() else {
            bail!("{} is not installed", self.name());
        };
        match self {
            Self::Go => go::program(name, &version, note),
            Self::Java => java::program(name, &version, note),
            Self::Node => node::program(name, &version, note),
            Self::Python => python::program(name, &version, note),
            Self::Ruby => ruby::program(name),
            Self::Rust => rust::program(name, &version, note),
        }
    }
}

/// A program's name without its ending `+tuned`, and whether it had that.
fn tuned(name: &str) -> (&str, bool) {
    name.strip_suffix("+tuned")
        .map_or((name, false), |name| (name, true))
}

/// The folder of the programs in that language.
fn sources(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(language)
}

/// Returns what the command prints; None when it cannot be run or fails.
fn output_of(command: &mut Command) -> Option<String> {
    command::run(command)
        .ok()
        .map(|text| text.trim().to_owned())
}

/// Runs the command.
///
/// # Errors
/// When it cannot be run or fails, with its output.
fn run(command: &mut Command) -> Result<()> {
    command::run(command).map(drop)
}
