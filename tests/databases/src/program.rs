//! A client program that is ready to run.

use std::ffi::OsString;
use std::path::PathBuf;

use tokio::process::Command;

/// An executable and the arguments that come before those of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    executable: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    pub(crate) fn new(executable: PathBuf, arguments: Vec<OsString>) -> Self {
        Self {
            executable,
            arguments,
        }
    }

    /// Adds arguments.
    pub(crate) fn with(mut self, arguments: impl IntoIterator<Item = OsString>) -> Self {
        self.arguments.extend(arguments);
        self
    }

    /// The command without the arguments of the contract.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.args(&self.arguments);
        command
    }
}
