//! Network namespaces, each with a runtime whose threads are in it.
//!
//! A future that runs in a namespace opens its sockets and starts its programs there, so that the servers and clients of
//! the other tests need no changes.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use evenkeel_report::terminal;
use evenkeel_test_tasks::Task;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::runtime::{Builder, Runtime};

/// The directory in which `ip netns` keeps namespaces.
const DIRECTORY: &str = "/var/run/netns";

/// The start of the names; the process id of the lab follows.
const PREFIX: &str = "evenkeel-lab";

/// How many this process has created.
static CREATED: AtomicU64 = AtomicU64::new(0);

/// The time that tasks get to end.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// A network namespace. Dropping it ends its tasks and deletes it, with every link in it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

impl Namespace {
    /// Creates a namespace with a loopback interface.
    ///
    /// # Errors
    /// Without root.
    pub fn create(label: &str) -> Result<Self> {
        // That of an earlier case may still be there: it ends with its last task.
        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}-{}-{number}-{label}", process::id());
        ip(&format!("netns add {name}"))?;
        let mut namespace = Self {
            name,
            runtime: None,
        };
        ip(&format!("-n {} link set lo up", namespace.name))?;
        let file = File::open(Path::new(DIRECTORY).join(&namespace.name))?;
        let enter =
            move || move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network));
        // A thread of the runtime has nobody to report an error to.
        thread::scope(|scope| scope.spawn(&enter).join())
            .map_err(|_| anyhow::anyhow!("a thread panicked"))?
            .context("cannot enter a network namespace")?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .on_thread_start(move || enter().expect("a thread could enter it before"))
            .build()?;
        namespace.runtime = Some(runtime);
        Ok(namespace)
    }

    /// Returns the name, as `ip netns` shows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts a task in the namespace.
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let _inside = self.runtime.as_ref().map(Runtime::enter);
        Task::spawn(task)
    }

    /// Runs a program in the namespace, with this text as its input; returns its output.
    ///
    /// # Errors
    /// When the program fails, with what it wrote to stderr.
    pub fn run(&self, command: &str, input: &str) -> Result<String> {
        run(&format!("ip netns exec {} {command}", self.name), input)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // On a thread of its own: a runtime may not wait for another one. Tasks end the programs that they own.
            thread::scope(|scope| {
                scope.spawn(|| runtime.shutdown_timeout(SHUTDOWN));
            });
        }
        if let Err(error) = delete(&self.name) {
            terminal::error(error);
        }
    }
}

/// Deletes the namespaces of labs that have crashed, and ends the programs in them.
///
/// # Errors
/// When one cannot be deleted.
pub fn sweep() -> Result<()> {
    let Ok(entries) = fs::read_dir(DIRECTORY) else {
        // There has never been a namespace.
        return Ok(());
    };
    let mut deleted = 0;
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_running = |pid: u32| Path::new("/proc").join(pid.to_string()).exists();
        // One with the process id of this lab is older than this lab.
        if lab_of(&name).is_some_and(|pid| pid == process::id() || !is_running(pid)) {
            delete(&name)?;
            deleted += 1;
        }
    }
    if deleted > 0 {
        terminal::note(&format!(
            "Deleted {deleted} namespaces of a lab that crashed"
        ));
    }
    Ok(())
}

/// Deletes a namespace, and ends the programs in it.
fn delete(name: &str) -> Result<()> {
    for pid in ip(&format!("netns pids {name}"))?.split_whitespace() {
        run(&format!("kill -KILL {pid}"), "")?;
    }
    ip(&format!("netns del {name}"))?;
    Ok(())
}

/// Returns the process id of the lab that created a namespace.
fn lab_of(name: &str) -> Option<u32> {
    let rest = name.strip_prefix(PREFIX)?.strip_prefix('-')?;
    rest.split_once('-')?.0.parse().ok()
}

/// Runs `ip` with these arguments.
///
/// # Errors
/// As [`Namespace::run`].
pub fn ip(arguments: &str) -> Result<String> {
    run(&format!("ip {arguments}"), "")
}

fn run(command: &str, input: &str) -> Result<String> {
    let mut words = command.split_whitespace();
    let mut child = Command::new(words.next().unwrap_or_default())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{command}`"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Its own error is the better one.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{command}` failed ({}): {}", output.status, stderr.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_contains_the_process_id_of_its_lab() {
        assert_eq!(lab_of("evenkeel-lab-4711-pod-3"), Some(4711));
        assert_eq!(lab_of("evenkeel-lab-x-pod"), None);
        assert_eq!(lab_of("cni-4711-pod"), None);
    }

    #[test]
    fn failed_program_is_reported_with_its_error() {
        let error = run("sh -s", "echo no such thing >&2; exit 3").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sh -s` failed (exit status: 3): no such thing"
        );
    }
}
