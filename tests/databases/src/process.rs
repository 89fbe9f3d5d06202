//! A server process: started on ports that are free, ended when it goes out of scope.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
pub(crate) use evenkeel_test_tools::command::{run, tail};
use evenkeel_test_tools::ports::free_addresses;
use tempfile::TempDir;
use tokio::net::TcpStream;

/// Between the release of a port and the start of the server, another process may take the port.
const TRIES: usize = 5;

/// RabbitMQ takes 5 s to start, and 75 s on a loaded machine.
const LIMIT: Duration = Duration::from_secs(150);
const INTERVAL: Duration = Duration::from_millis(20);

/// A server that does not end within this time after its signal is killed.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(5);

/// A running server. Dropping it ends the process and removes its files.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    signal: &'static str,
    _directory: TempDir,
}

/// How to start a server in a directory of its own.
pub(crate) struct Start {
    pub(crate) command: Command,
    /// The address that accepts connections once the server is ready.
    pub(crate) address: SocketAddr,
    /// The signal that ends the server without waiting for its clients.
    pub(crate) signal: &'static str,
}

impl Process {
    /// Starts a server. `configure` gets a directory for its files and free addresses.
    ///
    /// # Errors
    /// When the server ends instead, with the end of its log.
    pub(crate) async fn start<const N: usize>(
        configure: impl Fn(&Path, [SocketAddr; N]) -> Result<Start>,
    ) -> Result<(Self, [SocketAddr; N])> {
        for _ in 0..TRIES {
            let directory = TempDir::new().context("no temporary directory")?;
            let addresses = free_addresses()?;
            let Start {
                mut command,
                address,
                signal,
            } = configure(directory.path(), addresses)?;
            let log = directory.path().join("log");
            let output = File::create(&log)?;
            let child = command
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output)
                .spawn()
                .with_context(|| format!("cannot start {command:?}"))?;
            let mut process = Self {
                child,
                signal,
                _directory: directory,
            };
            let Some(status) = process.end_before_ready(address).await? else {
                return Ok((process, addresses));
            };
            let text = fs::read_to_string(&log)?;
            if !text.to_lowercase().contains("address already in use") {
                bail!("{command:?} ended ({status})\n{}", tail(&text));
            }
        }
        bail!("another process took the ports of the server {TRIES} times")
    }

    /// Returns how the server ended, if it did before it accepted a connection.
    async fn end_before_ready(&mut self, address: SocketAddr) -> Result<Option<String>> {
        let start = Instant::now();
        while start.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status.to_string()));
            }
            if TcpStream::connect(address).await.is_ok() {
                return Ok(None);
            }
            tokio::time::sleep(INTERVAL).await;
        }
        bail!("the server on {address} accepts no connection after {LIMIT:?}")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = Command::new("kill")
            .args(["-s", self.signal, &self.child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        let start = Instant::now();
        while let Ok(None) = self.child.try_wait() {
            if start.elapsed() > TERMINATION_TIMEOUT {
                let _ = self.child.kill();
            }
            sleep(INTERVAL);
        }
    }
}

/// Some servers do not run as root. In a user namespace they see another user id, and the files that they write
/// still belong to root.
pub(crate) fn unprivileged(program: &Path) -> Result<Command> {
    if run(Command::new("id").arg("-u"))?.trim() != "0" {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-user=1000", "--map-group=1000"])
        .arg(program);
    Ok(command)
}
