//! A server with several processes, a configuration file and free ports.

use std::fs::{self, File};
use std::future::ready;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use evenkeel_test_envoy::eventually;
use tempfile::TempDir;

use crate::ports::free_addresses;

/// Attempts: another process may take a port before the server binds it.
const TRIES: usize = 5;

/// A running server. Dropping it ends all of its processes and removes its files.
#[derive(Debug)]
pub struct Daemon {
    leader: Child,
    directory: TempDir,
}

impl Daemon {
    /// Starts `program` and waits until it listens. `configure` gets a directory and free addresses; it writes the configuration and
    /// returns the arguments and the file to which the server writes its process id once it listens.
    ///
    /// # Errors
    /// When the server ends, with its stderr.
    pub async fn start<const N: usize>(
        program: &Path,
        configure: impl Fn(&Path, [SocketAddr; N]) -> Result<(Vec<String>, PathBuf)>,
    ) -> Result<(Self, [SocketAddr; N])> {
        for _ in 0..TRIES {
            let directory = TempDir::new().context("no temporary directory")?;
            // Workers without root must read its files.
            fs::set_permissions(&directory, PermissionsExt::from_mode(0o755))?;
            let addresses = free_addresses()?;
            let (arguments, listens) = configure(directory.path(), addresses)?;
            let log = directory.path().join("log");
            let leader = Command::new(program)
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(File::create(&log)?)
                .spawn()
                .with_context(|| format!("cannot start {}", program.display()))?;
            let mut daemon = Self { leader, directory };
            match daemon.end_before(&listens).await? {
                None => return Ok((daemon, addresses)),
                Some(status) => {
                    let stderr = fs::read_to_string(&log)?;
                    if !stderr.contains("Address already in use") {
                        bail!("{} ended ({status})\n{stderr}", program.display());
                    }
                }
            }
        }
        bail!(
            "{}: {TRIES} times the ports that it was given were taken",
            program.display()
        )
    }

    /// Returns the directory of its files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the exit status if the process ended before the file existed.
    async fn end_before(&mut self, file: &Path) -> Result<Option<String>> {
        eventually(&format!("{} to be written", file.display()), || {
            let ended = self.leader.try_wait().ok().flatten();
            let outcome = match ended {
                Some(status) => Some(Some(status.to_string())),
                None => file.exists().then_some(None),
            };
            ready(Ok(outcome))
        })
        .await
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // With SIGTERM, so that the leader ends its workers. Fails when it has ended.
        let _ = Command::new("sh")
            .arg("-c")
            .arg(format!("kill {}", self.leader.id()))
            .stderr(Stdio::null())
            .status();
        let _ = self.leader.wait();
    }
}
