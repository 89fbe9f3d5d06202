//! The load on a listener: h2load for HTTP, and lines over persistent connections for raw TCP.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use evenkeel_test_envoy::TcpClient;
use evenkeel_test_tools::debian;

/// One kind of load.
#[derive(Clone, Copy)]
pub struct Shape {
    pub name: &'static str,
    pub kind: Kind,
    /// What the CPU time is divided by: requests, messages or bytes, as `unit` says.
    pub amount: u64,
    pub unit: &'static str,
    /// Another Envoy is the client, as in a mesh: over HTTP/2.
    pub is_from_envoy: bool,
}

#[derive(Clone, Copy)]
pub enum Kind {
    /// Options of h2load, and the path.
    Http(&'static [&'static str], &'static str),
    /// A request with a body of `amount` bytes.
    Upload(&'static [&'static str], &'static str),
    /// A response with a body of `amount` bytes.
    Download(&'static [&'static str], &'static str),
    /// gRPC calls, each of which gets a 64th of `amount` messages.
    GrpcStream,
    /// Lines on eight connections.
    Tcp,
}

const HTTP1: &[&str] = &["--h1", "-c", "8"];
const HTTP2: &[&str] = &["-c", "4", "-m", "4"];
const ONE: &[&str] = &["--h1", "-c", "1"];
const MIB: u64 = 1 << 20;

/// All shapes, with their amounts divided by `scale`.
pub fn shapes(scale: u64) -> Vec<Shape> {
    let shape = |name, kind, amount, unit| Shape {
        name,
        kind,
        amount: amount / scale,
        unit,
        is_from_envoy: false,
    };
    let from_envoy = |name, kind, amount, unit| Shape {
        is_from_envoy: true,
        ..shape(name, kind, amount, unit)
    };
    vec![
        shape("HTTP/1", Kind::Http(HTTP1, "/a"), 20_000, "request"),
        shape("HTTP/2", Kind::Http(HTTP2, "/a"), 20_000, "request"),
        from_envoy(
            "HTTP/2 from another Envoy",
            Kind::Http(HTTP1, "/a"),
            20_000,
            "request",
        ),
        shape(
            "HTTP/1, response of 16 KiB",
            Kind::Http(HTTP1, "/bytes/16384"),
            10_000,
            "request",
        ),
        shape(
            "HTTP/2, response of 16 KiB",
            Kind::Http(HTTP2, "/bytes/16384"),
            10_000,
            "request",
        ),
        shape(
            "gRPC, messages of 1 KiB from the server",
            Kind::GrpcStream,
            64_000,
            "message",
        ),
        from_envoy(
            "gRPC from another Envoy, messages of 1 KiB from the server",
            Kind::GrpcStream,
            64_000,
            "message",
        ),
        shape(
            "HTTP/1, response of 1 GiB",
            Kind::Download(ONE, "/bytes"),
            1024 * MIB,
            "MiB",
        ),
        shape(
            "HTTP/1, request of 1 GiB",
            Kind::Upload(ONE, "/count"),
            1024 * MIB,
            "MiB",
        ),
        shape("TCP, lines of 64 bytes", Kind::Tcp, 40_000, "message"),
    ]
}

/// The shape with this name.
pub fn find(name: &str, scale: u64) -> Result<Shape> {
    let all = shapes(scale);
    let found = all.iter().find(|shape| shape.name == name).copied();
    found.with_context(|| {
        let names: Vec<_> = all.iter().map(|shape| shape.name).collect();
        format!("no load {name:?}: there are {}", names.join("; "))
    })
}

impl Shape {
    /// The number of units by which the CPU time is divided.
    pub fn units(self) -> u64 {
        match self.kind {
            Kind::Upload(..) | Kind::Download(..) => (self.amount / MIB).max(1),
            Kind::Http(..) | Kind::GrpcStream | Kind::Tcp => self.amount,
        }
    }

    pub fn is_tcp(self) -> bool {
        matches!(self.kind, Kind::Tcp)
    }
}

/// The load generators.
pub struct Generator {
    h2load: PathBuf,
    directory: PathBuf,
}

impl Generator {
    /// Finds h2load, and keeps its files in `directory`.
    pub fn new(directory: &Path) -> Result<Self> {
        Ok(Self {
            h2load: debian::binary("nghttp2-client", "h2load")?,
            directory: directory.to_owned(),
        })
    }

    /// Sends the load of a shape, and waits for its end.
    pub async fn send(&self, shape: Shape, to: SocketAddr) -> Result<()> {
        let amount = shape.amount.to_string();
        match shape.kind {
            Kind::Http(options, path) => self
                .h2load(&[options, &["-n", &amount]].concat(), to, path)
                .map(drop),
            Kind::Download(options, path) => {
                let path = format!("{path}/{amount}");
                self.h2load(&[options, &["-n", "1"]].concat(), to, &path)
                    .map(drop)
            }
            Kind::Upload(options, path) => {
                let body = self.directory.join("body");
                File::create(&body)?.set_len(shape.amount)?;
                let body = body.to_string_lossy();
                self.h2load(&[options, &["-n", "1", "-d", &body]].concat(), to, path)
                    .map(drop)
            }
            Kind::GrpcStream => {
                let path = format!("/evenkeel.Test/Stream/{}/1", shape.amount / 64);
                let message = self.directory.join("message");
                fs::write(&message, [0; 5])?;
                let message = message.to_string_lossy();
                let content = "content-type: application/grpc";
                let options = [
                    "-c", "4", "-m", "16", "-n", "64", "-d", &message, "-H", content,
                ];
                self.h2load(&options, to, &path).map(drop)
            }
            Kind::Tcp => send_lines(to, shape.amount).await,
        }
    }

    /// Sends requests at a fixed rate. Returns the response times in microseconds, in ascending order.
    pub fn latencies(&self, to: SocketAddr, seconds: u32) -> Result<Vec<u64>> {
        let log = self.directory.join("latencies");
        let _ = fs::remove_file(&log);
        let (path, number) = (log.to_string_lossy(), (8 * 50 * seconds).to_string());
        let options = [
            "--h1",
            "-c",
            "8",
            "--rps",
            "50",
            "-n",
            &number,
            "--log-file",
            &path,
        ];
        self.h2load(&options, to, "/a")?;
        let text = fs::read_to_string(&log)?;
        let times = text
            .lines()
            .filter_map(|line| line.split('\t').nth(2)?.parse().ok());
        let mut times: Vec<u64> = times.collect();
        times.sort_unstable();
        Ok(times)
    }

    fn h2load(&self, options: &[&str], to: SocketAddr, path: &str) -> Result<String> {
        let mut command = Command::new(&self.h2load);
        command.args(options).arg(format!("http://{to}{path}"));
        let output = command.output().context("cannot run h2load")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() || !text.contains(" 0 failed, 0 errored, 0 timeout") {
            bail!(
                "h2load {options:?} {path}: {text}{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(text)
    }
}

/// Sends `lines` lines over eight connections, each after the response to the one before it.
async fn send_lines(to: SocketAddr, lines: u64) -> Result<()> {
    let client = async move || -> Result<()> {
        let mut client = TcpClient::new(to);
        for _ in 0..lines / 8 {
            client.exchange(&"x".repeat(63)).await?;
        }
        Ok(())
    };
    tokio::try_join!(
        client(),
        client(),
        client(),
        client(),
        client(),
        client(),
        client(),
        client()
    )?;
    Ok(())
}
