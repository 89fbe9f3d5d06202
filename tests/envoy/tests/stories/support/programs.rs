//! Programs in other languages with the libraries that stories test.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use evenkeel_test_tools::cache;

/// A program with a server, and clients of it behind a proxy. Its first output line is the port of the server; it reads
/// the port of the proxy from standard input, writes its outcome and exits. Dropping it kills the process.
pub struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
    server: SocketAddr,
}

impl Program {
    /// Starts the program; returns when its server listens.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut program = Self {
            child,
            output: BufReader::new(stdout),
            server: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let mut line = String::new();
        program.output.read_line(&mut line)?;
        let port = line.trim().parse();
        program
            .server
            .set_port(port.with_context(|| format!("{command:?} wrote {line:?}, not a port"))?);
        Ok(program)
    }

    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Passes the port of the proxy; returns the outcome.
    ///
    /// # Errors
    /// When the program fails.
    pub fn run_behind(mut self, proxy: SocketAddr) -> Result<String> {
        let mut input = self.child.stdin.take().context("no standard input")?;
        writeln!(input, "{}", proxy.port())?;
        let mut outcome = String::new();
        self.output.read_to_string(&mut outcome)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the program ended with {status}");
        Ok(outcome.trim().to_owned())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a Python that has the gRPC library.
pub fn python_with_grpc() -> Result<PathBuf> {
    const PACKAGE: &str = "grpcio==1.85.1";
    let version = output(Command::new("python3").arg("--version"))
        .context("this story needs Python 3.9 or later with venv and pip: install python3")?;
    let environment = cache::provide("grpcio", (version, PACKAGE), |directory| {
        output(Command::new("python3").args(["-m", "venv"]).arg(directory))?;
        let mut pip = Command::new(directory.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--only-binary=:all:"]);
        output(pip.arg(PACKAGE))?;
        Ok(())
    })?;
    Ok(environment.join("bin/python"))
}

/// Returns a Node without packages.
pub fn node() -> Result<Command> {
    output(Command::new("node").arg("--version"))
        .context("this story needs Node 20 or later with npm: install nodejs and npm")?;
    Ok(Command::new("node"))
}

/// Returns a Node that has WebSocket libraries which reconnect.
pub fn node_with_websockets() -> Result<Command> {
    const PACKAGES: [&str; 3] = ["ws@8.23.0", "sockette@2.0.6", "partysocket@1.3.0"];
    let mut node = node()?;
    let directory = cache::provide("node-websockets", PACKAGES, |directory| {
        fs::write(directory.join("package.json"), "{}")?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"]);
        output(npm.args(PACKAGES).current_dir(directory))?;
        Ok(())
    })?;
    // Node searches packages from the working directory when the script is an argument.
    node.current_dir(directory);
    Ok(node)
}

/// Runs a program; returns its output.
///
/// # Errors
/// When the program fails.
pub fn output(command: &mut Command) -> Result<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .with_context(|| format!("cannot start {}", name(command)))?;
    let stderr = String::from_utf8_lossy(&stderr);
    ensure!(status.success(), "{command:?}: {status}\n{stderr}");
    Ok(String::from_utf8(stdout)?)
}

fn name(command: &Command) -> String {
    OsStr::to_string_lossy(command.get_program()).into_owned()
}
