//! HAProxy with the best ways to drain a connection in Debian 12's release (2.6).
//!
//! **HTTP/1**: a variable of the session, which lives as long as the connection, counts its requests or keeps the
//! time of the first. The last response gets `connection: close`, after which HAProxy closes.
//!
//! **HTTP/2**: each stream is a separate session, so that nothing counts a connection's requests or knows
//! its age; a `connection: close` is removed from the response and closes nothing (measured); every timeout is one of
//! idleness; and the limit that does end connections, `tune.h2.fe.max-total-streams`, is only in later
//! releases. Operators use a reload instead: the old worker sends a GOAWAY on each of its
//! connections at the next request, serves that, and exits. It is reloaded every 200 ms, which is the mean
//! age that the other proxies have; if they drain a connection after two requests, HAProxy
//! therefore drains far fewer, so its losses are comparable only per drained connection.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::Result;
use tokio::time::{MissedTickBehavior, interval};

use crate::client::Protocol;
use crate::recycle::Recycle;
use evenkeel_test_tasks::Tasks;
use evenkeel_test_tools::debian::{self, Daemon};

const RELOAD_EVERY: Duration = Duration::from_millis(200);

/// Two HAProxy processes with two threads, one for each protocol. Dropping it ends both.
#[derive(Debug)]
pub(crate) struct Haproxy {
    http1: SocketAddr,
    http2: SocketAddr,
    _reloads: Tasks,
    _daemons: [Daemon; 2],
}

/// Returns what is missing on this machine.
pub(crate) fn missing() -> Option<String> {
    static MISSING: LazyLock<Option<String>> =
        LazyLock::new(|| debian::missing("haproxy", "haproxy"));
    MISSING.clone()
}

impl Haproxy {
    /// Starts it in front of `backend`, to which its connections are kept alive.
    pub(crate) async fn start(backend: SocketAddr, recycle: Recycle) -> Result<Self> {
        let (http1_daemon, http1) = start(backend, "", rules(recycle)).await?;
        let (http2_daemon, http2) = start(backend, "proto h2", "").await?;
        let mut reloads = Tasks::new();
        reloads.spawn(reload(http2_daemon.directory().join(MASTER)));
        Ok(Self {
            http1,
            http2,
            _reloads: reloads,
            _daemons: [http1_daemon, http2_daemon],
        })
    }

    /// Returns its address for a protocol.
    pub(crate) fn address(&self, protocol: Protocol) -> SocketAddr {
        match protocol {
            Protocol::Http1 | Protocol::WebSocket => self.http1,
            Protocol::Http2 | Protocol::Grpc => self.http2,
        }
    }
}

/// The name of the socket for commands to its master process.
const MASTER: &str = "master";

async fn start(backend: SocketAddr, protocol: &str, rules: &str) -> Result<(Daemon, SocketAddr)> {
    let program = debian::binary("haproxy", "haproxy")?;
    let configure = |directory: &Path, [address]: [SocketAddr; 1]| {
        configure(directory, &configuration(address, protocol, rules, backend))
    };
    let (daemon, [address]) = Daemon::start(&program, configure).await?;
    Ok((daemon, address))
}

/// Rules that count a connection's requests or record its age, and send `Connection: close`.
fn rules(recycle: Recycle) -> &'static str {
    match recycle {
        Recycle::Requests => {
            "http-request set-var(sess.seen) int(0) unless { var(sess.seen) -m found }
    http-request set-var(sess.seen) var(sess.seen),add(1)
    http-after-response set-header connection close if { var(sess.seen) -m int ge 2 }"
        }
        // HAProxy has no jitter, so this is the mean age.
        Recycle::Age => {
            "http-request set-var(sess.since) date(0,ms) unless { var(sess.since) -m found }
    http-after-response set-header connection close if { date(0,ms),sub(sess.since) ge 200 }"
        }
    }
}

fn configure(directory: &Path, configuration: &str) -> Result<(Vec<String>, PathBuf)> {
    let file = directory.join("haproxy.cfg");
    let pid = directory.join("haproxy.pid");
    fs::write(&file, configuration)?;
    let arguments = [
        "-W".to_owned(),
        "-S".to_owned(),
        directory.join(MASTER).display().to_string(),
        "-p".to_owned(),
        pid.display().to_string(),
        "-f".to_owned(),
        file.display().to_string(),
    ];
    Ok((arguments.into(), pid))
}

/// `client-fin` closes connections that a client keeps open after a GOAWAY, after the module's `close_delay`.
fn configuration(address: SocketAddr, protocol: &str, rules: &str, backend: SocketAddr) -> String {
    format!(
        "global
    nbthread 2
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout client-fin 1s
    timeout server 60s
frontend in
    bind {address} {protocol}
    {rules}
    default_backend app
backend app
    server app {backend}
"
    )
}

/// Reloads the worker periodically; the next one inherits the listening sockets.
async fn reload(master: PathBuf) {
    let mut ticks = interval(RELOAD_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // During a reload the master does not accept commands; the next iteration retries.
        if let Ok(mut socket) = UnixStream::connect(&master) {
            let _ = socket.write_all(b"reload\n");
        }
    }
}
